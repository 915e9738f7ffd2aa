// Goal: the figures of `du` are exact, whatever was done to the store: shares and all other lines
// add up to the bytes of its files; exclusive bytes are those that nobody else reaches; what
// would_free() tells is what dropping then frees.
// Method: seeded workload with reclaim steps, power cuts and reopening; compared with sets of slots
// that are collected by walking from each root.
//
// RAMET_SIM_SEEDS: histories.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/container/catalog.h"
#include "engine/store_impl.h"
#include "format/keys.h"
#include "tests/sim/machine.h"

namespace ramet::sim {
namespace {

using engine::SlotId;

uint64_t seeds() { return from_environment("RAMET_SIM_SEEDS", 40); }

// What each catalog entry reaches, slot by slot.
class Reached {
 public:
  explicit Reached(Store& store) : store_(static_cast<engine::StoreImpl&>(store)) {
    const engine::Root catalog = store_.visible().catalog;
    EXPECT_EQ(catalog.dirty.get(), nullptr) << "not the state of a checkpoint";
    if (!catalog.empty()) walk_catalog(catalog.ref);
  }

  const std::map<Bytes, std::set<SlotId>>& entries() const { return entries_; }
  uint64_t catalog_bytes() const { return catalog_bytes_; }
  uint64_t bytes(const std::set<SlotId>& slots) const {
    uint64_t sum = 0;
    for (const SlotId& id : slots) sum += bytes_.at(id);
    return sum;
  }
  // By entries whose key `which` accepts; nothing of the drop queue.
  template <typename Which>
  std::set<SlotId> reached_by(const Which& which) const {
    std::set<SlotId> out;
    for (const auto& [key, slots] : entries_) {
      if (catalog_space_of(key) != CatalogSpace::kDrop && which(key)) {
        out.insert(slots.begin(), slots.end());
      }
    }
    return out;
  }
  uint64_t live_bytes() const {
    return bytes(reached_by([](const Bytes&) { return true; }));
  }
  // Bytes that nothing but these entries reaches.
  uint64_t exclusive(const std::set<Bytes>& keys) const {
    const auto theirs = reached_by([&](const Bytes& key) { return keys.contains(key); });
    const auto others = reached_by([&](const Bytes& key) { return !keys.contains(key); });
    std::set<SlotId> alone;
    std::set_difference(theirs.begin(), theirs.end(), others.begin(), others.end(),
                        std::inserter(alone, alone.end()));
    return bytes(alone);
  }
  // What nothing but entries of the drop queue reaches.
  uint64_t dropped() const {
    const std::set<SlotId> live = reached_by([](const Bytes&) { return true; });
    std::set<SlotId> alone;
    for (const auto& [key, slots] : entries_) {
      std::set_difference(slots.begin(), slots.end(), live.begin(), live.end(),
                          std::inserter(alone, alone.end()));
    }
    return bytes(alone);
  }
  // The catalog entries that a target stands for.
  std::set<Bytes> keys_of(const UsageTarget& target) const {
    if (!target.snapshot.empty()) return {snapshot_key(target.container, target.snapshot)};
    std::set<Bytes> keys{container_key(target.container)};
    const KeyRange range = snapshot_range(target.container);
    for (const auto& [key, slots] : entries_) {
      if (range.contains(key)) keys.insert(key);
    }
    return keys;
  }

