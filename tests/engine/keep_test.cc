// Goal: what was dropped comes back whole or not at all, rollbacks can be undone, what expires goes
// in its time and no sooner. Method: the public interface on a simulated machine, whose clock the
// tests set.
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "engine/store.h"
#include "io/env_sim.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

using test::code_of;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kGrace = 600 * kSecond;

class KeepTest : public test::StoreTest {
 protected:
  void SetUp() override {
    env_ = std::make_shared<io::SimEnv>(1);
    ASSERT_TRUE(Store::create("/store", options()).ok());
    open_sim();
    container_ = store_->create_container("c")->id;
  }
  StoreOptions options() const {
    StoreOptions options;
    options.env = env_;
    options.background = false;
    options.drop_grace = kGrace;
    options.ballast_bytes = 1 << 20;
    return options;
  }
  void open_sim() {
    auto opened = Store::open("/store", options());
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store_ = std::move(*opened);
  }
  void reopen_sim() {
    EXPECT_TRUE(store_->close().ok());
    store_.reset();
    open_sim();
  }
  void cut() {
    env_->power_cut(io::CutPolicy::kLoseAll);
    store_.reset();
    env_->restart();
    open_sim();
  }
  int64_t now() const { return env_->now(); }
  // Moves the wall clock only.
  void pass(int64_t nanoseconds) { env_->set_now(env_->now() + nanoseconds); }

  std::vector<DroppedInfo> dropped() {
    std::vector<DroppedInfo> out;
    EXPECT_TRUE(store_->dropped([&](const DroppedInfo& info) {
                        out.push_back(info);
                        return true;
                      }).ok());
    return out;
  }
  ReclaimReport reclaim(bool at_once = false) {
    ReclaimOptions options;
    options.until_idle = true;
    options.now = at_once;
    const auto report = store_->reclaim(options);
    EXPECT_TRUE(report.ok()) << report.error().to_string();
    return report.ok() ? *report : ReclaimReport{};
  }
  std::vector<std::string> snapshots_of(ContainerId id) {
    std::vector<std::string> out;
    EXPECT_TRUE(store_->snapshots(id, [&](const SnapshotInfo& info) {
                        out.push_back(info.name);
                        return true;
                      }).ok());
    return out;
  }
  SnapshotInfo snapshot_info(const std::string& name) {
    SnapshotInfo out;
    EXPECT_TRUE(store_->snapshots(container_, [&](const SnapshotInfo& info) {
                        if (info.name == name) out = info;
                        return true;
                      }).ok());
    return out;
  }
  ContainerId clone(const std::string& name, int64_t expires = 0) {
    CloneSpec spec;
    spec.source = container_;
    spec.new_container = name;
    spec.expires = expires;
    const auto made = store_->clone(spec);
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    return made->container;
  }

  std::shared_ptr<io::SimEnv> env_;
};

using Names = std::vector<std::string>;

// --- undelete ------------------------------------------------------------------------------------

TEST_F(KeepTest, ADroppedContainerComesBackWithItsSnapshotsUnderItsId) {
  put("/a/f", "one");
  ASSERT_TRUE(store_->create_snapshot(container_, "s", "note").ok());
  put("/a/f", "two");
  ASSERT_TRUE(store_->create_snapshot(container_, "t").ok());
  const auto before = *store_->container(container_);
  ASSERT_TRUE(store_->drop_container(container_).ok());
  EXPECT_EQ(code_of(store_->container("c")), "not found");
  const auto queue = dropped();
  ASSERT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue[0].name, "c");
  EXPECT_EQ(queue[0].snapshot, "");
  EXPECT_EQ(queue[0].snapshots, 2u);
  EXPECT_EQ(queue[0].summary[SummaryColumn::kContentBytes], 3u);
  EXPECT_EQ(queue[0].kept_until - queue[0].dropped, kGrace);
  cut();
  const auto back = store_->undelete(queue[0].number);
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(back->container, container_);
  EXPECT_EQ(back->name, "c");
  EXPECT_EQ(back->snapshots, 2u);
  EXPECT_TRUE(dropped().empty());
  cut();
  EXPECT_EQ(store_->container("c")->id, container_);
  EXPECT_EQ(store_->container("c")->created, before.created);
  EXPECT_EQ(get("/a/f"), "two");
  EXPECT_EQ(get("/a/f", "s"), "one");
  EXPECT_EQ(snapshots_of(container_), (Names{"s", "t"}));
  EXPECT_EQ(snapshot_info("s").note, "note");
  EXPECT_EQ(code_of(store_->undelete(queue[0].number)), "not found");
  put("/a/g", "and goes on");
  reclaim();
  reopen_sim();
  EXPECT_EQ(get("/a/f"), "two");
}

