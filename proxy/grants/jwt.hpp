#pragma once
// JSON Web Tokens: signing our own (RFC 7515, 7518, 8037) and reading the claims of others. Pure but for the random
// number that an ES256 signature takes from OpenSSL.
//
// Thread safety: pure functions. Nothing here verifies a signature: the claims of others are only read where the token
// came over TLS from the endpoint that made it.
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "config/oauth.hpp"
#include "proxy/grants/token_request.hpp"

namespace postern::grants {

// "RS256", "ES256", "EdDSA"
std::string_view algorithm_name(config::Algorithm algorithm);

// base64url(header) "." base64url(claims) "." base64url(signature). `key`: a private key as PEM (PKCS#8, PKCS#1 or
// SEC1; line breaks may be written "\n", as in environment variables) or as base64 of DER. Never asks for a passphrase:
// an encrypted key is an error. RSA of 2048 bits or more; P-256; Ed25519.
Built<vault::Secret> sign_jwt(config::Algorithm algorithm, const vault::Secret& key, std::string_view header,
                              std::string_view claims);

// Whether sign_jwt() would take the key: for the moment it is stored, so that the mistake is told to whoever made it.
Built<void> check_key(config::Algorithm algorithm, const vault::Secret& key);

// The claims of a compact JWS; nullopt: it is not one (opaque, encrypted, garbage). Reads at most 64 KiB.
std::optional<boost::json::object> read_claims(std::string_view jwt);

// RFC 4648 section 5; padding is accepted. nullopt: a character outside the alphabet.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace postern::grants
