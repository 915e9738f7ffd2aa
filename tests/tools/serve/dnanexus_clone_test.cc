// Goal: /class-xxxx/clone and listProjects keep every sentence of the page that specifies them.
// Method: one case for each sentence, named after it, in the order of the page; the face on a real
// store, and what came of it looked at by other calls.
#include "tests/tools/serve/dnanexus_fixture.h"

namespace ramet::serve::test {
namespace {

class DnanexusClone : public DnanexusTest {
 protected:
  void SetUp() override {
    DnanexusTest::SetUp();
    source_ = project("source");
    target_ = project("target");
  }
  Json input(const std::vector<std::string>& objects, const std::vector<std::string>& folders = {},
             const std::string& destination = "/") {
    return {{"objects", objects},
            {"folders", folders},
            {"project", target_},
            {"destination", destination}};
  }
  Json clone(const Json& what) { return api("/" + source_ + "/clone", what); }
  // Refused with this type, and nothing was made.
  void expect_refused(const Json& what, const std::string& type, const std::string& token = {}) {
    const auto before = all_in(target_);
    const auto folders = folders_of(target_);
    EXPECT_EQ(refused(token.empty() ? alice_ : token, "/" + source_ + "/clone", what), type)
        << what;
    EXPECT_EQ(all_in(target_), before);
    EXPECT_EQ(folders_of(target_), folders);
  }
  using Objects = std::map<std::string, std::string>;

