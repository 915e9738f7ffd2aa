// Goal: every short history, cut at every barrier, comes back as it was acknowledged: what small
// sequences can do wrong is found without luck [INV-1] [INV-7] [INV-11] (after CrashMonkey's ACE:
// Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", 2018).
// Method: all sequences of at most 3 of {put, overwrite, append, rename, link, delete, mkdir,
// clone, drop, snapshot, sync} over two files, two folders, two containers and a snapshot. What an
// operation needs and is not there is made first, as a commit of its own. Of each sequence the
// power fails at each sync of its last operation and of closing the store, and at the operation
// of the disk behind it; the syncs before are those of shorter sequences. Unsynced changes are
// all lost, all kept, or drawn. A commit is durable when it returns; 'sync' is a checkpoint.
//
// RAMET_EXHAUSTIVE_LENGTH: of the longest sequences (default: 3).
// RAMET_EXHAUSTIVE_ALL=1: sequences of the greatest length, too, get every point and policy
// (default: they get one policy at each point, and of closing every fifth point).
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>

#include "engine/store_impl.h"
#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

enum class Op : uint8_t {
  kPut,
  kOverwrite,
  kAppend,
  kRename,
  kLink,
  kDelete,
  kMkdir,
  kClone,
  kDrop,
  kSnapshot,
  kSync
};
constexpr size_t kOps = 11;
constexpr std::array<const char*, kOps> kNames = {
    "put",   "overwrite", "append", "rename",   "link", "delete",
    "mkdir", "clone",     "drop",   "snapshot", "sync"};
using Sequence = std::vector<Op>;

const std::string kX = "/d1/x";
const std::string kY = "/d2/y";

std::string name_of(const Sequence& sequence) {
  std::string out;
  for (const Op op : sequence) {
    out += (out.empty() ? "" : ", ") + std::string(kNames[static_cast<size_t>(op)]);
  }
  return out;
}

std::string bytes_of(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }
std::string leaf_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Does operations to a store and to the model. After a failure `acknowledged` is what the store
// said, and `model` what it was doing.
class Player {
 public:
  explicit Player(Store* store, Model model = {})
      : model_(std::move(model)), store_(store), objects_(100 * model_.size()) {
    acknowledged_ = model_;
  }

  const Model& model() const { return model_; }
  const Model& acknowledged() const { return acknowledged_; }

  Status play(Op op) {
    ++number_;
    switch (op) {
      case Op::kPut: return put();
      case Op::kOverwrite: return overwrite();
      case Op::kAppend: return append();
      case Op::kRename: return rename();
      case Op::kLink: return link();
      case Op::kDelete: return remove();
      case Op::kMkdir: return make_folder();
      case Op::kClone: return clone();
      case Op::kDrop: return drop();
      case Op::kSnapshot: return snapshot();
      case Op::kSync: return store_->checkpoint();
    }
    return ok();
  }

 private:
  template <typename Do>
  Status commit(const Do& done) {
    RAMET_TRY(done());
    acknowledged_ = model_;
    return ok();
  }
  // A change of the container that is worked in, as one commit.
  template <typename Change>
  Status change(const Change& change_it) {
    return commit([&]() -> Status {
      RAMET_ASSIGN(const ContainerInfo info, store_->container(container_));
      RAMET_ASSIGN(auto transaction, store_->begin(info.id));
      RAMET_TRY(change_it(*transaction));
      RAMET_TRY(transaction->commit());
      return ok();
    });
  }
  PathMap& paths() { return model_[container_].paths; }

  // --- What operations need.
  Status need_container() {
    container_ = model_.contains("a") || !model_.contains("b") ? "a" : "b";
    if (model_.contains(container_)) return ok();
    model_[container_];
    return commit([&]() -> Status {
      RAMET_TRY(store_->create_container(container_));
      return ok();
    });
  }
  Status need_file() {
    RAMET_TRY(need_container());
    if (!paths().contains(kX) && !paths().contains(kY)) RAMET_TRY(put_at(kX, 2500));
    file_ = paths().contains(kX) ? kX : kY;
    other_ = file_ == kX ? kY : kX;
    return ok();
  }

