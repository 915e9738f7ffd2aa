// Scrub: frames in the order of segments, in steps of some hundred MiB; then the trees, which say
// whose the damaged ones are.
//
// The store goes on meanwhile, in this process or another. What reclaim takes away went from the
// checkpoints of both superblocks before: so what is missed by one checkpoint, and missed again by
// one that was loaded afterwards, is damage, and nothing else is.
#include "engine/scrub.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include "engine/check/check_run.h"
#include "engine/check/map_check.h"
#include "engine/check/roots_check.h"
#include "engine/check/scrub_state.h"
#include "engine/check/segment_check.h"
#include "engine/check/superblock_check.h"
#include "engine/check/tree_check.h"
#include "engine/container/catalog.h"
#include "engine/quantity.h"
#include "engine/recovered_store.h"

namespace ramet::engine {
namespace {

// What one thread reads and checks at a time.
constexpr uint64_t kPieceBytes = 8u << 20;
// So many checkpoints of a busy store are tried before a step gives up.
constexpr int kTriesMax = 16;
// Subtrees that a step reads, for each thread.
constexpr size_t kSubtreesOfAStep = 4;
// Reading waits for the device while others compute.
constexpr unsigned kThreadsMin = 8;

// The segment of a checkpoint, as it is read: its handles and how far its frames go.
struct Reading {
  SegmentNo number = 0;
  uint32_t generation = 0;
  bool holes_due = false;
  std::shared_ptr<Segment> segment;
  std::unique_ptr<FrameTable> table;
  std::unique_ptr<io::File> bulk;
  uint64_t end = 0;
};

struct Piece {
  const Reading* reading = nullptr;
  uint64_t from = 0;
  uint64_t to = 0;
};

struct Problem {
  SegmentNo number = 0;
  uint32_t generation = 0;
  std::string file;
  SegmentProblem what;

  auto place() const { return std::tuple(number, generation, what.offset, what.code); }
};

class ScrubImpl : public Scrub {
 public:
  ScrubImpl(std::string path, const ScrubOptions& options,
            std::function<void(const Finding&)> report)
      : path_(std::move(path)),
        options_(options),
        report_(std::move(report)),
        pace_(*options_.env, options_.rate.value_or(0), options_.sleep),
        run_(options_.threads, options_.progress,
             [this](const Finding& finding) { found_.push_back(finding); }, &pace_) {}

  Status begin() {
    RAMET_TRY(load_store());
    RAMET_TRY(lock());
    const StoreId id = store_->superblocks().newest().store_id;
    auto state = load_scrub_state(*options_.env, path_);
    const bool usable = state.ok() && state->store_id == id;
    if (!state.ok() && state.error().code() == ErrorCode::kIoError) return state.error();
    if (usable) state_ = std::move(*state);
    state_.store_id = id;
    if (!state_.status.current || options_.restart) begin_pass();
    expect_total();
    return save();
  }

  Result<bool> step() override {
    if (!state_.status.current) return false;
    if (run_.is_cancelled()) return Error(ErrorCode::kCancelled, "interrupted");
    const size_t known = pass().findings.size();
    RAMET_TRY(state_.frames_done ? tree_step() : frame_step());
    const uint64_t now = options_.env->monotonic();
    const bool over = !state_.status.current;
    if (over || pass().findings.size() != known || now - saved_at_ >= options_.save_interval) {
      RAMET_TRY(save());
    }
    if (over) {
      for (const ScrubFinding& one : state_.status.last->findings) report_(one.finding);
    }
    return !over;
  }

  Status save() override {
    RAMET_TRY(save_scrub_state(*options_.env, path_, state_));
    saved_at_ = options_.env->monotonic();
    return ok();
  }

  const ScrubStatus& status() const override { return state_.status; }

 private:
  ScrubPass& pass() { return *state_.status.current; }

