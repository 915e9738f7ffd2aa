// Outcome: a value, or why a face refuses in the words of its own protocol. And the macros that go
// on or give up in coroutines, for it as for Result.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

#include "format/check.h"
#include "format/result.h"

// RAMET_TRY and RAMET_ASSIGN for coroutines.
#define RAMET_CO_TRY(expr)                                             \
  do {                                                                 \
    auto&& ramet_co_try_ = (expr);                                     \
    if (!ramet_co_try_.ok()) co_return std::move(ramet_co_try_).error(); \
  } while (false)
#define RAMET_CO_ASSIGN(lhs, expr) \
  RAMET_CO_ASSIGN_INNER(RAMET_CONCAT(ramet_r_, __COUNTER__), lhs, expr)
#define RAMET_CO_ASSIGN_INNER(tmp, lhs, expr)          \
  auto tmp = (expr);                                   \
  if (!tmp.ok()) co_return std::move(tmp).error();     \
  lhs = std::move(tmp).value()

namespace ramet::serve {

// A value or a Fault, which can be made of an Error; RAMET_TRY and RAMET_ASSIGN (format/result.h)
// work with it, too. Whatever makes a Fault may be returned.
template <typename T, typename Fault>
class [[nodiscard]] BasicOutcome {
 public:
  using value_type = T;
  BasicOutcome(T value) : v_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  BasicOutcome(Fault fault) : v_(std::in_place_index<1>, std::move(fault)) {}  // NOLINT
  template <typename Cause>
    requires(std::is_convertible_v<Cause, Fault> && !std::is_same_v<Cause, Fault> &&
             !std::is_convertible_v<Cause, T>)
  BasicOutcome(Cause cause)  // NOLINT: implicit on purpose
      : v_(std::in_place_index<1>, Fault(std::move(cause))) {}

  bool ok() const { return v_.index() == 0; }
  T& value() & { return get(); }
  T&& value() && { return std::move(get()); }
  T& operator*() & { return get(); }
  T&& operator*() && { return std::move(get()); }
  T* operator->() { return &get(); }
  const Fault& error() const& { return std::get<1>(v_); }
  Fault&& error() && { return std::get<1>(std::move(v_)); }

 private:
  T& get() {
    RAMET_CHECK(ok(), "value() of a failed Outcome");
    return *std::get_if<0>(&v_);
  }
  std::variant<T, Fault> v_;
};

struct Nothing {};
template <typename Fault>
class [[nodiscard]] BasicOutcome<void, Fault> : public BasicOutcome<Nothing, Fault> {
 public:
  BasicOutcome() : BasicOutcome<Nothing, Fault>(Nothing{}) {}
  using BasicOutcome<Nothing, Fault>::BasicOutcome;
};

}  // namespace ramet::serve
