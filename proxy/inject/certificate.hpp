#pragma once
// Kind "certificate": the credential is shown in the TLS handshake (net/identity.hpp), so nothing of it is written into
// the request. Rules beside it are combined with it like with any signer. Values: certificate, key, passphrase.
#include "proxy/inject/injection.hpp"

namespace postern::inject {

// Fails where there is no certificate or no key: a connection without its credential sends nothing.
std::expected<std::unique_ptr<Injection>, std::string> make_certificate(Recipe recipe);

}  // namespace postern::inject
