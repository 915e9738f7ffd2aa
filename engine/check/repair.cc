// Repair: tries the starts that there are, takes the best one, and says what is done.
#include "engine/repair.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "engine/check/found_checkpoints.h"
#include "engine/check/repair_attempt.h"
#include "engine/check/superblock_check.h"
#include "engine/check/undo.h"
#include "engine/import.h"

namespace ramet::engine {
namespace {

// An attempt with what was found on the way to it.
struct Try {
  Try(const std::string& path, const StoreOptions& store, const RepairOptions& options,
      unsigned threads)
      : run(threads, options.progress,
            [this](const Finding& finding) { findings.push_back(finding); }),
        attempt(path, store, options, run, findings) {}

  std::vector<Finding> findings;
  CheckRun run;
  RepairAttempt attempt;
};

using SuperblockPair = std::array<std::optional<Superblock>, 2>;

class Repair {
 public:
  Repair(const std::string& path, const RepairOptions& options,
         const std::function<void(const RepairStep&)>& report)
      : path_(path), options_(options), report_(report) {
    if (options_.env == nullptr) options_.env = io::default_env();
    threads_ = options_.threads != 0 ? options_.threads
                                     : std::max(1u, std::thread::hardware_concurrency());
  }

  Result<RepairReport> run() {
    io::Env& env = *options_.env;
    RAMET_ASSIGN(const bool there, env.exists(path_));
    if (!there) return Error(ErrorCode::kNotFound, "there is no directory " + path_);
    RAMET_ASSIGN(const bool segments, env.exists(path_ + "/segments"));
    if (!segments) return Error(ErrorCode::kFailedPrecondition, path_ + " is not a Ramet store");
    RAMET_ASSIGN(const auto lock, env.lock(path_ + "/lock", true));
    if (options_.apply) RAMET_TRY(clear_cut_short());
    RAMET_TRY(choose());
    if (best_ == nullptr) {
      return Error(ErrorCode::kCorruption, path_ + ": nothing was found to go on from");
    }
    RepairAttempt& attempt = best_->attempt;
    attempt.choose_copies();
    tell_findings();
    RAMET_TRY(attempt.mend([this](const RepairStep& step) { tell(step); }));
    out_.sequence = attempt.sequence();
    out_.segments = attempt.copied().size();
    RAMET_TRY(attempt.sum_up(out_));
    if (!options_.apply || (out_.mended == 0 && out_.is_whole())) return out_;
    RAMET_TRY(attempt.apply());
    out_.applied = true;
    return out_;
  }

 private:
  // What a repair or an undo that never came to its end has left.
  Status clear_cut_short() {
    const auto record = load_undo(*options_.env, path_);
    if (!record.ok()) {
      const ErrorCode code = record.error().code();
      return code == ErrorCode::kNotFound || code == ErrorCode::kCorruption
                 ? ok()
                 : Status(record.error());
    }
    const auto begun = is_undo_begun(*options_.env, path_, *record);
    if (!begun.ok()) {
      return begun.error().code() == ErrorCode::kCorruption ? ok() : Status(begun.error());
    }
    return *begun ? restore_undo(*options_.env, path_, *record) : ok();
  }

  void tell(const RepairStep& step) {
    switch (step.outcome) {
      case Outcome::kMended: ++out_.mended; break;
      case Outcome::kOlder: ++out_.older; break;
      case Outcome::kMoved: ++out_.moved; break;
      case Outcome::kLost: ++out_.lost; break;
    }
    report_(step);
  }

  // kCorruption and the like: this one is no start. `*taken`: it is better than what was there.
  Status consider(const std::optional<Superblock>& superblock, bool* taken) {
    *taken = false;
    StoreOptions store;
    store.env = options_.env;
    store.read_only = true;
    store.node_cache_bytes = options_.node_cache_bytes;
    auto next = std::make_unique<Try>(path_, store, options_, threads_);
    Status begun = next->attempt.begin(superblock);
    if (begun.ok()) begun = next->attempt.look();
    if (!begun.ok()) {
      const ErrorCode code = begun.error().code();
      const bool is_damage = code == ErrorCode::kCorruption || code == ErrorCode::kNotFound ||
                             code == ErrorCode::kFailedPrecondition;
      return is_damage ? ok() : begun;
    }
    const bool better =
        best_ == nullptr || (next->attempt.is_whole() && !best_->attempt.is_whole() &&
                             next->attempt.state().sequence >= best_->attempt.state().sequence);
    if (!better) return ok();
    best_ = std::move(next);
    *taken = true;
    return ok();
  }

