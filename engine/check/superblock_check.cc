#include "engine/check/superblock_check.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace ramet::engine {

namespace {

// A superblock that is written takes a sync: so many between readings say that something is wrong.
constexpr int kReadingsMax = 16;

// A file's bytes, or the message of why there are none.
using SuperblockFile = std::pair<std::optional<Bytes>, std::string>;
using SuperblockFiles = std::array<SuperblockFile, 2>;

struct SuperblockFinding {
  std::string_view code;
  std::string file;
  std::string message;
};

struct SuperblockFindings {
  std::vector<SuperblockFinding> findings;
  bool any_file = false;
  bool begins = false;  // there is one to go on from
};

SuperblockFiles read_superblock_files(io::Env& env, const std::string& path) {
  SuperblockFiles out;
  for (size_t i = 0; i < 2; ++i) {
    auto bytes = read_file(env, path + "/" + kSuperblockFileNames[i], 2 * kSuperblockBytes);
    if (bytes.ok()) {
      out[i].first = std::move(*bytes);
    } else {
      out[i].second = bytes.error().message();
    }
  }
  return out;
}

SuperblockFindings judge(const SuperblockFiles& files, const std::string& path) {
  SuperblockFindings out;
  std::array<std::optional<Superblock>, 2> found;
  std::array<std::string, 2> names;
  for (size_t i = 0; i < 2; ++i) {
    names[i] = path + "/" + kSuperblockFileNames[i];
    const auto& [bytes, message] = files[i];
    if (bytes) out.any_file = true;
    auto decoded = bytes ? decode_superblock(*bytes)
                         : Result<Superblock>(Error(ErrorCode::kIoError, message));
    if (decoded.ok()) {
      found[i] = *decoded;
    } else {
      out.findings.push_back({"superblock-bad", names[i], decoded.error().message()});
    }
  }
  out.begins = found[0] || found[1];
  if (!out.begins) {
    for (SuperblockFinding& one : out.findings) one.code = "superblock-lost";
  }
  if (!found[0] || !found[1]) return out;
  const uint64_t a = found[0]->generation;
  const uint64_t b = found[1]->generation;
  if (found[0]->store_id != found[1]->store_id || found[0]->secret != found[1]->secret) {
    out.findings.push_back(
        {"superblock-stale", names[1], "the superblocks are of different stores"});
  } else if (std::max(a, b) - std::min(a, b) != 1) {
    out.findings.push_back({"superblock-stale", names[a < b ? 0 : 1],
                            fmt::format("the superblocks have generations {} and {}", a, b)});
  }
  return out;
}

}  // namespace

// Another process may write one between the two that are read.
Result<bool> check_superblocks(io::Env& env, const std::string& path, CheckRun& run) {
  RAMET_ASSIGN(const bool there, env.exists(path));
  if (!there) return Error(ErrorCode::kNotFound, "there is no directory " + path);
  SuperblockFiles files = read_superblock_files(env, path);
  for (int readings = 1;; ++readings) {
    const SuperblockFindings found = judge(files, path);
    SuperblockFiles again;
    if (!found.findings.empty()) again = read_superblock_files(env, path);
    if (found.findings.empty() || again == files) {
      if (!found.any_file) {
        RAMET_ASSIGN(const bool segments, env.exists(path + "/segments"));
        if (!segments) return Error(ErrorCode::kFailedPrecondition, path + " is not a Ramet store");
      }
      for (const auto& one : found.findings) run.add_file(one.code, one.file, 0, one.message);
      return found.begins;
    }
    if (readings == kReadingsMax) {
      return Error(ErrorCode::kBusy, fmt::format("the superblocks of {} were different each time "
                                                 "of {} that they were read", path, readings));
    }
    files = std::move(again);
  }
}

Status check_checkpoint_copies(RecoveredStore& store, CheckRun& run) {
  const Superblock& used = store.superblocks().newest();
  for (const BlockRef& ref : {used.checkpoint, used.checkpoint_copy}) {
    if (ref.is_null()) continue;
    const auto bytes = store.blocks().read_map(ref);
    const auto record = bytes.ok() ? decode_checkpoint(*bytes)
                                   : Result<CheckpointRecord>(bytes.error());
    if (record.ok() && record->sequence == store.checkpoint().sequence) continue;
    if (!record.ok() && record.error().code() == ErrorCode::kIoError) return record.error();
    Finding finding = CheckRun::make(
        "checkpoint-copy", record.ok() ? "it is of another commit" : record.error().message());
    finding.segment = ref.segment;
    finding.slot = ref.slot;
    run.add(finding);
  }
  return ok();
}

bool is_outdated(const std::shared_ptr<io::Env>& env, const std::string& path,
                 uint64_t generation) {
  SuperblockStore superblocks(env, path);
  return superblocks.load().ok() && superblocks.newest().generation > generation;
}

}  // namespace ramet::engine