TEST_F(KeepTest, ATakenNameNeedsAnother) {
  put("/f", "old");
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  ASSERT_TRUE(store_->drop_container(container_).ok());
  const ContainerId other = store_->create_container("c")->id;
  const DropNumber number = dropped()[0].number;
  const auto refused = store_->undelete(number);
  ASSERT_EQ(code_of(refused), "already exists");
  EXPECT_NE(refused.error().message().find("'c'"), std::string::npos);
  EXPECT_EQ(code_of(store_->undelete(number, "a/b")), "invalid argument");
  const auto back = store_->undelete(number, "d");
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(store_->container("d")->id, container_);
  EXPECT_EQ(store_->container("c")->id, other);
  EXPECT_EQ(get("/f", "s"), "old");
}

TEST_F(KeepTest, ASnapshotComesBackAloneOrUnderAnotherName) {
  put("/f", "one");
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  put("/f", "two");
  ASSERT_TRUE(store_->drop_snapshot(container_, "s").ok());
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  ASSERT_EQ(dropped().size(), 1u);
  const DropNumber number = dropped()[0].number;
  EXPECT_EQ(dropped()[0].snapshot, "s");
  EXPECT_EQ(code_of(store_->undelete(number)), "already exists");
  const auto back = store_->undelete(number, "t");
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(back->snapshot, "t");
  EXPECT_EQ(get("/f", "t"), "one");
  EXPECT_EQ(get("/f", "s"), "two");
}

TEST_F(KeepTest, ASnapshotWaitsForItsContainer) {
  put("/f", "one");
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  ASSERT_TRUE(store_->drop_snapshot(container_, "s").ok());
  ASSERT_TRUE(store_->drop_container(container_).ok());
  const auto queue = dropped();
  ASSERT_EQ(queue.size(), 2u);
  EXPECT_EQ(code_of(store_->undelete(queue[0].number)), "failed precondition");
  EXPECT_EQ(queue[1].snapshots, 0u);
  ASSERT_TRUE(store_->undelete(queue[1].number).ok());
  ASSERT_TRUE(store_->undelete(queue[0].number).ok());
  EXPECT_EQ(get("/f", "s"), "one");
  EXPECT_EQ(get("/f"), "one");
}

