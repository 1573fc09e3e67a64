#pragma once
// The data keys of one vault: several that can open, one that seals, and the subkeys that digests are made with.
//
// They lie in the store as records of their own, each wrapped by the key provider; the header says which one seals.
// Thread safety: immutable once made, any thread. Ownership: the keyring owns its keys.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vault/envelope.hpp"
#include "vault/error.hpp"
#include "vault/key_provider.hpp"
#include "vault/record_codec.hpp"
#include "vault/store.hpp"

namespace postern::vault {

inline constexpr std::string_view kHeaderKey = "header";

class Keyring {
 public:
  // The keys of a new vault, and the writes that store them: the first batch of a store begins with these.
  struct Fresh;
  static Result<Fresh> make(const KeyProvider& provider, std::int64_t now_ms);
  // Errors: wrong_key, corrupt, not_found (no header: not a vault), io.
  static Result<Keyring> load(const Store& store, const KeyProvider& provider);
  // The key check alone: the header as it lies in the store, opened.
  static Result<Header> open_header(const Entry& entry, const KeyProvider& provider);

  const Header& header() const { return header_; }
  std::string active_key_id() const;  // as text, safe to print
  std::size_t data_keys() const { return sealing_.size(); }

  std::string seal(std::string_view plaintext, const Binding& binding) const;
  // Errors: corrupt.
  Result<Secret> open(std::string_view sealed, const Binding& binding) const;

  // HMAC-SHA-256 under a subkey of its own for each use, so that none can be passed off as another.
  enum class Use { token, index, marker, caller };
  std::string digest(Use use, std::string_view bytes) const;
  Secret subkey(Use use) const;  // a copy, for what outlives this object

 private:
  Keyring(Header header, std::vector<DataKey> keys);

  Header header_;
  std::map<std::string, SealingKey, std::less<>> sealing_;
  std::map<Use, Secret> subkeys_;
};

struct Keyring::Fresh {
  Keyring keyring;
  Batch writes;
};

}  // namespace postern::vault
