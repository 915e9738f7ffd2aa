// Errors of the DNAnexus API: {"error": {"type", "message", "details"}} (documentation: API
// protocol, "Errors"). Clients go by the type's name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "format/result.h"
#include "tools/serve/http.h"
#include "tools/serve/outcome.h"

namespace ramet::serve::dnanexus {

using Json = nlohmann::ordered_json;

enum class Type : uint8_t {
  kMalformedJson,
  kInvalidAuthentication,
  kPermissionDenied,
  kSpendingLimitExceeded,
  kOrgExpired,
  kResourceNotFound,
  kInvalidInput,
  kInvalidState,
  kInvalidType,
  kRateLimitConditional,
  kUsernameOrPasswordError,
  kInternalError,
  kServiceUnavailable,
};
std::string_view type_name(Type type);  // "InvalidInput"
int type_status(Type type);             // 422

// Why a request is refused. `details` null: none.
struct Fault {
  Fault(Type its_type, std::string text, Json more = nullptr)
      : type(its_type), message(std::move(text)), details(std::move(more)) {}
  // An error of the engine or the access control, with its text. What no client can do anything
  // about is kInternalError, and its text is for the log alone.
  Fault(Error error);  // NOLINT(google-explicit-constructor): as Result has it

  // For Workers: only the engine's waiting has a code of its own.
  ErrorCode code() const { return waits ? ErrorCode::kWouldWait : ErrorCode::kInvalidArgument; }

  Type type = Type::kInternalError;
  std::string message;
  Json details;
  std::string internal;  // for the log alone
  bool waits = false;    // kWouldWait: to be done again where waiting is right
};

template <typename T>
using Outcome = BasicOutcome<T, Fault>;

Response fault_response(const Fault& fault);

}  // namespace ramet::serve::dnanexus
