#include <algorithm>
#include <array>

#include "proxy/grants/grant.hpp"

namespace postern::grants {
namespace {

constexpr std::array<Grant, 6> kGrants{{{"refresh_token", refresh_token, true},
                                        {"client_credentials", client_credentials, false},
                                        {"jwt_bearer", jwt_bearer, false},
                                        {"two_step", two_step, false},
                                        {"github_app", github_app, false},
                                        {"token_exchange", token_exchange, false}}};

struct TypeRow {
  std::string_view type, grant;
};
constexpr std::array<TypeRow, 5> kTypes{{{"OAUTH2", "refresh_token"},
                                         {"OAUTH2_CLIENT_CREDENTIALS", "client_credentials"},
                                         {"JWT_BEARER", "jwt_bearer"},
                                         {"TWO_STEP", "two_step"},
                                         {"GITHUB_APP", "github_app"}}};

constexpr bool unique() {
  for (std::size_t i = 0; i < kGrants.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (kGrants[i].name == kGrants[j].name) return false;
  return true;
}
static_assert(unique(), "two grants share a name");

}  // namespace

std::span<const Grant> grants() {
  return kGrants;
}

const Grant* find_grant(std::string_view name) {
  const auto* at = std::find_if(kGrants.begin(), kGrants.end(), [&](const Grant& g) { return g.name == name; });
  return at == kGrants.end() ? nullptr : at;
}

const Grant* grant_of(std::string_view connection_type, const config::OAuth& oauth) {
  const auto* at =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeRow& r) { return r.type == connection_type; });
  if (at == kTypes.end()) return nullptr;
  return find_grant(oauth.exchange ? "token_exchange" : at->grant);
}

std::string join_scopes(const config::OAuth& oauth, const std::vector<std::string>& scopes) {
  const std::string separator = oauth.authorize ? oauth.authorize->scope_separator : " ";
  std::string out;
  for (const std::string& scope : scopes) out += (out.empty() ? "" : separator) + scope;
  return out;
}

}  // namespace postern::grants