TEST_F(KeepTest, ReclaimReleasesAfterTheGraceAndNotBefore) {
  put("/f", std::string(100'000, 'x'));
  ASSERT_TRUE(store_->drop_container(container_).ok());
  const DropNumber number = dropped()[0].number;
  pass(kGrace - kSecond);
  EXPECT_EQ(reclaim().drops_waiting, 1u);
  reopen_sim();
  ASSERT_EQ(dropped().size(), 1u);
  pass(2 * kSecond);
  const ReclaimReport done = reclaim();
  EXPECT_EQ(done.drops_waiting, 0u);
  EXPECT_TRUE(done.idle);
  EXPECT_TRUE(dropped().empty());
  EXPECT_EQ(code_of(store_->undelete(number)), "not found");
}

TEST_F(KeepTest, ClosingReleasesWhatIsDue) {
  ASSERT_TRUE(store_->drop_container(container_).ok());
  reopen_sim();
  EXPECT_EQ(store_->info()->dropped, 1u);
  pass(kGrace);
  reopen_sim();
  EXPECT_EQ(store_->info()->dropped, 0u);
}

TEST_F(KeepTest, AClockThatWasPutBackKeepsNothingForever) {
  ASSERT_TRUE(store_->drop_container(container_).ok());
  pass(-kGrace / 2);  // a small step: it stays until the grace is over
  EXPECT_EQ(reclaim().drops_waiting, 1u);
  pass(kGrace);
  EXPECT_EQ(reclaim().drops_waiting, 1u);
  pass(kGrace / 2);
  EXPECT_EQ(reclaim().drops_waiting, 0u);
  const ContainerId other = store_->create_container("d")->id;
  ASSERT_TRUE(store_->drop_container(other).ok());
  pass(-1000 * kGrace);
  EXPECT_EQ(reclaim().drops_waiting, 0u);
}

TEST_F(KeepTest, DroppingNowAndReclaimingNowDoNotWait) {
  put("/f", "x");
  const ContainerId copy = clone("copy");
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  DropOptions at_once;
  at_once.now = true;
  ASSERT_TRUE(store_->drop_snapshot(container_, "s", at_once).ok());
  EXPECT_TRUE(dropped().empty());
  EXPECT_TRUE(snapshots_of(container_).empty());
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  ASSERT_TRUE(store_->drop_container(container_, at_once).ok());
  EXPECT_TRUE(dropped().empty());
  EXPECT_EQ(code_of(store_->container("c")), "not found");
  EXPECT_EQ(store_->info()->snapshots, 0u);
  EXPECT_EQ(get_from(copy, "/f"), "x");
  ASSERT_TRUE(store_->drop_container(copy).ok());
  EXPECT_EQ(reclaim().drops_waiting, 1u);
  EXPECT_EQ(reclaim(true).drops_waiting, 0u);
}

TEST_F(KeepTest, ANearlyFullDiskTakesWhatCouldBeTakenBack) {
  put("/f", "x");
  ASSERT_TRUE(store_->drop_container(container_).ok());
  EXPECT_EQ(reclaim().drops_waiting, 1u);
  env_->set_capacity(64 << 20);
  EXPECT_EQ(reclaim().drops_waiting, 0u);
}

TEST_F(KeepTest, WhatWasReleasedInPartIsGone) {
  // More snapshots than one step releases: the container's entry goes first.
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(store_->create_snapshot(container_, "s" + std::to_string(i)).ok());
  }
  ASSERT_TRUE(store_->drop_container(container_).ok());
  const auto queue = dropped();
  ASSERT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue[0].snapshots, 300u);
  ReclaimOptions step;
  step.now = true;
  ASSERT_TRUE(store_->reclaim(step).ok());
  EXPECT_GT(store_->info()->dropped, 0u) << "a part of it waits";
  EXPECT_TRUE(dropped().empty()) << "what is left has no container to go back into";
  EXPECT_EQ(code_of(store_->undelete(queue[0].number)), "not found");
  EXPECT_EQ(code_of(store_->undelete(queue[0].number + 299)), "failed precondition");
}

TEST_F(KeepTest, AnUndeleteThatMeetsTheReleaseIsWholeOrTooLate) {
  int back = 0;
  for (int round = 0; round < 60; ++round) {
    const std::string name = "r" + std::to_string(round);
    const ContainerId id = store_->create_container(name)->id;
    put_into(id, "/f", name);
    ASSERT_TRUE(store_->create_snapshot(id, "s").ok());
    ASSERT_TRUE(store_->drop_container(id).ok());
    const DropNumber number = dropped()[0].number;
    std::thread releasing([this] {
      ReclaimOptions step;
      step.now = true;
      EXPECT_TRUE(store_->reclaim(step).ok());
    });
    const auto undeleted = store_->undelete(number);
    releasing.join();
    reclaim(true);
    if (undeleted.ok()) {
      ++back;
      EXPECT_EQ(get_from(id, "/f"), name);
      EXPECT_EQ(get_from(id, "/f", "s"), name);
      EXPECT_EQ(snapshots_of(id), Names{"s"});
    } else {
      EXPECT_EQ(code_of(undeleted), "not found");
      EXPECT_EQ(code_of(store_->container(name)), "not found");
    }
    EXPECT_TRUE(dropped().empty());
  }
  RecordProperty("came_back", back);
}