  // --- the store ---------------------------------------------------------------------------------
  // As the newest checkpoint has it.
  Status load_store() {
    StoreOptions options;
    options.env = options_.env;
    options.read_only = true;
    options.node_cache_bytes = options_.node_cache_bytes;
    Status loaded = ok();
    for (int i = 0; i < kTriesMax; ++i) {
      auto store = std::make_unique<RecoveredStore>(path_, options);
      RAMET_TRY(store->load_superblocks(false));
      loaded = store->recover(false, false);
      if (loaded.ok()) loaded = read_segments(*store);
      if (loaded.ok()) {
        store_ = std::move(store);
        break;
      }
      // (The map that it was reading may be gone; then there is a newer one.)
      if (loaded.error().code() != ErrorCode::kCorruption &&
          loaded.error().code() != ErrorCode::kNotFound) {
        return loaded;
      }
      if (!is_outdated(options_.env, path_, store->superblocks().newest().generation)) {
        return loaded;
      }
    }
    RAMET_TRY(loaded);
    if (!options_.rate) {
      RAMET_ASSIGN(const uint64_t rate, rate_setting());
      pace_.set_rate(rate);
    }
    return ok();
  }

  Result<uint64_t> rate_setting() {
    const auto found = setting_of(store_->context(), store_->state().catalog, nullptr,
                                  kScrubRateSetting);
    if (!found.ok()) return pace_.rate();  // (trees are looked at later)
    if (found->value == "none") return uint64_t{0};
    return parse_bytes(found->value);
  }

  Status read_segments(RecoveredStore& store) {
    segments_.clear();
    return store.map().each([&](SegmentNo number, const SegmentValue& value) {
      if (value.state != SegmentState::kCondemned && value.state != SegmentState::kDeleted) {
        segments_[number] = value;
      }
      return true;
    });
  }

  // Whether there is a newer checkpoint than this one.
  bool is_old() {
    return is_outdated(options_.env, path_, store_->superblocks().newest().generation);
  }

  Status lock() {
    const std::string directory = scrub_directory(path_);
    RAMET_ASSIGN(const bool there, options_.env->exists(directory));
    if (!there) {
      const Status made = options_.env->create_directory(directory);
      if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) return made;
      RAMET_TRY(options_.env->sync_directory(path_));
    }
    auto lock = options_.env->lock(directory + "/lock", true);
    if (!lock.ok()) return std::move(lock).error().with_context("scrub");
    lock_ = std::move(*lock);
    return ok();
  }

  void begin_pass() {
    ScrubPass next;
    const auto& status = state_.status;
    next.number = 1 + std::max(status.last ? status.last->number : 0,
                               status.current ? status.current->number : 0);
    next.begun = options_.env->now();
    state_.status.current = std::move(next);
    state_.end_segment = std::max(store_->checkpoint().next_segment,
                                  segments_.empty() ? 1 : segments_.rbegin()->first + 1);
    state_.segment = 0;
    state_.generation = 0;
    state_.offset = kSegmentHeaderBytes;
    state_.frames_done = false;
  }

  // What is left to do, by this checkpoint.
  void expect_total() {
    uint64_t left = 0;
    if (!state_.frames_done) {
      for (auto at = segments_.lower_bound(state_.segment);
           at != segments_.end() && at->first < state_.end_segment; ++at) {
        const bool begun = at->first == state_.segment &&
                           at->second.generation == state_.generation;
        const uint64_t from = begun ? state_.offset : kSegmentHeaderBytes;
        const uint64_t end = frames_end(store_->blocks(), at->first, at->second);
        left += end - std::min(end, from);
      }
    }
    const auto nodes = counted_node_bytes(*store_);
    pass().sequence = store_->checkpoint().sequence;
    pass().bytes_total = nodes.ok() ? pass().bytes_done + left + *nodes : 0;
    show_progress();
  }

  void show_progress() {
    if (options_.progress == nullptr) return;
    options_.progress->bytes_done = pass().bytes_done;
    options_.progress->bytes_total = std::max(pass().bytes_total, pass().bytes_done);
  }

  // --- frames ------------------------------------------------------------------------------------
  struct Cursor {
    SegmentNo segment = 0;
    uint32_t generation = 0;
    uint64_t offset = kSegmentHeaderBytes;
  };

  Status frame_step() {
    std::set<decltype(Problem{}.place())> before;
    for (int tries = 0;; ++tries) {
      std::vector<Problem> problems;
      Cursor next;
      uint64_t bytes = 0;
      RAMET_TRY(read_frames(problems, next, bytes));
      // What reclaim took away meanwhile is not there in a newer checkpoint; what is missed again
      // then is damage.
      const bool believed =
          std::all_of(problems.begin(), problems.end(), [&](const Problem& problem) {
            return before.contains(problem.place());
          });
      if (believed || !is_old()) {
        accept(problems, next, bytes);
        return ok();
      }
      if (tries == kTriesMax) return too_busy();
      before.clear();
      for (const Problem& problem : problems) before.insert(problem.place());
      RAMET_TRY(load_store());
      expect_total();
    }
  }

