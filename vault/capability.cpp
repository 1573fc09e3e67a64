#include "vault/capability.hpp"

namespace postern::vault {

std::span<const std::string_view> capabilities() {
  static constexpr std::string_view kAll[] = {
      "*",
      "proxy:call",
      "connections:read",
      "connections:write",
      "auth_configs:read",
      "auth_configs:write",
      "authorizations:read",
      "authorizations:write",
      "providers:read",
      "audit:read",
      "metrics:read",
      "projects:read",
      "projects:write",
      "users:read",
      "users:write",
      "system:*",
      "system:keys",
      "system:backup",
      "system:providers",
      "system:config",
      "system:organizations",
      "system:audit",
  };
  return kAll;
}

}  // namespace postern::vault
