#include "proxy/grants/authorization_code.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "config/encoding.hpp"

namespace postern::grants {
namespace {

std::unexpected<Failure> refused(Failure::Kind kind, std::string code, std::string text) {
  return std::unexpected(Failure{kind, 0, std::move(code), std::move(text), std::nullopt});
}

bool error_code(std::string_view text) {  // RFC 6749 appendix A.7, without what a page could misread
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                  c == '.';
         });
}

}  // namespace

std::string pkce_challenge(std::string_view verifier) {
  std::array<unsigned char, 32> digest{};
  std::size_t size = digest.size();
  EVP_Q_digest(nullptr, "SHA256", nullptr, verifier.data(), verifier.size(), digest.data(), &size);
  return config::encode_base64url({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

vault::Secret pkce_verifier(std::string_view random32) {
  std::string text = config::encode_base64url(random32);
  return vault::Secret::take(text);
}

bool wants_pkce(const config::OAuth& oauth) {
  return oauth.authorize && oauth.authorize->pkce != config::Pkce::none;
}

Built<std::string> authorize_url(const AuthorizeLink& link) {
  const config::OAuth& oauth = link.asking.oauth;
  if (!oauth.authorize) return missing_value("authorize");
  const auto place = expand_url(oauth.authorize->url, link.asking.values);
  if (!place) return std::unexpected(place.error());
  const auto id = needed_value(link.asking.values, "clientId");
  if (!id) return std::unexpected(id.error());
  std::vector<std::pair<std::string, std::string>> params{
      {"response_type", "code"},
      {oauth.token.client_id_param, std::string(*id)},
      {"redirect_uri", std::string(link.redirect_uri)},
      {oauth.authorize->scope_param, join_scopes(oauth, link.scopes)},
      {"state", std::string(link.state)}};
  if (wants_pkce(oauth)) {
    if (link.verifier.empty()) return missing_value("verifier");
    params.emplace_back("code_challenge", pkce_challenge(link.verifier));
    params.emplace_back("code_challenge_method", "S256");
  }
  if (!link.nonce.empty()) params.emplace_back("nonce", link.nonce);
  for (const auto& [name, text] : oauth.authorize->params) {
    const auto value = link.asking.values.expand(text);
    if (!value) return missing_value(name);
    std::erase_if(params, [&](const auto& p) { return p.first == name; });
    params.emplace_back(name, value->expose());
  }
  std::string out =
      "https://" + place->host + (place->port == 443 ? "" : ":" + std::to_string(place->port)) + place->path;
  char before = '?';
  for (const auto& [name, value] : params) {
    if (value.empty()) continue;
    out += before + config::percent_encode(name) + '=' + config::percent_encode(value);
    before = '&';
  }
  return out;
}

std::expected<vault::Secret, Failure> judge_callback(const Callback& callback, const Expected& expected) {
  using Kind = Failure::Kind;
  if (callback.state.empty() || !vault::Secret(expected.state).equals(callback.state))
    return refused(Kind::request, "state", "the answer does not belong to this link; start again from a new one");
  if (!callback.iss.empty() && !expected.issuer.empty() && callback.iss != expected.issuer)
    return refused(Kind::request, "iss", "the answer came from another issuer than the one that was asked");
  if (!callback.error.empty()) {
    const std::string code = error_code(callback.error) ? callback.error : "";
    const bool denied = code == "access_denied";
    return refused(
        denied ? Kind::denied : Kind::request, code,
        denied ? "access was denied at the provider" : "the provider refused: " + (code.empty() ? "an error" : code));
  }
  if (callback.code.empty()) return refused(Kind::request, "code", "the answer holds no code");
  return vault::Secret(callback.code);
}

Built<TokenRequest> exchange_code(const Asking& asking, const vault::Secret& code, std::string_view redirect_uri,
                                  const vault::Secret& verifier) {
  Call call{asking.oauth.token};
  call.own.push_back({"grant_type", vault::Secret("authorization_code")});
  call.own.push_back({"code", code.clone()});
  call.own.push_back({"redirect_uri", vault::Secret(redirect_uri)});
  if (wants_pkce(asking.oauth)) {
    if (verifier.empty()) return missing_value("verifier");
    call.own.push_back({"code_verifier", verifier.clone()});
  }
  return build_request(asking, std::move(call));
}

}  // namespace postern::grants
