// RFC 6749 section 4.4.
#include "proxy/grants/grant.hpp"

namespace postern::grants {

Built<TokenRequest> client_credentials(const Renewal& renewal) {
  Call call{renewal.asking.oauth.token};
  call.own.push_back({"grant_type", vault::Secret("client_credentials")});
  if (!renewal.scopes.empty())
    call.own.push_back({"scope", vault::Secret(join_scopes(renewal.asking.oauth, renewal.scopes))});
  return build_request(renewal.asking, std::move(call));
}

}  // namespace postern::grants
