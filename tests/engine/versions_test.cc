// Goal: earlier versions, deletions, locks, metadata and whole keys are what was put there, through
// reopening, checkpoints and crashes, and fsck agrees. Method: random histories beside a plain
// model
// (rapidcheck), on a simulated machine; single promises by example.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "engine/fsck.h"
#include "engine/import.h"
#include "engine/store.h"
#include "io/env_sim.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

template <typename Outcome>
std::optional<ErrorCode> code_of(const Outcome& outcome) {
  if (outcome.ok()) return std::nullopt;
  return outcome.error().code();
}

constexpr int64_t kSecond = 1'000'000'000;

struct ModelVersion {
  VersionNumber version = 0;
  bool unversioned = false;
  bool deletion = false;
  std::string content;
  std::string media_type;
};
// Newest last.
using Model = std::map<std::string, std::vector<ModelVersion>>;

class VersionsTest : public ::testing::Test {
 public:
  VersionsTest() { open(true); }
  StoreOptions options() const {
    StoreOptions options;
    options.env = env_;
    options.background = false;
    options.chunk_average = 256;
    options.inline_block_bytes = 512;
    options.ballast_bytes = 1 << 20;
    return options;
  }
  void open(bool create = false) {
    if (create) RAMET_CHECK(Store::create("/store", options()).ok(), "create");
    auto opened = Store::open("/store", options());
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store_ = std::move(*opened);
  }
  void reopen() {
    RAMET_CHECK(store_->close().ok(), "close");
    store_.reset();
    open();
  }
  void cut() {
    env_->power_cut(io::CutPolicy::kLoseAll);
    store_.reset();
    env_->restart();
    open();
  }
  ContainerId create(const std::string& name, bool flat) {
    const auto form = flat ? ContainerForm::kFlat : ContainerForm::kFolders;
    return store_->create_container(name, {}, {}, 0, form)->id;
  }
  void set(ContainerId id, std::string_view setting, const std::string& value) {
    const Status status = store_->set_setting(id, std::string(setting), value);
    RAMET_CHECK(status.ok(), "set_setting");
  }
  static std::unique_ptr<ContentWriter> written(Transaction& transaction,
                                                const std::string& content) {
    auto writer = transaction.write_content();
    RAMET_CHECK(writer.ok() && (*writer)->append(content).ok(), "append");
    return std::move(*writer);
  }
  ObjectId put(ContainerId id, const std::string& name, const std::string& content,
               const std::string& media_type = {}) {
    auto transaction = std::move(*store_->begin(id));
    ObjectInit init;
    init.metadata.media_type = media_type;
    const auto object =
        transaction->put_object(kRootFolder, name, init, written(*transaction, content));
    RAMET_CHECK(object.ok(), "put_object");
    RAMET_CHECK(transaction->commit().ok(), "commit");
    return *object;
  }
  Status remove(ContainerId id, const std::string& name) {
    auto transaction = std::move(*store_->begin(id));
    RAMET_TRY(transaction->remove(kRootFolder, name));
    const auto done = transaction->commit();
    return done.ok() ? ok() : Status(done.error());
  }
  Status remove_version(ContainerId id, ObjectId object, VersionNumber version,
                        bool bypass = false) {
    auto transaction = std::move(*store_->begin(id));
    RAMET_TRY(transaction->remove_version(object, version, bypass));
    const auto done = transaction->commit();
    return done.ok() ? ok() : Status(done.error());
  }
  std::string read(const View& view, ObjectId id, VersionNumber version = kCurrentVersion) {
    std::string out;
    const Status status = view.stream(
        id,
        [&](uint64_t offset, ByteView bytes) {
          out.resize(offset);
          out += bytes;
          return ok();
        },
        version);
    return status.ok() ? out : "(" + status.error().message() + ")";
  }
  std::shared_ptr<const View> view(ContainerId id, const std::string& snapshot = {}) {
    return std::move(*store_->view(id, snapshot));
  }
  // What there is, as the model has it.
  Model all(ContainerId id) {
    const auto view = this->view(id);
    Model model;
    std::map<std::string, ObjectId> names;
    std::string last;
    const auto add = [&](const Entry& entry) {
      names.emplace(entry.name, entry.object);
      return true;
    };
    EXPECT_TRUE(view->list_from(kRootFolder, "", "", [&](const Entry& entry) {
                        EXPECT_LT(last, entry.name);
                        last = entry.name;
                        return add(entry);
                      }).ok());
    EXPECT_TRUE(view->list_removed(kRootFolder, "", "", add).ok());
    for (const auto& one : names) {  // (clang 14 captures no structured bindings)
      const std::string& name = one.first;
      const ObjectId& object = one.second;
      auto& versions = model[name];
      bool first = true;
      const Status status = view->versions(object, [&](const VersionInfo& info) {
        EXPECT_EQ(info.current, std::exchange(first, false));
        EXPECT_EQ(info.info.name, name);
        versions.insert(versions.begin(),
                        {info.info.version, info.info.unversioned, info.deletion,
                         info.deletion ? "" : read(*view, object, info.info.version),
                         info.info.metadata.media_type});
        return true;
      });
      EXPECT_TRUE(status.ok()) << status.error().message();
    }
    return model;
  }
  void share_content(bool crash);
  void expect_sound() {
    RAMET_CHECK(store_->close().ok(), "close");
    store_.reset();
    FsckOptions fsck;
    fsck.env = env_;
    std::vector<std::string> findings;
    fsck.data = true;
    const auto report = ramet::fsck("/store", fsck, [&](const Finding& finding) {
      if (finding.kind->severity == Severity::kHint) return;
      findings.push_back(std::string(finding.kind->code) + ": " + finding.message);
    });
    EXPECT_TRUE(report.ok());
    EXPECT_EQ(findings, std::vector<std::string>{});
    open();
  }

