// fsck: files first, then the trees and counts, then what entries say of each other.
#include "engine/fsck.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "engine/check/check_run.h"
#include "engine/check/map_check.h"
#include "engine/check/roots_check.h"
#include "engine/check/superblock_check.h"
#include "engine/check/tree_check.h"
#include "engine/index/dedupe_index.h"
#include "engine/recovered_store.h"

namespace ramet::engine {
namespace {

// So many checkpoints of a store that is in use are tried.
constexpr uint64_t kTriesMax = 16;

// One try.
class Fsck {
 public:
  Fsck(const std::string& path, const FsckOptions& options, bool open_elsewhere,
       const std::function<void(const Finding&)>& report)
      : path_(path), options_(options), run_(options.threads, options.progress, report) {
    out_.open_elsewhere = open_elsewhere;
  }

  Result<FsckReport> run() {
    RAMET_TRY(check());
    out_.lost = run_.lost();
    out_.damage = run_.damage();
    out_.hints = run_.hints();
    return out_;
  }
  // Whether what was found may be due to the other process.
  bool is_outdated() const {
    return store_ != nullptr && engine::is_outdated(options_.env, path_, generation_);
  }

 private:
  Status check() {
    RAMET_ASSIGN(const bool begins, check_superblocks(*options_.env, path_, run_));
    if (!begins) return ok();
    RAMET_TRY(open());
    if (lost_) return ok();
    RAMET_TRY(check_checkpoint_copies(*store_, run_));
    map_.emplace(run_, *store_);
    RAMET_TRY(map_->load());
    map_->expect(options_.data);
    RAMET_TRY(map_->check_files());
    if (options_.data) RAMET_TRY(map_->read_frames());
    RAMET_TRY(check_trees());
    RAMET_TRY(map_->check_counts(run_.lost() == 0));
    RAMET_TRY(map_->check_names(out_.open_elsewhere));
    out_.segments = map_->segments();
    out_.slots = map_->slots();
    out_.bytes_read = run_.bytes_read();
    check_index();
    return ok();
  }

  Status open() {
    StoreOptions options;
    options.env = options_.env;
    options.read_only = true;
    options.node_cache_bytes = options_.node_cache_bytes;
    store_ = std::make_unique<RecoveredStore>(path_, options);
    RAMET_TRY(store_->load_superblocks(false));
    const Superblock newest = store_->superblocks().newest();
    generation_ = newest.generation;
    const Status recovered = store_->recover(false, !out_.open_elsewhere);
    if (!recovered.ok()) {
      if (recovered.error().code() != ErrorCode::kCorruption) return recovered;
      run_.add_file("checkpoint-lost", path_, 0, recovered.error().message());
      lost_ = true;
      return ok();
    }
    // (Falling back keeps the generation, which the next superblock goes on from.)
    if (store_->superblocks().newest().checkpoint != newest.checkpoint) {
      run_.add_file("checkpoint-fallback", path_, 0,
                    fmt::format("the checkpoint of superblock generation {} cannot be read",
                                newest.generation));
    }
    if (store_->damage()) run_.add_file("log-damaged", path_, 0, store_->damage()->message());
    out_.sequence = store_->state().sequence;
    return ok();
  }

  Status check_trees() {
    TreeCheck trees(store_->context(), &map_->counts(),
                    [this](const BlockRef& ref) { return map_->is_bad(ref); });
    trees.set_cancelled([this] { return run_.is_cancelled(); });
    trees.set_met([this](const BlockRef& ref) { return run_.did_read(bytes_of(ref)); });
    RootsCheck roots(run_, trees, store_->context(), store_->blocks());
    RAMET_TRY(map_->count_trees(trees, roots));
    out_.roots = roots.roots();
    out_.objects = roots.objects();
    out_.nodes = trees.nodes() + map_->nodes();
    out_.peak_nodes = out_.nodes;
    return ok();
  }

  uint64_t bytes_of(const BlockRef& ref) {
    const auto slot = store_->blocks().slot(ref.segment, ref.slot);
    return slot.ok() ? slot->stored_len() : 0;
  }

  void check_index() {
    DedupeIndex index(*options_.env, path_ + "/index", true, IndexOptions{});
    if (options_.data) index.verify();
    if (index.stats().notes == 0) return;
    for (const std::string& note : index.take_notes()) {
      run_.add_file("index-damaged", path_ + "/index", 0, note);
    }
  }

  const std::string path_;
  const FsckOptions options_;
  CheckRun run_;
  FsckReport out_;
  uint64_t generation_ = 0;  // of the newest superblock
  bool lost_ = false;   // there is nothing to go on from
  std::unique_ptr<RecoveredStore> store_;
  std::optional<MapCheck> map_;
};

// Of a store that another process writes to: what is missed may have been replaced since.
Result<FsckReport> check_in_use(const std::string& path, const FsckOptions& options,
                                const std::function<void(const Finding&)>& report) {
  for (uint64_t tries = 0; tries < kTriesMax; ++tries) {
    if (options.progress != nullptr) options.progress->bytes_done = 0;
    if (options.progress != nullptr) options.progress->bytes_total = 0;
    std::vector<Finding> findings;
    Fsck check(path, options, true, [&](const Finding& one) { findings.push_back(one); });
    auto done = check.run();
    const bool sound = done.ok() && done->is_sound();
    if (!done.ok() && stops_check(done.error())) return done;
    if (!sound && check.is_outdated()) continue;
    if (!done.ok()) return done;
    for (const Finding& one : findings) report(one);
    done->restarts = tries;
    return done;
  }
  return Error(ErrorCode::kBusy,
               fmt::format("{} checkpoints were replaced while they were checked; try again when "
                           "less is written ('ramet config reclaim paused' helps)", kTriesMax));
}

}  // namespace
}  // namespace ramet::engine

namespace ramet {

Result<FsckReport> fsck(const std::string& path, const FsckOptions& options,
                        const std::function<void(const Finding&)>& report) {
  FsckOptions full = options;
  if (full.env == nullptr) full.env = io::default_env();
  if (full.threads == 0) full.threads = std::max(1u, std::thread::hardware_concurrency());
  // Held while it works: a store that nobody writes to stays as it is.
  const auto lock = full.env->lock(path + "/lock", false);
  if (!lock.ok() && lock.error().code() == ErrorCode::kBusy) {
    return engine::check_in_use(path, full, report);
  }
  return engine::Fsck(path, full, false, report).run();
}

}  // namespace ramet
