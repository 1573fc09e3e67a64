#include "proxy/grants/assertion.hpp"

#include <deque>

#include "proxy/grants/json_write.hpp"
#include "proxy/grants/jwt.hpp"

namespace postern::grants {

Built<vault::Secret> make_assertion(const config::OAuthAssertion& what, const Asking& asking) {
  std::deque<vault::Secret> texts;  // what the members' views point to
  std::vector<JsonMember> claims, header;
  std::optional<BuildError> failed;
  const auto add = [&](std::vector<JsonMember>& to, std::string_view name, const config::Template& text) {
    auto value = asking.values.expand(text);
    if (!value)
      for (const std::string& variable : text.variables())
        if (asking.values.find(variable) == nullptr) failed = missing_value(variable).error();
    if (!value || value->empty()) return;
    texts.push_back(std::move(*value));
    to.push_back({name, texts.back().expose()});
  };
  const std::string algorithm(algorithm_name(what.algorithm));
  header.push_back({"alg", algorithm});
  header.push_back({"typ", "JWT"});
  if (what.key_id) add(header, "kid", *what.key_id);

  if (what.issuer) add(claims, "iss", *what.issuer);
  if (what.subject) add(claims, "sub", *what.subject);
  std::string audience;
  if (what.audience) {
    add(claims, "aud", *what.audience);
  } else {
    const auto place = expand_url(asking.oauth.token.url, asking.values);
    if (!place) return std::unexpected(place.error());
    audience = "https://" + place->host + (place->port == 443 ? "" : ":" + std::to_string(place->port)) + place->path;
    claims.push_back({"aud", audience});
  }
  const std::string from = std::to_string(asking.now_s - what.backdate.count());
  const std::string until = std::to_string(asking.now_s + what.lifetime.count());
  claims.push_back({"iat", from, true});
  claims.push_back({"exp", until, true});
  if (what.id && !asking.nonce.empty()) claims.push_back({"jti", asking.nonce});
  for (const auto& [name, text] : what.claims) add(claims, name, text);
  if (failed) return std::unexpected(*failed);

  const vault::Secret* key = asking.values.find(what.key);
  if (key == nullptr || key->empty()) return missing_value(what.key);
  std::string body = write_json(claims);
  auto made = sign_jwt(what.algorithm, *key, write_json(header), body);
  vault::wipe(body);
  return made;
}

}  // namespace postern::grants