 protected:
  std::shared_ptr<io::SimEnv> env_ = std::make_shared<io::SimEnv>(1);
  std::unique_ptr<Store> store_;
};

bool operator==(const ModelVersion& a, const ModelVersion& b) {
  return a.version == b.version && a.unversioned == b.unversioned && a.deletion == b.deletion &&
         a.content == b.content && a.media_type == b.media_type;
}
[[maybe_unused]] std::ostream& operator<<(std::ostream& out, const ModelVersion& v) {
  return out << v.version << (v.unversioned ? "u" : "") << (v.deletion ? "d" : "") << ":"
             << v.content.size() << v.media_type;
}

// The rules of Transaction::put_object() and remove(), again and simpler.
class ModelContainer {
 public:
  std::string versioning = "off";
  Model names;

  void put(const std::string& name, const std::string& content, const std::string& media_type) {
    auto& versions = names[name];
    ModelVersion made{0, false, false, content, media_type};
    const bool there = !versions.empty() && !versions.back().deletion;
    if (versioning == "off") {
      versions.assign(1, made);  // (never turned off: no earlier ones)
      return;
    }
    begin(versions, made, there);
  }
  void remove(const std::string& name) {
    auto& versions = names[name];
    if (versioning == "off") {
      names.erase(name);
      return;
    }
    ModelVersion made;
    made.deletion = true;
    begin(versions, made, true);
  }
  void remove_version(const std::string& name, size_t i) {
    auto& versions = names[name];
    versions.erase(versions.begin() + static_cast<std::ptrdiff_t>(i));
    if (versions.empty()) names.erase(name);
  }

 private:
  void begin(std::vector<ModelVersion>& versions, ModelVersion made, bool there) {
    made.unversioned = versioning == "suspended";
    if (there && versions.back().version == 0) versions.back().unversioned = true;
    const VersionNumber newest = versions.empty() ? 0 : versions.back().version;
    // The number goes by what is there before the one without versions goes; where the name was
    // removed, by what is left.
    if (made.unversioned) {
      std::erase_if(versions, [](const ModelVersion& v) { return v.unversioned; });
    }
    made.version = there ? newest + 1 : versions.empty() ? 1 : versions.back().version + 1;
    versions.push_back(made);
  }
};

