// RFC 7523 section 2.1. Google wants the scopes among the claims (its entry says so), RFC 7521 as a parameter; an
// entry that names `scope` in its claims gets no parameter.
#include "proxy/grants/assertion.hpp"
#include "proxy/grants/grant.hpp"

namespace postern::grants {

Built<TokenRequest> jwt_bearer(const Renewal& renewal) {
  const Asking& asking = renewal.asking;
  if (!asking.oauth.assertion) return missing_value("assertion");
  auto assertion = make_assertion(*asking.oauth.assertion, asking);
  if (!assertion) return std::unexpected(assertion.error());
  Call call{asking.oauth.token};
  if (asking.oauth.assertion->send == config::OAuthAssertion::Send::bearer) {
    call.bearer = std::move(*assertion);
  } else {
    call.own.push_back({"grant_type", vault::Secret("urn:ietf:params:oauth:grant-type:jwt-bearer")});
    call.own.push_back({"assertion", std::move(*assertion)});
  }
  if (!renewal.scopes.empty() && !asking.oauth.assertion->claims.contains("scope"))
    call.own.push_back({"scope", vault::Secret(join_scopes(asking.oauth, renewal.scopes))});
  return build_request(asking, std::move(call));
}

}  // namespace postern::grants
