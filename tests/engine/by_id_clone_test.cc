// Goal: clones that tell objects apart by their ids take each selected object once, hidden ones as
// links ask for it, leave what the target has, and change neither side afterwards; titles may
// repeat and be anything. Method: single promises by example; a random container, selection and
// target beside a plain model (rapidcheck), through a crash, and fsck agrees.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/fsck.h"
#include "engine/store.h"
#include "io/env_sim.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

using test::code_of;

class Machine {
 public:
  Machine() {
    RAMET_CHECK(Store::create("/store", options()).ok(), "create");
    open();
    source_ = store_->create_container("source")->id;
    target_ = store_->create_container("target")->id;
  }
  StoreOptions options() const {
    StoreOptions options;
    options.env = env_;
    options.background = false;
    options.ballast_bytes = 1 << 20;
    options.graft_entries_min = graft_min_;
    return options;
  }
  void open() {
    auto opened = Store::open("/store", options());
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store_ = std::move(*opened);
  }
  void cut() {
    env_->power_cut(io::CutPolicy::kLoseAll);
    store_.reset();
    env_->restart();
    open();
  }
  std::vector<std::string> findings() {
    RAMET_CHECK(store_->close().ok(), "close");
    store_.reset();
    FsckOptions check;
    check.env = env_;
    check.data = true;
    std::vector<std::string> found;
    const auto report = fsck("/store", check, [&](const Finding& finding) {
      if (finding.kind->severity == Severity::kHint) return;
      found.push_back(std::string(finding.kind->code) + ": " + finding.message);
    });
    if (!report.ok()) found.push_back(report.error().to_string());
    open();
    return found;
  }
  std::unique_ptr<Transaction> begin(ContainerId id) { return std::move(*store_->begin(id)); }
  std::shared_ptr<const View> view(ContainerId id) { return std::move(*store_->view(id)); }

  ObjectId add(ContainerId container, const std::string& folder, const std::string& title,
               const Standing& standing = {}, const std::string& content = "x") {
    auto transaction = begin(container);
    FolderId in = kRootFolder;
    if (!folder.empty()) in = *transaction->create_folders(folder);
    ObjectInit init;
    init.standing = standing;
    auto writer = std::move(*transaction->write_content());
    RAMET_CHECK(writer->append(content).ok(), "append");
    const auto id = transaction->add_object(in, title, init, std::move(writer));
    RAMET_CHECK(id.ok(), "add_object");
    RAMET_CHECK(transaction->commit().ok(), "commit");
    return *id;
  }
  void make_folder(ContainerId container, const std::string& path) {
    auto transaction = begin(container);
    RAMET_CHECK(transaction->create_folders(path).ok(), "create_folders");
    RAMET_CHECK(transaction->commit().ok(), "commit");
  }
  CloneSpec spec(const std::vector<std::string>& folders, const std::vector<ObjectId>& objects,
                 const std::string& into = "") {
    CloneSpec spec;
    spec.source = source_;
    spec.target = target_;
    spec.paths = folders;
    spec.objects = objects;
    spec.target_folder = into;
    spec.by_id = true;
    spec.parents = false;
    return spec;
  }
  // "/folder/title" of each object, by id.
  std::map<ObjectId, std::string> all(ContainerId container) {
    const auto view = this->view(container);
    std::map<ObjectId, std::string> out;
    const Status status = view->objects([&](const ObjectInfo& info) {
      const std::string folder = info.folder.is_null() ? "" : *view->path_of(info.folder);
      out[info.id] = folder + "/" +
                     (info.standing.title.empty() ? info.name : info.standing.title);
      return true;
    });
    RAMET_CHECK(status.ok(), "objects");
    return out;
  }

  uint64_t graft_min_ = 1;
  const std::shared_ptr<io::SimEnv> env_ = std::make_shared<io::SimEnv>(1);
  std::unique_ptr<Store> store_;
  ContainerId source_, target_;
};

class ByIdTest : public ::testing::Test, public Machine {
 protected:
  void TearDown() override { EXPECT_EQ(findings(), std::vector<std::string>{}); }
  std::string path(ContainerId container, ObjectId id) {
    const auto found = all(container);
    const auto at = found.find(id);
    return at == found.end() ? "(not there)" : at->second;
  }
};

Standing hidden() {
  Standing standing;
  standing.hidden = true;
  return standing;
}
Standing linking(std::vector<ObjectId> targets, bool is_hidden = false) {
  Standing standing;
  standing.hidden = is_hidden;
  for (const ObjectId& target : targets) standing.links.push_back({target, {}});
  return standing;
}

