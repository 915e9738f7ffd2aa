#include "engine/check/scrub_state.h"

#include <algorithm>
#include <cstring>

#include "format/features.h"
#include "format/hash.h"
#include "format/scrub_generated.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kStateBytesMax = 64u << 20;

// As it is on disk, before the payload.
struct DiskHeader {
  FileHeader file;
  uint64_t payload_bytes = 0;
  uint64_t reserved = 0;
  uint64_t check = 0;  // XXH3-64 of all before, then of the payload
};
static_assert(sizeof(DiskHeader) == 64 && std::is_trivially_copyable_v<DiskHeader>);

uint64_t check_of(ByteView header, ByteView payload) {
  Bytes bytes(header.substr(0, offsetof(DiskHeader, check)));
  bytes.append(payload);
  return xxh3(bytes);
}

using Builder = flatbuffers::FlatBufferBuilder;
using Chars = flatbuffers::Vector<uint8_t>;

flatbuffers::Offset<Chars> chars(Builder& builder, ByteView text) {
  return builder.CreateVector(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}
std::string text_of(const Chars* chars) {
  if (chars == nullptr) return {};
  return std::string(reinterpret_cast<const char*>(chars->data()), chars->size());
}
ByteView view_of(const IdBytes& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

flatbuffers::Offset<fb::ScrubPass> encode_pass(Builder& builder, const ScrubPass& pass) {
  std::vector<flatbuffers::Offset<fb::ScrubFinding>> findings;
  for (const ScrubFinding& one : pass.findings) {
    const Finding& finding = one.finding;
    const auto code = builder.CreateString(finding.kind->code.data(), finding.kind->code.size());
    const auto file = chars(builder, finding.file);
    const auto container = chars(builder, finding.container);
    const auto snapshot = chars(builder, finding.snapshot);
    const auto path = chars(builder, finding.path);
    const auto id = chars(builder, finding.id ? view_of(*finding.id) : ByteView());
    const auto message = chars(builder, finding.message);
    findings.push_back(fb::CreateScrubFinding(
        builder, code, one.found, file, finding.offset, finding.segment, finding.slot.value_or(0),
        finding.slot.has_value(), container, snapshot, path, id, message));
  }
  const auto listed = builder.CreateVector(findings);
  return fb::CreateScrubPass(builder, pass.number, pass.begun, pass.finished, pass.sequence,
                             pass.bytes_done, pass.bytes_total, pass.lost, pass.damage, pass.hints,
                             listed);
}

std::optional<ScrubFinding> decode_finding(const fb::ScrubFinding& table) {
  if (table.code() == nullptr) return std::nullopt;
  const auto kinds = finding_kinds();
  const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const FindingKind& one) {
    return one.code == table.code()->string_view();
  });
  if (kind == kinds.end()) return std::nullopt;  // of a later version
  ScrubFinding out;
  out.found = table.found();
  out.finding.kind = &*kind;
  out.finding.file = text_of(table.file());
  out.finding.offset = table.offset();
  out.finding.segment = table.segment();
  if (table.has_slot()) out.finding.slot = table.slot();
  out.finding.container = text_of(table.container());
  out.finding.snapshot = text_of(table.snapshot());
  out.finding.path = text_of(table.path());
  const std::string id = text_of(table.id());
  if (id.size() == sizeof(IdBytes)) out.finding.id = load<IdBytes>(id.data());
  out.finding.message = text_of(table.message());
  return out;
}

uint64_t bytes_of(const Finding& finding) {
  return sizeof finding + finding.file.size() + finding.container.size() +
         finding.snapshot.size() + finding.path.size() + finding.message.size();
}

// FlatBuffers lets any number of fields share one vector; no writer does. `room`: bytes that may
// still be handed out, all in all [INV-8]; false: it was not enough.
bool decode_pass(const fb::ScrubPass& table, uint64_t& room, ScrubPass& pass) {
  pass.number = table.number();
  pass.begun = table.begun();
  pass.finished = table.finished();
  pass.sequence = table.sequence();
  pass.bytes_done = table.bytes_done();
  pass.bytes_total = table.bytes_total();
  pass.lost = table.lost();
  pass.damage = table.damage();
  pass.hints = table.hints();
  if (table.findings() != nullptr) {
    for (const fb::ScrubFinding* one : *table.findings()) {
      auto finding = decode_finding(*one);
      if (!finding) continue;
      const uint64_t bytes = bytes_of(finding->finding);
      if (bytes > room) return false;
      room -= bytes;
      pass.findings.push_back(std::move(*finding));
    }
  }
  return true;
}

