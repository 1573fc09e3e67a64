#pragma once
// Character classes of the wire room, as one 256-entry table, and the two scans that every head pays for. Internal.
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace postern::wire {

enum CharClass : std::uint8_t {
  kToken = 1,    // RFC 9110 tchar
  kVisible = 2,  // 0x21 to 0x7e: what a request target may hold
  kValue = 4,    // field content: no CTL but tab, obs-text allowed
  kDigit = 8,
  kHex = 16,
  kHostChar = 32,    // letter, digit, '-', '_'
  kUnreserved = 64,  // RFC 3986
};

inline constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    bool symbol = false;
    for (const char s : std::string_view("!#$%&'*+-.^_`|~")) symbol = symbol || static_cast<unsigned char>(s) == c;
    unsigned bits = 0;
    if (digit || alpha || symbol) bits |= kToken;
    if (c >= 0x21 && c <= 0x7e) bits |= kVisible;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) bits |= kValue;
    if (digit) bits |= kDigit;
    if (hex) bits |= kHex;
    if (digit || alpha || c == '-' || c == '_') bits |= kHostChar;
    if (digit || alpha || c == '-' || c == '_' || c == '.' || c == '~') bits |= kUnreserved;
    table[c] = static_cast<std::uint8_t>(bits);
  }
  return table;
}();

inline constexpr std::array<char, 256> kLower = [] {
  std::array<char, 256> table{};
  for (unsigned c = 0; c < 256; ++c) table[c] = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  return table;
}();

constexpr bool is(CharClass wanted, char c) noexcept {
  return (kClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}
constexpr char lower(char c) noexcept {
  return kLower[static_cast<unsigned char>(c)];
}
// -1 for what is no hex digit.
constexpr int hex_value(char c) noexcept {
  if (!is(kHex, c)) return -1;
  return is(kDigit, c) ? c - '0' : lower(c) - 'a' + 10;
}
constexpr bool is_ows(char c) noexcept {
  return c == ' ' || c == '\t';
}

constexpr std::string_view trim_ows(std::string_view text) noexcept {
  while (!text.empty() && is_ows(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_ows(text.back())) text.remove_suffix(1);
  return text;
}

// The first byte in [p, end) that is not of this class, or end.
inline const char* skip(CharClass wanted, const char* p, const char* end) noexcept {
  while (p != end && is(wanted, *p)) ++p;
  return p;
}

// The same for kValue, eight bytes at a time: field values are most of a head.
inline const char* skip_value(const char* p, const char* end) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101U, high = 0x8080808080808080U;
  while (end - p >= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    const std::uint64_t below_space = (word - ones * 0x20) & ~word & high;
    const std::uint64_t del = word ^ (ones * 0x7f);
    if ((below_space | ((del - ones) & ~del & high)) != 0) {
      const char* stop = skip(kValue, p, p + 8);  // a tab is not the end
      if (stop != p + 8) return stop;
    }
    p += 8;
  }
  return skip(kValue, p, end);
}

}  // namespace postern::wire
