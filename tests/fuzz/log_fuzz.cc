// Bytes as segments of the commit stream, walked as recovery does after a crash.
//
// Proves: the walk ends with a position or an error, whatever the bytes, believes no commit out of
// order, takes memory and time bounded by the files, and registers slots inside the files only.
#include "engine/container/operations.h"
#include "engine/log/commit_log.h"
#include "engine/log/recovery.h"
#include "format/commit_generated.h"
#include "io/env_sim.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seal.h"

namespace ramet::fuzz {
namespace {

using namespace engine;

constexpr SegmentNo kFirst = 2;

// Numbers and chains as the walk expects them, in commits that fill one frame and ask for it (by
// not having the bit kLeaveLengths).
void number_commits(Bytes& file, uint64_t seed, Sequence& sequence, uint64_t& chain) {
  size_t at = kSegmentHeaderBytes;
  while (at + kFrameHeaderBytes <= file.size()) {
    const size_t next = seal_frame(file, at, seed);
    auto header = load<FrameHeader>(file.data() + at);
    if (header.kind == FrameKind::kCommit && (header.flags & kFrameLastOfCommit) != 0 &&
        (header.flags & kLeaveLengths) == 0) {
      Bytes payload = file.substr(at + header.header_len, header.stored_len);
      if (verify_commit(payload)) {
        auto* table = reinterpret_cast<flatbuffers::Table*>(
            const_cast<fb::Commit*>(fb::GetCommit(payload.data())));
        table->SetField<uint64_t>(fb::Commit::VT_SEQUENCE, sequence + 1, 0);
        table->SetField<uint64_t>(fb::Commit::VT_PREVIOUS_CHAIN, chain, 0);
        header.sequence = ++sequence;
        chain = commit_chain(chain, payload);
        file.replace(at + header.header_len, payload.size(), payload);
        store(file.data() + at, header);
        seal_frame(file, at, seed);
      }
    }
    at = next;
  }
}

void check_segment(BlockStore& blocks, SegmentNo number, uint64_t file_bytes) {
  const auto segment = blocks.segment(number);
  if (!segment.ok()) return;
  RAMET_CHECK((*segment)->end() <= std::max<uint64_t>(file_bytes, kSegmentHeaderBytes),
              "a segment that ends behind its file");
  const Slot count = (*segment)->slot_count();
  RAMET_CHECK(count <= kSegmentSlotsMax, "slots from nowhere");
  for (Slot slot = 0; slot < count; ++slot) {
    const auto checksum = blocks.stored_checksum(number, slot);
    if (!checksum.ok()) continue;
    ignore_error(blocks.read(BlockRef{number, slot, *checksum}), "damage is an answer");
  }
}

}  // namespace

// The first byte steers: bits 0-1 how many segments the rest is cut into (after the second and
// third byte, in pages), bit 2 leaves numbers alone, bits 3-7 the sequence known to be durable.
RAMET_FUZZ_TARGET(log) {
  Fields fields(input.substr(0, 64u << 10));
  const auto how = fields.take<uint8_t>();
  const size_t first_cut = size_t{fields.take<uint8_t>()} * 512;
  const size_t cuts[2] = {first_cut, size_t{fields.take<uint8_t>()} * 512};
  BlockStoreConfig config;
  auto env = std::make_shared<io::SimEnv>(1);
  config.env = env;
  config.directory = "/segments";
  config.secret = fuzz_secret();
  config.newest_epoch = kFuzzEpoch;
  RAMET_CHECK(env->create_directory("/segments").ok(), "a directory in memory");
  BlockStore blocks(config);

  std::vector<uint64_t> lengths;
  Sequence sequence = 0;
  uint64_t chain = 0;
  const size_t segments = 1 + (how & 3) % 3;
  for (size_t i = 0; i < segments; ++i) {
    const SegmentNo number = kFirst + static_cast<SegmentNo>(i);
    SegmentHeader header;
    header.secret = fuzz_secret();
    header.epoch = kFuzzEpoch;
    header.segment = number;
    header.stream = Stream::kCommit;
    header.previous = i == 0 ? 0 : number - 1;
    Bytes file = encode_segment_header(header);
    file += i < 2 && i + 1 < segments ? fields.take_bytes(cuts[i]) : fields.rest();
    file.resize(align_up(file.size(), 8), '\0');
    const uint64_t seed = frame_seed(config.secret, number, kFuzzEpoch);
    if ((how & 4) == 0) {
      number_commits(file, seed, sequence, chain);
    } else {
      seal_frames(file, kSegmentHeaderBytes, seed);
    }
    lengths.push_back(file.size());
    RAMET_CHECK(env->write_raw(segment_path("/segments", number, 0), 0, file).ok(), "a file");
  }

  LogPosition from;
  from.segment = kFirst;
  from.offset = kSegmentHeaderBytes;
  LogPosition durable_end = from;
  durable_end.sequence = how >> 3;
  Sequence last = 0;
  const auto walk = walk_log(blocks, from, durable_end, [&](Sequence number, ByteView payload) {
    RAMET_CHECK(number == last + 1, "commits out of order");
    const auto commit = decode_commit(payload);
    if (!commit.ok()) return Status(commit.error());
    last = number;
    return ok();
  });
  if (!walk.ok()) return;
  RAMET_CHECK(walk->end.sequence == last && walk->commits == last, "another end");
  RAMET_CHECK(walk->segments.size() <= lengths.size(), "segments that were walked twice");
  for (const SegmentNo number : walk->segments) {
    check_segment(blocks, number, lengths[number - kFirst]);
  }
}

}  // namespace ramet::fuzz
