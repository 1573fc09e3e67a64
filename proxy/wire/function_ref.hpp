#pragma once
// A callable that is used during one call only: neither owned nor copied, so a lambda with captures costs no
// allocation.
#include <memory>
#include <type_traits>
#include <utility>

namespace postern::wire {

template <class Signature>
class FunctionRef;

template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<R, F&, Args...>)
  FunctionRef(F&& callable) noexcept  // implicit: it stands for a parameter type
      : object_(const_cast<void*>(reinterpret_cast<const volatile void*>(std::addressof(callable)))),
        call_([](void* object, Args... args) -> R {
          return (*reinterpret_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

}  // namespace postern::wire
