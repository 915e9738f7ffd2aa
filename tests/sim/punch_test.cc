// Goal: wide dead ranges of a closed segment are given back without copying what is alive, at no
// moment before both superblocks do without them, and whoever reads the file frame by frame still
// finds everything [SPACE-1].
// Method: files that lie in one segment, some of which are removed; power cuts at every operation
// of a reclaim; a fallback to the older superblock; faults of the punching itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "engine/block/segment_scan.h"
#include "engine/space/recount.h"
#include "engine/store_impl.h"
#include "format/superblock.h"
#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

constexpr uint64_t kFileBytes = 6000;  // wider than a block of the file system, and it is cut

std::string random_text(uint64_t seed, uint64_t bytes) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

// A store with one container of files f0, f1, ... side by side in data segments that are closed.
class Punch {
 public:
  explicit Punch(int files, uint64_t seed = 1) : env(std::make_shared<io::SimEnv>(seed)) {
    EXPECT_TRUE(Store::create("/store", options()).ok());
    open();
    container = store->create_container("c")->id;
    for (int i = 0; i < files; ++i) put(i);
    reopen();
  }

  StoreOptions options() const {
    StoreOptions options = tiny_options(env);
    options.data_segment_bytes = 128 << 10;
    return options;
  }
  void open() {
    store.reset();
    auto opened = Store::open("/store", options());
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    store = std::move(opened).value();
  }
  void reopen() {
    ASSERT_TRUE(store->close().ok());
    open();
  }
  void put(int i) {
    const std::string text = random_text(1000 + static_cast<uint64_t>(i), kFileBytes);
    auto transaction = std::move(*store->begin(container));
    auto writer = std::move(*transaction->write_content());
    ASSERT_TRUE(writer->append(text).ok());
    const std::string name = "f" + std::to_string(i);
    ASSERT_TRUE(transaction->put_object(kRootFolder, name, Attributes{}, std::move(writer)).ok());
    ASSERT_TRUE(transaction->commit().ok());
    model[name] = text;
  }
  void remove(int first, int last) {
    auto transaction = std::move(*store->begin(container));
    for (int i = first; i < last; ++i) {
      const std::string name = "f" + std::to_string(i);
      ASSERT_TRUE(transaction->remove(kRootFolder, name).ok());
      model.erase(name);
    }
    ASSERT_TRUE(transaction->commit().ok());
  }
  std::map<ReclaimAction::Kind, int> reclaim() {
    ReclaimOptions all;
    all.until_idle = true;
    const auto report = store->reclaim(all);
    EXPECT_TRUE(report.ok()) << report.error().to_string();
    std::map<ReclaimAction::Kind, int> kinds;
    if (report.ok()) {
      for (const ReclaimAction& action : report->actions) ++kinds[action.kind];
    }
    return kinds;
  }
  void expect_whole(const std::string& when) {
    std::map<std::string, std::string> is;
    const auto view = std::move(*store->view(container));
    const Status visited = view->objects([&](const ObjectInfo& info) {
      std::string bytes(info.size, '\0');
      const auto read = view->read(info.id, 0, bytes);
      EXPECT_TRUE(read.ok()) << when << ": " << info.name << ": " << read.error().to_string();
      is[info.name] = bytes;
      return true;
    });
    ASSERT_TRUE(visited.ok()) << when;
    ASSERT_TRUE(is == model) << when;
    const auto recount = engine().recount_references();
    ASSERT_TRUE(recount.ok()) << when << ": " << recount.error().to_string();
    for (const std::string& wrong : recount->wrong) ADD_FAILURE() << when << ": " << wrong;
  }
  engine::StoreImpl& engine() { return static_cast<engine::StoreImpl&>(*store); }
  uint64_t allocated_for_data() {
    uint64_t sum = 0;
    for (SegmentNo number = 1; number < engine().blocks().next_segment(); ++number) {
      const auto segment = engine().blocks().segment(number);
      if (!segment.ok() || (*segment)->identity().stream != Stream::kData) continue;
      sum += *(*segment)->file().allocated_bytes();
    }
    return sum;
  }
  // Segments with holes, by number.
  std::vector<std::shared_ptr<engine::Segment>> punched() {
    std::vector<std::shared_ptr<engine::Segment>> out;
    const SegmentNo end = engine().blocks().next_segment();
    for (SegmentNo number = 1; number < end; ++number) {
      auto segment = engine().blocks().segment(number);
      if (segment.ok() && !(*segment)->holes().empty()) out.push_back(*segment);
    }
    return out;
  }