TEST_F(ByIdTest, TitlesMayRepeatAndBeWhatNamesMayNot) {
  const std::string long_title(1024, 'n');
  std::vector<std::pair<ObjectId, std::string>> made;
  for (const std::string& title :
       {std::string("a"), std::string("a"), std::string("a/b"), std::string("."),
        std::string(".."), std::string("a\nb"), long_title, std::string("\xC3\xA9")}) {
    made.emplace_back(add(source_, "", title), title);
  }
  std::set<std::string> names;
  for (const auto& [id, title] : made) {
    const ObjectInfo info = *view(source_)->object(id);
    EXPECT_EQ(info.standing.title.empty() ? info.name : info.standing.title, title);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_LE(info.name.size(), 255u);
    EXPECT_EQ(view(source_)->lookup("/" + info.name)->object, id);
  }
  EXPECT_EQ(view(source_)->object(made[0].first)->name, "a");
  auto transaction = begin(source_);
  const auto empty = [&](const std::string& title) {
    return code_of(transaction->add_object(kRootFolder, title, ObjectInit{}, nullptr));
  };
  EXPECT_EQ(empty(""), "invalid argument");
  EXPECT_EQ(empty(std::string(1025, 'n')), "invalid argument");
  EXPECT_EQ(empty("\xFF"), "invalid argument");
}

TEST_F(ByIdTest, RequiredLinksTakeAlongWhatIsNotHidden) {
  const ObjectId visible = add(source_, "/data", "visible");
  const ObjectId hidden_one = add(source_, "/data", "hidden", hidden());
  Standing standing;
  standing.links = {{visible, {}, true}, {hidden_one, {}, true}};
  const ObjectId program = add(source_, "", "program", standing);
  ASSERT_TRUE(store_->clone(spec({}, {program})).ok());
  EXPECT_EQ(path(target_, visible), "/visible");
  EXPECT_EQ(path(target_, hidden_one), "/hidden");
  EXPECT_EQ(view(target_)->object(program)->standing.links, standing.links);
}

TEST_F(ByIdTest, RefusalsSayWhichObjectAndWhichFolder) {
  std::vector<CloneRefusal> refusals;
  Standing open;
  open.state = ObjectState::kOpen;
  const ObjectId first = add(source_, "/f", "first", open);
  CloneSpec folder = spec({"/f"}, {});
  folder.refusals = &refusals;
  EXPECT_EQ(code_of(store_->clone(folder)), "failed precondition");
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_EQ(refusals[0].reason, CloneRefusalReason::kNotClosed);
  EXPECT_EQ(refusals[0].object, first);
  EXPECT_EQ(refusals[0].folder, "/f");
  refusals.clear();
  make_folder(target_, "/g");
  make_folder(source_, "/g");
  folder.paths = {"/g"};
  EXPECT_EQ(code_of(store_->clone(folder)), "failed precondition");
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_EQ(refusals[0].reason, CloneRefusalReason::kFolderThere);
  EXPECT_EQ(all(target_).size(), 0u);
}

TEST_F(ByIdTest, AllThatOthersHoldAreTold) {
  const ContainerId elsewhere = store_->create_container("elsewhere")->id;
  const ObjectId first = add(source_, "/f", "first");
  const ObjectId second = add(source_, "", "second");
  const ObjectId free = add(source_, "", "free");
  CloneSpec there = spec({}, {first, second});
  there.target = elsewhere;
  ASSERT_TRUE(store_->clone(there).ok());
  std::vector<CloneRefusal> refusals;
  CloneSpec wanted = spec({"/f"}, {second, free});
  wanted.refusals = &refusals;
  wanted.not_held_by = {elsewhere};
  EXPECT_EQ(code_of(store_->clone(wanted)), "failed precondition");
  EXPECT_EQ(all(target_).size(), 0u);
  std::set<ObjectId> told;
  for (const CloneRefusal& refusal : refusals) {
    EXPECT_EQ(refusal.reason, CloneRefusalReason::kHeld);
    EXPECT_EQ(refusal.holder, elsewhere);
    told.insert(refusal.object);
  }
  EXPECT_EQ(told, (std::set<ObjectId>{first, second}));
  // What the target has already is none of it.
  refusals.clear();
  ASSERT_TRUE(store_->clone(spec({}, {second})).ok());
  wanted.paths.clear();
  const auto again = store_->clone(wanted);
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(again->existing, (std::vector<ObjectId>{second}));
}

