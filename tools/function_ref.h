// A reference to something that can be called, which whoever passes it keeps alive for the call:
// what std::function_ref will be (P0792). Unlike std::function it has neither a destructor nor
// memory, so that one may be made within a co_await expression: g++ 12 destroys a std::function
// that is made there twice (GCC bug 99576 and its like).
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace ramet {

template <typename Signature>
class FunctionRef;

template <typename Result, typename... Arguments>
class FunctionRef<Result(Arguments...)> {
 public:
  template <typename Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef> &&
             std::is_invocable_r_v<Result, Callable&, Arguments...>)
  FunctionRef(Callable&& callable)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Arguments... arguments) -> Result {
          return (*static_cast<std::remove_reference_t<Callable>*>(object))(
              std::forward<Arguments>(arguments)...);
        }) {}

  Result operator()(Arguments... arguments) const {
    return call_(object_, std::forward<Arguments>(arguments)...);
  }

 private:
  void* object_;
  Result (*call_)(void*, Arguments...);
};

}  // namespace ramet
