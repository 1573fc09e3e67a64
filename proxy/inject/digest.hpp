#pragma once
// Hashes, HMAC (RFC 2104) and the texts that signatures are written as. Pure but for OpenSSL, which does the work; any
// thread. They fail only where OpenSSL itself is broken or out of memory: the process ends then, because a proxy that
// signs with half a hash is worse than one that is down.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "vault/secret.hpp"

struct evp_mac_ctx_st;
struct evp_md_ctx_st;

namespace postern::inject {

class Content;

enum class Hash : std::uint8_t { md5, sha1, sha256, sha384, sha512 };
// The names of a Hash, in its order: "md5", "sha1", …
std::span<const std::string_view> hash_names();

std::string digest(Hash hash, std::string_view bytes);
// Of a whole body; none (nullptr) is an empty one. nullopt: it could not be read to its end.
std::optional<std::string> digest(Hash hash, const Content* content);

// HMAC over bytes that come in pieces.
class Hmac {
 public:
  Hmac(Hash hash, std::string_view key);
  ~Hmac();
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;
  void add(std::string_view bytes);
  std::string finish();  // once

 private:
  evp_mac_ctx_st* context_;
};
std::string hmac(Hash hash, std::string_view key, std::string_view bytes);

enum class Encoding : std::uint8_t { hex, upper_hex, base64, base64url };
// The names of an Encoding, in its order: "hex", "HEX", "base64", "base64url" (RFC 4648 section 5, without padding).
std::span<const std::string_view> encoding_names();
std::string encode(Encoding encoding, std::string_view bytes);

// How a provider hands out a key: as it is, or as text of its bytes.
enum class KeyEncoding : std::uint8_t { raw, base64, base64url, hex };
std::span<const std::string_view> key_encoding_names();
// Strict but for padding and for white space around it. nullopt: it is not written so, or it is empty.
std::optional<vault::Secret> decode_key(KeyEncoding encoding, std::string_view text);

}  // namespace postern::inject
