#include "vault/envelope.hpp"

// The format, frozen by tests/golden/vault/sealed_connection.hex:
//
//   envelope   := magic format key-id nonce ciphertext tag
//   magic      := "pstv"
//   format     := %x01                     ; XAES-256-GCM, additional data as below
//   key-id     := 8 bytes
//   nonce      := 24 bytes, random
//   ciphertext := as long as the plaintext
//   tag        := 16 bytes
//   additional := part(format) part(organization) part(type) part(id) part(version)
//   part(x)    := length of x as 4 bytes, big endian, then x; a version is 8 bytes, big endian
#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <memory>

#include "vault/digest.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kMagic = "pstv";
constexpr char kFormat = 1;
constexpr std::size_t kHead = kMagic.size() + 1 + kKeyIdSize + kNonceSize;
constexpr std::size_t kGcmNonce = 12;
constexpr std::size_t kBlock = 16;

const unsigned char* bytes(std::string_view view) {
  return reinterpret_cast<const unsigned char*>(view.data());
}

EVP_CIPHER* gcm() {
  static EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  must(fetched != nullptr, "EVP_CIPHER_fetch(AES-256-GCM)");
  return fetched;
}

EVP_CIPHER* ecb() {
  static EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr);
  must(fetched != nullptr, "EVP_CIPHER_fetch(AES-256-ECB)");
  return fetched;
}

// The context of this thread, lent for one operation. It is kept between operations, its key schedule is not: reset
// wipes and frees what belongs to the key.
class Lent {
 public:
  Lent() { must(get() != nullptr, "EVP_CIPHER_CTX_new"); }
  ~Lent() { EVP_CIPHER_CTX_reset(get()); }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  static EVP_CIPHER_CTX* get() {
    struct Freed {
      void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
    };
    thread_local const std::unique_ptr<EVP_CIPHER_CTX, Freed> context(EVP_CIPHER_CTX_new());
    return context.get();
  }
};

// C2SP XAES-256-GCM: the two halves of the derived key are CMACs of a counter and the first half of the nonce, which
// for one full block is AES(K, block ^ K1).
Secret derive(std::string_view key, std::string_view nonce) {
  const Lent lent;
  EVP_CIPHER_CTX* context = Lent::get();
  must(EVP_EncryptInit_ex2(context, ecb(), bytes(key), nullptr, nullptr) == 1 &&
           EVP_CIPHER_CTX_set_padding(context, 0) == 1,
       "EVP_EncryptInit_ex2");
  const auto encrypt = [context](unsigned char* out, const unsigned char* in) {
    int size = 0;
    must(EVP_EncryptUpdate(context, out, &size, in, kBlock) == 1 && size == kBlock, "EVP_EncryptUpdate");
  };
  const std::array<unsigned char, kBlock> zero{};
  std::array<unsigned char, kBlock> subkey;
  encrypt(subkey.data(), zero.data());
  const unsigned carry = subkey[0] >> 7;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const unsigned next = i + 1 < kBlock ? subkey[i + 1] >> 7 : 0U;
    subkey[i] = static_cast<unsigned char>(subkey[i] << 1 | next);
  }
  subkey[kBlock - 1] = static_cast<unsigned char>(subkey[kBlock - 1] ^ carry * 0x87U);

  Secret derived = Secret::make(kKeySize, [&](char* out) {
    for (unsigned char half = 1; half <= 2; ++half) {
      std::array<unsigned char, kBlock> block{0, half, 'X', 0};
      std::memcpy(block.data() + 4, nonce.data(), kGcmNonce);
      for (std::size_t i = 0; i < kBlock; ++i) block[i] = static_cast<unsigned char>(block[i] ^ subkey[i]);
      encrypt(reinterpret_cast<unsigned char*>(out) + (half - 1) * kBlock, block.data());
    }
  });
  OPENSSL_cleanse(subkey.data(), subkey.size());
  return derived;
}

std::string additional_data(const Binding& binding) {
  char version[8];
  for (int i = 0; i < 8; ++i) version[i] = static_cast<char>(binding.version >> (56 - 8 * i) & 0xffU);
  return length_prefixed({std::string_view(&kFormat, 1), binding.organization, binding.type, binding.id,
                          std::string_view(version, sizeof version)});
}

}  // namespace

