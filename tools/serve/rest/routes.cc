#include "tools/serve/rest/routes.h"

#include <algorithm>
#include <array>

#include "tools/serve/rest/handlers.h"

namespace ramet::serve::rest {
namespace {

const Route kRoutes[] = {
    {"GET", "/v1", "getService", Need::kCaller, "", get_service},
    {"GET", "/v1/openapi.json", "getOpenApi", Need::kCaller, "", get_openapi},
    {"GET", "/openapi.json", "getOpenApiAtRoot", Need::kCaller, "", get_openapi},
    {"GET", "/v1/me", "getMe", Need::kCaller, "", get_me},
    {"GET", "/v1/containers", "listContainers", Need::kCaller,
     "prefix after limit", list_containers},
    {"POST", "/v1/containers", "createContainer", Need::kAccount, "", create_container},
    {"GET", "/v1/containers/{container}", "getContainer", Need::kView, "", get_container},
    {"PATCH", "/v1/containers/{container}", "updateContainer", Need::kAdminister,
     "", update_container},
    {"DELETE", "/v1/containers/{container}", "dropContainer", Need::kAdminister,
     "now", drop_container},
    {"GET", "/v1/containers/{container}/settings", "getSettings", Need::kView, "", get_settings},
    {"PATCH", "/v1/containers/{container}/settings", "updateSettings", Need::kAdminister,
     "", update_settings},
    {"GET", "/v1/containers/{container}/access", "getAccess", Need::kView, "", get_access},
    {"PUT", "/v1/containers/{container}/access", "setAccess", Need::kAdminister, "", put_access},
    {"GET", "/v1/containers/{container}/grants", "listGrants", Need::kAdminister, "", list_grants},
    {"PUT", "/v1/containers/{container}/grants/{principal}", "setGrant", Need::kAdminister,
     "", put_grant},
    {"DELETE", "/v1/containers/{container}/grants/{principal}", "removeGrant", Need::kAdminister,
     "", delete_grant},
    {"GET", "/v1/containers/{container}/snapshots", "listSnapshots", Need::kView,
     "after limit", list_snapshots},
    {"POST", "/v1/containers/{container}/snapshots", "createSnapshot", Need::kContribute,
     "", create_snapshot},
    {"GET", "/v1/containers/{container}/snapshots/{snapshot}", "getSnapshot", Need::kView,
     "", get_snapshot},
    {"PATCH", "/v1/containers/{container}/snapshots/{snapshot}",
     "updateSnapshot", Need::kAdminister,
     "", update_snapshot},
    {"DELETE", "/v1/containers/{container}/snapshots/{snapshot}", "dropSnapshot", Need::kAdminister,
     "now", drop_snapshot},
    {"POST", "/v1/containers/{container}/prune", "pruneSnapshots", Need::kAdminister,
     "", prune_snapshots},
    {"POST", "/v1/containers/{container}/rollback", "rollback", Need::kAdminister, "", rollback},
    {"GET", "/v1/dropped", "listDropped", Need::kAccount, "after limit", list_dropped},
    {"POST", "/v1/dropped/{number}/undelete", "undelete", Need::kAccount, "", undelete},
    {"POST", "/v1/clone", "clone", Need::kCaller, "", clone},
    {"GET", "/v1/containers/{container}/diff", "diff", Need::kView, "from to after limit", diff},
    {"GET", "/v1/containers/{container}/usage", "getUsage", Need::kView, "", get_usage},
    {"POST", "/v1/usage", "computeUsage", Need::kCaller, "", compute_usage},
    {"GET", "/v1/containers/{container}/folders/{path...}", "listFolder", Need::kView,
     "as-of after prefix limit removed", list_folder},
    {"PUT", "/v1/containers/{container}/folders/{path...}", "createFolder", Need::kUpload,
     "", put_folder},
    {"DELETE", "/v1/containers/{container}/folders/{path...}", "removeFolder", Need::kContribute,
     "recursive", delete_folder},
    {"POST", "/v1/containers/{container}/move", "move", Need::kContribute, "", move},
    {"GET", "/v1/containers/{container}/objects/{path...}", "getObject", Need::kView,
     "as-of version", get_object},
    {"PUT", "/v1/containers/{container}/objects/{path...}", "createObject", Need::kUpload,
     "", put_object},
    {"PATCH", "/v1/containers/{container}/objects/{path...}", "updateObject", Need::kContribute,
     "version", patch_object},
    {"DELETE", "/v1/containers/{container}/objects/{path...}", "removeObject", Need::kContribute,
     "version", delete_object},
    {"GET", "/v1/containers/{container}/content/{path...}", "getContent", Need::kView,
     "as-of version", get_content},
    {"HEAD", "/v1/containers/{container}/content/{path...}", "headContent", Need::kView,
     "as-of version", get_content},
    {"PUT", "/v1/containers/{container}/content/{path...}", "putContent", Need::kUpload,
     "parents", put_content},
    {"GET", "/v1/containers/{container}/versions/{path...}", "listVersions", Need::kView,
     "limit", list_versions},
    {"GET", "/v1/containers/{container}/ids/{object}", "getObjectById", Need::kView,
     "as-of version", get_by_id},
    {"GET", "/v1/containers/{container}/ids/{object}/content", "getContentById", Need::kView,
     "as-of version", get_content_by_id},
    {"HEAD", "/v1/containers/{container}/ids/{object}/content", "headContentById", Need::kView,
     "as-of version", get_content_by_id},
    {"GET", "/v1/containers/{container}/uploads", "listUploads", Need::kUpload, "", list_uploads},
    {"POST", "/v1/containers/{container}/uploads", "createUpload", Need::kUpload,
     "", create_upload},
    {"GET", "/v1/containers/{container}/uploads/{upload}", "getUpload", Need::kUpload,
     "", get_upload},
    {"HEAD", "/v1/containers/{container}/uploads/{upload}", "headUpload", Need::kUpload,
     "", head_upload},
    {"PATCH", "/v1/containers/{container}/uploads/{upload}", "appendUpload", Need::kUpload,
     "", append_upload},
    {"DELETE", "/v1/containers/{container}/uploads/{upload}", "abortUpload", Need::kUpload,
     "", abort_upload},
    {"POST", "/v1/containers/{container}/uploads/{upload}/complete",
     "completeUpload", Need::kUpload,
     "", complete_upload},
    {"POST", "/v1/containers/{container}/batch", "batch", Need::kUpload, "", batch},
    {"GET", "/v1/containers/{container}/search", "search", Need::kView,
     "name type tag... property... min-size max-size class folder as-of after limit scan", search},
    {"GET", "/v1/containers/{container}/changes", "watchChanges", Need::kView,
     "since", watch_changes},
    {"GET", "/v1/jobs", "listJobs", Need::kCaller, "", list_jobs},
    {"POST", "/v1/jobs", "createJob", Need::kCaller, "", create_job},
    {"GET", "/v1/jobs/{job}", "getJob", Need::kCaller, "", get_job},
    {"DELETE", "/v1/jobs/{job}", "cancelJob", Need::kCaller, "", cancel_job},
    {"GET", "/v1/users", "listUsers", Need::kSuperAdmin, "after limit", list_users},
    {"POST", "/v1/users", "createUser", Need::kSuperAdmin, "", create_user},
    {"GET", "/v1/users/{user}", "getUser", Need::kAccount, "", get_user},
    {"PATCH", "/v1/users/{user}", "updateUser", Need::kAccount, "", update_user},
    {"DELETE", "/v1/users/{user}", "removeUser", Need::kSuperAdmin, "", delete_user},
    {"GET", "/v1/groups", "listGroups", Need::kAccount, "after limit", list_groups},
    {"POST", "/v1/groups", "createGroup", Need::kSuperAdmin, "", create_group},
    {"GET", "/v1/groups/{group}", "getGroup", Need::kAccount, "", get_group},
    {"PATCH", "/v1/groups/{group}", "updateGroup", Need::kSuperAdmin, "", update_group},
    {"DELETE", "/v1/groups/{group}", "removeGroup", Need::kSuperAdmin, "", delete_group},
    {"PUT", "/v1/groups/{group}/members/{user}", "setMember", Need::kAccount, "", put_member},
    {"DELETE", "/v1/groups/{group}/members/{user}", "removeMember", Need::kAccount,
     "", delete_member},
    {"GET", "/v1/tokens", "listTokens", Need::kAccount, "principal", list_tokens},
    {"POST", "/v1/tokens", "createToken", Need::kAccount, "", create_token},
    {"DELETE", "/v1/tokens/{token}", "removeToken", Need::kAccount, "", delete_token},
    {"GET", "/v1/keys", "listKeys", Need::kAccount, "principal", list_keys},
    {"POST", "/v1/keys", "createKey", Need::kAccount, "", create_key},
    {"DELETE", "/v1/keys/{key}", "removeKey", Need::kAccount, "", delete_key},
    {"GET", "/v1/audit", "listAudit", Need::kSuperAdmin, "after limit", list_audit},
};

// The first segment of a path, cut off with its '/'.
std::string_view cut_segment(std::string_view& path) {
  path.remove_prefix(1);
  const size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

bool matches(std::string_view pattern, std::string_view path, PathParams& params) {
  params.clear();
  while (!pattern.empty()) {
    std::string_view part = cut_segment(pattern);
    if (part.ends_with("...}")) {
      part = part.substr(1, part.size() - 5);
      params.emplace_back(part, path.empty() ? path : path.substr(1));
      return true;
    }
    if (path.empty()) return false;
    const std::string_view segment = cut_segment(path);
    if (part.starts_with('{')) {
      if (segment.empty()) return false;
      params.emplace_back(part.substr(1, part.size() - 2), segment);
    } else if (part != segment) {
      return false;
    }
  }
  return path.empty() || path == "/";
}

}  // namespace

std::string_view need_name(Need need) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "caller", "account", "super admin", "view", "upload", "contribute", "administer"};
  return kNames[static_cast<size_t>(need)];
}

std::span<const Route> routes() { return kRoutes; }

const Route* find_route(std::string_view method, std::string_view path, PathParams& params,
                        std::string& allowed) {
  allowed.clear();
  if (!path.starts_with('/')) return nullptr;
  for (const Route& route : kRoutes) {
    if (route.method == method && matches(route.pattern, path, params)) return &route;
  }
  for (const Route& route : kRoutes) {
    if (!matches(route.pattern, path, params)) continue;
    if (!allowed.empty()) allowed += ", ";
    allowed += route.method;
  }
  params.clear();
  return nullptr;
}

}  // namespace ramet::serve::rest
