#pragma once
// Hashes and message authentication codes for signers. Internal to inject.
//
// Pure. Thread safety: functions without state; a Hash is one thread's. Errors: none. Whoever may be asked for a hash
// that this OpenSSL may lack (MD5 under FIPS) looks at available() first: to use one that is not there ends the
// process.
#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/inject/injection.hpp"

namespace postern::inject {

enum class Algorithm : std::uint8_t { md5, sha1, sha256, sha384, sha512, sha512_256 };

bool available(Algorithm algorithm);

// The digest of what is added, piece by piece. Raw bytes.
class Hash {
 public:
  explicit Hash(Algorithm algorithm);
  void add(std::string_view bytes);
  std::string finish();  // once

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

std::string digest(Algorithm algorithm, std::string_view bytes);
// Empty if the content could not be read.
std::string digest(Algorithm algorithm, const Content& content);
// RFC 2104. The result may be a key itself: the caller wipes it then.
std::string hmac(Algorithm algorithm, std::string_view key, std::string_view bytes);
std::string hex(std::string_view bytes);  // lower case

}  // namespace postern::inject