  static Status too_busy() {
    return Error(ErrorCode::kBusy,
                 "checkpoints follow each other faster than what they hold can be read; try again "
                 "('ramet config reclaim paused' helps)");
  }

  void accept(const std::vector<Problem>& problems, const Cursor& next, uint64_t bytes) {
    for (const Problem& problem : problems) {
      found_.push_back(CheckRun::make(problem.number, problem.what, problem.file));
      if (problem.what.slot) bad_.insert({problem.number, *problem.what.slot});
    }
    take_findings();
    state_.segment = next.segment;
    state_.generation = next.generation;
    state_.offset = next.offset;
    pass().bytes_done += bytes;
    const auto rest = segments_.lower_bound(next.segment);
    state_.frames_done = rest == segments_.end() || rest->first >= state_.end_segment;
    show_progress();
  }

  // Up to step_bytes from where the pass is.
  Status read_frames(std::vector<Problem>& problems, Cursor& next, uint64_t& bytes) {
    uint64_t room = std::max<uint64_t>(options_.step_bytes, 1);
    if (pace_.rate() != 0) room = std::min(room, pace_.rate());
    std::vector<std::unique_ptr<Reading>> readings;
    std::vector<Piece> pieces;
    next = {state_.segment, state_.generation, state_.offset};
    for (auto at = segments_.lower_bound(state_.segment);
         at != segments_.end() && at->first < state_.end_segment && room > 0; ++at) {
      const auto& [number, value] = *at;
      const bool same = number == state_.segment && value.generation == state_.generation;
      uint64_t from = same ? state_.offset : kSegmentHeaderBytes;
      RAMET_ASSIGN(auto reading, open_segment(number, value, from, problems));
      next = {number + 1, 0, kSegmentHeaderBytes};
      if (reading == nullptr) continue;
      from = behind_hole(*reading, from);
      const uint64_t until = cut(*reading, from, room, pieces);
      room -= std::min(room, until - std::min(until, from));
      if (until < reading->end) next = {number, value.generation, until};
      readings.push_back(std::move(reading));
    }
    return read_pieces(pieces, problems, next, bytes);
  }

  // Null if it has nothing to read. Its header and footer are looked at with its first frame.
  Result<std::unique_ptr<Reading>> open_segment(SegmentNo number, const SegmentValue& value,
                                                uint64_t from, std::vector<Problem>& problems) {
    BlockStore& blocks = store_->blocks();
    const std::string file = blocks.path_of(number, value.generation);
    const auto report = [&](const SegmentProblem& what) {
      problems.push_back({number, value.generation, file, what});
    };
    // Nothing of it was durable yet when it was recorded.
    if (value.state == SegmentState::kOpen && value.slot_count == 0 &&
        static_cast<Stream>(value.stream) != Stream::kMap) {
      return std::unique_ptr<Reading>();
    }
    Status checked = ok();
    if (from == kSegmentHeaderBytes) checked = check_segment_file(blocks, number, value, report);
    auto reading = std::make_unique<Reading>();
    if (checked.ok()) checked = attach(number, value, *reading);
    if (checked.ok()) return reading;
    if (checked.error().code() == ErrorCode::kNotFound) {
      report({"segment-missing", 0, {}, "there is no such file"});
      return std::unique_ptr<Reading>();
    }
    if (checked.error().code() == ErrorCode::kCorruption ||
        checked.error().code() == ErrorCode::kIoError) {
      report({"segment-header", 0, {}, checked.error().message() + " (its frames were not read)"});
      return std::unique_ptr<Reading>();
    }
    return std::move(checked).error();
  }

