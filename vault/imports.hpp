#pragma once
// Catalog entries that an administrator imported: sealed texts of the whole instance, drafts until they are enabled.
// Vault::imports() is the way here.
//
// Purpose: keep them beside what depends on them. An entry's text never changes under its id, and an id goes only while
// nothing uses it, so that no secret can come to mean another destination. Nothing here knows what an entry says.
// Thread safety: any thread; all of it may block on the disk. Ownership: results are copies.
// What a write carries along is in the system's chain. Errors besides those named: as every call of vault.hpp (io,
// read_only, corrupt).
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vault/audit.hpp"
#include "vault/error.hpp"

namespace postern::vault {

struct ImportedProvider {
  std::string id;    // of the entry; a reference (is_reference)
  std::string yaml;  // the entry, as a catalog file holds it
  bool enabled = false;
  std::string digest;  // SHA-256 of the document it was made from, in hex
  std::int64_t created = 0;
  std::int64_t updated = 0;
  std::uint64_t version = 0;
};

// Who holds something that an entry says how to use.
struct ProviderUse {
  std::string organization, project;
  std::string id;  // conn_… or ac_…
};

inline constexpr std::size_t kMostImports = 500;

class Imports {
 public:
  virtual ~Imports() = default;

  // Fills created, updated, version. Errors: exists (the id is taken), invalid (names the field; 256 KiB in all; more
  // than kMostImports).
  virtual Result<ImportedProvider> create_import(ImportedProvider provider, const Beside& beside = {}) = 0;
  virtual Result<ImportedProvider> find_import(std::string_view id) const = 0;
  virtual Result<std::vector<ImportedProvider>> list_imports() const = 0;  // all, by id
  // Compare-and-set. Errors: not_found, conflict.
  virtual Result<ImportedProvider> enable_import(std::string_view id, bool enabled, std::uint64_t version,
                                                 const Beside& beside = {}) = 0;
  // expected_version 0: whatever it is. Errors: not_found, conflict, exists (uses_of() names what uses it).
  virtual Result<void> erase_import(std::string_view id, std::uint64_t expected_version, const Beside& beside = {}) = 0;
  // Connections and auth configs of every organization whose provider this is; at most `limit`.
  virtual Result<std::vector<ProviderUse>> uses_of(std::string_view provider, std::size_t limit) const = 0;
};

}  // namespace postern::vault
