#include "tools/sim/simulation.h"

#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "format/hash.h"
#include "tools/sim/subject.h"

namespace ramet::sim {
namespace {

constexpr uint64_t kEnough = uint64_t{1} << 40;  // bytes; a disk that is never full
constexpr uint64_t kLivenessOperationsMax = 30'000;
constexpr uint64_t kLivenessSteps = 6;

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kHour = 3'600'000 * kMillisecond;

// Some of the faults, each run others: that one fault hides what another would have shown is as
// likely as that they meet.
FaultSet draw_faults(const FaultSet& from, std::mt19937_64& random) {
  if (random() % 8 == 0) return from;
  FaultSet set;
  for (size_t i = 0; i < kFaults; ++i) set[i] = from[i] && random() % 2 == 0;
  return set;
}

StoreOptions draw_options(std::mt19937_64& random) {
  StoreOptions options = tiny_options(nullptr);
  if (random() % 2 == 0) options.drop_grace = 10 * 60'000 * kMillisecond;
  if (random() % 4 == 0) options.inline_block_bytes = 0;
  if (random() % 4 == 0) options.dirty_bytes_max = 8 << 10;
  if (random() % 4 == 0) {
    options.node_cache_bytes = 8 << 10;
    options.block_cache_bytes = 64 << 10;
  }
  return options;
}

class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options)
      : options_(options), random_(options.seed), faults_(draw_faults(options.faults, random_)) {}

  SimulationReport run() {
    say(fmt::format("seed {}: {}", options_.seed, to_text(faults_)));
    const Status status = all_parts();
    if (!status.ok()) report_.failure = status.error().message();
    report_.step = step_;
    retire();
    return report_;
  }

 private:
  uint64_t pick(uint64_t n) { return random_() % n; }
  bool draws(Fault fault) const { return has(faults_, fault); }
  io::SimEnv& env() { return subject_->env(); }

  void say(const std::string& text) const {
    if (options_.say) options_.say(text);
  }
  // What has fired since this was called last.
  void say_fired() {
    if (!options_.say || subject_ == nullptr) return;
    const FaultCounts now = count_faults(env().stats());
    std::string text;
    for (size_t i = 0; i < kFaults; ++i) {
      if (now[i] > said_[i]) {
        text += fmt::format(" {} x {}", fault_name(static_cast<Fault>(i)), now[i] - said_[i]);
      }
    }
    said_ = now;
    if (!text.empty()) say("  fired:" + text);
  }
  // Counts a step, and says what it is.
  void begin_step(const std::string& what) {
    say_fired();
    ++step_;
    if (options_.step != nullptr) options_.step->store(step_, std::memory_order_relaxed);
    say(fmt::format("step {}: {}", step_, what));
  }

  Status all_parts() {
    const bool damages = (faults_ & damaging_faults()).any();
    if (damages) {
      RAMET_TRY(begin_subject());
      RAMET_TRY(damage(options_.steps / 3));
    }
    RAMET_TRY(begin_subject());
    while (step_ < options_.steps) RAMET_TRY(safety_round());
    return liveness();
  }

  // --- Stores.
  Status begin_subject() {
    retire();
    // One after the other: as arguments compilers draw them in any order.
    StoreOptions drawn = draw_options(random_);
    subject_ = std::make_unique<Subject>(random_(), std::move(drawn));
    env().set_capacity(kEnough);
    const Status created = subject_->create();
    if (!created.ok()) return wrong("create: " + created.error().to_string());
    return open_in_peace("the new store");
  }

  // What the disk counted becomes part of the report.
  void retire() {
    if (subject_ == nullptr) return;
    say_fired();
    said_ = {};
    const FaultCounts counts = count_faults(env().stats());
    for (size_t i = 0; i < kFaults; ++i) report_.faults[i] += counts[i];
    report_.operations += env().operations();
    const uint64_t digest = env().digest();
    report_.digest = xxh3_seeded({reinterpret_cast<const char*>(&digest), sizeof digest},
                                 report_.digest);
    subject_.reset();
  }

  Status open_in_peace(const std::string& when) {
    make_peace();
    const Status opened = subject_->open();
    if (!opened.ok()) return wrong("open (" + when + "): " + opened.error().to_string());
    begin_life();
    return ok();
  }

