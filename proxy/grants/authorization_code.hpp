#pragma once
// The authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 9207), as far as it is pure: the link, the
// callback's judgement, the exchange. State, cookie and storage are the connect flow's.
//
// Thread safety: pure functions. Ownership: values own their bytes.
#include <string>
#include <string_view>
#include <vector>

#include "proxy/grants/grant.hpp"
#include "proxy/grants/token_answer.hpp"

namespace postern::grants {

// base64url(SHA-256(verifier)), RFC 7636 section 4.2: S256 is the only method here.
std::string pkce_challenge(std::string_view verifier);
// 43 characters from 32 random bytes, RFC 7636 section 4.1; the caller brings the randomness.
vault::Secret pkce_verifier(std::string_view random32);

struct AuthorizeLink {
  const Asking& asking;
  std::string_view redirect_uri;
  std::string_view state;
  std::string_view verifier;  // empty where the entry forbids PKCE
  std::vector<std::string> scopes = {};
  std::string_view nonce = {};  // OpenID Connect; empty: none
};
// The URL a person's browser is sent to. It holds no secret: the state is in it, the verifier is not.
Built<std::string> authorize_url(const AuthorizeLink& link);
bool wants_pkce(const config::OAuth& oauth);

// What came to the redirect URI, decoded.
struct Callback {
  std::string state, code, error, error_description, iss;
};
struct Expected {
  std::string_view state;
  std::string_view issuer;  // empty: not known; then a sent one is not compared
};
// The code to exchange, or why not: a foreign or missing state and another issuer (RFC 9207 section 2.4) are `request`,
// access_denied is `denied`. State is compared in constant time.
std::expected<vault::Secret, Failure> judge_callback(const Callback& callback, const Expected& expected);

// RFC 6749 section 4.1.3. `redirect_uri` is byte for byte the one of the link.
Built<TokenRequest> exchange_code(const Asking& asking, const vault::Secret& code, std::string_view redirect_uri,
                                  const vault::Secret& verifier);

}  // namespace postern::grants
