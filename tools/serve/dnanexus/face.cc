// The DNAnexus face: who asks, what for, and the answer (docs/dnanexus.md).
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

#include <fmt/format.h>

#include "tools/serve/content_source.h"
#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/routing.h"
#include "tools/serve/dnanexus/transfers.h"
#include "tools/serve/parse_json.h"

namespace ramet::serve {
namespace dnanexus {
namespace {

enum class Subject : uint8_t { kSystem, kUser, kOrg, kProject, kObject, kFile, kNew };

struct ApiRoute {
  Subject subject;
  std::string_view method;
  std::string_view operation;  // for logs and metrics
  CallHandler handler;
};

// Names in the order of the API's documentation. kFile goes before kObject, which is any class.
constexpr std::array kRoutes = {
    ApiRoute{Subject::kSystem, "whoami", "Whoami", whoami},
    ApiRoute{Subject::kSystem, "getUserInfo", "GetUserInfo", get_user_info},
    ApiRoute{Subject::kSystem, "greet", "Greet", greet},
    ApiRoute{Subject::kSystem, "headers", "Headers", echo_headers},
    ApiRoute{Subject::kSystem, "newAuthToken", "NewAuthToken", new_auth_token},
    ApiRoute{Subject::kSystem, "destroyAuthToken", "DestroyAuthToken", destroy_auth_token},
    ApiRoute{Subject::kSystem, "findDataObjects", "FindDataObjects", find_data_objects},
    ApiRoute{Subject::kSystem, "resolveDataObjects", "ResolveDataObjects", resolve_data_objects},
    ApiRoute{Subject::kSystem, "findProjects", "FindProjects", find_projects},
    ApiRoute{Subject::kSystem, "describeDataObjects", "DescribeDataObjects", describe_data_objects},
    ApiRoute{Subject::kSystem, "describeProjects", "DescribeProjects", describe_projects},
    ApiRoute{Subject::kSystem, "findApps", "FindApps", find_nothing},
    ApiRoute{Subject::kSystem, "findGlobalWorkflows", "FindGlobalWorkflows", find_nothing},
    ApiRoute{Subject::kSystem, "findExecutions", "FindExecutions", find_nothing},
    ApiRoute{Subject::kSystem, "findJobs", "FindJobs", find_nothing},
    ApiRoute{Subject::kSystem, "findAnalyses", "FindAnalyses", find_nothing},
    ApiRoute{Subject::kUser, "describe", "DescribeUser", describe_user},
    ApiRoute{Subject::kOrg, "describe", "DescribeOrg", describe_org},
    ApiRoute{Subject::kProject, "describe", "DescribeProject", describe_project},
    ApiRoute{Subject::kProject, "update", "UpdateProject", update_project},
    ApiRoute{Subject::kProject, "destroy", "DestroyProject", destroy_project},
    ApiRoute{Subject::kProject, "listFolder", "ListFolder", list_folder},
    ApiRoute{Subject::kProject, "newFolder", "NewFolder", new_folder},
    ApiRoute{Subject::kProject, "renameFolder", "RenameFolder", rename_folder},
    ApiRoute{Subject::kProject, "removeFolder", "RemoveFolder", remove_folder},
    ApiRoute{Subject::kProject, "removeObjects", "RemoveObjects", remove_objects},
    ApiRoute{Subject::kProject, "move", "Move", move_content},
    ApiRoute{Subject::kProject, "clone", "Clone", clone},
    ApiRoute{Subject::kProject, "invite", "Invite", invite},
    ApiRoute{Subject::kProject, "decreasePermissions", "DecreasePermissions", decrease_permissions},
    ApiRoute{Subject::kProject, "leave", "Leave", leave},
    ApiRoute{Subject::kProject, "setProperties", "SetProjectProperties", set_project_properties},
    ApiRoute{Subject::kProject, "addTags", "AddProjectTags", add_project_tags},
    ApiRoute{Subject::kProject, "removeTags", "RemoveProjectTags", remove_project_tags},
    ApiRoute{Subject::kProject, "archive", "Archive", archive},
    ApiRoute{Subject::kProject, "unarchive", "Unarchive", unarchive},
    ApiRoute{Subject::kFile, "upload", "Upload", upload_part},
    ApiRoute{Subject::kFile, "download", "Download", download_file},
    ApiRoute{Subject::kFile, "close", "CloseFile", close_file},
    ApiRoute{Subject::kObject, "describe", "DescribeObject", describe_object},
    ApiRoute{Subject::kObject, "rename", "Rename", rename_object},
    ApiRoute{Subject::kObject, "setProperties", "SetProperties", set_properties},
    ApiRoute{Subject::kObject, "addTags", "AddTags", add_tags},
    ApiRoute{Subject::kObject, "removeTags", "RemoveTags", remove_tags},
    ApiRoute{Subject::kObject, "addTypes", "AddTypes", add_types},
    ApiRoute{Subject::kObject, "removeTypes", "RemoveTypes", remove_types},
    ApiRoute{Subject::kObject, "setVisibility", "SetVisibility", set_visibility},
    ApiRoute{Subject::kObject, "setDetails", "SetDetails", set_details},
    ApiRoute{Subject::kObject, "getDetails", "GetDetails", get_details},
    ApiRoute{Subject::kObject, "close", "Close", close_object},
    ApiRoute{Subject::kObject, "listProjects", "ListProjects", list_projects},
};
constexpr ApiRoute kNewProject{Subject::kNew, "new", "NewProject", new_project};
constexpr ApiRoute kNewObject{Subject::kNew, "new", "NewObject", new_object};

const ApiRoute* find_route(std::string_view subject, std::string_view method) {
  std::vector<Subject> kinds;
  if (subject == "system") {
    kinds = {Subject::kSystem};
  } else if (subject == "project" || subject == "container") {
    return method == "new" ? &kNewProject : nullptr;
  } else if (parse_class(subject)) {
    return method == "new" ? &kNewObject : nullptr;
  } else if (subject.starts_with("user-")) {
    kinds = {Subject::kUser};
  } else if (subject.starts_with("org-")) {
    kinds = {Subject::kOrg};
  } else if (subject.starts_with("project-") || subject.starts_with("container-")) {
    kinds = {Subject::kProject};
  } else if (subject.starts_with("file-")) {
    kinds = {Subject::kFile, Subject::kObject};
  } else {
    kinds = {Subject::kObject};
  }
  for (const Subject kind : kinds) {
    for (const ApiRoute& route : kRoutes) {
      if (route.subject == kind && route.method == method) return &route;
    }
  }
  return nullptr;
}

// "1764000000000-17": the time in milliseconds and a number, as clients print it.
std::string request_id(int64_t now) {
  static std::atomic<uint64_t> last{0};
  constexpr uint64_t kNumbers = 1'000'000;
  return fmt::format("{:013}-{}", now, ++last % kNumbers);
}

constexpr uint64_t kLoginBytesMax = 4096;       // of a request that shows no credentials
constexpr size_t kLongInputBytes = 64u << 10;  // more is not parsed on the connection's thread

class DnanexusFace : public Face {
 public:
  explicit DnanexusFace(Services& services) : shared_(services) {
    ignore_error(shared_.uploads.sweep(), "what is left takes space; the next sweep tries again");
  }
  ~DnanexusFace() override {
    ignore_error(shared_.failed_logins.write(), "the store is about to be closed");
  }

