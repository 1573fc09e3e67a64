#pragma once
// Bytes as text and back: base64, base64url, hex, Crockford base32, base62, CRC-32. Pure functions, any thread.
// Decoders take exactly what the encoders make (canonical, no white space); anything else is nullopt.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vault/secret.hpp"

namespace postern::vault {

inline constexpr std::string_view kCrockford = "0123456789abcdefghjkmnpqrstvwxyz";  // lower case: no i, l, o, u

std::string base64(std::string_view bytes);                    // RFC 4648 section 4, padded
std::optional<Secret> decode_base64(std::string_view text);    // into locked memory: it may be a key
std::string base64url(std::string_view bytes);                 // RFC 4648 section 5, without padding
std::string hex(std::string_view bytes);                       // lower case
std::optional<std::string> decode_hex(std::string_view text);  // lower case only
std::string random_crockford(std::size_t characters);          // 5 random bits each
bool is_crockford(std::string_view text);                      // lower case only
std::string base62(std::uint32_t value, std::size_t width);    // 0-9A-Za-z, zero padded, big endian
std::uint32_t crc32(std::string_view bytes);                   // the IEEE polynomial, as zlib has it

}  // namespace postern::vault
