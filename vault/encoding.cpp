#include "vault/encoding.hpp"

#include <algorithm>
#include <array>

#include "vault/digest.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kBase62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

std::string encode64(std::string_view bytes, std::string_view alphabet, bool padded) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < left ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      if (i <= left) {
        text += alphabet[group >> (18 - 6 * i) & 63U];
      } else if (padded) {
        text += '=';
      }
    }
  }
  return text;
}

}  // namespace

std::string base64(std::string_view bytes) {
  return encode64(bytes, kStandard, true);
}

std::string base64url(std::string_view bytes) {
  return encode64(bytes, kUrl, false);
}

std::optional<Secret> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  const std::string_view digits = text.substr(0, text.size() - padding);
  bool good = true;
  Secret bytes = Secret::make(text.size() / 4 * 3 - padding, [&](char* out) {
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : digits) {
      const auto value = kStandard.find(c);
      if (value == std::string_view::npos) good = false;
      bits = bits << 6 | static_cast<std::uint32_t>(value & 63U);
      held += 6;
      if (held >= 8) {
        held -= 8;
        *out++ = static_cast<char>(bits >> held & 0xffU);
      }
    }
    if ((bits & ((1U << held) - 1U)) != 0) good = false;  // spare bits must be zero, so that a text is one value
  });
  if (!good) return std::nullopt;
  return bytes;
}

std::string hex(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text += kHex[static_cast<unsigned char>(c) >> 4];
    text += kHex[static_cast<unsigned char>(c) & 15U];
  }
  return text;
}

std::optional<std::string> decode_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const auto high = kHex.find(text[at]);
    const auto low = kHex.find(text[at + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

std::string random_crockford(std::size_t characters) {
  std::string text = random_bytes(characters);
  for (char& c : text) c = kCrockford[static_cast<unsigned char>(c) & 31U];
  return text;
}

bool is_crockford(std::string_view text) {
  return text.find_first_not_of(kCrockford) == std::string_view::npos;
}

std::string base62(std::uint32_t value, std::size_t width) {
  std::string text(width, '0');
  for (std::size_t at = width; at != 0 && value != 0; --at, value /= 62) text[at - 1] = kBase62[value % 62];
  return text;
}

std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

}  // namespace postern::vault
