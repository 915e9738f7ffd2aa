#include "tools/serve/dnanexus/errors.h"

#include <array>

namespace ramet::serve::dnanexus {
namespace {

struct TypeInfo {
  std::string_view name;
  int status;
};
constexpr std::array<TypeInfo, 13> kTypes = {{{"MalformedJSON", 400},
                                              {"InvalidAuthentication", 401},
                                              {"PermissionDenied", 401},
                                              {"SpendingLimitExceeded", 403},
                                              {"OrgExpired", 403},
                                              {"ResourceNotFound", 404},
                                              {"InvalidInput", 422},
                                              {"InvalidState", 422},
                                              {"InvalidType", 422},
                                              {"RateLimitConditional", 429},
                                              {"UsernameOrPasswordError", 401},
                                              {"InternalError", 500},
                                              {"ServiceUnavailable", 503}}};

// Clients try 5xx and 429 again, whatever the call: only what may be over soon gets one of them.
Type type_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return Type::kResourceNotFound;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported: return Type::kInvalidInput;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kOutOfSpace:
    case ErrorCode::kQuotaExceeded: return Type::kInvalidState;
    case ErrorCode::kPermissionDenied: return Type::kPermissionDenied;
    case ErrorCode::kBusy:
    case ErrorCode::kFenced:
    case ErrorCode::kCancelled: return Type::kServiceUnavailable;
    default: return Type::kInternalError;
  }
}

}  // namespace

std::string_view type_name(Type type) { return kTypes[static_cast<size_t>(type)].name; }
int type_status(Type type) { return kTypes[static_cast<size_t>(type)].status; }

Fault::Fault(Error error) : type(type_of(error.code())) {
  waits = error.code() == ErrorCode::kWouldWait;
  if (type == Type::kInternalError) {
    message = "an internal error; the log has it under this request's id";
    internal = error.to_string();
  } else {
    message = error.message();
  }
}

Response fault_response(const Fault& fault) {
  Json error;
  error["type"] = type_name(fault.type);
  error["message"] = fault.message;
  if (!fault.details.is_null()) error["details"] = fault.details;
  Json body;
  body["error"] = std::move(error);
  Response response;
  response.status = type_status(fault.type);
  response.fields.add("Content-Type", "application/json");
  if (fault.type == Type::kServiceUnavailable) response.fields.add("Retry-After", "1");
  response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  response.error = fault.internal.empty() ? fault.message : fault.internal;
  return response;
}

}  // namespace ramet::serve::dnanexus