 private:
  engine::NodeBuffer load(const BlockRef& ref) {
    auto buffer = store_.context().store->load(ref);
    EXPECT_TRUE(buffer.ok()) << buffer.error().to_string();
    return std::move(*buffer);
  }
  uint64_t add(const BlockRef& ref) {
    const auto slot = store_.blocks().slot(ref.segment, ref.slot);
    EXPECT_TRUE(slot.ok()) << slot.error().to_string();
    return bytes_[{ref.segment, ref.slot}] = slot->end() - slot->offset();
  }
  void walk(const BlockRef& ref, std::set<SlotId>& into) {
    if (ref.is_null() || !into.insert({ref.segment, ref.slot}).second) return;
    add(ref);
    if ((*store_.blocks().segment(ref.segment))->identity().stream != Stream::kNode) return;
    const engine::NodeBuffer buffer = load(ref);
    const auto view = NodeView::open(buffer.view());
    for (const BlockRef& child : view->refs()) walk(child, into);
  }
  void walk_catalog(const BlockRef& ref) {
    catalog_bytes_ += add(ref);
    const engine::NodeBuffer buffer = load(ref);
    const auto view = NodeView::open(buffer.view());
    for (uint32_t i = 0; i < view->count(); ++i) {
      if (!view->is_leaf()) {
        walk_catalog(view->child(i));
        continue;
      }
      const Bytes key = Bytes(view->prefix()) + Bytes(view->suffix(i));
      for (const BlockRef& root : view->value_refs(i)) walk(root, entries_[key]);
    }
  }

  engine::StoreImpl& store_;
  std::map<Bytes, std::set<SlotId>> entries_;
  std::map<SlotId, uint64_t> bytes_;
  uint64_t catalog_bytes_ = 0;
};

uint64_t file_lengths(io::Env& env, const std::string& directory) {
  uint64_t sum = 0;
  const std::vector<std::string> names = *env.list(directory);
  for (const std::string& name : names) {
    const auto file = env.open(directory + "/" + name, io::OpenMode::kRead);
    sum += file.ok() ? *(*file)->size() : file_lengths(env, directory + "/" + name);
  }
  return sum;
}

uint64_t shares_of(const StoreUsage& usage) {
  uint64_t sum = usage.other_share_bytes;
  for (const UsageLine& line : usage.lines) sum += line.share_bytes;
  return sum;
}

uint64_t sum_of(const StoreUsage& usage) {
  return shares_of(usage) + usage.catalog_bytes + usage.pending_bytes + usage.dropped_bytes +
         usage.unused_bytes + usage.frame_bytes + usage.log_bytes + usage.map_bytes +
         usage.leftover_bytes + usage.index_bytes + usage.superblock_bytes + usage.ballast_bytes +
         usage.other_bytes;
}

std::string text_of(const StoreUsage& usage) {
  std::string out;
  for (const UsageLine& line : usage.lines) {
    out += fmt::format("{} {}: {} objects, {} logical, {} exclusive, share {}\n",
                       line.container_name, line.target.snapshot, line.objects,
                       line.logical_bytes, line.exclusive_bytes, line.share_bytes);
  }
  return out + fmt::format("{} {} {} {} {} {} {} {} {} of {}\n", usage.other_share_bytes,
                           usage.catalog_bytes, usage.pending_bytes, usage.dropped_bytes,
                           usage.unused_bytes, usage.frame_bytes, usage.log_bytes,
                           usage.map_bytes, usage.leftover_bytes, usage.total_bytes);
}

// All containers and all snapshots, each by itself.
std::vector<UsageTarget> all_targets(Store& store) {
  std::vector<UsageTarget> out;
  EXPECT_TRUE(store.containers({}, [&](const ContainerInfo& info) {
    out.push_back({info.id, {}});
    return true;
  }).ok());
  const size_t containers = out.size();
  for (size_t i = 0; i < containers; ++i) {
    EXPECT_TRUE(store.snapshots(out[i].container, [&](const SnapshotInfo& info) {
      out.push_back({out[i].container, info.name});
      return true;
    }).ok());
  }
  return out;
}

std::vector<UsageTarget> some_of(std::vector<UsageTarget> targets, std::mt19937_64& random) {
  std::erase_if(targets, [&](const UsageTarget&) { return random() % 3 == 0; });
  return targets;
}

Status drop(Store& store, const std::vector<UsageTarget>& targets) {
  for (const UsageTarget& target : targets) {
    if (!target.snapshot.empty()) {
      RAMET_TRY(store.drop_snapshot(target.container, target.snapshot));
    }
  }
  for (const UsageTarget& target : targets) {
    if (target.snapshot.empty()) RAMET_TRY(store.drop_container(target.container));
  }
  return ok();
}

class MachineWithUsage : public Machine {
 public:
  using Machine::Machine;