  std::shared_ptr<io::SimEnv> env;
  std::unique_ptr<Store> store;
  ContainerId container;
  std::map<std::string, std::string> model;
};

TEST(Punch, AWideDeadRangeIsGivenBackWithoutCopying) {
  Punch p(18);
  p.reclaim();
  const uint64_t before = p.allocated_for_data();
  p.remove(4, 10);
  const auto kinds = p.reclaim();
  EXPECT_GE(kinds.at(ReclaimAction::Kind::kPunch), 1);
  EXPECT_LE(p.allocated_for_data() + 5 * kFileBytes, before);
  ASSERT_NO_FATAL_FAILURE(p.expect_whole("punched"));
  const auto segments = p.punched();
  ASSERT_FALSE(segments.empty());
  for (const auto& segment : segments) {
    EXPECT_LE(*segment->file().allocated_bytes() + engine::punched_bytes(segment->holes()),
              align_up(*segment->file().size(), 4096));
  }
  p.reopen();
  ASSERT_NO_FATAL_FAILURE(p.expect_whole("opened again"));
  EXPECT_EQ(p.punched().size(), segments.size());  // the map tells
  EXPECT_TRUE(p.reclaim().empty());
}

TEST(Punch, HolesGrowTogetherAndAtLastTheSegmentGoes) {
  Punch p(18);
  int punches = 0;
  int others = 0;
  for (const auto& [first, last] : std::vector<std::pair<int, int>>{
           {2, 5}, {9, 12}, {5, 9}, {14, 16}, {0, 2}, {12, 14}, {16, 18}}) {
    p.remove(first, last);
    for (const auto& [kind, count] : p.reclaim()) {
      (kind == ReclaimAction::Kind::kPunch ? punches : others) += count;
    }
    ASSERT_NO_FATAL_FAILURE(p.expect_whole("without " + std::to_string(first)));
    for (const auto& segment : p.punched()) {
      const auto& holes = segment->holes();
      for (size_t i = 1; i < holes.size(); ++i) {
        EXPECT_GT(holes[i].offset, holes[i - 1].offset + holes[i - 1].length);
      }
    }
    p.reopen();
    ASSERT_NO_FATAL_FAILURE(p.expect_whole("opened again"));
  }
  EXPECT_GE(punches, 3);
  EXPECT_GE(others, 1);
}

// What a scan of the file finds, for whoever has nothing but the file.
TEST(Punch, AScanOfTheFramesFindsWhatIsAliveAndNothingElse) {
  Punch p(18);
  p.remove(4, 10);
  p.reclaim();
  const auto segments = p.punched();
  ASSERT_FALSE(segments.empty());
  for (const auto& segment : segments) {
    const auto scan = engine::scan_frames(segment->file(), segment->identity(), {},
                                          kSegmentHeaderBytes, true);
    ASSERT_TRUE(scan.ok());
    EXPECT_TRUE(scan->damaged.empty());
    EXPECT_EQ(scan->end, segment->end());
    const auto table = segment->slots(0, segment->slot_count());
    for (Slot slot = 0; slot < table.size(); ++slot) {
      const bool found = slot < scan->slots.size() && !scan->slots[slot].is_gone();
      EXPECT_EQ(found, !table[slot].is_gone()) << slot;
      if (!found) continue;
      EXPECT_EQ(scan->slots[slot].offset(), table[slot].offset());
    }
  }
}

