#pragma once
// The vault behind vault.hpp: typed records, their indexes, and the rules between them.
//
// Records and the paths they lie at (records.hpp):
//   connection/ORG/PROJECT/ID      Connection
//   credential/ORG/PROJECT/ID      Credential; its version in the store is its generation
//   locator/ORG//ID                Reference: the project that holds a connection; orders all of an organization by id
//   alias/ORG/PROJECT/HMAC         Reference: the connection of that alias; the HMAC is of project and alias, because
//                                  a key of the store is readable and an alias may say too much
//   host, provider, status, created, updated, config, expires: index.hpp
//   auth_config/ORG/PROJECT/ID     AuthConfig; PROJECT is empty for one of all projects
//   auth_locator/ORG//ID           Reference: where an auth config lies; orders all of an organization by id
//   intent/ORG/PROJECT/ID          Intent; ID is the connection's. It is there only while its generation is the current
//                                  one and the connection is not revoked: whatever ends either erases it
//   previous/ORG/PROJECT/ID        Previous; ID is the connection's. It is there while Connection::previous_until is
//   set answer/ORG//KEY                KeptAnswer; ORG is empty for the system's answer_time/ORG//TIME-HMAC Reference:
//   kept answers by when they were, as `expires` in index.hpp link/ORG/PROJECT/ID            Link link_locator///ID
//   Reference: the link of that id state///HMAC                   Reference: the link whose browser comes back with
//   that state ends///TIME-HMAC               Reference: links by their end, as `expires` in index.hpp
//   authorization/ORG//ID          Authorization; ORG is empty for a system one
//   token///PUBLIC-ID              Reference: the authorization of a token
//   organization/ORG//ORG          Organization
//   project/ORG/ID/ID              Project
//   user/ORG//ID                   User
//   import///ID                    ImportedProvider
//   authority///local              AuthorityRecord: the local CA
//   spent/ORG//ID                  Spent; ID is the authorization's
//   audit, audit_head              stored_audit.hpp
//   rotation///current             RotationRecord: how far the last rotation of data keys came
//
// Thread safety: as vault.hpp says. Nothing is locked from reading the old record to the acknowledgement, so that many
// writers can share one sync: each write names the versions it was made from, and the store refuses what is outdated.
// A read that follows an index into a record that was changed meanwhile looks again.
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "vault/index.hpp"
#include "vault/records.hpp"
#include "vault/stored_audit.hpp"
#include "vault/vault.hpp"

namespace postern::vault {

class SealedVault final : public Vault, public Upkeep, public TokenBook, public Imports, public Scopes {
 public:
  SealedVault(std::unique_ptr<Records> records, std::shared_ptr<const KeyProvider> provider, Options options);

  const std::string& id() const override;
  VaultStatus status() const override;
  Result<void> accept_copy() override;
  Upkeep& upkeep() override { return *this; }
  TokenBook& tokens() override { return *this; }
  Imports& imports() override { return *this; }
  Audit& audit() override { return audit_; }
  Scopes& scopes() override { return *this; }
  const Scopes& scopes() const override { return *this; }

  Result<KeyStatus> keys() const override;
  Result<Rotation> rotate(const Beside& beside) override;
  Result<Rotation> continue_rotation(std::size_t records) override;
  Result<KeyStatus> rewrap(const KeySource& to, const Beside& beside) override;
  Result<std::uint64_t> backup(const std::filesystem::path& directory) override;
  Result<Verified> verify(std::string_view after, std::size_t limit) const override;
  Result<Migrated> migrate(std::string_view after, std::size_t limit) override;

  Result<Connection> create_connection(Connection meta, const Credential& credential, const Beside& beside) override;
  Result<std::vector<Connection>> create_connections(std::vector<NewConnection> all, const Beside& beside) override;
  Result<Connection> find_connection(Space space, std::string_view id_or_alias) const override;
  Result<Credential> open_credential(const Connection& meta) const override;
  Result<Connection> update_connection(Connection meta, const Beside& beside) override;
  Result<Connection> rotate_credential(Connection meta, const Credential& credential, const Beside& beside) override;
  Result<Connection> restore_credential(const Connection& meta, const Beside& beside) override;
  Result<void> erase_connection(Space space, std::string_view id, std::uint64_t expected_version,
                                const Beside& beside) override;
  Result<ConnectionPage> list_connections(const ConnectionQuery& query) const override;

