#pragma once
// Character classes of the wire room, as one 256-entry table, and the two scans that every head pays for. Internal.
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

#ifdef __SSE2__
inline __m128i sixteen(const char* p) noexcept {
  __m128i bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  return bytes;
}
// One bit for each of sixteen bytes that is above `low` and below `high`, both within 0 to 127.
inline unsigned between(__m128i bytes, char low, char high) noexcept {
  return static_cast<unsigned>(_mm_movemask_epi8(
      _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(low)), _mm_cmplt_epi8(bytes, _mm_set1_epi8(high)))));
}
#endif

// The same for kValue, sixteen bytes at a time where the machine can: field values are most of a head.
inline const char* skip_value(const char* p, const char* end) noexcept {
#ifdef __SSE2__
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = sixteen(p);
    // Controls and DEL; bytes from 0x80 are negative here, and let through.
    const auto control =
        between(bytes, -1, 0x20) | static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))));
    if (control == 0) continue;
    const char* const stop = p + std::countr_zero(control);
    if (*stop != '\t') return stop;
    const char* const next = skip(kValue, stop, p + 16);  // a tab is not the end
    if (next != p + 16) return next;
  }
#endif
  return skip(kValue, p, end);
}

// The same for kToken: letters, digits and '-' at once, any other tchar byte by byte.
inline const char* skip_token(const char* p, const char* end) noexcept {
#ifdef __SSE2__
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = sixteen(p);
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const auto usual = between(folded, 'a' - 1, 'z' + 1) | between(bytes, '0' - 1, '9' + 1) |
                       static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'))));
    if (usual == 0xffff) continue;
    const char* const stop = p + std::countr_one(usual);
    if (!is(kToken, *stop)) return stop;
    const char* const next = skip(kToken, stop, p + 16);
    if (next != p + 16) return next;
  }
#endif
  return skip(kToken, p, end);
}

}  // namespace postern::wire
