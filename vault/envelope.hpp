#pragma once
// Seals and opens one record: XAES-256-GCM (C2SP), so that a random nonce is safe however often a key is used.
//
// What is sealed says where it belongs: organization, type, id and version are authenticated with it, so a ciphertext
// that was moved, swapped or kept from an earlier version does not open.
// Thread safety: all const, any thread. Ownership: a SealingKey owns its key.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vault/error.hpp"
#include "vault/secret.hpp"

namespace postern::vault {

inline constexpr std::size_t kKeySize = 32;
inline constexpr std::size_t kKeyIdSize = 8;
inline constexpr std::size_t kNonceSize = 24;
inline constexpr std::size_t kTagSize = 16;

// Where a record belongs. `version` is the credential's generation, and the version of every other record.
struct Binding {
  std::string_view organization;
  std::string_view type;
  std::string_view id;
  std::uint64_t version = 0;
};

class SealingKey {
 public:
  // `id`: kKeyIdSize bytes that are not secret; `key`: kKeySize bytes.
  SealingKey(std::string id, Secret key);

  const std::string& id() const { return id_; }
  const Secret& key() const { return key_; }
  std::string seal(std::string_view plaintext, const Binding& binding) const;
  // Errors: corrupt, for everything that is not exactly what seal() made under this key for this binding.
  Result<Secret> open(std::string_view sealed, const Binding& binding) const;

 private:
  std::string id_;
  Secret key_;
};

// The id of the key that `sealed` was sealed under, or nullopt if it is no envelope of a known format.
std::optional<std::string_view> sealed_under(std::string_view sealed);

// The two primitives, for test vectors: ciphertext and tag together; nullopt if the tag does not fit. `key` has 32
// bytes; `nonce` has 24 (XAES) or 12 (AES-256-GCM, NIST SP 800-38D).
std::string xaes_256_gcm_seal(std::string_view key, std::string_view nonce, std::string_view plaintext,
                              std::string_view additional);
std::optional<Secret> xaes_256_gcm_open(std::string_view key, std::string_view nonce, std::string_view sealed,
                                        std::string_view additional);
std::string aes_256_gcm_seal(std::string_view key, std::string_view nonce, std::string_view plaintext,
                             std::string_view additional);
std::optional<Secret> aes_256_gcm_open(std::string_view key, std::string_view nonce, std::string_view sealed,
                                       std::string_view additional);

}  // namespace postern::vault
