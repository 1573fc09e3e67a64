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
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/audit.hpp"
#include "vault/error.hpp"
#include "vault/imports.hpp"
#include "vault/permission.hpp"
#include "vault/provenance.hpp"
#include "vault/record.hpp"
#include "vault/scopes.hpp"
#include "vault/token_book.hpp"
#include "vault/upkeep.hpp"

namespace postern::vault {

enum class StoreKind { memory, rocksdb };

struct Options {
  StoreKind store = StoreKind::rocksdb;
  std::filesystem::path state;              // directory; the database is <state>/vault, the marker <state>/marker
  std::filesystem::path key_file;           // master key; with the memory store no key at all means an ephemeral one
  KeySource key;                            // instead of key_file, where the key comes from elsewhere
  bool allow_key_in_state = false;          // --dev
  bool accept_rollback = false;             // --accept-rollback
  bool accept_copy = false;                 // --accept-copy: lifts the mark of a copied, restored or rolled-back vault
  std::uint64_t audit_quota = 64ULL << 20;  // bytes; Audit::set_quota()
  std::function<std::int64_t()> now_ms;     // wall clock; absent: the system's
  // Called from a thread of the vault's when the store was opened again after a write error, before it takes writes: a
  // write that nobody could be told of may have happened, so whatever was kept of earlier reads is to be forgotten. It
  // must not call the vault, nor wait for one who does.
  std::function<void()> reopened;
};

// Filters are answered from an index where there is one for them (host, provider, status, auth config), orders too.
struct ConnectionQuery {
  enum class Order : std::uint8_t { id, created, updated };
  std::string organization{kDefaultOrganization};
  std::string project;  // empty: every project of the organization
  std::string after;    // id to continue behind; empty: from the start
  std::size_t limit = 100;
  std::string app;               // only of this provider; empty: of all
  std::optional<Status> status;  // only with this status
  std::string auth_config;       // only of this auth config; empty: of all, and of none
  std::string host;              // only with this exact host among the destinations; with `project` alone
  Order order = Order::id;       // by created and updated: filters narrow what is given, not what is read
  bool descending = false;       // with an order by time
  std::int64_t after_time = 0;   // with an order by time: that time of `after`
};

struct ConnectionPage {
  std::vector<Connection> data;  // in the order that was asked for
  bool has_more = false;
};

struct NewConnection {
  Connection meta;
  Credential credential;
};

struct NewToken {
  Authorization authorization;
  Secret token;  // pst_…: shown once, stored nowhere
};

// What was taken of a budget, and what of it is taken by now in all.
struct Taken {
  Calls calls;
  Calls spent;
};

struct VaultStatus {  // safe to print
  std::string vault_id;
  std::string store;
  std::string state;    // "READY", "READ_ONLY" (reads go on, writes are refused), "REOPEN" (a moment of neither)
  std::string trouble;  // why it is not READY; one line
  std::string key_provider;
  std::string active_key_id;
  std::size_t data_keys = 0;
  std::uint64_t commit = 0;
  Provenance provenance;  // marked: what other systems know may be newer than what is stored here
};

class Vault {
 public:
  // Makes a master key file (0600, in a 0700 directory) if none is there. Errors: exists (it is kept), io.
  static Result<void> make_key_file(const std::filesystem::path& file);
  // Makes the store: header, first data keys, marker, default organization and project. Errors: exists (a vault, or the
  // marker of one whose store is gone), wrong_key (no usable key file, or one under `state`), locked, io.
  static Result<std::unique_ptr<Vault>> create(const Options& options);
  // Opens an existing one. Errors: not_found (no store there), wrong_key, locked, rolled_back, corrupt, io. Writes
  // nothing until the key check has passed. The memory store is always new.
  static Result<std::unique_ptr<Vault>> open(const Options& options);
  // For whoever has just put a backup into `options.state`: writes its marker anew, at the store's own commit, marked
  // as restored. The vault is not open. Errors: as open(), but for rolled_back.
  static Result<void> mark_restored(const Options& options);
  virtual ~Vault() = default;

  // Keys, backup, verification: lives as long as the vault.
  virtual Upkeep& upkeep() = 0;
  // Auth configs, refreshes, links: likewise.
  virtual TokenBook& tokens() = 0;
  // Imported catalog entries: likewise.
  virtual Imports& imports() = 0;
  // What was done, by whom: likewise.
  virtual Audit& audit() = 0;
  // Organizations, projects, users: likewise.
  virtual Scopes& scopes() = 0;
  virtual const Scopes& scopes() const = 0;
  // Makes a vault of a backup: `options.state` has none yet, and the key of the backup is the configured one. It is
  // opened before it is moved into place, and it knows from then on that it was restored. Errors: exists, not_found (no
  // whole backup there), wrong_key, corrupt, rolled_back, io.
  static Result<void> restore(const Options& options, const std::filesystem::path& backup);

