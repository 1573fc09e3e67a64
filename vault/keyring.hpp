#pragma once
// The data keys of one vault: several that can open, one that seals, and the subkeys that digests are made with.
//
// They lie in the store as records of their own, each wrapped by the key provider; the header says which one seals.
// Thread safety: any thread. A rotation adds, activates and removes keys while others seal and open: whoever is using a
// key that goes keeps it until the call is done. Ownership: the keyring owns its keys.
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "vault/envelope.hpp"
#include "vault/error.hpp"
#include "vault/key_provider.hpp"
#include "vault/record_codec.hpp"
#include "vault/store.hpp"
#include "vault/upkeep.hpp"

namespace postern::vault {

inline constexpr std::string_view kHeaderKey = "header";

class Keyring {
 public:
  // The keys of a new vault, and the writes that store them: the first batch of a store begins with these.
  struct Fresh;
  static Result<Fresh> make(KeyProvider& provider, std::int64_t now_ms);
  // Errors: wrong_key, corrupt, not_found (no header: not a vault), io.
  static Result<Keyring> load(const Store& store, const KeyProvider& provider);
  // The key check alone: the header as it lies in the store, opened.
  static Result<Header> open_header(const Entry& entry, const KeyProvider& provider);

  const std::string& vault_id() const { return vault_id_; }
  std::string active_key_id() const;  // as text, safe to print
  std::size_t data_keys() const;      // that seal or sealed
  std::vector<DataKeyStatus> describe() const;
  bool is_active(std::string_view key_id) const;
  bool knows(std::string_view key_id) const;  // can open what was sealed under it

  std::string seal(std::string_view plaintext, const Binding& binding) const;
  // Errors: corrupt.
  Result<Secret> open(std::string_view sealed, const Binding& binding) const;

  // HMAC-SHA-256 under a subkey of its own for each use, so that none can be passed off as another.
  enum class Use { token, index, marker, caller, audit };
  std::string digest(Use use, std::string_view bytes) const;
  Secret subkey(Use use) const;  // a copy, for what outlives this object

  // Rotation, in this order: next() makes a key that can already open and the writes that store it and make it the one
  // that seals; activate() once they are durable; retired() the keys that must go, remove() once they are gone.
  struct Next;
  Result<Next> next(const Store& store, const KeyProvider& provider, std::int64_t now_ms);
  void activate(std::string_view key_id);
  std::vector<std::string> retired() const;  // ids of the keys that seal nothing new
  void remove(const std::vector<std::string>& key_ids);
  static Write erase(std::string_view key_id);
  // The formats of header and data keys as they lie in the store.
  static Result<std::vector<RecordFormat>> formats(const Store& store, const KeyProvider& provider);
  // Header and data keys as they lie in the store, unwrapped by one provider, and in their current format wrapped by
  // another.
  static Result<Batch> rewrap(const Store& store, const KeyProvider& from, const KeyProvider& to);
  // True for the keys of the store that are not sealed records: the header and the data keys.
  static bool is_wrapped(std::string_view store_key);

 private:
  Keyring(const Header& header, std::vector<DataKey> keys);
  struct Held {
    std::int64_t created = 0;
    std::shared_ptr<const SealingKey> key;
  };
  struct Keys {
    mutable std::shared_mutex mutex;
    std::string active;
    std::map<std::string, Held, std::less<>> sealing;
  };
  struct Opened {
    Entry entry;
    Secret plaintext;
  };
  static Result<std::vector<Opened>> open_all(const Store& store, const KeyProvider& provider);
  std::shared_ptr<const SealingKey> find(std::string_view key_id) const;

  std::string vault_id_;
  DataKeyStatus digest_key_;
  std::unique_ptr<Keys> keys_;
  std::map<Use, Secret> subkeys_;
};

struct Keyring::Fresh {
  Keyring keyring;
  Batch writes;
};

struct Keyring::Next {
  std::string id;
  Batch writes;
};

}  // namespace postern::vault
