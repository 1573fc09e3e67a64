#include "proxy/inject/digest.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "proxy/inject/injection.hpp"

namespace postern::inject {
namespace {

constexpr std::string_view kHashes[] = {"md5", "sha1", "sha256", "sha384", "sha512"};
constexpr std::string_view kEncodings[] = {"hex", "HEX", "base64", "base64url"};
constexpr std::string_view kKeyEncodings[] = {"raw", "base64", "base64url", "hex"};

void must(bool fine, const char* what) {
  if (fine) return;
  std::fprintf(stderr, "postern: the cryptographic library failed in %s\n", what);
  std::abort();
}

const unsigned char* bytes_of(std::string_view text) {
  // A null key means "keep the key" to OpenSSL: an empty one still needs an address.
  return reinterpret_cast<const unsigned char*>(text.empty() ? "" : text.data());
}

// Fetching an algorithm is the slow part of OpenSSL 3, so each is fetched once and kept for ever.
const EVP_MD* algorithm(Hash hash) {
  static const std::array<const EVP_MD*, 5> fetched = [] {
    std::array<const EVP_MD*, 5> out{};
    constexpr const char* names[] = {"MD5", "SHA1", "SHA256", "SHA384", "SHA512"};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = EVP_MD_fetch(nullptr, names[i], nullptr);
    return out;
  }();
  const EVP_MD* found = fetched[static_cast<std::size_t>(hash)];
  must(found != nullptr, "EVP_MD_fetch");
  return found;
}

EVP_MAC* hmac_algorithm() {
  static EVP_MAC* const fetched = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  must(fetched != nullptr, "EVP_MAC_fetch(HMAC)");
  return fetched;
}

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

// What `feed` gives piece by piece; nullopt if it says no.
template <class Feed>
std::optional<std::string> digest_of(Hash hash, Feed&& feed) {
  const DigestContext context(EVP_MD_CTX_new());
  must(context && EVP_DigestInit_ex2(context.get(), algorithm(hash), nullptr) == 1, "EVP_DigestInit_ex2");
  const bool whole = feed([&](std::string_view piece) {
    must(EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1, "EVP_DigestUpdate");
  });
  if (!whole) return std::nullopt;
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  must(EVP_DigestFinal_ex(context.get(), out.data(), &size) == 1, "EVP_DigestFinal_ex");
  return std::string(reinterpret_cast<const char*>(out.data()), size);
}

std::string hex(std::string_view bytes, std::string_view digits) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
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

std::span<const std::string_view> hash_names() {
  return kHashes;
}
std::span<const std::string_view> encoding_names() {
  return kEncodings;
}
std::span<const std::string_view> key_encoding_names() {
  return kKeyEncodings;
}

std::string digest(Hash hash, std::string_view bytes) {
  return *digest_of(hash, [&](auto&& take) { return take(bytes), true; });
}

std::optional<std::string> digest(Hash hash, const Content* content) {
  if (content == nullptr) return digest(hash, std::string_view());
  return digest_of(hash, [&](auto&& take) { return content->each(take); });
}

Hmac::Hmac(Hash hash, std::string_view key) : context_(EVP_MAC_CTX_new(hmac_algorithm())) {
  std::string name(EVP_MD_get0_name(algorithm(hash)));  // OSSL_PARAM takes no const
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                               OSSL_PARAM_construct_end()};
  must(context_ != nullptr && EVP_MAC_init(context_, bytes_of(key), key.size(), params) == 1, "EVP_MAC_init");
}

Hmac::~Hmac() {
  EVP_MAC_CTX_free(context_);
}

void Hmac::add(std::string_view bytes) {
  must(EVP_MAC_update(context_, bytes_of(bytes), bytes.size()) == 1, "EVP_MAC_update");
}

std::string Hmac::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  std::size_t size = 0;
  must(EVP_MAC_final(context_, out.data(), &size, out.size()) == 1, "EVP_MAC_final");
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string hmac(Hash hash, std::string_view key, std::string_view bytes) {
  Hmac mac(hash, key);
  mac.add(bytes);
  return mac.finish();
}

std::string encode(Encoding encoding, std::string_view bytes) {
  switch (encoding) {
    case Encoding::hex:
      return hex(bytes, "0123456789abcdef");
    case Encoding::upper_hex:
      return hex(bytes, "0123456789ABCDEF");
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
