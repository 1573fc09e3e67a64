#pragma once
// The key above the data keys. A provider wraps and unwraps a few hundred bytes, and says what it is; where its own key
// lives (a file, a passphrase, a remote service) is its business alone.
//
// Thread safety: any thread; wrap and unwrap may block. Ownership: a provider owns its key.
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "vault/envelope.hpp"
#include "vault/error.hpp"
#include "vault/secret.hpp"

namespace postern::vault {

class KeyProvider {
 public:
  virtual ~KeyProvider() = default;
  // Errors: io, where the key lives elsewhere.
  virtual Result<std::string> wrap(std::string_view plaintext, const Binding& binding) const = 0;
  // Errors: wrong_key (wrapped by another key), corrupt (by this one, and changed since), io.
  virtual Result<Secret> unwrap(std::string_view wrapped, const Binding& binding) const = 0;
  // Safe to print: the kind and where, never the key.
  virtual std::string describe() const = 0;
};

// A master key in a regular file that neither group nor others may access, of one line (see key_file.cpp).
// Errors: wrong_key, for a file that is missing, unreadable, too open, short or garbage.
Result<std::unique_ptr<KeyProvider>> open_key_file(const std::filesystem::path& file);
// Writes a new one: 0600, synced, in a directory that is made 0700 if it is not there. Errors: exists, io.
Result<void> write_key_file(const std::filesystem::path& file);
// A key that ends with the process: for the memory store.
std::unique_ptr<KeyProvider> make_ephemeral_key();

}  // namespace postern::vault
