#include "vault/digest.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace postern::vault {
namespace {

char kSha256[] = "SHA256";  // OSSL_PARAM takes no const

// Fetching an algorithm is the slow part of OpenSSL 3, so each is fetched once and kept for ever.
// HMAC with its digest chosen and no key yet: naming the digest anew for every use costs more than the HMAC itself.
EVP_MAC_CTX* hmac_template() {
  static EVP_MAC_CTX* const made = [] {
    EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    must(hmac != nullptr, "EVP_MAC_fetch(HMAC)");
    EVP_MAC_CTX* context = EVP_MAC_CTX_new(hmac);
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, kSha256, 0),
                                 OSSL_PARAM_construct_end()};
    must(context != nullptr && EVP_MAC_CTX_set_params(context, params) == 1, "EVP_MAC_CTX_set_params");
    return context;
  }();
  return made;
}

EVP_KDF* hkdf() {
  static EVP_KDF* const fetched = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  must(fetched != nullptr, "EVP_KDF_fetch(HKDF)");
  return fetched;
}

}  // namespace

void must(bool fine, const char* what) {
  if (fine) return;
  std::fprintf(stderr, "postern: the cryptographic library failed in %s\n", what);
  std::abort();
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_dup(hmac_template()),
                                                                          &EVP_MAC_CTX_free);
  must(context != nullptr, "EVP_MAC_CTX_dup");
  // A null key pointer means "keep the key": an empty key still needs an address.
  const auto* key_bytes = reinterpret_cast<const unsigned char*>(key.empty() ? "" : key.data());
  must(EVP_MAC_init(context.get(), key_bytes, key.size(), nullptr) == 1, "EVP_MAC_init");
  must(EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) == 1,
       "EVP_MAC_update");
  std::string digest(kDigestSize, '\0');
  std::size_t size = 0;
  must(EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &size, digest.size()) == 1 &&
           size == kDigestSize,
       "EVP_MAC_final");
  return digest;
}

Secret hkdf_sha256(std::string_view key, std::string_view salt, std::string_view info, std::size_t size) {
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(hkdf()), &EVP_KDF_CTX_free);
  must(context != nullptr, "EVP_KDF_CTX_new");
  const auto bytes = [](std::string_view view) { return const_cast<char*>(view.empty() ? "" : view.data()); };
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, kSha256, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, bytes(key), key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, bytes(salt), salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, bytes(info), info.size()),
      OSSL_PARAM_construct_end(),
  };
  return Secret::make(size, [&](char* out) {
    must(EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(out), size, params) == 1, "EVP_KDF_derive");
  });
}

std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  must(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) == 1, "RAND_bytes");
  return bytes;
}

Secret random_secret(std::size_t size) {
  return Secret::make(size, [size](char* out) {
    must(RAND_priv_bytes(reinterpret_cast<unsigned char*>(out), static_cast<int>(size)) == 1, "RAND_priv_bytes");
  });
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

std::string length_prefixed(std::initializer_list<std::string_view> parts) {
  std::string bytes;
  for (const std::string_view part : parts) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(part.size() >> shift & 0xffU);
    bytes += part;
  }
  return bytes;
}

}  // namespace postern::vault