  virtual const std::string& id() const = 0;  // stable; the proxy's pseudonym is postern-<id>
  virtual VaultStatus status() const = 0;
  // Lifts the mark that status().provenance shows: an operator has said that this directory goes on as the vault.
  // Errors: io, read_only.
  virtual Result<void> accept_copy() = 0;

  // Every write below is durable when it answers, many at a time share one sync, and it may also answer io (the disk
  // failed; the message says whether the outcome is known) and read_only: nothing is written while the vault, by
  // itself, opens its store again. Every call may answer corrupt: a record that was damaged, moved or swapped for
  // another.

  // Stores metadata and credential in one durable batch. Fills id (unless given: conn_ and 20 characters), alias
  // (unless given: `app`, then `app-2` …), created, updated, status_since, version, generation; what `credential` says
  // of its generation is not looked at. Errors: exists (alias taken in the project, id in the organization), invalid
  // (names the field: the project is there, app and alias are references, destinations exact hosts, an auth config is
  // one that TokenBook::find_auth_config() has for this project, 256 KiB in all).
  virtual Result<Connection> create_connection(Connection meta, const Credential& credential,
                                               const Beside& beside = {}) = 0;
  // Many at once, all of them or none, in one durable batch; each needs an alias of its own. Errors: as above.
  virtual Result<std::vector<Connection>> create_connections(std::vector<NewConnection> all,
                                                             const Beside& beside = {}) = 0;
  // By id or alias, within organization and project; ORGANIZATION-scoped connections of the organization's other
  // projects are found by id. With an empty project by id alone, whichever project it lies in.
  virtual Result<Connection> find_connection(Space space, std::string_view id_or_alias) const = 0;
  // The credential of meta.generation. Errors: not_found, conflict (rotated since `meta` was read: find it again).
  virtual Result<Credential> open_credential(const Connection& meta) const = 0;
  // Compare-and-set on meta.version; organization, project, id, created, generation cannot change. A status that
  // changes is dated (status_since) unless the caller did; an empty alias keeps the old one. Errors: not_found,
  // conflict, exists (the new alias is taken), invalid.
  virtual Result<Connection> update_connection(Connection meta, const Beside& beside = {}) = 0;
  // New credential material: generation + 1, and the metadata in the same batch; a refresh that was under way does not
  // count any more. The credential that it replaces is kept, sealed, until meta.previous_until, in place of one that
  // was kept before; 0, or a time that has come: none is. Otherwise like update_connection.
  virtual Result<Connection> rotate_credential(Connection meta, const Credential& credential,
                                               const Beside& beside = {}) = 0;
  // Brings the credential back that the last rotation replaced, with its status and times, as a generation of its own;
  // the one that it takes the place of is gone. Compare-and-set on meta.version, of which nothing else is looked at.
  // Errors: not_found (none is kept, or not any more), conflict.
  virtual Result<Connection> restore_credential(const Connection& meta, const Beside& beside = {}) = 0;
  // Metadata, credentials, intent and index entries go in one batch. expected_version 0: whatever it is. By id only,
  // and only in its own project. Errors: not_found, conflict.
  virtual Result<void> erase_connection(Space space, std::string_view id, std::uint64_t expected_version,
                                        const Beside& beside = {}) = 0;
  // `limit` is taken as 1 to 1000. An organization or project that does not exist has none.
  virtual Result<ConnectionPage> list_connections(const ConnectionQuery& query) const = 0;

  // Fills id, public_id, digest, created, version and returns the token, once. Errors: invalid (`expires` 0 outside the
  // system, a project without an organization, "*" beside other connections, an organization, a project or a user
  // record (names_user()) that is not there, a project named twice, 256 KiB in all).
  virtual Result<NewToken> create_authorization(Authorization authorization, const Beside& beside = {}) = 0;
  // The authorization a token belongs to: checks grammar, checksum and digest in constant time. not_found for anything
  // that is not a token of this vault. Does not judge expiry or revocation: the caller does, with its own clock.
  virtual Result<Authorization> authenticate(std::string_view token) const = 0;
  virtual Result<Authorization> find_authorization(std::string_view organization, std::string_view id) const = 0;
  // Compare-and-set on version; organization, id, parent, public_id, digest, created cannot change. Errors: not_found,
  // conflict, invalid.
  virtual Result<Authorization> update_authorization(Authorization authorization, const Beside& beside = {}) = 0;
  // Many at once, all of them or none, in one durable batch; the event is about the first. Errors: as above.
  virtual Result<void> update_authorizations(const std::vector<Authorization>& all, const Beside& beside = {}) = 0;
  // With what was spent of its budget.
  virtual Result<void> erase_authorization(std::string_view organization, std::string_view id,
                                           const Beside& beside = {}) = 0;
  // Those of one organization, or the system's (""), by id, behind `after`; `limit` is taken as 1 to 1000.
  virtual Result<std::vector<Authorization>> list_authorizations(std::string_view organization, std::string_view after,
                                                                 std::size_t limit) const = 0;