TEST(Punch, PowerCutsAtAnyOperationLoseNothingAndLeaveNothing) {
  uint64_t operations = 0;
  {
    Punch p(18);
    p.remove(4, 10);
    const uint64_t before = p.env->operations();
    p.reclaim();
    operations = p.env->operations() - before;
  }
  ASSERT_GT(operations, 20u);
  int holes = 0;
  const uint64_t points = std::min(operations, from_environment("RAMET_SIM_POINTS", operations));
  for (uint64_t point = 1; point <= points; ++point) {
    const uint64_t at = point * operations / points;
    SCOPED_TRACE("operation " + std::to_string(at));
    Punch p(18, at);
    p.remove(4, 10);
    p.env->cut_power_at(p.env->operations() + at, io::CutPolicy::kRandom);
    ReclaimOptions all;
    all.until_idle = true;
    ignore_error(p.store->reclaim(all), "the power fails in it");
    if (p.env->powered()) p.env->power_cut(io::CutPolicy::kRandom);
    p.store.reset();
    p.env->restart();
    ASSERT_NO_FATAL_FAILURE(p.open());
    ASSERT_NO_FATAL_FAILURE(p.expect_whole("after the cut"));
    p.reclaim();
    ASSERT_NO_FATAL_FAILURE(p.expect_whole("reclaimed"));
    holes += p.punched().empty() ? 0 : 1;
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(holes, static_cast<int>(points) / 2);
}

// The power fails, and the newest superblock is lost: the older one's checkpoint has all it needs.
TEST(Punch, TheOlderSuperblockFindsWhatItNeeds) {
  const uint64_t points = from_environment("RAMET_SIM_POINTS", 120);
  for (uint64_t point = 1; point <= points; ++point) {
    const uint64_t at = 1 + point * 120 / points;
    SCOPED_TRACE("operation " + std::to_string(at));
    Punch p(18, at);
    p.remove(4, 10);
    p.env->cut_power_at(p.env->operations() + at, io::CutPolicy::kKeepAll);
    ReclaimOptions all;
    all.until_idle = true;
    ignore_error(p.store->reclaim(all), "the power fails in it");
    if (p.env->powered()) p.env->power_cut(io::CutPolicy::kKeepAll);
    p.store.reset();
    p.env->restart();
    const auto first = decode_superblock(*p.env->read_raw("/store/superblock.0"));
    const auto second = decode_superblock(*p.env->read_raw("/store/superblock.1"));
    if (first.ok() && second.ok()) {
      const std::string newest =
          "/store/superblock." + std::to_string(*pick_newest(first, second));
      ASSERT_TRUE(p.env->flip_bit(newest, 90, 2).ok());
    }
    ASSERT_NO_FATAL_FAILURE(p.open());
    ASSERT_NO_FATAL_FAILURE(p.expect_whole("from the older superblock"));
    p.reclaim();
    ASSERT_NO_FATAL_FAILURE(p.expect_whole("reclaimed"));
  }
}

// What fails is tried again, in this life or in the next.
TEST(Punch, FailingWritesAndPunchesLoseNothing) {
  uint64_t errors = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Punch p(18, seed);
    p.remove(4, 10);
    io::FaultRule rule;
    rule.kind = io::FaultKind::kWriteError;
    rule.path_contains = "segments";
    rule.probability = 0.2;
    p.env->inject(rule);
    for (int i = 0; i < 60; ++i) ignore_error(p.store->reclaim({}), "faults are meant");
    errors += p.env->stats().write_errors;
    p.env->clear_faults();
    p.env->power_cut(io::CutPolicy::kKeepAll);
    p.store.reset();
    p.env->restart();
    ASSERT_NO_FATAL_FAILURE(p.open());
    p.reclaim();
    ASSERT_NO_FATAL_FAILURE(p.expect_whole("after the faults"));
  }
  EXPECT_GT(errors, 20u);
}

}  // namespace
}  // namespace ramet::sim
