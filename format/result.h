// Errors as values: Error, Result<T>, Status and the macros that pass them on.
//
// Expected failures (bytes from disk, the network, a user) are values of these types; bugs abort
// through RAMET_CHECK (format/check.h). Nothing throws through format/, io/ or engine/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "format/check.h"

namespace ramet {

// Coarse on purpose: a code exists only where some caller reacts to it differently. The message
// is for people and is not part of any interface.
enum class ErrorCode : uint8_t {
  kNotFound = 1,        // the named thing does not exist
  kAlreadyExists,       // the name or id is taken
  kInvalidArgument,     // the request makes no sense, whatever the state
  kFailedPrecondition,  // the request makes sense, but not in this state
  kPermissionDenied,    // the operating system or an access rule refused
  kCorruption,          // bytes do not match their checksum or their format
  kIoError,             // the device or the operating system failed
  kOutOfSpace,          // no room on the device; the store stays usable
  kBusy,                // someone else holds it, or a conflict: retry may help
  kFenced,              // another writer took over; this one may write no more
  kUnsupported,         // a feature flag, platform or backend cannot do it
  kCancelled,           // stopped on request
  kQuotaExceeded,       // a limit that the operator set; the message names it
  kWouldWait,           // it takes a wait that the caller forbade (engine/no_wait.h)
};

// The stable lower-case name of a code, as printed by tools ("not found", "corruption", ...).
std::string_view error_code_name(ErrorCode code);

// A failure: a code and a message. Cheap to move (one pointer); never empty once constructed.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message)
      : rep_(std::make_unique<Rep>(Rep{code, std::move(message)})) {}
  Error(const Error& other) : rep_(std::make_unique<Rep>(*other.rep_)) {}
  Error& operator=(const Error& other) {
    rep_ = std::make_unique<Rep>(*other.rep_);
    return *this;
  }
  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;

  ErrorCode code() const { return rep_->code; }
  const std::string& message() const { return rep_->message; }
  // "corruption: segment 17 at 4096: payload checksum does not match"
  std::string to_string() const;

  // Puts what was being done before the message: "segment 17 at 4096: <message>".
  Error with_context(std::string_view context) && {
    rep_->message.insert(0, std::string(context) + ": ");
    return std::move(*this);
  }

 private:
  struct Rep {
    ErrorCode code;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

// A value or an Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  // Requires: ok().
  T& value() & {
    RAMET_CHECK(ok(), "value() of a failed Result");
    return *std::get_if<0>(&v_);
  }
  const T& value() const& {
    RAMET_CHECK(ok(), "value() of a failed Result");
    return *std::get_if<0>(&v_);
  }
  T&& value() && {
    RAMET_CHECK(ok(), "value() of a failed Result");
    return std::move(*std::get_if<0>(&v_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // Requires: !ok().
  const Error& error() const& {
    RAMET_CHECK(!ok(), "error() of a successful Result");
    return *std::get_if<1>(&v_);
  }
  Error&& error() && {
    RAMET_CHECK(!ok(), "error() of a successful Result");
    return std::move(*std::get_if<1>(&v_));
  }

 private:
  std::variant<T, Error> v_;
};

// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::make_unique<Error>(std::move(error))) {}  // NOLINT
  Result(const Result& other)
      : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}
  Result& operator=(const Result& other) {
    error_ = other.error_ ? std::make_unique<Error>(*other.error_) : nullptr;
    return *this;
  }
  Result(Result&&) noexcept = default;
  Result& operator=(Result&&) noexcept = default;

  bool ok() const { return error_ == nullptr; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& {
    RAMET_CHECK(!ok(), "error() of a successful Status");
    return *error_;
  }
  Error&& error() && {
    RAMET_CHECK(!ok(), "error() of a successful Status");
    return std::move(*error_);
  }

 private:
  std::unique_ptr<Error> error_;
};

using Status = Result<void>;
inline Status ok() { return {}; }

// The one way to drop an error: grep finds every place and its reason.
template <typename R>
void ignore_error(const R& /*result*/, const char* /*why*/) {}

// Puts the context before the message of a failure; passes a success through.
template <typename T>
Result<T> with_context(Result<T> result, std::string_view context) {
  if (result.ok()) return result;
  return std::move(std::move(result).error()).with_context(context);
}

}  // namespace ramet

#define RAMET_CONCAT_INNER(a, b) a##b
#define RAMET_CONCAT(a, b) RAMET_CONCAT_INNER(a, b)

// Returns the error of `expr` (a Status or Result) from the enclosing function, if it has one.
#define RAMET_TRY(expr)                                          \
  do {                                                           \
    auto&& ramet_try_ = (expr);                                  \
    if (!ramet_try_.ok()) return std::move(ramet_try_).error();  \
  } while (false)

// RAMET_ASSIGN(auto x, f()): declares x from the value of f(), or returns f()'s error.
#define RAMET_ASSIGN(lhs, expr) RAMET_ASSIGN_INNER(RAMET_CONCAT(ramet_r_, __COUNTER__), lhs, expr)
#define RAMET_ASSIGN_INNER(tmp, lhs, expr)         \
  auto tmp = (expr);                               \
  if (!tmp.ok()) return std::move(tmp).error();    \
  lhs = std::move(tmp).value()
