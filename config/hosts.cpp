#include "config/hosts.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

namespace postern::config {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::array<std::uint8_t, 12> kNat64{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
constexpr std::string_view kMetadata[] = {"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192",
                                          "168.63.129.16"};

bool digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

HostResult<std::uint16_t> parse_port(std::string_view text, bool zero) {
  std::uint32_t port = 0;
  if (!digits(text) || text.size() > 5 || (text.size() > 1 && text[0] == '0'))
    return std::unexpected(fmt::format("'{}' is not a port", text));
  std::from_chars(text.data(), text.data() + text.size(), port);
  if (port > 65535 || (port == 0 && !zero)) return std::unexpected(fmt::format("port {} is not in 1..65535", text));
  return static_cast<std::uint16_t>(port);
}

std::string show_address(const Address& address) {
  char out[INET6_ADDRSTRLEN];
  if (address.v4)
    inet_ntop(AF_INET, address.bytes.data() + 12, out, sizeof out);
  else
    inet_ntop(AF_INET6, address.bytes.data(), out, sizeof out);
  return out;
}

bool covers(const Address& range, unsigned bits, const Address& address) {
  for (unsigned i = 0; i < bits; ++i) {
    const unsigned mask = 0x80U >> (i % 8);
    if ((range.bytes[i / 8] & mask) != (address.bytes[i / 8] & mask)) return false;
  }
  return true;
}

}  // namespace

HostResult<std::string> parse_name(std::string_view text) {
  std::string name = lower(text);
  if (name.ends_with('.')) name.pop_back();
  if (name.empty()) return std::unexpected("a host name is missing");
  if (name.size() > 253) return std::unexpected("a host name has at most 253 characters");
  std::string_view rest = name, last;
  while (true) {
    const std::size_t dot = rest.find('.');
    last = rest.substr(0, dot);
    const bool ldh = std::all_of(last.begin(), last.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
    if (last.empty() || last.size() > 63 || !ldh || last.front() == '-' || last.back() == '-')
      return std::unexpected(
          fmt::format("'{}' is not a host name (letters, digits and '-' in labels of 1 to 63)", text.substr(0, 260)));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (digits(last) || (last.starts_with("0x") && last.find_first_not_of("0123456789abcdef", 2) == last.npos))
    return std::unexpected(fmt::format("'{}' is a number, not a host name; write addresses in full", text));
  return name;
}

HostResult<HostPort> parse_host_port(std::string_view text, bool wildcards, bool port_zero) {
  HostPort out;
  if (text.find("://") != text.npos) return std::unexpected("write host or host:port, without a scheme");
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == text.npos) return std::unexpected(fmt::format("'{}' has no ']'", text));
    host = text.substr(1, end - 1);
    if (const auto rest = text.substr(end + 1); !rest.empty()) {
      if (rest[0] != ':') return std::unexpected(fmt::format("'{}' is not [address]:port", text));
      out.has_port = true;
      port = rest.substr(1);
    }
    const auto address = parse_address(host);
    if (!address || host.find(':') == host.npos)
      return std::unexpected(fmt::format("'{}' is not an IPv6 address", host));
    out.host = show_address(*address);
    out.ip = true;
  } else {
    const std::size_t colon = text.find(':');
    if (colon != text.npos && text.find(':', colon + 1) != text.npos)
      return std::unexpected(fmt::format("'{}' is not host:port; an IPv6 address stands in brackets", text));
    if (colon != text.npos) {
      out.has_port = true;
      port = text.substr(colon + 1);
      host = text.substr(0, colon);
    }
    out.wildcard = host.starts_with('*');
    if (out.wildcard && !wildcards) return std::unexpected(fmt::format("'{}': a wildcard is not allowed here", text));
    if (out.wildcard && !host.starts_with("*."))
      return std::unexpected(fmt::format("'{}': a wildcard is written *.suffix", text));
    if (const auto address = parse_address(host)) {
      out.host = show_address(*address);
      out.ip = true;
    } else {
      auto name = parse_name(out.wildcard ? host.substr(2) : host);
      if (!name) return std::unexpected(name.error());
      if (out.wildcard && is_public_suffix(*name))
        return std::unexpected(
            fmt::format("'{}' would cover a public suffix, where anybody can register a name", text));
      out.host = out.wildcard ? "." + *name : *name;
    }
  }
  if (out.has_port) {
    auto number = parse_port(port, port_zero);
    if (!number) return std::unexpected(number.error());
    out.port = *number;
  }
  return out;
}

std::string join_host_port(std::string_view host, std::uint16_t port) {
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

bool under_suffix(std::string_view name, std::string_view suffix) {
  return name.size() > suffix.size() && name.ends_with(suffix);
}

std::optional<Address> parse_address(std::string_view text) {
  Address out;
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  const std::string copy(text);
  if (inet_pton(AF_INET, copy.c_str(), out.bytes.data() + 12) == 1) {
    std::copy(kMapped.begin(), kMapped.end(), out.bytes.begin());
    out.v4 = true;
    return out;
  }
  if (inet_pton(AF_INET6, copy.c_str(), out.bytes.data()) == 1) return out;
  return std::nullopt;
}

bool is_loopback(const Address& address) {
  constexpr std::array<std::uint8_t, 16> one{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const bool mapped = std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
  return address.bytes == one || (mapped && address.bytes[12] == 127);
}

HostResult<std::string> parse_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::unexpected(fmt::format("'{}' is not an address range like 10.0.0.0/8", text));
  const unsigned width = address->v4 ? 32 : 128;
  unsigned bits = width;
  if (slash != text.npos) {
    const std::string_view tail = text.substr(slash + 1);
    if (!digits(tail) || tail.size() > 3 || (tail.size() > 1 && tail[0] == '0') ||
        (std::from_chars(tail.data(), tail.data() + tail.size(), bits), bits > width))
      return std::unexpected(fmt::format("'{}' has no prefix length of 0 to {}", text, width));
  }
  const unsigned all = 128 - width + bits;
  for (unsigned i = all; i < 128; ++i)
    if (address->bytes[i / 8] & (0x80U >> (i % 8)))
      return std::unexpected(fmt::format("'{}' has bits below its prefix length", text));
  // A wide range (10.64.0.0/10, 0.0.0.0/0) may hold one in passing: the address policy still denies it. A narrow one
  // was written for it.
  for (std::string_view metadata : kMetadata) {
    const auto forbidden = parse_address(metadata);
    if (bits >= (address->v4 ? 16U : 32U) && covers(*address, all, *forbidden))
      return std::unexpected(fmt::format("'{}' holds the metadata address {}, which is never allowed", text, metadata));
  }
  if (is_metadata(*address) && bits == width)
    return std::unexpected(fmt::format("'{}' is a metadata address, which is never allowed", text));
  return fmt::format("{}/{}", show_address(*address), bits);
}

bool is_metadata(const Address& address) {
  Address plain = address;
  const bool nat64 = std::equal(kNat64.begin(), kNat64.end(), address.bytes.begin());
  if (nat64) std::copy(kMapped.begin(), kMapped.end(), plain.bytes.begin());
  return std::any_of(std::begin(kMetadata), std::end(kMetadata),
                     [&](std::string_view text) { return parse_address(text)->bytes == plain.bytes; });
}

HostResult<std::string> parse_path_prefix(std::string_view text) {
  if (!text.starts_with('/')) return std::unexpected(fmt::format("'{}': a path starts with '/'", text));
  if (text.size() > 1024) return std::unexpected("a path prefix has at most 1024 characters");
  for (char c : text)
    if (c <= 0x20 || c >= 0x7f || std::strchr("%?#;\\*\"<>|^`{}", c))
      return std::unexpected(fmt::format("'{}': a path prefix holds no escapes, query, ';' or spaces", text));
  for (std::string_view rest = text.substr(1); !rest.empty();) {
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..")
      return std::unexpected(fmt::format("'{}': a path prefix has no empty and no dot segments", text));
    rest.remove_prefix(slash == rest.npos ? rest.size() : slash + 1);
  }
  return text == "/" ? std::string() : std::string(text);
}

}  // namespace postern::config
