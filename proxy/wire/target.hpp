#pragma once
// The request target, parsed once (RFC 9112 section 3.2; DESIGN section 5, request shapes). Policy, DNS, SNI,
// certificate check, Host, pool key and log all use this one struct.
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/wire/fault.hpp"

namespace postern::wire {

enum class Form : std::uint8_t { absolute, origin, authority, asterisk };

struct Target {
  Form form = Form::origin;
  bool tls_scheme = false;   // the caller wrote https://
  std::string host;          // lower case, without trailing dot and without .postern.internal; v6 without brackets
  std::uint16_t port = 443;  // where we dial: 80, written or implied, means 443, in every form
  std::uint16_t written_port = 0;  // as the caller wrote it; 0: none
  bool internal_suffix = false;    // the caller wrote host.postern.internal
  bool ip_literal = false;
  // Path and query as sent, a view into the target; "/" if the caller wrote neither; "*" for asterisk, and for OPTIONS
  // in absolute-form without path and query (RFC 9112 section 3.2.4).
  std::string_view path;
  bool slash_missing = false;  // `path` is a query only ("http://host?q"): a '/' must be sent before it
  // base-URL mode: origin-form /c/<connection>[/<rest>]; `path` is then "/<rest>". Empty for any other origin-form,
  // which the caller of this refuses.
  std::string_view base_connection;

  std::string_view path_only() const noexcept { return slash_missing ? "/" : path.substr(0, path.find('?')); }
  std::string_view query() const noexcept;   // without '?', empty if none
  void append_path(std::string& out) const;  // path and query as they are to be sent
  void reset() noexcept;                     // keeps the capacity of `host`
};

// `method` decides about CONNECT (authority-form only, its port must be written) and OPTIONS (asterisk). Refuses:
// userinfo, backslash, '#', raw non-ASCII, CTL and space, bad port (empty, 0, > 65535, signs, leading zeros), empty
// host, host characters outside LDH and '_' (so percent-encoded ones), labels over 63 and names over 253, IPv4 in any
// spelling but dotted decimal without leading zeros (also a last label that is a number), zone ids, schemes other than
// http and https. On a refusal `out` may not be used.
Refusal parse_target(std::string_view method, std::string_view target, Target& out);
// host[:port] of a Host field, normalized like a target's (a suffix .postern.internal is stripped and told); port 0
// when absent, otherwise as written.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  bool ip_literal = false;
  bool internal_suffix = false;
};
Refusal parse_host(std::string_view text, HostPort& out);
// True if the path (a query after it is not looked at) has what nobody may send where a path rule decides: dot
// segments, %2e, %2f, %5c, //, ';'.
bool path_is_ambiguous(std::string_view path) noexcept;

}  // namespace postern::wire
