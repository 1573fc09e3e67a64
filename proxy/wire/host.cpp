#include "proxy/wire/host.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "proxy/wire/bytes.hpp"

namespace postern::wire {
namespace {

constexpr std::string_view kSuffix = ".postern.internal";
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxName = 253;

constexpr Refusal kFine{};
constexpr Refusal malformed(const char* detail) noexcept {
  return {Fault::malformed, detail};
}

bool read_port(std::string_view text, std::uint16_t& port) noexcept {
  if (text.empty() || text.size() > 5 || text.front() == '0') return false;
  unsigned value = 0;
  for (const char c : text) {
    if (!is(kDigit, c)) return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  port = static_cast<std::uint16_t>(value);
  return value <= 65535;
}

// Exactly four numbers up to 255 without leading zeros. Everything else that inet_aton takes for an address is refused.
bool is_dotted_quad(std::string_view text) noexcept {
  for (int part = 0; part < 4; ++part) {
    std::size_t size = 0;
    unsigned value = 0;
    while (size < text.size() && size < 4 && is(kDigit, text[size]))
      value = value * 10 + static_cast<unsigned>(text[size++] - '0');
    if (size == 0 || size > 3 || value > 255 || (size > 1 && text[0] == '0')) return false;
    text.remove_prefix(size);
    if (part == 3) return text.empty();
    if (text.empty() || text[0] != '.') return false;
    text.remove_prefix(1);
  }
  return false;
}

// The WHATWG's "ends in a number": what some resolver or URL library would read as an IPv4 address.
bool ends_in_number(std::string_view name) noexcept {
  std::string_view label = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
  CharClass digits = kDigit;
  if (label.size() >= 2 && label[0] == '0' && label[1] == 'x') {
    label.remove_prefix(2);
    digits = kHex;
  }
  return std::all_of(label.begin(), label.end(), [digits](char c) { return is(digits, c); });
}

Refusal read_name(std::string_view text, HostName& host) noexcept {
  if (text.empty()) return malformed("the host is empty");
  if (text.back() == '.') text.remove_suffix(1);
  std::size_t label = 0;
  if (text.size() > host.bytes.size() + kSuffix.size()) return malformed("the host is longer than 253 characters");
  std::array<char, 254 + kSuffix.size()> name;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || text[i] == '.') {
      if (label == 0) return malformed("the host has an empty label");
      if (label > kMaxLabel) return malformed("the host has a label longer than 63 characters");
      label = 0;
      if (i != text.size()) name[i] = '.';
      continue;
    }
    if (!is(kHostChar, text[i])) return malformed("the host may hold letters, digits, '-', '_' and '.' only");
    name[i] = lower(text[i]);
    ++label;
  }
  std::string_view rest{name.data(), text.size()};
  host.internal_suffix = rest.ends_with(kSuffix);
  if (host.internal_suffix) rest.remove_suffix(kSuffix.size());
  if (rest.ends_with(kSuffix) || rest == kSuffix.substr(1))
    return malformed("one name, and only one .postern.internal, must make up the host");
  if (rest.size() > kMaxName) return malformed("the host is longer than 253 characters");
  if (ends_in_number(rest)) {
    if (!is_dotted_quad(rest)) return malformed("an IPv4 address must be four decimal numbers without leading zeros");
    host.ip_literal = true;
  }
  std::copy(rest.begin(), rest.end(), host.bytes.begin());
  host.size = rest.size();
  return kFine;
}

// Without the brackets.
Refusal read_v6(std::string_view text, HostName& host) noexcept {
  char copy[INET6_ADDRSTRLEN] = {};
  in6_addr address{};
  // inet_pton takes neither zone ids nor IPvFuture; a NUL would end the text early
  if (text.size() >= sizeof copy || text.find('\0') != std::string_view::npos)
    return malformed("the IPv6 address is not valid");
  std::copy(text.begin(), text.end(), copy);
  if (inet_pton(AF_INET6, copy, &address) != 1) return malformed("the IPv6 address is not valid");
  inet_ntop(AF_INET6, &address, host.bytes.data(), static_cast<socklen_t>(host.bytes.size()));
  host.size = std::string_view(host.bytes.data()).size();
  host.ip_literal = true;
  return kFine;
}

}  // namespace

Refusal read_host_port(std::string_view text, HostName& host, std::uint16_t& port) noexcept {
  host.size = 0;
  host.ip_literal = host.internal_suffix = false;
  port = 0;
  std::string_view after;
  Refusal refusal;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return malformed("the IPv6 address has no closing bracket");
    after = text.substr(close + 1);
    refusal = read_v6(text.substr(1, close - 1), host);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    after = text.substr(colon);
    refusal = read_name(text.substr(0, colon), host);
  }
  if (refusal.fault != Fault::none) return refusal;
  if (after.empty()) return kFine;
  if (after[0] != ':' || !read_port(after.substr(1), port))
    return malformed("the port must be a decimal number from 1 to 65535");
  return kFine;
}

}  // namespace postern::wire