RC_GTEST_FIXTURE_PROP(VersionsTest, HistoriesAreKept, ()) {
  const bool flat = *rc::gen::arbitrary<bool>();
  const ContainerId id = create("c", flat);
  ModelContainer model;
  const auto names = flat ? std::vector<std::string>{"a", "a/", "a/b", "a//b", "..", "a0"}
                          : std::vector<std::string>{"a", "b", "a0"};
  const int steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    const std::string name = *rc::gen::elementOf(names);
    switch (*rc::gen::inRange(0, 9)) {
      case 0:
      case 1:
      case 2: {
        const auto size = *rc::gen::elementOf(std::vector<size_t>{0, 3, 700, 9000});
        std::string content(size, '\0');
        for (size_t i = 0; i < size; ++i) {
          content[i] = static_cast<char>((i * 7919 + static_cast<size_t>(step) * 104729) >> 3);
        }
        put(id, name, content, "t/" + std::to_string(step));
        model.put(name, content, "t/" + std::to_string(step));
        break;
      }
      case 3: {
        const auto at = model.names.find(name);
        const bool there = at != model.names.end() && !at->second.back().deletion;
        RC_ASSERT(remove(id, name).ok() == there);
        if (there) model.remove(name);
        break;
      }
      case 4:
      case 5: {
        const auto at = model.names.find(name);
        if (at == model.names.end()) break;
        const auto i = *rc::gen::inRange<size_t>(0, at->second.size());
        const auto found = view(id);
        std::optional<ObjectId> object;
        const auto take = [&](const Entry& entry) {
          if (entry.name == name) object = entry.object;
          return true;
        };
        RC_ASSERT(found->list_from(kRootFolder, name, "", take).ok());
        RC_ASSERT(found->list_removed(kRootFolder, name, "", take).ok());
        RC_ASSERT(object.has_value());
        RC_ASSERT(remove_version(id, *object, at->second[i].version).ok());
        model.remove_version(name, i);
        break;
      }
      case 6: {
        if (model.versioning == "off" || *rc::gen::arbitrary<bool>()) {
          model.versioning = "on";
        } else {
          model.versioning = "suspended";
        }
        set(id, kVersioningSetting, model.versioning);
        break;
      }
      case 7: *rc::gen::arbitrary<bool>() ? reopen() : cut(); break;
      case 8: RC_ASSERT(store_->checkpoint().ok()); break;
    }
    const Model found = all(id);
    if (found != model.names) {
      RC_LOG() << "step " << step << "\n";
      for (const auto& [n, v] : found) {
        RC_LOG() << n << ":";
        for (const auto& one : v) RC_LOG() << " " << one;
        RC_LOG() << "\n";
      }
      for (const auto& [n, v] : model.names) {
        RC_LOG() << "expected " << n << ":";
        for (const auto& one : v) RC_LOG() << " " << one;
        RC_LOG() << "\n";
      }
    }
    RC_ASSERT(found == model.names);
  }
  expect_sound();
}

TEST_F(VersionsTest, LocksKeepVersions) {
  const ContainerId id = create("c", true);
  EXPECT_EQ(code_of(store_->set_setting(id, std::string(kObjectLockSetting), "on")),
            ErrorCode::kFailedPrecondition);
  set(id, kVersioningSetting, "on");
  set(id, kObjectLockSetting, "on");
  EXPECT_EQ(code_of(store_->set_setting(id, std::string(kVersioningSetting), "suspended")),
            ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code_of(store_->set_setting(id, std::string(kObjectLockSetting), std::nullopt)),
            ErrorCode::kFailedPrecondition);
  const ObjectId object = put(id, "k", "one");
  const auto lock = [&](const ObjectLock& wanted, bool bypass) -> Status {
    auto transaction = std::move(*store_->begin(id));
    RAMET_TRY(transaction->set_lock(object, wanted, kCurrentVersion, bypass));
    const auto done = transaction->commit();
    return done.ok() ? ok() : Status(done.error());
  };
  const int64_t until = env_->now() + 100 * kSecond;
  ASSERT_TRUE(lock({RetentionMode::kGovernance, until, false}, false).ok());
  EXPECT_EQ(code_of(lock({RetentionMode::kGovernance, until - 1, false}, false)),
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(remove_version(id, object, 1)), ErrorCode::kPermissionDenied);
  ASSERT_TRUE(lock({RetentionMode::kCompliance, until, false}, false).ok());
  EXPECT_EQ(code_of(lock({RetentionMode::kGovernance, until, false}, true)),
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(remove_version(id, object, 1, true)), ErrorCode::kPermissionDenied);
  // A new version and a deletion only come on top of it.
  put(id, "k", "two");
  ASSERT_TRUE(remove(id, "k").ok());
  EXPECT_EQ(read(*view(id), object, 1), "one");
  // Nor goes what holds it; a clone is not bound.
  EXPECT_EQ(code_of(store_->drop_container(id)), ErrorCode::kPermissionDenied);
  ASSERT_TRUE(store_->create_snapshot(id, "s").ok());
  EXPECT_EQ(code_of(store_->rollback(id, "s")), ErrorCode::kPermissionDenied);
  CloneSpec spec;
  spec.source = id;
  spec.new_container = "test";
  spec.history = true;
  const auto clone = store_->clone(spec);
  ASSERT_TRUE(clone.ok());
  EXPECT_EQ(read(*view(clone->container), object, 1), "one");
  EXPECT_TRUE(store_->drop_container(clone->container).ok());
  env_->set_now(until + kSecond);
  EXPECT_TRUE(remove_version(id, object, 1).ok());
  EXPECT_EQ(code_of(view(id)->object(object, 1)), ErrorCode::kNotFound);
  EXPECT_TRUE(store_->drop_container(id).ok());
}

