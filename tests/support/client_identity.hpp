#pragma once
// A certificate of a test's authority and its key as the texts that a connection of type CERTIFICATE holds.
#include <openssl/pem.h>

#include <memory>
#include <string>

#include "tests/support/tls_server.hpp"

namespace postern::test {

template <class Write>
std::string pem(Write write) {
  const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new(BIO_s_mem()), BIO_free);
  write(out.get());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

inline std::string certificate_pem(const Identity& identity) {
  return pem([&](BIO* out) { PEM_write_bio_X509(out, identity.certificate.get()); });
}

// With a passphrase: encrypted.
inline std::string key_pem(const Identity& identity, const char* passphrase = nullptr) {
  return pem([&](BIO* out) {
    PEM_write_bio_PKCS8PrivateKey(out, identity.key.get(), passphrase != nullptr ? EVP_aes_256_cbc() : nullptr, nullptr,
                                  0, nullptr, const_cast<char*>(passphrase));
  });
}

}  // namespace postern::test
