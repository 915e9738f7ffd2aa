// The REST face: who asks, what for, may they, and the answer.
#include <algorithm>

#include <fmt/format.h>

#include "tools/serve/answer_cache.h"
#include "tools/serve/rest/call.h"
#include "tools/serve/rest/changes.h"
#include "tools/serve/rest/handlers.h"
#include "tools/serve/rest/jobs.h"

namespace ramet::serve {
namespace rest {
namespace {

AccessLevel level_of(Need need) {
  switch (need) {
    case Need::kView: return AccessLevel::kView;
    case Need::kUpload: return AccessLevel::kUpload;
    case Need::kContribute: return AccessLevel::kContribute;
    case Need::kAdminister: return AccessLevel::kAdminister;
    default: return AccessLevel::kNone;
  }
}

Status check_query(Call& call) {
  RAMET_ASSIGN(call.query, parse_query(call.request.query));
  for (size_t i = 0; i < call.query.size(); ++i) {
    const std::string& name = call.query[i].first;
    const std::string padded = fmt::format(" {} ", call.route->query);
    const bool known = !name.empty() && name.find(' ') == std::string::npos &&
                       padded.find(" " + name + " ") != std::string::npos;
    const bool may_repeat = padded.find(" " + name + "... ") != std::string::npos;
    if (!known && !may_repeat) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("the query parameter '{}' is not known", name));
    }
    for (size_t j = 0; known && j < i; ++j) {
      if (call.query[j].first == name) {
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("the query parameter '{}' stands twice", name));
      }
    }
  }
  return ok();
}

// Who may see nothing of a container is told that there is none.
Status check_need(Call& call) {
  const Need need = call.route->need;
  const bool is_super = call.caller.principal.super_admin;
  if (need == Need::kAccount || need == Need::kSuperAdmin) {
    if (!call.caller.scope.account) {
      return call.refuse(403, ErrorCode::kPermissionDenied,
                         "this token is confined to containers");
    }
    if (need == Need::kSuperAdmin && !is_super) {
      return call.refuse(403, ErrorCode::kPermissionDenied, "this is for super administrators");
    }
    return ok();
  }
  const AccessLevel least = level_of(need);
  if (least == AccessLevel::kNone) return ok();
  RAMET_ASSIGN(const std::string name, call.param("container"));
  RAMET_ASSIGN(Call::Other found, call.other_container(name));
  call.container = std::move(found.info);
  call.rules = std::move(found.rules);
  call.level = found.level;
  return call.require(least, "this");
}

// What no path of this face holds, however it is written: it would mean another one to whoever
// makes it shorter on the way here. Keys of flat containers may hold anything, once encoded.
bool is_tricky(std::string_view path) {
  for (size_t at = 0; at != std::string_view::npos;) {
    const size_t end = path.find('/', at + 1);
    const std::string_view part = path.substr(at + 1, end == std::string_view::npos
                                                          ? std::string_view::npos
                                                          : end - at - 1);
    if (part == "." || part == "..") return true;
    at = end;
  }
  return false;
}

// What an answer of content depends on beside the state of the store; nothing: it is not kept.
std::string answer_key(const Call& call) {
  if (!call.request.query.empty()) return {};
  std::string key = begin_answer_key(call.caller, call.request);
  if (!key.empty()) key += call.request.path;
  return key;
}

class RestFace : public Face {
 public:
  explicit RestFace(Services& services)
      : rest_(services) {
    ignore_error(rest_.staging.empty_puts(), "they only take space; the next start tries again");
    rest_.jobs->set_tick([this] {
      rest_.changes->prune();
      ignore_error(rest_.failed_logins.write(), "the next tick tries again");
    });
  }

  Task<Response> handle(Request& request, Body& body) override {
    Call call{rest_, request, body, nullptr, {}, {}, {}, {}, {}, AccessLevel::kNone, 0};
    const StateStamp stamp = stamp_of(rest_.services);
    const auto ask = [&] { return rest_.authenticator.authenticate(request); };
    auto authenticated = Workers::at_once(ask);
    if (!authenticated) authenticated = co_await call.workers().run(ask);
    if (!authenticated->ok()) {
      Response refused = refuse_login(request, authenticated->error());
      refused.operation = "rest.none";
      co_return finished(std::move(refused));
    }
    call.caller = std::move(**authenticated);
    const std::string key = answer_key(call);
    if (!key.empty()) {
      if (auto kept = kept_.find(key, stamp)) {
        kept->principal = call.caller.principal.name;
        co_return std::move(*kept);
      }
    }
    Response response = finished(co_await answer(call));
    response.operation =
        call.route == nullptr ? "rest.none" : "rest." + std::string(call.route->operation);
    const bool keeps = !key.empty() && response.status == 200 && call.route != nullptr &&
                       call.route->handler == get_content;
    if (keeps) kept_.put(key, stamp, response);
    response.principal = call.caller.principal.name;
    co_return response;
  }

 private:
  Response refuse_login(const Request& request, const Error& error) {
    if (error.code() == ErrorCode::kBusy) {
      Response slow = problem(request, error, 429);
      slow.fields.set("Retry-After", std::to_string(rest_.authenticator.retry_after(request)));
      return slow;
    }
    if (error.code() != ErrorCode::kPermissionDenied) return problem(request, error);
    Response refused = problem(request, 401, "unauthorized", "this needs a valid bearer token");
    refused.fields.set("WWW-Authenticate", "Bearer realm=\"ramet\"");
    return refused;
  }

  static Response finished(Response response) {
    // Nobody on the way keeps what is somebody's; and nobody guesses at types.
    if (!response.fields.find("cache-control")) {
      response.fields.set("Cache-Control", "private, no-cache");
    }
    response.fields.set("X-Content-Type-Options", "nosniff");
    return response;
  }

  Task<Response> answer(Call& call) {
    const Request& request = call.request;
    if (is_tricky(request.path)) {
      co_return problem(request, Error(ErrorCode::kInvalidArgument,
                                       "the path holds '.' or '..', which are not names"));
    }
    std::string allowed;
    call.route = find_route(request.method, request.path, call.params, allowed);
    if (call.route == nullptr) {
      if (allowed.empty()) {
        co_return problem(request, 404, "not_found", "there is no such resource");
      }
      Response refused = problem(request, 405, "method_not_allowed",
                                 fmt::format("this resource has {}", allowed));
      refused.fields.set("Allow", allowed);
      co_return refused;
    }
    const auto check = [&]() -> Status {
      call.status = 0;
      RAMET_TRY(check_need(call));
      return check_query(call);
    };
    auto allowed_in = Workers::at_once(check);
    if (!allowed_in) allowed_in = co_await call.workers().run(check);
    if (!allowed_in->ok()) co_return problem(request, allowed_in->error(), call.status);
    Answer answer = co_await call.route->handler(call);
    if (!answer.ok()) co_return problem(request, answer.error(), call.status);
    co_return std::move(*answer);
  }

  Rest rest_;
  AnswerCache kept_;
};

}  // namespace
}  // namespace rest

std::unique_ptr<Face> make_rest_face(Services& services) {
  return std::make_unique<rest::RestFace>(services);
}

}  // namespace ramet::serve
