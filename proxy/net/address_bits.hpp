#pragma once
// The bits of addresses, shared by endpoint.cpp and address_policy.cpp and by nobody else. Host byte order for IPv4.
#include <array>
#include <cstdint>
#include <cstring>

#include "proxy/net/address_policy.hpp"

namespace postern::net {

using V6 = std::array<std::uint8_t, 16>;

constexpr std::uint32_t v4(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// The groups of an IPv6 address, in full.
constexpr V6 v6(std::array<std::uint16_t, 8> groups) {
  V6 out{};
  for (std::size_t i = 0; i < 8; ++i) {
    out[2 * i] = static_cast<std::uint8_t>(groups[i] >> 8);
    out[2 * i + 1] = static_cast<std::uint8_t>(groups[i] & 0xff);
  }
  return out;
}

inline constexpr V6 kMapped = v6({0, 0, 0, 0, 0, 0xffff, 0, 0});  // ::ffff:0:0/96, RFC 4291 section 2.5.5.2

// The first `bits` bits are the same.
inline bool same_bits(const std::uint8_t* a, const std::uint8_t* b, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (std::memcmp(a, b, whole) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

// REQUIRES: the endpoint is of that family.
std::uint32_t v4_of(const Endpoint& endpoint);
V6 v6_of(const Endpoint& endpoint);
Endpoint make_v4(std::uint32_t address, std::uint16_t port);
Endpoint make_v6(const V6& address, std::uint16_t port, std::uint32_t scope);

}  // namespace postern::net