  Status write(const std::string& path, ModelEntry entry) {
    entry.modified = static_cast<int64_t>(number_);
    paths()[folder_of(path)];
    for (auto& [name, one] : paths()) {
      if (one.object == entry.object && name.back() != '/') one = entry;
    }
    paths()[path] = entry;
    return change([&](Transaction& transaction) -> Status {
      RAMET_ASSIGN(const FolderId folder, transaction.create_folders(folder_of(path)));
      RAMET_ASSIGN(auto writer, transaction.write_content());
      RAMET_TRY(writer->append(entry.content));
      Attributes attributes;
      attributes.mode = entry.mode;
      attributes.modified = entry.modified;
      RAMET_TRY(transaction.put_object(folder, leaf_of(path), attributes, std::move(writer)));
      return ok();
    });
  }
  Status put_at(const std::string& path, size_t size) {
    ModelEntry entry;
    entry.mode = 0100644;
    const auto there = paths().find(path);
    entry.object = there == paths().end() ? ++objects_ : there->second.object;
    entry.content = bytes_of(100 + number_, size);
    return write(path, entry);
  }

  // --- The operations.
  Status put() {
    RAMET_TRY(need_container());
    return put_at(paths().contains(kX) && !paths().contains(kY) ? kY : kX, 4000);
  }
  Status overwrite() {
    RAMET_TRY(need_file());
    ModelEntry entry = paths()[file_];
    const std::string middle = bytes_of(200 + number_, entry.content.size() / 4);
    entry.content.replace(entry.content.size() / 4, middle.size(), middle);
    return write(file_, entry);
  }
  Status append() {
    RAMET_TRY(need_file());
    ModelEntry entry = paths()[file_];
    entry.content += bytes_of(300 + number_, 1500);
    return write(file_, entry);
  }
  Status rename() {
    RAMET_TRY(need_file());
    const auto other = paths().find(other_);
    const bool same = other != paths().end() && other->second.object == paths()[file_].object;
    const std::string to = same ? "/" + leaf_of(other_) : other_;
    if (same && paths().contains(to)) return remove();  // a third name of it
    paths()[to] = paths()[file_];
    paths().erase(file_);
    if (folder_of(to) != "/") paths()[folder_of(to)];
    return change([&](Transaction& transaction) -> Status {
      RAMET_ASSIGN(const FolderId folder, transaction.create_folders(folder_of(to)));
      RAMET_ASSIGN(const Entry source, transaction.lookup(folder_of(file_)));
      return transaction.rename(source.folder, leaf_of(file_), folder, leaf_of(to), true);
    });
  }
  // A second name, in the place of what has that name: two changes, one commit.
  Status link() {
    RAMET_TRY(need_file());
    const bool replaces = paths().contains(other_);
    paths()[folder_of(other_)];
    paths()[other_] = paths()[file_];
    return change([&](Transaction& transaction) -> Status {
      RAMET_ASSIGN(const FolderId folder, transaction.create_folders(folder_of(other_)));
      if (replaces) RAMET_TRY(transaction.remove(folder, leaf_of(other_)));
      RAMET_ASSIGN(const Entry object, transaction.lookup(file_));
      return transaction.link(object.object, folder, leaf_of(other_));
    });
  }
  Status remove() {
    RAMET_TRY(need_file());
    paths().erase(file_);
    return change([&](Transaction& transaction) -> Status {
      RAMET_ASSIGN(const Entry folder, transaction.lookup(folder_of(file_)));
      return transaction.remove(folder.folder, leaf_of(file_));
    });
  }
  Status make_folder() {
    RAMET_TRY(need_container());
    std::string path = paths().contains("/d2/") ? "/d1/e/" : "/d2/";
    if (paths().contains(path)) path += fmt::format("e{}/", number_);
    paths()["/" + path.substr(1, path.find('/', 1))];
    paths()[path];
    return change([&](Transaction& transaction) -> Status {
      RAMET_TRY(transaction.create_folders(path));
      return ok();
    });
  }
  Status clone() {
    RAMET_TRY(need_file());
    CloneSpec spec;
    const std::string source = container_;
    const std::string target = source == "a" ? "b" : "a";
    RAMET_ASSIGN(const ContainerInfo from, store_->container(source));
    spec.source = from.id;
    if (!model_.contains(target)) {
      spec.new_container = target;
      model_[target].paths = model_[source].paths;
    } else {  // a folder, into the other container
      RAMET_ASSIGN(const ContainerInfo to, store_->container(target));
      spec.target = to.id;
      spec.paths = {folder_of(file_)};
      spec.target_folder = "/";
      spec.target_name = fmt::format("c{}", number_);
      spec.identity = CloneIdentity::kFresh;
      clone_in_model(paths(), model_[target].paths, spec.paths.front(),
                     "/" + spec.target_name + "/");
    }
    return commit([&]() -> Status {
      RAMET_TRY(store_->clone(spec));
      return ok();
    });
  }
  void clone_in_model(const PathMap& source, PathMap& target, const std::string& from,
                      const std::string& to) {
    std::map<uint64_t, uint64_t> made;
    for (const auto& [path, entry] : PathMap(source)) {
      if (!path.starts_with(from)) continue;
      ModelEntry copy = entry;
      if (path.back() != '/') {
        copy.object = made.try_emplace(entry.object, ++objects_).first->second;
      }
      target[to + path.substr(from.size())] = copy;
    }
  }
  Status drop() {
    RAMET_TRY(need_container());
    if (model_.contains("a") && model_.contains("b")) container_ = "b";
    ModelContainer& there = model_[container_];
    RAMET_ASSIGN(const ContainerInfo info, store_->container(container_));
    if (!there.snapshots.empty()) {
      const std::string name = there.snapshots.begin()->first;
      there.snapshots.erase(name);
      return commit([&] { return store_->drop_snapshot(info.id, name); });
    }
    model_.erase(container_);
    return commit([&] { return store_->drop_container(info.id); });
  }
  Status snapshot() {
    RAMET_TRY(need_container());
    ModelContainer& there = model_[container_];
    const std::string name = there.snapshots.contains("s") ? fmt::format("s{}", number_) : "s";
    there.snapshots[name] = there.paths;
    RAMET_ASSIGN(const ContainerInfo info, store_->container(container_));
    return commit([&]() -> Status {
      RAMET_TRY(store_->create_snapshot(info.id, name));
      return ok();
    });
  }

