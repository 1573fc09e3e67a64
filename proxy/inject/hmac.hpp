#pragma once
// The kind "hmac": an HMAC over a message that the catalog describes, for the many APIs that have a scheme of their
// own.
//
// Options: message (a Message over the names below; required), hash (sha256), encoding (hex), key_encoding (raw),
// header or query (where the signature goes; exactly one), value (what stands there: "${signature}"), timestamp_header,
// timestamp_query, timestamp_format (s), nonce_header, nonce_query, nonce_format (hex, uuid), body_hash (sha256),
// body_hash_encoding (hex), body_hash_header, body_hash_query. Values: key, and whatever the texts name.
// Names: method, authority, path, query (raw, with what is added before the signature), sorted_query (decoded, encoded
// anew and sorted), target (path and query), header_content_type and the like (a field as it goes out, empty where
// there is none), timestamp, nonce, body, body_hash, and in `value` signature; then the credential's fields. An Error:
// a body that cannot be read, a header value that would break the head.
#include "proxy/inject/injection.hpp"

namespace postern::inject {

std::expected<std::unique_ptr<Injection>, std::string> make_hmac(Recipe recipe);

}  // namespace postern::inject