TEST_F(ByIdTest, DocumentsComeAlongAndGoWithTheContentThatTheyTellOf) {
  const std::string details(100'000, 'd');
  const ObjectId id = add(source_, "/f", "file");
  {
    auto transaction = begin(source_);
    ASSERT_TRUE(transaction->set_object_document(id, "details", details).ok());
    ASSERT_TRUE(transaction->set_object_document(id, "content.parts", "1 2 3").ok());
    ASSERT_TRUE(transaction->set_object_document(id, "gone", "x").ok());
    ASSERT_TRUE(transaction->set_object_document(id, "gone", std::nullopt).ok());
    ASSERT_TRUE(transaction->set_object_document(id, "never", std::nullopt).ok());
    EXPECT_EQ(code_of(transaction->set_object_document(id, "", "x")), "invalid argument");
    EXPECT_EQ(code_of(transaction->set_object_document(id, "e", "")), "invalid argument");
    EXPECT_EQ(code_of(transaction->set_object_document(ObjectId{}, "e", "x")), "not found");
    for (size_t i = 2; i < kObjectDocumentsMax; ++i) {
      ASSERT_TRUE(transaction->set_object_document(id, "z" + std::to_string(i), "z").ok());
    }
    EXPECT_EQ(code_of(transaction->set_object_document(id, "zz", "x")), "invalid argument");
    ASSERT_TRUE(transaction->commit().ok());
  }
  ASSERT_TRUE(store_->clone(spec({"/f"}, {})).ok());
  store_->drop_container(source_, {}).ok();
  ReclaimOptions all_of_it;
  all_of_it.until_idle = true;
  all_of_it.now = true;
  ASSERT_TRUE(store_->reclaim(all_of_it).ok());
  cut();
  EXPECT_EQ(*view(target_)->object_document(id, "details"), details);
  EXPECT_EQ(*view(target_)->object_document(id, "content.parts"), "1 2 3");
  EXPECT_EQ(code_of(view(target_)->object_document(id, "gone")), "not found");
  auto transaction = begin(target_);
  auto writer = std::move(*transaction->write_content());
  ASSERT_TRUE(writer->append("other").ok());
  ASSERT_TRUE(transaction->set_content(id, std::move(writer)).ok());
  ASSERT_TRUE(transaction->commit().ok());
  transaction.reset();
  EXPECT_EQ(*view(target_)->object_document(id, "details"), details);
  EXPECT_EQ(code_of(view(target_)->object_document(id, "content.parts")), "not found");
}

TEST_F(ByIdTest, TypesKeepTheirNumbers) {
  EXPECT_EQ(*store_->intern_type("file"), kFileType);
  EXPECT_EQ(*store_->type_name(kFileType), "file");
  const TypeNumber record = *store_->intern_type("record");
  const TypeNumber applet = *store_->intern_type("applet");
  EXPECT_NE(record, applet);
  EXPECT_NE(record, kFileType);
  EXPECT_EQ(*store_->intern_type("record"), record);
  EXPECT_EQ(code_of(store_->intern_type("")), "invalid argument");
  EXPECT_EQ(code_of(store_->intern_type(std::string(65, 't'))), "invalid argument");
  EXPECT_EQ(code_of(store_->type_name(77)), "not found");
  cut();
  EXPECT_EQ(*store_->type_name(record), "record");
  EXPECT_EQ(*store_->intern_type("applet"), applet);
  EXPECT_GT(*store_->intern_type("workflow"), applet);
}

TEST_F(ByIdTest, PlacingRenamingAndMakingWay) {
  make_folder(source_, "/f");
  const ObjectId first = add(source_, "", "a");
  const ObjectId second = add(source_, "", "a");
  auto transaction = begin(source_);
  const FolderId folder = transaction->lookup("/f")->folder;
  // Free again: the name is the title.
  ASSERT_TRUE(transaction->place_object(first, folder, "a").ok());
  ASSERT_TRUE(transaction->place_object(second, kRootFolder, "a").ok());
  EXPECT_EQ(transaction->object(second)->name, "a");
  EXPECT_EQ(transaction->object(second)->standing.title, "");
  // Its own name is free to it.
  ASSERT_TRUE(transaction->place_object(second, kRootFolder, "a").ok());
  EXPECT_EQ(transaction->object(second)->name, "a");
  // A folder comes.
  ASSERT_TRUE(transaction->make_way(kRootFolder, "a").ok());
  Attributes attributes;
  attributes.mode = 040755;
  ASSERT_TRUE(transaction->create_folder(kRootFolder, "a", attributes).ok());
  EXPECT_EQ(transaction->object(second)->standing.title, "a");
  EXPECT_TRUE(transaction->lookup("/a")->is_folder());
  // A plain rename says what it is called; a plain move does not.
  const std::string name = transaction->object(second)->name;
  ASSERT_TRUE(transaction->rename(kRootFolder, name, folder, name).ok());
  EXPECT_EQ(transaction->object(second)->standing.title, "a");
  ASSERT_TRUE(transaction->rename(folder, name, folder, "b").ok());
  EXPECT_EQ(transaction->object(second)->standing.title, "");
  EXPECT_EQ(code_of(transaction->place_object(ObjectId{}, folder, "x")), "not found");
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(path(source_, first), "/f/a");
  EXPECT_EQ(path(source_, second), "/f/b");
}

TEST_F(ByIdTest, ContentOfAnOpenObjectIsSetByItsId) {
  Standing open;
  open.state = ObjectState::kOpen;
  const ObjectId id = add(source_, "", "a", open, "");
  EXPECT_EQ(view(source_)->summary()[SummaryColumn::kOpen], 1u);
  auto transaction = begin(source_);
  auto writer = std::move(*transaction->write_content());
  ASSERT_TRUE(writer->append("content").ok());
  ASSERT_TRUE(transaction->set_content(id, std::move(writer)).ok());
  ASSERT_TRUE(transaction->set_standing(id, Standing{}).ok());
  ASSERT_TRUE(transaction->commit().ok());
  transaction.reset();
  cut();
  EXPECT_EQ(view(source_)->summary()[SummaryColumn::kOpen], 0u);
  EXPECT_EQ(view(source_)->object(id)->size, 7u);
  EXPECT_EQ(view(source_)->lookup("/a")->size, 7u);
}

TEST_F(ByIdTest, ObjectsAreClonedOnceAndKeepTheirIds) {
  const ObjectId a = add(source_, "/f", "a");
  const ObjectId b = add(source_, "/f/g", "b");
  const ObjectId other = add(target_, "", "a");
  const auto done = store_->clone(spec({"/f", "/f/g", "/f"}, {a, a}));
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(done->existing, std::vector<ObjectId>{});
  EXPECT_EQ(path(target_, a), "/a");  // listed: straight into the destination
  EXPECT_EQ(path(target_, other), "/a");
  EXPECT_EQ(path(target_, b), "/f/g/b");
  EXPECT_TRUE(view(target_)->lookup("/g")->is_folder());
  const auto again = store_->clone(spec({}, {a, b}));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->existing, (std::vector<ObjectId>{a, b}));
  EXPECT_EQ(path(target_, b), "/f/g/b");  // left where it is
  EXPECT_EQ(code_of(store_->clone(spec({"/f"}, {}))), "failed precondition");
  EXPECT_EQ(code_of(store_->clone(spec({}, {ObjectId{}}))), "not found");
  EXPECT_EQ(code_of(store_->clone(spec({"/none"}, {}))), "not found");
  EXPECT_EQ(code_of(store_->clone(spec({}, {a}, "/none"))), "not found");
}

