#include "proxy/inject/digest.hpp"

#include <openssl/hmac.h>

#include <cstdlib>

namespace postern::inject {
namespace {

const EVP_MD* method_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::md5:
      return EVP_md5();
    case Algorithm::sha1:
      return EVP_sha1();
    case Algorithm::sha256:
      return EVP_sha256();
    case Algorithm::sha384:
      return EVP_sha384();
    case Algorithm::sha512:
      return EVP_sha512();
    case Algorithm::sha512_256:
      return EVP_sha512_256();
  }
  return nullptr;
}

void must(bool done) {
  if (!done) std::abort();  // a request without its signature must not go out
}

}  // namespace

bool available(Algorithm algorithm) {
  EVP_MD* const found = EVP_MD_fetch(nullptr, EVP_MD_get0_name(method_of(algorithm)), nullptr);
  EVP_MD_free(found);
  return found != nullptr;
}

Hash::Hash(Algorithm algorithm) : context_(EVP_MD_CTX_new()) {
  must(context_ && EVP_DigestInit_ex(context_.get(), method_of(algorithm), nullptr) == 1);
}

void Hash::add(std::string_view bytes) {
  must(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Hash::finish() {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  must(EVP_DigestFinal_ex(context_.get(), out, &size) == 1);
  return {reinterpret_cast<const char*>(out), size};
}

std::string digest(Algorithm algorithm, std::string_view bytes) {
  Hash hash(algorithm);
  hash.add(bytes);
  return hash.finish();
}

std::string digest(Algorithm algorithm, const Content& content) {
  Hash hash(algorithm);
  const bool whole = content.each([&](std::string_view piece) { hash.add(piece); });
  return whole ? hash.finish() : std::string();
}

std::string hmac(Algorithm algorithm, std::string_view key, std::string_view bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  must(HMAC(method_of(algorithm), key.data(), static_cast<int>(key.size()),
            reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), out, &size) != nullptr);
  std::string result(reinterpret_cast<const char*>(out), size);
  OPENSSL_cleanse(out, sizeof out);
  return result;
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

}  // namespace postern::inject
