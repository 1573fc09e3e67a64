#pragma once
// The kind "oauth1": OAuth 1.0a (RFC 5849) with HMAC-SHA1, HMAC-SHA256 or RSA-SHA1. PLAINTEXT is not here: it sends the
// secrets themselves.
//
// Options: method (HMAC-SHA1), placement (header, query), realm (of the header; none), body_hash (no): oauth_body_hash
// of bodies that are no form (draft-eaton-oauth-bodyhash). Values: consumerKey; consumerSecret, or privateKey (PEM) for
// RSA-SHA1; token, tokenSecret where there is a user. An Error: a form that names one of our parameters, is coded, or
// is larger than 64 MiB; a body that cannot be read.
#include "proxy/inject/injection.hpp"
#include "proxy/inject/parameters.hpp"

namespace postern::inject {

std::expected<std::unique_ptr<Injection>, std::string> make_oauth1(Recipe recipe);

// RFC 5849 section 3.4.1: what is signed. `uri` is the base string URI (section 3.4.1.2), `parameters` are decoded.
std::string oauth1_base_string(std::string_view method, std::string_view uri, const Parameters& parameters);

}  // namespace postern::inject