  Result<NewToken> create_authorization(Authorization authorization, const Beside& beside) override;
  Result<Authorization> authenticate(std::string_view token) const override;
  Result<Authorization> find_authorization(std::string_view organization, std::string_view id) const override;
  Result<Authorization> update_authorization(Authorization authorization, const Beside& beside) override;
  Result<void> update_authorizations(const std::vector<Authorization>& all, const Beside& beside) override;
  Result<void> erase_authorization(std::string_view organization, std::string_view id, const Beside& beside) override;
  Result<std::vector<Authorization>> list_authorizations(std::string_view organization, std::string_view after,
                                                         std::size_t limit) const override;

  Result<Spent> find_spent(std::string_view organization, std::string_view id) const override;
  Result<Taken> take_calls(std::string_view organization, std::string_view id, Calls wanted) override;
  Result<void> give_back(const std::vector<Spent>& unused) override;
  Result<KeptAnswer> find_answer(std::string_view organization, std::string_view key) const override;
  Result<void> keep_answer(const KeptAnswer& answer) override;
  Result<AuthorityRecord> find_authority() const override;
  Result<AuthorityRecord> put_authority(AuthorityRecord authority, std::uint64_t expected_version,
                                        const Beside& beside) override;
  Result<void> erase_authority(std::uint64_t expected_version, const Beside& beside) override;
  Result<std::size_t> sweep(std::int64_t now_ms) override;

  std::string keyed_digest(std::string_view purpose, std::string_view bytes) const override;

  Result<AuthConfig> create_auth_config(AuthConfig auth_config, const Beside& beside) override;
  Result<AuthConfig> find_auth_config(Space space, std::string_view id) const override;
  Result<AuthConfigPage> list_auth_configs(const AuthConfigQuery& query) const override;
  Result<AuthConfig> update_auth_config(AuthConfig auth_config, const Beside& beside) override;
  Result<void> erase_auth_config(Space space, std::string_view id, std::uint64_t expected_version,
                                 const Beside& beside) override;
  Result<std::vector<Connection>> connections_of(const AuthConfig& auth_config, std::size_t limit) const override;

  Result<Intent> begin_refresh(const Connection& meta, std::string_view holder, const Secret* spent) override;
  Result<Intent> take_over(const Intent& pending, std::string_view holder) override;
  bool spends(const Intent& intent, const Secret& token) const override;
  Result<Connection> finish_refresh(const Intent& intent, const Credential& tokens, const Outcome& more,
                                    const Beside& beside) override;
  Result<Connection> fail_refresh(const Intent& intent, const StatusChange& change, const Beside& beside) override;
  Result<std::vector<Intent>> pending_intents(std::string_view after, std::size_t limit) const override;
  Result<Connection> set_status(Space space, std::string_view id, std::uint64_t generation, const StatusChange& change,
                                const Beside& beside) override;
  Result<std::vector<Due>> due(std::int64_t before_ms, std::string_view after, std::size_t limit) const override;

  Result<Link> create_link(Link link, const Beside& beside) override;
  Result<Link> find_link(Space space, std::string_view id) const override;
  Result<Link> find_link(std::string_view id) const override;
  Result<Link> find_link_by_state(std::string_view state) const override;
  Result<Link> update_link(Link link, std::string_view state, const Beside& beside) override;
  Result<void> erase_link(Space space, std::string_view id, const Beside& beside) override;
  Result<std::size_t> sweep_links(std::int64_t now_ms) override;