  std::string source_, target_;
};

// --- the introduction ----------------------------------------------------------------------------

TEST_F(DnanexusClone, YouCanCloneObjectsAfterTheyReachTheClosedState) {
  const std::string id = record(source_, "/", "r", {{"close", false}});
  expect_refused(input({id}), "InvalidState");
  api("/" + id + "/close");
  clone(input({id}));
  EXPECT_EQ(all_in(target_), (Objects{{id, "/r"}}));
}

TEST_F(DnanexusClone, TheCopyIncludesAllUserProvidedMetadata) {
  const std::string id = file(source_, "/", "f", "the content",
                              {{"tags", {"t1", "t2"}},
                               {"types", {"Type"}},
                               {"properties", {{"key", "value"}}},
                               {"details", {{"d", 1}}},
                               {"media", "text/plain"}});
  clone(input({id}));
  Json wanted = api("/" + id + "/describe", {{"project", source_},
                                              {"properties", true},
                                              {"details", true},
                                              {"parts", true}});
  const Json copy = api("/" + id + "/describe", {{"project", target_},
                                                  {"properties", true},
                                                  {"details", true},
                                                  {"parts", true}});
  EXPECT_EQ(wanted["tags"], Json::array({"t1", "t2"}));
  EXPECT_EQ(wanted["properties"], (Json{{"key", "value"}}));
  wanted["project"] = target_;
  EXPECT_EQ(copy, wanted);
  EXPECT_EQ(content_of(id, target_), "the content");
}

TEST_F(DnanexusClone, TheCopyFollowsTheDestinationContainersPermissions) {
  const std::string id = file(source_, "/", "f");
  grant(target_, "user-bob", "CONTRIBUTE");
  clone(input({id}));
  as(bob_, "/" + id + "/rename", {{"project", target_}, {"name", "bobs"}});
  EXPECT_EQ(refused(bob_, "/" + id + "/rename", {{"project", source_}, {"name", "bobs"}}),
            "ResourceNotFound");
}

TEST_F(DnanexusClone, RemovingTheOriginalObjectDoesntAffectTheClone) {
  const std::string id = file(source_, "/", "f", "stays");
  clone(input({id}));
  api("/" + source_ + "/removeObjects", {{"objects", {id}}});
  EXPECT_EQ(content_of(id, target_), "stays");
  api("/" + source_ + "/destroy");
  EXPECT_EQ(content_of(id, target_), "stays");
}

TEST_F(DnanexusClone, ModifyingTheClonesMetadataDoesntChangeTheOriginalObject) {
  const std::string id = file(source_, "/", "f", "x", {{"tags", {"old"}}});
  clone(input({id}));
  const Json before =
      api("/" + id + "/describe", {{"project", source_}, {"properties", true}});
  api("/" + id + "/rename", {{"project", target_}, {"name", "other"}});
  api("/" + id + "/addTags", {{"project", target_}, {"tags", {"new"}}});
  api("/" + id + "/removeTags", {{"project", target_}, {"tags", {"old"}}});
  api("/" + id + "/setProperties", {{"project", target_}, {"properties", {{"k", "v"}}}});
  EXPECT_EQ(api("/" + id + "/describe", {{"project", source_}, {"properties", true}}), before);
  const Json copy = api("/" + id + "/describe", {{"project", target_}, {"properties", true}});
  EXPECT_EQ(copy["name"], "other");
  EXPECT_EQ(copy["tags"], Json::array({"new"}));
  EXPECT_EQ(copy["properties"], (Json{{"k", "v"}}));
}

// --- how cloning works ---------------------------------------------------------------------------

TEST_F(DnanexusClone, CopiesOneOrMoreObjectsAndFoldersFromASourceToADestination) {
  const std::string a = file(source_, "/", "a"), b = file(source_, "/sub/deep", "b");
  const std::string c = record(source_, "/", "c");
  const Json answer = clone(input({a, c}, {"/sub"}));
  EXPECT_EQ(answer, (Json{{"id", source_}, {"project", target_}, {"exists", Json::array()}}));
  EXPECT_EQ(all_in(target_), (Objects{{a, "/a"}, {b, "/sub/deep/b"}, {c, "/c"}}));
}

TEST_F(DnanexusClone, YouCanOptionallySpecifyADestinationFolder) {
  folder(target_, "/in/here");
  const std::string a = file(source_, "/", "a"), b = file(source_, "/sub", "b");
  clone(input({a}, {"/sub"}, "/in/here"));
  EXPECT_EQ(all_in(target_), (Objects{{a, "/in/here/a"}, {b, "/in/here/sub/b"}}));
}

TEST_F(DnanexusClone, EachObjectIsClonedOnlyOnceEvenIfItAppearsMultipleTimesInTheInput) {
  const std::string a = file(source_, "/sub", "a");
  const Json answer = clone(input({a, a}, {"/sub", "/sub"}));
  EXPECT_EQ(answer["exists"], Json::array());
  // Listed by itself it stands in the destination itself; its folder comes without it.
  EXPECT_EQ(all_in(target_), (Objects{{a, "/a"}}));
  EXPECT_EQ(folders_of(target_), (std::set<std::string>{"/", "/sub"}));
}

TEST_F(DnanexusClone, ANewFolderWithTheSameNameIsCreatedInTheDestination) {
  const std::string a = file(source_, "/deep/er", "a");
  folder(source_, "/deep/er/empty");
  clone(input({}, {"/deep/er"}));
  EXPECT_EQ(folders_of(target_), (std::set<std::string>{"/", "/er", "/er/empty"}));
  EXPECT_EQ(all_in(target_), (Objects{{a, "/er/a"}}));
}

TEST_F(DnanexusClone, TheRootFoldersContentsAreCopiedDirectlyIntoTheDestinationFolder) {
  const std::string a = file(source_, "/", "a"), b = file(source_, "/sub", "b");
  folder(target_, "/there");
  clone(input({}, {"/"}, "/there"));
  EXPECT_EQ(all_in(target_), (Objects{{a, "/there/a"}, {b, "/there/sub/b"}}));
  EXPECT_EQ(folders_of(target_), (std::set<std::string>{"/", "/there", "/there/sub"}));
}

TEST_F(DnanexusClone, FollowsLinksInClonedObjectsAndIncludesAnyHiddenObjectsTheyReference) {
  const std::string hidden = file(source_, "/data", "hidden", "h", {{"hidden", true}});
  const std::string visible = file(source_, "/data", "visible", "v");
  const std::string top = record(source_, "/", "top",
                                 {{"details", {{"h", link_to(hidden)}, {"v", link_to(visible)}}}});
  clone(input({top}));
  EXPECT_EQ(all_in(target_), (Objects{{top, "/top"}, {hidden, "/hidden"}}));
}

TEST_F(DnanexusClone, ThisProcessContinuesRecursivelyForAnyLinkedHiddenObjects) {
  const std::string last = file(source_, "/", "last", "l", {{"hidden", true}});
  const std::string middle = record(source_, "/", "middle",
                                    {{"hidden", true}, {"details", {{"next", link_to(last)}}}});
  const std::string top =
      record(source_, "/", "top", {{"details", Json::array({link_to(middle)})}});
  clone(input({top}));
  EXPECT_EQ(all_in(target_), (Objects{{top, "/top"}, {middle, "/middle"}, {last, "/last"}}));
}

TEST_F(DnanexusClone, LinkedObjectsOutsideTheSourceContainerAreNotCloned) {
  const std::string other = project("other");
  const std::string far = file(other, "/", "far", "f", {{"hidden", true}});
  const std::string top = record(
      source_, "/", "top",
      {{"details", {{"bare", link_to(far)},
                    {"full", {{"$dnanexus_link", {{"project", other}, {"id", far}}}}}}}});
  clone(input({top}));
  EXPECT_EQ(all_in(target_), (Objects{{top, "/top"}}));
}

TEST_F(DnanexusClone, ForAppletsObjectsListedInBundledDependsAreIncluded) {
  const std::string visible = file(source_, "/assets", "visible");
  const std::string hidden = file(source_, "/assets", "hidden", "h", {{"hidden", true}});
  const Json depends = Json::array({{{"name", "a.tar.gz"}, {"id", link_to(visible)}},
                                    {{"name", "b.tar.gz"}, {"id", link_to(hidden)}}});
  const std::string applet =
      api("/applet/new", {{"project", source_},
                          {"name", "tool"},
                          {"dxapi", "1.0.0"},
                          {"runSpec", {{"interpreter", "bash"}, {"bundledDepends", depends}}}})
          ["id"];
  clone(input({applet}));
  EXPECT_EQ(all_in(target_),
            (Objects{{applet, "/tool"}, {visible, "/visible"}, {hidden, "/hidden"}}));
  EXPECT_EQ(api("/" + applet + "/describe", {{"project", target_}})["runSpec"]["bundledDepends"],
            depends);
}

TEST_F(DnanexusClone, HiddenObjectsWithinAFolderAreOnlyClonedIfAVisibleParentIsBeingCloned) {
  const std::string needed = file(source_, "/f/sub", "needed", "n", {{"hidden", true}});
  file(source_, "/f/sub", "alone", "a", {{"hidden", true}});
  const std::string top = record(source_, "/f", "top", {{"details", {{"n", link_to(needed)}}}});
  clone(input({}, {"/f"}));
  EXPECT_EQ(all_in(target_), (Objects{{top, "/f/top"}, {needed, "/f/sub/needed"}}));
}

TEST_F(DnanexusClone, HiddenObjectsMaintainTheirRelativePositionWithinTheClonedFolderStructure) {
  const std::string inside = file(source_, "/f/sub", "inside", "i", {{"hidden", true}});
  const std::string top = record(source_, "/f", "top", {{"details", {{"n", link_to(inside)}}}});
  folder(target_, "/there");
  clone(input({}, {"/f"}, "/there"));
  EXPECT_EQ(all_in(target_), (Objects{{top, "/there/f/top"}, {inside, "/there/f/sub/inside"}}));
}

TEST_F(DnanexusClone, OtherHiddenObjectsArePlacedInTheSpecifiedDestinationFolder) {
  const std::string outside = file(source_, "/elsewhere", "outside", "o", {{"hidden", true}});
  const std::string top = record(source_, "/f", "top", {{"details", {{"n", link_to(outside)}}}});
  folder(target_, "/there");
  clone(input({}, {"/f"}, "/there"));
  EXPECT_EQ(all_in(target_), (Objects{{top, "/there/f/top"}, {outside, "/there/outside"}}));
}

// --- object type considerations ------------------------------------------------------------------

TEST_F(DnanexusClone, OpenWorkflowsCreateANewReplicaInTheDestination) {
  const std::string workflow =
      api("/workflow/new", {{"project", source_}, {"name", "w"}, {"title", "a title"}})["id"];
  clone(input({workflow}));
  const auto there = all_in(target_);
  ASSERT_EQ(there.size(), 1u);
  const std::string replica = there.begin()->first;
  EXPECT_NE(replica, workflow);
  EXPECT_TRUE(replica.starts_with("workflow-"));
  const Json described = api("/" + replica + "/describe");
  EXPECT_EQ(described["name"], "w");
  EXPECT_EQ(described["state"], "open");
  EXPECT_EQ(described["title"], "a title");
  EXPECT_EQ(api("/" + workflow + "/listProjects"), (Json{{source_, "ADMINISTER"}}));
}

TEST_F(DnanexusClone, ClosedWorkflowsAreClonedDirectly) {
  const std::string workflow = api("/workflow/new", {{"project", source_}, {"name", "w"}})["id"];
  api("/" + workflow + "/close");
  clone(input({workflow}));
  EXPECT_EQ(all_in(target_), (Objects{{workflow, "/w"}}));
}

TEST_F(DnanexusClone, DatabasesCannotBeCloned) {
  const std::string database =
      api("/database/new", {{"project", source_}, {"databaseName", "db"}})["id"];
  api("/" + database + "/close");
  expect_refused(input({database}), "InvalidState");
}

TEST_F(DnanexusClone, DatabaseObjectsAreRelocatedUsingMoveOperations) {
  const std::string database =
      api("/database/new", {{"project", source_}, {"databaseName", "db"}})["id"];
  folder(source_, "/moved");
  api("/" + source_ + "/move", {{"objects", {database}}, {"destination", "/moved"}});
  EXPECT_EQ(all_in(source_), (Objects{{database, "/moved/db"}}));
}

TEST_F(DnanexusClone, AnObjectThatAlreadyExistsInTheDestinationIsSkipped) {
  const std::string a = file(source_, "/", "a");
  clone(input({a}));
  folder(target_, "/kept");
  api("/" + target_ + "/move", {{"objects", {a}}, {"destination", "/kept"}});
  api("/" + a + "/rename", {{"project", target_}, {"name", "mine"}});
  clone(input({a}));
  EXPECT_EQ(all_in(target_), (Objects{{a, "/kept/mine"}}));
}

TEST_F(DnanexusClone, TheSkippedObjectIdsAreReturnedInTheExistsArray) {
  const std::string a = file(source_, "/f", "a"), b = record(source_, "/f", "b");
  const std::string c = file(source_, "/f", "c");
  clone(input({a, b}));
  Json exists = clone(input({}, {"/f"}))["exists"];
  std::sort(exists.begin(), exists.end());
  Json wanted = Json::array({a, b});
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(exists, wanted);
  EXPECT_EQ(all_in(target_)[c], "/f/c");
}

TEST_F(DnanexusClone, TheCloneOperationSucceedsEvenIfSomeObjectsAreSkipped) {
  const std::string a = file(source_, "/f", "a"), b = file(source_, "/f", "b");
  clone(input({a}));
  clone(input({}, {"/f"}));
  EXPECT_EQ(all_in(target_), (Objects{{a, "/a"}, {b, "/f/b"}}));
}

TEST_F(DnanexusClone, MovePlacesExistingObjectsInTheCorrectFolder) {
  const std::string a = file(source_, "/f", "a");
  clone(input({a}));
  clone(input({}, {"/f"}));
  api("/" + target_ + "/move", {{"objects", {a}}, {"destination", "/f"}});
  EXPECT_EQ(all_in(target_), (Objects{{a, "/f/a"}}));
}

// --- archival object restrictions ----------------------------------------------------------------

TEST_F(DnanexusClone, BetweenProjectsWithTheSameBillToLiveArchivalAndArchivedObjectsAreCloned) {
  const std::string live = file(source_, "/", "live"), archival = file(source_, "/", "archival");
  const std::string archived = file(source_, "/", "archived");
  set_standing(source_, archival, [](Standing& one) { one.archival = Archival::kArchival; });
  set_standing(source_, archived, [](Standing& one) { one.archival = Archival::kArchived; });
  clone(input({live, archival, archived}));
  EXPECT_EQ(all_in(target_).size(), 3u);
  EXPECT_EQ(api("/" + archived + "/describe", {{"project", target_}})["archivalState"],
            "archived");
}

TEST_F(DnanexusClone, ObjectsTransitioningBetweenArchivalStatesCannotBeCloned) {
  const std::string id = file(source_, "/", "f");
  for (const Archival archival : {Archival::kArchiving, Archival::kUnarchiving}) {
    set_standing(source_, id, [&](Standing& one) { one.archival = archival; });
    expect_refused(input({id}), "InvalidState");
  }
}

TEST_F(DnanexusClone, UntilTheTransitionCompletes) {
  const std::string id = file(source_, "/", "f");
  set_standing(source_, id, [](Standing& one) { one.archival = Archival::kUnarchiving; });
  expect_refused(input({id}), "InvalidState");
  set_standing(source_, id, [](Standing& one) { one.archival = Archival::kLive; });
  clone(input({id}));
  EXPECT_EQ(all_in(target_).size(), 1u);
}

TEST_F(DnanexusClone, BetweenProjectsWithDifferentBillToAllObjectsMustBeLive) {
  make_org("payer");
  set_rules(target_, [](ContainerAccess& rules) { rules.bill_to = "payer"; });
  const std::string live = file(source_, "/", "live"), other = file(source_, "/", "other");
  clone(input({live}));
  for (const Archival archival : {Archival::kArchival, Archival::kArchived}) {
    set_standing(source_, other, [&](Standing& one) { one.archival = archival; });
    expect_refused(input({other}), "InvalidState");
  }
}

// --- inputs --------------------------------------------------------------------------------------

TEST_F(DnanexusClone, ObjectsIsAListOfObjectIdsInTheSourceContainer) {
  const std::string a = file(source_, "/", "a"), b = record(source_, "/", "b");
  clone({{"objects", {a, b}}, {"project", target_}});
  EXPECT_EQ(all_in(target_), (Objects{{a, "/a"}, {b, "/b"}}));
}

TEST_F(DnanexusClone, ObjectsIsRequiredIfFoldersIsNotProvided) {
  expect_refused({{"project", target_}}, "InvalidInput");
}

TEST_F(DnanexusClone, FoldersIsAListOfFoldersInTheSourceContainer) {
  const std::string a = file(source_, "/one", "a"), b = file(source_, "/two", "b");
  clone({{"folders", {"/one", "/two/"}}, {"project", target_}});
  EXPECT_EQ(all_in(target_), (Objects{{a, "/one/a"}, {b, "/two/b"}}));
}

TEST_F(DnanexusClone, FoldersIsRequiredIfObjectsIsNotProvided) {
  expect_refused({{"project", target_}, {"destination", "/"}}, "InvalidInput");
  // Lists that are there and empty select nothing, as clients send them.
  EXPECT_EQ(clone(input({}))["exists"], Json::array());
}

TEST_F(DnanexusClone, ProjectIsTheIdOfTheDestinationContainer) {
  const std::string a = file(source_, "/", "a");
  clone({{"objects", {a}}, {"project", target_}});
  const std::string digits = target_.substr(target_.find('-'));
  EXPECT_EQ(clone({{"objects", {a}}, {"project", "container" + digits}})["exists"],
            Json::array({a}));
}

TEST_F(DnanexusClone, DestinationDefaultsToTheRootFolder) {
  const std::string a = file(source_, "/f", "a");
  clone({{"objects", {a}}, {"project", target_}});
  EXPECT_EQ(all_in(target_), (Objects{{a, "/a"}}));
}

TEST_F(DnanexusClone, ParentsSaysWhetherTheDestinationFolderAndItsParentsShouldBeCreated) {
  const std::string a = file(source_, "/", "a");
  Json what = input({a}, {}, "/made/on/the/way");
  what["parents"] = true;
  clone(what);
  EXPECT_EQ(all_in(target_), (Objects{{a, "/made/on/the/way/a"}}));
}

TEST_F(DnanexusClone, ParentsDefaultsToFalse) {
  expect_refused(input({file(source_, "/", "a")}, {}, "/missing"), "ResourceNotFound");
}

// --- outputs -------------------------------------------------------------------------------------

TEST_F(DnanexusClone, OutputIdIsTheSourceContainer) {
  EXPECT_EQ(clone(input({file(source_, "/", "a")}))["id"], source_);
}

TEST_F(DnanexusClone, OutputProjectIsTheModifiedDestinationContainer) {
  EXPECT_EQ(clone(input({file(source_, "/", "a")}))["project"], target_);
}

TEST_F(DnanexusClone, OutputExistsListsObjectsThatAlreadyExistInTheDestinationContainer) {
  const std::string a = file(source_, "/", "a");
  EXPECT_EQ(clone(input({a}))["exists"], Json::array());
  EXPECT_EQ(clone(input({a}))["exists"], Json::array({a}));
}

// --- errors: InvalidInput ------------------------------------------------------------------------

TEST_F(DnanexusClone, InvalidInputObjectsIsNotAnArrayOfNonemptyStrings) {
  for (const Json& wrong : {Json("file-x"), Json::array({1}), Json::array({""}), Json::object(),
                            Json(nullptr)}) {
    expect_refused({{"objects", wrong}, {"project", target_}}, "InvalidInput");
  }
}

TEST_F(DnanexusClone, InvalidInputFoldersIsNotAnArrayOfNonemptyStrings) {
  for (const Json& wrong : {Json("/"), Json::array({1}), Json::array({""}), Json::object()}) {
    expect_refused({{"folders", wrong}, {"project", target_}}, "InvalidInput");
  }
}

TEST_F(DnanexusClone, InvalidInputTwoOfTheFoldersHaveTheSameNameButDifferentPaths) {
  folder(source_, "/a/same");
  folder(source_, "/b/same");
  expect_refused(input({}, {"/a/same", "/b/same"}), "InvalidInput");
}

TEST_F(DnanexusClone, InvalidInputProjectIsMissingOrNotANonemptyStringUnequalToTheSource) {
  const std::string a = file(source_, "/", "a");
  for (const Json& wrong : {Json(""), Json(1), Json(nullptr), Json(source_)}) {
    expect_refused({{"objects", {a}}, {"project", wrong}}, "InvalidInput");
  }
  expect_refused({{"objects", {a}}}, "InvalidInput");
}

TEST_F(DnanexusClone, InvalidInputDestinationIsNotANonemptyStringStartingWithASlash) {
  const std::string a = file(source_, "/", "a");
  for (const Json& wrong : {Json(""), Json("there"), Json(1), Json(nullptr)}) {
    expect_refused({{"objects", {a}}, {"project", target_}, {"destination", wrong}},
                   "InvalidInput");
  }
}

TEST_F(DnanexusClone, InvalidInputParentsIsNotABoolean) {
  Json what = input({file(source_, "/", "a")});
  what["parents"] = "true";
  expect_refused(what, "InvalidInput");
}

TEST_F(DnanexusClone, InvalidInputProjectMustBeInTheSameRegionAsTheSourceOfAllSpecifiedObjects) {
  set_rules(target_, [](ContainerAccess& rules) { rules.region = "azure:westus"; });
  expect_refused(input({file(source_, "/", "a")}), "InvalidInput");
}

// --- errors: InvalidType -------------------------------------------------------------------------

TEST_F(DnanexusClone, InvalidTypeProjectIsNotAContainerId) {
  const std::string a = file(source_, "/", "a");
  for (const std::string& wrong : {std::string("target"), a, std::string("project-short"),
                                   std::string("user-alice")}) {
    expect_refused({{"objects", {a}}, {"project", wrong}}, "InvalidType");
  }
}

// --- errors: ResourceNotFound --------------------------------------------------------------------

TEST_F(DnanexusClone, ResourceNotFoundTheContainerSpecifiedInTheUrlDoesNotExist) {
  const std::string gone = project("gone");
  api("/" + gone + "/destroy");
  EXPECT_EQ(fails("/" + gone + "/clone", input({}, {"/"})), "ResourceNotFound");
}

TEST_F(DnanexusClone, ResourceNotFoundTheContainerSpecifiedInProjectDoesNotExist) {
  const std::string gone = project("gone");
  api("/" + gone + "/destroy");
  EXPECT_EQ(fails("/" + source_ + "/clone",
                  {{"objects", {file(source_, "/", "a")}}, {"project", gone}}),
            "ResourceNotFound");
}

TEST_F(DnanexusClone, ResourceNotFoundObjectsOrFoldersWereNotFoundOrNotInTheSourceContainer) {
  const std::string elsewhere = file(project("other"), "/", "x");
  const std::string here = file(source_, "/", "here");
  expect_refused(input({here, elsewhere}), "ResourceNotFound");
  expect_refused(input({here}, {"/missing"}), "ResourceNotFound");
  expect_refused(input({here, "file-000000000000000000000000"}), "ResourceNotFound");
  expect_refused(input({"nonsense"}), "ResourceNotFound");
  // Another class has the same digits.
  expect_refused(input({"record" + here.substr(here.find('-'))}), "ResourceNotFound");
}

TEST_F(DnanexusClone, ResourceNotFoundTheDestinationFolderDoesNotExist) {
  expect_refused(input({file(source_, "/", "a")}, {}, "/no/such"), "ResourceNotFound");
}

// --- errors: PermissionDenied --------------------------------------------------------------------

TEST_F(DnanexusClone, PermissionDeniedViewAccessIsRequiredInTheSourceContainer) {
  const std::string a = file(source_, "/", "a");
  grant(target_, "user-bob", "UPLOAD");
  expect_refused(input({a}), "PermissionDenied", bob_);
  grant(source_, "user-bob", "VIEW");
  as(bob_, "/" + source_ + "/clone", input({a}));
}

TEST_F(DnanexusClone, PermissionDeniedUploadAccessIsRequiredInTheDestinationContainer) {
  const std::string a = file(source_, "/", "a");
  grant(source_, "user-bob", "VIEW");
  expect_refused(input({a}), "PermissionDenied", bob_);
  grant(target_, "user-bob", "VIEW");
  expect_refused(input({a}), "PermissionDenied", bob_);
  grant(target_, "user-bob", "UPLOAD");
  as(bob_, "/" + source_ + "/clone", input({a}));
}

TEST_F(DnanexusClone, PermissionDeniedTheRestrictedFlagMustNotBeSetInTheSourceContainer) {
  const std::string a = file(source_, "/", "a");
  api("/" + source_ + "/update", {{"restricted", true}});
  expect_refused(input({a}), "PermissionDenied");
  expect_refused(input({}, {"/"}), "PermissionDenied");
}

TEST_F(DnanexusClone, PermissionDeniedTheContainersMustHaveTheSameRegion) {
  file(source_, "/f", "a");
  set_rules(target_, [](ContainerAccess& rules) { rules.region = "azure:westus"; });
  expect_refused(input({}, {"/f"}), "PermissionDenied");
}

TEST_F(DnanexusClone, PermissionDeniedBothMustBeAssociatedWithTheSameDataAccessRequest) {
  const std::string a = file(source_, "/", "a");
  const auto request = [&](const std::string& container, const std::string& name) {
    set_rules(container, [&](ContainerAccess& rules) { rules.data_access_request = name; });
  };
  request(source_, "dar-1");
  expect_refused(input({a}), "PermissionDenied");
  request(target_, "dar-2");
  expect_refused(input({a}), "PermissionDenied");
  request(source_, "");
  expect_refused(input({a}), "PermissionDenied");
  request(source_, "dar-2");
  clone(input({a}));
  EXPECT_EQ(all_in(target_), (Objects{{a, "/a"}}));
}

TEST_F(DnanexusClone, PermissionDeniedWhatContainsPhiGoesOnlyWhereThatMayBe) {
  const std::string a = file(source_, "/", "a");
  set_rules(source_, [](ContainerAccess& rules) { rules.contains_phi = true; });
  expect_refused(input({a}), "PermissionDenied");
  set_rules(target_, [](ContainerAccess& rules) { rules.contains_phi = true; });
  clone(input({a}));
}

// --- errors: InvalidState ------------------------------------------------------------------------

TEST_F(DnanexusClone, InvalidStateOneOrMoreOfTheInputObjectsIsNotInTheClosedState) {
  const std::string closed = file(source_, "/f", "closed");
  const std::string open = open_file(source_, "/f/deep", "open");
  expect_refused(input({closed, open}), "InvalidState");
  expect_refused(input({}, {"/f"}), "InvalidState");
  put_part(open, 1, "now");
  api("/" + open + "/close");
  clone(input({}, {"/f"}));
  EXPECT_EQ(all_in(target_), (Objects{{closed, "/f/closed"}, {open, "/f/deep/open"}}));
}

TEST_F(DnanexusClone, InvalidStateInputFoldersContainADatabaseObject) {
  file(source_, "/f", "a");
  api("/" +
      api("/database/new", {{"project", source_}, {"folder", "/f"}, {"databaseName", "db"}})["id"]
          .get<std::string>() +
      "/close");
  expect_refused(input({}, {"/f"}), "InvalidState");
  expect_refused(input({}, {"/"}), "InvalidState");
}

TEST_F(DnanexusClone, InvalidStateTheDestinationHasAFolderWithTheNameOfAListedFolder) {
  file(source_, "/f", "a");
  folder(target_, "/f");
  expect_refused(input({}, {"/f"}), "InvalidState");
  EXPECT_NE(message_.find("If cloned, a folder would conflict"), std::string::npos) << message_;
  // An object of that name is in nobody's way.
  const std::string g = file(source_, "/g", "a"), object = file(target_, "/", "g");
  clone(input({}, {"/g"}));
  EXPECT_EQ(all_in(target_), (Objects{{g, "/g/a"}, {object, "/g"}}));
}

TEST_F(DnanexusClone, InvalidStateSponsoredDestinationAndServiceSponsoredObjects) {
  make_org("sponsor");
  const std::string id = file(source_, "/", "f");
  set_standing(source_, id, [](Standing& one) { one.sponsored = true; });
  set_rules(target_, [](ContainerAccess& rules) { rules.sponsor = "sponsor"; });
  expect_refused(input({id}), "InvalidState");
  set_rules(target_, [](ContainerAccess& rules) { rules.sponsor = ""; });
  clone(input({id}));
}

TEST_F(DnanexusClone, InvalidStateSponsoredDestinationAndObjectsThatAreSponsoredElsewhere) {
  make_org("sponsor");
  const std::string other = project("other");
  set_rules(other, [](ContainerAccess& rules) { rules.sponsor = "sponsor"; });
  const std::string a = file(source_, "/", "a"), b = record(source_, "/f", "b");
  const std::string free = file(source_, "/", "free");
  api("/" + source_ + "/clone", {{"objects", {a, b}}, {"project", other}});
  set_rules(target_, [](ContainerAccess& rules) { rules.sponsor = "sponsor"; });
  expect_refused(input({a, free}, {"/f"}), "InvalidState");
  ASSERT_TRUE(details_.is_object());
  std::set<std::string> told;
  for (const Json& one : details_["alreadySponsored"]) {
    EXPECT_EQ(one["project"], other);
    told.insert(one["id"].get<std::string>());
  }
  EXPECT_EQ(told, (std::set<std::string>{a, b}));
  clone(input({free}));
}

TEST_F(DnanexusClone, InvalidStateObjectsAreBeingArchivedOrUnarchived) {
  const std::string id = file(source_, "/", "f");
  set_standing(source_, id, [](Standing& one) { one.archival = Archival::kArchiving; });
  expect_refused(input({id}), "InvalidState");
  EXPECT_NE(message_.find("Cannot clone one or more objects as they are being archived or "
                          "unarchived"),
            std::string::npos)
      << message_;
}

TEST_F(DnanexusClone, InvalidStateObjectsAreNotLiveAndTheBillToOrgsDiffer) {
  make_org("payer");
  set_rules(target_, [](ContainerAccess& rules) { rules.bill_to = "payer"; });
  const std::string id = file(source_, "/", "f");
  set_standing(source_, id, [](Standing& one) { one.archival = Archival::kArchived; });
  expect_refused(input({id}), "InvalidState");
  EXPECT_NE(message_.find("not in the live state"), std::string::npos) << message_;
  EXPECT_EQ(message_.find("in folder"), std::string::npos) << message_;
}

TEST_F(DnanexusClone, InvalidStateObjectsInFolderAreBeingArchivedOrUnarchived) {
  const std::string id = file(source_, "/f/deep", "f");
  set_standing(source_, id, [](Standing& one) { one.archival = Archival::kUnarchiving; });
  expect_refused(input({}, {"/f"}), "InvalidState");
  EXPECT_NE(message_.find("in folder \"/f\" as they are being archived or unarchived"),
            std::string::npos)
      << message_;
}

TEST_F(DnanexusClone, InvalidStateObjectsInFolderAreNotLiveAndTheBillToOrgsDiffer) {
  make_org("payer");
  set_rules(target_, [](ContainerAccess& rules) { rules.bill_to = "payer"; });
  const std::string id = file(source_, "/f", "f");
  set_standing(source_, id, [](Standing& one) { one.archival = Archival::kArchival; });
  expect_refused(input({}, {"/f"}), "InvalidState");
  EXPECT_NE(message_.find("in folder \"/f\" as they are not in the live state, and the source "
                          "project and destination project belong to different billTo orgs"),
            std::string::npos)
      << message_;
}

// --- errors: SpendingLimitExceeded and OrgExpired ------------------------------------------------

TEST_F(DnanexusClone, SpendingLimitExceededIfTheDestinationsBillToReachedItsLimitAndDiffers) {
  make_org("payer");
  const std::string id = file(source_, "/", "f");
  Principal payer = *store_->access().principal("payer");
  payer.at_spending_limit = true;
  ASSERT_TRUE(store_->access().update_principal(payer).ok());
  set_rules(target_, [](ContainerAccess& rules) { rules.bill_to = "payer"; });
  expect_refused(input({id}), "SpendingLimitExceeded");
  // The same payer pays for it already.
  set_rules(source_, [](ContainerAccess& rules) { rules.bill_to = "payer"; });
  clone(input({id}));
}

TEST_F(DnanexusClone, OrgExpiredIfTheDestinationsBillToHasExpired) {
  make_org("payer");
  const std::string id = file(source_, "/", "f");
  Principal payer = *store_->access().principal("payer");
  payer.account_expires = 1;
  ASSERT_TRUE(store_->access().update_principal(payer).ok());
  set_rules(target_, [](ContainerAccess& rules) { rules.bill_to = "payer"; });
  expect_refused(input({id}), "OrgExpired");
  payer.account_expires = 0;
  ASSERT_TRUE(store_->access().update_principal(payer).ok());
  clone(input({id}));
}

// --- listProjects --------------------------------------------------------------------------------

TEST_F(DnanexusClone, ListProjectsReturnsTheProjectsThatContainTheObject) {
  const std::string id = file(source_, "/", "f");
  EXPECT_EQ(api("/" + id + "/listProjects"), (Json{{source_, "ADMINISTER"}}));
  clone(input({id}));
  EXPECT_EQ(api("/" + id + "/listProjects"),
            (Json{{source_, "ADMINISTER"}, {target_, "ADMINISTER"}}));
}

TEST_F(DnanexusClone, ListProjectsReturnsThoseForWhichTheUserHasPermissions) {
  const std::string id = file(source_, "/", "f");
  clone(input({id}));
  grant(target_, "user-bob", "VIEW");
  EXPECT_EQ(as(bob_, "/" + id + "/listProjects"), (Json{{target_, "VIEW"}}));
}

TEST_F(DnanexusClone, ListProjectsIsFilteredToThoseThatTheTokenHasAtLeastViewAccessTo) {
  const std::string id = file(source_, "/", "f");
  clone(input({id}));
  Scope scope;
  scope.containers = {id_of_project(target_)};
  scope.most = AccessLevel::kView;
  const auto token = store_->access().create_token(id_of("alice"), "narrow", scope, 0);
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(as(token->secret, "/" + id + "/listProjects"), (Json{{target_, "VIEW"}}));
}

TEST_F(DnanexusClone, ListProjectsValueIsThePermissionLevelThatTheUserHas) {
  const std::string id = file(source_, "/", "f");
  for (const char* const level : {"VIEW", "UPLOAD", "CONTRIBUTE", "ADMINISTER"}) {
    grant(source_, "user-bob", level);
    EXPECT_EQ(as(bob_, "/" + id + "/listProjects"), (Json{{source_, level}}));
  }
}

TEST_F(DnanexusClone, ListProjectsLiveProjectsAreThoseWithALiveCopyForTheOrg) {
  make_org("team", {"alice"}, true);
  const std::string id = file(source_, "/", "f");
  clone(input({id}));
  const std::string unseen = project("unseen", {}, bob_);
  ASSERT_TRUE(store_->access().set_grant(id_of_project(unseen), id_of("alice"),
                                         AccessLevel::kUpload).ok());
  api("/" + source_ + "/clone", {{"objects", {id}}, {"project", unseen}});
  ASSERT_TRUE(store_->access().set_grant(id_of_project(unseen), id_of("alice"),
                                         AccessLevel::kNone).ok());
  set_rules(unseen, [](ContainerAccess& rules) { rules.bill_to = "team"; });
  set_standing(target_, id, [](Standing& one) { one.archival = Archival::kArchived; });
  Json answer = api("/" + id + "/listProjects", {{"archivalInfoForOrg", "org-team"}});
  std::set<std::string> live;
  for (const Json& one : answer["liveProjects"]) live.insert(one.get<std::string>());
  EXPECT_EQ(live, (std::set<std::string>{source_, unseen}));
  answer.erase("liveProjects");
  EXPECT_EQ(answer, (Json{{source_, "ADMINISTER"}, {target_, "ADMINISTER"}}));
}

TEST_F(DnanexusClone, ListProjectsLiveProjectsAreOnlyPresentWhenTheOrgIsSpecified) {
  EXPECT_FALSE(api("/" + file(source_, "/", "f") + "/listProjects").contains("liveProjects"));
}

TEST_F(DnanexusClone, ListProjectsResourceNotFoundTheSpecifiedObjectDoesNotExist) {
  const std::string id = file(source_, "/", "f");
  api("/" + source_ + "/removeObjects", {{"objects", {id}}});
  EXPECT_EQ(fails("/" + id + "/listProjects", Json::object()), "ResourceNotFound");
}

TEST_F(DnanexusClone, ListProjectsPermissionDeniedMustBeTheOrgAdmin) {
  make_org("team", {"bob"}, false);
  const std::string id = file(source_, "/", "f");
  const Json asked{{"archivalInfoForOrg", "org-team"}};
  EXPECT_EQ(fails("/" + id + "/listProjects", asked), "PermissionDenied");
  grant(source_, "user-bob", "VIEW");
  EXPECT_EQ(refused(bob_, "/" + id + "/listProjects", asked), "PermissionDenied");
  EXPECT_EQ(fails("/" + id + "/listProjects", {{"archivalInfoForOrg", "org-nobody"}}),
            "PermissionDenied");
}

}  // namespace
}  // namespace ramet::serve::test
