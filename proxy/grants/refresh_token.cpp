// RFC 6749 section 6, and the providers that renew with the access token itself.
#include "proxy/grants/grant.hpp"

namespace postern::grants {

Built<TokenRequest> refresh_token(const Renewal& renewal) {
  const config::OAuthRefresh& refresh = renewal.asking.oauth.refresh;
  const bool by_access = refresh.token == config::WhichToken::access;
  const vault::Secret* token = by_access ? renewal.access_token : renewal.refresh_token;
  if (token == nullptr || token->empty()) return missing_value(by_access ? "accessToken" : "refreshToken");
  Call call{renewal.asking.oauth.token};
  call.own.push_back({"grant_type", vault::Secret("refresh_token")});
  call.own.push_back({refresh.token_param, token->clone()});
  if (refresh.scope && !renewal.scopes.empty())
    call.own.push_back({"scope", vault::Secret(join_scopes(renewal.asking.oauth, renewal.scopes))});
  if (refresh.url) call.url = &*refresh.url;
  call.params = &refresh.params;
  call.headers = &refresh.headers;
  return build_request(renewal.asking, std::move(call));
}

}  // namespace postern::grants
