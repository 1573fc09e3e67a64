#pragma once
// Host names, addresses and ports as settings and catalog entries write them: one normal form, one set of refusals.
//
// Normal form: lower case, no trailing dot, IPv4 in dotted decimal, IPv6 in its shortest form without brackets (RFC
// 5952), so that it equals what the wire makes of a request's target. Pure, thread safe. Errors are one-line texts
// without a place; the caller knows it.
#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace postern::config {

template <class T>
using HostResult = std::expected<T, std::string>;

struct HostPort {
  std::string host;
  std::uint16_t port = 0;  // 0: none was written, or (where the caller allows it) port 0
  bool has_port = false;
  bool ip = false;
  bool wildcard = false;  // "*.suffix": host is ".suffix"
};

// Letters, digits and hyphens, labels of 1 to 63, at most 253 in all (RFC 1123 section 2.1); never what some resolver
// would read as a number (127.1, 0x7f.1, 2130706433).
HostResult<std::string> parse_name(std::string_view text);
// host, host:port, [v6], [v6]:port, and with `wildcards` *.suffix[:port], where the suffix is not a public one.
HostResult<HostPort> parse_host_port(std::string_view text, bool wildcards, bool port_zero = false);
// "api.internal:8443", "[::1]:443"
std::string join_host_port(std::string_view host, std::uint16_t port);
// A single label, or one of the well-known suffixes under which strangers register names (co.uk, github.io, …).
bool is_public_suffix(std::string_view name);
// An exact name is under ".suffix".
bool under_suffix(std::string_view name, std::string_view suffix);

struct Address {
  std::array<std::uint8_t, 16> bytes{};  // v4 as ::ffff:a.b.c.d
  bool v4 = false;
};
std::optional<Address> parse_address(std::string_view text);
bool is_loopback(const Address& address);
// "10.0.0.0/8" in normal form; refuses bits below the prefix, and ranges made for a metadata address.
HostResult<std::string> parse_range(std::string_view text);
// The addresses where clouds hand out credentials: no setting opens them. Mapped and NAT64 forms are unwrapped.
bool is_metadata(const Address& address);
// A prefix of URL paths: starts with '/', no query, no escapes, no dot or empty segments, no ';' or '\'. "/" is "".
HostResult<std::string> parse_path_prefix(std::string_view text);

}  // namespace postern::config