  Result<ImportedProvider> create_import(ImportedProvider provider, const Beside& beside) override;
  Result<ImportedProvider> find_import(std::string_view id) const override;
  Result<std::vector<ImportedProvider>> list_imports() const override;
  Result<ImportedProvider> enable_import(std::string_view id, bool enabled, std::uint64_t version,
                                         const Beside& beside) override;
  Result<void> erase_import(std::string_view id, std::uint64_t expected_version, const Beside& beside) override;
  Result<std::vector<ProviderUse>> uses_of(std::string_view provider, std::size_t limit) const override;

  Result<Organization> create_organization(Organization organization, const Beside& beside) override;
  Result<Organization> find_organization(std::string_view id) const override;
  Result<ScopePage<Organization>> list_organizations(std::string_view after, std::size_t limit) const override;
  Result<Organization> update_organization(Organization organization, const Beside& beside) override;
  Result<void> erase_organization(std::string_view id, std::uint64_t expected_version, const Beside& beside) override;
  Result<Project> create_project(Project project, const Beside& beside) override;
  Result<Project> find_project(std::string_view organization, std::string_view id) const override;
  Result<ScopePage<Project>> list_projects(std::string_view organization, std::string_view after,
                                           std::size_t limit) const override;
  Result<Project> update_project(Project project, const Beside& beside) override;
  Result<void> erase_project(std::string_view organization, std::string_view id, std::uint64_t expected_version,
                             const Beside& beside) override;
  Result<Contents> contents(std::string_view organization, std::string_view project, std::size_t most) const override;
  Result<User> create_user(User user, const Beside& beside) override;
  Result<User> find_user(std::string_view organization, std::string_view id) const override;
  Result<ScopePage<User>> list_users(std::string_view organization, std::string_view after,
                                     std::size_t limit) const override;
  Result<User> update_user(User user, const Beside& beside) override;
  Result<void> erase_user(std::string_view organization, std::string_view id, std::uint64_t expected_version,
                          const Beside& beside) override;

 private:
  Result<void> prepare(Connection& meta, const Credential& credential) const;
  Result<void> check_id_free(const Connection& meta) const;
  void stage(Batch& batch, const Connection& meta, const Credential& credential) const;
  Result<Connection> read_connection(std::string_view organization, std::string_view project,
                                     std::string_view id) const;
  Result<std::optional<Connection>> follow(const IndexWalk& walk, const IndexWalk::Step& step,
                                           std::string_view organization) const;
  Result<Connection> find_by_id(Space space, std::string_view id) const;
  Result<Connection> find_by_alias(Space space, std::string_view alias) const;
  Result<Connection> rewrite(Connection meta, const Credential* credential, const Beside& beside);
  // vault_previous.cpp: what a write of `meta` over `old` means for the credential before them; sets its
  // previous_until.
  Result<void> keep_previous(Batch& batch, const Connection& old, Connection& meta, bool rotates) const;
  Result<std::size_t> sweep_previous(std::int64_t now_ms);
  // vault_answers.cpp
  Result<std::size_t> sweep_answers(std::int64_t now_ms);
  Result<std::vector<Records::Referred>> surplus_answers(const std::string& organization, std::size_t skip);
  std::string alias_name(std::string_view project, std::string_view alias) const;
  class Reserved;
  Result<std::string> free_alias(const Connection& meta, Reserved& reserved);
  Result<bool> alias_taken(const Connection& meta, std::string_view alias) const;
  Result<Authorization> read_authorization(std::string_view organization, std::string_view id) const;
  Result<Authorization> stage(Batch& batch, Authorization authorization) const;
  Write keep_authorization(const Authorization& as_read) const;

  // Held from the look at an auth config until the connection that uses it is written: none goes in between.
  std::shared_lock<std::shared_mutex> hold_auth_configs() const;
  Result<void> check_auth_config(const Connection& meta) const;
  Result<AuthConfig> read_auth_config(const Reference& at) const;
  Result<Intent> read_intent(const Connection& of) const;
  Result<Connection> end_refresh(const Intent& intent, const Credential* tokens,
                                 const std::function<void(Connection&)>& change, const Beside& beside);
  Result<std::optional<Due>> follow_due(const Records::Referred& entry) const;
  Result<Link> read_link(std::string_view organization, std::string_view project, std::string_view id) const;
  std::string state_name(std::string_view state) const;