  Status tick() override { return shared_.failed_logins.write(); }

  Task<Response> handle(Request& request, Body& body) override {
    if (request.path.starts_with(kTransferPath)) {
      Response transferred = co_await serve_transfer(shared_, request, body);
      transferred.fields.set("Cache-Control", "private, no-store");
      co_return transferred;
    }
    Call call{shared_, request, {}, Json::object(), {}, {}};
    request.id = request_id(now_ms());  // in the answer's X-Request-ID, and in the log
    const std::string_view path = std::string_view(request.path).substr(1);
    const size_t slash = path.find('/');
    call.subject = std::string(path.substr(0, slash));
    const ApiRoute* const route =
        slash == std::string_view::npos ? nullptr
                                        : find_route(call.subject, path.substr(slash + 1));
    Answer answer = co_await answer_of(call, body, route);
    Response response;
    if (answer.ok()) {
      response.body = answer->dump(-1, ' ', false, Json::error_handler_t::replace);
    } else {
      response = fault_response(answer.error());
    }
    response.fields.set("Content-Type", "application/json");
    response.fields.set("X-Content-Type-Options", "nosniff");
    response.fields.set("Cache-Control", "private, no-store");
    response.operation =
        route == nullptr ? "dnanexus.none" : fmt::format("dnanexus.{}", route->operation);
    response.principal = call.caller.principal.name;
    co_return response;
  }

