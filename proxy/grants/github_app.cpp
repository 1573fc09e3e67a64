// POST /app/installations/{id}/access_tokens with the app's JWT as Bearer; the answer says `token` and `expires_at`.
#include "proxy/grants/assertion.hpp"
#include "proxy/grants/grant.hpp"

namespace postern::grants {

Built<TokenRequest> github_app(const Renewal& renewal) {
  const Asking& asking = renewal.asking;
  if (!asking.oauth.assertion) return missing_value("assertion");
  auto assertion = make_assertion(*asking.oauth.assertion, asking);
  if (!assertion) return std::unexpected(assertion.error());
  Call call{asking.oauth.token};
  call.bearer = std::move(*assertion);
  return build_request(asking, std::move(call));
}

}  // namespace postern::grants
