#include "proxy/grants/wiping.hpp"

#include <string.h>

#include <boost/json/memory_resource.hpp>
#include <new>

namespace postern::grants {
namespace {

class Wiping final : public boost::json::memory_resource {
  // Boost.JSON 1.81 gives a key back with another alignment than it asked for; none is above operator new's own.
  void* do_allocate(std::size_t bytes, std::size_t) override { return ::operator new(bytes); }
  void do_deallocate(void* at, std::size_t bytes, std::size_t) override {
    ::explicit_bzero(at, bytes);
    ::operator delete(at);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

boost::json::storage_ptr wiping_storage() {
  static Wiping memory;
  return &memory;
}

}  // namespace postern::grants
