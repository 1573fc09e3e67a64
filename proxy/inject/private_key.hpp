#pragma once
// A private key and the signatures that schemes make with it. Pure but for the random numbers that RSASSA-PSS and ECDSA
// take from OpenSSL. Thread safety: const after construction. Ownership: the key is OpenSSL's, which wipes it.
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace postern::inject {

enum class KeyAlgorithm : std::uint8_t {
  rsa_sha1,    // RSASSA-PKCS1-v1_5 with SHA-1 (RFC 5849 section 3.4.3); 1,024 bits or more: that is what Jira asks for
  rsa_sha256,  // RSASSA-PKCS1-v1_5 with SHA-256
  rsa_pss_sha512,  // RSASSA-PSS, MGF1 with SHA-512, 64 bytes of salt
  ecdsa_p256,      // SHA-256; r and s, 32 bytes each (RFC 9421 section 3.3.4)
  ed25519
};

class PrivateKey {
 public:
  // PEM (PKCS#8, PKCS#1 or SEC1; line breaks may be written "\n", as in environment variables), not encrypted. The
  // error says what the algorithm needs, never a byte of the key.
  static std::expected<PrivateKey, std::string> read(KeyAlgorithm algorithm, std::string_view pem);
  // Empty: OpenSSL did not sign.
  std::string sign(std::string_view bytes) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const noexcept;
  };
  PrivateKey(KeyAlgorithm algorithm, evp_pkey_st* key) : algorithm_(algorithm), key_(key) {}

  KeyAlgorithm algorithm_;
  std::unique_ptr<evp_pkey_st, Free> key_;
};

}  // namespace postern::inject
