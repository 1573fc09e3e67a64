#pragma once
// The request target, parsed once (RFC 9112 section 3.2; DESIGN section 5, request shapes). Policy, DNS, SNI, certificate
// check, Host, pool key and log all use this one struct.
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/wire/fault.hpp"

namespace postern::wire {

enum class Form : std::uint8_t { absolute, origin, authority, asterisk };

struct Target {
  Form form = Form::origin;
  bool tls_scheme = false;      // the caller wrote https://
  std::string host;             // lower case, without trailing dot and without .postern.internal; v6 without brackets
  std::uint16_t port = 443;     // where we dial: 80, written or implied, means 443
  std::uint16_t written_port = 0;  // as the caller wrote it; 0: none
  bool internal_suffix = false;  // the caller wrote host.postern.internal
  bool ip_literal = false;
  std::string_view path;         // path and query as sent, "/" if the caller wrote none; "*" for asterisk
  // base-URL mode: origin-form /c/<connection>/<rest>; `path` is then "/<rest>"
  std::string_view base_connection;

  std::string_view path_only() const noexcept { return path.substr(0, path.find('?')); }
  std::string_view query() const noexcept;  // without '?', empty if none
  void reset() noexcept;
};

// `method` decides about CONNECT (authority-form) and OPTIONS (asterisk). Refuses: userinfo, backslash, '#', raw
// non-ASCII, CTL and space, bad port (0, > 65535, signs), empty host, host characters outside LDH and '_', IPv4 in any spelling but
// dotted decimal without leading zeros, zone ids, schemes other than http and https.
Refusal parse_target(std::string_view method, std::string_view target, Target& out);
// host[:port] of a Host field, normalized like a target's; port 0 when absent.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  bool ip_literal = false;
};
Refusal parse_host(std::string_view text, HostPort& out);
// True if the path has what nobody may send where a path rule decides: dot segments, %2e, %2f, %5c, //, ';'.
bool path_is_ambiguous(std::string_view path) noexcept;

}  // namespace postern::wire