 private:
  Task<Answer> answer_of(Call& call, Body& body, const ApiRoute* route) {
    if (route != nullptr && route->handler == new_auth_token) {
      RAMET_CO_TRY(co_await read_input(call, body, false, kLoginBytesMax));
      co_return co_await route->handler(call);
    }
    const auto ask = [&] { return shared_.authenticator.authenticate(call.request); };
    auto caller = Workers::at_once(ask);
    if (!caller) caller = co_await call.workers().run(ask);
    if (!caller->ok()) {
      const Error& error = caller->error();
      if (error.code() == ErrorCode::kBusy) {
        co_return Fault(Type::kRateLimitConditional, error.message());
      }
      if (error.code() != ErrorCode::kPermissionDenied) co_return Fault(error);
      co_return Fault(Type::kInvalidAuthentication, "the token could not be verified");
    }
    call.caller = std::move(**caller);
    if (route == nullptr) {
      co_return Fault(Type::kResourceNotFound,
                      fmt::format("there is no API route \"{}\"", call.request.path));
    }
    RAMET_CO_TRY(co_await read_input(call, body, route->handler == set_details,
                                     shared_.services.options.document_bytes_max));
    co_return co_await route->handler(call);
  }

  // An empty body is as one that says nothing.
  Task<Outcome<void>> read_input(Call& call, Body& body, bool may_be_array, uint64_t max) {
    auto head = co_await read_head(body, max);
    if (!head.ok()) co_return std::move(head).error();
    if (!head->whole) {
      co_return Fault(Type::kInvalidInput, fmt::format("the input is longer than {} bytes", max));
    }
    if (head->bytes.empty()) co_return Outcome<void>();
    const auto parse = [&head] { return parse_json(head->bytes); };
    Result<Json> input = Json();
    if (head->bytes.size() > kLongInputBytes) {
      input = co_await call.workers().run(parse);
    } else {
      input = parse();
    }
    if (!input.ok()) co_return Fault(Type::kMalformedJson, input.error().message());
    call.input = std::move(*input);
    if (call.input.is_object() || (may_be_array && call.input.is_array())) {
      co_return Outcome<void>();
    }
    co_return Fault(Type::kInvalidInput, "expected the input to be a hash");
  }

  Shared shared_;
};

}  // namespace

bool takes(const Request& request) {
  if (request.path.starts_with(kTransferPath)) return true;
  if (request.method != "POST" || !request.query.empty()) return false;
  if (request.fields.find("dnanexus-api")) return true;  // the official client, whatever it asks
  const std::string_view path = std::string_view(request.path).substr(1);
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos || slash + 1 == path.size() ||
      path.find('/', slash + 1) != std::string_view::npos) {
    return false;
  }
  const std::string_view first = path.substr(0, slash);
  constexpr std::array<std::string_view, 10> kClasses = {
      "system", "user", "org", "project", "container", "file", "record", "applet", "workflow",
      "database"};
  return std::any_of(kClasses.begin(), kClasses.end(), [&](std::string_view name) {
    return first == name || (first.starts_with(name) && first[name.size()] == '-');
  });
}

}  // namespace dnanexus

std::unique_ptr<Face> make_dnanexus_face(Services& services) {
  return std::make_unique<dnanexus::DnanexusFace>(services);
}

}  // namespace ramet::serve
