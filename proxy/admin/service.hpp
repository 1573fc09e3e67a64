#pragma once
// What the routes share: the outside (Deps), where we listen, and what is remembered between calls.
// Nothing here is locked: `deps` may be used from any thread, `addresses` does not change once we listen, and the rest
// is the admin thread's own.
#include <string>

#include "proxy/admin/admin.hpp"
#include "proxy/admin/idempotency.hpp"

namespace postern::admin {

struct Addresses {
  std::string admin, health, socket;  // as bound; empty: none
};

struct Service {
  Deps deps;
  Addresses addresses;
  bool was_ready = false;  // startupz: once true, it stays
  Idempotency idempotency;
};

}  // namespace postern::admin
