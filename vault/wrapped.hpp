#pragma once
// What wrapped records look like, and the key that opens them once it is there: shared by the providers.
//
// Not part of the room's door. Thread safety: const methods from any thread.
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "vault/key_provider.hpp"

namespace postern::vault {

// A wrapped record, taken apart. `recipe` says how its key is found (empty for a key that is simply there).
struct Wrapped {
  enum class Kind : std::uint8_t { key = 0, passphrase = 1, exec = 2 };
  Kind kind = Kind::key;
  std::string_view recipe;
  std::string_view envelope;
};
// nullopt: not a wrapped record of a format this version reads.
std::optional<Wrapped> parse_wrapped(std::string_view bytes);
std::string join_wrapped(Wrapped::Kind kind, std::string_view recipe, std::string_view envelope);

// 32 bytes from which the wrapping key and the public id are derived.
class MasterKey {
 public:
  explicit MasterKey(const Secret& master);
  std::string id() const;  // hex
  std::string wrap(std::string_view plaintext, const Binding& binding) const { return key_.seal(plaintext, binding); }
  // `envelope` alone. `description` is the provider's, for the message. Errors: wrong_key, corrupt.
  Result<Secret> unwrap(std::string_view envelope, const Binding& binding, const std::string& description) const;

 private:
  SealingKey key_;
};

// wrong_key: these bytes were wrapped by another kind of provider than the one described. Names the key id they need.
std::unexpected<Error> other_kind(const Wrapped& wrapped, const std::string& description);

// A provider whose key is simply there.
class PresentKey final : public KeyProvider {
 public:
  PresentKey(const Secret& master, std::string description) : key_(master), description_(std::move(description)) {}
  Result<std::string> wrap(std::string_view plaintext, const Binding& binding) const override {
    return key_.wrap(plaintext, binding);
  }
  Result<Secret> unwrap(std::string_view wrapped, const Binding& binding) const override;
  std::string id() const override { return key_.id(); }
  std::string describe() const override { return description_; }

 private:
  const MasterKey key_;
  const std::string description_;
};

// The key that a file of key_file.cpp's grammar holds. `name` is what it is called in a message, `others` the mode bits
// that it must not have. Errors: wrong_key.
Result<std::unique_ptr<KeyProvider>> open_key_line(const std::filesystem::path& file, const std::string& name,
                                                   unsigned others, std::string description);

// A provider whose key is found by a recipe that is stored beside what it wraps; found once and kept.
class RecipeKey : public KeyProvider {
 public:
  Result<void> begin(std::string_view vault_id) final;
  Result<std::string> wrap(std::string_view plaintext, const Binding& binding) const final;
  Result<Secret> unwrap(std::string_view wrapped, const Binding& binding) const final;
  std::string id() const final;
  std::string describe() const final { return description_; }

 protected:
  RecipeKey(Wrapped::Kind kind, std::string description) : kind_(kind), description_(std::move(description)) {}
  struct Found {
    std::string recipe;  // at most 64 KiB
    Secret master;
  };
  virtual Result<Found> make(std::string_view vault_id) = 0;
  // Errors: wrong_key, also for a recipe that cannot be one.
  virtual Result<Secret> follow(std::string_view recipe) const = 0;

 private:
  struct Known {
    std::string recipe;
    MasterKey key;
  };
  const Wrapped::Kind kind_;
  const std::string description_;
  mutable std::mutex mutex_;  // held while the key is found, so that it is found once
  mutable std::optional<Known> known_;
};

}  // namespace postern::vault