  // What was taken of an authorization's budget; version 0: nothing yet, or there is no such authorization.
  virtual Result<Spent> find_spent(std::string_view organization, std::string_view id) const = 0;
  // Takes as many of the calls wanted as its budget has left, durably; what has no limit is not counted, and nothing is
  // taken of it. Never more than the budget in all, whoever asks at the same time. Errors: not_found (gone or revoked).
  virtual Result<Taken> take_calls(std::string_view organization, std::string_view id, Calls wanted) = 0;
  // The opposite, for calls that were taken and not made (Spent::calls; the version is not looked at), each
  // authorization once. Those of one that is gone or revoked are left out.
  virtual Result<void> give_back(const std::vector<Spent>& unused) = 0;
  // What a call with an Idempotency-Key made, kept for a day (kAnswerLifetime) and at most about 50,000 of an
  // organization. find_answer: not_found for what is over, too.
  virtual Result<KeptAnswer> find_answer(std::string_view organization, std::string_view key) const = 0;
  // Errors: exists (one is kept under this key), invalid (a key or a body that is no digest).
  virtual Result<void> keep_answer(const KeptAnswer& answer) = 0;

  // The local CA. Errors: not_found (none was made).
  virtual Result<AuthorityRecord> find_authority() const = 0;
  // Makes it (expected_version 0) or puts another in its place, durably: compare-and-set on the version of the one that
  // was read. Fills created, updated, version. Errors: exists (0, and there is one), conflict, not_found, invalid
  // (without a certificate or a key; 256 KiB in all).
  virtual Result<AuthorityRecord> put_authority(AuthorityRecord authority, std::uint64_t expected_version,
                                                const Beside& beside = {}) = 0;
  // With its key, for good. expected_version 0: whatever it is. Errors: not_found, conflict.
  virtual Result<void> erase_authority(std::uint64_t expected_version, const Beside& beside = {}) = 0;

  // Erases what has outlived its time at `now_ms`: previous credentials, kept answers, links. At most about 1,000 of
  // each at a time; answers how many there were.
  virtual Result<std::size_t> sweep(std::int64_t now_ms) = 0;

  // HMAC-SHA-256 under a data key, for digests that must not be computable outside (Idempotency-Key bodies).
  virtual std::string keyed_digest(std::string_view purpose, std::string_view bytes) const = 0;
};

// Those that an authorization was made by: its own maker first, then that one's, up to one that no other has made.
// Errors: not_found (one of them is gone or revoked, and with it all that it made), corrupt (they lead in a circle).
Result<std::vector<Authorization>> makers_of(const Vault& vault, const Authorization& authorization);
// The hosts that stored connections may call, of every organization, each once and sorted; at most `most`, whichever
// are met first. It reads the connections until it has that many.
Result<std::vector<std::string>> hosts_in_use(const Vault& vault, std::size_t most);
// What an authorization stands on, beside itself.
struct Standing {
  std::vector<Authorization> makers;  // makers_of()
  std::optional<User> user;           // whose permissions bound it; absent: nobody's that we know
  std::int64_t expires = 0;           // when the first of it and its makers ends; 0: never
};
// Its own expiry and revocation are not judged, that of its makers is. Errors: as makers_of(); not_found also where a
// maker has expired at `now_ms`, or its organization or its user is gone or disabled (the message says which).
Result<Standing> standing_of(const Vault& vault, const Authorization& authorization, std::int64_t now_ms);

inline constexpr std::int64_t kAnswerLifetime = 24LL * 3600 * 1000;

// A new id: prefix, '_', 20 characters of lower-case Crockford base32 (100 random bits).
std::string new_id(std::string_view prefix);
// True for `<conn|ac|tok|link|org|proj|…>_` followed by 20 Crockford characters: what an alias may not look like.
bool looks_like_id(std::string_view text);
// [A-Za-z0-9_-]{1,64}
bool is_reference(std::string_view text);
const char* to_string(Scope scope);    // "PERSONAL" …
const char* to_string(Status status);  // "ACTIVE" …
const char* to_string(Role role);      // "VIEWER" …

}  // namespace postern::vault
