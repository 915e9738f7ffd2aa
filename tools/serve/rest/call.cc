#include "tools/serve/rest/call.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tools/serve/content_source.h"
#include "tools/serve/rest/changes.h"
#include "tools/serve/rest/jobs.h"

namespace ramet::serve::rest {
namespace {

constexpr int kAttempts = 50;

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

}  // namespace

Rest::Rest(Services& all)
    : services(all),
      failed_logins(all.access),
      authenticator(all.access, limiter, failed_logins),
      staging(all.store, all.workers),
      changes(std::make_unique<Changes>(all.store)),
      jobs(std::make_unique<Jobs>()) {}

Rest::~Rest() {
  jobs.reset();
  ignore_error(failed_logins.write(), "the store is about to be closed; it is not the requests'");
}

// --- Call ----------------------------------------------------------------------------------------

std::string_view Call::raw_param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return value;
  }
  return {};
}

Result<std::string> Call::param(std::string_view name) const {
  RAMET_ASSIGN(std::string value, percent_decode(raw_param(name)));
  if (value.find('\0') != std::string::npos) return invalid("the path holds a NUL byte");
  return value;
}

bool Call::has(std::string_view name) const {
  return std::any_of(query.begin(), query.end(),
                     [&](const auto& one) { return one.first == name; });
}

std::string Call::text(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}

std::vector<std::string> Call::texts(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : query) {
    if (key == name) values.push_back(value);
  }
  return values;
}

Result<uint64_t> Call::number(std::string_view name, uint64_t fallback, uint64_t max) const {
  if (!has(name)) return fallback;
  const std::string value = text(name);
  const bool digits = !value.empty() && value.size() <= 19 &&
                      std::all_of(value.begin(), value.end(),
                                  [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || std::stoull(value) > max) {
    return invalid(fmt::format("'{}' must be a whole number, 0 to {}", name, max));
  }
  return std::stoull(value);
}

Result<bool> Call::flag(std::string_view name) const {
  if (!has(name)) return false;
  const std::string value = text(name);
  if (value.empty() || value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  return invalid(fmt::format("'{}' must be true or false", name));
}

Status Call::require(AccessLevel least, std::string_view what) {
  if (level >= least) return ok();
  return refuse(403, ErrorCode::kPermissionDenied,
                fmt::format("{} needs the level '{}' in this container", what, level_name(least)));
}

Status Call::require_removal(std::string_view what) {
  if (!rules.is_protected) return require(AccessLevel::kContribute, what);
  return require(AccessLevel::kAdminister, fmt::format("{} (it is protected)", what));
}

Result<Call::Other> Call::other_container(std::string_view name_or_id) {
  const auto missing = [&] {
    return Error(ErrorCode::kNotFound, fmt::format("there is no container '{}'", name_or_id));
  };
  auto info = find_container(store(), name_or_id);
  if (!info.ok()) {
    if (info.error().code() == ErrorCode::kNotFound) return missing();
    return std::move(info).error();
  }
  Other other;
  RAMET_ASSIGN(other.level, access().level(caller, info->id));
  if (other.level == AccessLevel::kNone) return missing();
  RAMET_ASSIGN(other.rules, access().container_access(info->id));
  other.info = std::move(*info);
  return other;
}

void Call::audit(std::string action, std::string target, std::string detail) {
  AuditEntry entry;
  entry.principal = caller.principal.name;
  entry.action = std::move(action);
  entry.target = std::move(target);
  entry.detail = std::move(detail);
  entry.from = request.peer;
  ignore_error(access().audit(std::move(entry)), "what was done is done");
}

// --- answers -------------------------------------------------------------------------------------

Response json_response(int status, const Json& json) {
  Response response;
  response.status = status;
  response.fields.set("Content-Type", "application/json");
  response.body = to_text(json) + "\n";
  return response;
}

Response empty_response(int status) {
  Response response;
  response.status = status;
  return response;
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kAlreadyExists: return 409;
    case ErrorCode::kInvalidArgument: return 400;
    case ErrorCode::kFailedPrecondition: return 409;
    case ErrorCode::kPermissionDenied: return 403;
    case ErrorCode::kOutOfSpace: return 507;
    case ErrorCode::kQuotaExceeded: return 507;
    case ErrorCode::kBusy: return 409;
    case ErrorCode::kFenced: return 503;
    case ErrorCode::kUnsupported: return 501;
    case ErrorCode::kCancelled: return 503;
    default: return 500;
  }
}

std::string_view status_text(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 429: return "Too Many Requests";
    case 416: return "Range Not Satisfiable";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Error";
  }
}

Response problem(const Request& request, int status, std::string_view code, std::string detail) {
  Json json;
  json["type"] = code.empty() ? "about:blank" : "urn:ramet:problem:" + std::string(code);
  json["title"] = status_text(status);
  json["status"] = status;
  json["detail"] = detail;
  json["instance"] = request.path;
  if (!code.empty()) json["code"] = code;
  json["request_id"] = request.id;
  Response response = json_response(status, json);
  response.fields.set("Content-Type", "application/problem+json");
  response.error = std::move(detail);
  return response;
}

