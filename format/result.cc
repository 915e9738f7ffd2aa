#include "format/result.h"

namespace ramet {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return "not found";
    case ErrorCode::kAlreadyExists: return "already exists";
    case ErrorCode::kInvalidArgument: return "invalid argument";
    case ErrorCode::kFailedPrecondition: return "failed precondition";
    case ErrorCode::kPermissionDenied: return "permission denied";
    case ErrorCode::kCorruption: return "corruption";
    case ErrorCode::kIoError: return "i/o error";
    case ErrorCode::kOutOfSpace: return "out of space";
    case ErrorCode::kBusy: return "busy";
    case ErrorCode::kFenced: return "fenced";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kQuotaExceeded: return "quota exceeded";
    case ErrorCode::kWouldWait: return "would wait";
  }
  return "unknown error";
}

std::string Error::to_string() const {
  return std::string(error_code_name(code())) + ": " + message();
}

}  // namespace ramet
