#pragma once
// The texts that signatures and keys are written as, and the names that catalog entries have for them. Pure, thread
// safe.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/inject/digest.hpp"
#include "vault/secret.hpp"

namespace postern::inject {

// The names of an Algorithm, in its order: "md5", "sha1", …
std::span<const std::string_view> algorithm_names();
// Of a whole body; none (nullptr) is an empty one. nullopt: it could not be read to its end.
std::optional<std::string> digest_of(Algorithm algorithm, const Content* content);

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
