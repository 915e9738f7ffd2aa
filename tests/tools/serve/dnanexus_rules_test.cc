// Goal: the DNAnexus face keeps rules that no client asks about until they are broken: where open
// objects are worked on, what tokens and URLs are good for, whose copies are touched, what costs.
// Method: one case each, on a real store.
#include <algorithm>

#include "tests/tools/serve/dnanexus_fixture.h"

namespace ramet::serve::test {
namespace {

using DnanexusRules = DnanexusTest;

TEST_F(DnanexusRules, AnOpenFileIsWorkedOnWhereItWasMade) {
  const std::string home = project("m home");
  const std::string id = open_file(home, "/", "f");
  // A whole container keeps ids, and what is open.
  CloneSpec spec;
  spec.source = id_of_project(home);
  spec.new_container = "a copy";  // (the first by name)
  const auto copy = store_->clone(spec);
  ASSERT_TRUE(copy.ok());
  ASSERT_TRUE(store_->access().set_grant(copy->container, id_of("alice"),
                                         AccessLevel::kAdminister).ok());
  EXPECT_EQ(put_part(id, 1, "the content").status, 200);
  api("/" + id + "/close");
  EXPECT_EQ(api("/" + id + "/describe", {{"project", home}})["state"], "closed");
  const std::string there = dnanexus::to_text(copy->container);
  EXPECT_EQ(api("/" + id + "/describe", {{"project", there}})["state"], "open");
  EXPECT_EQ(content_of(id, home), "the content");
}

TEST_F(DnanexusRules, ATokenThatMayMakeNoOthersGetsNone) {
  Scope scope;
  scope.account = false;
  const auto narrow = store_->access().create_token(id_of("alice"), "narrow", scope, 0);
  ASSERT_TRUE(narrow.ok());
  const Json input{{"username", "alice"}, {"password", narrow->secret}, {"expires", nullptr}};
  EXPECT_EQ(refused("", "/system/newAuthToken", input), "PermissionDenied");
  EXPECT_EQ(refused("", "/system/newAuthToken",
                    {{"username", "alice"}, {"password", alice_}, {"expires", INT64_MAX}}),
            "InvalidInput");
  EXPECT_EQ(ask("", "/system/newAuthToken", {{"username", std::string(5000, 'x')}}).status, 422);
}

TEST_F(DnanexusRules, UrlsEndWithTheRightToThem) {
  const std::string home = project("home");
  const std::string id = file(home, "/", "f");
  grant(home, "user-bob", "VIEW");
  const std::string url = as(bob_, "/" + id + "/download", {{"project", home}})["url"];
  EXPECT_EQ(transfer("GET", url).body, "content");
  api("/" + home + "/update", {{"downloadRestricted", true}});
  EXPECT_EQ(transfer("GET", url).status, 403);
  EXPECT_EQ(refused(bob_, "/" + id + "/download", {{"project", home}}), "PermissionDenied");
  api("/" + home + "/update", {{"previewViewerRestricted", false}, {"downloadRestricted", false}});
  EXPECT_EQ(transfer("GET", url).status, 200);
  api("/" + home + "/decreasePermissions", {{"user-bob", nullptr}});
  EXPECT_EQ(transfer("GET", url).status, 403);
}

TEST_F(DnanexusRules, WhatARequiredLinkNamesComesAlongFromAPlainProjectToo) {
  const std::string source = project("source"), target = project("target");
  const std::string asset = file(source, "/assets", "asset");
  const Json depends = Json::array({{{"name", "a"}, {"id", link_to(asset)}}});
  const std::string applet = api("/applet/new", {{"project", source},
                                                 {"folder", "/tools"},
                                                 {"parents", true},
                                                 {"name", "tool"},
                                                 {"runSpec", {{"bundledDepends", depends}}}})["id"];
  api("/" + source + "/clone", {{"folders", {"/tools"}}, {"project", target}});
  EXPECT_EQ(all_in(target),
            (std::map<std::string, std::string>{{applet, "/tools/tool"}, {asset, "/asset"}}));
}

TEST_F(DnanexusRules, DetailsDoNotTakeAwayWhatAWorkflowNeeds) {
  const std::string source = project("source"), target = project("target");
  const std::string hidden =
      api("/applet/new", {{"project", source}, {"name", "h"}, {"hidden", true}})["id"];
  const Json stages = Json::array({{{"id", "stage-1"}, {"executable", hidden}}});
  const std::string workflow =
      api("/workflow/new", {{"project", source}, {"name", "w"}, {"stages", stages}})["id"];
  api("/" + workflow + "/setDetails", {{"note", 1}});
  api("/" + workflow + "/close");
  api("/" + source + "/clone", {{"objects", {workflow}}, {"project", target}});
  EXPECT_EQ(all_in(target),
            (std::map<std::string, std::string>{{workflow, "/w"}, {hidden, "/h"}}));
}

TEST_F(DnanexusRules, MissingFoldersOfADestinationTakeTheirNamesFromObjects) {
  const std::string source = project("source"), target = project("target");
  const std::string one = file(source, "/", "one"), there = file(target, "/", "x");
  api("/" + source + "/clone", {{"objects", {one}},
                                {"project", target},
                                {"destination", "/x/y"},
                                {"parents", true}});
  EXPECT_EQ(all_in(target),
            (std::map<std::string, std::string>{{one, "/x/y/one"}, {there, "/x"}}));
}

TEST_F(DnanexusRules, KeysOfBucketsAreFoundByTheirNames) {
  make("bucket", true);
  put("/v1/containers/bucket/content/x/y", "in a bucket");
  const Json found = as(token_, "/system/findProjects", {{"name", "bucket"}})["results"];
  ASSERT_EQ(found.size(), 1u);
  const Json scope{{"project", found[0]["id"]}, {"folder", "/"}, {"recurse", false}};
  const Json hits = as(token_, "/system/findDataObjects", {{"name", "x/y"}, {"scope", scope}});
  ASSERT_EQ(hits["results"].size(), 1u);
  EXPECT_EQ(as(token_, "/" + hits["results"][0]["id"].get<std::string>() + "/describe")["name"],
            "x/y");
}

TEST_F(DnanexusRules, SearchesWithoutAScopeLeaveOutWhatIsEveryones) {
  const std::string home = project("home");
  const std::string id = file(home, "/", "f");
  api("/" + home + "/invite", {{"invitee", "PUBLIC"}, {"level", "VIEW"}});
  EXPECT_EQ(as(bob_, "/system/findDataObjects", {{"name", "f"}})["results"], Json::array());
  const Json scope{{"project", home}};
  EXPECT_EQ(as(bob_, "/system/findDataObjects", {{"scope", scope}})["results"].size(), 1u);
}

TEST_F(DnanexusRules, ArchivingTouchesNobodyElsesCopies) {
  // Neither is billed to anybody.
  const std::string mine = project("mine"), theirs = project("theirs", {}, bob_);
  for (const std::string& one : {mine, theirs}) {
    set_rules(one, [](ContainerAccess& rules) { rules.bill_to.clear(); });
  }
  const std::string id = file(mine, "/", "f");
  ASSERT_TRUE(store_->access().set_grant(id_of_project(theirs), id_of("alice"),
                                         AccessLevel::kUpload).ok());
  api("/" + mine + "/clone", {{"objects", {id}}, {"project", theirs}});
  as(bob_, "/" + theirs + "/archive", {{"files", {id}}});
  EXPECT_EQ(as(bob_, "/" + id + "/describe", {{"project", theirs}})["archivalState"], "archived");
  api("/" + mine + "/archive", {{"files", {id}}});
  api("/" + mine + "/unarchive", {{"files", {id}}});
  EXPECT_EQ(as(bob_, "/" + id + "/describe", {{"project", theirs}})["archivalState"], "archived");
}

TEST_F(DnanexusRules, InputsThatCouldNeverBeKeptAreRefusedAtOnce) {
  const std::string home = project("home");
  const std::string id = record(home, "/", "r");
  Json many = Json::array();
  for (int i = 0; i < 1001; ++i) many.push_back("t" + std::to_string(i));
  EXPECT_EQ(fails("/" + id + "/addTags", {{"project", home}, {"tags", many}}), "InvalidInput");
  Json wide = Json::object();
  for (int i = 0; i < 2049; ++i) wide["k" + std::to_string(i)] = i;
  EXPECT_EQ(fails("/record/new", {{"project", home}, {"details", wide}}), "MalformedJSON");
  std::string deep = "1";
  for (int i = 0; i < 100; ++i) deep = "[" + deep + "]";
  EXPECT_EQ(send_to(*dx_, alice_, "POST", "/system/whoami", deep).status, 400);
  const std::string before = api("/" + home + "/describe")["name"];
  EXPECT_EQ(fails("/" + home + "/update", {{"name", "other"},
                                           {"restricted", true},
                                           {"description", std::string(70'000, 'd')}}),
            "InvalidInput");
  const Json after = api("/" + home + "/describe");
  EXPECT_EQ(after["name"], before);
  EXPECT_EQ(after["restricted"], false);
}

TEST_F(DnanexusRules, NobodyLearnsOfAccountsAndGrantsThatAreNotHis) {
  make_org("team", {"alice"}, true);
  EXPECT_FALSE(as(bob_, "/org-team/describe").contains("spendingLimitReached"));
  EXPECT_TRUE(api("/org-team/describe").contains("spendingLimitReached"));
  const std::string home = project("home");
  api("/" + home + "/invite", {{"invitee", "PUBLIC"}, {"level", "VIEW"}});
  EXPECT_EQ(as(bob_, "/" + home + "/describe", {{"permissions", true}})["permissions"],
            (Json{{"PUBLIC", "VIEW"}}));
}

}  // namespace
}  // namespace ramet::serve::test
