#include "proxy/grants/jwt.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <memory>

#include <boost/json/parse.hpp>

#include "config/encoding.hpp"
#include "proxy/grants/wiping.hpp"

namespace postern::grants {
namespace {

using config::Algorithm;
using vault::Secret;

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* p) const noexcept {
    free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

constexpr std::size_t kMaxKey = 16 * 1024, kMaxClaims = 64 * 1024;

std::unexpected<BuildError> bad_key(std::string text) {
  ERR_clear_error();
  return std::unexpected(BuildError{BuildError::Kind::key, std::move(text)});
}

int no_passphrase(char*, int, int, void*) {
  return -1;
}

Key read_pem(std::string_view text) {
  std::string lines;
  lines.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool written = text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'n';
    lines += written ? '\n' : text[i];
    i += written ? 1 : 0;
  }
  const Bio from(BIO_new_mem_buf(lines.data(), static_cast<int>(lines.size())));
  Key key(from ? PEM_read_bio_PrivateKey(from.get(), nullptr, no_passphrase, nullptr) : nullptr);
  vault::wipe(lines);
  return key;
}

Key read_der(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  std::string plain;
  plain.reserve(text.size());
  for (const char c : text)
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') plain += c == '+' ? '-' : c == '/' ? '_' : c;
  auto der = decode_base64url(plain);
  Key key;
  if (der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der->data());
    key.reset(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der->size())));
    vault::wipe(*der);
  }
  vault::wipe(plain);
  return key;
}

Built<Key> read_key(Algorithm algorithm, const Secret& secret) {
  if (secret.empty() || secret.size() > kMaxKey) return bad_key("the private key is empty or longer than 16 KiB");
  Key key = secret.expose().find("-----BEGIN") != std::string_view::npos ? read_pem(secret.expose())
                                                                         : read_der(secret.expose());
  if (!key) return bad_key("the private key is neither PEM nor base64 of DER, or it is encrypted");
  switch (algorithm) {
    case Algorithm::rs256:
      if (EVP_PKEY_is_a(key.get(), "RSA") != 1 || EVP_PKEY_get_bits(key.get()) < 2048)
        return bad_key("RS256 needs an RSA key of 2048 bits or more");
      break;
    case Algorithm::es256: {
      std::array<char, 64> group{};
      if (EVP_PKEY_is_a(key.get(), "EC") != 1 ||
          EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) != 1 ||
          std::string_view(group.data()) != "prime256v1")
        return bad_key("ES256 needs an EC key on P-256");
      break;
    }
    case Algorithm::eddsa:
      if (EVP_PKEY_is_a(key.get(), "ED25519") != 1) return bad_key("EdDSA needs an Ed25519 key");
      break;
  }
  return key;
}

// RFC 7518 section 3.4: r and s, 32 bytes each.
std::optional<std::string> raw_signature(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const EcSignature parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string raw(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  if (!parsed || BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), out, 32) != 32 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), out + 32, 32) != 32)
    return std::nullopt;
  return raw;
}

std::optional<std::string> sign(Algorithm algorithm, EVP_PKEY* key, std::string_view input) {
  const DigestContext context(EVP_MD_CTX_new());
  const EVP_MD* digest = algorithm == Algorithm::eddsa ? nullptr : EVP_sha256();
  const auto* bytes = reinterpret_cast<const unsigned char*>(input.data());
  std::size_t size = 0;
  if (!context || EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, input.size()) != 1)
    return std::nullopt;
  std::string out(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes, input.size()) != 1)
    return std::nullopt;
  out.resize(size);
  return algorithm == Algorithm::es256 ? raw_signature(out) : out;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

}  // namespace

std::string_view algorithm_name(Algorithm algorithm) {
  return algorithm == Algorithm::rs256 ? "RS256" : algorithm == Algorithm::es256 ? "ES256" : "EdDSA";
}

Built<Secret> sign_jwt(Algorithm algorithm, const Secret& key, std::string_view header, std::string_view claims) {
  const auto usable = read_key(algorithm, key);
  if (!usable) return std::unexpected(usable.error());
  std::string out = config::encode_base64url(header) + "." + config::encode_base64url(claims);
  const auto signature = sign(algorithm, usable->get(), out);
  if (!signature) return bad_key("OpenSSL did not sign with this private key");
  out += "." + config::encode_base64url(*signature);
  return Secret::take(out);
}

Built<void> check_key(Algorithm algorithm, const Secret& key) {
  const auto usable = read_key(algorithm, key);
  if (!usable) return std::unexpected(usable.error());
  return {};
}

std::optional<std::string> decode_base64url(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  unsigned bits = 0;
  int have = 0;
  for (const char c : text) {
    const int value = base64_value(c);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<unsigned>(value);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>(bits >> have & 0xff);
  }
  return out;
}

std::optional<boost::json::object> read_claims(std::string_view jwt) {
  const std::size_t first = jwt.find('.');
  const std::size_t second = first == jwt.npos ? jwt.npos : jwt.find('.', first + 1);
  if (second == jwt.npos || jwt.size() > kMaxClaims || jwt.find('.', second + 1) != jwt.npos) return std::nullopt;
  auto text = decode_base64url(jwt.substr(first + 1, second - first - 1));
  if (!text) return std::nullopt;
  boost::system::error_code failed;
  auto value = boost::json::parse(*text, failed, wiping_storage());
  vault::wipe(*text);
  if (failed || !value.is_object()) return std::nullopt;
  return std::move(value.as_object());
}

}  // namespace postern::grants
