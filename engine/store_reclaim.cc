// Giving space back: steps that each end in a checkpoint.
#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/container/catalog.h"
#include "engine/import.h"
#include "engine/quantity.h"
#include "engine/store_impl.h"

namespace ramet::engine {
namespace {

// On a full disk a step follows one dead node for so many bytes of the reserve: counting what it
// refers to takes some of it.
constexpr uint64_t kReservePerNode = 8192;

// Holes are punched, each with two syncs, for so many segments a step.
constexpr uint64_t kPunchesMax = 64;
// How often a sleeping call looks whether it was cancelled.
constexpr auto kNap = std::chrono::milliseconds(50);

ReclaimAction to_report(const SpaceAction& action) {
  ReclaimAction out;
  switch (action.kind) {
    case SpaceAction::Kind::kDelete: out.kind = ReclaimAction::Kind::kDelete; break;
    case SpaceAction::Kind::kPunch: out.kind = ReclaimAction::Kind::kPunch; break;
    case SpaceAction::Kind::kCompact: out.kind = ReclaimAction::Kind::kCompact; break;
  }
  out.segment = action.segment;
  out.bytes_before = action.bytes_before;
  out.bytes_after = action.bytes_after;
  return out;
}

// How long copying so much takes at that rate.
uint64_t nanoseconds_for(uint64_t bytes, uint64_t rate) {
  if (rate == 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(bytes) / static_cast<double>(rate) * 1e9);
}

}  // namespace

// Drops what has expired, and releases what was dropped and is due; false if there was nothing. A
// dry run leaves what only expired, and what can be taken back.
Result<bool> StoreImpl::let_go(const ReclaimOptions& options) {
  bool expired = false;
  if (!options.dry_run) {
    RAMET_ASSIGN(expired, drop_expired());
  }
  RAMET_ASSIGN(const bool released, release_drops(options.now));
  return expired || released;
}

// What could be done now. Requires: checkpoint_mu_
Result<std::vector<SpaceAction>> StoreImpl::reclaim_plan() {
  const Superblock& newest = superblocks_->newest();
  const Superblock& other = superblocks_->other() ? *superblocks_->other() : newest;
  const SegmentNo log_floor = std::min(newest.replay.segment, other.replay.segment);
  RAMET_TRY(space_->load(std::min(log_floor, checkpoint_.next_segment)));
  auto plan = space_->plan(log_floor);
  if (plan.ok() && ballast_->size_for(space_->stored_bytes()) && !reserve_used_) ballast_->fill();
  return plan;
}

// A checkpoint that counts, releases dead nodes and makes what was prepared count.
Status StoreImpl::reclaim_checkpoint(const ReclaimOptions& options, ReclaimReport& report) {
  {
    std::lock_guard lock(checkpoint_mu_);
    release_max_ = options.nodes_max;
    tidy_map_ = true;
  }
  const Status done = checkpoint_with_reserve(false);
  std::lock_guard lock(checkpoint_mu_);
  release_max_ = 0;
  tidy_map_ = false;
  ++report.steps;
  RAMET_TRY(done);
  if (options.progress == nullptr) return ok();
  const SpaceStats stats = space_->stats();
  const uint64_t released = stats.nodes_released - reclaim_began_.nodes_released;
  options.progress->files_done = released;
  options.progress->files_total = released + stats.pending;
  options.progress->bytes_done = stats.bytes_freed - reclaim_began_.bytes_freed;
  if (options.progress->cancel) {
    return Error(ErrorCode::kCancelled, "interrupted; what was given back stays so");
  }
  return ok();
}

// So that copying keeps to its rate; `begun`: when the step began that copied so much.
Status StoreImpl::sleep_for_rate(const ReclaimOptions& options, Moment begun, uint64_t copied) {
  const Moment until = begun + std::chrono::nanoseconds(nanoseconds_for(copied, options.copy_rate));
  while (options.copy_rate > 0 && std::chrono::steady_clock::now() < until) {
    if (options.progress != nullptr && options.progress->cancel) {
      return Error(ErrorCode::kCancelled, "interrupted; what was given back stays so");
    }
    std::this_thread::sleep_for(kNap);
  }
  return ok();
}

// Lets go of dropped roots, and counts down what dead nodes refer to: bookkeeping, in bounded
// steps, by which nothing goes yet. `more`: another step would find more.
Status StoreImpl::release_step(const ReclaimOptions& options, ReclaimReport& report, bool* more) {
  RAMET_ASSIGN(const bool dropped, let_go(options));
  bool due = dropped || queue_->durable().sequence != checkpoint_sequence_;
  {
    std::lock_guard lock(checkpoint_mu_);
    RAMET_TRY(reclaim_plan());  // (what is dead since earlier lives is read)
    due = due || space_->has_bookkeeping() || space_->has_uncounted();
  }
  if (due) RAMET_TRY(reclaim_checkpoint(options, report));
  std::lock_guard lock(checkpoint_mu_);
  RAMET_TRY(space_->roll_where_it_pays(queue_->durable().sequence));
  *more = dropped || space_->has_bookkeeping();
  return ok();
}

// Does what of the plan a step may do, from `next` on; a checkpoint makes it count.
// Requires: checkpoint_mu_
Status StoreImpl::act(const std::vector<SpaceAction>& plan, size_t& next,
                      const ReclaimOptions& options, ReclaimReport& report) {
  uint64_t copied = 0;
  uint64_t punches = 0;
  for (; next < plan.size(); ++next) {
    const SpaceAction& action = plan[next];
    if (copied > 0 && copied + action.bytes_copied() > options.copy_bytes_max) break;
    if (action.kind == SpaceAction::Kind::kPunch && ++punches > kPunchesMax) break;
    const Status done = space_->act(action, queue_->durable().sequence);
    if (!done.ok()) {
      // Wanted again; or it stays as it is; or there is no room for a copy: what goes as a whole
      // needs none.
      const ErrorCode code = done.error().code();
      report.out_of_space = report.out_of_space || code == ErrorCode::kOutOfSpace;
      if (code != ErrorCode::kFailedPrecondition && code != ErrorCode::kCorruption &&
          code != ErrorCode::kOutOfSpace) {
        return done;
      }
      continue;
    }
    copied += action.bytes_copied();
    report.actions.push_back(to_report(action));
    if (action.kind == SpaceAction::Kind::kDelete) {
      index_->forget_segments(std::span(&action.segment, 1));  // (its hits are refused anyway)
    }
  }
  return ok();
}

// A bit of everything, with one checkpoint.
Status StoreImpl::reclaim_step(const ReclaimOptions& options, ReclaimReport& report, bool* more) {
  RAMET_ASSIGN(const bool dropped, let_go(options));
  bool due = dropped || queue_->durable().sequence != checkpoint_sequence_;
  {
    std::lock_guard lock(checkpoint_mu_);
    RAMET_ASSIGN(const auto plan, reclaim_plan());
    size_t next = 0;
    RAMET_TRY(act(plan, next, options, report));
    due = due || space_->has_bookkeeping() || space_->has_work() || space_->has_uncounted();
  }
  if (due) RAMET_TRY(reclaim_checkpoint(options, report));
  std::lock_guard lock(checkpoint_mu_);
  RAMET_TRY(space_->roll_where_it_pays(queue_->durable().sequence));
  *more = due;  // what this one made free the next one finds
  return ok();
}

// Dead nodes that a step follows when all that it writes must find room in the reserve.
uint64_t StoreImpl::nodes_in_need() {
  return std::max<uint64_t>(64, ballast_->target() / kReservePerNode);
}

// Bookkeeping until there is none left, then one plan: what a dry run lists is what a run does.
Status StoreImpl::reclaim_until_idle(const ReclaimOptions& options, ReclaimReport& report) {
  bool more = true;
  // On a full disk each checkpoint takes of the reserve: few of them, and what can go goes first.
  ReclaimOptions in_need = options;
  in_need.nodes_max = nodes_in_need();
  while (more && reserve_used_ && !options.dry_run) {
    RAMET_TRY(reclaim_step(in_need, report, &more));
  }
  more = true;
  while (more) RAMET_TRY(release_step(options, report, &more));
  std::vector<SpaceAction> plan;
  {
    std::lock_guard lock(checkpoint_mu_);
    RAMET_ASSIGN(plan, reclaim_plan());
  }
  more = true;
  if (options.dry_run) {
    for (const SpaceAction& action : plan) report.actions.push_back(to_report(action));
    return ok();
  }
  if (options.progress != nullptr) {
    uint64_t total = options.progress->bytes_done;
    for (const SpaceAction& action : plan) total += action.bytes_before - action.bytes_after;
    options.progress->bytes_total = total;
  }
  for (size_t next = 0; more;) {
    const Moment begun = std::chrono::steady_clock::now();
    uint64_t copied = 0;
    {
      std::lock_guard lock(checkpoint_mu_);
      copied = space_->stats().bytes_copied;
      RAMET_TRY(act(plan, next, options, report));
      copied = space_->stats().bytes_copied - copied;
      more = next < plan.size() || space_->has_work();
    }
    if (more) RAMET_TRY(reclaim_checkpoint(options, report));
    if (next < plan.size()) RAMET_TRY(sleep_for_rate(options, begun, copied));
  }
  report.idle = !report.out_of_space;
  return ok();
}

// What the store's settings say of it. Unreadable: as if it were paused.
StoreImpl::ReclaimPace StoreImpl::reclaim_pace() {
  ReclaimPace pace;
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  const auto mode = setting_of(context_, head.catalog, nullptr, kReclaimSetting);
  const auto rate = setting_of(context_, head.catalog, nullptr, kReclaimRateSetting);
  pace.paused = !mode.ok() || mode->value == "paused";
  if (!rate.ok() || rate->value == "none" || is_nearly_full()) return pace;
  const auto bytes = parse_bytes(rate->value);
  if (bytes.ok()) pace.copy_rate = *bytes;
  return pace;
}

// Now and then, also while others commit: garbage does not wait for a quiet hour.
void StoreImpl::reclaim_in_background() {
  constexpr uint64_t kEvery = 1'000'000'000;
  const uint64_t now = env_->monotonic();
  if (now < reclaim_due_) return;
  reclaim_due_ = now + kEvery;
  const ReclaimPace pace = reclaim_pace();
  // What was let go since the last checkpoint counts from the next on. Where room is short nobody
  // can wait until one is due for other reasons.
  const bool in_need = is_nearly_full() && queue_->durable().sequence != checkpoint_sequence_;
  if (pace.paused || (reclaimed_at_ == checkpoint_sequence_ && !in_need && !has_uncounted())) {
    const auto expired = drop_expired();
    const auto due = drop_is_due(false);
    if (pace.paused || !expired.ok() || !due.ok() || !*due) return;
  }
  ReclaimReport report;
  bool more = false;
  const uint64_t copied = bytes_copied();
  ReclaimOptions options;
  if (reserve_used_) options.nodes_max = nodes_in_need();
  const Status done = reclaim_step(options, report, &more);
  if (done.ok() && !more) reclaimed_at_ = checkpoint_sequence_;
  if (done.ok() && more) {
    reclaim_due_ = now + nanoseconds_for(bytes_copied() - copied, pace.copy_rate);
  }
  ignore_error(done, "tried again later; an error that matters shows at the next commit");
}

bool StoreImpl::has_uncounted() {
  std::lock_guard lock(checkpoint_mu_);
  return space_->has_uncounted();
}

uint64_t StoreImpl::bytes_copied() {
  std::lock_guard lock(checkpoint_mu_);
  return space_->stats().bytes_copied;
}

// Whether this life leaves enough behind to be worth a look: it removed much, or has found the disk
// nearly full. And now and then without a reason that is known.
bool StoreImpl::is_worth_reclaiming() {
  constexpr uint64_t kBytes = 16u << 20;
  constexpr uint64_t kObjects = 1000;
  constexpr Epoch kLives = 16;
  const HeadState head = visible();
  if (is_nearly_full()) return true;
  if (head.sequence == state_.sequence) return false;
  const Summary& before = state_.catalog.summary;
  const Summary& now = head.catalog.summary;
  const auto removed = [&](SummaryColumn column) {
    return before[column] - std::min(before[column], now[column]);
  };
  return removed(SummaryColumn::kContentBytes) >= kBytes ||
         removed(SummaryColumn::kObjects) >= kObjects || epoch_ % kLives == 0;
}

// A process that only runs one command leaves what it dropped to itself, not to somebody else; but
// nobody waits long for it.
void StoreImpl::reclaim_before_close() {
  constexpr int kSteps = 8;
  constexpr uint64_t kTime = 500'000'000;
  constexpr uint64_t kCopyBytes = 16u << 20;
  if (queue_->failure() || reclaim_pace().paused) return;
  const uint64_t begun = env_->monotonic();
  bool more = false;
  ignore_error(drop_expired(), "the next process to write tries again");
  const auto dropped = release_drops(false);
  if (!dropped.ok() || (!*dropped && !is_worth_reclaiming())) return;
  ReclaimOptions options;
  options.copy_bytes_max = kCopyBytes;
  if (reserve_used_) options.nodes_max = nodes_in_need();
  ReclaimReport report;
  for (int i = 0; i < kSteps && env_->monotonic() - begun < kTime; ++i) {
    if (!reclaim_step(options, report, &more).ok() || !more) return;
  }
}

Result<Recount> StoreImpl::recount_references() {
  std::lock_guard lock(checkpoint_mu_);
  return recount(map_->context(), map_->durable(), context_, *blocks_, space_->catalog());
}

Result<ReclaimReport> StoreImpl::reclaim(const ReclaimOptions& options) {
  RAMET_TRY(check_open());
  if (options_.read_only) {
    return Error(ErrorCode::kFailedPrecondition, "the store was opened read-only");
  }
  if (options.dry_run && options.now) {
    return Error(ErrorCode::kInvalidArgument,
                 "a dry run takes nothing away that could still be taken back");
  }
  std::lock_guard one_at_a_time(reclaim_mu_);
  ReclaimReport report;
  SpaceStats before;
  {
    std::lock_guard lock(checkpoint_mu_);
    before = reclaim_began_ = space_->stats();
    space_->retry_damaged();
  }
  report.paused = reclaim_pace().paused;
  if (options.until_idle || options.dry_run) {
    RAMET_TRY(reclaim_until_idle(options, report));
  } else {
    bool more = false;
    RAMET_TRY(reclaim_step(options, report, &more));
    report.idle = !more;
  }
  {
    const Pins::Reader hold(pins());
    RAMET_TRY(each_drop(context_, visible().catalog, 0, [&](const DropEntry&) {
      ++report.drops_waiting;
      return Result<bool>(true);
    }));
  }
  std::lock_guard lock(checkpoint_mu_);
  const SpaceStats after = space_->stats();
  report.nodes_released = after.nodes_released - before.nodes_released;
  report.nodes_pending = after.pending;
  report.nodes_damaged = after.damaged;
  report.bytes_freed = after.bytes_freed - before.bytes_freed;
  return report;
}

}  // namespace ramet::engine