// --- rollback ------------------------------------------------------------------------------------

TEST_F(KeepTest, ARollbackIsOneCommitAndCanBeRolledBack) {
  put("/a/f", "one");
  const auto id = (*store_->view(container_))->lookup("/a/f")->object;
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  put("/a/f", "two");
  put("/g", "new");
  const Sequence before = store_->info()->sequence;
  const auto done = store_->rollback(container_, "s");
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(done->kept, "before-rollback-1");
  EXPECT_EQ(done->sequence, before + 1);
  EXPECT_EQ(store_->container(container_)->changed, done->sequence);
  cut();
  EXPECT_EQ(get("/a/f"), "one");
  EXPECT_EQ(get("/g"), "not found");
  EXPECT_EQ((*store_->view(container_))->lookup("/a/f")->object, id);
  EXPECT_EQ(get("/g", "before-rollback-1"), "new");
  EXPECT_TRUE(snapshot_info("before-rollback-1").automatic);
  EXPECT_EQ(snapshot_info("before-rollback-1").sequence, before);
  put("/h", "goes on");
  const auto undone = store_->rollback(container_, "before-rollback-1");
  ASSERT_TRUE(undone.ok());
  EXPECT_EQ(undone->kept, "before-rollback-2");
  reopen_sim();
  EXPECT_EQ(get("/a/f"), "two");
  EXPECT_EQ(get("/g"), "new");
  EXPECT_EQ(get("/h", "before-rollback-2"), "goes on");
  EXPECT_EQ(get("/a/f", "s"), "one") << "the snapshot is as it was";
  EXPECT_EQ(code_of(store_->rollback(container_, "none")), "not found");
}

TEST_F(KeepTest, ViewsStayAndTransactionsThatBeganBeforeConflict) {
  put("/f", "one");
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  put("/f", "two");
  const auto view = *store_->view(container_);
  auto transaction = begin();
  write(*transaction, "/elsewhere", "x");
  ASSERT_TRUE(store_->rollback(container_, "s").ok());
  EXPECT_EQ(code_of(transaction->commit()), "busy");
  transaction.reset();
  std::string bytes(3, '\0');
  ASSERT_TRUE(view->read(view->lookup("/f")->object, 0, bytes).ok());
  EXPECT_EQ(bytes, "two");
  put("/elsewhere", "x");
  EXPECT_EQ(get("/f"), "one");
}

TEST_F(KeepTest, ARollbackCostsTheSameWhateverTheContainerHolds) {
  std::map<int, uint64_t> log_bytes;
  for (const int objects : {1, 3000}) {
    const ContainerId id = store_->create_container("n" + std::to_string(objects))->id;
    auto transaction = *store_->begin(id);
    for (int i = 0; i < objects; ++i) {
      write(*transaction, "/d/f" + std::to_string(i), std::to_string(i));
    }
    ASSERT_TRUE(transaction->commit().ok());
    transaction.reset();
    ASSERT_TRUE(store_->create_snapshot(id, "s").ok());
    put_into(id, "/g", "x");
    ASSERT_TRUE(store_->checkpoint().ok());
    const uint64_t before = store_->info()->log_bytes_since_checkpoint;
    ASSERT_TRUE(store_->rollback(id, "s").ok());
    log_bytes[objects] = store_->info()->log_bytes_since_checkpoint - before;
  }
  EXPECT_EQ(log_bytes[1], log_bytes[3000]);
}

// --- expiry --------------------------------------------------------------------------------------