  Status attach(SegmentNo number, const SegmentValue& value, Reading& reading) {
    BlockStore& blocks = store_->blocks();
    const auto stream = static_cast<Stream>(value.stream);
    reading.number = number;
    reading.generation = value.generation;
    reading.holes_due = (value.flags & kSegmentPunchDue) != 0;
    const std::string path = blocks.path_of(number, value.generation);
    if (value.state == SegmentState::kOpen) {
      // It may grow meanwhile: as far as the checkpoint knows it.
      RAMET_ASSIGN(auto slots, stream == Stream::kMap
                                   ? Result<std::vector<SlotEntry>>(std::vector<SlotEntry>())
                                   : store_->map().slots_of(number, value.slot_count));
      uint64_t end = stream == Stream::kMap ? value.length : kSegmentHeaderBytes;
      for (const SlotEntry& slot : slots) {
        if (!slot.is_gone()) end = std::max(end, slot.end());
      }
      RAMET_ASSIGN(auto file, options_.env->open(path, io::OpenMode::kRead));
      reading.segment = Segment::attach(
          std::move(file), blocks.identity(number, value.generation, stream, value.epoch),
          std::move(slots), end, 0);
    } else {
      RAMET_ASSIGN(reading.segment, blocks.segment(number));
    }
    reading.end = reading.segment->end();
    reading.table = std::make_unique<FrameTable>(*reading.segment);
    RAMET_ASSIGN(reading.bulk, options_.env->open_bulk(path, io::OpenMode::kRead));
    return ok();
  }

  // Where the pass went on there may be a hole by now, which began before.
  static uint64_t behind_hole(const Reading& reading, uint64_t from) {
    for (const Hole& hole : reading.segment->holes()) {
      if (hole.offset < from && from < hole.offset + hole.length) return hole.offset + hole.length;
    }
    return from;
  }

  // Adds pieces from `from` on that begin where frames do. Returns where they end, if all is well.
  static uint64_t cut(const Reading& reading, uint64_t from, uint64_t room,
                      std::vector<Piece>& pieces) {
    const uint64_t limit = room < reading.end - std::min(reading.end, from) ? from + room
                                                                             : reading.end;
    uint64_t at = from;
    while (at < limit) {
      const uint64_t wanted = std::min(at + kPieceBytes, limit);
      // (Where no slot is near, as in the log and the map, the last piece ends behind a frame.)
      const uint64_t next = std::min(reading.table->next(wanted - 1), reading.end);
      const bool known = next < reading.end || wanted == reading.end;
      const uint64_t to = known ? next : limit;
      pieces.push_back({&reading, at, to});
      at = to;
    }
    return at;
  }

  Status read_pieces(const std::vector<Piece>& pieces, std::vector<Problem>& problems,
                     Cursor& next, uint64_t& bytes) {
    std::vector<std::vector<SegmentProblem>> found(pieces.size());
    std::vector<uint64_t> ends(pieces.size());
    std::atomic<uint64_t> read{0};
    RAMET_TRY(run_.in_parallel(pieces.size(), [&](size_t i) -> Status {
      const Piece& piece = pieces[i];
      FrameCheckOptions options;
      options.holes_due = piece.reading->holes_due;
      options.from = piece.from;
      options.to = piece.to;
      options.reads_past_errors = true;
      options.file = piece.reading->bulk.get();
      options.window_bytes = 2 * kPieceBytes;
      Bytes memory = take_memory();
      options.memory = &memory;
      options.progress = [&](uint64_t some) {
        read += some;
        return run_.did_read(some);
      };
      const auto report = [&](const SegmentProblem& problem) { found[i].push_back(problem); };
      const auto end = check_frames(*piece.reading->segment, *piece.reading->table, options,
                                    report);
      give_memory(std::move(memory));
      RAMET_ASSIGN(ends[i], end);
      return ok();
    }));
    for (size_t i = 0; i < pieces.size(); ++i) {
      const Reading& reading = *pieces[i].reading;
      for (SegmentProblem& problem : found[i]) {
        problems.push_back({reading.number, reading.generation,
                            store_->blocks().path_of(reading.number, reading.generation),
                            std::move(problem)});
      }
    }
    bytes = read;
    if (pieces.empty() || next.segment != pieces.back().reading->number) return ok();
    const Reading& last = *pieces.back().reading;
    next.offset = std::max(ends.back(), next.offset);
    if (next.offset >= last.end) next = {last.number + 1, 0, kSegmentHeaderBytes};
    return ok();
  }

  // One for each thread that reads, from step to step.
  Bytes take_memory() {
    std::lock_guard lock(memory_mu_);
    if (memory_.empty()) return {};
    Bytes out = std::move(memory_.back());
    memory_.pop_back();
    return out;
  }
  void give_memory(Bytes memory) {
    std::lock_guard lock(memory_mu_);
    memory_.push_back(std::move(memory));
  }

