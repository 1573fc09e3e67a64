// RFC 8693 section 2.1. Audience and resource are the entry's own parameters.
#include "proxy/grants/grant.hpp"

namespace postern::grants {

Built<TokenRequest> token_exchange(const Renewal& renewal) {
  const Asking& asking = renewal.asking;
  if (!asking.oauth.exchange) return missing_value("exchange");
  const config::OAuthExchange& exchange = *asking.oauth.exchange;
  Call call{asking.oauth.token};
  call.own.push_back({"grant_type", vault::Secret("urn:ietf:params:oauth:grant-type:token-exchange")});
  auto subject = asking.values.expand(exchange.subject_token);
  if (!subject || subject->empty()) return missing_value("subject_token");
  call.own.push_back({"subject_token", std::move(*subject)});
  call.own.push_back({"subject_token_type", vault::Secret(exchange.subject_token_type)});
  if (exchange.actor_token) {
    auto actor = asking.values.expand(*exchange.actor_token);
    if (!actor) return missing_value("actor_token");
    if (!actor->empty()) {
      call.own.push_back({"actor_token", std::move(*actor)});
      call.own.push_back({"actor_token_type", vault::Secret(exchange.actor_token_type)});
    }
  }
  if (!exchange.requested_token_type.empty())
    call.own.push_back({"requested_token_type", vault::Secret(exchange.requested_token_type)});
  if (!renewal.scopes.empty()) call.own.push_back({"scope", vault::Secret(join_scopes(asking.oauth, renewal.scopes))});
  return build_request(asking, std::move(call));
}

}  // namespace postern::grants