Error damaged(const char* what) {
  return {ErrorCode::kCorruption, std::string("what scrub remembered ") + what};
}

std::string state_path(const std::string& store) { return scrub_directory(store) + "/state"; }

}  // namespace

Bytes encode_scrub_state(const ScrubState& state) {
  Builder builder(4096);
  const auto id = chars(builder, view_of(state.store_id.bytes));
  flatbuffers::Offset<fb::ScrubPass> current, last;
  if (state.status.current) current = encode_pass(builder, *state.status.current);
  if (state.status.last) last = encode_pass(builder, *state.status.last);
  builder.Finish(fb::CreateScrubState(builder, id, current, last, state.end_segment,
                                      state.segment, state.generation, state.offset,
                                      state.frames_done));
  const ByteView payload(reinterpret_cast<const char*>(builder.GetBufferPointer()),
                         builder.GetSize());
  DiskHeader header;
  header.file = make_file_header(FileKind::kScrub, sizeof(DiskHeader), {});
  header.payload_bytes = payload.size();
  Bytes out;
  append(out, header);
  store(out.data() + offsetof(DiskHeader, check), check_of(out, payload));
  out.append(payload);
  return out;
}

Result<ScrubState> decode_scrub_state(ByteView bytes) {
  if (bytes.size() < sizeof(DiskHeader)) return damaged("is cut off");
  const auto header = load<DiskHeader>(bytes.data());
  const ByteView payload = bytes.substr(sizeof(DiskHeader));
  if (header.payload_bytes != payload.size()) return damaged("is cut off");
  if (header.check != check_of(bytes, payload)) return damaged("does not match its check");
  RAMET_TRY(decode_file_header(bytes, FileKind::kScrub, sizeof(DiskHeader)));
  const Bytes aligned(payload);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(aligned.data()), aligned.size());
  if (!fb::VerifyScrubStateBuffer(verifier)) return damaged("is malformed");
  const fb::ScrubState* table = fb::GetScrubState(aligned.data());
  ScrubState state;
  const std::string store = text_of(table->store_id());
  if (store.size() != sizeof(IdBytes)) return damaged("names no store");
  state.store_id.bytes = load<IdBytes>(store.data());
  // (In memory a finding may take some times what it takes here.)
  uint64_t room = 64 * uint64_t{bytes.size()};
  const auto take = [&](const fb::ScrubPass* pass, std::optional<ScrubPass>& into) {
    return pass == nullptr || decode_pass(*pass, room, into.emplace());
  };
  if (!take(table->current(), state.status.current) || !take(table->last(), state.status.last)) {
    return damaged("is malformed");
  }
  state.end_segment = table->end_segment();
  state.segment = table->segment();
  state.generation = table->generation();
  state.offset = table->offset();
  state.frames_done = table->frames_done();
  if (state.offset < kSegmentHeaderBytes) return damaged("leads to no frame");
  return state;
}

std::string scrub_directory(const std::string& store) { return store + "/scrub"; }

Result<ScrubState> load_scrub_state(io::Env& env, const std::string& store) {
  RAMET_ASSIGN(const Bytes bytes, io::read_file(env, state_path(store), kStateBytesMax));
  return with_context(decode_scrub_state(bytes), state_path(store));
}

Status save_scrub_state(io::Env& env, const std::string& store, const ScrubState& state) {
  const std::string made = state_path(store) + ".new";
  RAMET_ASSIGN(const bool left_over, env.exists(made));
  if (left_over) RAMET_TRY(env.remove(made));
  {
    RAMET_ASSIGN(auto file, env.open(made, io::OpenMode::kCreateExclusive));
    RAMET_TRY(file->write(0, encode_scrub_state(state)));
    RAMET_TRY(file->sync_data());
  }
  RAMET_TRY(env.rename(made, state_path(store)));
  return env.sync_directory(scrub_directory(store));
}

}  // namespace ramet::engine
