// Goal: scrub finds damage in every kind of frame, reads all of a store whatever interrupts it,
// keeps to its rate, and takes nothing for damage that a busy store does.
// Method: the damage matrix; a disk on which every block is damaged, and power cuts at every
// operation of the pass; histories and reclaims between its steps; the simulated clock.
//
// RAMET_SIM_SEEDS: histories.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/check/scrub_state.h"
#include "engine/import.h"
#include "engine/scrub.h"
#include "engine/store_impl.h"
#include "format/frame.h"
#include "io/env_sim.h"
#include "tests/sim/damage_matrix.h"
#include "tests/sim/machine.h"

namespace ramet::sim {
namespace {

ScrubOptions small_steps(const std::shared_ptr<io::Env>& env) {
  ScrubOptions options;
  options.env = env;
  options.threads = 2;
  options.step_bytes = 16 << 10;
  options.save_interval = 0;
  return options;
}

std::string line_of(const Finding& finding) {
  return fmt::format("{} {}@{}:{} segment {} at {}: {}\n", finding.kind->code, finding.container,
                     finding.snapshot, finding.path, finding.segment, finding.offset,
                     finding.message);
}

struct Scrubbed {
  Result<ScrubPass> pass = Error(ErrorCode::kCancelled, "did not run");
  std::vector<Finding> findings;
  std::string text;
};

Scrubbed run_scrub(const ScrubOptions& options) {
  Scrubbed out;
  out.pass = scrub("/store", options, [&](const Finding& finding) {
    out.findings.push_back(finding);
    out.text += line_of(finding);
  });
  return out;
}

TEST(Scrub, FindsNothingWhereNothingIsWrong) {
  const uint64_t seeds = from_environment("RAMET_SIM_SEEDS", 20);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 11000);
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 15; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      if (round % 2 == 1) {
        ASSERT_TRUE(machine.store->reclaim({}).ok());
      }
      const Scrubbed open = run_scrub(small_steps(machine.env));
      ASSERT_TRUE(open.pass.ok()) << open.pass.error().to_string();
      EXPECT_EQ(open.text, "") << "open";
      EXPECT_EQ(open.pass->bytes_done, open.pass->bytes_total);
      machine.env->power_cut(io::CutPolicy::kRandom);
      machine.store.reset();
      machine.env->restart();
      const Scrubbed crashed = run_scrub(small_steps(machine.env));
      ASSERT_TRUE(crashed.pass.ok()) << crashed.pass.error().to_string();
      EXPECT_EQ(crashed.text, "") << "crashed";
      ASSERT_NO_FATAL_FAILURE(machine.open());
      ASSERT_TRUE(machine.store->close().ok());
      const Scrubbed closed = run_scrub(small_steps(machine.env));
      ASSERT_TRUE(closed.pass.ok());
      EXPECT_EQ(closed.text, "") << "closed";
      ASSERT_NO_FATAL_FAILURE(machine.open());
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
}

// Whatever else happens to the store between its steps.
TEST(Scrub, TakesNothingForDamageThatABusyStoreDoes) {
  const uint64_t seeds = from_environment("RAMET_SIM_SEEDS", 20);
  uint64_t reclaimed = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 12000);
    for (int i = 0; i < 30; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    for (int pass = 0; pass < 3; ++pass) {
      std::string text;
      ScrubOptions options = small_steps(machine.env);
      options.step_bytes = 4 << 10;
      auto scrub = Scrub::open("/store", options,
                               [&](const Finding& finding) { text += line_of(finding); });
      ASSERT_TRUE(scrub.ok()) << scrub.error().to_string();
      for (int steps = 0;; ++steps) {
        ASSERT_LT(steps, 10'000);
        const auto more = (*scrub)->step();
        ASSERT_TRUE(more.ok()) << more.error().to_string();
        if (!*more) break;
        if (steps > 60) continue;  // (else new trees are never read to their end)
        ASSERT_NO_FATAL_FAILURE(machine.expect_step());
        if (steps % 4 == 0) {
          const auto done = machine.store->reclaim({});
          ASSERT_TRUE(done.ok());
          reclaimed += done->actions.size();
        }
        if (steps % 8 == 0) {
          ASSERT_TRUE(machine.store->checkpoint().ok());
        }
      }
      EXPECT_EQ(text, "");
      EXPECT_TRUE((*scrub)->status().last->is_sound());
    }
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(reclaimed, seeds);
}

// --- damage --------------------------------------------------------------------------------------

TEST(Scrub, DamageInEachKindOfFrameIsFound) {
  DamageMatrix matrix;
  const auto sound = run_scrub(small_steps(disk_with(matrix.now())));
  ASSERT_TRUE(sound.pass.ok()) << sound.pass.error().to_string();
  ASSERT_EQ(sound.text, "");
  std::set<std::string> structures;
  for (const Place& place : matrix.places()) {
    if (place.structure.starts_with("index")) continue;  // a hint, which is made anew
    structures.insert(place.structure);
    const Bytes& bytes = matrix.now().at(place.file);
    const uint64_t to = std::min<uint64_t>(place.to, bytes.size());
    const uint64_t flips = from_environment("RAMET_MATRIX_STEP", 1) > 1 ? 1 : 7;
    const uint64_t step = std::max<uint64_t>(1, (to - place.from) / flips);
    for (uint64_t at = place.from; at < to; at += step) {
      SCOPED_TRACE(place.structure + ": " + place.file + " " + std::to_string(at));
      auto files = matrix.now();
      files[place.file][at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
      const Scrubbed found = run_scrub(small_steps(disk_with(files)));
      EXPECT_TRUE(!found.pass.ok() || !found.pass->findings.empty()) << "missed";
      // Only where there is no checkpoint to begin with is there no pass.
      if (found.pass.ok()) continue;
      EXPECT_EQ(found.pass.error().code(), ErrorCode::kCorruption);
    }
    if (place.file.find("segments") == std::string::npos) continue;
    auto files = matrix.now();
    files.erase(place.file);
    const Scrubbed missing = run_scrub(small_steps(disk_with(files)));
    EXPECT_TRUE(!missing.pass.ok() || missing.pass->lost > 0) << place.file << " is missed";
  }
  EXPECT_GE(structures.size(), 12u);
}

// A closed store with some containers, of which every block is damaged.
struct AllDamaged {
  std::map<std::string, Bytes> files;
  std::set<std::pair<SegmentNo, Slot>> blocks;
};

AllDamaged damage_all() {
  Machine machine(78);
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(machine.step().ok());
  EXPECT_TRUE(machine.store->close().ok());
  machine.open();
  AllDamaged out;
  auto& store = static_cast<engine::StoreImpl&>(*machine.store);
  engine::BlockStore& blocks = store.blocks();
  std::map<std::string, std::vector<uint64_t>> places;
  for (SegmentNo number = 1; number < blocks.next_segment(); ++number) {
    const auto segment = blocks.segment(number);
    if (!segment.ok() || (*segment)->identity().stream == Stream::kMap) continue;
    const auto table = (*segment)->slots(0, (*segment)->slot_count());
    for (Slot slot = 0; slot < table.size(); ++slot) {
      if (table[slot].is_gone() || table[slot].kind() != FrameKind::kBlock) continue;
      if (table[slot].stored_len() == 0) continue;
      places[(*segment)->file().path()].push_back(table[slot].offset() + kFrameHeaderBytes);
      out.blocks.insert({number, slot});
    }
  }
  EXPECT_TRUE(machine.store->close().ok());
  const std::vector<std::string> paths = machine.env->files();
  for (const std::string& path : paths) {
    if (!path.starts_with("/store/") || path.ends_with("lock")) continue;
    Bytes bytes = *machine.env->read_raw(path);
    for (const uint64_t at : places[path]) bytes[at] = static_cast<char>(bytes[at] ^ 1);
    out.files[path] = std::move(bytes);
  }
  return out;
}

// A disk on which they survive a power cut.
std::shared_ptr<io::SimEnv> durable_disk(const std::map<std::string, Bytes>& files) {
  auto env = std::make_shared<io::SimEnv>(1);
  for (const char* directory : {"/store", "/store/segments", "/store/index"}) {
    EXPECT_TRUE(env->create_directory(directory).ok());
  }
  for (const char* directory : {"/", "/store"}) EXPECT_TRUE(env->sync_directory(directory).ok());
  for (const auto& [path, bytes] : files) EXPECT_TRUE(env->write_raw(path, 0, bytes).ok()) << path;
  return env;
}

std::set<std::pair<SegmentNo, Slot>> slots_of(const std::vector<ScrubFinding>& findings) {
  std::set<std::pair<SegmentNo, Slot>> out;
  for (const ScrubFinding& one : findings) {
    if (one.finding.slot) out.insert({one.finding.segment, *one.finding.slot});
  }
  return out;
}

// Every damaged block is found, so every byte was read; and none is told twice.
void expect_all(const AllDamaged& damaged, const ScrubPass& pass) {
  std::set<std::pair<SegmentNo, Slot>> told;
  std::set<std::string> lines;
  for (const ScrubFinding& one : pass.findings) {
    ASSERT_TRUE(one.finding.slot) << line_of(one.finding);
    EXPECT_TRUE(lines.insert(line_of(one.finding)).second) << "twice: " << line_of(one.finding);
    EXPECT_GT(one.found, 0);
    const bool live = one.finding.kind->code == "block-damaged";
    EXPECT_TRUE(live || one.finding.kind->code == "frame-damaged") << line_of(one.finding);
    EXPECT_EQ(one.finding.container.empty(), !live) << line_of(one.finding);
  }
  // (A block's finding names the node that refers to it, and the block in its message.)
  for (const auto& [segment, slot] : damaged.blocks) {
    const std::string ref = " " + to_string(BlockRef{segment, slot, 0}) + " ";
    bool found = slots_of(pass.findings).contains({segment, slot});
    for (const std::string& line : lines) {
      found = found || line.find(ref) != std::string::npos;
    }
    EXPECT_TRUE(found) << ref;
  }
}

TEST(Scrub, EveryBlockIsReadWhateverInterruptsThePass) {
  const AllDamaged damaged = damage_all();
  ASSERT_GT(damaged.blocks.size(), 30u);
  const auto whole_disk = durable_disk(damaged.files);
  const uint64_t made = whole_disk->operations();
  const Scrubbed whole = run_scrub(small_steps(whole_disk));
  ASSERT_TRUE(whole.pass.ok()) << whole.pass.error().to_string();
  ASSERT_NO_FATAL_FAILURE(expect_all(damaged, *whole.pass));
  const uint64_t operations = whole_disk->operations() - made;
  uint64_t resumed = 0;
  for (uint64_t cut = 1; cut < operations; cut += 1 + cut / 40) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    const auto env = durable_disk(damaged.files);
    const uint64_t begun = env->operations();
    env->cut_power_at(begun + cut, io::CutPolicy::kRandom);
    const Scrubbed interrupted = run_scrub(small_steps(env));
    if (interrupted.pass.ok()) continue;  // (it ended just before)
    env->restart();
    const auto status = scrub_status("/store", env);
    ASSERT_TRUE(status.ok()) << status.error().to_string();
    const uint64_t done = status->current ? status->current->bytes_done : 0;
    const auto known = status->current ? slots_of(status->current->findings) : slots_of({});
    if (done > 0) ++resumed;
    const Scrubbed rest = run_scrub(small_steps(env));
    ASSERT_TRUE(rest.pass.ok()) << rest.pass.error().to_string();
    if (!status->last) {
      EXPECT_EQ(rest.pass->number, 1u);
      EXPECT_GE(rest.pass->bytes_done, done);
    }
    ASSERT_NO_FATAL_FAILURE(expect_all(damaged, *rest.pass));
    const auto last = scrub_status("/store", env);
    ASSERT_TRUE(last.ok());
    EXPECT_EQ(last->last->findings.size(), rest.pass->findings.size());
  }
  EXPECT_GT(resumed, 10u);
}

// It goes on where it was, and not before.
TEST(Scrub, AStoppedPassReadsOnlyTheRest) {
  DamageMatrix matrix;
  const auto env = disk_with(matrix.now());
  uint64_t total = 0;
  uint64_t read = 0;
  int lives = 0;
  for (bool frames = true; frames; ++lives) {
    ASSERT_LT(lives, 1000);
    auto scrub = Scrub::open("/store", small_steps(env), [](const Finding&) {});
    ASSERT_TRUE(scrub.ok());
    EXPECT_EQ((*scrub)->status().current->bytes_done, read) << "what was saved counts";
    const auto stepped = (*scrub)->step();
    ASSERT_TRUE(stepped.ok());
    EXPECT_GT((*scrub)->status().current->bytes_done, read);
    read = (*scrub)->status().current->bytes_done;
    if (total == 0) total = (*scrub)->status().current->bytes_total;
    frames = !engine::load_scrub_state(*env, "/store")->frames_done;
  }
  EXPECT_GT(lives, 4);
  EXPECT_LT(read, total) << "trees come then";
  const Scrubbed rest = run_scrub(small_steps(env));
  ASSERT_TRUE(rest.pass.ok());
  EXPECT_EQ(rest.pass->bytes_done, total) << "and what was announced is what was read";
}

TEST(Scrub, APlaceThatTheDeviceDoesNotGiveIsFoundAndTheRestIsRead) {
  const AllDamaged damaged = damage_all();
  // Once: a stretch cannot be read, but each frame of it by itself. Twice: one frame cannot.
  for (const uint64_t times : {1, 2}) {
    const auto env = durable_disk(damaged.files);
    ScrubOptions options = small_steps(env);
    options.threads = 1;
    std::string text;
    const auto scrub = Scrub::open("/store", options,
                                   [&](const Finding& finding) { text += line_of(finding); });
    ASSERT_TRUE(scrub.ok());
    ASSERT_TRUE(*(*scrub)->step());
    io::FaultRule rule;
    rule.kind = io::FaultKind::kReadError;
    rule.path_contains = fmt::format("/segments/{:08x}", damaged.blocks.rbegin()->first);
    rule.probability = 1;
    rule.times_max = times;
    // (Not the header of the file: a step that is under way is past it.)
    bool more = true;
    while (more && env->stats().read_errors == 0) {
      const auto& status = (*scrub)->status();
      if (status.current->bytes_done > status.current->bytes_total / 2) env->inject(rule);
      const auto stepped = (*scrub)->step();
      ASSERT_TRUE(stepped.ok()) << stepped.error().to_string();
      more = *stepped;
    }
    EXPECT_GT(env->stats().read_errors, 0u);
    while (more) {
      const auto stepped = (*scrub)->step();
      ASSERT_TRUE(stepped.ok()) << stepped.error().to_string();
      more = *stepped;
    }
    EXPECT_GT((*scrub)->status().last->findings.size(), 0u);
  }
}

// --- pace, progress, cancelling ------------------------------------------------------------------

TEST(Scrub, KeepsToItsRate) {
  DamageMatrix matrix;
  for (const uint64_t rate : {uint64_t{64} << 10, uint64_t{1} << 20}) {
    const auto env = disk_with(matrix.now());
    ScrubOptions options = small_steps(env);
    options.threads = 1;
    options.rate = rate;
    uint64_t slept = 0;
    options.sleep = [&](uint64_t nanoseconds) {
      slept += nanoseconds;
      env->set_clock_step(nanoseconds);
      env->monotonic();
      env->set_clock_step(1000);
    };
    const uint64_t begun = env->monotonic();
    const Scrubbed done = run_scrub(options);
    const uint64_t took = env->monotonic() - begun;
    ASSERT_TRUE(done.pass.ok());
    // The last piece is not waited for.
    const double seconds = static_cast<double>(took) / 1e9;
    const double bytes = static_cast<double>(done.pass->bytes_done);
    EXPECT_GE(seconds * static_cast<double>(rate), bytes - (64 << 10));
    EXPECT_LE(seconds * static_cast<double>(rate), bytes * 1.1);
    EXPECT_GT(slept, 0u);
  }
}

TEST(Scrub, TheStoresRateCountsWhereNoneIsGiven) {
  Machine machine(79);
  for (int i = 0; i < 20; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
  ASSERT_TRUE(machine.store->set_setting({}, "scrub-rate", "1M").ok());
  ASSERT_TRUE(machine.store->checkpoint().ok());
  uint64_t slept = 0;
  ScrubOptions options = small_steps(machine.env);
  options.sleep = [&](uint64_t nanoseconds) {
    slept += nanoseconds;
    machine.env->set_clock_step(nanoseconds);
    machine.env->monotonic();
    machine.env->set_clock_step(1000);
  };
  ASSERT_TRUE(run_scrub(options).pass.ok());
  EXPECT_GT(slept, 0u);
  slept = 0;
  options.rate = 0;
  ASSERT_TRUE(run_scrub(options).pass.ok());
  EXPECT_EQ(slept, 0u);
}

TEST(Scrub, CancellingEndsAStepAndKeepsWhatWasDone) {
  DamageMatrix matrix;
  const auto env = disk_with(matrix.now());
  CopyProgress progress;
  ScrubOptions options = small_steps(env);
  options.progress = &progress;
  auto scrub = Scrub::open("/store", options, [](const Finding&) {});
  ASSERT_TRUE(scrub.ok());
  ASSERT_TRUE(*(*scrub)->step());
  ASSERT_TRUE(*(*scrub)->step());
  const uint64_t done = (*scrub)->status().current->bytes_done;
  EXPECT_EQ(progress.bytes_done, done);
  EXPECT_GT(progress.bytes_total, done);
  progress.cancel = true;
  EXPECT_EQ((*scrub)->step().error().code(), ErrorCode::kCancelled);
  scrub->reset();
  EXPECT_EQ(scrub_status("/store", env)->current->bytes_done, done);
}

TEST(Scrub, OneProcessScrubsAStore) {
  DamageMatrix matrix;
  const auto env = disk_with(matrix.now());
  const auto first = Scrub::open("/store", small_steps(env), [](const Finding&) {});
  ASSERT_TRUE(first.ok());
  const auto second = Scrub::open("/store", small_steps(env), [](const Finding&) {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kBusy);
}

TEST(Scrub, RestartGivesUpThePassThatWasUnderWay) {
  DamageMatrix matrix;
  const auto env = disk_with(matrix.now());
  {
    auto scrub = Scrub::open("/store", small_steps(env), [](const Finding&) {});
    ASSERT_TRUE(*(*scrub)->step());
  }
  EXPECT_GT(scrub_status("/store", env)->current->bytes_done, 0u);
  ScrubOptions options = small_steps(env);
  options.restart = true;
  const auto again = Scrub::open("/store", options, [](const Finding&) {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->status().current->number, 2u);
  EXPECT_EQ((*again)->status().current->bytes_done, 0u);
}

TEST(Scrub, IsDueWhenTheIntervalHasPassedSinceTheLastOneBegan) {
  ScrubStatus status;
  EXPECT_TRUE(is_scrub_due(status, 100, 1000)) << "never scrubbed";
  EXPECT_FALSE(is_scrub_due(status, {}, 1000)) << "never due";
  status.last.emplace();
  status.last->begun = 1000;
  status.last->finished = 1050;
  EXPECT_FALSE(is_scrub_due(status, 100, 1099));
  EXPECT_TRUE(is_scrub_due(status, 100, 1100));
  EXPECT_TRUE(is_scrub_due(status, 100, 999)) << "the clock was put back: who knows";
  status.current.emplace();
  EXPECT_TRUE(is_scrub_due(status, 100, 1001)) << "one is under way";
  EXPECT_TRUE(is_scrub_due(status, {}, 1001));
}

// --- what it remembers ---------------------------------------------------------------------------

TEST(ScrubState, ADamagedOneIsAsNone) {
  DamageMatrix matrix;
  const auto env = disk_with(matrix.now());
  ASSERT_TRUE(run_scrub(small_steps(env)).pass.ok());
  ASSERT_TRUE(env->flip_bit("/store/scrub/state", 70, 1).ok());
  EXPECT_EQ(scrub_status("/store", env).error().code(), ErrorCode::kCorruption);
  const Scrubbed again = run_scrub(small_steps(env));
  ASSERT_TRUE(again.pass.ok()) << again.pass.error().to_string();
  EXPECT_EQ(again.pass->number, 1u);
  EXPECT_TRUE(scrub_status("/store", env).ok());
}

}  // namespace
}  // namespace ramet::sim
