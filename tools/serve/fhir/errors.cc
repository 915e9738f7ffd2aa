#include "tools/serve/fhir/errors.h"

#include <array>

namespace ramet::serve::fhir {
namespace {

struct IssueInfo {
  int status;
  std::string_view id;
  std::string_view severity;
  std::string_view code;
  std::string_view text;
};
constexpr std::array<IssueInfo, 21> kIssues = {{
    {200, "ok", "information", "informational", "All OK"},
    {201, "created", "information", "informational", "Created"},
    {202, "accepted", "information", "informational", "Accepted"},
    {304, "not-modified", "information", "informational", "Not Modified"},
    {400, "", "error", "invalid", "Bad request"},
    {400, "", "error", "structure", "Bad request"},
    {400, "", "error", "not-supported", "Not supported"},
    {401, "unauthorized", "error", "login", "Unauthorized"},
    {403, "forbidden", "error", "forbidden", "Forbidden"},
    {404, "not-found", "error", "not-found", "Not found"},
    {406, "", "error", "not-supported", "Not Acceptable"},
    {409, "conflict", "error", "conflict", "Conflict"},
    {410, "gone", "error", "deleted", "Gone"},
    {412, "precondition-failed", "error", "processing", "Precondition Failed"},
    {412, "multiple-matches", "error", "multiple-matches",
     "Multiple resources found matching condition"},
    {413, "content-too-large", "error", "too-long", "Content too large"},
    {415, "unsupported-media-type", "error", "not-supported", "Unsupported media type"},
    {422, "business-rule", "error", "business-rule", "Business rule violation"},
    {429, "too-many-requests", "error", "throttled", "Too Many Requests"},
    {500, "", "error", "exception", "Internal server error"},
    {503, "", "error", "transient", "Try again"},
}};

const IssueInfo& info_of(Issue issue) { return kIssues[static_cast<size_t>(issue)]; }

// Clients send 5xx and 429 again, whatever the call: only what may be over soon gets one of them.
Issue issue_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return Issue::kNotFound;
    case ErrorCode::kInvalidArgument: return Issue::kInvalid;
    case ErrorCode::kUnsupported: return Issue::kNotSupported;
    case ErrorCode::kAlreadyExists: return Issue::kConflict;
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kOutOfSpace:
    case ErrorCode::kQuotaExceeded: return Issue::kBusinessRule;
    case ErrorCode::kPermissionDenied: return Issue::kForbidden;
    case ErrorCode::kBusy: return Issue::kConflict;
    case ErrorCode::kFenced:
    case ErrorCode::kCancelled: return Issue::kUnavailable;
    default: return Issue::kInternal;
  }
}

Json issue_json(const IssueInfo& info, std::string_view text) {
  Json issue;
  issue["severity"] = info.severity;
  issue["code"] = info.code;
  issue["details"]["text"] = text.empty() ? info.text : text;
  return issue;
}

Json outcome_of(const IssueInfo& info, Json issue) {
  Json out;
  out["resourceType"] = "OperationOutcome";
  if (!info.id.empty()) out["id"] = info.id;
  out["issue"] = Json::array({std::move(issue)});
  return out;
}

}  // namespace

int issue_status(Issue issue) { return info_of(issue).status; }
std::string_view issue_id(Issue issue) { return info_of(issue).id; }

Fault::Fault(Error error) : issue(issue_of(error.code())) {
  waits = error.code() == ErrorCode::kWouldWait;
  is_busy = error.code() == ErrorCode::kBusy;
  if (issue == Issue::kInternal) {
    internal = error.to_string();
  } else if (issue != Issue::kNotFound && issue != Issue::kForbidden) {
    text = error.message();
  }
}

Json outcome_json(const Fault& fault) {
  const IssueInfo& info = info_of(fault.issue);
  Json issue = issue_json(info, fault.text);
  if (!fault.expression.empty()) issue["expression"] = Json::array({fault.expression});
  return outcome_of(info, std::move(issue));
}

Json outcome_json(Issue issue, const std::string& diagnostics) {
  const IssueInfo& info = info_of(issue);
  Json one = issue_json(info, {});
  if (!diagnostics.empty()) one["diagnostics"] = diagnostics;
  return outcome_of(info, std::move(one));
}

}  // namespace ramet::serve::fhir
