#pragma once
// Memory that is overwritten when it is given back: request bodies, header fields and parsed JSON hold credentials and
// tokens on their way into the vault. Stateless, so any thread may use it.
#include <string.h>

#include <boost/json/memory_resource.hpp>
#include <boost/json/storage_ptr.hpp>
#include <cstddef>
#include <memory>
#include <new>
#include <string>

namespace postern::admin {

template <class T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() noexcept = default;
  template <class U>
  WipingAllocator(const WipingAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* p, std::size_t n) noexcept {
    ::explicit_bzero(static_cast<void*>(p), n * sizeof(T));
    std::allocator<T>().deallocate(p, n);
  }
  template <class U>
  bool operator==(const WipingAllocator<U>&) const noexcept {
    return true;
  }
};

// A string whose heap bytes are wiped. Short ones live inside the object: wipe() before it dies.
using SecretText = std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;

inline void wipe(SecretText& text) noexcept {
  ::explicit_bzero(text.data(), text.capacity());
  text.clear();
}

// The same for Boost.JSON values.
boost::json::storage_ptr wiping_storage();

}  // namespace postern::admin
