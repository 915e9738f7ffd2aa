// Goal: folders that are cloned by sharing ranges of the source's tree (SubtreeShare) are what they
// would be entry by entry, whatever the target holds already. Method: two stores that differ only
// in graft_entries_min go through the same random histories and clones; what can be seen must be
// equal after each, and fsck finds nothing, also after what was cloned from is gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include "tests/sim/repair_support.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

constexpr uint64_t kNever = uint64_t{1} << 40;

StoreOptions options_of(const std::shared_ptr<io::SimEnv>& env, uint64_t graft_min) {
  StoreOptions options = tiny_options(env);
  options.graft_entries_min = graft_min;
  return options;
}

std::string describe(const ObjectInfo& object) {
  return fmt::format("{} {} {} {} {} {} {} {}", to_uuid(object.id), object.size,
                     object.attributes.mode, object.attributes.modified, object.created,
                     object.links_count, object.target, object.content_id.to_hex());
}

// A line for each name below the folder, sorted by path; ids of folders are left out.
void walk(const View& view, const FolderId& folder, const std::string& path,
          std::string& lines, std::vector<std::string>* folders) {
  ASSERT_TRUE(view.list(folder, {}, [&](const Entry& entry) {
    const std::string here = path + "/" + entry.name;
    if (entry.is_folder()) {
      const auto info = view.folder(entry.folder);
      EXPECT_TRUE(info.ok() && info->parent == folder && info->name == entry.name) << here;
      lines += fmt::format("{}/ {}\n", here, info->attributes.mode);
      if (folders != nullptr) folders->push_back(here);
      walk(view, entry.folder, here, lines, folders);
      return true;
    }
    const auto info = view.object(entry.object);
    if (!info.ok()) {
      lines += here + " " + info.error().to_string() + "\n";
      return true;
    }
    const Status read = view.verify(entry.object);
    lines += fmt::format("{} {} {} {}\n", here, entry.size, describe(*info),
                         read.ok() ? "" : read.error().to_string());
    return true;
  }).ok());
}

class Side {
 public:
  // After a history in which nothing is shared, so that objects have the same ids on both sides.
  Side(uint64_t seed, uint64_t graft_min)
      : env(std::make_shared<io::SimEnv>(seed)), workload(seed) {
    EXPECT_TRUE(Store::create("/store", options_of(env, kNever)).ok());
    open();
    steps(60);
    EXPECT_TRUE(store->close().ok());
    graft_min_ = graft_min;
    open();
  }
  void open() {
    auto opened = Store::open("/store", options_of(env, graft_min_));
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store = std::move(*opened);
  }
  void steps(int count) {
    for (int i = 0; i < count; ++i) {
      const Status status = workload.step(store.get());
      ASSERT_TRUE(status.ok()) << workload.last() << ": " << status.error().to_string();
    }
  }
  ContainerId id_of(const std::string& name) { return store->container(name)->id; }
  std::string lines(const std::string& container, std::vector<std::string>* folders = nullptr) {
    std::string out;
    const auto view = *store->view(id_of(container));
    walk(*view, kRootFolder, {}, out, folders);
    const Summary& summary = view->summary();
    return out + fmt::format("{} objects, {} bytes, {} entries, {} folders\n",
                             summary[SummaryColumn::kObjects],
                             summary[SummaryColumn::kContentBytes],
                             summary[SummaryColumn::kEntries], summary[SummaryColumn::kFolders]);
  }
  std::string clone(CloneSpec spec, const std::string& source, const std::string& target) {
    spec.source = id_of(source);
    spec.target = id_of(target);
    const auto result = store->clone(spec);
    if (!result.ok()) return std::string(error_code_name(result.error().code()));
    auto skipped = result->skipped;
    std::sort(skipped.begin(), skipped.end());
    return fmt::format("{} objects, {} folders, {} bytes, skipped {}", result->objects_created,
                       result->folders_created, result->bytes_shared, fmt::join(skipped, " "));
  }

  std::shared_ptr<io::SimEnv> env;
  std::unique_ptr<Store> store;
  Workload workload;

 private:
  uint64_t graft_min_ = kNever;
};

void expect_equal(Side& one, Side& other, const std::string& container) {
  const std::string is = one.lines(container);
  const std::string should = other.lines(container);
  ASSERT_TRUE(is == should) << first_difference(is, should);
}

class PartialClones : public testing::TestWithParam<uint64_t> {};

TEST_P(PartialClones, AreTheSameHoweverTheyAreMade) {
  uint64_t made = 0, failed = 0, skipped = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Side one(seed, GetParam());
    Side other(seed, kNever);
    std::mt19937_64 random(seed);
    const auto pick = [&random](size_t n) { return static_cast<size_t>(random() % n); };
    std::vector<std::string> names;
    for (const auto& [name, container] : one.workload.model()) names.push_back(name);
    if (names.size() < 2) continue;
    for (int i = 0; i < 25; ++i) {
      const std::string source = names[pick(names.size())];
      const std::string target = names[pick(names.size())];
      if (source == target) continue;
      std::vector<std::string> folders;
      one.lines(source, &folders);
      if (folders.empty()) continue;
      CloneSpec spec;
      spec.paths = {folders[pick(folders.size())]};
      if (pick(4) == 0) spec.paths.push_back(folders[pick(folders.size())]);
      spec.target_folder = pick(2) == 0 ? "/" : fmt::format("/into{}", pick(5));
      if (spec.paths.size() == 1 && pick(2) == 0) spec.target_name = fmt::format("p{}", i);
      spec.existing = static_cast<CloneExisting>(pick(3));
      SCOPED_TRACE(fmt::format("{}: {} of {} into {}:{}", i, fmt::join(spec.paths, " "), source,
                               target, spec.target_folder));
      const std::string said = one.clone(spec, source, target);
      ASSERT_EQ(said, other.clone(spec, source, target));
      ASSERT_NO_FATAL_FAILURE(expect_equal(one, other, target));
      failed += said == "already exists";
      skipped += said.find("skipped /") != said.npos;
      ++made;
      if (pick(8) != 0) continue;
      for (Side* side : {&one, &other}) {
        ASSERT_TRUE(side->store->close().ok());
        side->open();
        ASSERT_NO_FATAL_FAILURE(expect_equal(one, other, target));
      }
    }
    // What was cloned from goes, in any order; what is left is whole.
    std::shuffle(names.begin(), names.end(), random);
    while (names.size() > 1) {
      ASSERT_TRUE(one.store->drop_container(one.id_of(names.back())).ok());
      names.pop_back();
    }
    ReclaimOptions all;
    all.until_idle = true;
    ASSERT_TRUE(one.store->reclaim(all).ok());
    ASSERT_NO_FATAL_FAILURE(expect_equal(one, other, names.front()));
    for (Side* side : {&one, &other}) {
      ASSERT_TRUE(side->store->close().ok());
      side->store.reset();
      expect_sound(side->env);
    }
  }
  EXPECT_GT(made, 100u);
  EXPECT_GT(failed, 5u);
  EXPECT_GT(skipped, 5u);
}

INSTANTIATE_TEST_SUITE_P(RunsOf, PartialClones, testing::Values(1, 2, 5));

}  // namespace
}  // namespace ramet::sim
