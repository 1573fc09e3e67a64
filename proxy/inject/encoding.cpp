#include "proxy/inject/encoding.hpp"

namespace postern::inject {
namespace {

constexpr std::string_view kAlgorithms[] = {"md5", "sha1", "sha256", "sha384", "sha512"};
constexpr std::string_view kEncodings[] = {"hex", "HEX", "base64", "base64url"};
constexpr std::string_view kKeyEncodings[] = {"raw", "base64", "base64url", "hex"};

std::string upper_hex(std::string_view bytes) {
  std::string out = hex(bytes);
  for (char& c : out)
    if (c >= 'a') c = static_cast<char>(c - 32);
  return out;
}

std::string base64(std::string_view bytes, std::string_view last_two, bool padded) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const auto letter = [&](unsigned v) { return v < letters.size() ? letters[v] : last_two[v - letters.size()]; };
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view group = bytes.substr(i, 3);
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (k < group.size() ? static_cast<unsigned char>(group[k]) : 0);
    for (std::size_t k = 0; k <= group.size(); ++k) out += letter(bits >> (18 - 6 * k) & 63);
    if (padded) out.append(3 - group.size(), '=');
  }
  return out;
}

int base64_value(char c, bool url) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == (url ? '-' : '+') ? 62 : c == (url ? '_' : '/') ? 63 : -1;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// `width` bits a character.
template <class Value>
bool unpack(std::string_view text, int width, Value&& value_of, std::string& out) {
  unsigned bits = 0;
  int have = 0;
  for (const char c : text) {
    const int value = value_of(c);
    if (value < 0) return false;
    bits = bits << width | static_cast<unsigned>(value);
    have += width;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>(bits >> have & 0xff);
  }
  return have < width;
}

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t from = text.find_first_not_of(blanks);
  return from == text.npos ? std::string_view() : text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

}  // namespace

std::span<const std::string_view> algorithm_names() {
  return kAlgorithms;
}
std::span<const std::string_view> encoding_names() {
  return kEncodings;
}
std::span<const std::string_view> key_encoding_names() {
  return kKeyEncodings;
}

std::optional<std::string> digest_of(Algorithm algorithm, const Content* content) {
  if (content == nullptr) return digest(algorithm, std::string_view());
  std::string hash = digest(algorithm, *content);
  if (hash.empty()) return std::nullopt;
  return hash;
}

std::string encode(Encoding encoding, std::string_view bytes) {
  switch (encoding) {
    case Encoding::hex:
      return hex(bytes);
    case Encoding::upper_hex:
      return upper_hex(bytes);
    case Encoding::base64:
      return base64(bytes, "+/", true);
    case Encoding::base64url:
      return base64(bytes, "-_", false);
  }
  return {};
}

std::optional<vault::Secret> decode_key(KeyEncoding encoding, std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (encoding == KeyEncoding::raw) return vault::Secret(text);
  text = without_blanks(text);
  std::string out;
  out.reserve(text.size());
  bool fine = false;
  if (encoding == KeyEncoding::hex) {
    fine = unpack(text, 4, hex_value, out);
  } else {
    while (text.ends_with('=')) text.remove_suffix(1);
    const bool url = encoding == KeyEncoding::base64url;
    fine = text.size() % 4 != 1 && unpack(text, 6, [&](char c) { return base64_value(c, url); }, out);
  }
  auto key = vault::Secret::take(out);
  if (!fine || key.empty()) return std::nullopt;
  return key;
}

}  // namespace postern::inject