TEST_F(KeepTest, WhatExpiresIsDroppedInItsTimeAndCanBeTakenBack) {
  put("/f", "x");
  const int64_t at = now() + 100 * kSecond;
  const ContainerId copy = clone("copy", at);
  SnapshotOptions short_lived;
  short_lived.expires = at + kSecond;
  ASSERT_TRUE(store_->create_snapshot(container_, "s", short_lived).ok());
  EXPECT_EQ(store_->container(copy)->expires, at);
  EXPECT_EQ(snapshot_info("s").expires, at + kSecond);
  cut();
  env_->set_now(at - kSecond);
  reclaim();
  EXPECT_TRUE(dropped().empty());
  env_->set_now(at + 1000);
  reclaim();
  ASSERT_EQ(dropped().size(), 1u);
  EXPECT_EQ(dropped()[0].name, "copy");
  env_->set_now(at + 2 * kSecond);
  reclaim();
  ASSERT_EQ(dropped().size(), 2u);
  EXPECT_TRUE(snapshots_of(container_).empty());
  for (const DroppedInfo& info : dropped()) ASSERT_TRUE(store_->undelete(info.number).ok());
  EXPECT_EQ(store_->container(copy)->expires, 0) << "else it were dropped again at once";
  EXPECT_EQ(snapshot_info("s").expires, 0);
  reclaim();
  EXPECT_TRUE(dropped().empty());
}

TEST_F(KeepTest, AnExpiryIsMovedAndTakenAway) {
  const int64_t at = now() + 100 * kSecond;
  const ContainerId copy = clone("copy", at);
  ASSERT_TRUE(store_->create_snapshot(copy, "s").ok());
  ASSERT_TRUE(store_->set_expiry(copy, {}, at + 100 * kSecond).ok());
  ASSERT_TRUE(store_->set_expiry(copy, "s", at).ok());
  env_->set_now(at + kSecond);
  reclaim();
  ASSERT_EQ(dropped().size(), 1u);
  EXPECT_EQ(dropped()[0].snapshot, "s");
  ASSERT_TRUE(store_->set_expiry(copy, {}, 0).ok());
  EXPECT_EQ(code_of(store_->set_expiry(copy, "none", 0)), "not found");
  EXPECT_EQ(code_of(store_->set_expiry(copy, {}, -1)), "invalid argument");
  env_->set_now(at + 1000 * kSecond);
  reclaim();
  EXPECT_TRUE(store_->container(copy).ok());
}

TEST_F(KeepTest, RenamedAndTakenBackThingsKeepTheirExpiry) {
  const int64_t at = now() + 100 * kSecond;
  const ContainerId copy = clone("copy", at);
  ASSERT_TRUE(store_->rename_container(copy, "other").ok());
  ASSERT_TRUE(store_->drop_container(copy).ok());
  ASSERT_TRUE(store_->undelete(dropped()[0].number).ok());
  EXPECT_EQ(store_->container("other")->expires, at);
  env_->set_now(at);
  reclaim();
  EXPECT_EQ(code_of(store_->container(copy)), "not found");
}

TEST_F(KeepTest, ARollbackKeepsTheExpiryOfTheContainer) {
  const int64_t at = now() + 100 * kSecond;
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  ASSERT_TRUE(store_->set_expiry(container_, {}, at).ok());
  ASSERT_TRUE(store_->rollback(container_, "s").ok());
  EXPECT_EQ(store_->container(container_)->expires, at);
}

// --- retention -----------------------------------------------------------------------------------

constexpr int64_t kHour = 3600 * kSecond;

class PruneTest : public KeepTest {
 protected:
  // One snapshot an hour, at full hours of a day in UTC.
  void make_hourly(int count, bool automatic = false) {
    const int64_t begin = 1'800'000'000 * kSecond / (24 * kHour) * (24 * kHour);
    for (int i = 0; i < count; ++i) {
      env_->set_now(begin + i * kHour);
      SnapshotOptions options;
      options.automatic = automatic;
      ASSERT_TRUE(store_->create_snapshot(container_, name(i), options).ok());
    }
  }
  static std::string name(int i) { return (i < 10 ? "h0" : "h") + std::to_string(i); }
  PruneOptions policy(const std::string& text) {
    PruneOptions options;
    options.policy = *parse_retention(text);
    return options;
  }
};

