// The DNAnexus face without a server, over a store on real files: calls as clients make them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/tools/serve/rest_fixture.h"
#include "tools/serve/digest.h"
#include "tools/serve/dnanexus/ids.h"

namespace ramet::serve::test {

class DnanexusTest : public RestTest {
 protected:
  void SetUp() override {
    RestTest::SetUp();
    dx_ = make_dnanexus_face(*services_);
    alice_ = make_person("alice");
    bob_ = make_person("bob");
  }
  void TearDown() override {
    dx_.reset();
    RestTest::TearDown();
  }

  std::string make_person(const std::string& name) {
    Principal principal;
    principal.name = name;
    return make_user(principal);
  }

  // --- calls -------------------------------------------------------------------------------------
  Got ask(const std::string& token, const std::string& route, const Json& input) {
    return send_to(*dx_, token, "POST", route, input.dump(),
                   {{"Content-Type", "application/json"}, {"Host", "127.0.0.1:9440"}});
  }
  Json as(const std::string& token, const std::string& route, const Json& input = Json::object()) {
    const Got got = ask(token, route, input);
    EXPECT_EQ(got.status, 200) << route << " " << input << ": " << got.body;
    EXPECT_EQ(got.fields.get("content-type"), "application/json");
    return got.json();
  }
  // Alice's, who makes most things here.
  Json api(const std::string& route, const Json& input = Json::object()) {
    return as(alice_, route, input);
  }
  // The error's type, with the status that belongs to it.
  std::string refused(const std::string& token, const std::string& route, const Json& input) {
    const Got got = ask(token, route, input);
    if (got.status == 200) return "(" + got.body + ")";
    const Json error = got.json()["error"];
    const std::string type = error["type"];
    static const std::map<std::string, int> kStatus = {
        {"MalformedJSON", 400},    {"InvalidAuthentication", 401}, {"PermissionDenied", 401},
        {"SpendingLimitExceeded", 403}, {"OrgExpired", 403}, {"ResourceNotFound", 404},
        {"InvalidInput", 422},     {"InvalidState", 422},          {"InvalidType", 422}};
    const auto status = kStatus.find(type);
    EXPECT_TRUE(status != kStatus.end() && status->second == got.status) << got.body;
    message_ = error["message"];
    details_ = error.value("details", Json());
    return type;
  }
  std::string fails(const std::string& route, const Json& input) {
    return refused(alice_, route, input);
  }

  // --- things ------------------------------------------------------------------------------------
  std::string project(const std::string& name, Json input = Json::object(),
                      const std::string& token = {}) {
    input["name"] = name;
    return as(token.empty() ? alice_ : token, "/project/new", input)["id"];
  }
  void folder(const std::string& container, const std::string& path) {
    api("/" + container + "/newFolder", {{"folder", path}, {"parents", true}});
  }
  // Closed, unless `input` says otherwise.
  std::string record(const std::string& container, const std::string& where,
                     const std::string& name, Json input = Json::object()) {
    input["project"] = container;
    input["folder"] = where;
    input["parents"] = true;
    input["name"] = name;
    if (!input.contains("close")) input["close"] = true;
    return api("/record/new", input)["id"];
  }
  std::string open_file(const std::string& container, const std::string& where,
                        const std::string& name, Json input = Json::object()) {
    input["project"] = container;
    input["folder"] = where;
    input["parents"] = true;
    input["name"] = name;
    return api("/file/new", input)["id"];
  }
  std::string md5_of(const std::string& bytes) {
    return to_hex(digest_of(Algorithm::kMd5, bytes));
  }
  Got put_part(const std::string& file, int index, const std::string& bytes) {
    const Json to = api("/" + file + "/upload",
                        {{"index", index}, {"size", bytes.size()}, {"md5", md5_of(bytes)}});
    return transfer("PUT", to["url"], bytes);
  }
  // By the URL alone.
  Got transfer(const std::string& method, const std::string& url, const std::string& body = {},
               const Headers& headers = {}) {
    const size_t path = url.find("/v1/");
    EXPECT_NE(path, std::string::npos) << url;
    return send_to(*dx_, "", method, url.substr(path), body, headers);
  }
  std::string file(const std::string& container, const std::string& where, const std::string& name,
                   const std::string& content = "content", Json input = Json::object()) {
    const std::string id = open_file(container, where, name, std::move(input));
    EXPECT_EQ(put_part(id, 1, content).status, 200);
    api("/" + id + "/close");
    return id;
  }
  std::string content_of(const std::string& id, const std::string& container,
                         const Headers& headers = {}) {
    const Json from = api("/" + id + "/download", {{"project", container}});
    return transfer("GET", from["url"], "", headers).body;
  }

  // "/folder/name" of each object, by id; and the folders, with a "/" behind them.
  std::map<std::string, std::string> all_in(const std::string& container) {
    std::map<std::string, std::string> out;
    const Json found =
        as(token_, "/system/findDataObjects",
           {{"scope", {{"project", container}}},
            {"visibility", "either"},
            {"describe", {{"fields", {{"folder", true}, {"name", true}}}}}});
    for (const Json& one : found["results"]) {
      const std::string where = one["describe"]["folder"];
      out[one["id"]] = (where == "/" ? "" : where) + "/" +
                       one["describe"]["name"].get<std::string>();
    }
    return out;
  }
  std::set<std::string> folders_of(const std::string& container) {
    const Json described = as(token_, "/" + container + "/describe", {{"folders", true}});
    std::set<std::string> out;
    for (const Json& path : described["folders"]) out.insert(path.get<std::string>());
    return out;
  }
  void grant(const std::string& container, const std::string& who, const std::string& level) {
    api("/" + container + "/invite", {{"invitee", who}, {"level", level}});
  }
  ContainerId id_of_project(const std::string& text) { return *dnanexus::parse_container(text); }
  // What is administered: the container's rules.
  template <typename Change>
  void set_rules(const std::string& container, const Change& change) {
    ContainerAccess rules = *store_->access().container_access(id_of_project(container));
    change(rules);
    ASSERT_TRUE(store_->access().set_container_access(id_of_project(container), rules).ok());
  }
  template <typename Change>
  void set_standing(const std::string& container, const std::string& object,
                    const Change& change) {
    auto transaction = std::move(*store_->begin(id_of_project(container)));
    const ObjectId id = dnanexus::parse_object(object)->id;
    Standing standing = transaction->object(id)->standing;
    change(standing);
    ASSERT_TRUE(transaction->set_standing(id, standing).ok());
    ASSERT_TRUE(transaction->commit().ok());
  }
  void make_org(const std::string& name, const std::vector<std::string>& members = {},
                bool admin = false) {
    Principal org;
    org.name = name;
    org.kind = PrincipalKind::kGroup;
    const auto made = store_->access().create_principal(org);
    ASSERT_TRUE(made.ok());
    for (const std::string& member : members) {
      Principal principal = *store_->access().principal(member);
      principal.groups.push_back({made->id, admin});
      ASSERT_TRUE(store_->access().update_principal(principal).ok());
    }
  }

  std::unique_ptr<Face> dx_;
  std::string alice_, bob_;
  std::string message_;
  Json details_;
};

inline Json link_to(const std::string& id) { return {{"$dnanexus_link", id}}; }

}  // namespace ramet::serve::test
