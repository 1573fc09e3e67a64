#pragma once
// The kind "wsse": X-WSSE: UsernameToken with a PasswordDigest (OASIS Web Services Security UsernameToken Profile 1.0
// section 3.1, in a header as the Atom API wrote it): base64(SHA-1(nonce + created + password)).
//
// Options: header (X-WSSE), nonce (base64: the field holds base64 of the nonce that is hashed, as OASIS has it; text:
// the nonce itself), digest (base64 of the hash; base64-of-hex, as Emarsys has it). Values: username, password (or
// keyId, key: the fields of type HMAC).
#include "proxy/inject/injection.hpp"

namespace postern::inject {

std::expected<std::unique_ptr<Injection>, std::string> make_wsse(Recipe recipe);

}  // namespace postern::inject
