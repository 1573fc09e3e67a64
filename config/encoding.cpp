#include "config/encoding.hpp"

namespace postern::config {
namespace {

std::string base64(std::string_view in, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < in.size(); i += 3) {
    const std::size_t have = in.size() - i < 3 ? in.size() - i : 3;
    unsigned bits = 0;
    for (std::size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < have ? static_cast<unsigned char>(in[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) {
      if (j <= have)
        out += alphabet[bits >> (18 - 6 * j) & 63];
      else if (pad)
        out += '=';
    }
  }
  return out;
}

void put_hex(std::string& out, char c, std::string_view digits) {
  const auto byte = static_cast<unsigned char>(c);
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

bool alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string escape(std::string_view in, std::string_view kept, bool plus) {
  std::string out;
  out.reserve(3 * in.size());
  for (const char c : in) {
    if (alphanumeric(c) || kept.find(c) != kept.npos) {
      out += c;
    } else if (plus && c == ' ') {
      out += '+';
    } else {
      out += '%';
      put_hex(out, c, "0123456789ABCDEF");
    }
  }
  return out;
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
  return base64(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
}
std::string encode_base64url(std::string_view bytes) {
  return base64(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false);
}
std::string encode_hex(std::string_view bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) put_hex(out, c, "0123456789abcdef");
  return out;
}
std::string percent_encode(std::string_view bytes) {
  return escape(bytes, "-._~", false);
}
std::string form_encode(std::string_view bytes) {
  return escape(bytes, "*-._", true);
}

}  // namespace postern::config