TEST_F(PruneTest, TheDryRunSaysWhatTheRunDrops) {
  make_hourly(30);
  PruneOptions options = policy("last:2,daily:2");
  options.dry_run = true;
  const auto plan = store_->prune_snapshots(container_, options);
  ASSERT_TRUE(plan.ok()) << plan.error().to_string();
  EXPECT_EQ(plan->dropped, 27u);
  EXPECT_EQ(snapshots_of(container_).size(), 30u);
  options.dry_run = false;
  const auto done = store_->prune_snapshots(container_, options);
  ASSERT_TRUE(done.ok());
  ASSERT_EQ(done->snapshots.size(), plan->snapshots.size());
  for (size_t i = 0; i < done->snapshots.size(); ++i) {
    EXPECT_EQ(done->snapshots[i].info.name, plan->snapshots[i].info.name);
    EXPECT_EQ(done->snapshots[i].kept_by, plan->snapshots[i].kept_by);
  }
  EXPECT_EQ(snapshots_of(container_), (Names{name(23), name(28), name(29)}));
  EXPECT_EQ(store_->prune_snapshots(container_, options)->dropped, 0u);
  // One commit dropped them, each can be taken back.
  const auto queue = dropped();
  ASSERT_EQ(queue.size(), 27u);
  cut();
  ASSERT_TRUE(store_->undelete(queue[13].number).ok());
  EXPECT_EQ(snapshots_of(container_).size(), 4u);
}

TEST_F(PruneTest, WithoutAnyRuleNothingIsDropped) {
  make_hourly(5, true);
  EXPECT_EQ(code_of(store_->prune_snapshots(container_, {})), "failed precondition");
  EXPECT_EQ(snapshots_of(container_).size(), 5u);
}

TEST_F(PruneTest, TheSettingKeepsAutomaticSnapshotsInOrderAndNoOthers) {
  ASSERT_TRUE(store_->create_snapshot(container_, "by-hand").ok());
  ASSERT_TRUE(store_->set_setting(container_, "keep", "last:3").ok());
  make_hourly(10, true);
  EXPECT_EQ(snapshots_of(container_), (Names{"by-hand", name(7), name(8), name(9)}));
  ASSERT_TRUE(store_->set_setting(container_, "keep", "last:1").ok());
  ASSERT_TRUE(store_->create_snapshot(container_, "more").ok());
  EXPECT_EQ(snapshots_of(container_).size(), 5u) << "only automatic ones drop others";
  EXPECT_EQ(store_->prune_snapshots(container_, {})->dropped, 2u);
  EXPECT_EQ(snapshots_of(container_), (Names{"by-hand", name(9), "more"}));
}

TEST_F(PruneTest, TheStoresSettingHoldsForContainersWithoutTheirOwn) {
  ASSERT_TRUE(store_->set_setting({}, "keep", "last:2").ok());
  make_hourly(4, true);
  EXPECT_EQ(snapshots_of(container_), (Names{name(2), name(3)}));
  ASSERT_TRUE(store_->set_setting(container_, "keep", "none").ok());
  SnapshotOptions automatic;
  automatic.automatic = true;
  ASSERT_TRUE(store_->create_snapshot(container_, "z", automatic).ok());
  EXPECT_EQ(snapshots_of(container_).size(), 3u);
}

TEST_F(PruneTest, NamedSnapshotsAreLeftAloneWhenAskedTo) {
  make_hourly(3);
  SnapshotOptions automatic;
  automatic.automatic = true;
  for (const char* other : {"x", "y"}) {
    ASSERT_TRUE(store_->create_snapshot(container_, other, automatic).ok());
  }
  PruneOptions options = policy("last:1");
  options.only_automatic = true;
  EXPECT_EQ(store_->prune_snapshots(container_, options)->dropped, 1u);
  EXPECT_EQ(snapshots_of(container_), (Names{name(0), name(1), name(2), "y"}));
}

TEST_F(KeepTest, TheSettingSaysHowLongTheGraceIs) {
  ASSERT_TRUE(store_->set_setting({}, "drop-grace", "1h").ok());
  ASSERT_TRUE(store_->drop_container(container_).ok());
  EXPECT_EQ(dropped()[0].kept_until - dropped()[0].dropped, kHour);
  pass(2 * kGrace);
  EXPECT_EQ(reclaim().drops_waiting, 1u);
  ASSERT_TRUE(store_->set_setting({}, "drop-grace", "0").ok());
  EXPECT_EQ(reclaim().drops_waiting, 0u);
}

}  // namespace
}  // namespace ramet
