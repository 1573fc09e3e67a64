#include "proxy/grants/revoke.hpp"

#include <algorithm>

#include "proxy/grants/answer_tree.hpp"

namespace postern::grants {

Built<TokenRequest> revoke_request(const Asking& asking, config::WhichToken which, const vault::Secret& token) {
  if (!asking.oauth.revoke) return missing_value("revoke");
  const config::OAuthRevoke& revoke = *asking.oauth.revoke;
  Call call{revoke};
  call.own.push_back({revoke.token_param, token.clone()});
  if (revoke.token_param == "token")
    call.own.push_back(
        {"token_type_hint", vault::Secret(which == config::WhichToken::refresh ? "refresh_token" : "access_token")});
  return build_request(asking, std::move(call));
}

std::optional<Failure> read_revoke_answer(const Asking& asking, const Reading& reading, const TokenReply& reply) {
  const auto& expect = asking.oauth.revoke->expect;
  const bool expected = std::find(expect.begin(), expect.end(), reply.status) != expect.end();
  // A body that says nothing is the good case here, so only a refusal counts.
  auto read = read_answer(reading, reply);
  if (read || (expected && read.error().kind == Failure::Kind::malformed)) return std::nullopt;
  if (read.error().code == "invalid_token") return std::nullopt;
  return std::move(read.error());
}

Built<TokenRequest> introspect_request(const Asking& asking, const vault::Secret& token) {
  if (!asking.oauth.introspect) return missing_value("introspect");
  Call call{*asking.oauth.introspect};
  call.own.push_back({"token", token.clone()});
  return build_request(asking, std::move(call));
}

std::expected<bool, Failure> read_introspection(const Reading& reading, const TokenReply& reply) {
  config::OAuthAnswer active = reading.answer;
  active.access_token = "active";
  active.format = config::Format::json;
  auto read = read_answer(Reading{active, reading.sent_ms, reading.received_ms, reading.values}, reply);
  if (!read) return std::unexpected(std::move(read.error()));
  return read->access_token.expose() == "true";
}

}  // namespace postern::grants