  // --- trees -------------------------------------------------------------------------------------
  Status tree_step() {
    if (!trees_) {
      RAMET_TRY(begin_trees());
      return ok();
    }
    RAMET_ASSIGN(const bool more, roots_->read_some(kSubtreesOfAStep * options_.threads));
    count_tree_bytes();
    return more ? ok() : finish_trees();
  }

  Status begin_trees() {
    // Damaged frames of earlier runs, too.
    for (const ScrubFinding& one : pass().findings) {
      if (one.finding.slot) bad_.insert({one.finding.segment, *one.finding.slot});
    }
    RAMET_TRY(load_store());
    expect_total();
    trees_.emplace(store_->context(), nullptr, [this](const BlockRef& ref) { return is_bad(ref); });
    trees_->set_cancelled([this] { return run_.is_cancelled(); });
    trees_->set_met([this](const BlockRef& ref) {
      const auto slot = store_->blocks().slot(ref.segment, ref.slot);
      const uint64_t bytes = slot.ok() ? slot->stored_len() : 0;
      tree_bytes_ += bytes;
      return run_.did_read(bytes);
    });
    roots_.emplace(run_, *trees_, store_->context(), store_->blocks());
    return read_structure();
  }

  void count_tree_bytes() {
    pass().bytes_done += tree_bytes_.exchange(0);
    show_progress();
  }

  // What stands above the trees.
  Status read_structure() {
    RAMET_ASSIGN(const bool begins, check_superblocks(*options_.env, path_, run_));
    if (begins) RAMET_TRY(check_checkpoint_copies(*store_, run_));
    MapCheck map(run_, *store_);
    RAMET_TRY(map.load());
    RAMET_TRY(roots_->begin(root_from(store_->checkpoint().catalog), true));
    count_tree_bytes();
    return ok();
  }

  bool is_bad(const BlockRef& ref) {
    if (bad_.empty() || !bad_.contains({ref.segment, ref.slot})) return false;
    std::lock_guard lock(needed_mu_);
    needed_.insert({ref.segment, ref.slot});
    return true;
  }

  Status finish_trees() {
    RAMET_TRY(roots_->finish());
    count_tree_bytes();
    if (!found_.empty() && is_old()) {
      if (++tree_tries_ > kTriesMax) {
        trees_.reset();
        roots_.reset();
        found_.clear();
        tree_tries_ = 0;
        return too_busy();
      }
      found_.clear();
      needed_.clear();
      RAMET_TRY(load_store());
      roots_->go_on(store_->context(), store_->blocks());
      return read_structure();
    }
    end_pass();
    return ok();
  }

  void end_pass() {
    // Damaged frames that something needs: what needs them is told instead.
    for (const Finding& finding : found_) {
      if (finding.slot) needed_.insert({finding.segment, *finding.slot});
    }
    ScrubPass done = std::move(pass());
    std::vector<ScrubFinding> frames = std::exchange(done.findings, {});
    done.lost = done.damage = done.hints = 0;
    const auto add = [&](ScrubFinding finding) {
      switch (finding.finding.kind->severity) {
        case Severity::kLost: ++done.lost; break;
        case Severity::kDamage: ++done.damage; break;
        case Severity::kHint: ++done.hints; break;
      }
      if (done.findings.size() < kScrubFindingsMax) done.findings.push_back(std::move(finding));
    };
    std::map<std::pair<SegmentNo, Slot>, int64_t> seen;  // when
    for (ScrubFinding& one : frames) {
      const std::pair<SegmentNo, Slot> id(one.finding.segment, one.finding.slot.value_or(0));
      if (one.finding.slot) seen.emplace(id, one.found);
      const bool told = one.finding.slot && needed_.contains(id);
      if (!told || one.finding.kind->code != "frame-damaged") add(std::move(one));
    }
    for (Finding& finding : found_) {
      const auto when = seen.find({finding.segment, finding.slot.value_or(0)});
      add({std::move(finding), when == seen.end() ? options_.env->now() : when->second});
    }
    found_.clear();
    done.finished = options_.env->now();
    done.sequence = store_->checkpoint().sequence;
    done.bytes_total = done.bytes_done;
    state_.status.last = std::move(done);
    state_.status.current.reset();
    state_.frames_done = false;
    trees_.reset();
    roots_.reset();
  }

