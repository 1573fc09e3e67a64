#pragma once
// HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869), randomness, and comparison in constant time; all from OpenSSL.
// Any thread. These cannot fail except where OpenSSL itself is broken or out of memory; the process ends then, because
// a vault that goes on without its checks is worse than one that is down.
#include <initializer_list>
#include <string>
#include <string_view>

#include "vault/secret.hpp"

namespace postern::vault {

inline constexpr std::size_t kDigestSize = 32;

std::string hmac_sha256(std::string_view key, std::string_view bytes);
Secret hkdf_sha256(std::string_view key, std::string_view salt, std::string_view info, std::size_t size);
std::string random_bytes(std::size_t size);  // for what is not secret: ids, nonces
Secret random_secret(std::size_t size);
bool equal_in_constant_time(std::string_view a, std::string_view b);

// Each part behind its length as 4 bytes, big endian, so that no two lists of parts make the same bytes.
std::string length_prefixed(std::initializer_list<std::string_view> parts);

// Ends the process when `fine` is false; `what` names the call.
void must(bool fine, const char* what);

}  // namespace postern::vault