  void reclaim_step() {
    ReclaimOptions bounds;
    bounds.nodes_max = random() % 8;
    bounds.copy_bytes_max = 8 << 10;
    const auto step = store->reclaim(bounds);
    ASSERT_TRUE(step.ok()) << step.error().to_string();
  }

  StoreUsage usage() {
    auto usage = store->usage({});
    EXPECT_TRUE(usage.ok()) << usage.error().to_string();
    return usage.ok() ? *usage : StoreUsage{};
  }

  // The sums, and what can be seen by walking.
  void expect_exact() {
    const StoreUsage usage = this->usage();
    ASSERT_EQ(usage.commits_behind, 0u);
    EXPECT_EQ(usage.total_bytes + usage.hole_bytes, file_lengths(*env, "/store"));
    EXPECT_EQ(sum_of(usage), usage.total_bytes);
    const Reached reached(*store);
    EXPECT_EQ(shares_of(usage), reached.live_bytes());
    EXPECT_EQ(usage.catalog_bytes, reached.catalog_bytes());
    // What a pending node holds, too, goes with the drop queue's entry.
    EXPECT_LE(usage.dropped_bytes, reached.dropped());
    EXPECT_GE(usage.dropped_bytes + usage.pending_bytes, reached.dropped());
    ASSERT_EQ(usage.lines.size(), workload.model().size());
    for (const UsageLine& line : usage.lines) {
      const std::set<Bytes> keys = reached.keys_of(line.target);
      EXPECT_EQ(line.exclusive_bytes, reached.exclusive(keys)) << line.container_name;
      EXPECT_GE(line.share_bytes, line.exclusive_bytes) << line.container_name;
      EXPECT_LE(line.share_bytes, reached.bytes(reached.reached_by([&](const Bytes& key) {
        return keys.contains(key);
      }))) << line.container_name;
    }
    for (const UsageTarget& target : all_targets(*store)) {
      const auto freed = store->would_free({target});
      ASSERT_TRUE(freed.ok()) << freed.error().to_string();
      EXPECT_EQ(freed->bytes, reached.exclusive(reached.keys_of(target)));
    }
  }
};

TEST(UsageHistories, SharesAndAllElseAddUpToTheBytesOfTheFiles) {
  uint64_t checked = 0;
  uint64_t waiting = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MachineWithUsage machine(seed + 7000);
    for (int i = 0; i < 90; ++i) {
      ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      const uint64_t what = machine.random() % 30;
      if (what < 4) {
        ASSERT_NO_FATAL_FAILURE(machine.reclaim_step());
      } else if (what == 4) {
        ASSERT_NO_FATAL_FAILURE(machine.cut());
      } else if (what == 5) {
        ASSERT_TRUE(machine.store->close().ok());
        ASSERT_NO_FATAL_FAILURE(machine.open());
      } else if (what < 12) {
        const StoreUsage usage = machine.usage();
        ++checked;
        waiting += usage.pending_bytes > 0 && usage.dropped_bytes > 0 ? 1 : 0;
        ASSERT_NO_FATAL_FAILURE(machine.expect_exact());
        ASSERT_FALSE(testing::Test::HasFailure()) << "step " << i << ": " << machine.last;
      }
    }
    ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
    ASSERT_NO_FATAL_FAILURE(machine.expect_exact());
    const StoreUsage last = machine.usage();
    EXPECT_EQ(last.pending_bytes + last.dropped_bytes, 0u);
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(checked, 5 * seeds());
  EXPECT_GT(waiting, seeds() / 4) << "hardly anything was waiting to be given back";
}

TEST(UsageHistories, WouldFreeIsWhatDroppingThenFrees) {
  uint64_t bytes = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MachineWithUsage machine(seed + 8000);
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 30; ++i) {
        ASSERT_NO_FATAL_FAILURE(machine.expect_step());
        if (machine.random() % 9 != 0) continue;
        ASSERT_NO_FATAL_FAILURE(machine.reclaim_step());
      }
      const std::vector<UsageTarget> set = some_of(all_targets(*machine.store), machine.random);
      if (set.empty()) continue;
      // While much is waiting to be given back, and when nothing is.
      const auto before = machine.store->would_free(set);
      ASSERT_TRUE(before.ok()) << before.error().to_string();
      EXPECT_EQ(before->commits_behind, 0u);
      ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
      const auto idle = machine.store->would_free(set);
      ASSERT_TRUE(idle.ok()) << idle.error().to_string();
      EXPECT_EQ(before->bytes, idle->bytes);
      EXPECT_EQ(before->nodes, idle->nodes);
      EXPECT_EQ(before->blocks, idle->blocks);
      const uint64_t live = Reached(*machine.store).live_bytes();
      for (const UsageTarget& target : set) {
        const auto info = machine.store->container(target.container);
        ASSERT_TRUE(info.ok());
        if (target.snapshot.empty()) {
          machine.workload.forget_container(info->name);
        } else {
          machine.workload.forget_snapshot(info->name, target.snapshot);
        }
      }
      ASSERT_TRUE(drop(*machine.store, set).ok());
      ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
      EXPECT_EQ(live - Reached(*machine.store).live_bytes(), before->bytes);
      bytes += before->bytes;
      machine.expect_equal("dropped");
      ASSERT_FALSE(testing::Test::HasFailure()) << "round " << round;
    }
  }
  EXPECT_GT(bytes, seeds() << 15);
}