Response problem(const Request& request, const Error& error, int status) {
  if (status == 0) status = status_of(error.code());
  std::string code(error_code_name(error.code()));
  std::replace(code.begin(), code.end(), ' ', '_');
  Response response = problem(request, status, code, error.message());
  if (status == 503 || status == 409) {
    if (error.code() == ErrorCode::kBusy) response.fields.set("Retry-After", "1");
  }
  return response;
}

Task<Result<Json>> read_json(Call& call, bool may_be_empty) {
  std::string type(call.request.fields.get("content-type"));
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const bool is_json = type.empty() || type == "application/json" || type.ends_with("+json");
  const uint64_t max = call.rest.services.options.document_bytes_max;
  auto too_long = [&] {
    return call.refuse(413, ErrorCode::kInvalidArgument,
                       fmt::format("the body is longer than {} bytes", max));
  };
  if (call.request.content_length && *call.request.content_length > max) co_return too_long();
  auto head = co_await read_head(call.body, max);
  if (!head.ok()) co_return std::move(head).error();
  if (!head->whole) co_return too_long();
  if (head->bytes.empty() && may_be_empty) co_return Json::object();
  if (!is_json) {
    co_return call.refuse(415, ErrorCode::kInvalidArgument,
                          "the body must be application/json, not " + type);
  }
  co_return parse_json(head->bytes);
}

Result<size_t> page_limit(const Call& call, size_t fallback) {
  RAMET_ASSIGN(const uint64_t limit, call.number("limit", fallback, 10'000));
  if (limit == 0) return invalid("'limit' must be at least 1");
  return static_cast<size_t>(limit);
}

// --- containers ----------------------------------------------------------------------------------

Result<ContainerInfo> find_container(Store& store, std::string_view name_or_id) {
  constexpr size_t kUuidChars = 36;
  const std::string name(name_or_id);
  const auto missing = [&] {
    return Error(ErrorCode::kNotFound, fmt::format("there is no container '{}'", name));
  };
  std::optional<Result<ContainerInfo>> by_id;
  if (name.size() == kUuidChars) {
    const auto id = parse_uuid<ContainerId>(name);
    if (id.ok()) by_id = store.container(*id);
  }
  // (A name may look like an id. Who names a container as another's id does not get in its way.)
  const bool is_id =
      by_id && (by_id->ok() || by_id->error().code() != ErrorCode::kNotFound);
  auto found = is_id ? std::move(*by_id) : store.container(name);
  if (!found.ok()) {
    const ErrorCode code = found.error().code();
    if (code == ErrorCode::kNotFound || code == ErrorCode::kInvalidArgument) return missing();
    return std::move(found).error();
  }
  if (found->name == kStagingContainer) return missing();
  return found;
}

// --- changing ------------------------------------------------------------------------------------

Task<Result<Sequence>> change(Call& call, const Build& build, Weight weight, int attempts) {
  if (attempts == 0) attempts = kAttempts;
  using Begun = Result<std::unique_ptr<Transaction>>;
  auto begin = [&]() -> Begun {
    call.status = 0;
    RAMET_ASSIGN(auto transaction, call.store().begin(call.container.id));
    RAMET_TRY(build(*transaction));
    return transaction;
  };
  for (int attempt = 1;; ++attempt) {
    std::optional<Begun> made;
    if (weight == Weight::kQuick) {
      made = co_await call.quick(begin);
    } else {
      made = co_await call.slow(begin);
    }
    Begun& begun = *made;
    if (!begun.ok()) co_return std::move(begun).error();
    Result<Sequence> done = Sequence{0};
    if (weight == Weight::kQuick) {
      done = co_await call.workers().commit(call.store(), std::move(*begun));
    } else {
      done = co_await call.workers().run([&] {
        auto committed = (*begun)->commit();
        begun->reset();
        return committed;
      });
    }
    if (done.ok() || done.error().code() != ErrorCode::kBusy || attempt == attempts) {
      co_return done;
    }
  }
}

Result<FolderId> parent_folder(Transaction& transaction, const Place& place, bool make) {
  const std::string parent = place.parent();
  if (parent.empty()) return kRootFolder;
  if (make) return transaction.create_folders(parent);
  RAMET_ASSIGN(const Entry entry, transaction.lookup(parent));
  if (!entry.is_folder()) {
    return Error(ErrorCode::kNotFound, fmt::format("'{}' is not a folder", parent));
  }
  return entry.folder;
}

Result<std::optional<Entry>> entry_at(const Transaction& transaction, const Place& place) {
  auto entry = transaction.lookup(place.lookup_path());
  if (entry.ok()) return std::optional<Entry>(std::move(*entry));
  if (entry.error().code() == ErrorCode::kNotFound) return std::optional<Entry>();
  return std::move(entry).error();
}

Status check_match(Call& call, const std::optional<ObjectInfo>& there) {
  const Fields& fields = call.request.fields;
  if (!fields.find("if-match") && !fields.find("if-none-match") &&
      !fields.find("if-unmodified-since")) {
    return ok();
  }
  const std::string etag = there ? etag_of(*there) : "";
  const int64_t modified = there ? there->attributes.modified : 0;
  if (check_conditions(call.request, etag, modified) == Condition::kGo) return ok();
  return call.refuse(412, ErrorCode::kFailedPrecondition,
                     there ? "there is an object with the entity tag " + etag
                           : std::string("there is no such object"));
}

}  // namespace ramet::serve::rest