  Model model_;
  Model acknowledged_;
  Store* store_;
  std::string container_;
  std::string file_;
  std::string other_;
  uint64_t number_ = 0;
  uint64_t objects_;
};

// Where all sequences begin: "a" with one file.
struct Beginning {
  std::shared_ptr<io::SimEnv> disk;
  Model model;
};

Beginning make_beginning() {
  Beginning out;
  out.disk = std::make_shared<io::SimEnv>(1);
  EXPECT_TRUE(Store::create("/store", tiny_options(out.disk)).ok());
  auto store = std::move(*Store::open("/store", tiny_options(out.disk)));
  Player player(store.get());
  EXPECT_TRUE(player.play(Op::kPut).ok());
  out.model = player.model();
  EXPECT_TRUE(store->close().ok());
  return out;
}

struct Figures {
  uint64_t sequences = 0;
  uint64_t points = 0;
  uint64_t recoveries = 0;
};

// One run of a sequence, to its end or to the cut.
struct Run {
  std::shared_ptr<io::SimEnv> env;
  uint64_t last_begins = 0;   // operations of the disk before the last operation,
  uint64_t close_begins = 0;  // and before closing
  std::string acknowledged, possible;

  // `point`: 0 for none.
  Run(const Beginning& beginning, const Sequence& sequence, uint64_t point, io::CutPolicy policy)
      : env(beginning.disk->clone_disk(1)) {
    auto store = Store::open("/store", tiny_options(env));
    EXPECT_TRUE(store.ok());
    if (point > 0) env->cut_power_at(point, policy);
    Player player(store->get(), beginning.model);
    Status status = ok();
    for (size_t i = 0; i < sequence.size() && status.ok(); ++i) {
      if (i + 1 == sequence.size()) last_begins = env->operations();
      status = player.play(sequence[i]);
    }
    close_begins = env->operations();
    EXPECT_TRUE(status.ok() || !env->powered()) << status.error().to_string();
    const bool closed = status.ok() && (*store)->close().ok();
    EXPECT_TRUE(closed || !env->powered());
    acknowledged = describe(player.acknowledged());
    possible = describe(player.model());
  }
};

