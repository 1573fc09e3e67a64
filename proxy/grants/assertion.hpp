#pragma once
// A signed JWT that stands for a client or an account (RFC 7523 section 3), or logs an app in (GitHub).
#include "proxy/grants/token_request.hpp"

namespace postern::grants {

// iss, sub, aud, iat, exp, jti and the entry's own claims; what expands to nothing is left out. Without an audience in
// the entry it is the token URL.
Built<vault::Secret> make_assertion(const config::OAuthAssertion& what, const Asking& asking);

}  // namespace postern::grants