  // Puts what was found with the pass.
  void take_findings() {
    const int64_t now = options_.env->now();
    for (Finding& finding : found_) {
      switch (finding.kind->severity) {
        case Severity::kLost: ++pass().lost; break;
        case Severity::kDamage: ++pass().damage; break;
        case Severity::kHint: ++pass().hints; break;
      }
      if (pass().findings.size() < kScrubFindingsMax) {
        pass().findings.push_back({std::move(finding), now});
      }
    }
    found_.clear();
  }

  const std::string path_;
  const ScrubOptions options_;
  const std::function<void(const Finding&)> report_;
  Pace pace_;
  CheckRun run_;
  std::vector<Finding> found_;  // by run_
  std::unique_ptr<io::FileLock> lock_;
  ScrubState state_;
  uint64_t saved_at_ = 0;
  std::unique_ptr<RecoveredStore> store_;          // by the newest checkpoint
  std::map<SegmentNo, SegmentValue> segments_;     // of the checkpoint
  std::set<std::pair<SegmentNo, Slot>> bad_;       // whose frames are damaged
  std::mutex memory_mu_;
  std::vector<Bytes> memory_;                      // guarded by memory_mu_
  std::mutex needed_mu_;
  std::set<std::pair<SegmentNo, Slot>> needed_;    // of those; guarded by needed_mu_
  std::optional<TreeCheck> trees_;
  std::optional<RootsCheck> roots_;
  std::atomic<uint64_t> tree_bytes_{0};
  int tree_tries_ = 0;
};

ScrubOptions whole(const ScrubOptions& options) {
  ScrubOptions out = options;
  if (out.env == nullptr) out.env = io::default_env();
  if (out.threads == 0) out.threads = std::max(kThreadsMin, std::thread::hardware_concurrency());
  return out;
}

}  // namespace
}  // namespace ramet::engine

namespace ramet {

Result<std::unique_ptr<Scrub>> Scrub::open(const std::string& path, const ScrubOptions& options,
                                           std::function<void(const Finding&)> report) {
  auto scrub = std::make_unique<engine::ScrubImpl>(path, engine::whole(options),
                                                   std::move(report));
  RAMET_TRY(scrub->begin());
  return std::unique_ptr<Scrub>(std::move(scrub));
}

Result<ScrubPass> scrub(const std::string& path, const ScrubOptions& options,
                        const std::function<void(const Finding&)>& report) {
  RAMET_ASSIGN(const auto scrub, Scrub::open(path, options, report));
  for (;;) {
    const auto more = scrub->step();
    if (!more.ok()) {
      ignore_error(scrub->save(), "what ended the step is told");
      return more.error();
    }
    if (!*more) return *scrub->status().last;
  }
}

Result<ScrubStatus> scrub_status(const std::string& path, const std::shared_ptr<io::Env>& env) {
  const std::shared_ptr<io::Env> used = env == nullptr ? io::default_env() : env;
  engine::SuperblockStore superblocks(used, path);
  RAMET_ASSIGN(const bool there, used->exists(path));
  if (!there) return Error(ErrorCode::kNotFound, "there is no directory " + path);
  RAMET_TRY(superblocks.load());
  auto state = engine::load_scrub_state(*used, path);
  if (!state.ok() && state.error().code() == ErrorCode::kNotFound) return ScrubStatus{};
  RAMET_TRY(state);
  return std::move(state->status);
}

bool is_scrub_due(const ScrubStatus& status, std::optional<int64_t> interval, int64_t now) {
  if (status.current) return true;
  if (!interval) return false;
  if (!status.last) return true;
  const int64_t begun = status.last->begun;
  return now < begun || now - begun >= *interval;
}

Result<std::optional<int64_t>> scrub_interval(const std::string& path,
                                              const std::shared_ptr<io::Env>& env) {
  StoreOptions options;
  options.env = env == nullptr ? io::default_env() : env;
  options.read_only = true;
  engine::RecoveredStore store(path, options);
  RAMET_TRY(store.load_superblocks(false));
  RAMET_TRY(store.recover(false, false));
  RAMET_ASSIGN(const SettingInfo found,
               engine::setting_of(store.context(), store.state().catalog, nullptr,
                                  kScrubIntervalSetting));
  if (found.value == "none") return std::optional<int64_t>();
  RAMET_ASSIGN(const int64_t interval, parse_duration(found.value));
  return std::optional<int64_t>(interval);
}

}  // namespace ramet