TEST_F(VersionsTest, ClonesLeaveHistoryAndDocumentsOut) {
  const ContainerId id = create("c", true);
  set(id, kVersioningSetting, "on");
  const ObjectId object = put(id, "k", std::string(9000, 'x'));
  put(id, "k", std::string(8000, 'y'));
  put(id, "gone", "z");
  ASSERT_TRUE(remove(id, "gone").ok());
  {
    auto transaction = std::move(*store_->begin(id));
    ASSERT_TRUE(transaction->set_document("policy", std::string(30000, 'p')).ok());
    ASSERT_TRUE(transaction->commit().ok());
  }
  EXPECT_EQ(*view(id)->document("policy"), std::string(30000, 'p'));
  CloneSpec spec;
  spec.source = id;
  spec.new_container = "test";
  const auto clone = store_->clone(spec);
  ASSERT_TRUE(clone.ok());
  auto cloned = view(clone->container);
  EXPECT_TRUE(cloned->flat());
  EXPECT_EQ(code_of(cloned->document("policy")), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(cloned->object(object, 1)), ErrorCode::kNotFound);
  EXPECT_EQ(read(*cloned, object), std::string(8000, 'y'));
  bool any = false;
  EXPECT_TRUE(cloned->list_removed(kRootFolder, "", "", [&](const Entry&) { return any = true; })
                  .ok());
  EXPECT_FALSE(any);
  cloned.reset();  // views end before their store
  expect_sound();
  reopen();
  EXPECT_EQ(read(*view(id), object, 1), std::string(9000, 'x'));
}

// Small content is copied entry by entry; that of a long object by a tree that both lead to.
TEST_F(VersionsTest, ContentIsSharedAcrossContainers) { share_content(false); }
TEST_F(VersionsTest, SharedContentSurvivesACrash) { share_content(true); }

