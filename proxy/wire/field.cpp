#include "proxy/wire/field.hpp"

#include <array>
#include <cstdint>
#include <cstring>

#include "proxy/wire/bytes.hpp"

namespace postern::wire {
namespace {

struct Known {
  std::string_view name;  // lower case
  FieldId id;
};

constexpr Known kKnown[] = {
    {"host", FieldId::host},
    {"connection", FieldId::connection},
    {"content-length", FieldId::content_length},
    {"transfer-encoding", FieldId::transfer_encoding},
    {"te", FieldId::te},
    {"trailer", FieldId::trailer},
    {"upgrade", FieldId::upgrade},
    {"keep-alive", FieldId::keep_alive},
    {"proxy-connection", FieldId::proxy_connection},
    {"http2-settings", FieldId::http2_settings},
    {"expect", FieldId::expect},
    {"max-forwards", FieldId::max_forwards},
    {"via", FieldId::via},
    {"proxy-authorization", FieldId::proxy_authorization},
    {"proxy-authenticate", FieldId::proxy_authenticate},
    {"proxy-authentication-info", FieldId::proxy_authentication_info},
    {"proxy-status", FieldId::proxy_status},
    {"x-connection-id", FieldId::x_connection_id},
    {"authorization", FieldId::authorization},
    {"cookie", FieldId::cookie},
    {"x-api-key", FieldId::x_api_key},
    {"x-auth-token", FieldId::x_auth_token},
    {"api-key", FieldId::api_key},
    {"x-amz-security-token", FieldId::x_amz_security_token},
    {"forwarded", FieldId::forwarded},
    {"x-original-url", FieldId::x_original_url},
    {"x-rewrite-url", FieldId::x_rewrite_url},
    {"origin", FieldId::origin},
    {"sec-fetch-site", FieldId::sec_fetch_site},
    {"set-cookie", FieldId::set_cookie},
    {"authentication-info", FieldId::authentication_info},
    {"alt-svc", FieldId::alt_svc},
    {"strict-transport-security", FieldId::strict_transport_security},
    {"www-authenticate", FieldId::www_authenticate},
    {"location", FieldId::location},
    {"content-location", FieldId::content_location},
    {"link", FieldId::link},
    {"refresh", FieldId::refresh},
    {"content-type", FieldId::content_type},
    {"content-encoding", FieldId::content_encoding},
    {"date", FieldId::date},
    {"server", FieldId::server},
};

// Families: any name that begins so.
constexpr Known kFamilies[] = {
    {"x-postern-", FieldId::x_postern},
    {"x-forwarded-", FieldId::x_forwarded},
    {"x-http-method", FieldId::x_http_method},
};

// A perfect hash over length, first, middle and last byte; the multiplier is found by the compiler.
constexpr unsigned kSlots = 256;
constexpr unsigned slot(std::string_view name, unsigned seed) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(lower(name[i]))); };
  const unsigned mix =
      static_cast<unsigned>(name.size()) + byte(0) * 31 + byte(name.size() / 2) * 1031 + byte(name.size() - 1) * 40961;
  return (mix * seed) >> 24;
}
static_assert(kSlots == 1U << (32 - 24));

constexpr bool collides(unsigned seed) {
  std::array<bool, kSlots> taken{};
  for (const Known& known : kKnown) {
    bool& here = taken[slot(known.name, seed)];
    if (here) return true;
    here = true;
  }
  return false;
}
constexpr unsigned kSeed = [] {
  unsigned seed = 0x9e3779b1U;
  while (collides(seed)) seed = (seed * 1664525U + 1013904223U) | 1U;
  return seed;
}();
constexpr std::array<std::uint8_t, kSlots> kTable = [] {  // index into kKnown, plus one
  std::array<std::uint8_t, kSlots> table{};
  for (std::size_t i = 0; i < std::size(kKnown); ++i)
    table[slot(kKnown[i].name, kSeed)] = static_cast<std::uint8_t>(i + 1);
  return table;
}();

template <class Word>
Word word_at(const char* bytes) noexcept {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

template <class Word>
bool same_word(const char* text, const char* lower_case, std::size_t at) noexcept {
  constexpr Word fold = static_cast<Word>(0x2020202020202020U);
  return (word_at<Word>(text + at) | fold) == word_at<Word>(lower_case + at);
}

// `lower_case` is of letters, digits and '-' only, which bit 0x20 leaves as they are; what else that bit maps onto them
// is no token. Word by word, the last one overlapping.
template <class Word>
bool same_words(std::string_view text, std::string_view lower_case) noexcept {
  const std::size_t last = text.size() - sizeof(Word);
  for (std::size_t at = 0; at < last; at += sizeof(Word))
    if (!same_word<Word>(text.data(), lower_case.data(), at)) return false;
  return same_word<Word>(text.data(), lower_case.data(), last);
}

bool equals_lower(std::string_view text, std::string_view lower_case) noexcept {
  if (text.size() != lower_case.size()) return false;
  if (text.size() >= 8) return same_words<std::uint64_t>(text, lower_case);
  if (text.size() >= 4) return same_words<std::uint32_t>(text, lower_case);
  return text.size() < 2 ? text.empty() || lower(text[0]) == lower_case[0]
                         : same_words<std::uint16_t>(text, lower_case);
}

}  // namespace

FieldId identify_field(std::string_view name) noexcept {
  if (name.empty()) return FieldId::other;
  if (const std::uint8_t at = kTable[slot(name, kSeed)]; at != 0 && equals_lower(name, kKnown[at - 1].name))
    return kKnown[at - 1].id;
  if (name.size() > 2 && lower(name[0]) == 'x' && name[1] == '-')
    for (const Known& family : kFamilies)
      if (name.size() >= family.name.size() && equals_lower(name.substr(0, family.name.size()), family.name))
        return family.id;
  return FieldId::other;
}

bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && skip_token(text.data(), text.data() + text.size()) == text.data() + text.size();
}

bool is_field_value(std::string_view text) noexcept {
  return text.empty() || skip_value(text.data(), text.data() + text.size()) == text.data() + text.size();
}

}  // namespace postern::wire
