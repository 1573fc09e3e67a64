#include "proxy/inject/private_key.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <optional>

#include "vault/secret.hpp"

namespace postern::inject {
namespace {

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* p) const noexcept {
    free(p);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Context = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

constexpr std::size_t kMaxKey = 16 * 1024;

int no_passphrase(char*, int, int, void*) {
  return -1;
}

EVP_PKEY* read_pem(std::string_view text) {
  std::string lines;
  lines.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool written = text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'n';
    lines += written ? '\n' : text[i];
    i += written ? 1 : 0;
  }
  const Bio from(BIO_new_mem_buf(lines.data(), static_cast<int>(lines.size())));
  EVP_PKEY* key = from ? PEM_read_bio_PrivateKey(from.get(), nullptr, no_passphrase, nullptr) : nullptr;
  vault::wipe(lines);
  ERR_clear_error();
  return key;
}

bool is_p256(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1 &&
         std::string_view(group.data()) == "prime256v1";
}

std::optional<std::string> misfit(KeyAlgorithm algorithm, const EVP_PKEY* key) {
  const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  switch (algorithm) {
    case KeyAlgorithm::rsa_sha1:
      if (!rsa || EVP_PKEY_get_bits(key) < 1024) return "RSA-SHA1 needs an RSA key of 1024 bits or more";
      return {};
    case KeyAlgorithm::rsa_sha256:
      if (!rsa || EVP_PKEY_get_bits(key) < 2048) return "rsa-v1_5-sha256 needs an RSA key of 2048 bits or more";
      return {};
    case KeyAlgorithm::rsa_pss_sha512:
      if ((!rsa && EVP_PKEY_is_a(key, "RSA-PSS") != 1) || EVP_PKEY_get_bits(key) < 2048)
        return "rsa-pss-sha512 needs an RSA key of 2048 bits or more";
      return {};
    case KeyAlgorithm::ecdsa_p256:
      if (!is_p256(key)) return "ecdsa-p256-sha256 needs an EC key on P-256";
      return {};
    case KeyAlgorithm::ed25519:
      if (EVP_PKEY_is_a(key, "ED25519") != 1) return "ed25519 needs an Ed25519 key";
      return {};
  }
  return "no such algorithm";
}

const EVP_MD* hash_of(KeyAlgorithm algorithm) {
  switch (algorithm) {
    case KeyAlgorithm::rsa_sha1:
      return EVP_sha1();
    case KeyAlgorithm::rsa_pss_sha512:
      return EVP_sha512();
    case KeyAlgorithm::rsa_sha256:
    case KeyAlgorithm::ecdsa_p256:
      return EVP_sha256();
    case KeyAlgorithm::ed25519:
      return nullptr;
  }
  return nullptr;
}

// r and s, 32 bytes each, of what OpenSSL writes as DER.
std::string fixed_width(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const EcSignature parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string raw(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  if (!parsed || BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), out, 32) != 32 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), out + 32, 32) != 32)
    return {};
  return raw;
}

bool set_padding(KeyAlgorithm algorithm, EVP_PKEY_CTX* context) {
  if (algorithm != KeyAlgorithm::rsa_pss_sha512) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, 64) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha512()) == 1;
}

}  // namespace

void PrivateKey::Free::operator()(evp_pkey_st* key) const noexcept {
  EVP_PKEY_free(key);
}

std::expected<PrivateKey, std::string> PrivateKey::read(KeyAlgorithm algorithm, std::string_view pem) {
  if (pem.empty() || pem.size() > kMaxKey) return std::unexpected("the private key is empty or longer than 16 KiB");
  PrivateKey key(algorithm, read_pem(pem));
  if (!key.key_) return std::unexpected("the private key is no PEM, or it is encrypted");
  if (auto wrong = misfit(algorithm, key.key_.get())) return std::unexpected(std::move(*wrong));
  return key;
}

std::string PrivateKey::sign(std::string_view bytes) const {
  const Context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // the context's own
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t size = 0;
  std::string out;
  const bool ready =
      context && EVP_DigestSignInit(context.get(), &options, hash_of(algorithm_), nullptr, key_.get()) == 1 &&
      set_padding(algorithm_, options) && EVP_DigestSign(context.get(), nullptr, &size, data, bytes.size()) == 1;
  if (ready) {
    out.resize(size);
    const bool done =
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, data, bytes.size()) == 1;
    out.resize(done ? size : 0);
  }
  ERR_clear_error();
  return algorithm_ == KeyAlgorithm::ecdsa_p256 ? fixed_width(out) : out;
}

}  // namespace postern::inject