// Whatever happens while trees are walked: the figures are those of the checkpoint it began with.
TEST(UsageHistories, CommitsAndReclaimMayGoOnMeanwhile) {
  for (uint64_t seed = 1; seed <= seeds() / 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MachineWithUsage machine(seed + 9000);
    for (int i = 0; i < 60; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    const StoreUsage quiet = machine.usage();
    const auto freed_quietly = machine.store->would_free({});
    ASSERT_TRUE(freed_quietly.ok());
    const auto disturb = [&](uint64_t nodes_read) {
      if (nodes_read % 7 == 1) machine.expect_step();
      if (nodes_read % 11 == 2) {
        EXPECT_TRUE(machine.store->checkpoint().ok());
      }
      if (nodes_read % 23 == 3) {
        ReclaimOptions options;
        options.until_idle = true;
        EXPECT_TRUE(machine.store->reclaim(options).ok());
      }
      return true;
    };
    const auto disturbed = machine.store->usage({}, disturb);
    ASSERT_TRUE(disturbed.ok()) << disturbed.error().to_string();
    EXPECT_EQ(text_of(*disturbed), text_of(quiet));
    EXPECT_EQ(disturbed->sequence, quiet.sequence);
    const auto again = machine.store->would_free({});
    ASSERT_TRUE(again.ok());
    const auto disturbed_too = machine.store->would_free({}, disturb);
    ASSERT_TRUE(disturbed_too.ok()) << disturbed_too.error().to_string();
    EXPECT_EQ(disturbed_too->bytes, again->bytes);
    EXPECT_EQ(disturbed_too->blocks, again->blocks);
    ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
    machine.expect_equal("afterwards");
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

// --- small stores that are known -----------------------------------------------------------------

class UsageOf : public testing::Test {
 protected:
  UsageOf() : machine_(1) {}

  Store& store() { return *machine_.store; }
  ContainerId make(const std::string& name) { return store().create_container(name)->id; }
  ContainerId clone(ContainerId source, const std::string& name) {
    CloneSpec spec;
    spec.source = source;
    spec.new_container = name;
    const auto made = store().clone(spec);
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    return made->container;
  }
  void put(ContainerId container, const std::string& name, const std::string& content) {
    const auto transaction = std::move(*store().begin(container));
    auto writer = std::move(*transaction->write_content());
    EXPECT_TRUE(writer->append(content).ok());
    EXPECT_TRUE(
        transaction->put_object(kRootFolder, name, Attributes{}, std::move(writer)).ok());
    const auto committed = transaction->commit();
    EXPECT_TRUE(committed.ok()) << committed.error().to_string();
  }
  std::string noise(size_t size) {
    std::string out(size, '\0');
    for (char& c : out) c = static_cast<char>(machine_.random());
    return out;
  }
  // With `files` objects of some hundred bytes.
  ContainerId filled(const std::string& name, int files) {
    const ContainerId id = make(name);
    for (int i = 0; i < files; ++i) {
      put(id, "f" + std::to_string(i), noise(200 + machine_.random() % 3000));
    }
    return id;
  }
  WouldFree would_free(const std::vector<UsageTarget>& targets) {
    const auto freed = store().would_free(targets);
    EXPECT_TRUE(freed.ok()) << freed.error().to_string();
    return freed.ok() ? *freed : WouldFree{};
  }
  StoreUsage usage(const std::vector<UsageTarget>& targets = {}) {
    auto usage = store().usage(targets);
    EXPECT_TRUE(usage.ok()) << usage.error().to_string();
    return usage.ok() ? *usage : StoreUsage{};
  }

  MachineWithUsage machine_;
};

TEST_F(UsageOf, AnEmptyStoreIsItsFiles) {
  const StoreUsage usage = this->usage();
  EXPECT_TRUE(usage.lines.empty());
  EXPECT_EQ(sum_of(usage), usage.total_bytes);
  EXPECT_EQ(usage.total_bytes + usage.hole_bytes, file_lengths(*machine_.env, "/store"));
  EXPECT_EQ(usage.superblock_bytes, 2 * 4096u);
  EXPECT_EQ(usage.ballast_bytes, tiny_options(machine_.env).ballast_bytes);
  EXPECT_EQ(would_free({}).bytes, 0u);
}

TEST_F(UsageOf, AFreshCloneHoldsNothingAloneAndTheLastHolderEverything) {
  const ContainerId a = filled("a", 60);
  const uint64_t all = would_free({{a, {}}}).bytes;
  EXPECT_EQ(all, usage().lines[0].share_bytes);
  EXPECT_GT(all, 60 * 200u);
  const ContainerId b = clone(a, "b");
  EXPECT_EQ(would_free({{a, {}}}).bytes, 0u);
  EXPECT_EQ(would_free({{b, {}}}).bytes, 0u);
  EXPECT_EQ(would_free({{a, {}}, {b, {}}}).bytes, all);
  const StoreUsage usage = this->usage();
  ASSERT_EQ(usage.lines.size(), 2u);
  for (const UsageLine& line : usage.lines) EXPECT_EQ(line.exclusive_bytes, 0u);
  // Peers: half each, but for one byte [INV-10].
  EXPECT_EQ(usage.lines[0].share_bytes + usage.lines[1].share_bytes, all);
  EXPECT_LE(std::max(usage.lines[0].share_bytes, usage.lines[1].share_bytes), all / 2 + 1);
  ASSERT_TRUE(store().drop_container(a).ok());
  EXPECT_EQ(would_free({{b, {}}}).bytes, all);
  EXPECT_EQ(this->usage().dropped_bytes, 0u);  // all that it held is b's, too
}

TEST_F(UsageOf, SnapshotsBelongToTheirContainerAndCanBeAskedAlone) {
  const ContainerId a = filled("a", 30);
  ASSERT_TRUE(store().create_snapshot(a, "s").ok());
  EXPECT_EQ(would_free({{a, "s"}}).bytes, 0u);
  const uint64_t whole = would_free({{a, {}}}).bytes;
  EXPECT_GT(whole, 0u);
  const std::string content = noise(9000);
  put(a, "f7", content);
  const uint64_t old = would_free({{a, "s"}}).bytes;  // what f7 was, and the way to it
  EXPECT_GT(old, 200u);
  EXPECT_LT(old, whole);
  const StoreUsage alone = usage({{a, "s"}});
  ASSERT_EQ(alone.lines.size(), 1u);
  EXPECT_EQ(alone.lines[0].exclusive_bytes, old);
  EXPECT_GT(alone.other_share_bytes, alone.lines[0].share_bytes - old);  // a's head
  EXPECT_EQ(sum_of(alone), alone.total_bytes);
  // Together with its container it counts once.
  EXPECT_EQ(would_free({{a, {}}, {a, "s"}, {a, {}}}).bytes, would_free({{a, {}}}).bytes);
  EXPECT_EQ(store().usage({{a, {}}, {a, "s"}}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(store().usage({{a, "s"}, {a, "s"}}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(store().usage({{a, "t"}}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(store().would_free({{a, "t"}}).error().code(), ErrorCode::kNotFound);
  ContainerId unknown = a;
  unknown.bytes[0] ^= 1;
  EXPECT_EQ(store().would_free({{unknown, {}}}).error().code(), ErrorCode::kNotFound);
}

TEST_F(UsageOf, AThousandClonesWithRandomEditsAddUpToTheByte) {
  const ContainerId origin = filled("origin", 120);
  std::vector<ContainerId> clones{origin};
  for (int i = 0; i < 1000; ++i) {
    clones.push_back(clone(clones[machine_.random() % clones.size()], "k" + std::to_string(i)));
    for (uint64_t edits = machine_.random() % 3; edits > 0; --edits) {
      put(clones[machine_.random() % clones.size()],
          "f" + std::to_string(machine_.random() % 150), noise(machine_.random() % 700));
    }
    if (machine_.random() % 100 == 0) {
      ASSERT_NO_FATAL_FAILURE(machine_.reclaim_step());
    }
  }
  const StoreUsage usage = this->usage();
  ASSERT_EQ(usage.lines.size(), 1001u);
  EXPECT_EQ(usage.total_bytes + usage.hole_bytes, file_lengths(*machine_.env, "/store"));
  EXPECT_EQ(sum_of(usage), usage.total_bytes);
  const Reached reached(store());
  EXPECT_EQ(shares_of(usage), reached.live_bytes());
  for (int i = 0; i < 10; ++i) {
    const UsageLine& line = usage.lines[machine_.random() % usage.lines.size()];
    EXPECT_EQ(line.exclusive_bytes, reached.exclusive(reached.keys_of(line.target)));
  }
  std::vector<UsageTarget> set;
  for (size_t i = 0; i < 300; ++i) set.push_back({clones[machine_.random() % 1001], {}});
  std::set<Bytes> keys;
  for (const UsageTarget& target : set) keys.merge(reached.keys_of(target));
  EXPECT_EQ(would_free(set).bytes, reached.exclusive(keys));
}

TEST_F(UsageOf, ADamagedNodeIsNamedAndNothingGuessed) {
  const ContainerId a = filled("a", 60);
  const ContainerId b = filled("b", 60);
  ASSERT_TRUE(store().close().ok());
  machine_.open();
  auto& impl = static_cast<engine::StoreImpl&>(store());
  const auto entry = engine::find_container(impl.context(), impl.visible().catalog, a);
  ASSERT_TRUE(entry.ok());
  const BlockRef root = entry->root.ref;
  const auto slot = impl.blocks().slot(root.segment, root.slot);
  ASSERT_TRUE(slot.ok());
  const std::string path = impl.blocks().path_of(root.segment, 0);
  ASSERT_TRUE(machine_.env->flip_bit(path, slot->offset() + kFrameHeaderBytes + 1, 3).ok());
  const auto freed = store().would_free({{a, {}}});
  ASSERT_FALSE(freed.ok());
  EXPECT_EQ(freed.error().code(), ErrorCode::kCorruption);
  EXPECT_NE(freed.error().message().find(to_string(root)), std::string::npos)
      << freed.error().message();
  const auto usage = store().usage({});
  ASSERT_FALSE(usage.ok());
  EXPECT_EQ(usage.error().code(), ErrorCode::kCorruption);
  EXPECT_NE(usage.error().message().find(to_string(root)), std::string::npos);
  EXPECT_GT(would_free({{b, {}}}).bytes, 0u);  // which does not look there
  // Dropped, it is in the way of what would be given back; followed, it stays where it is.
  ASSERT_TRUE(store().drop_container(a).ok());
  for (int i = 0; i < 2; ++i) {
    const auto other = store().would_free({{b, {}}});
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().code(), ErrorCode::kCorruption);
    EXPECT_NE(other.error().message().find(to_string(root)), std::string::npos);
    EXPECT_EQ(store().usage({}).error().code(), ErrorCode::kCorruption);
    ReclaimOptions options;
    options.until_idle = true;
    EXPECT_EQ(store().reclaim(options)->nodes_damaged, 1u);
  }
}

TEST_F(UsageOf, AFullDiskIsAccountedAsOfItsLastCheckpointAndKeepsItsReserve) {
  const ContainerId a = filled("a", 60);
  const StoreUsage before = usage();
  put(a, "f7", "small");
  machine_.env->set_capacity(machine_.used());
  const StoreUsage full = usage();
  EXPECT_EQ(full.commits_behind, 1u);
  EXPECT_EQ(full.sequence, before.sequence);
  EXPECT_EQ(full.lines[0].share_bytes, before.lines[0].share_bytes);
  EXPECT_EQ(full.ballast_bytes, before.ballast_bytes);
  EXPECT_EQ(sum_of(full), full.total_bytes);
  EXPECT_EQ(would_free({{a, {}}}).commits_behind, 1u);
  machine_.env->set_capacity(UINT64_MAX);
  EXPECT_EQ(usage().commits_behind, 0u);
}

TEST_F(UsageOf, ACallerMayEndIt) {
  const ContainerId a = filled("a", 30);
  const auto stop = [](uint64_t) { return false; };
  EXPECT_EQ(store().would_free({{a, {}}}, stop).error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(store().usage({}, stop).error().code(), ErrorCode::kCancelled);
}

TEST_F(UsageOf, AReadOnlyStoreSaysWhichCommitsItsCheckpointLacks) {
  const ContainerId a = filled("a", 20);
  ASSERT_TRUE(store().checkpoint().ok());
  const StoreUsage before = usage();
  const ContainerId late = make("late");
  put(a, "more", noise(5000));
  machine_.env->power_cut(io::CutPolicy::kKeepAll);
  machine_.store.reset();
  machine_.env->restart();
  StoreOptions options = tiny_options(machine_.env);
  options.read_only = true;
  auto opened = Store::open("/store", options);
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  const auto usage = (*opened)->usage({});
  ASSERT_TRUE(usage.ok()) << usage.error().to_string();
  EXPECT_EQ(usage->commits_behind, 2u);
  EXPECT_EQ(usage->sequence, before.sequence);
  ASSERT_EQ(usage->lines.size(), 1u);
  EXPECT_EQ(usage->lines[0].share_bytes, before.lines[0].share_bytes);
  EXPECT_EQ(sum_of(*usage), usage->total_bytes);
  EXPECT_EQ(usage->total_bytes + usage->hole_bytes, file_lengths(*machine_.env, "/store"));
  const auto freed = (*opened)->would_free({{late, {}}});
  EXPECT_EQ(freed.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ((*opened)->would_free({{a, {}}})->bytes, before.lines[0].exclusive_bytes);
  EXPECT_EQ((*opened)->would_free({{a, {}}})->commits_behind, 2u);
}

}  // namespace
}  // namespace ramet::sim
