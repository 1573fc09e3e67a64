#pragma once
// What the routes share: the outside (Deps), where we listen, and what is remembered between calls.
// Thread safety: `deps`, `running_keys` and `auth_configs` may be used from any thread, `addresses` does not change
// once we listen, and the rest is the admin thread's own.
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>

#include "proxy/admin/admin.hpp"

namespace postern::admin {

struct Addresses {
  std::string admin, health, socket;  // as bound; empty: none
};

// The calls with an Idempotency-Key that are running: of two at a time one runs, the other is told so.
class RunningKeys {
 public:
  bool begin(const std::string& key);  // false: there is one already
  void end(const std::string& key);

 private:
  std::mutex mutex_;
  std::set<std::string> keys_;
};

// Shared by who reads an auth config until a connection under it is written, alone by who changes one: no connection is
// planned under hosts or endpoints that are others by then. Nobody waits for the network with it.
class AuthConfigGate {
 public:
  std::shared_lock<std::shared_mutex> use() {
    {
      const std::scoped_lock behind(turn_);  // who waits to be alone is not overtaken for ever
    }
    return std::shared_lock(gate_);
  }
  std::unique_lock<std::shared_mutex> change() {
    const std::scoped_lock turn(turn_);
    return std::unique_lock(gate_);
  }

 private:
  std::mutex turn_;
  std::shared_mutex gate_;
};

struct Service {
  Deps deps;
  Addresses addresses;
  bool was_ready = false;  // startupz: once true, it stays
  std::unique_ptr<RunningKeys> running_keys = std::make_unique<RunningKeys>();
  std::unique_ptr<AuthConfigGate> auth_configs = std::make_unique<AuthConfigGate>();
};

}  // namespace postern::admin
