// Errors of the DNAnexus API: {"error": {"type", "message", "details"}} (documentation: API
// protocol, "Errors"). Clients go by the type's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "format/result.h"
#include "tools/serve/http.h"

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

// A value or a fault; RAMET_TRY and RAMET_ASSIGN know it.
template <typename T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : value_(std::in_place_index<0>, std::move(value)) {}
  Outcome(Fault fault) : value_(std::in_place_index<1>, std::move(fault)) {}
  Outcome(Error error) : value_(std::in_place_index<1>, Fault(std::move(error))) {}
  bool ok() const { return value_.index() == 0; }
  T& value() & { return std::get<0>(value_); }
  T&& value() && { return std::get<0>(std::move(value_)); }
  T& operator*() & { return value(); }
  T* operator->() { return &value(); }
  const Fault& error() const& { return std::get<1>(value_); }
  Fault&& error() && { return std::get<1>(std::move(value_)); }

 private:
  std::variant<T, Fault> value_;
};

template <>
class [[nodiscard]] Outcome<void> {
 public:
  Outcome() = default;
  Outcome(Fault fault) : fault_(std::move(fault)) {}
  Outcome(Error error) : fault_(Fault(std::move(error))) {}
  bool ok() const { return !fault_; }
  const Fault& error() const& { return *fault_; }
  Fault&& error() && { return std::move(*fault_); }

 private:
  std::optional<Fault> fault_;
};

Response fault_response(const Fault& fault);

}  // namespace ramet::serve::dnanexus
