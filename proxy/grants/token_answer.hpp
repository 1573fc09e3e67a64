#pragma once
// Reads what a token endpoint answered, as a sum: tokens, or a failure that says whose fault it is and what a refresh
// does about it (RFC 6749 sections 5.1 and 5.2; DESIGN section 7 point 6). Nonsense is a value.
//
// Pure, thread safe. Tokens are vault::Secret; no text of a Failure holds a secret, whatever the endpoint wrote.
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/oauth.hpp"
#include "proxy/grants/values.hpp"
#include "vault/secret.hpp"

namespace postern::grants {

inline constexpr std::size_t kMaxAnswer = 256 * 1024;  // bytes of a body; the transport stops there
inline constexpr std::size_t kMaxToken = 16 * 1024;    // a header field could not carry more

struct TokenReply {
  int status = 0;
  std::vector<std::pair<std::string, vault::Secret>> headers;
  vault::Secret body;
};

struct Tokens {
  vault::Secret access_token;
  vault::Secret refresh_token;  // empty: none came, and the one that was sent stays
  vault::Secret id_token;
  std::map<std::string, vault::Secret> more;  // what the entry's `more` names and the answer holds
  std::string token_type, scope, account;     // "" where the answer does not say
  // How long the access token lives, from the moment the request was sent. nullopt: nobody said so, and the entry has
  // no default: it is used until it is refused.
  std::optional<std::int64_t> lifetime_ms;
  std::optional<std::int64_t> refresh_lifetime_ms;
  std::int64_t skew_ms = 0;  // the endpoint's clock (Date) minus ours; 0 without a Date
};

struct Failure {
  enum class Kind : std::uint8_t {
    rejected,   // invalid_grant: the refresh token, code or assertion is no longer good
    client,     // invalid_client, unauthorized_client: the auth config is wrong, not the connection
    request,    // any other refusal: what we ask for is wrong (invalid_scope, unsupported_grant_type …)
    pending,    // device flow: nobody has agreed yet (RFC 8628 section 3.5)
    slow_down,  // device flow: ask less often
    denied,     // a person said no
    transient,  // 5xx, 429, temporarily_unavailable: ask again
    malformed   // no answer that can be used: ask again
  };
  Kind kind = Kind::malformed;
  int status = 0;
  std::string code;  // the endpoint's own, cleaned; "" if it gave none
  std::string text;  // one line for people: cleaned, at most 200 characters, without secrets
  std::optional<std::int64_t> retry_after_ms;
};
const char* to_string(Failure::Kind kind);  // the enumerator's name

struct Reading {
  const config::OAuthAnswer& answer;
  std::int64_t sent_ms = 0;        // wall clock when the request was sent
  std::int64_t received_ms = 0;    // wall clock when the answer came
  const Values* values = nullptr;  // what was sent: must not come back in an error's text
};
std::expected<Tokens, Failure> read_answer(const Reading& reading, const TokenReply& reply);

// The refresh token to keep: the answer's, unless it brought none. `rotated` is false if it brought the same one again.
struct NextRefreshToken {
  vault::Secret token;
  bool rotated = false;
};
NextRefreshToken next_refresh_token(const vault::Secret& sent, const Tokens& answer);

}  // namespace postern::grants