  // --- Faults.
  void make_peace() {
    env().clear_faults();
    env().set_capacity(kEnough);
    env().cut_power_at(std::numeric_limits<uint64_t>::max());  // never
  }
  // Faults stay away while something is looked at.
  template <typename Look>
  Status in_peace(const Look& look) {
    env().clear_faults();
    const Status status = look();
    for (const io::FaultRule& rule : rules_) env().inject(rule);
    return status;
  }

  void add_rule(io::FaultKind kind, double probability, int64_t nanoseconds = 0) {
    io::FaultRule rule;
    rule.kind = kind;
    rule.probability = probability;
    rule.nanoseconds = nanoseconds;
    rules_.push_back(rule);
    env().inject(rule);
  }
  void add_rule_if(Fault fault, io::FaultKind kind, double low, double high) {
    if (draws(fault) && pick(2) == 0) add_rule(kind, pick(2) == 0 ? low : high);
  }

  // Another weather: some of the run's faults, each seldom or often.
  void draw_rules(bool may_lose_writing) {
    env().clear_faults();
    rules_.clear();
    env().set_capacity(kEnough);
    add_rule_if(Fault::kReadError, io::FaultKind::kReadError, 0.002, 0.04);
    add_rule_if(Fault::kShortRead, io::FaultKind::kShortRead, 0.002, 0.04);
    add_rule_if(Fault::kWriteError, io::FaultKind::kWriteError, 0.003, 0.05);
    add_rule_if(Fault::kOutOfSpace, io::FaultKind::kOutOfSpace, 0.01, 0.2);
    if (may_lose_writing) add_rule_if(Fault::kSyncError, io::FaultKind::kSyncError, 0.01, 0.1);
    if (draws(Fault::kOutOfSpace) && pick(3) == 0) {
      const auto space = env().space("/");
      if (space.ok()) {
        const uint64_t used = space->total_bytes - space->available_bytes;
        env().set_capacity(used + 4096 * pick(64));
      }
    }
    if (draws(Fault::kSlow)) {
      add_rule(io::FaultKind::kSlow, 0.002, 3 * kHour);
      add_rule(io::FaultKind::kSlow, 0.2, static_cast<int64_t>(1 + pick(200)) * kMillisecond);
    }
    if (draws(Fault::kClock)) {
      add_rule(io::FaultKind::kClockJump, 0.01, -static_cast<int64_t>(pick(20'000)) * kHour);
      add_rule(io::FaultKind::kClockJump, 0.01, static_cast<int64_t>(pick(20'000)) * kHour);
    }
  }

  io::CutPolicy draw_policy() {
    if (draws(Fault::kTorn) && pick(3) != 0) return io::CutPolicy::kRandom;
    return pick(2) == 0 ? io::CutPolicy::kLoseAll : io::CutPolicy::kKeepAll;
  }
  void plan_cut(uint64_t within) {
    env().cut_power_at(env().operations() + 1 + pick(within), draw_policy());
  }

  // What may be told as a reason for failures until the store is opened again.
  void begin_life() { since_ = env().stats(); }
  bool is_explained(const Error& error) {
    const io::SimStats now = env().stats();
    switch (error.code()) {
      case ErrorCode::kOutOfSpace:
        return now.out_of_space > since_.out_of_space || env().space("/")->total_bytes < kEnough;
      case ErrorCode::kCorruption:
        // (A failed sync may take back what was written: nothing is read wrong, but writing in
        // this life may meet it. What the store shows is compared in any case, see judge().)
        return now.short_reads > since_.short_reads || now.sync_errors > since_.sync_errors;
      case ErrorCode::kIoError:
        return now.read_errors > since_.read_errors || now.write_errors > since_.write_errors ||
               now.sync_errors > since_.sync_errors || now.out_of_space > since_.out_of_space ||
               now.short_reads > since_.short_reads;
      default:
        return false;
    }
  }

  // --- Safety.
  Status safety_round() {
    draw_rules(true);
    if (subject_->store() == nullptr) RAMET_TRY(recover());
    for (uint64_t i = 5 + pick(25); i > 0 && step_ < options_.steps; --i) RAMET_TRY(safety_step());
    if (subject_->store() == nullptr) return ok();
    ++report_.comparisons;
    env().clear_faults();
    RAMET_TRY(subject_->check_state());
    return pick(3) == 0 ? subject_->check_counts(false) : ok();
  }

  static ReclaimOptions small_steps() {
    ReclaimOptions options;
    options.nodes_max = 6;
    options.copy_bytes_max = 16 << 10;
    return options;
  }

  Status safety_step() {
    const uint64_t kind = pick(100);
    const bool power = draws(Fault::kPower);
    if (kind < 4 && power) {
      begin_step("the power fails");
      env().power_cut(draw_policy());
      return crashed();
    }
    if (power && pick(20) == 0) plan_cut(pick(2) == 0 ? 20 : 200);
    if (kind < 9) return reopen();
    if (kind < 16) return reclaim(false);
    if (kind < 19) return reclaim(true);
    if (kind < 23) {
      begin_step("hold a view");
      return judge("hold a view", subject_->hold_view(random_()));
    }
    if (kind < 27) {
      begin_step("look at a view again");
      return in_peace([&] { return subject_->check_view(random_()); });
    }
    if (kind < 30) {
      begin_step("compare");
      ++report_.comparisons;
      return in_peace([&] { return subject_->check_state(); });
    }
    begin_step("");
    const Status status = subject_->step();
    say(fmt::format("  {}", subject_->last()));
    return judge(subject_->last(), status);
  }

  Status reclaim(bool until_idle) {
    begin_step(until_idle ? "reclaim until idle" : "reclaim a little");
    ReclaimOptions options = small_steps();
    options.until_idle = until_idle;
    options.now = until_idle && pick(2) == 0;
    const auto done = subject_->store()->reclaim(options);
    return judge("reclaim", done.ok() ? ok() : Status(done.error()));
  }

  Status reopen() {
    begin_step("close and open");
    const Status closed = subject_->close();
    if (!env().powered()) return crashed();
    if (!closed.ok()) {
      say("  " + closed.error().to_string());
      if (!is_explained(closed.error())) return wrong("close: " + closed.error().to_string());
      ++report_.failures;
    }
    return recover();
  }

  // A call has come back; there must be a reason if it failed.
  Status judge(const std::string& what, const Status& status) {
    if (!env().powered()) return crashed();
    if (status.ok()) return ok();
    say("  " + status.error().to_string());
    if (!is_explained(status.error())) return wrong(what + ": " + status.error().to_string());
    ++report_.failures;
    bool read_only = false;
    RAMET_TRY(in_peace([&]() -> Status {
      const auto info = subject_->store()->info();
      if (!info.ok()) return wrong("info: " + info.error().to_string());
      read_only = info->read_only;
      ++report_.comparisons;
      return pick(3) == 0 || read_only ? subject_->check_state() : ok();
    }));
    if (!read_only || pick(2) == 0) return ok();
    say("  the store is read-only");
    return reopen();
  }

  Status crashed() {
    subject_->abandon();
    env().set_sector_tearing(draws(Fault::kTorn) && pick(2) == 0);
    env().restart();
    rules_.clear();
    ++report_.recoveries;
    say("  power again");
    return recover();
  }

  // Opens the store, at first perhaps among faults and cuts; compares.
  Status recover() {
    for (uint64_t hard = pick(4); hard > 0; --hard) {
      draw_rules(true);
      if (draws(Fault::kPower) && pick(2) == 0) plan_cut(40);
      begin_life();
      const Status opened = subject_->open();
      if (!env().powered()) {
        subject_->abandon();
        env().restart();
        rules_.clear();
        ++report_.recoveries;
        say("  the power failed while it was opened");
        continue;
      }
      if (opened.ok()) {
        say("  opened among faults");
        RAMET_TRY(in_peace([&] { return check_recovered(); }));
        return ok();
      }
      say("  open: " + opened.error().to_string());
      say_fired();
      if (!is_explained(opened.error())) return wrong("open: " + opened.error().to_string());
      ++report_.failures;
    }
    RAMET_TRY(open_in_peace("no faults any more"));
    RAMET_TRY(check_recovered());
    draw_rules(true);
    return ok();
  }

  Status check_recovered() {
    ++report_.comparisons;
    RAMET_TRY(subject_->check_recovered());
    return pick(3) == 0 ? subject_->check_counts(false) : ok();
  }

  // --- Liveness.
  Status must(const std::string& what, const Status& status) {
    if (status.ok()) return ok();
    return wrong("without any faults, " + what + ": " + status.error().to_string());
  }

  Status liveness() {
    begin_step("the faults stop");
    make_peace();
    rules_.clear();
    const uint64_t begun = env().operations();
    if (subject_->store() != nullptr) RAMET_TRY(end_life());
    if (subject_->store() == nullptr) {
      RAMET_TRY(open_in_peace("the faults have stopped"));
      RAMET_TRY(check_recovered());
    }
    RAMET_TRY(live_steps());
    RAMET_TRY(must("checkpoint", subject_->store()->checkpoint()));
    RAMET_TRY(reclaim_all());
    RAMET_TRY(subject_->check_state());
    RAMET_TRY(must("close", subject_->close()));
    RAMET_TRY(open_in_peace("at the end"));
    RAMET_TRY(subject_->check_state());
    RAMET_TRY(subject_->check_counts(false));
    RAMET_TRY(drop_all());
    report_.liveness_operations = env().operations() - begun;
    if (report_.liveness_operations <= kLivenessOperationsMax) return ok();
    return wrong(fmt::format("{} operations of the disk after the faults had stopped",
                             report_.liveness_operations));
  }

  // The life that saw the faults goes on, and then is closed: a file that it could not remove may
  // stay until then. A sync that failed ends all writing, at the latest with the next commit.
  Status end_life() {
    const Status status = live_steps();
    const auto info = subject_->store()->info();
    if (!info.ok()) return must("info", info.error());
    if (!info->read_only) RAMET_TRY(status);
    RAMET_TRY(subject_->check_state());
    const Status closed = subject_->close();
    return info->read_only ? ok() : must("close", closed);
  }

  Status live_steps() {
    for (uint64_t i = 0; i < kLivenessSteps; ++i) {
      const Status status = subject_->step();
      say("  " + subject_->last());
      RAMET_TRY(must(subject_->last(), status));
    }
    return ok();
  }

  Status reclaim_all() {
    ReclaimOptions options;
    options.until_idle = true;
    options.now = true;
    const auto done = subject_->store()->reclaim(options);
    if (!done.ok()) return must("reclaim", done.error());
    if (!done->idle) return wrong("reclaim until idle ended, and it is not idle");
    if (done->nodes_damaged > 0) return wrong("nodes are damaged, without any damage");
    return subject_->check_counts(true);
  }

  // The bill of an empty store has nothing on it that anybody holds, or held.
  Status drop_all() {
    Store& store = *subject_->store();
    std::vector<ContainerId> all;
    RAMET_TRY(store.containers({}, [&](const ContainerInfo& info) {
      all.push_back(info.id);
      return true;
    }));
    for (const ContainerId id : all) RAMET_TRY(must("drop", store.drop_container(id)));
    RAMET_TRY(reclaim_all());
    const auto usage = store.usage({});
    if (!usage.ok()) return must("usage", usage.error());
    const uint64_t leaked = usage->other_share_bytes + usage->pending_bytes +
                            usage->dropped_bytes + usage->leftover_bytes;
    if (leaked > 0) return wrong(fmt::format("{} bytes stay when all is dropped", leaked));
    return must("close", subject_->close());
  }

  // --- Damage.
  void draw_damage() {
    draw_rules(false);
    const double often = pick(2) == 0 ? 0.005 : 0.04;
    const auto add = [&](Fault fault, io::FaultKind kind) {
      if (draws(fault)) add_rule(kind, often);
    };
    add(Fault::kLost, io::FaultKind::kLostWrite);
    add(Fault::kMisdirected, io::FaultKind::kMisdirectedWrite);
    add(Fault::kBitRot, io::FaultKind::kBitFlip);
  }

  void flip_a_bit() {
    const std::vector<std::string> files = env().files();
    const std::string& path = files[pick(files.size())];
    const auto bytes = env().read_raw(path);
    if (!bytes.ok() || bytes->empty()) return;
    const uint64_t at = pick(bytes->size());
    begin_step(fmt::format("flip a bit of {} at {}", path, at));
    ignore_error(env().flip_bit(path, at, static_cast<unsigned>(pick(8))), "it is there");
  }

  void learn() {
    std::vector<std::string> lines;
    subject_->add_lines(lines);
    known_.insert(std::make_move_iterator(lines.begin()), std::make_move_iterator(lines.end()));
  }

  Status damage(uint64_t steps) {
    for (uint64_t i = steps / 2; i > 0; --i) {  // something that can be damaged
      begin_step("");
      const Status status = subject_->step();
      say("  " + subject_->last());
      RAMET_TRY(must(subject_->last(), status));
    }
    known_.clear();
    learn();
    draw_damage();
    bool goes_on = true;
    while (goes_on && step_ < steps) {
      RAMET_TRY(damage_step(&goes_on));
      learn();
    }
    subject_->abandon();
    return ok();
  }

  Status damage_step(bool* goes_on) {
    const uint64_t kind = pick(100);
    if (draws(Fault::kPower) && pick(16) == 0) plan_cut(100);
    if (draws(Fault::kBitRot) && pick(12) == 0) flip_a_bit();
    if (kind < 20) {
      begin_step("close and open");
      note_damage(subject_->close());
    } else if (kind < 30) {
      begin_step("reclaim");
      const auto done = subject_->store()->reclaim(small_steps());
      note_damage(done.ok() ? ok() : Status(done.error()));
    } else if (kind < 40) {
      begin_step("look");
      return in_peace([&] { return check_right_or_error(true, goes_on); });
    } else {
      begin_step("");
      const Status status = subject_->step();
      say("  " + subject_->last());
      note_damage(status);
    }
    if (subject_->store() != nullptr && env().powered()) return ok();
    return reopen_damaged(goes_on);
  }

  void note_damage(const Status& status) {
    if (status.ok()) return;
    say("  " + status.error().to_string());
    ++report_.damage_named;
  }

  Status reopen_damaged(bool* goes_on) {
    learn();  // the step that was under way may be there
    subject_->abandon();
    make_peace();
    if (!env().powered()) {
      env().restart();
      ++report_.recoveries;
    }
    const Status opened = subject_->open();
    if (!opened.ok()) {
      note_damage(opened);
      *goes_on = false;
      if (opened.error().code() == ErrorCode::kCorruption) return ok();
      return wrong("a damaged store is opened: " + opened.error().to_string());
    }
    RAMET_TRY(check_right_or_error(false, goes_on));
    draw_damage();
    return ok();
  }

  // `exactly`: this life has seen all commits, so that what is shown is what the model holds now;
  // else anything that it has held: the device may have lost the newer.
  Status check_right_or_error(bool exactly, bool* goes_on) {
    ++report_.comparisons;
    const std::string is = describe(*subject_->store());
    const bool named = is.find("ERROR") != std::string::npos;
    if (named) ++report_.damage_named;
    if (!exactly) {
      if (subject_->check_recovered().ok()) return ok();
      *goes_on = false;  // something is lost: what goes on from here is in no model
    }
    const std::string should = describe(subject_->workload().model());
    if (exactly && !named && is != should) {
      return wrong("wrong, and no error\n" + first_difference(is, should));
    }
    std::set<std::string> now;
    for (std::string& line : lines_of(should)) now.insert(std::move(line));
    const std::set<std::string>& allowed = exactly ? now : known_;
    for (const std::string& line : lines_of(is)) {
      if (line.find("ERROR") != std::string::npos || allowed.contains(line)) continue;
      return wrong("wrong bytes, and no error: " + line);
    }
    return ok();
  }

  const SimulationOptions& options_;
  std::mt19937_64 random_;
  const FaultSet faults_;
  std::unique_ptr<Subject> subject_;
  std::vector<io::FaultRule> rules_;
  std::set<std::string> known_;  // lines of all states that the damaged store had
  io::SimStats since_;
  FaultCounts said_{};
  uint64_t step_ = 0;
  SimulationReport report_;
};

}  // namespace

SimulationReport simulate(const SimulationOptions& options) { return Simulation(options).run(); }

}  // namespace ramet::sim
