// The tables follow the IANA special-purpose registries (RFC 6890 and its updates). Deliberately not done: the few
// anycast services that IANA calls globally reachable inside 192.0.0.0/24 and 2001::/23 are refused with their blocks,
// and ISATAP interface ids (RFC 5214) under a global prefix are not unwrapped, because they need a tunnel interface on
// this machine.
#include "proxy/net/address_policy.hpp"

#include <ifaddrs.h>

#include <algorithm>
#include <optional>

#include "proxy/net/address_bits.hpp"

namespace postern::net {
namespace {

struct V4Row {
  std::uint32_t network;
  int prefix;
  AddressClass is;
};
struct V6Row {
  V6 network;
  int prefix;
  AddressClass is;
};

// Where clouds answer instances with credentials or configuration. The first row that matches wins, so they come first.
constexpr V4Row kV4[] = {
    {v4(169, 254, 169, 254), 32, AddressClass::metadata},  // AWS, Azure, GCP, OpenStack, DigitalOcean, Oracle …
    {v4(169, 254, 170, 2), 32, AddressClass::metadata},    // AWS ECS task credentials
    {v4(169, 254, 170, 23), 32, AddressClass::metadata},   // AWS EKS pod identity
    {v4(169, 254, 0, 23), 32, AddressClass::metadata},     // Tencent
    {v4(169, 254, 42, 42), 32, AddressClass::metadata},    // Scaleway
    {v4(100, 100, 100, 200), 32, AddressClass::metadata},  // Alibaba
    {v4(192, 0, 0, 192), 32, AddressClass::metadata},      // Oracle, classic
    {v4(168, 63, 129, 16), 32, AddressClass::metadata},    // Azure wire server
    {v4(0, 0, 0, 0), 8, AddressClass::unspecified},
    {v4(10, 0, 0, 0), 8, AddressClass::private_use},
    {v4(100, 64, 0, 0), 10, AddressClass::cgnat},
    {v4(127, 0, 0, 0), 8, AddressClass::loopback},
    {v4(169, 254, 0, 0), 16, AddressClass::link_local},
    {v4(172, 16, 0, 0), 12, AddressClass::private_use},
    {v4(192, 0, 0, 0), 24, AddressClass::reserved},  // IETF protocol assignments
    {v4(192, 0, 2, 0), 24, AddressClass::documentation},
    {v4(192, 88, 99, 0), 24, AddressClass::six_to_four},  // the relay anycast, RFC 7526
    {v4(192, 168, 0, 0), 16, AddressClass::private_use},
    {v4(198, 18, 0, 0), 15, AddressClass::benchmarking},
    {v4(198, 51, 100, 0), 24, AddressClass::documentation},
    {v4(203, 0, 113, 0), 24, AddressClass::documentation},
    {v4(224, 0, 0, 0), 4, AddressClass::multicast},
    {v4(255, 255, 255, 255), 32, AddressClass::broadcast},
    {v4(240, 0, 0, 0), 4, AddressClass::reserved},
};

constexpr V6Row kV6[] = {
    {v6({0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254}), 128, AddressClass::metadata},        // AWS
    {v6({0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23}), 128, AddressClass::metadata},         // AWS EKS pod identity
    {v6({0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254}), 128, AddressClass::metadata},        // GCP
    {v6({0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe}), 128, AddressClass::metadata},  // Oracle
    {v6({0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x42}), 128, AddressClass::metadata},         // Scaleway
    {v6({0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe}), 128, AddressClass::metadata},       // OpenStack
    {v6({0, 0, 0, 0, 0, 0, 0, 0}), 128, AddressClass::unspecified},
    {v6({0, 0, 0, 0, 0, 0, 0, 1}), 128, AddressClass::loopback},
    {v6({0x0064, 0xff9b, 1, 0, 0, 0, 0, 0}), 48, AddressClass::nat64},  // RFC 8215
    {v6({0x2001, 0, 0, 0, 0, 0, 0, 0}), 32, AddressClass::teredo},
    {v6({0x2001, 2, 0, 0, 0, 0, 0, 0}), 48, AddressClass::benchmarking},
    {v6({0x2001, 0, 0, 0, 0, 0, 0, 0}), 23, AddressClass::reserved},  // IETF protocol assignments
    {v6({0x2001, 0x0db8, 0, 0, 0, 0, 0, 0}), 32, AddressClass::documentation},
    {v6({0x3fff, 0, 0, 0, 0, 0, 0, 0}), 20, AddressClass::documentation},  // RFC 9637
    {v6({0x2002, 0, 0, 0, 0, 0, 0, 0}), 16, AddressClass::six_to_four},
    {v6({0xfc00, 0, 0, 0, 0, 0, 0, 0}), 7, AddressClass::unique_local},
    {v6({0xfe80, 0, 0, 0, 0, 0, 0, 0}), 10, AddressClass::link_local},
    {v6({0xfec0, 0, 0, 0, 0, 0, 0, 0}), 10, AddressClass::private_use},  // site-local, RFC 3879
    {v6({0xff00, 0, 0, 0, 0, 0, 0, 0}), 8, AddressClass::multicast},
    {v6({0x2000, 0, 0, 0, 0, 0, 0, 0}), 3, AddressClass::global},
};

constexpr V6 kCompatible{};
constexpr V6 kNat64 = v6({0x0064, 0xff9b, 0, 0, 0, 0, 0, 0});

std::uint32_t read32(const std::uint8_t* at) {
  return v4(at[0], at[1], at[2], at[3]);
}

AddressClass classify_v4(std::uint32_t address) {
  for (const V4Row& row : kV4)
    if ((address ^ row.network) >> (32 - row.prefix) == 0) return row.is;
  return AddressClass::global;
}

// The IPv4 address that an IPv6 address is only another spelling of.
std::optional<std::uint32_t> unwrap(const V6& address) {
  if (same_bits(address.data(), kMapped.data(), 96) || same_bits(address.data(), kNat64.data(), 96))
    return read32(&address[12]);
  // :: and ::1 are not v4-compatible addresses (RFC 4291 section 2.5.5.1).
  if (same_bits(address.data(), kCompatible.data(), 96) && read32(&address[12]) > 1) return read32(&address[12]);
  return std::nullopt;
}

// Tunnel addresses carry an IPv4 address in a place that depends on the scheme (RFC 3056, RFC 4380, RFC 6052
// section 2.2). Their classes can be let through by an exception; a metadata address inside them cannot.
bool carries_metadata(const V6& a, AddressClass is) {
  const auto hit = [](std::uint32_t address) { return classify_v4(address) == AddressClass::metadata; };
  switch (is) {
    case AddressClass::six_to_four:
      return hit(read32(&a[2]));
    case AddressClass::teredo:
      return hit(read32(&a[4])) || hit(~read32(&a[12]));
    case AddressClass::nat64:
      return hit(v4(a[6], a[7], a[9], a[10])) || hit(v4(a[7], a[9], a[10], a[11])) || hit(read32(&a[9])) ||
             hit(read32(&a[12]));
    default:
      return false;
  }
}

AddressClass classify_v6(const V6& address) {
  if (const auto inner = unwrap(address)) return classify_v4(*inner);
  for (const V6Row& row : kV6)
    if (same_bits(address.data(), row.network.data(), row.prefix))
      return carries_metadata(address, row.is) ? AddressClass::metadata : row.is;
  return AddressClass::reserved;
}

// The same place in its plainest spelling: v4 where v4 is meant, no scope. Only for comparing.
Endpoint plain(const Endpoint& endpoint) {
  if (endpoint.family() != AF_INET6) return endpoint;
  const V6 address = v6_of(endpoint);
  if (const auto inner = unwrap(address)) return make_v4(*inner, endpoint.port());
  return make_v6(address, endpoint.port(), 0);
}

bool is_wildcard(const Endpoint& endpoint) {
  if (endpoint.family() == AF_INET) return v4_of(endpoint) == 0;
  return endpoint.family() == AF_INET6 && v6_of(endpoint) == V6{};
}

}  // namespace

AddressClass classify(const Endpoint& endpoint) {
  if (endpoint.family() == AF_INET) return classify_v4(v4_of(endpoint));
  if (endpoint.family() == AF_INET6) return classify_v6(v6_of(endpoint));
  return AddressClass::reserved;
}

const char* to_string(AddressClass c) {
  switch (c) {
    case AddressClass::global:
      return "global";
    case AddressClass::unspecified:
      return "unspecified";
    case AddressClass::loopback:
      return "loopback";
    case AddressClass::private_use:
      return "private_use";
    case AddressClass::link_local:
      return "link_local";
    case AddressClass::cgnat:
      return "cgnat";
    case AddressClass::multicast:
      return "multicast";
    case AddressClass::broadcast:
      return "broadcast";
    case AddressClass::documentation:
      return "documentation";
    case AddressClass::benchmarking:
      return "benchmarking";
    case AddressClass::reserved:
      return "reserved";
    case AddressClass::unique_local:
      return "unique_local";
    case AddressClass::nat64:
      return "nat64";
    case AddressClass::six_to_four:
      return "six_to_four";
    case AddressClass::teredo:
      return "teredo";
    case AddressClass::metadata:
      return "metadata";
  }
  return "reserved";
}

void AddressPolicy::add_own(const Endpoint& listener) {
  if (listener.family() != AF_INET && listener.family() != AF_INET6)
    return;  // a unix socket cannot be dialled by callers
  own_.push_back(plain(listener));
  if (!is_wildcard(own_.back())) return;
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return;
  for (const ifaddrs* at = interfaces; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    const int family = at->ifa_addr->sa_family;
    const std::size_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (family != AF_INET && family != AF_INET6) continue;
    Endpoint local = plain(Endpoint::from(at->ifa_addr, static_cast<socklen_t>(size)));
    local.set_port(listener.port());
    own_.push_back(local);
  }
  freeifaddrs(interfaces);
}

bool AddressPolicy::is_own(const Endpoint& endpoint) const {
  const Endpoint asked = plain(endpoint);
  const AddressClass is = classify(asked);
  // Linux connects 0.0.0.0 and :: to loopback, where both a loopback and a wildcard listener answer.
  const bool to_loopback = is == AddressClass::loopback || is == AddressClass::unspecified;
  return std::any_of(own_.begin(), own_.end(), [&](const Endpoint& own) {
    if (own.port() != asked.port()) return false;
    if (own == asked) return true;
    if (is_wildcard(own)) return to_loopback;
    return is == AddressClass::unspecified && classify(own) == AddressClass::loopback;
  });
}

bool AddressPolicy::allows(const Endpoint& endpoint, const std::vector<Range>& exceptions) const {
  const AddressClass is = classify(endpoint);
  if (is == AddressClass::metadata || is_own(endpoint)) return false;
  if (is == AddressClass::global) return true;
  return std::any_of(exceptions.begin(), exceptions.end(),
                     [&](const Range& range) { return range.contains(endpoint); });
}

}  // namespace postern::net