TEST_F(ByIdTest, HiddenObjectsComeWithWhatLinksToThem) {
  const ObjectId far = add(source_, "/elsewhere", "far", hidden());
  const ObjectId near = add(source_, "/f/h", "near", linking({far}, true));
  const ObjectId alone = add(source_, "/f", "alone", hidden());
  const ObjectId seen = add(source_, "/elsewhere", "seen");
  const ObjectId top = add(source_, "/f", "top", linking({near, seen}));
  make_folder(target_, "/d");
  const auto done = store_->clone(spec({"/f"}, {}, "/d"));
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(path(target_, top), "/d/f/top");
  EXPECT_EQ(path(target_, near), "/d/f/h/near");  // where it stands
  EXPECT_EQ(path(target_, far), "/d/far");
  EXPECT_EQ(path(target_, alone), "(not there)");
  EXPECT_EQ(path(target_, seen), "(not there)");
  // A listed one comes by itself.
  ASSERT_TRUE(store_->clone(spec({}, {alone})).ok());
  EXPECT_EQ(path(target_, alone), "/alone");
}

TEST_F(ByIdTest, NothingIsMadeIfOneMayNotBeCloned) {
  const ObjectId fine = add(source_, "/f", "fine");
  struct Case {
    Standing standing;
    bool only_live, no_sponsored, refused;
  };
  Standing open, never, copied, archived, moving, paid;
  open.state = ObjectState::kOpen;
  never.clone_rule = CloneRule::kNever;
  copied.clone_rule = CloneRule::kCopiedWhileOpen;
  archived.archival = Archival::kArchived;
  moving.archival = Archival::kUnarchiving;
  paid.sponsored = true;
  int number = 0;
  for (const Case& one : std::vector<Case>{{open, false, false, true},
                                           {never, false, false, true},
                                           {copied, false, false, false},
                                           {archived, false, false, false},
                                           {archived, true, false, true},
                                           {moving, false, false, true},
                                           {paid, false, false, false},
                                           {paid, false, true, true}}) {
    const std::string folder = "/case" + std::to_string(number++);
    const ObjectId id = add(source_, folder, "k", one.standing);
    CloneSpec wanted = spec({folder}, {fine});
    wanted.only_live = one.only_live;
    wanted.no_sponsored = one.no_sponsored;
    const auto before = all(target_);
    const auto done = store_->clone(wanted);
    EXPECT_EQ(code_of(done), one.refused ? "failed precondition" : "ok") << number;
    if (one.refused) {
      EXPECT_EQ(all(target_), before);
      EXPECT_FALSE(view(target_)->lookup(folder).ok());
    } else {
      EXPECT_EQ(path(target_, id), folder + "/k");
    }
  }
}