  Status choose() {
    bool taken = false;
    RAMET_ASSIGN(const SuperblockPair said, read_superblocks());
    const auto& [newest, older] = said;
    if (!options_.scavenge) {
      CheckRun run(threads_, nullptr,
                   [this](const Finding& finding) { superblocks_.push_back(finding); });
      RAMET_ASSIGN(const bool begins, check_superblocks(*options_.env, path_, run));
      if (begins) RAMET_TRY(consider(std::nullopt, &taken));
      if (best_ != nullptr && best_->attempt.is_whole()) return ok();
      if (best_ != nullptr) return older ? consider_older(*newest, *older) : ok();
    }
    // Nothing that the superblocks say leads anywhere: the segments tell.
    RAMET_ASSIGN(const FoundStore found,
                 find_checkpoints(options_.env, path_, newest ? &*newest : nullptr));
    constexpr size_t kTried = 16;
    for (size_t i = 0; i < std::min(found.checkpoints.size(), kTried); ++i) {
      RAMET_TRY(consider(found.checkpoints[i], &taken));
      if (best_ != nullptr && best_->attempt.is_whole()) break;
    }
    if (best_ == nullptr) RAMET_TRY(consider(found.identity, &taken));
    started_from_segments_ = best_ != nullptr;
    return ok();
  }

  // The older superblock's checkpoint and the log behind it: the same state by another way.
  Status consider_older(const Superblock& newest, const Superblock& older) {
    if (older.checkpoint == newest.checkpoint) return ok();
    return consider(older, &started_from_older_);
  }

  // Whose store it is and where it begins, the newest first; none if neither can be read.
  Result<SuperblockPair> read_superblocks() {
    SuperblockStore superblocks(options_.env, path_);
    const auto loaded = superblocks.load();
    if (!loaded.ok()) {
      const ErrorCode code = loaded.error().code();
      const bool none = code == ErrorCode::kCorruption || code == ErrorCode::kFailedPrecondition;
      return none ? Result<SuperblockPair>(SuperblockPair{}) : loaded;
    }
    const Superblock& newest = superblocks.newest();
    RAMET_TRY(check_features(newest.features, options_.apply, path_));
    if (!options_.apply || newest.undo.is_null()) return loaded;
    return Error(ErrorCode::kFailedPrecondition,
                 "an earlier repair of " + path_ + " can still be undone: accept or undo it first");
  }

  // What is mended by writing a new checkpoint.
  void tell_findings() {
    const auto say = [this](Outcome outcome, std::string message) {
      RepairStep step;
      step.outcome = outcome;
      step.message = std::move(message);
      tell(step);
    };
    for (const Finding& finding : superblocks_) {
      say(Outcome::kMended, finding.file + ": " + finding.message + "; it is written anew");
    }
    if (started_from_segments_) {
      say(Outcome::kMended, fmt::format("the store is put together from its segments, as of commit "
                                        "{}", best_->attempt.state().sequence));
    }
    if (best_->attempt.fell_back()) {
      say(Outcome::kMended, "the newest checkpoint cannot be read; the one before it was used, and "
                            "the log behind it");
    }
    if (started_from_older_) {
      say(Outcome::kMended, "the checkpoint before the newest is whole, and the log behind it: "
                            "they give the same state");
    }
    uint64_t map = 0;
    for (const Finding& finding : best_->findings) {
      const std::string_view code = finding.kind->code;
      if (code == "checkpoint-copy") {
        say(Outcome::kMended, "a copy of the checkpoint: " + finding.message +
                                  "; both are written anew");
      } else if (code == "segment-missing") {
        say(Outcome::kLost, finding.file + ": " + finding.message);
      } else if (code == "map-damaged" || code == "count-high" || code == "count-low") {
        ++map;
      }
    }
    if (map > 0) {
      say(Outcome::kMended, fmt::format("the map of segments and counts is wrong in {} places; it "
                                        "is made anew from a full count", map));
    }
    for (const SegmentNo number : best_->attempt.displaced()) {
      say(Outcome::kMended, fmt::format("segment {} stands under another name; it is copied to a "
                                        "file of its own", number));
    }
    for (const SegmentNo number : best_->attempt.other_generations()) {
      say(Outcome::kMended, fmt::format("segment {}: its file is gone, but one of another "
                                        "generation is there", number));
    }
    const auto damaged = best_->attempt.map_check().damaged_segments();
    for (const SegmentNo number : best_->attempt.copied()) {
      if (best_->attempt.displaced().contains(number) || damaged.contains(number)) continue;
      say(Outcome::kMended, fmt::format("segment {}: its header cannot be read; what is needed of "
                                        "it is copied to a new file", number));
    }
    for (const auto& [number, codes] : damaged) {
      if (best_->attempt.displaced().contains(number)) continue;
      const bool copied = best_->attempt.copied().contains(number);
      say(Outcome::kMended, fmt::format("segment {} ({}): {}", number, fmt::join(codes, ", "),
                                        copied ? "what is needed of it is copied to a new file"
                                               : "its table of slots is kept in the map"));
    }
  }

