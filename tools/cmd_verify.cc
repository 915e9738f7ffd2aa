// verify: reads content, and compares it with what was written.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "engine/store.h"
#include "format/hash.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/signals.h"
#include "tools/text.h"
#include "tools/walk.h"

namespace ramet::tools {
namespace {

constexpr size_t kBatchObjects = 4096;
constexpr uint64_t kThreadsMax = 64;

struct VerifyOptions {
  std::vector<std::string> paths;
  uint64_t threads = 0;
};

struct Damage {
  PathSpec spec;
  std::string reason;
};

struct Tally {
  uint64_t objects = 0;
  uint64_t bytes = 0;        // of their content
  uint64_t read_bytes = 0;   // less by what was read before in this run
  std::vector<Damage> damages;
};

// Compositions that were read without an error: an object made of the same pieces of the same
// blocks needs no second reading. This is what makes a store with many clones verifiable in the
// time of one. Thread-safe.
class SeenCompositions {
 public:
  bool contains(const ContentHash& composition) const {
    const std::lock_guard lock(mutex_);
    return seen_.count(composition) != 0;
  }
  void insert(const ContentHash& composition) {
    const std::lock_guard lock(mutex_);
    seen_.insert(composition);
  }

 private:
  struct Prefix {
    size_t operator()(const ContentHash& hash) const { return hash.prefix(); }
  };
  mutable std::mutex mutex_;
  std::unordered_set<ContentHash, Prefix> seen_;
};

// Verifies objects in batches on several threads.
class Verifier {
 public:
  Verifier(const VerifyOptions& options, bool several_states, CopyProgress& progress)
      : threads_(static_cast<unsigned>(
            options.threads != 0
                ? std::min(options.threads, kThreadsMax)
                : std::clamp(uint64_t{std::thread::hardware_concurrency()}, uint64_t{1},
                             uint64_t{16}))),
        several_states_(several_states),
        progress_(progress) {}

  // Everything that the place names. What is damaged goes into the tally; an error means that
  // the work itself could not go on.
  Status add(const Place& place) {
    const Status read = place.spec.is_root() ? add_container(place) : add_path(place);
    RAMET_TRY(check_interrupted());
    if (read.ok()) return ok();
    if (read.error().code() != ErrorCode::kCorruption) return read;
    tally_.damages.push_back({place.spec, read.error().message()});
    return ok();
  }

  const Tally& tally() const { return tally_; }

 private:
  Status add_container(const Place& place) {
    const Status listed = place.view->objects([&](const ObjectInfo& object) {
      batch_.push_back(object.id);
      if (batch_.size() == kBatchObjects) run_batch(place);
      return !interrupted();
    });
    run_batch(place);
    return listed;
  }

  Status add_path(const Place& place) {
    RAMET_ASSIGN(const Entry top, lookup(place));
    Status walked;
    if (top.is_folder()) {
      walked = walk(*place.view, top.folder, place.spec.path,
                    {[&](const WalkItem& item) -> Result<WalkStep> {
                       if (!item.entry.is_folder()) batch_.push_back(item.entry.object);
                       if (batch_.size() == kBatchObjects) run_batch(place);
                       return WalkStep::kContinue;
                     },
                     {}});
    } else {
      batch_.push_back(top.object);
    }
    run_batch(place);
    return walked;
  }

  void run_batch(const Place& place) {
    std::atomic<size_t> next{0};
    Caller& caller = current_caller();
    const auto work = [&] {
      const CallerScope scope(caller);
      for (size_t i = next++; i < batch_.size() && !interrupted(); i = next++) {
        verify_one(place, batch_[i]);
      }
    };
    std::vector<std::thread> helpers;
    const size_t useful = std::min<size_t>(threads_, batch_.size() / 4 + 1);
    for (size_t i = 1; i < useful; ++i) helpers.emplace_back(work);
    work();
    for (std::thread& helper : helpers) helper.join();
    batch_.clear();
  }

  void verify_one(const Place& place, const ObjectId& id) {
    const View& view = *place.view;
    const auto object = view.object(id);
    if (!object.ok()) return report(place, id, object.error());
    bool is_read = true;
    Status status;
    if (several_states_ && object->size != 0) {
      const auto composition = composition_of(view, *object);
      if (!composition.ok()) return report(place, id, composition.error());
      is_read = !seen_.contains(*composition);
      if (is_read) status = view.verify(id);
      if (is_read && status.ok()) seen_.insert(*composition);
    } else {
      status = view.verify(id);
    }
    if (!status.ok()) report(place, id, status.error());
    ++progress_.files_done;
    progress_.bytes_done += object->size;
    const std::lock_guard lock(mutex_);
    ++tally_.objects;
    tally_.bytes += object->size;
    if (is_read) tally_.read_bytes += object->size;
  }