std::string aes_256_gcm_seal(std::string_view key, std::string_view nonce, std::string_view plaintext,
                             std::string_view additional) {
  must(key.size() == kKeySize && nonce.size() == kGcmNonce, "aes_256_gcm_seal: sizes");
  const Lent lent;
  EVP_CIPHER_CTX* context = Lent::get();
  std::string sealed(plaintext.size() + kTagSize, '\0');
  auto* out = reinterpret_cast<unsigned char*>(sealed.data());
  int size = 0;
  must(EVP_EncryptInit_ex2(context, gcm(), bytes(key), bytes(nonce), nullptr) == 1, "EVP_EncryptInit_ex2");
  must(EVP_EncryptUpdate(context, nullptr, &size, bytes(additional), static_cast<int>(additional.size())) == 1,
       "EVP_EncryptUpdate");
  must(EVP_EncryptUpdate(context, out, &size, bytes(plaintext), static_cast<int>(plaintext.size())) == 1,
       "EVP_EncryptUpdate");
  must(EVP_EncryptFinal_ex(context, out + plaintext.size(), &size) == 1, "EVP_EncryptFinal_ex");
  must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, out + plaintext.size()) == 1, "AEAD_GET_TAG");
  return sealed;
}

std::optional<Secret> aes_256_gcm_open(std::string_view key, std::string_view nonce, std::string_view sealed,
                                       std::string_view additional) {
  must(key.size() == kKeySize && nonce.size() == kGcmNonce, "aes_256_gcm_open: sizes");
  if (sealed.size() < kTagSize) return std::nullopt;
  const std::string_view ciphertext = sealed.substr(0, sealed.size() - kTagSize);
  std::array<char, kTagSize> tag;
  std::memcpy(tag.data(), sealed.data() + ciphertext.size(), kTagSize);
  const Lent lent;
  EVP_CIPHER_CTX* context = Lent::get();
  int size = 0;
  must(EVP_DecryptInit_ex2(context, gcm(), bytes(key), bytes(nonce), nullptr) == 1, "EVP_DecryptInit_ex2");
  must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1, "AEAD_SET_TAG");
  must(EVP_DecryptUpdate(context, nullptr, &size, bytes(additional), static_cast<int>(additional.size())) == 1,
       "EVP_DecryptUpdate");
  Secret plaintext = Secret::make(ciphertext.size(), [&](char* out) {
    must(EVP_DecryptUpdate(context, reinterpret_cast<unsigned char*>(out), &size, bytes(ciphertext),
                           static_cast<int>(ciphertext.size())) == 1,
         "EVP_DecryptUpdate");
  });
  unsigned char rest[kBlock];
  if (EVP_DecryptFinal_ex(context, rest, &size) != 1) return std::nullopt;
  return plaintext;
}

std::string xaes_256_gcm_seal(std::string_view key, std::string_view nonce, std::string_view plaintext,
                              std::string_view additional) {
  must(key.size() == kKeySize && nonce.size() == kNonceSize, "xaes_256_gcm_seal: sizes");
  return aes_256_gcm_seal(derive(key, nonce).expose(), nonce.substr(kGcmNonce), plaintext, additional);
}

std::optional<Secret> xaes_256_gcm_open(std::string_view key, std::string_view nonce, std::string_view sealed,
                                        std::string_view additional) {
  must(key.size() == kKeySize && nonce.size() == kNonceSize, "xaes_256_gcm_open: sizes");
  return aes_256_gcm_open(derive(key, nonce).expose(), nonce.substr(kGcmNonce), sealed, additional);
}

SealingKey::SealingKey(std::string id, Secret key) : id_(std::move(id)), key_(std::move(key)) {
  must(id_.size() == kKeyIdSize && key_.size() == kKeySize, "SealingKey: sizes");
}

std::string SealingKey::seal(std::string_view plaintext, const Binding& binding) const {
  const std::string nonce = random_bytes(kNonceSize);
  std::string sealed;
  sealed.reserve(kHead + plaintext.size() + kTagSize);
  sealed.append(kMagic).append(1, kFormat).append(id_).append(nonce);
  sealed += xaes_256_gcm_seal(key_.expose(), nonce, plaintext, additional_data(binding));
  return sealed;
}

Result<Secret> SealingKey::open(std::string_view sealed, const Binding& binding) const {
  const auto refuse = [&](const char* why) {
    return fail(Error::Code::corrupt, "the " + std::string(binding.type) + " record " + why);
  };
  const auto under = sealed_under(sealed);
  if (!under) return refuse("is not a sealed record of a format this version reads");
  if (*under != id_) return refuse("is sealed under another key");
  auto plaintext = xaes_256_gcm_open(key_.expose(), sealed.substr(kHead - kNonceSize, kNonceSize), sealed.substr(kHead),
                                     additional_data(binding));
  if (!plaintext) return refuse("does not open: it was changed, moved, or belongs to another version");
  return std::move(*plaintext);
}

std::optional<std::string_view> sealed_under(std::string_view sealed) {
  if (sealed.size() < kHead + kTagSize || !sealed.starts_with(kMagic) || sealed[kMagic.size()] != kFormat) {
    return std::nullopt;
  }
  return sealed.substr(kMagic.size() + 1, kKeyIdSize);
}

}  // namespace postern::vault
