#include "engine/check/found_checkpoints.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "engine/block/file_window.h"
#include "engine/block/segment_scan.h"
#include "engine/log/recovery.h"
#include "format/segment_layout.h"

namespace ramet::engine {
namespace {

struct FoundFile {
  SegmentNo number = 0;
  std::string path;
  SegmentHeader header;
};

struct FoundCheckpoint {
  CheckpointRecord record;
  BlockRef ref, copy;
};

using GroupStarts = std::map<std::pair<Sequence, uint64_t>, std::pair<SegmentNo, uint64_t>>;

// The headers that can be read, of all stores whose segments stand here.
Result<std::vector<FoundFile>> read_headers(io::Env& env, const std::string& directory,
                                            uint64_t* files) {
  std::vector<FoundFile> out;
  RAMET_ASSIGN(const auto names, env.list(directory));
  for (const std::string& name : names) {
    const auto parsed = parse_segment_file_name(name);
    if (!parsed.ok()) continue;
    ++*files;
    FoundFile file;
    file.number = parsed->number;
    file.path = directory + "/" + name;
    RAMET_ASSIGN(const auto opened, env.open(file.path, io::OpenMode::kRead));
    RAMET_ASSIGN(const Bytes bytes, read_start(*opened, kSegmentHeaderBytes));
    auto header = decode_segment_header(bytes);
    if (!header.ok()) continue;
    file.number = header->segment;  // (files may have been swapped)
    file.header = *header;
    out.push_back(std::move(file));
  }
  if (*files == 0) return Error(ErrorCode::kFailedPrecondition, directory + " holds no segments");
  return out;
}

// The store of most of the files: one that was put there by mistake does not win.
const FoundFile* most_frequent(const std::vector<FoundFile>& files) {
  std::map<IdBytes, std::pair<uint64_t, const FoundFile*>> stores;
  for (const FoundFile& file : files) {
    auto& [count, last] = stores[file.header.store_id.bytes];
    ++count;
    last = &file;
  }
  const auto most = std::max_element(
      stores.begin(), stores.end(),
      [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
  return most == stores.end() ? nullptr : most->second.second;
}

Status read_map_segment(io::Env& env, const FoundFile& found, const Secret& secret,
                        std::vector<FoundCheckpoint>& out) {
  RAMET_ASSIGN(const auto file, env.open(found.path, io::OpenMode::kRead));
  RAMET_ASSIGN(const uint64_t size, file->size());
  const uint64_t seed = frame_seed(secret, found.number, found.header.epoch);
  return each_checkpoint(
      *file, size, found.number, seed, [&](const BlockRef& ref, const CheckpointRecord& record) {
        const auto same = std::find_if(out.begin(), out.end(), [&](const FoundCheckpoint& other) {
          return other.ref.checksum == ref.checksum && other.copy.is_null();
        });
        if (same != out.end()) {
          same->copy = ref;
        } else {
          out.push_back({record, ref, {}});
        }
      });
}

Status read_commit_segment(io::Env& env, const FoundFile& found, const Secret& secret,
                           GroupStarts& starts, Sequence* last) {
  RAMET_ASSIGN(const auto file, env.open(found.path, io::OpenMode::kRead));
  const uint64_t seed = frame_seed(secret, found.number, found.header.epoch);
  return each_group(*file, seed, [&](uint64_t offset, std::span<const LoggedCommit> commits) {
    starts[{commits[0].sequence, commits[0].previous_chain}] = {found.number, offset};
    *last = std::max(*last, commits.back().sequence);
    return ok();
  });
}

}  // namespace

Status each_checkpoint(
    io::File& file, uint64_t size, SegmentNo number, uint64_t seed,
    const std::function<void(const BlockRef& ref, const CheckpointRecord& record)>& visit) {
  FileWindow window(file, size);
  Status failed = ok();
  for (uint64_t at = kSegmentHeaderBytes; at + kFrameHeaderBytes <= size;) {
    ByteView payload;
    const auto header = read_frame(window, at, seed, &payload);
    if (!header.ok()) {
      if (failed.ok() && header.error().code() == ErrorCode::kIoError) failed = header.error();
      RAMET_ASSIGN(at, next_frame(window, at + kFrameAlignment, seed));
      continue;
    }
    if (header->kind == FrameKind::kCheckpoint) {
      const auto record = decode_checkpoint(payload);
      const auto slot = static_cast<Slot>(at / kFrameAlignment);
      if (record.ok()) visit({number, slot, header->payload_checksum}, *record);
    }
    at += frame_span(*header);
  }
  return failed;
}

Result<FoundStore> find_checkpoints(const std::shared_ptr<io::Env>& env, const std::string& path,
                                    const Superblock* identity) {
  FoundStore out;
  uint64_t count = 0;
  RAMET_ASSIGN(auto files, read_headers(*env, path + "/segments", &count));
  if (identity != nullptr) {
    out.identity.features = identity->features;
    out.identity.store_id = identity->store_id;
    out.identity.secret = identity->secret;
    out.identity.generation = identity->generation;
    out.identity.epoch = identity->epoch;
  } else {
    const FoundFile* of = most_frequent(files);
    if (of == nullptr) {
      return Error(ErrorCode::kCorruption,
                   path + ": no segment's header can be read, and without its secret no frame");
    }
    out.identity.store_id = of->header.store_id;
    out.identity.secret = of->header.secret;
  }
  std::erase_if(files, [&](const FoundFile& file) {
    return file.header.store_id != out.identity.store_id ||
           file.header.secret != out.identity.secret;
  });
  out.segments = files.size();
  out.identity.next_segment = 1;
  std::vector<FoundCheckpoint> checkpoints;
  GroupStarts starts;
  Sequence newest_commit = 0;
  for (const FoundFile& file : files) {
    out.identity.epoch = std::max(out.identity.epoch, file.header.epoch);
    out.identity.next_segment = std::max(out.identity.next_segment, file.number + 1);
    if (file.header.stream == Stream::kMap) {
      RAMET_TRY(read_map_segment(*env, file, out.identity.secret, checkpoints));
    } else if (file.header.stream == Stream::kCommit) {
      RAMET_TRY(read_commit_segment(*env, file, out.identity.secret, starts, &newest_commit));
    }
  }
  std::stable_sort(checkpoints.begin(), checkpoints.end(),
                   [](const FoundCheckpoint& a, const FoundCheckpoint& b) {
                     return std::tie(a.record.sequence, a.record.epoch, a.record.time) >
                            std::tie(b.record.sequence, b.record.epoch, b.record.time);
                   });
  for (const FoundCheckpoint& found : checkpoints) {
    Superblock superblock = out.identity;
    superblock.checkpoint = found.ref;
    superblock.checkpoint_copy = found.copy;
    superblock.replay.sequence = found.record.sequence;
    superblock.replay.chain = found.record.chain;
    const auto next = starts.find({found.record.sequence + 1, found.record.chain});
    if (next != starts.end()) {
      superblock.state = StoreState::kInUse;
      superblock.replay.segment = next->second.first;
      superblock.replay.offset = next->second.second;
    }
    superblock.durable_end = superblock.replay;
    // What the log holds behind it is not to be taken for a torn tail.
    if (next != starts.end()) superblock.durable_end.sequence = newest_commit;
    out.checkpoints.push_back(superblock);
  }
  // Before the first checkpoint the log is all there is.
  const auto first = starts.find({1, 0});
  if (first != starts.end()) {
    Superblock superblock = out.identity;
    superblock.state = StoreState::kInUse;
    superblock.replay.segment = first->second.first;
    superblock.replay.offset = first->second.second;
    superblock.durable_end = superblock.replay;
    superblock.durable_end.sequence = newest_commit;
    out.checkpoints.push_back(superblock);
  }
  return out;
}

}  // namespace ramet::engine
