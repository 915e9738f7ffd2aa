// What the REST face answers: each resource once with what it is for, and what it refuses.
#include <array>
#include <chrono>
#include <set>
#include <sstream>
#include <thread>

#include "tests/tools/serve/rest_fixture.h"
#include "tools/serve/rest/json.h"
#include "tools/serve/rest/openapi.h"
#include "tools/serve/rest/routes.h"
#include "tools/serve/rest/upload_expiry.h"

namespace ramet::serve::test {
namespace {

std::string pattern_bytes(size_t size) {
  std::string bytes(size, '\0');
  uint32_t state = 12345;
  for (char& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

TEST_F(RestTest, NothingIsAnsweredWithoutCredentials) {
  for (const std::string target : {"/v1", "/openapi.json", "/v1/containers", "/v1/nothing"}) {
    const Got got = send("", "GET", target);
    EXPECT_EQ(got.status, 401) << target;
    EXPECT_EQ(got.fields.get("www-authenticate").substr(0, 6), "Bearer");
    EXPECT_EQ(got.fields.get("content-type"), "application/problem+json");
    EXPECT_EQ(got.json()["request_id"], "test-request");
  }
  EXPECT_EQ(send("rmt_wrong", "GET", "/v1").status, 401);
}

TEST_F(RestTest, ProblemsNameWhatIsWrong) {
  const Got query = get("/v1/containers?colour=red");
  EXPECT_EQ(query.status, 400);
  EXPECT_NE(query.json()["detail"].get<std::string>().find("colour"), std::string::npos);
  EXPECT_EQ(query.json()["code"], "invalid_argument");
  const Got member = post("/v1/containers", {{"name", "a"}, {"colour", 1}});
  EXPECT_EQ(member.status, 400);
  EXPECT_NE(member.json()["detail"].get<std::string>().find("colour"), std::string::npos);
  EXPECT_EQ(get("/v1/containers/a").status, 404);
  const Got method = send(token_, "PUT", "/v1/containers");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.fields.get("allow"), "GET, POST");
  EXPECT_EQ(send(token_, "POST", "/v1/containers", "{\"name\":\"a\",\"name\":\"b\"}").status, 400);
  EXPECT_EQ(send(token_, "POST", "/v1/containers", "{}", {{"Content-Type", "text/plain"}}).status,
            415);
  EXPECT_EQ(get("/v1/containers?limit=1&limit=2").status, 400);
  EXPECT_EQ(get("/v1/containers?limit=0").status, 400);
}

TEST_F(RestTest, ContainersAreMadeListedChangedAndDropped) {
  make("alpha");
  make("beta", true);
  EXPECT_EQ(post("/v1/containers", {{"name", "alpha"}}).status, 409);
  EXPECT_EQ(post("/v1/containers", {{"name", ".uploads"}}).status, 400);
  const Json first = get("/v1/containers?limit=1").json();
  ASSERT_EQ(first["containers"].size(), 1u);
  EXPECT_EQ(first["containers"][0]["name"], "alpha");
  EXPECT_EQ(first["next"], "alpha");
  const Json second = get("/v1/containers?after=alpha").json();
  ASSERT_EQ(second["containers"].size(), 1u);
  EXPECT_EQ(second["containers"][0]["flat"], true);
  EXPECT_EQ(get("/v1/containers?prefix=be").json()["containers"].size(), 1u);
  EXPECT_EQ(get("/v1/containers?prefix=beta").json()["containers"].size(), 1u);
  const std::string id = second["containers"][0]["id"];
  EXPECT_EQ(get("/v1/containers/" + id).json()["name"], "beta");
  const Got changed = patch("/v1/containers/beta", {{"name", "gamma"},
                                                    {"settings", {{"compression", "none"}}}});
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(get("/v1/containers/gamma/settings").json()["compression"]["value"], "none");
  EXPECT_EQ(patch("/v1/containers/gamma/settings", {{"colour", "red"}}).status, 400);
  EXPECT_EQ(remove("/v1/containers/gamma").status, 204);
  EXPECT_EQ(get("/v1/containers/gamma").status, 404);
  const Json dropped = get("/v1/dropped").json()["dropped"];
  ASSERT_EQ(dropped.size(), 1u);
  const std::string number = std::to_string(dropped[0]["number"].get<uint64_t>());
  EXPECT_EQ(post("/v1/dropped/" + number + "/undelete", {{"as", "delta"}}).status, 200);
  EXPECT_EQ(get("/v1/containers/delta").json()["id"], id);
}

TEST_F(RestTest, ContentIsStoredReadInRangesAndReplacedOnCondition) {
  make("c");
  const std::string bytes = pattern_bytes(300'000);
  const std::string url = "/v1/containers/c/content/a/b.bin";
  EXPECT_EQ(put(url, bytes).status, 404);  // no folder
  const Got made = put(url + "?parents", bytes, {{"Content-Type", "image/x-test"},
                                                 {"If-None-Match", "*"}});
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string etag(made.fields.get("etag"));
  const Got all = get(url);
  EXPECT_EQ(all.status, 200);
  EXPECT_EQ(all.body, bytes);
  EXPECT_EQ(all.fields.get("etag"), etag);
  EXPECT_EQ(all.fields.get("content-type"), "image/x-test");
  const Got range = get(url, {{"Range", "bytes=1000-1999"}});
  EXPECT_EQ(range.status, 206);
  EXPECT_EQ(range.body, bytes.substr(1000, 1000));
  EXPECT_EQ(range.fields.get("content-range"), "bytes 1000-1999/300000");
  EXPECT_EQ(get(url, {{"Range", "bytes=300000-"}}).status, 416);
  EXPECT_EQ(get(url, {{"If-None-Match", etag}}).status, 304);
  EXPECT_EQ(get(url, {{"If-Match", "\"other\""}}).status, 412);
  EXPECT_EQ(put(url, "new", {{"If-None-Match", "*"}}).status, 412);
  EXPECT_EQ(put(url, "new", {{"If-Match", "\"other\""}}).status, 412);
  EXPECT_EQ(get(url).body, bytes);
  const Got replaced = put(url, "new", {{"If-Match", etag}});
  EXPECT_EQ(replaced.status, 200) << replaced.body;
  EXPECT_EQ(get(url).body, "new");
  const Got head = send(token_, "HEAD", url);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(get("/v1/containers/c/content/a").status, 409);
  EXPECT_EQ(get("/v1/containers/c/content/none").status, 404);
  const Json object = get("/v1/containers/c/objects/a/b.bin").json();
  EXPECT_EQ(object["size"], 3);
  const std::string id = object["id"];
  EXPECT_EQ(get("/v1/containers/c/ids/" + id + "/content").body, "new");
  EXPECT_EQ(get("/v1/containers/c/ids/" + id).json()["path"], "/a/b.bin");
  EXPECT_EQ(put("/v1/containers/c/content/empty", "").status, 201);
  // Small content, too, has the entity tag by which it is asked for.
  const Got small = put("/v1/containers/c/content/small", "x");
  EXPECT_EQ(small.fields.get("etag"), get("/v1/containers/c/content/small").fields.get("etag"));
  const std::string small_etag(small.fields.get("etag"));
  EXPECT_EQ(put("/v1/containers/c/content/small", "y", {{"If-Match", small_etag}}).status, 200);
  EXPECT_EQ(put("/v1/containers/c/content/small", "z", {{"If-Match", small_etag}}).status, 412);
  EXPECT_EQ(get("/v1/containers/c/content/empty").body, "");
}

TEST_F(RestTest, LongBodiesAreStagedAndLeaveNothingBehind) {
  make("c");
  const std::string bytes = pattern_bytes(5'000'000);
  ASSERT_EQ(put("/v1/containers/c/content/big", bytes).status, 201);
  EXPECT_TRUE(get("/v1/containers/c/content/big").body == bytes);
  const auto staging = store_->container(".uploads");
  ASSERT_TRUE(staging.ok());
  EXPECT_EQ(staging->summary[SummaryColumn::kObjects], 0u);
  // It is nobody's.
  EXPECT_EQ(get("/v1/containers/.uploads").status, 404);
  EXPECT_EQ(get("/v1/containers").json()["containers"].size(), 1u);
}

TEST_F(RestTest, TrickyPathsAreRefused) {
  make("c");
  make("flat", true);
  ASSERT_EQ(put("/v1/containers/c/content/a", "1").status, 201);
  const std::string root = "/v1/containers/c/content/";
  for (const std::string path :
       {"../a", "x/../a", "%2e%2e/a", "%2e/a", "x//a", "a%00b", "a%2Fb", "/a", ".", "%2E%2E"}) {
    EXPECT_EQ(get(root + path).status, 400) << path;
    EXPECT_EQ(put(root + path, "x").status, 400) << path;
  }
  EXPECT_EQ(put(root + "%c0%ae%c0%ae/a", "x").status, 400);  // overlong UTF-8
  EXPECT_EQ(put(root + "%ff", "x").status, 400);
  EXPECT_EQ(get(root + "%ff").status, 404);  // may have been imported
  EXPECT_EQ(put(root + std::string(256, 'x'), "x").status, 400);
  EXPECT_EQ(get(root + "a%").status, 400);
  EXPECT_EQ(get("/v1/containers/c%00/content/a").status, 400);
  // In a flat container names are keys: whatever they look like.
  const std::string flat = "/v1/containers/flat/content/";
  EXPECT_EQ(put(flat + "a//b", "key").status, 201);
  EXPECT_EQ(put(flat + "%2e%2e/c", "dots").status, 201);
  EXPECT_EQ(get(flat + "a//b").body, "key");
  EXPECT_EQ(get(flat + "%2e%2e/c").body, "dots");
  EXPECT_EQ(get(flat + "../c").status, 400);
  EXPECT_EQ(put(flat + "a%00", "x").status, 400);
  EXPECT_EQ(put(flat + std::string(1024, 'k'), "x").status, 201);
  EXPECT_EQ(put(flat + std::string(1025, 'k'), "x").status, 400);
  EXPECT_EQ(get("/v1/containers/flat/folders/").json()["entries"].size(), 3u);
}

TEST_F(RestTest, FoldersAreMadeListedMovedAndRemoved) {
  make("c");
  EXPECT_EQ(put("/v1/containers/c/folders/a/b", "").status, 201);
  EXPECT_EQ(put("/v1/containers/c/folders/a/b", "").status, 200);
  for (const char* name : {"1", "2", "3"}) {
    ASSERT_EQ(put(std::string("/v1/containers/c/content/a/b/") + name, name).status, 201);
  }
  const Json page = get("/v1/containers/c/folders/a/b?limit=2").json();
  ASSERT_EQ(page["entries"].size(), 2u);
  EXPECT_EQ(page["next"], "2");
  EXPECT_EQ(get("/v1/containers/c/folders/a/b?after=2").json()["entries"][0]["path"], "/a/b/3");
  EXPECT_EQ(post("/v1/containers/c/move", {{"from", "/a/b"}, {"to", "/d"}}).status, 204);
  EXPECT_EQ(get("/v1/containers/c/content/d/1").body, "1");
  EXPECT_EQ(remove("/v1/containers/c/folders/d").status, 409);
  EXPECT_EQ(remove("/v1/containers/c/folders/d?recursive").status, 204);
  EXPECT_EQ(get("/v1/containers/c/folders/d").status, 404);
  EXPECT_EQ(get("/v1/containers/c/folders").json()["entries"].size(), 1u);
  EXPECT_EQ(remove("/v1/containers/c/folders/").status, 409);
}

TEST_F(RestTest, MetadataIsPatched) {
  make("c");
  ASSERT_EQ(put("/v1/containers/c/content/o", "x").status, 201);
  const Got set = patch("/v1/containers/c/objects/o",
                        {{"metadata", {{"tags", {"red"}}, {"properties", {{"a", "1"}, {"b", "2"}}},
                                       {"details", {{"n", 1}}}}},
                         {"attributes", {{"mode", "600"}}}});
  ASSERT_EQ(set.status, 200) << set.body;
  const Got again = patch("/v1/containers/c/objects/o",
                          {{"metadata", {{"properties", {{"a", nullptr}}}}}});
  ASSERT_EQ(again.status, 200) << again.body;
  const Json now = get("/v1/containers/c/objects/o").json();
  EXPECT_EQ(now["properties"], Json({{"b", "2"}}));
  EXPECT_EQ(now["tags"], Json({"red"}));
  EXPECT_EQ(now["details"]["n"], 1);
  EXPECT_EQ(now["attributes"]["mode"], "100600");
  EXPECT_EQ(patch("/v1/containers/c/objects/o", {{"colour", 1}}).status, 400);
  EXPECT_EQ(patch("/v1/containers/c/objects/o", {{"attributes", {{"mode", "40755"}}}}).status, 400);
  EXPECT_EQ(patch("/v1/containers/c/objects/none", Json::object()).status, 404);
  // What is said of an object stays with it when its content is replaced.
  ASSERT_EQ(put("/v1/containers/c/content/o", "y").status, 200);
  EXPECT_EQ(get("/v1/containers/c/objects/o").json()["tags"], Json({"red"}));
  EXPECT_EQ(send(token_, "PUT", "/v1/containers/c/objects/link", R"({"target":"o"})").status, 201);
  EXPECT_EQ(get("/v1/containers/c/objects/link").json()["class"], "symlink");
  EXPECT_EQ(get("/v1/containers/c/content/link").status, 409);
}

TEST_F(RestTest, SnapshotsCanBeReadAndRolledBackTo) {
  make("c");
  const std::string url = "/v1/containers/c/content/o";
  ASSERT_EQ(put(url, "old").status, 201);
  ASSERT_EQ(post("/v1/containers/c/snapshots", {{"name", "s1"}}).status, 201);
  ASSERT_EQ(put(url, "new").status, 200);
  EXPECT_EQ(get(url + "?as-of=s1").body, "old");
  EXPECT_EQ(get(url + "?as-of=@s1").body, "old");
  EXPECT_EQ(get(url + "?as-of=s2").status, 404);
  EXPECT_EQ(get(url + "?as-of=1999-01-01T00:00:00Z").status, 404);
  EXPECT_EQ(get(url + "?as-of=2999-01-01T00:00:00Z").body, "new");
  const Json diff = get("/v1/containers/c/diff?from=@s1").json();
  ASSERT_EQ(diff["differences"].size(), 1u);
  EXPECT_EQ(diff["differences"][0]["kind"], "content");
  EXPECT_EQ(post("/v1/containers/c/rollback", {{"snapshot", "s1"}}).status, 200);
  EXPECT_EQ(get(url).body, "old");
  EXPECT_EQ(get("/v1/containers/c/snapshots").json()["snapshots"].size(), 2u);
  EXPECT_EQ(remove("/v1/containers/c/snapshots/s1").status, 204);
  EXPECT_EQ(remove("/v1/containers/c/snapshots/s1").status, 404);
  EXPECT_EQ(post("/v1/containers/c/prune", {{"policy", "last:1"}, {"dry_run", true}}).status, 200);
}

TEST_F(RestTest, ClonesShareAndThenGoTheirOwnWays) {
  make("c");
  ASSERT_EQ(put("/v1/containers/c/content/o", "one").status, 201);
  const Got cloned = post("/v1/clone", {{"source", "c"}, {"new_container", "d"}});
  ASSERT_EQ(cloned.status, 201) << cloned.body;
  EXPECT_EQ(cloned.json()["objects_created"], 1);
  ASSERT_EQ(put("/v1/containers/d/content/o", "two").status, 200);
  EXPECT_EQ(get("/v1/containers/c/content/o").body, "one");
  EXPECT_EQ(get("/v1/containers/c/diff?from=c&to=d").json()["differences"].size(), 1u);
  const Got part = post("/v1/clone", {{"source", "c"}, {"paths", {"/o"}}, {"target", "d"},
                                      {"target_folder", "/in"}, {"identity", "fresh"}});
  ASSERT_EQ(part.status, 200) << part.body;
  EXPECT_EQ(get("/v1/containers/d/content/in/o").body, "one");
  EXPECT_EQ(post("/v1/clone", {{"source", "c"}}).status, 400);
  EXPECT_EQ(send(token_, "PUT", "/v1/containers/c/access", R"({"restricted":true})").status, 200);
  EXPECT_EQ(post("/v1/clone", {{"source", "c"}, {"new_container", "e"}}).status, 403);
}

TEST_F(RestTest, VersionsAreKeptShownAndRemoved) {
  ASSERT_EQ(post("/v1/containers", {{"name", "c"}, {"settings", {{"versioning", "on"}}}}).status,
            201);
  const std::string url = "/v1/containers/c/content/o";
  ASSERT_EQ(put(url, "first").status, 201);
  ASSERT_EQ(put(url, "second").status, 200);
  const Json versions = get("/v1/containers/c/versions/o").json()["versions"];
  ASSERT_EQ(versions.size(), 2u);
  const std::string first = std::to_string(versions[1]["version"].get<uint64_t>());
  EXPECT_EQ(get(url + "?version=" + first).body, "first");
  ASSERT_EQ(remove("/v1/containers/c/objects/o").status, 204);
  EXPECT_EQ(get(url).status, 404);
  EXPECT_EQ(get(url + "?version=" + first).body, "first");
  EXPECT_EQ(get("/v1/containers/c/versions/o").json()["versions"].size(), 3u);
  EXPECT_EQ(get("/v1/containers/c/folders/?removed").json()["entries"].size(), 1u);
  EXPECT_EQ(remove("/v1/containers/c/objects/o?version=" + first).status, 204);
  EXPECT_EQ(get(url + "?version=" + first).status, 404);
  // As of a time between two versions.
  ASSERT_EQ(put(url, "third").status, 201);
  const std::string when = get("/v1/containers/c/objects/o").json()["attributes"]["modified"];
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_EQ(put(url, "fourth").status, 200);
  EXPECT_EQ(get(url).body, "fourth");
}

TEST_F(RestTest, UploadsGoOnAfterARestart) {
  make("c");
  const std::string bytes = pattern_bytes(3'000'000);
  const Got begun = post("/v1/containers/c/uploads", {{"length", bytes.size()}});
  ASSERT_EQ(begun.status, 201) << begun.body;
  const std::string url(begun.fields.get("location"));
  Got appended = send(token_, "PATCH", url, bytes.substr(0, 2'000'000), {{"Upload-Offset", "0"}});
  ASSERT_EQ(appended.status, 204) << appended.body;
  EXPECT_EQ(appended.fields.get("upload-offset"), "2000000");
  stop();
  start();
  const Got head = send(token_, "HEAD", url);
  EXPECT_EQ(head.fields.get("upload-offset"), "2000000");
  EXPECT_EQ(head.fields.get("upload-complete"), "?0");
  EXPECT_EQ(send(token_, "PATCH", url, "x", {{"Upload-Offset", "5"}}).status, 409);
  EXPECT_EQ(send(token_, "PATCH", url, "x").status, 400);
  EXPECT_EQ(post(url + "/complete", {{"path", "/up"}}).status, 409);
  EXPECT_EQ(send(token_, "PATCH", url, pattern_bytes(1'000'001),
                 {{"Upload-Offset", "2000000"}}).status, 400);  // longer than was said
  appended = send(token_, "PATCH", url, bytes.substr(2'000'000), {{"Upload-Offset", "2000000"}});
  ASSERT_EQ(appended.status, 204) << appended.body;
  EXPECT_EQ(appended.fields.get("upload-complete"), "?1");
  const Got complete = post(url + "/complete", {{"path", "/up"}});
  ASSERT_EQ(complete.status, 201) << complete.body;
  EXPECT_TRUE(get("/v1/containers/c/content/up").body == bytes);
  EXPECT_EQ(get(url).status, 404);
  const Got other = post("/v1/containers/c/uploads", Json::object());
  EXPECT_EQ(get("/v1/containers/c/uploads").json()["uploads"].size(), 1u);
  EXPECT_EQ(remove(std::string(other.fields.get("location"))).status, 204);
  EXPECT_EQ(get("/v1/containers/c/uploads").json()["uploads"].size(), 0u);
}

TEST_F(RestTest, UploadsThatRestForLongGo) {
  make("c");
  ASSERT_EQ(*rest::remove_resting_uploads(*store_, INT64_MAX), 0u);
  std::vector<std::string> urls;
  for (int i = 0; i < 3; ++i) {
    const Got begun = post("/v1/containers/c/uploads", Json::object());
    ASSERT_EQ(begun.status, 201) << begun.body;
    urls.emplace_back(begun.fields.get("location"));
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t before = std::chrono::nanoseconds(now).count();
  ASSERT_EQ(send(token_, "PATCH", urls[1], "abc", {{"Upload-Offset", "0"}}).status, 204);
  EXPECT_EQ(*rest::remove_resting_uploads(*store_, before), 2u);
  EXPECT_EQ(get(urls[0]).status, 404);
  EXPECT_EQ(send(token_, "PATCH", urls[0], "abc", {{"Upload-Offset", "0"}}).status, 404);
  ASSERT_EQ(post(urls[1] + "/complete", {{"path", "/up"}}).status, 201);
  EXPECT_EQ(get("/v1/containers/c/content/up").body, "abc");
  EXPECT_EQ(*rest::remove_resting_uploads(*store_, INT64_MAX), 0u);
}

TEST_F(RestTest, BatchesAreAllOrNothingAndCanAskForAState) {
  make("c");
  ASSERT_EQ(put("/v1/containers/c/content/old", "x").status, 201);
  const std::string etag(get("/v1/containers/c").fields.get("etag"));
  const Json good = {{"operations",
                      {{{"op", "mkdir"}, {"path", "/d"}},
                       {{"op", "put"}, {"path", "/d/a"}, {"content", "YWJj"},
                        {"metadata", {{"tags", {"t"}}}}},
                       {{"op", "move"}, {"path", "/old"}, {"to", "/d/new"}}}}};
  const Got done = post("/v1/containers/c/batch", good, {{"If-Match", etag}});
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(get("/v1/containers/c/content/d/a").body, "abc");
  EXPECT_EQ(get("/v1/containers/c/content/d/new").body, "x");
  EXPECT_EQ(get("/v1/containers/c").fields.get("etag"), done.fields.get("etag"));
  // Of a former state.
  EXPECT_EQ(post("/v1/containers/c/batch", {{"operations", Json::array()}},
                 {{"If-Match", etag}}).status, 412);
  const Json bad = {{"operations",
                     {{{"op", "put"}, {"path", "/b"}, {"content", "YWJj"}},
                      {{"op", "delete"}, {"path", "/none"}}}}};
  const Got failed = post("/v1/containers/c/batch", bad);
  EXPECT_EQ(failed.status, 404);
  EXPECT_NE(failed.json()["detail"].get<std::string>().find("operations[1]"), std::string::npos);
  EXPECT_EQ(get("/v1/containers/c/content/b").status, 404);
}

TEST_F(RestTest, SearchSaysHowFarItCame) {
  make("c");
  for (int i = 0; i < 20; ++i) {
    const std::string name = "/v1/containers/c/content/d" + std::to_string(i % 4) + "/f" +
                             std::to_string(i) + (i % 2 == 0 ? ".txt" : ".bin");
    ASSERT_EQ(put(name + "?parents", std::string(static_cast<size_t>(i), 'x')).status, 201);
  }
  ASSERT_EQ(patch("/v1/containers/c/objects/d1/f5.bin",
                  {{"metadata", {{"tags", {"red"}}, {"properties", {{"a", "1"}}}}}}).status, 200);
  const std::string url = "/v1/containers/c/search";
  EXPECT_EQ(get(url + "?name=*.txt").json()["found"].size(), 10u);
  EXPECT_EQ(get(url + "?tag=red").json()["found"].size(), 1u);
  EXPECT_EQ(get(url + "?property=a:1&tag=red").json()["found"].size(), 1u);
  EXPECT_EQ(get(url + "?property=a:2").json()["found"].size(), 0u);
  EXPECT_EQ(get(url + "?min-size=15").json()["found"].size(), 5u);
  EXPECT_EQ(get(url + "?folder=/d1").json()["found"].size(), 5u);
  EXPECT_EQ(get(url + "?class=folder").json()["found"].size(), 4u);
  // However few are looked at in a request, all are found, each once.
  for (const std::string scan : {"1", "3", "7"}) {
    std::vector<std::string> found;
    std::string after;
    for (int rounds = 0; rounds < 100; ++rounds) {
      const Json part = get(url + "?name=*.bin&scan=" + scan +
                            (after.empty() ? "" : "&after=" + percent_encode(after))).json();
      for (const Json& one : part["found"]) found.push_back(one["path"]);
      if (part["complete"] == true) break;
      after = part["next"];
    }
    EXPECT_EQ(found.size(), 10u) << scan;
    std::sort(found.begin(), found.end());
    EXPECT_EQ(std::unique(found.begin(), found.end()), found.end());
  }
}

TEST_F(RestTest, JobsRunAndTellWhatTheyFound) {
  make("c");
  ASSERT_EQ(put("/v1/containers/c/content/o", pattern_bytes(100'000)).status, 201);
  for (const Json& body : {Json{{"kind", "verify"}, {"container", "c"}},
                           Json{{"kind", "checkpoint"}},
                           Json{{"kind", "reclaim"}, {"dry_run", true}},
                           Json{{"kind", "usage"}}}) {
    const Got begun = post("/v1/jobs", body);
    ASSERT_EQ(begun.status, 202) << begun.body;
    const std::string url(begun.fields.get("location"));
    Json job;
    do {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      job = get(url).json();
    } while (job["finished"].is_null());
    EXPECT_EQ(job["state"], "done") << job.dump();
  }
  EXPECT_EQ(get("/v1/jobs").json()["jobs"].size(), 4u);
  EXPECT_EQ(get("/v1/jobs").json()["jobs"][3]["result"]["objects"], 1);
  EXPECT_EQ(post("/v1/jobs", {{"kind", "nothing"}}).status, 400);
  EXPECT_EQ(get("/v1/jobs/99").status, 404);
  EXPECT_EQ(post("/v1/usage", {{"targets", {{{"container", "c"}}}}, {"would_free", true}}).status,
            200);
  EXPECT_GT(get("/v1/containers/c/usage").json()["would_free"]["bytes"].get<uint64_t>(), 0u);
}

TEST_F(RestTest, ChangesAreToldAndResumed) {
  make("c");
  ASSERT_EQ(put("/v1/containers/c/content/a", "1").status, 201);
  ASSERT_EQ(post("/v1/containers/c/snapshots", {{"name", "s"}}).status, 201);
  const std::string url = "/v1/containers/c/changes";
  const Got now = send(token_, "GET", url, "", {}, 1);
  EXPECT_EQ(now.status, 200);
  EXPECT_EQ(now.fields.get("content-type"), "text/event-stream");
  ASSERT_EQ(now.body.substr(0, 4), "id: ");
  const std::string id = now.body.substr(4, now.body.find('\n') - 4);
  ASSERT_EQ(put("/v1/containers/c/content/b", "2").status, 201);
  const Got resumed = send(token_, "GET", url, "", {{"Last-Event-ID", id}}, 1);
  EXPECT_NE(resumed.body.find("\"added\",\"path\":\"/b\""), std::string::npos) << resumed.body;
  EXPECT_EQ(resumed.body.find("/a\""), std::string::npos);
  const Got since = send(token_, "GET", url + "?since=@s", "", {}, 1);
  EXPECT_NE(since.body.find("/b"), std::string::npos);
  EXPECT_EQ(since.body.find("/a\""), std::string::npos);
  const Got lost = send(token_, "GET", url, "", {{"Last-Event-ID", "1"}}, 1);
  EXPECT_NE(lost.body.find("event: reset"), std::string::npos);
  EXPECT_EQ(get(url + "?since=s").status, 400);
}

TEST_F(RestTest, PrincipalsAreAdministeredAndSecretsToldOnce) {
  EXPECT_EQ(post("/v1/users", {{"name", "ann"}}).status, 201);
  EXPECT_EQ(post("/v1/users", {{"name", "ann"}}).status, 409);
  EXPECT_EQ(post("/v1/groups", {{"name", "team"}}).status, 201);
  EXPECT_EQ(send(token_, "PUT", "/v1/groups/team/members/ann", R"({"admin":true})").status, 201);
  EXPECT_EQ(get("/v1/groups/team").json()["members"][0]["user"], "ann");
  const Got made = post("/v1/tokens", {{"principal", "ann"}, {"name", "laptop"}});
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string ann = made.json()["secret"];
  EXPECT_FALSE(get("/v1/tokens?principal=ann").json()["tokens"][0].contains("secret"));
  EXPECT_EQ(send(ann, "GET", "/v1/me").json()["name"], "ann");
  EXPECT_EQ(send(ann, "GET", "/v1/users/root").status, 404);
  EXPECT_EQ(send(ann, "GET", "/v1/users").status, 403);
  EXPECT_EQ(send(ann, "PATCH", "/v1/users/ann", R"({"title":"Ann"})").status, 200);
  EXPECT_EQ(send(ann, "PATCH", "/v1/users/ann", R"({"super_admin":true})").status, 403);
  // A secret cannot be made for more than the one that asks.
  const Got narrow = send(ann, "POST", "/v1/tokens", R"({"scope":{"level":"view"}})");
  ASSERT_EQ(narrow.status, 201) << narrow.body;
  const std::string viewer = narrow.json()["secret"];
  EXPECT_EQ(send(viewer, "POST", "/v1/tokens", R"({"scope":{"level":"administer"}})").status, 403);
  const Got key = post("/v1/keys", {{"principal", "ann"}});
  ASSERT_EQ(key.status, 201);
  EXPECT_EQ(remove("/v1/keys/" + key.json()["id"].get<std::string>()).status, 204);
  const std::string id = narrow.json()["id"];
  EXPECT_EQ(send(ann, "DELETE", "/v1/tokens/" + id).status, 204);
  EXPECT_EQ(send(viewer, "GET", "/v1/me").status, 401);
  const std::string log = get("/v1/audit").body;
  EXPECT_NE(log.find("ann"), std::string::npos);
  EXPECT_EQ(log.find(ann), std::string::npos);
  EXPECT_EQ(remove("/v1/users/ann").status, 204);
  EXPECT_EQ(send(ann, "GET", "/v1/me").status, 401);
}

// --- the table of (route x level) ----------------------------------------------------------------

std::string target_of(const rest::Route& route) {
  static const std::map<std::string, std::string> kValues = {
      {"{container}", "c"}, {"{path...}", "o"},  {"{snapshot}", "s"}, {"{principal}", "root"},
      {"{number}", "1"},    {"{user}", "x"},     {"{group}", "x"},    {"{token}", "x"},
      {"{key}", "x"},       {"{job}", "1"},      {"{upload}", "x"},
      {"{object}", "00000000-0000-4000-8000-000000000000"}};
  std::string target(route.pattern);
  for (const auto& [name, value] : kValues) {
    const size_t at = target.find(name);
    if (at != std::string::npos) target.replace(at, name.size(), value);
  }
  return target;
}

TEST_F(RestTest, EveryRouteRefusesEverybodyBelowItsLevel) {
  make("c");
  ASSERT_EQ(put("/v1/containers/c/content/o", "x").status, 201);
  const ContainerId c = store_->container("c")->id;
  static constexpr std::array kLevels = {AccessLevel::kNone, AccessLevel::kView,
                                         AccessLevel::kUpload, AccessLevel::kContribute,
                                         AccessLevel::kAdminister};
  std::map<AccessLevel, std::string> tokens;
  for (const AccessLevel level : kLevels) {
    const std::string name = "u-" + std::string(level_name(level));
    tokens[level] = make_user(name);
    ASSERT_TRUE(store_->access().set_grant(c, id_of(name), level).ok());
  }
  Scope confined;
  confined.account = false;
  Principal service;
  service.name = "confined";
  const std::string no_account = make_user(service, confined);

  for (const rest::Route& route : rest::routes()) {
    const std::string method(route.method), target = target_of(route);
    const std::string what = method + " " + target;
    EXPECT_EQ(send("", method, target).status, 401) << what;
    if (route.need == rest::Need::kAccount || route.need == rest::Need::kSuperAdmin) {
      EXPECT_EQ(send(no_account, method, target).status, 403) << what;
    }
    if (route.need == rest::Need::kSuperAdmin) {
      EXPECT_EQ(send(tokens[AccessLevel::kAdminister], method, target).status, 403) << what;
    }
    if (target.find("/c") == std::string::npos || route.pattern.find("{container}") ==
                                                      std::string_view::npos) {
      continue;
    }
    const auto least = static_cast<AccessLevel>(static_cast<int>(route.need) -
                                                static_cast<int>(rest::Need::kView) + 1);
    // A body that no route takes, so that nobody whom it lets in changes anything by it.
    const std::string body = "[";
    for (const AccessLevel level : kLevels) {
      if (level >= least) break;
      const Got got = send(tokens[level], method, target, body);
      EXPECT_EQ(got.status, level == AccessLevel::kNone ? 404 : 403)
          << what << " as " << level_name(level) << " " << got.body;
      if (level != AccessLevel::kNone) continue;
      // Not to be told from one that is not there, but for its name.
      const std::string none_target =
          "/v1/containers/zzz" + target.substr(std::string("/v1/containers/c").size());
      const Got none = send(tokens[level], method, none_target, body);
      EXPECT_EQ(none.status, 404) << what;
      EXPECT_EQ(none.json()["title"], got.json()["title"]);
    }
  }
  EXPECT_EQ(get("/v1/containers/c/content/o").body, "x");
}

TEST_F(RestTest, LevelsAreAskedForByWhatARequestDoes) {
  make("c");
  ASSERT_EQ(put("/v1/containers/c/content/o", "x").status, 201);
  const ContainerId c = store_->container("c")->id;
  const std::string uploader = make_user("up");
  const std::string contributor = make_user("contrib");
  ASSERT_TRUE(store_->access().set_grant(c, id_of("up"), AccessLevel::kUpload).ok());
  ASSERT_TRUE(store_->access().set_grant(c, id_of("contrib"), AccessLevel::kContribute).ok());
  const std::string url = "/v1/containers/c/content/";
  EXPECT_EQ(send(uploader, "PUT", url + "new", "y").status, 201);
  EXPECT_EQ(send(uploader, "PUT", url + "o", "y").status, 403);
  const std::string batch =
      R"({"operations":[{"op":"put","path":"/b"},{"op":"delete","path":"/o"}]})";
  EXPECT_EQ(send(uploader, "POST", "/v1/containers/c/batch", batch).status, 403);
  EXPECT_EQ(get(url + "b").status, 404);
  EXPECT_EQ(send(uploader, "POST", "/v1/clone", R"({"source":"c","new_container":"n"})").status,
            403);
  EXPECT_EQ(send(contributor, "PUT", url + "o", "y").status, 200);
  ASSERT_EQ(send(token_, "PUT", "/v1/containers/c/access", R"({"protected":true})").status, 200);
  EXPECT_EQ(send(contributor, "DELETE", "/v1/containers/c/objects/o").status, 403);
  EXPECT_EQ(send(contributor, "PUT", url + "o", "z").status, 403);
  EXPECT_EQ(remove("/v1/containers/c/objects/o").status, 204);
}

// Each route is described, with its query parameters and its level, and nothing else is.
TEST(RestRoutes, TheDescriptionHasEachRouteAndNothingElse) {
  const Json document = Json::parse(rest::openapi_text());
  const Json& parameters = document["components"]["parameters"];
  std::set<std::string> described;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method != "parameters") described.insert(operation["operationId"]);
    }
  }
  for (const rest::Route& route : rest::routes()) {
    std::string path(route.pattern), method(route.method);
    if (const size_t dots = path.find("...}"); dots != std::string::npos) path.erase(dots, 3);
    for (char& c : method) c = static_cast<char>(c | 0x20);
    ASSERT_TRUE(document["paths"].contains(path)) << path;
    ASSERT_TRUE(document["paths"][path].contains(method)) << method << " " << path;
    const Json& operation = document["paths"][path][method];
    EXPECT_EQ(operation["operationId"], route.operation);
    EXPECT_EQ(operation["x-ramet-need"], rest::need_name(route.need)) << route.operation;
    std::set<std::string> names, takes;
    for (Json parameter : operation.value("parameters", Json::array())) {
      if (parameter.contains("$ref")) {
        const std::string reference = parameter["$ref"];
        parameter = parameters[reference.substr(reference.rfind('/') + 1)];
      }
      if (parameter["in"] == "query") names.insert(parameter["name"]);
    }
    std::istringstream words{std::string(route.query)};
    for (std::string word; words >> word;) {
      if (word.ends_with("...")) word.resize(word.size() - 3);
      takes.insert(word);
    }
    EXPECT_EQ(names, takes) << route.operation;
    described.erase(std::string(route.operation));
  }
  EXPECT_EQ(described, std::set<std::string>{});
}

TEST(RestRoutes, PatternsAreFoundWithTheirParameters) {
  rest::PathParams params;
  std::string allowed;
  const rest::Route* route =
      rest::find_route("GET", "/v1/containers/a%20b/content/x/y%2Fz", params, allowed);
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->operation, "getContent");
  EXPECT_EQ(params[0].second, "a%20b");
  EXPECT_EQ(params[1].second, "x/y%2Fz");
  EXPECT_EQ(rest::find_route("GET", "/v1/containers//content/x", params, allowed), nullptr);
  EXPECT_EQ(rest::find_route("GET", "/v1/nothing", params, allowed), nullptr);
  EXPECT_EQ(allowed, "");
  EXPECT_NE(rest::find_route("GET", "/v1/containers/a/folders", params, allowed), nullptr);
  EXPECT_EQ(rest::find_route("GET", "", params, allowed), nullptr);
}

TEST(RestJson, BytesGoThroughBase64AndNamesKeepThem) {
  for (size_t size = 0; size < 70; ++size) {
    const std::string bytes = pattern_bytes(size);
    EXPECT_EQ(*rest::from_base64(rest::to_base64(bytes)), bytes);
  }
  EXPECT_EQ(rest::to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(rest::to_base64("fooba"), "Zm9vYmE=");
  for (const char* wrong : {"Zm9", "Zm9vYmF=", "Zm9 ", "====", "Zg=A"}) {
    EXPECT_FALSE(rest::from_base64(wrong).ok()) << wrong;
  }
  rest::Json json;
  rest::set_name(json, "name", "a\xff");
  EXPECT_EQ(json["name"], "a\xEF\xBF\xBD");
  EXPECT_EQ(json["name_bytes"], "Yf8=");
  EXPECT_FALSE(rest::parse_json(std::string(100'000, '[')).ok());
  EXPECT_FALSE(rest::parse_json("{\"a\":1,\"a\":2}").ok());
  EXPECT_FALSE(rest::parse_json("\"\xff\"").ok());
}

}  // namespace
}  // namespace ramet::serve::test
