// Cloning and comparing.
#include <fmt/format.h>

#include "tools/serve/content_rules.h"
#include "tools/serve/rest/changes.h"
#include "tools/serve/rest/diff.h"
#include "tools/serve/rest/handlers.h"

namespace ramet::serve::rest {
namespace {

struct CloneRequest {
  std::string source;
  std::string target;
  CloneSpec spec;
  ContainerAccess rules;  // of a new container
};

// The members are those of CloneSpec; containers by name or id.
Result<CloneRequest> read_clone(const Json& json) {
  Members in(json);
  CloneRequest out;
  out.source = in.required("source");
  out.target = in.text("target");
  CloneSpec& spec = out.spec;
  spec.snapshot = in.text("snapshot");
  spec.paths = in.texts("paths");
  spec.new_container = in.text("new_container");
  spec.target_folder = in.text("target_folder");
  spec.target_name = in.text("target_name");
  spec.identity = static_cast<CloneIdentity>(in.choice("identity", {"keep", "fresh"}, 0));
  spec.existing = static_cast<CloneExisting>(in.choice("existing", {"fail", "skip", "replace"}, 0));
  spec.history = in.flag("history");
  spec.note = in.text("note");
  spec.expires = in.time("expires");
  if (!out.target.empty() && !spec.new_container.empty()) {
    in.fail("target", "does not go with 'new_container'");
  }
  if (out.target.empty() && spec.new_container.empty()) {
    in.fail("new_container", "is missing, and so is 'target'");
  }
  RAMET_TRY(in.done());
  return out;
}

// What the caller may do on both sides.
Status check_clone(Call& call, CloneRequest& request) {
  CloneSpec& spec = request.spec;
  RAMET_ASSIGN(const Call::Other source, call.other_container(request.source));
  spec.source = source.info.id;
  const auto refused = [&](std::string why) {
    return call.refuse(403, ErrorCode::kPermissionDenied, std::move(why));
  };
  if (!spec.new_container.empty()) {
    if (source.info.form == ContainerForm::kRecords) spec.identity = CloneIdentity::kFresh;
    if (spec.new_container == kStagingContainer) {
      return Error(ErrorCode::kInvalidArgument, "this name is the store's own");
    }
    const Principal& principal = call.caller.principal;
    if (!call.caller.scope.account || (!principal.may_create && !principal.super_admin)) {
      return refused("this user, or token, may not create containers");
    }
    RAMET_ASSIGN(request.rules, rules_of_clone(source.rules));
    return ok();
  }
  RAMET_ASSIGN(const Call::Other target, call.other_container(request.target));
  spec.target = target.info.id;
  if (source.info.id != target.info.id) RAMET_TRY(check_may_go(source.rules, target.rules));
  call.level = target.level;
  call.rules = target.rules;
  RAMET_TRY(call.require(AccessLevel::kUpload, "cloning into it"));
  return spec.existing == CloneExisting::kReplace ? call.require_removal("replacing in it") : ok();
}

// One side of a comparison: "container[@snapshot]"; "@snapshot" or nothing: of the path's one.
struct Side {
  std::shared_ptr<const View> view;
  Sequence changed = 0;  // of a head; 0: a snapshot, which never changes
};
Result<Side> side_of(Call& call, const std::string& text) {
  const size_t at = text.find('@');
  const std::string name = text.substr(0, at);
  const std::string snapshot = at == std::string::npos ? "" : text.substr(at + 1);
  if (at != std::string::npos && snapshot.empty()) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' names no snapshot", text));
  }
  ContainerId id = call.container.id;
  if (!name.empty()) {
    RAMET_ASSIGN(const Call::Other other, call.other_container(name));
    id = other.info.id;
  }
  Side side;
  if (!snapshot.empty()) {
    RAMET_ASSIGN(side.view, call.store().view(id, snapshot));
    return side;
  }
  RAMET_ASSIGN(const Changes::Point point, call.rest.changes->newest(id));
  side.view = point.view;
  side.changed = point.changed;
  return side;
}

}  // namespace

Json difference_json(const Difference& difference) {
  static constexpr std::array<const char*, 5> kKinds = {"added", "removed", "content",
                                                        "attributes", "renamed"};
  Json json;
  json["kind"] = kKinds[static_cast<size_t>(difference.kind)];
  set_name(json, "path", difference.path);
  if (difference.kind == Difference::Kind::kRenamed) {
    set_name(json, "old_path", difference.old_path);
  }
  json["class"] = class_name(difference.entry_class);
  json["old_size"] = difference.old_size;
  json["new_size"] = difference.new_size;
  return json;
}

Task<Answer> clone(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(CloneRequest request, read_clone(json));
    RAMET_TRY(check_clone(call, request));
    RAMET_ASSIGN(const CloneResult result, call.store().clone(request.spec));
    const bool is_new = !request.spec.new_container.empty();
    if (is_new) {
      const auto furnish = [&]() -> Status {
        if (request.rules != ContainerAccess{}) {
          RAMET_TRY(call.access().set_container_access(result.container, request.rules));
        }
        return call.access().set_grant(result.container, call.caller.principal.id,
                                       AccessLevel::kAdminister);
      };
      const Status granted = furnish();
      if (!granted.ok()) {
        ignore_error(call.store().drop_container(result.container, {.now = true}),
                     "nobody could use it");
        return granted.error();
      }
      call.audit("container.clone", request.spec.new_container, request.source);
    }
    Response response = json_response(is_new ? 201 : 200, clone_result_json(result));
    if (is_new) response.fields.set("Location", "/v1/containers/" + to_uuid(result.container));
    return response;
  });
}

// Paged by how many were given out. Heads may change between two pages: that is told, not hidden.
Task<Answer> diff(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const size_t limit, page_limit(call));
    if (!call.has("from")) return Error(ErrorCode::kInvalidArgument, "'from' is missing");
    RAMET_ASSIGN(const Side from, side_of(call, call.text("from")));
    RAMET_ASSIGN(const Side to, side_of(call, call.text("to")));
    const std::string states = fmt::format("{}.{}", from.changed, to.changed);
    uint64_t passed = 0;
    if (const std::string after = call.text("after"); !after.empty()) {
      const size_t dot = after.find('.');
      const std::string count = after.substr(0, dot);
      const bool digits = !count.empty() && count.size() < 19 && dot != std::string::npos &&
                          count.find_first_not_of("0123456789") == std::string::npos;
      if (!digits) return Error(ErrorCode::kInvalidArgument, "'after' is not one of a former page");
      if (after.substr(dot + 1) != states) {
        return Error(ErrorCode::kFailedPrecondition,
                     "the containers were changed since the former page: begin again, or compare "
                     "snapshots");
      }
      passed = std::stoull(count);
    }
    Json list = Json::array();
    uint64_t seen_now = 0;
    bool more = false;
    RAMET_TRY(call.store().diff(*from.view, *to.view, [&](const Difference& difference) {
      if (seen_now++ < passed) return true;
      if (list.size() == limit) {
        more = true;
        return false;
      }
      list.push_back(difference_json(difference));
      return true;
    }));
    Json json;
    const uint64_t given = passed + list.size();
    json["differences"] = std::move(list);
    json["next"] = more ? Json(fmt::format("{}.{}", given, states)) : Json(nullptr);
    return json_response(200, json);
  });
}

}  // namespace ramet::serve::rest
