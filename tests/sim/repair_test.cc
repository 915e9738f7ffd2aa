// Goal: a repair brings back everything that still stands in the segments, names what it cannot,
// leaves a store in which fsck finds nothing, and can be taken back bit for bit; at whatever
// point it is cut short, the store is as it was or repaired.
// Method: the damage matrix; nodes, segments and pieces of log that are damaged one by one or many
// at a time; power cuts at every write of a repair.
//
// RAMET_REPAIR_STEP: each so manieth node of a store is damaged (1: every one).
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/repair.h"
#include "engine/store_impl.h"
#include "engine/tree/clean_node.h"
#include "format/keys.h"
#include "format/superblock.h"
#include "tests/sim/damage_matrix.h"
#include "tests/sim/machine.h"
#include "tests/sim/repair_support.h"

namespace ramet::sim {
namespace {

// Of a structure that holds no content and no names: nothing may be lost with it.
bool is_redundant(const std::string& structure) {
  for (const char* name : {"superblock", "header", "footer", "trailer", "map ", "index "}) {
    if (structure.find(name) != std::string::npos && structure.find("frame") == std::string::npos) {
      return true;
    }
  }
  return structure.substr(0, 4) == "map ";
}

TEST(Repair, TheDamageMatrixIsMendedAndCanBeTakenBack) {
  DamageMatrix matrix;
  const auto sound = contents_on(disk_with(matrix.now()));
  ASSERT_GT(sound.size(), 20u);
  struct Row {
    int whole = 0, partly = 0, unmended = 0;
    uint64_t missing = 0;
  };
  std::map<std::string, Row> table;
  int unmended = 0;
  matrix.each_damage([&](const Place& place, const std::string& how, const Files& files) {
    SCOPED_TRACE(place.structure + " " + how + ": " + place.file + " " +
                 std::to_string(place.from));
    const auto env = disk_with(files);
    std::string differs;
    const Repaired plan = run_repair(env, false);
    ASSERT_TRUE(plan.status.ok()) << plan.status.error().to_string();
    ASSERT_TRUE(same_files(files, files_of(*env), &differs)) << "a plan: " << differs;
    const Repaired done = run_repair(env, true);
    ASSERT_TRUE(done.status.ok()) << done.status.error().to_string();
    EXPECT_EQ(plan.steps.size(), done.steps.size()) << plan.text << "--\n" << done.text;
    const Checked after = check(env);
    EXPECT_EQ(after.report.lost + after.report.damage, 0u) << done.text << "--\n" << after.text;
    // Nothing reads as something else; what is not there is named.
    const auto now = contents_on(env);
    uint64_t missing = 0;
    for (const auto& [path, bytes] : sound) {
      const auto found = now.find(path);
      if (found != now.end()) {
        if (how != "stale") {
          EXPECT_TRUE(found->second == bytes) << path << "\n" << done.text;
        }
        if (found->second == bytes) continue;
      }
      ++missing;
      const auto tells = [&, &path = path](const RepairStep& step) {
        if (step.outcome == Outcome::kMended) return false;
        const std::string container =
            step.snapshot.empty() ? step.container : step.container + "@" + step.snapshot;
        return container + ":" + step.path == path || path.starts_with(container + ":") ||
               step.container.empty();
      };
      const bool told = std::any_of(done.steps.begin(), done.steps.end(), tells);
      EXPECT_TRUE(told) << path << " is gone without a word:\n" << done.text;
    }
    const bool alone = how == "bit flip" || how == "zeroed";
    if (alone && is_redundant(place.structure)) {
      EXPECT_EQ(missing, 0u) << done.text;
    }
    Row& row = table[place.structure + " | " + how];
    const bool mended = after.report.lost + after.report.damage == 0;
    ++(!mended ? row.unmended : missing == 0 ? row.whole : row.partly);
    row.missing += missing;
    unmended += mended ? 0 : 1;
    if (done.report.applied) {
      const auto state = repair_state("/store", env);
      ASSERT_TRUE(state.ok()) << state.error().to_string();
      EXPECT_TRUE(state->can_undo);
      EXPECT_EQ(state->commits_since, 0u);
      EXPECT_FALSE(run_repair(env, true).status.ok()) << "a second one over the first";
      const Status undone = undo_repair("/store", false, env);
      ASSERT_TRUE(undone.ok()) << undone.error().to_string();
      ASSERT_TRUE(same_files(files, files_of(*env), &differs)) << "undone: " << differs;
      // Once more, for good.
      ASSERT_TRUE(run_repair(env, true).status.ok());
      const Status accepted = accept_repair("/store", env);
      ASSERT_TRUE(accepted.ok()) << accepted.error().to_string();
    } else {
      EXPECT_TRUE(plan.steps.empty());
    }
    ASSERT_NO_FATAL_FAILURE(expect_usable(env));
  });
  for (const auto& [name, row] : table) {
    std::cout << fmt::format("{:<36} whole {:>3} partly {:>3} unmended {:>3} missing {:>4}\n", name,
                             row.whole, row.partly, row.unmended, row.missing);
  }
  EXPECT_EQ(unmended, 0);
}

// What a repair says was moved holds what could still be read, and zeros.
void expect_only_zeros_instead(const std::string& was, const std::string& is) {
  if (is.empty()) return;
  ASSERT_EQ(was.size(), is.size());
  for (size_t i = 0; i < was.size(); ++i) {
    if (is[i] != was[i]) {
      ASSERT_EQ(is[i], '\0') << "at " << i;
    }
  }
}

TEST(Repair, WhatIsLeftOfAnObjectIsInLostAndFound) {
  DamageMatrix matrix;
  const auto sound = contents_on(disk_with(matrix.now()));
  uint64_t moved = 0;
  uint64_t bytes_left = 0;
  matrix.each_damage([&](const Place& place, const std::string& how, const Files& files) {
    if (place.structure != "data payload" || how != "bit flip") return;
    SCOPED_TRACE(place.file + " " + std::to_string(place.from));
    const auto env = disk_with(files);
    const Repaired done = run_repair(env, true);
    ASSERT_TRUE(done.status.ok()) << done.status.error().to_string();
    const auto now = contents_on(env);
    for (const RepairStep& step : done.steps) {
      if (step.outcome != Outcome::kMoved || step.path.empty()) continue;
      ++moved;
      const std::string in =
          (step.snapshot.empty() ? step.container : step.container + "@" + step.snapshot) + ":";
      const auto was = sound.find(in + step.path);
      const auto is = now.find(in + step.saved_as);
      ASSERT_TRUE(was != sound.end()) << step.path;
      ASSERT_TRUE(is != now.end()) << step.saved_as;
      EXPECT_FALSE(now.contains(in + step.path));
      ASSERT_NO_FATAL_FAILURE(expect_only_zeros_instead(was->second, is->second));
      bytes_left += is->second.size();
      // The container itself says it, too.
      const std::string prefix = in + "/lost+found/repair-";
      const auto report = now.lower_bound(prefix);
      ASSERT_TRUE(report != now.end() && report->first.starts_with(prefix));
      EXPECT_NE(report->second.find(step.path), std::string::npos) << report->second;
    }
  });
  if (from_environment("RAMET_MATRIX_STEP", 1) > 1) return;
  EXPECT_GT(moved, 10u);
  EXPECT_GT(bytes_left, 10'000u);
}

// Each node of a store with deep trees, one at a time.
TEST(Repair, LostNodesCostNoMoreThanTheirOwnRecords) {
  Machine machine(501);
  const ContainerId id = machine.store->create_container("deep")->id;
  for (int part = 0; part < 6; ++part) {
    auto transaction = std::move(*machine.store->begin(id));
    for (int i = 0; i < 40; ++i) {
      const auto folder =
          transaction->create_folders(fmt::format("/d{}/e{}", i % 5, part));
      ASSERT_TRUE(folder.ok());
      auto writer = std::move(*transaction->write_content());
      ASSERT_TRUE(writer->append(fmt::format("content {} of {}", i, part)).ok());
      Attributes attributes;
      attributes.mode = 0100640;
      ASSERT_TRUE(transaction
                      ->put_object(*folder, fmt::format("f{}-{}", part, i), attributes,
                                   std::move(writer))
                      .ok());
    }
    ASSERT_TRUE(transaction->commit().ok());
    transaction.reset();
    ASSERT_TRUE(machine.store->checkpoint().ok());
    if (part == 2) {
      ASSERT_TRUE(machine.store->create_snapshot(id, "third").ok());
    }
  }
  ASSERT_TRUE(machine.store->close().ok());
  machine.open();
  struct Victim {
    std::string file;
    uint64_t at = 0;
    bool is_inner = false;
    bool holds_records = false;  // of objects
  };
  std::vector<Victim> victims;
  auto& store = static_cast<engine::StoreImpl&>(*machine.store);
  engine::BlockStore& blocks = store.blocks();
  for (SegmentNo number = 1; number < blocks.next_segment(); ++number) {
    const auto segment = blocks.segment(number);
    if (!segment.ok() || (*segment)->identity().stream != Stream::kNode) continue;
    const auto table = (*segment)->slots(0, (*segment)->slot_count());
    for (Slot slot = 0; slot < table.size(); ++slot) {
      if (table[slot].is_gone()) continue;
      const BlockRef ref{number, slot, *blocks.stored_checksum(number, slot)};
      const Bytes bytes = *blocks.read(ref);
      auto node = *engine::CleanNode::open(engine::NodeBuffer::copy_of(bytes), ref);
      Victim victim;
      victim.file = (*segment)->file().path();
      victim.at = table[slot].offset() + kFrameHeaderBytes + table[slot].stored_len() / 2;
      victim.is_inner = !node->view().is_leaf();
      for (uint32_t i = 0; !victim.is_inner && i < node->view().count(); ++i) {
        const Bytes key = Bytes(node->view().prefix()) + Bytes(node->view().suffix(i));
        victim.holds_records = victim.holds_records ||
                               container_space_of(key) == ContainerSpace::kObject;
      }
      victims.push_back(std::move(victim));
    }
  }
  ASSERT_TRUE(machine.store->close().ok());
  const Files files = files_of(*machine.env);
  const auto sound = contents_on(disk_with(files));
  ASSERT_GT(victims.size(), 60u);
  uint64_t inner = 0;
  uint64_t names = 0;
  uint64_t records = 0;
  uint64_t missing_all = 0;
  const uint64_t step = from_environment("RAMET_REPAIR_STEP", 4);
  for (size_t v = 0; v < victims.size(); v += step) {
    const Victim& victim = victims[v];
    SCOPED_TRACE(victim.file + " at " + std::to_string(victim.at));
    Files damaged = files;
    damaged[victim.file][victim.at] = static_cast<char>(damaged[victim.file][victim.at] ^ 0x10);
    const auto env = disk_with(damaged);
    const Repaired done = run_repair(env, true, false, false);
    ASSERT_TRUE(done.status.ok()) << done.status.error().to_string();
    expect_sound(env, done.text, false);
    const uint64_t missing = missing_of(sound, contents_on(env), done.text).size();
    ASSERT_FALSE(testing::Test::HasFailure());
    if (done.steps.empty()) continue;  // nothing needed it
    ++(victim.is_inner ? inner : victim.holds_records ? records : names);
    missing_all += missing;
    if (victim.is_inner || !victim.holds_records) {
      EXPECT_EQ(missing, 0u) << done.text;
    }
    EXPECT_LE(missing, 16u) << done.text;
  }
  std::cout << fmt::format("inner nodes {}, leaves of names {}, of records {}: missing {}\n", inner,
                           names, records, missing_all);
  EXPECT_GT(inner + names + records, 0u);
}

// The log of a store that was in use, damaged in its middle.
TEST(Repair, CommitsBehindDamageInTheLogComeBack) {
  uint64_t tried = 0;
  uint64_t back = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Machine machine(seed + 7500);
    const ContainerId id = machine.store->create_container("log")->id;
    ASSERT_TRUE(machine.store->checkpoint().ok());
    for (int i = 0; i < 12; ++i) {
      auto transaction = std::move(*machine.store->begin(id));
      auto writer = std::move(*transaction->write_content());
      ASSERT_TRUE(writer->append(fmt::format("commit {}", i)).ok());
      ASSERT_TRUE(transaction
                      ->put_object(kRootFolder, fmt::format("f{}", i), Attributes{},
                                   std::move(writer))
                      .ok());
      ASSERT_TRUE(transaction->commit().ok());
    }
    const auto sound = contents_of(*machine.store);
    auto& store = static_cast<engine::StoreImpl&>(*machine.store);
    const SegmentNo log = store.blocks().own_segments().front()->number();
    std::string file;
    for (const auto& segment : store.blocks().own_segments()) {
      if (segment->identity().stream == Stream::kCommit) file = segment->file().path();
    }
    ASSERT_FALSE(file.empty()) << log;
    machine.env->power_cut(io::CutPolicy::kKeepAll);
    machine.store.reset();
    machine.env->restart();
    Files files = files_of(*machine.env);
    // One group of 4 KiB among the first ones.
    const uint64_t at = kSegmentHeaderBytes + kGroupBytes * (1 + seed % 6);
    ASSERT_GT(files[file].size(), at + 2 * kGroupBytes);
    for (uint64_t b = at; b < at + kGroupBytes; ++b) files[file][b] = '\0';
    const auto env = disk_with(files);
    const Repaired done = run_repair(env, true);
    ASSERT_TRUE(done.status.ok()) << done.status.error().to_string();
    expect_sound(env, done.text);
    const auto missing = missing_of(sound, contents_on(env), done.text);
    back += sound.size() - missing.size();
    ++tried;
    EXPECT_LE(missing.size(), 1u) << done.text;
    EXPECT_NE(done.text.find("commits behind"), std::string::npos) << done.text;
    ASSERT_NO_FATAL_FAILURE({
      ASSERT_TRUE(accept_repair("/store", env).ok());
      expect_usable(env);
    });
  }
  EXPECT_EQ(tried, 12u);
  EXPECT_GT(back, 100u);
}

TEST(Repair, CutShortAnywhereItIsAsItWasOrDone) {
  DamageMatrix matrix;
  Files files = matrix.now();
  for (const Place& place : matrix.places()) {
    if (place.structure != "data payload" && place.structure != "superblock") continue;
    if (place.file == "/store/superblock.1") continue;
    files[place.file][place.from + 9] = static_cast<char>(files[place.file][place.from + 9] ^ 1);
  }
  const auto base = disk_with(files);
  const Repaired plan = run_repair(base->clone_disk(1), false);
  ASSERT_TRUE(plan.status.ok());
  ASSERT_GT(plan.steps.size(), 2u);
  const auto whole = base->clone_disk(1);
  const uint64_t begun = whole->operations();
  ASSERT_TRUE(run_repair(whole, true).status.ok());
  const uint64_t operations = whole->operations() - begun;
  const auto repaired = contents_on(whole);
  uint64_t before = 0;
  uint64_t after = 0;
  std::string differs;
  for (uint64_t at = 1; at <= operations; ++at) {
    SCOPED_TRACE(fmt::format("cut at operation {} of {}", at, operations));
    const auto env = base->clone_disk(at);
    env->cut_power_at(env->operations() + at, io::CutPolicy::kRandom);
    EXPECT_FALSE(run_repair(env, true).status.ok());
    env->restart();
    const auto state = repair_state("/store", env);
    const bool applied = state.ok() && state->can_undo;
    ++(applied ? after : before);
    if (!applied) {  // as it was, but for files that nothing leads to
      const Files now = files_of(*env);
      for (const auto& [path, bytes] : files) {
        // (What could not be read may be torn now: it still cannot be.)
        const bool is_bad = path.find("superblock") != std::string::npos &&
                            !decode_superblock(bytes).ok() &&
                            !decode_superblock(now.at(path)).ok();
        ASSERT_TRUE(is_bad || now.at(path) == bytes) << path;
      }
      const Repaired again = run_repair(env, true);
      ASSERT_TRUE(again.status.ok()) << again.status.error().to_string();
      ASSERT_EQ(again.text, plan.text);
    }
    const Checked sound = check(env);
    if (!applied) {
      EXPECT_EQ(sound.report.lost + sound.report.damage, 0u) << sound.text;
    } else {  // (the other superblock may not have been written yet)
      for (const Finding& finding : sound.findings) {
        EXPECT_TRUE(finding.kind->code.starts_with("superblock")) << sound.text;
      }
    }
    EXPECT_TRUE(contents_on(env) == repaired);
    // And back, cut short as well.
    env->cut_power_at(env->operations() + 1 + at % 12, io::CutPolicy::kRandom);
    ignore_error(undo_repair("/store", false, env), "the power fails");
    env->restart();
    const Status undone = undo_repair("/store", false, env);
    if (!undone.ok()) {  // it was done
      ASSERT_EQ(undone.error().code(), ErrorCode::kFailedPrecondition)
          << undone.error().to_string();
    }
    const Files now = files_of(*env);
    ASSERT_TRUE(same_files(files, now, &differs)) << differs;
  }
  EXPECT_GT(before, 5u);
  EXPECT_GT(after, 0u);
}

TEST(Repair, WhileItCanBeUndoneNothingIsGivenBack) {
  DamageMatrix matrix;
  Files files = matrix.now();
  files["/store/superblock.0"][50] ^= 1;
  const auto env = disk_with(files);
  ASSERT_TRUE(run_repair(env, true).status.ok());
  {
    auto opened = Store::open("/store", tiny_options(env));
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    Store& store = **opened;
    std::vector<ContainerId> all;
    ASSERT_TRUE(store.containers({}, [&](const ContainerInfo& info) {
      all.push_back(info.id);
      return true;
    }).ok());
    for (const ContainerId& id : all) ASSERT_TRUE(store.drop_container(id).ok());
    ReclaimOptions options;
    options.until_idle = true;
    ASSERT_TRUE(store.reclaim(options).ok());
    ASSERT_TRUE(store.close().ok());
  }
  const Files now = files_of(*env);
  for (const auto& [path, bytes] : files) {
    if (path.find("/segments/") == std::string::npos) continue;
    ASSERT_TRUE(now.contains(path)) << path;
    EXPECT_TRUE(now.at(path) == bytes) << path;
  }
  const auto state = repair_state("/store", env);
  ASSERT_TRUE(state.ok()) << state.error().to_string();
  EXPECT_TRUE(state->can_undo);
  EXPECT_GT(state->commits_since, 0u);
  const Status refused = undo_repair("/store", false, env);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kFailedPrecondition);
  ASSERT_TRUE(undo_repair("/store", true, env).ok());
  EXPECT_TRUE(contents_on(env) == contents_on(disk_with(matrix.now())));
  // Accepted, it is given back.
  ASSERT_TRUE(run_repair(env, true).status.ok());
  ASSERT_TRUE(accept_repair("/store", env).ok());
  const uint64_t before = env->space("/")->available_bytes;
  {
    auto opened = Store::open("/store", tiny_options(env));
    ASSERT_TRUE(opened.ok());
    ReclaimOptions options;
    options.until_idle = true;
    ASSERT_TRUE((*opened)->reclaim(options).ok());
    ASSERT_TRUE((*opened)->close().ok());
  }
  EXPECT_GT(env->space("/")->available_bytes, before);
  EXPECT_FALSE(undo_repair("/store", true, env).ok()) << "there is no way back any more";
}

// A repair that was not accepted, then work, then both superblocks are lost: what was done since is
// not taken for a repair that was cut short.
TEST(Repair, WorkAfterARepairIsNeverTakenForWhatItLeft) {
  for (const bool accepted : {false, true}) {
    DamageMatrix matrix;
    Files files = matrix.now();
    files["/store/superblock.0"][50] ^= 1;
    const auto env = disk_with(files);
    ASSERT_TRUE(run_repair(env, true).status.ok());
    const Files stale = files_of(*env);
    if (accepted) {
      ASSERT_TRUE(accept_repair("/store", env).ok());
    }
    ASSERT_NO_FATAL_FAILURE(expect_usable(env));
    const auto sound = contents_on(env);
    Files lost = files_of(*env);
    for (const char* name : {"/store/superblock.0", "/store/superblock.1"}) lost[name][60] ^= 1;
    if (accepted) {  // what a power cut may have left of it
      for (const char* name :
           {"/store/undo.list", "/store/undo.superblock.0", "/store/undo.superblock.1"}) {
        lost[name] = stale.at(name);
      }
    }
    const auto after = disk_with(lost);
    EXPECT_FALSE(undo_repair("/store", false, after).ok());
    EXPECT_FALSE(undo_repair("/store", true, after).ok());
    std::string differs;
    EXPECT_TRUE(same_files(lost, files_of(*after), &differs)) << differs;
    const Repaired done = run_repair(after, true);
    ASSERT_TRUE(done.status.ok()) << done.status.error().to_string();
    EXPECT_EQ(done.report.older + done.report.moved + done.report.lost, 0u) << done.text;
    EXPECT_TRUE(contents_on(after) == sound);
  }
}

// A header that comes back short tells nothing of who wrote the segment: taking it back would drop
// the commits of a life after the repair.
TEST(Repair, WorkAfterARepairIsNotTakenBackBecauseAReadFails) {
  DamageMatrix matrix;
  Files files = matrix.now();
  files["/store/superblock.0"][50] ^= 1;
  const auto env = disk_with(files);
  ASSERT_TRUE(run_repair(env, true).status.ok());
  ASSERT_NO_FATAL_FAILURE(expect_usable(env));
  Files lost = files_of(*env);
  for (const char* name : {"/store/superblock.0", "/store/superblock.1"}) lost[name][60] ^= 1;
  const auto disk = disk_with(lost);
  uint64_t fired = 0;
  for (const auto kind : {io::FaultKind::kReadError, io::FaultKind::kShortRead}) {
    for (uint64_t read = 1; read < 1000; ++read) {
      const auto after = disk->clone_disk(read);
      io::FaultRule rule;
      rule.kind = kind;
      rule.operation = after->reads() + read;
      after->inject(rule);
      EXPECT_FALSE(undo_repair("/store", false, after).ok()) << read;
      const bool hit = after->stats().read_errors + after->stats().short_reads > 0;
      after->clear_faults();
      std::string differs;
      ASSERT_TRUE(same_files(lost, files_of(*after), &differs)) << differs;
      if (!hit) break;
      ++fired;
    }
  }
  EXPECT_GT(fired, 10u);
}

TEST(Repair, ScavengingRespectsARepairThatCanBeUndone) {
  DamageMatrix matrix;
  Files files = matrix.now();
  files["/store/superblock.0"][50] ^= 1;
  const auto env = disk_with(files);
  ASSERT_TRUE(run_repair(env, true).status.ok());
  const Repaired refused = run_repair(env, true, true);
  ASSERT_FALSE(refused.status.ok());
  EXPECT_EQ(refused.status.error().code(), ErrorCode::kFailedPrecondition);
  ASSERT_TRUE(undo_repair("/store", false, env).ok());
  std::string differs;
  EXPECT_TRUE(same_files(files, files_of(*env), &differs)) << differs;
}

TEST(Repair, ASoundStoreIsLeftAlone) {
  DamageMatrix matrix;
  const auto env = disk_with(matrix.now());
  const Repaired done = run_repair(env, true);
  ASSERT_TRUE(done.status.ok()) << done.status.error().to_string();
  EXPECT_EQ(done.text, "");
  EXPECT_FALSE(done.report.applied);
  std::string differs;
  EXPECT_TRUE(same_files(matrix.now(), files_of(*env), &differs)) << differs;
  EXPECT_GT(done.report.objects, 0u);
}

// More segments than are kept open, and many of them copied.
TEST(Repair, ManyDamagedSegmentsAreAllCopied) {
  Machine machine(502);
  const ContainerId id = machine.store->create_container("many")->id;
  std::mt19937_64 random(502);
  for (int i = 0; i < 320; ++i) {
    auto transaction = std::move(*machine.store->begin(id));
    auto writer = std::move(*transaction->write_content());
    std::string bytes(46 << 10, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    ASSERT_TRUE(writer->append(bytes).ok());
    ASSERT_TRUE(transaction
                    ->put_object(kRootFolder, fmt::format("f{}", i), Attributes{},
                                 std::move(writer))
                    .ok());
    ASSERT_TRUE(transaction->commit().ok());
  }
  const auto sound = contents_of(*machine.store);
  ASSERT_TRUE(machine.store->close().ok());
  Files files = files_of(*machine.env);
  uint64_t segments = 0;
  for (auto& [path, bytes] : files) {
    if (!is_segment(path, Stream::kData, bytes)) continue;
    ++segments;
    if (segments <= 290) bytes[100] = static_cast<char>(bytes[100] ^ 1);
  }
  // And two that stand under each other's name.
  std::vector<std::string> last;
  for (auto& [path, bytes] : files) {
    if (is_segment(path, Stream::kData, bytes)) last.push_back(path);
  }
  ASSERT_GT(segments, 300u);
  std::swap(files[last[last.size() - 1]], files[last[last.size() - 2]]);
  const auto env = disk_with(files);
  const Repaired done = run_repair(env, true, false, false);
  ASSERT_TRUE(done.status.ok()) << done.status.error().to_string();
  EXPECT_EQ(done.report.older + done.report.moved + done.report.lost, 0u) << done.text;
  EXPECT_GE(done.report.segments, 292u);
  expect_sound(env, done.text);
  EXPECT_TRUE(contents_on(env) == sound);
  ASSERT_TRUE(accept_repair("/store", env).ok());
  ASSERT_NO_FATAL_FAILURE(expect_usable(env));
  auto now = contents_on(env);
  std::erase_if(now, [](const auto& one) { return one.first.starts_with("after"); });
  EXPECT_TRUE(now == sound);
}

TEST(Repair, AStoreThatIsOpenIsRefused) {
  Machine machine(5);
  const Repaired done = run_repair(machine.env, true);
  ASSERT_FALSE(done.status.ok());
  EXPECT_EQ(done.status.error().code(), ErrorCode::kBusy);
}

}  // namespace
}  // namespace ramet::sim
