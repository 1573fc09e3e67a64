#pragma once
// The kind "http-signature": HTTP Message Signatures (RFC 9421), and Content-Digest (RFC 9530) where it is covered.
//
// Options: algorithm (hmac-sha256, ed25519, ecdsa-p256-sha256, rsa-pss-sha512, rsa-v1_5-sha256), components (in their
// order, separated by spaces: "@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query",
// "@query-param;name=\"x\"", or the name of a field in lower case; a '?' behind a field's name leaves it out where the
// request has none; default "@method @authority @path @query"), params (likewise: created, expires, keyid, alg, nonce,
// tag; default "created keyid"), expires_in (seconds), tag, label (sig1), digest (sha-256, sha-512), key_encoding (of
// an HMAC key: raw). "content-digest" among the components: the body is read and the field is written. Values: key
// (bytes of an HMAC key, or PEM), keyId where params has keyid. An Error: a covered field that the request has not, a
// query parameter that it has not exactly once, a value outside ASCII, a body that cannot be read.
#include "proxy/inject/injection.hpp"

namespace postern::inject {

std::expected<std::unique_ptr<Injection>, std::string> make_http_signature(Recipe recipe);

}  // namespace postern::inject
