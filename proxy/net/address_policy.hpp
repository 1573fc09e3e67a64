#pragma once
// Which addresses may be dialled (DESIGN section 8). Judged on the sockaddr that is connected to, never on a name.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace postern::net {

// An IPv4 or IPv6 address with port. Comparable; two equal endpoints hold equal bytes, so it can be hashed by them.
// Default-made: family AF_UNSPEC, which no policy allows.
struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
  // "127.0.0.1:80", "[::1]:80"; numeric only, dotted decimal without leading zeros, no zone id, the port is required
  // (0 is a port: it asks a listener for any). The error is one sentence.
  static std::expected<Endpoint, std::string> parse(std::string_view host_port);
  // What accept, getpeername or getaddrinfo gave. Families other than IPv4 and IPv6, and lengths too short for theirs,
  // give an empty Endpoint.
  static Endpoint from(const sockaddr* address, socklen_t length);
  int family() const { return storage.ss_family; }
  std::uint16_t port() const;
  void set_port(std::uint16_t port);
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
  std::string text() const;     // "127.0.0.1:80", "[::1]:80"; "" when empty
  std::string address() const;  // "127.0.0.1", "::1"; "" when empty
  bool operator==(const Endpoint& other) const;
};

enum class AddressClass : std::uint8_t {
  global,
  unspecified,
  loopback,
  private_use,
  link_local,
  cgnat,
  multicast,
  broadcast,
  documentation,
  benchmarking,
  reserved,
  unique_local,
  nat64,
  six_to_four,
  teredo,
  metadata
};

// Unwraps v4-mapped, v4-compatible and NAT64 64:ff9b::/96 (to the inner v4's class); other NAT64 (64:ff9b:1::/48), 6to4
// and Teredo are classes of their own. Cloud metadata addresses (169.254.169.254, fd00:ec2::254, 100.100.100.200,
// 192.0.0.192, 168.63.129.16, 169.254.170.2, fd20:ce::254 …) are always `metadata`, also when a tunnel address carries
// one. What no table names is `reserved`: in IPv6 only 2000::/3 can be global. An empty Endpoint is `reserved`.
AddressClass classify(const Endpoint& endpoint);
const char* to_string(AddressClass c);  // the enumerator's name, "private_use"

// CIDR, "10.0.0.0/8"; an address alone is a range of one.
struct Range {
  std::uint8_t bytes[16]{};  // the first 4 for AF_INET
  int family = AF_INET;
  int prefix = 0;
  // Refuses what inet_pton refuses, a prefix that is not plain decimal or too long, and bits set behind the prefix (the
  // message shows the network that was probably meant). A v4-mapped range (::ffff:10.0.0.0/104) becomes its v4 range.
  static std::expected<Range, std::string> parse(std::string_view cidr);
  // By address, whatever the port. v4 ranges match v4-mapped v6 too, but not NAT64 or v4-compatible spellings.
  bool contains(const Endpoint& endpoint) const;
};

// Thread safety: const after the last add_own.
class AddressPolicy {
 public:
  // Our own listeners, never dialled through ourselves; a wildcard listener covers every local address with that port
  // (the interfaces as they are now, and all of loopback).
  void add_own(const Endpoint& listener);
  // Global addresses pass; others only if a range of this host's exceptions holds them. Metadata and own listeners
  // never.
  bool allows(const Endpoint& endpoint, const std::vector<Range>& exceptions) const;
  // This address and port is one of ours, in whatever spelling (v4-mapped, NAT64; 0.0.0.0 and :: reach loopback).
  bool is_own(const Endpoint& endpoint) const;

 private:
  std::vector<Endpoint> own_;  // unwrapped; a wildcard listener is here itself, beside the addresses it covers
};

}  // namespace postern::net