void recover(const std::shared_ptr<io::SimEnv>& env, const Run& run) {
  env->restart();
  auto opened = Store::open("/store", tiny_options(env));
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  const std::string is = describe(**opened);
  ASSERT_TRUE(is == run.acknowledged || is == run.possible)
      << first_difference(is, run.acknowledged);
  const auto found = static_cast<engine::StoreImpl&>(**opened).recount_references();
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  ASSERT_TRUE(found->wrong.empty()) << found->wrong.front();
}

void try_sequence(const Beginning& beginning, const Sequence& sequence, bool all,
                  Figures& figures) {
  constexpr io::CutPolicy kPolicies[] = {io::CutPolicy::kLoseAll, io::CutPolicy::kKeepAll,
                                         io::CutPolicy::kRandom};
  const Run whole(beginning, sequence, 0, io::CutPolicy::kLoseAll);
  ASSERT_FALSE(testing::Test::HasFailure()) << name_of(sequence);
  ++figures.sequences;
  recover(whole.env, whole);
  ASSERT_FALSE(testing::Test::HasFailure()) << name_of(sequence);
  std::set<uint64_t> points;
  for (const uint64_t sync : whole.env->syncs()) {
    if (sync <= whole.last_begins) continue;
    if (sync > whole.close_begins && !all && (sync + figures.sequences) % 5 != 0) continue;
    points.insert(sync);
    points.insert(sync + 1);
  }
  for (const uint64_t point : points) {
    for (const io::CutPolicy policy : kPolicies) {
      if (!all && point % std::size(kPolicies) != static_cast<size_t>(policy)) continue;
      const Run run(beginning, sequence, point, policy);
      if (run.env->powered()) continue;  // the last sync was the last operation
      ++figures.recoveries;
      recover(run.env, run);
      ASSERT_FALSE(testing::Test::HasFailure())
          << name_of(sequence) << ": cut at operation " << point << ", policy "
          << static_cast<int>(policy);
    }
    ++figures.points;
  }
}

void try_all(const Beginning& beginning, Sequence& sequence, size_t length, size_t longest,
             bool all, Figures& figures) {
  if (sequence.size() == length) {
    try_sequence(beginning, sequence, all || length < longest, figures);
    return;
  }
  for (size_t op = 0; op < kOps; ++op) {
    sequence.push_back(static_cast<Op>(op));
    try_all(beginning, sequence, length, longest, all, figures);
    sequence.pop_back();
    if (testing::Test::HasFailure()) return;
  }
}

TEST(Exhaustive, EveryShortSequenceSurvivesACutAtEveryBarrier) {
  const uint64_t longest = from_environment("RAMET_EXHAUSTIVE_LENGTH", 3);
  const bool all = from_environment("RAMET_EXHAUSTIVE_ALL", 0) != 0;
  const Beginning beginning = make_beginning();
  ASSERT_FALSE(HasFailure());
  Figures figures;
  for (size_t length = 1; length <= longest; ++length) {
    Sequence sequence;
    try_all(beginning, sequence, length, longest, all, figures);
    if (HasFailure()) return;
  }
  fmt::print("{} sequences, {} crash points, {} recoveries\n", figures.sequences, figures.points,
             figures.recoveries);
}

}  // namespace
}  // namespace ramet::sim
