#pragma once
// The key above the data keys. A provider wraps and unwraps a few hundred bytes, and says what it is; where its own key
// lives (a file, a passphrase, a remote service) is its business alone. A new one is one file and one row in
// open_key().
//
// Thread safety: any thread; all but describe() and id() may block. Ownership: a provider owns its key.
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "vault/envelope.hpp"
#include "vault/error.hpp"
#include "vault/key_source.hpp"
#include "vault/secret.hpp"

namespace postern::vault {

class KeyProvider {
 public:
  virtual ~KeyProvider() = default;
  // A vault begins to be wrapped by this provider: whatever it needs for that (a salt, a key of a remote service) is
  // made now. Called once before the first wrap() of a new vault or of a rewrap, and not for a vault that is opened.
  // Errors: wrong_key (a passphrase that is too short, a command that refuses).
  virtual Result<void> begin(std::string_view vault_id);
  // After begin(), or after the first unwrap().
  virtual Result<std::string> wrap(std::string_view plaintext, const Binding& binding) const = 0;
  // Errors: wrong_key (wrapped by another key; the message names both ids), corrupt (by this one, and changed since).
  virtual Result<Secret> unwrap(std::string_view wrapped, const Binding& binding) const = 0;
  // The public id of the key, in hex; empty: not known yet (before the first unwrap of a passphrase or a command).
  virtual std::string id() const = 0;
  // Safe to print: the kind and where, never the key.
  virtual std::string describe() const = 0;
};

// The provider that a configuration names. Reads a key or a passphrase, and starts no command yet. Errors: wrong_key,
// for what is missing, unreadable, too open to others, short or garbage; invalid, unless exactly one is named.
Result<std::unique_ptr<KeyProvider>> open_key(const KeySource& source);

// A master key in a regular file that neither group nor others may access, of one line (see key_file.cpp).
Result<std::unique_ptr<KeyProvider>> open_key_file(const std::filesystem::path& file);
// The same line as a systemd credential: `name` is a file in the directory that CREDENTIALS_DIRECTORY names.
Result<std::unique_ptr<KeyProvider>> open_key_credential(const std::string& name);
// A key made from a passphrase (scrypt, RFC 7914).
Result<std::unique_ptr<KeyProvider>> open_key_passphrase(const std::filesystem::path& file);
// A key that a program wraps and unwraps (see key_exec.cpp for what it is asked).
Result<std::unique_ptr<KeyProvider>> open_key_exec(std::vector<std::string> command);

// Writes a new key file: 0600, synced, in a directory that is made 0700 if it is not there. Errors: exists, io.
Result<void> write_key_file(const std::filesystem::path& file);
// A key that ends with the process: for the memory store.
std::unique_ptr<KeyProvider> make_ephemeral_key();

}  // namespace postern::vault
