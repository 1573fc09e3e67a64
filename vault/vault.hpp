#pragma once
// The one public door of the vault: typed, sealed records over a Store.
//
// Purpose: create, find, change and erase connections, credentials and authorizations so that nothing readable ever
// reaches the store, and nothing written there by someone else is ever believed.
// Thread safety: every method may be called from any thread; all of them may block on the disk, so data-path threads
// go through net/offload. Ownership: the vault owns its store and keys; results are copies.
// Absence: `not_found`, also for ids of another organization or project. Clock and randomness are passed in Options.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vault/error.hpp"
#include "vault/record.hpp"

namespace postern::vault {

enum class StoreKind { memory, rocksdb };

struct Options {
  StoreKind store = StoreKind::rocksdb;
  std::filesystem::path state;           // directory; the database is <state>/vault, the marker <state>/marker
  std::filesystem::path key_file;        // master key; with the memory store an empty path means an ephemeral key
  bool allow_key_in_state = false;       // --dev
  bool accept_rollback = false;          // --accept-rollback
  std::function<std::int64_t()> now_ms;  // wall clock; absent: the system's
};

struct Space {  // the scope of a lookup
  std::string_view organization = kDefaultOrganization;
  std::string_view project = kDefaultProject;
};

struct ConnectionQuery {
  std::string organization{kDefaultOrganization};
  std::string project;  // empty: every project of the organization
  std::string after;    // id to continue behind; empty: from the start
  std::size_t limit = 100;
};

struct ConnectionPage {
  std::vector<Connection> data;  // ordered by id
  bool has_more = false;
};

struct NewToken {
  Authorization authorization;
  Secret token;  // pst_…: shown once, stored nowhere
};

struct VaultStatus {  // safe to print
  std::string vault_id;
  std::string store;
  std::string state;  // "READY" or "READ_ONLY"
  std::string key_provider;
  std::string active_key_id;
  std::size_t data_keys = 0;
  std::uint64_t commit = 0;
};

class Vault {
 public:
  // Makes a master key file (0600, in a 0700 directory) if none is there. `exists` if it is.
  static Result<void> make_key_file(const std::filesystem::path& file);
  // Makes the store: header, first data key, marker, default organization and project. `exists` if there is one.
  static Result<std::unique_ptr<Vault>> create(const Options& options);
  // Opens an existing one. Errors: not_found (no store there), wrong_key, locked, rolled_back, corrupt. Writes nothing
  // until the key check has passed. The memory store is always new.
  static Result<std::unique_ptr<Vault>> open(const Options& options);
  virtual ~Vault() = default;

  virtual const std::string& id() const = 0;  // stable; the proxy's pseudonym is postern-<id>
  virtual VaultStatus status() const = 0;

  // Stores metadata and credential in one durable batch. Fills id (unless given), alias (unless given: `app`, then
  // `app-2` …), created, updated, version, generation. Errors: exists (alias or id taken), invalid, io.
  virtual Result<Connection> create_connection(Connection meta, const Credential& credential) = 0;
  // By id or alias, within organization and project; ORGANIZATION-scoped connections of the organization's other
  // projects are found by id.
  virtual Result<Connection> find_connection(Space space, std::string_view id_or_alias) const = 0;
  virtual Result<Credential> open_credential(const Connection& meta) const = 0;
  // Compare-and-set on meta.version; organization, project, id, created cannot change.
  virtual Result<Connection> update_connection(Connection meta) = 0;
  // New credential material: generation + 1, and the metadata in the same batch. Compare-and-set on meta.version.
  virtual Result<Connection> rotate_credential(Connection meta, const Credential& credential) = 0;
  // Metadata, credential and index entries go in one batch. expected_version 0: whatever it is.
  virtual Result<void> erase_connection(Space space, std::string_view id, std::uint64_t expected_version) = 0;
  virtual Result<ConnectionPage> list_connections(const ConnectionQuery& query) const = 0;

  // Fills id, public_id, digest, created, version and returns the token, once.
  virtual Result<NewToken> create_authorization(Authorization authorization) = 0;
  // The authorization a token belongs to: checks grammar, checksum and digest in constant time. not_found for anything
  // that is not a token of this vault. Does not judge expiry or revocation: the caller does, with its own clock.
  virtual Result<Authorization> authenticate(std::string_view token) const = 0;
  virtual Result<Authorization> find_authorization(std::string_view organization, std::string_view id) const = 0;
  virtual Result<Authorization> update_authorization(Authorization authorization) = 0;  // compare-and-set
  virtual Result<void> erase_authorization(std::string_view organization, std::string_view id) = 0;
  virtual Result<std::vector<Authorization>> list_authorizations(std::string_view organization, std::string_view after,
                                                                 std::size_t limit) const = 0;

  // HMAC-SHA-256 under a data key, for digests that must not be computable outside (Idempotency-Key bodies).
  virtual std::string keyed_digest(std::string_view purpose, std::string_view bytes) const = 0;
};

// A new id: prefix, '_', 20 characters of lower-case Crockford base32 (100 random bits).
std::string new_id(std::string_view prefix);
// True for `<conn|ac|tok|link|org|proj|…>_` followed by 20 Crockford characters: what an alias may not look like.
bool looks_like_id(std::string_view text);
// [A-Za-z0-9_-]{1,64}
bool is_reference(std::string_view text);
const char* to_string(Scope scope);    // "PERSONAL" …
const char* to_string(Status status);  // "ACTIVE" …

}  // namespace postern::vault
