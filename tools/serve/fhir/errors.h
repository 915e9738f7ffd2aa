// Errors of the FHIR face: OperationOutcome resources (FHIR R4, http://hl7.org/fhir/R4). Clients go
// by the outcome's id, not by the status: docs/fhir.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "format/result.h"
#include "tools/serve/outcome.h"

namespace ramet::serve::fhir {

using Json = nlohmann::ordered_json;

enum class Issue : uint8_t {
  kOk,
  kCreated,
  kAccepted,
  kNotModified,
  kInvalid,       // 400, a value
  kStructure,     // 400, the shape of the whole
  kNotSupported,  // 400: it may be right, but is not done here
  kUnauthorized,
  kForbidden,
  kNotFound,
  kNotAcceptable,
  kConflict,
  kGone,
  kPreconditionFailed,
  kMultipleMatches,
  kTooLarge,
  kUnsupportedMediaType,
  kBusinessRule,
  kTooManyRequests,
  kInternal,
  kUnavailable,
};
int issue_status(Issue issue);
std::string_view issue_id(Issue issue);  // "not-found"; empty: it has none

// Why a request is refused.
struct Fault {
  // Without a text: what the issue always says.
  explicit Fault(Issue its_issue, std::string its_text = {}, std::string where = {})
      : issue(its_issue), text(std::move(its_text)), expression(std::move(where)) {}
  // An error of the engine, with its text. What no client can do anything about is kInternal, and
  // its text is for the log alone.
  Fault(Error error);  // NOLINT(google-explicit-constructor): as Result has it

  // For Workers: only the engine's waiting has a code of its own.
  ErrorCode code() const { return waits ? ErrorCode::kWouldWait : ErrorCode::kInvalidArgument; }

  Issue issue = Issue::kInternal;
  std::string text;
  std::string expression;  // where in the resource; empty: not said
  std::string internal;    // for the log alone
  bool waits = false;      // kWouldWait: to be done again where waiting is right
  bool is_busy = false;    // kBusy: to be begun again
};

template <typename T>
using Outcome = BasicOutcome<T, Fault>;

Json outcome_json(const Fault& fault);
// With a diagnostics text.
Json outcome_json(Issue issue, const std::string& diagnostics = {});

}  // namespace ramet::serve::fhir
