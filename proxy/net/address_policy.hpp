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

// An IPv4 or IPv6 address with port. Comparable, hashable by bytes; 28 bytes.
struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
  static std::expected<Endpoint, std::string> parse(std::string_view host_port);  // "127.0.0.1:80", "[::1]:80"; numeric only
  static Endpoint from(const sockaddr* address, socklen_t length);
  int family() const { return storage.ss_family; }
  std::uint16_t port() const;
  void set_port(std::uint16_t port);
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
  std::string text() const;     // "127.0.0.1:80"
  std::string address() const;  // "127.0.0.1"
  bool operator==(const Endpoint& other) const;
};

enum class AddressClass : std::uint8_t {
  global, unspecified, loopback, private_use, link_local, cgnat, multicast, broadcast, documentation, benchmarking, reserved,
  unique_local, nat64, six_to_four, teredo, metadata
};

// Unwraps v4-mapped, v4-compatible and NAT64 64:ff9b::/96 (to the inner v4's class); other NAT64 (64:ff9b:1::/48), 6to4 and Teredo are
// classes of their own. Cloud metadata addresses (169.254.169.254, fd00:ec2::254, 100.100.100.200, 192.0.0.192,
// 168.63.129.16, 169.254.170.2, fd20:ce::254 …) are always `metadata`.
AddressClass classify(const Endpoint& endpoint);
const char* to_string(AddressClass c);

struct Range {  // CIDR
  std::uint8_t bytes[16]{};
  int family = AF_INET;
  int prefix = 0;
  static std::expected<Range, std::string> parse(std::string_view cidr);
  bool contains(const Endpoint& endpoint) const;  // v4 ranges match v4-mapped v6 too
};

class AddressPolicy {
 public:
  // Our own listeners, never dialled through ourselves; a wildcard listener covers every local address with that port.
  void add_own(const Endpoint& listener);
  // Global addresses pass; others only if a range of this host's exceptions holds them. Metadata and own listeners never.
  bool allows(const Endpoint& endpoint, const std::vector<Range>& exceptions) const;

 private:
  std::vector<Endpoint> own_;
};

}  // namespace postern::net