void VersionsTest::share_content(bool crash) {
  const ContainerId from = create("from", true);
  const ContainerId to = create("to", false);
  std::string content;
  for (int i = 0; i < 60000; ++i) content += std::to_string(i * 7919);
  const ObjectId object = put(from, "k", content, "text/plain");
  const ObjectId small = put(from, "s", "abc");
  const auto info = *view(from)->object(object);
  struct Part {
    ObjectId id;
    uint64_t offset;
    uint64_t length;
  };
  const uint64_t all = content.size();
  const std::vector<std::vector<Part>> cases{
      {{object, 0, all}},
      {{small, 0, 100}},
      {{small, 1, 1}},
      {{object, 0, all}, {object, 0, all}},
      {{small, 0, 3}, {object, 777, 5000}, {small, 0, 2}},
      {{object, all - 10, 100}, {object, 5, 0}, {object, 0, 4096}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    auto transaction = std::move(*store_->begin(to));
    auto source = view(from);
    auto writer = std::move(*transaction->write_content());
    std::string expected;
    for (const Part& part : cases[i]) {
      ASSERT_TRUE(writer->append_from(*source, part.id, part.offset, part.length).ok());
      const std::string& bytes = part.id == object ? content : "abc";
      expected += bytes.substr(part.offset, part.length);
      if (i == 4) {
        ASSERT_TRUE(writer->append("own").ok());
        expected += "own";
      }
    }
    EXPECT_EQ(writer->size(), expected.size());
    const auto copy = transaction->put_object(kRootFolder, "c" + std::to_string(i), Attributes{},
                                              std::move(writer));
    ASSERT_TRUE(copy.ok());
    ASSERT_TRUE(transaction->commit().ok());
    transaction.reset();
    source.reset();
    if (crash) cut();
    EXPECT_EQ(read(*view(to), *copy), expected) << i;
    if (i == 0) {
      EXPECT_EQ(view(to)->object(*copy)->content_id, info.content_id);
    }
    // As memory.
    std::string shared;
    while (shared.size() < expected.size()) {
      const auto pieces = view(to)->read_shared(*copy, shared.size(), expected.size());
      ASSERT_TRUE(pieces.ok() && !pieces->empty());
      for (const SharedBytes& piece : *pieces) shared += piece.bytes;
    }
    EXPECT_EQ(shared, expected);
  }
  // A copy of the copy, which becomes an earlier version.
  set(to, kVersioningSetting, "on");
  {
    auto transaction = std::move(*store_->begin(to));
    const auto source = view(to);
    auto writer = std::move(*transaction->write_content());
    ASSERT_TRUE(writer->append_from(*source, source->lookup("c0")->object, 0, all).ok());
    const auto made =
        transaction->put_object(kRootFolder, "again", Attributes{}, std::move(writer));
    ASSERT_TRUE(made.ok());
    ASSERT_TRUE(transaction->commit().ok());
  }
  const ObjectId again = put(to, "again", "new");
  EXPECT_EQ(read(*view(to), again, 1), content);
  if (crash) cut();
  // The source goes; the copies stay.
  ASSERT_TRUE(store_->drop_container(from, {.now = true}).ok());
  ReclaimOptions reclaim;
  reclaim.until_idle = true;
  reclaim.now = true;
  ASSERT_TRUE(store_->reclaim(reclaim).ok());
  const auto first = view(to)->lookup("c0");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(read(*view(to), first->object), content);
  expect_sound();
  EXPECT_EQ(read(*view(to), again, 1), content);
  ASSERT_TRUE(store_->reclaim(reclaim).ok());
  EXPECT_EQ(read(*view(to), again, 1), content);
}

TEST_F(VersionsTest, ATransactionSharesOnlyWhatIsLookedAtAfterItBegan) {
  const ContainerId id = create("c", true);
  const ObjectId object = put(id, "k", "abc");
  const auto before = view(id);
  ASSERT_TRUE(store_->checkpoint().ok());
  put(id, "other", "x");
  ASSERT_TRUE(store_->checkpoint().ok());
  auto transaction = std::move(*store_->begin(id));
  auto writer = std::move(*transaction->write_content());
  EXPECT_EQ(code_of(writer->append_from(*before, object, 0, 3)), ErrorCode::kFailedPrecondition);
}

TEST_F(VersionsTest, NamesOfFlatContainers) {
  const ContainerId id = create("c", true);
  for (const std::string name : {"a/b", "a/", "a", "../../etc/passwd", "a//b", ".", "/x", "a\nb"}) {
    put(id, name, name);
  }
  auto transaction = std::move(*store_->begin(id));
  for (const std::string& bad : {std::string(), std::string(1025, 'x'), std::string("a\0b", 3)}) {
    EXPECT_EQ(code_of(transaction->put_object(kRootFolder, bad, Attributes{}, nullptr)),
              ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(transaction->put_object(kRootFolder, std::string(1024, 'x'), Attributes{}, nullptr)
                  .ok());
  EXPECT_EQ(code_of(transaction->create_folder(kRootFolder, "f", Attributes{})),
            ErrorCode::kFailedPrecondition);
  transaction.reset();
  auto found = view(id);
  for (const std::string name : {"a/b", "a/", "a", "../../etc/passwd", "a//b", ".", "a\nb"}) {
    const auto entry = found->lookup("/" + name);
    ASSERT_TRUE(entry.ok()) << name;
    EXPECT_EQ(entry->name, name);
    EXPECT_EQ(read(*found, entry->object), name);
  }
  std::vector<std::string> listed;
  EXPECT_TRUE(found->list_from(kRootFolder, "a/", "a/a", [&](const Entry& entry) {
                     listed.push_back(entry.name);
                     return true;
                   }).ok());
  EXPECT_EQ(listed, (std::vector<std::string>{"a/b"}));
  ASSERT_TRUE(remove(id, "a/").ok());
  EXPECT_EQ(code_of(view(id)->lookup("a/")), ErrorCode::kNotFound);
  EXPECT_TRUE(view(id)->lookup("a").ok());
  found.reset();
  expect_sound();
}

TEST(FlatExport, KeysBecomePathsAndNothingLeavesTheFolder) {
  const test::TempDir dir;
  ASSERT_TRUE(Store::create(dir.file("store"), test::store_options()).ok());
  auto store = std::move(*Store::open(dir.file("store"), test::store_options()));
  const ContainerId id = store->create_container("c", {}, {}, 0, ContainerForm::kFlat)->id;
  {
    auto transaction = std::move(*store->begin(id));
    for (const std::string name : {"a/b/c", "a/b/d", "a/e", "f", "a//x", "../out", "/abs", "g/",
                                   "f/under-a-file", "a/../../y", "."}) {
      auto writer = std::move(*transaction->write_content());
      ASSERT_TRUE(writer->append(name).ok());
      ASSERT_TRUE(transaction->put_object(kRootFolder, name, Attributes{}, std::move(writer)).ok());
    }
    ASSERT_TRUE(transaction->commit().ok());
  }
  const auto view = std::move(*store->view(id));
  std::filesystem::create_directory(dir.file("out"));
  const auto report = export_tree(*view, "/", dir.file("out/tree"), ExportOptions{});
  ASSERT_TRUE(report.ok()) << report.error().message();
  std::vector<std::string> made;
  for (const auto& file : std::filesystem::recursive_directory_iterator(dir.file("out"))) {
    made.push_back(file.path().lexically_relative(dir.file("out")));
  }
  std::sort(made.begin(), made.end());
  EXPECT_EQ(made, (std::vector<std::string>{"tree", "tree/a", "tree/a/b", "tree/a/b/c",
                                            "tree/a/b/d", "tree/a/e", "tree/f", "tree/g"}));
  EXPECT_EQ(test::read_bytes(dir.file("out/tree/a/b/c")), "a/b/c");
  EXPECT_EQ(report->problems.size(), 6u);
}

TEST_F(VersionsTest, MetadataComesBack) {
  const ContainerId id = create("c", true);
  auto transaction = std::move(*store_->begin(id));
  ObjectInit init;
  init.metadata.media_type = "text/plain";
  init.metadata.types = {"t1", "t2"};
  init.metadata.tags = {"x"};
  set_property(init.metadata, "b", "2");
  set_property(init.metadata, "a", "1");
  set_property(init.metadata, "b", "3");
  init.metadata.details = R"({"k": [1, 2]})";
  const auto object = transaction->put_object(kRootFolder, "k", init, nullptr);
  ASSERT_TRUE(object.ok());
  Metadata wrong;
  wrong.properties = {{"b", ""}, {"a", ""}};
  EXPECT_EQ(code_of(transaction->set_metadata(*object, wrong)), ErrorCode::kInvalidArgument);
  wrong.properties = {{"a", std::string(9000, 'x')}};
  EXPECT_EQ(code_of(transaction->set_metadata(*object, wrong)), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(transaction->commit().ok());
  transaction.reset();
  reopen();
  const auto info = view(id)->object(*object);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->metadata, init.metadata);
  EXPECT_EQ(*find_property(info->metadata, "b"), "3");
  EXPECT_EQ(find_property(info->metadata, "c"), nullptr);
  // Content from elsewhere does not keep what was said of the former one.
  put(id, "k", "new");
  EXPECT_EQ(view(id)->object(*object)->metadata, Metadata{});
}

}  // namespace
}  // namespace ramet