  const std::string path_;
  RepairOptions options_;
  const std::function<void(const RepairStep&)>& report_;
  unsigned threads_ = 1;
  RepairReport out_;
  std::vector<Finding> superblocks_;
  std::unique_ptr<Try> best_;
  bool started_from_segments_ = false;
  bool started_from_older_ = false;
};

// The superblocks of a store whose repair was not accepted.
Result<std::unique_ptr<SuperblockStore>> with_undo(const std::shared_ptr<io::Env>& env,
                                                   const std::string& path) {
  auto superblocks = std::make_unique<SuperblockStore>(env, path);
  RAMET_TRY(superblocks->load());
  if (superblocks->newest().undo.is_null()) {
    return Error(ErrorCode::kFailedPrecondition, path + " has no repair that could be undone");
  }
  return superblocks;
}

// Commits behind the repair's state.
Result<uint64_t> commits_since(const std::shared_ptr<io::Env>& env, const std::string& path,
                               const UndoRecord& record) {
  StoreOptions options;
  options.env = env;
  options.read_only = true;
  RecoveredStore store(path, options);
  RAMET_TRY(store.load_superblocks(false));
  RAMET_TRY(store.recover(false));
  const Sequence now = store.state().sequence;
  return now - std::min(now, record.sequence);
}

}  // namespace
}  // namespace ramet::engine

namespace ramet {

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kMended: return "mended";
    case Outcome::kOlder: return "older";
    case Outcome::kMoved: return "moved";
    case Outcome::kLost: return "lost";
  }
  return "unknown outcome";
}

Result<RepairReport> repair(const std::string& path, const RepairOptions& options,
                            const std::function<void(const RepairStep&)>& report) {
  return engine::Repair(path, options, report).run();
}

Result<RepairState> repair_state(const std::string& path, std::shared_ptr<io::Env> env) {
  if (env == nullptr) env = io::default_env();
  RepairState out;
  const auto superblocks = engine::with_undo(env, path);
  if (!superblocks.ok()) {
    if (superblocks.error().code() == ErrorCode::kFailedPrecondition) return out;
    return superblocks.error();
  }
  RAMET_ASSIGN(const engine::UndoRecord record, engine::load_undo(*env, path));
  out.can_undo = true;
  RAMET_ASSIGN(out.commits_since, engine::commits_since(env, path, record));
  return out;
}

Status undo_repair(const std::string& path, bool discard_commits, std::shared_ptr<io::Env> env) {
  if (env == nullptr) env = io::default_env();
  RAMET_ASSIGN(const auto lock, env->lock(path + "/lock", true));
  const auto superblocks = engine::with_undo(env, path);
  const auto found = engine::load_undo(*env, path);
  if (!superblocks.ok()) {
    if (!found.ok()) return superblocks.error();
    RAMET_ASSIGN(const bool begun, engine::is_undo_begun(*env, path, *found));
    if (!begun) return superblocks.error();
    return engine::restore_undo(*env, path, *found);
  }
  if (!found.ok()) return found.error();
  const engine::UndoRecord& record = *found;
  if (!discard_commits) {
    RAMET_ASSIGN(const uint64_t since, engine::commits_since(env, path, record));
    if (since > 0) {
      return Error(ErrorCode::kFailedPrecondition,
                   fmt::format("{} commits were made since the repair; undoing it would lose them",
                               since));
    }
  }
  return engine::restore_undo(*env, path, record);
}

Status accept_repair(const std::string& path, std::shared_ptr<io::Env> env) {
  if (env == nullptr) env = io::default_env();
  RAMET_ASSIGN(const auto lock, env->lock(path + "/lock", true));
  RAMET_ASSIGN(const auto superblocks, engine::with_undo(env, path));
  RAMET_TRY(superblocks->write_again());
  Superblock superblock = superblocks->newest();
  superblock.undo = BlockRef{};
  RAMET_TRY(superblocks->write(superblock));
  RAMET_TRY(superblocks->write(superblocks->newest()));
  return engine::remove_undo(*env, path);
}

}  // namespace ramet