TEST_F(ByIdTest, WhatIsCopiedWhileOpenIsAnotherObject) {
  Standing standing;
  standing.clone_rule = CloneRule::kCopiedWhileOpen;
  standing.state = ObjectState::kOpen;
  const ObjectId id = add(source_, "", "w", standing);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(store_->clone(spec({}, {id})).ok());
  EXPECT_EQ(path(target_, id), "(not there)");
  EXPECT_EQ(all(target_).size(), 2u);
  for (const auto& [copy, at] : all(target_)) {
    EXPECT_EQ(at, "/w");
    EXPECT_EQ(view(target_)->object(copy)->standing.state, ObjectState::kOpen);
  }
}

TEST_F(ByIdTest, AllIntoAnEmptyContainerSharesEverything) {
  for (int i = 0; i < 200; ++i) {
    add(source_, "/d" + std::to_string(i % 7), "k" + std::to_string(i), {},
        "content " + std::to_string(i));
  }
  const auto document = [&](ContainerId id) {
    auto transaction = begin(id);
    ASSERT_TRUE(transaction->set_document("d", "mine").ok());
    ASSERT_TRUE(transaction->commit().ok());
  };
  document(target_);
  const auto done = store_->clone(spec({"/"}, {}));
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(done->objects_created, 200u);
  EXPECT_EQ(done->folders_created, 7u);
  EXPECT_EQ(all(target_), all(source_));
  EXPECT_EQ(*view(target_)->document("d"), "mine");
  cut();
  EXPECT_EQ(all(target_), all(source_));
  const ObjectId more = add(target_, "/d0", "more");
  EXPECT_EQ(path(source_, more), "(not there)");
}

TEST_F(ByIdTest, HoldersAreThoseThatHaveItNow) {
  const ObjectId id = add(source_, "", "a");
  const ContainerId third = store_->create_container("third")->id;
  const std::vector<ContainerId> all{third, target_, source_, ContainerId{}};
  EXPECT_EQ(*store_->holders(id, all), std::vector<ContainerId>{source_});
  ASSERT_TRUE(store_->clone(spec({}, {id})).ok());
  EXPECT_EQ(*store_->holders(id, all), (std::vector<ContainerId>{target_, source_}));
  ASSERT_TRUE(store_->drop_container(source_).ok());
  EXPECT_EQ(*store_->holders(id, all), std::vector<ContainerId>{target_});
  EXPECT_EQ(*store_->holders(ObjectId{}, all), std::vector<ContainerId>{});
}

// --- against a model -----------------------------------------------------------------------------

struct Step {
  uint8_t folder, title, link, flags;
};

const char* const kFolders[] = {"", "/a", "/a/b", "/c"};