  // Held from the look at a project until what lies in it is written: none goes in between. Taken before
  // hold_auth_configs().
  std::shared_lock<std::shared_mutex> hold_scopes() const;
  // invalid, naming the field, unless they are there; an empty project is the whole organization.
  Result<void> check_scope(std::string_view organization, std::string_view project) const;
  Result<void> check_access(std::string_view organization, const std::vector<ProjectAccess>& projects) const;
  Result<void> check_subject(const Authorization& authorization) const;
  Result<void> check_empty(std::string_view organization, std::string_view project) const;
  Result<void> erase_links(std::string_view organization, std::string_view project);
  Result<void> erase_ended(std::string_view organization);

  std::shared_ptr<const KeyProvider> provider() const;
  Result<Found<RotationRecord>> rotation() const;
  void remember(std::optional<Found<RotationRecord>> state);
  Result<void> agree_with(const Rotation& progress);
  Result<std::uint64_t> count_records() const;
  Result<Found<RotationRecord>> step(Found<RotationRecord> state, std::size_t records);
  std::vector<std::string> end_pass(RotationRecord& at, Batch& batch) const;
  Result<void> verify_record(const Entry& entry) const;
  Result<void> verify_connection(const Entry& entry, const Path& path) const;
  Result<void> verify_alias(const Entry& entry, const Path& path) const;

  const std::unique_ptr<Records> records_;
  const Options options_;
  const std::function<std::int64_t()> now_ms_;
  StoredAudit audit_;
  std::mutex upkeep_;  // rotation, rewrap and migration are one at a time
  mutable std::mutex provider_mutex_;
  std::shared_ptr<const KeyProvider> provider_;  // another after a rewrap
  mutable std::mutex rotation_mutex_;
  std::optional<Found<RotationRecord>> rotation_;  // as of the last step; absent: as it lies in the store
  mutable std::mutex erasing_auth_config_;         // held by an erasure that waits for its turn
  mutable std::shared_mutex auth_configs_;         // shared by who writes a connection, exclusive while one is erased
  mutable std::mutex erasing_scope_;               // held by an erasure that waits for its turn
  mutable std::shared_mutex scopes_;               // shared by who writes into a project, exclusive while one is erased
  std::mutex reserving_;            // held while a default alias is looked for, never while something is written
  std::set<std::string> reserved_;  // keys of the default aliases that are being written
};

// What tests put their faults into; the real vault is opened with none of it.
struct Seams {
  rocksdb::Env* env = nullptr;
  Marker::System marker;
  std::chrono::milliseconds first_pause{100};
};
Result<std::unique_ptr<Vault>> create_vault(const Options& options, const Seams& seams);
Result<std::unique_ptr<Vault>> open_vault(const Options& options, const Seams& seams);
// Opens a backup that was copied to `options.state`, judges it by its own marker, and marks it as restored.
Result<void> open_restored(const Options& options);

// vault_links.cpp: the store keys of all entries that lead to a link, for whoever verifies them.
std::vector<std::string> link_index_keys(const Records& records, const Link& link);

// Shared by the files that open, rewrap, back up and restore.
std::function<std::int64_t()> clock_of(const Options& options);
KeySource source_of(const Options& options);
// wrong_key: the file that holds the key lies in the state directory.
Result<void> refuse_key_in_state(const Options& options, const KeySource& source);
Result<std::unique_ptr<KeyProvider>> provider_of(const Options& options, const KeySource& source);
bool lies_under(const std::filesystem::path& file, const std::filesystem::path& directory);
std::filesystem::path database(const std::filesystem::path& state);
std::filesystem::path marker_file(const std::filesystem::path& state);
Marker marker_of(const std::filesystem::path& state, const Seams& seams, const Keyring& keyring);

}  // namespace postern::vault
