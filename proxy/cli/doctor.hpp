#pragma once
// What `doctor` finds: one line a check, with what to do where something is not right.
//
// Nothing is changed by looking. No token of a proxy variable is ever shown: only the host and port it points to.
// Thread safety: one thread.
#include <optional>
#include <string>
#include <vector>

#include "proxy/cli/session.hpp"

namespace postern::cli {

enum class Health { ok, warn, fail };

struct Check {
  std::string name;  // "state", "ports" …
  Health health = Health::ok;
  std::string detail;  // what was found
  std::string fix;     // what to do; empty where all is well
};

inline Check well(std::string name, std::string detail) {
  return {std::move(name), Health::ok, std::move(detail), {}};
}

// The daemon behind <state>/admin.sock, as far as it could be asked.
struct Running {
  unsigned uid = 0;
  int pid = 0;
  bool answers = false;            // its API told what follows
  std::vector<std::string> proxy;  // bound addresses, and paths of unix sockets
  std::string admin, health, vault_state, key_provider;
  std::optional<std::string> ca;  // certificate of the local CA, PEM; empty: there is none; nullopt: not told
};

// The proxy variables of the calling shell, in both cases. `proxy`: where the daemon's callers connect.
std::vector<Check> check_proxy_variables(const Environment& environment, const std::vector<std::string>& proxy);

namespace offline {

// Everything that files, ports and the machine say. `running`: nullopt, no daemon: the vault is opened then, under its
// lock. Error: the configuration cannot be read (78).
Result<std::vector<Check>> examine(const ConfigFile& config, const Environment& environment,
                                   const std::optional<Running>& running);

}  // namespace offline

}  // namespace postern::cli