  static Result<ContentHash> composition_of(const View& view, const ObjectInfo& object) {
    Bytes encoded(object.content_id.view());
    append(encoded, object.size);
    Blake3Hasher hasher;
    hasher.update(encoded);
    RAMET_TRY(view.pieces(object.id, 0, object.size, [&](const ContentPiece& piece) {
      encoded.clear();
      append(encoded, piece.offset);
      append(encoded, piece.length);
      append(encoded, piece.block);
      append(encoded, piece.offset_in_block);
      hasher.update(encoded);
      return true;
    }));
    return hasher.finish();
  }

  void report(const Place& place, const ObjectId& id, const Error& error) {
    Damage damage{place.spec, error.message()};
    damage.spec.has_path = true;
    damage.spec.ends_in_slash = false;
    const auto path = place.view->path_of(id);
    damage.spec.path = path.ok() ? *path : "/(object " + to_uuid(id) + ")";
    const std::lock_guard lock(mutex_);
    tally_.damages.push_back(std::move(damage));
  }

  const unsigned threads_;
  const bool several_states_;
  CopyProgress& progress_;
  std::vector<ObjectId> batch_;
  SeenCompositions seen_;
  std::mutex mutex_;  // guards tally_ while a batch runs
  Tally tally_;
};

// The paths given, or every container and every snapshot.
Result<std::vector<PathSpec>> states_to_verify(Session& session, const VerifyOptions& options) {
  std::vector<PathSpec> specs;
  for (const std::string& text : options.paths) {
    RAMET_ASSIGN(PathSpec spec, parse_path_spec(text));
    specs.push_back(std::move(spec));
  }
  if (!options.paths.empty()) return specs;
  std::vector<ContainerInfo> containers;
  RAMET_TRY(session.store().containers({}, [&](const ContainerInfo& info) {
    containers.push_back(info);
    return true;
  }));
  for (const ContainerInfo& info : containers) {
    PathSpec spec;
    spec.container = info.name;
    specs.push_back(spec);
    RAMET_TRY(session.store().snapshots(info.id, [&](const SnapshotInfo& snapshot) {
      spec.snapshot = snapshot.name;
      specs.push_back(spec);
      return true;
    }));
  }
  return specs;
}

// Known when whole states are verified: then the progress line has totals.
Status announce(Session& session, const std::vector<PathSpec>& specs, CopyProgress& progress) {
  uint64_t objects = 0;
  uint64_t bytes = 0;
  for (const PathSpec& spec : specs) {
    if (!spec.is_root()) return ok();
    RAMET_ASSIGN(const Place place, session.place(spec));
    objects += place.view->summary()[SummaryColumn::kObjects];
    bytes += place.view->summary()[SummaryColumn::kContentBytes];
  }
  progress.files_total = objects;
  progress.bytes_total = bytes;
  return ok();
}

void print_tally(Context& context, const Tally& tally, double seconds) {
  if (!context.json) {
    for (const Damage& damage : tally.damages) {
      report_problem(context, damage.spec.to_string(), damage.reason);
    }
    context.say("verified {}, {} in {} ({} read): {}\n",
                count_of(tally.objects, "object", "objects"), human_bytes(tally.bytes),
                human_duration(seconds), human_bytes(tally.read_bytes),
                tally.damages.empty() ? "all as written"
                                      : count_of(tally.damages.size(), "damage", "damages"));
    return;
  }
  Json json = {{"objects", tally.objects},
               {"bytes", tally.bytes},
               {"read_bytes", tally.read_bytes},
               {"seconds", seconds}};
  json["damages"] = Json::array();
  for (const Damage& damage : tally.damages) {
    Json one;
    set_name(one, "path", damage.spec.to_string());
    one["reason"] = to_utf8(damage.reason);
    json["damages"].push_back(std::move(one));
  }
  print_json(context.out, json);
}

Result<int> run_verify(Context& context, Session& session, const VerifyOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  RAMET_ASSIGN(const std::vector<PathSpec> specs, states_to_verify(session, options));
  CopyProgress progress;
  Verifier verifier(options, specs.size() > 1, progress);
  {
    const ProgressLine line("verifying", progress, !context.no_progress);
    RAMET_TRY(announce(session, specs, progress));
    for (const PathSpec& spec : specs) {
      RAMET_ASSIGN(const Place place, session.place(spec));
      RAMET_TRY(verifier.add(place));
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print_tally(context, verifier.tally(), seconds);
  return verifier.tally().damages.empty() ? kExitOk : kExitCorruption;
}

}  // namespace

void add_verify_commands(CommandLine& line) {
  auto verify = std::make_shared<VerifyOptions>();
  Command(line, line.app, "verify", "Read content, and compare it with what was written",
          "[PATH...]",
          {"ramet verify                  # every container and snapshot",
           "ramet verify prod test:/share"})
      .arguments("path", verify->paths, 0, "container[@snapshot][:/path] (default: all there is)")
      .number("-j,--threads", verify->threads, "Readers (default: by the machine)")
      .run(verify, Access::kRead, run_verify);
}

}  // namespace ramet::tools