RC_GTEST_PROP(ByIdProperty, ASelectionIsWhatTheRulesSay, ()) {
  Machine machine;
  machine.graft_min_ = *rc::gen::element<uint64_t>(1, 4, 1000);
  machine.cut();
  struct Made {
    ObjectId id;
    std::string folder, title;
    Standing standing;
  };
  std::vector<Made> made;
  const auto count = *rc::gen::inRange(0, 14);
  const bool plain = *rc::gen::arbitrary<bool>();
  for (int i = 0; i < count; ++i) {
    Made one;
    one.folder = kFolders[*rc::gen::inRange(0, 4)];
    one.title = std::string(1, static_cast<char>('k' + *rc::gen::inRange(0, 3)));
    one.standing.hidden = !plain && *rc::gen::inRange(0, 2) == 0;
    if (!plain && !made.empty() && *rc::gen::inRange(0, 2) == 0) {
      const auto to = *rc::gen::inRange<size_t>(0, made.size());
      one.standing.links.push_back({made[to].id, {}});
    }
    one.id = machine.add(machine.source_, one.folder, one.title, one.standing,
                         "content " + std::to_string(i));
    made.push_back(std::move(one));
  }
  for (const char* folder : kFolders) {
    if (*folder != 0) machine.make_folder(machine.source_, folder);
  }
  std::map<ObjectId, std::string> model;  // of the target
  const auto clone_model = [&](const std::vector<ObjectId>& objects,
                               const std::vector<std::string>& folders, const std::string& into,
                               std::set<ObjectId>& existing) {
    const auto before = model;
    std::set<ObjectId> placed;
    std::map<ObjectId, std::string> inside;
    std::vector<ObjectId> links;
    const auto find = [&](const ObjectId& id) -> const Made& {
      return *std::find_if(made.begin(), made.end(), [&](const Made& m) { return m.id == id; });
    };
    const auto place = [&](const Made& one, const std::string& folder) {
      if (!placed.insert(one.id).second) return;
      if (before.contains(one.id)) {
        existing.insert(one.id);
      } else {
        model[one.id] = folder + "/" + one.title;
      }
      for (const ObjectLink& link : one.standing.links) links.push_back(link.target);
    };
    for (const ObjectId& id : objects) place(find(id), into);
    for (const std::string& folder : folders) {
      const size_t cut = folder == "/" ? 0 : folder.rfind('/');
      for (const Made& one : made) {
        const std::string under = folder == "/" ? "" : folder;
        if (one.folder != under && one.folder.rfind(under + "/", 0) != 0) continue;
        const std::string to = into + one.folder.substr(cut);
        if (one.standing.hidden) {
          inside.emplace(one.id, to);
        } else {
          place(one, to);
        }
      }
    }
    while (!links.empty()) {
      const Made& one = find(links.back());
      links.pop_back();
      if (!one.standing.hidden) continue;
      const auto at = inside.find(one.id);
      place(one, at == inside.end() ? into : at->second);
    }
  };
  machine.make_folder(machine.target_, "/in1");
  machine.make_folder(machine.target_, "/in2");
  for (const std::string into : {"/in1", "/in2"}) {
    std::vector<ObjectId> objects;
    for (const Made& one : made) {
      if (*rc::gen::inRange(0, 4) == 0) objects.push_back(one.id);
    }
    // (No two of one name.)
    const auto folders = *rc::gen::elementOf(std::vector<std::vector<std::string>>{
        {}, {"/"}, {"/a"}, {"/a/b"}, {"/c", "/a"}, {"/a", "/a/b"}, {"/c"}});
    if (folders.empty() && objects.empty()) continue;
    std::set<ObjectId> existing;
    clone_model(objects, folders, into, existing);
    const auto done = machine.store_->clone(machine.spec(folders, objects, into));
    RC_ASSERT(done.ok());
    RC_ASSERT(done->existing == std::vector<ObjectId>(existing.begin(), existing.end()));
    RC_ASSERT(machine.all(machine.target_) == model);
  }
  // Changes of either side stay there.
  const auto source = machine.all(machine.source_);
  if (!model.empty()) {
    auto transaction = machine.begin(machine.target_);
    const ObjectId id = model.begin()->first;
    RC_ASSERT(transaction->place_object(id, kRootFolder, "moved").ok());
    RC_ASSERT(transaction->commit().ok());
    model.begin()->second = "/moved";
    RC_ASSERT(machine.all(machine.source_) == source);
    auto removal = machine.begin(machine.source_);
    const auto info = removal->object(id);
    RC_ASSERT(removal->remove(info->folder, info->name).ok());
    RC_ASSERT(removal->commit().ok());
  }
  machine.cut();
  RC_ASSERT(machine.all(machine.target_) == model);
  RC_ASSERT(machine.findings() == std::vector<std::string>{});
}

}  // namespace
}  // namespace ramet
