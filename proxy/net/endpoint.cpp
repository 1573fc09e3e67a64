// Addresses and ranges as text and as bytes. Text is read strictly: inet_pton takes neither octal, hex, short forms nor
// zone ids, all of which other software reads as another address than a person does.
#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "proxy/net/address_bits.hpp"
#include "proxy/net/address_policy.hpp"

namespace postern::net {
namespace {

// A decimal number without sign or leading zero, at most `max`.
std::optional<unsigned> number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

std::optional<V6> parse_v6(std::string_view text) {
  V6 out;
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (inet_pton(AF_INET6, std::string(text).c_str(), out.data()) != 1) return std::nullopt;
  return out;
}

std::optional<std::uint32_t> parse_v4(std::string_view text) {
  in_addr out{};
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (inet_pton(AF_INET, std::string(text).c_str(), &out) != 1) return std::nullopt;
  return ntohl(out.s_addr);
}

}  // namespace

std::uint32_t v4_of(const Endpoint& endpoint) {
  return ntohl(reinterpret_cast<const sockaddr_in*>(&endpoint.storage)->sin_addr.s_addr);
}

V6 v6_of(const Endpoint& endpoint) {
  V6 out;
  std::memcpy(out.data(), &reinterpret_cast<const sockaddr_in6*>(&endpoint.storage)->sin6_addr, out.size());
  return out;
}

Endpoint make_v4(std::uint32_t address, std::uint16_t port) {
  Endpoint out;
  auto* in = reinterpret_cast<sockaddr_in*>(&out.storage);
  in->sin_family = AF_INET;
  in->sin_addr.s_addr = htonl(address);
  in->sin_port = htons(port);
  out.length = sizeof(sockaddr_in);
  return out;
}

Endpoint make_v6(const V6& address, std::uint16_t port, std::uint32_t scope) {
  Endpoint out;
  auto* in = reinterpret_cast<sockaddr_in6*>(&out.storage);
  in->sin6_family = AF_INET6;
  std::memcpy(&in->sin6_addr, address.data(), address.size());
  in->sin6_port = htons(port);
  in->sin6_scope_id = scope;
  out.length = sizeof(sockaddr_in6);
  return out;
}

std::expected<Endpoint, std::string> Endpoint::parse(std::string_view host_port) {
  const std::string_view wanted = "' is not an address with a port: write 127.0.0.1:80 or [::1]:80";
  const auto refuse = [&] { return std::unexpected("'" + std::string(host_port) + std::string(wanted)); };
  const std::size_t colon = host_port.rfind(':');
  if (colon == std::string_view::npos) return refuse();
  const std::string_view host = host_port.substr(0, colon);
  const auto port = number(host_port.substr(colon + 1), 65535);
  if (!port) return refuse();
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    const auto address = parse_v6(host.substr(1, host.size() - 2));
    if (!address) return refuse();
    return make_v6(*address, static_cast<std::uint16_t>(*port), 0);
  }
  const auto address = parse_v4(host);
  if (!address) return refuse();
  return make_v4(*address, static_cast<std::uint16_t>(*port));
}

Endpoint Endpoint::from(const sockaddr* address, socklen_t length) {
  if (address == nullptr) return {};
  // Rebuilt field by field: what lies in padding and flow label must not make equal endpoints differ.
  if (length >= sizeof(sockaddr_in) && address->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    return make_v4(ntohl(in.sin_addr.s_addr), ntohs(in.sin_port));
  }
  if (length >= sizeof(sockaddr_in6) && address->sa_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, address, sizeof in);
    V6 bytes;
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return make_v6(bytes, ntohs(in.sin6_port), in.sin6_scope_id);
  }
  return {};
}

std::uint16_t Endpoint::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return 0;
}

void Endpoint::set_port(std::uint16_t port) {
  if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
}

std::string Endpoint::address() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (family() == AF_INET)
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, out.data(), out.size());
  else if (family() == AF_INET6)
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, out.data(), out.size());
  return out.data();
}

std::string Endpoint::text() const {
  if (family() == AF_INET) return address() + ":" + std::to_string(port());
  if (family() == AF_INET6) return "[" + address() + "]:" + std::to_string(port());
  return {};
}

bool Endpoint::operator==(const Endpoint& other) const {
  return length == other.length && std::memcmp(&storage, &other.storage, length) == 0;
}

std::expected<Range, std::string> Range::parse(std::string_view cidr) {
  const auto refuse = [&](const std::string& why) { return std::unexpected("'" + std::string(cidr) + "' " + why); };
  const std::string wanted = "is not an address range: write 10.0.0.0/8 or fd00::/8";
  const std::size_t slash = cidr.find('/');
  const std::string_view address = cidr.substr(0, slash);
  Range out;
  if (const auto four = parse_v4(address)) {
    const std::uint32_t network = htonl(*four);
    std::memcpy(out.bytes, &network, 4);
  } else if (const auto six = parse_v6(address)) {
    out.family = AF_INET6;
    std::memcpy(out.bytes, six->data(), six->size());
  } else {
    return refuse(wanted);
  }
  const int bits = out.family == AF_INET ? 32 : 128;
  out.prefix = bits;
  if (slash != std::string_view::npos) {
    const auto prefix = number(cidr.substr(slash + 1), static_cast<unsigned>(bits));
    if (!prefix) return refuse(wanted);
    out.prefix = static_cast<int>(*prefix);
  }
  Range network = out;
  for (int bit = out.prefix; bit < bits; ++bit)
    network.bytes[bit / 8] = static_cast<std::uint8_t>(network.bytes[bit / 8] & ~(0x80 >> bit % 8));
  if (std::memcmp(network.bytes, out.bytes, sizeof out.bytes) != 0) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(out.family, network.bytes, text.data(), text.size());
    return refuse("has bits set behind the prefix: did you mean " + std::string(text.data()) + "/" +
                  std::to_string(out.prefix) + "?");
  }
  if (out.family == AF_INET6 && out.prefix >= 96 && same_bits(out.bytes, kMapped.data(), 96)) {
    Range mapped;
    std::memcpy(mapped.bytes, out.bytes + 12, 4);
    mapped.prefix = out.prefix - 96;
    return mapped;
  }
  return out;
}

bool Range::contains(const Endpoint& endpoint) const {
  if (endpoint.family() == AF_INET) {
    const std::uint32_t address = htonl(v4_of(endpoint));
    return family == AF_INET && same_bits(bytes, reinterpret_cast<const std::uint8_t*>(&address), prefix);
  }
  if (endpoint.family() != AF_INET6) return false;
  const V6 address = v6_of(endpoint);
  if (family == AF_INET6) return same_bits(bytes, address.data(), prefix);
  return same_bits(address.data(), kMapped.data(), 96) && same_bits(bytes, &address[12], prefix);
}

}  // namespace postern::net
