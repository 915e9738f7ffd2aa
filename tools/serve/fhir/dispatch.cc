#include "tools/serve/fhir/dispatch.h"

#include <fmt/format.h>

namespace ramet::serve::fhir {
namespace {

constexpr Route kMetadata{capabilities, "Capabilities", true, false};
constexpr Route kBatch{batch, "Batch"};
constexpr Route kCreate{create, "Create"};
constexpr Route kSearch{search, "Search", true};
constexpr Route kSearchForm{search, "Search", true, true, false, true};
constexpr Route kConditionalUpdate{conditional_update, "ConditionalUpdate"};
constexpr Route kRead{read, "Read", true};
constexpr Route kUpdate{update, "Update"};
constexpr Route kPatch{patch, "Patch"};
constexpr Route kDelete{remove, "Delete"};
constexpr Route kHistory{history, "History", true};
constexpr Route kVersion{read_version, "VersionRead", true};
constexpr Route kReadBinary{read_binary, "ReadBinary", true};
constexpr Route kWriteBinary{nullptr, "WriteBinary", false, true, true};
constexpr Route kInit{init_project, "InitProject"};
constexpr Route kClone{clone_project, "CloneProject"};
constexpr Route kRotate{rotate_secret, "RotateSecret"};
constexpr Route kExpunge{expunge, "Expunge"};
constexpr Route kJob{job_status, "JobStatus", true};

constexpr Route kToken{token, "Token", false, false, false, true};
constexpr Route kMe{me, "Me", true};
constexpr Route kUserInfo{userinfo, "UserInfo", true, true, false, true};
constexpr Route kAdminProject{admin_project, "AdminProject", true};
constexpr Route kAdminClient{admin_client, "AdminClient"};
constexpr Route kAdminBot{admin_bot, "AdminBot"};
constexpr Route kAdminInvite{admin_invite, "AdminInvite"};

}  // namespace

const Route* find_fhir_route(const Request& request, const std::vector<std::string>& path) {
  const std::string& method = request.method;
  const bool gets = method == "GET" || method == "HEAD";
  const size_t parts = path.size();
  if (parts == 0) return method == "POST" ? &kBatch : nullptr;
  const std::string& type = path[0];
  if (parts == 1) {
    if (type == "metadata") return gets ? &kMetadata : nullptr;
    if (gets) return &kSearch;
    if (method == "POST") return type == "Binary" ? &kWriteBinary : &kCreate;
    return method == "PUT" ? &kConditionalUpdate : nullptr;
  }
  if (parts == 2) {
    if (path[1] == "_search") return method == "POST" ? &kSearchForm : nullptr;
    if (type == "Project" && path[1] == "$init") return method == "POST" ? &kInit : nullptr;
    if (gets) return type == "Binary" ? &kReadBinary : &kRead;
    if (method == "PUT") return type == "Binary" ? &kWriteBinary : &kUpdate;
    if (method == "PATCH") return &kPatch;
    return method == "DELETE" ? &kDelete : nullptr;
  }
  if (parts == 3) {
    if (gets && path[2] == "_history") return &kHistory;
    if (gets && type == "job" && path[2] == "status") return &kJob;
    if (method != "POST") return nullptr;
    if (type == "Project" && path[2] == "$clone") return &kClone;
    if (type == "ClientApplication" && path[2] == "$rotate-secret") return &kRotate;
    return path[2] == "$expunge" ? &kExpunge : nullptr;
  }
  return parts == 4 && gets && path[2] == "_history" ? &kVersion : nullptr;
}

const Route* find_other_route(const Request& request, const std::vector<std::string>& path) {
  const bool gets = request.method == "GET";
  const bool posts = request.method == "POST";
  if (path.size() == 2 && path[0] == "oauth2") {
    if (path[1] == "token") return posts ? &kToken : nullptr;
    return path[1] == "userinfo" && (gets || posts) ? &kUserInfo : nullptr;
  }
  if (path.size() == 2 && path[0] == "auth") return path[1] == "me" && gets ? &kMe : nullptr;
  if (path.size() < 3 || path[0] != "admin" || path[1] != "projects") return nullptr;
  if (path.size() == 3) return gets ? &kAdminProject : nullptr;
  if (path.size() != 4 || !posts) return nullptr;
  if (path[3] == "client") return &kAdminClient;
  if (path[3] == "bot") return &kAdminBot;
  return path[3] == "invite" ? &kAdminInvite : nullptr;
}

Outcome<std::vector<std::string>> split_url_path(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) {
      RAMET_ASSIGN(std::string part, percent_decode(path.substr(0, slash)));
      out.push_back(std::move(part));
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return out;
}

Outcome<Answer> dispatch_entry(Call& call) {
  constexpr std::string_view kPrefix = "/fhir/R4/";
  const std::string_view path = std::string_view(call.request.path).substr(kPrefix.size());
  RAMET_ASSIGN(call.path, split_url_path(path));
  RAMET_ASSIGN(call.params, parse_query(call.request.query));
  const Route* const route = find_fhir_route(call.request, call.path);
  if (route == nullptr || route == &kBatch) {
    return Fault(Issue::kNotFound, fmt::format("there is no {} {}", call.request.method,
                                               call.request.path));
  }
  if (route->handler == nullptr) {
    return Fault(Issue::kNotSupported, "a Binary is written by a request of its own");
  }
  return route->handler(call);
}

}  // namespace ramet::serve::fhir
