#pragma once
// The vault behind vault.hpp: typed records, their indexes, and the rules between them.
//
// Records and the paths they lie at (records.hpp):
//   connection/ORG/PROJECT/ID      Connection
//   credential/ORG/PROJECT/ID      Credential; its version in the store is its generation
//   locator/ORG//ID                Reference: the project that holds a connection; orders all of an organization by id
//   alias/ORG/PROJECT/HMAC         Reference: the connection of that alias; the HMAC is of project and alias, because
//                                  a key of the store is readable and an alias may say too much
//   host, provider, status, created, updated: index.hpp
//   authorization/ORG//ID          Authorization; ORG is empty for a system one
//   token///PUBLIC-ID              Reference: the authorization of a token
//   organization/ORG//ORG          Organization
//   project/ORG/ID/ID              Project
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
#include <string>
#include <string_view>
#include <vector>

#include "vault/index.hpp"
#include "vault/records.hpp"
#include "vault/vault.hpp"

namespace postern::vault {

class SealedVault final : public Vault {
 public:
  SealedVault(std::unique_ptr<Records> records, std::string key_provider, std::function<std::int64_t()> now_ms);

  const std::string& id() const override;
  VaultStatus status() const override;
  Result<void> accept_copy() override;

  Result<Connection> create_connection(Connection meta, const Credential& credential) override;
  Result<std::vector<Connection>> create_connections(std::vector<NewConnection> all) override;
  Result<Connection> find_connection(Space space, std::string_view id_or_alias) const override;
  Result<Credential> open_credential(const Connection& meta) const override;
  Result<Connection> update_connection(Connection meta) override;
  Result<Connection> rotate_credential(Connection meta, const Credential& credential) override;
  Result<void> erase_connection(Space space, std::string_view id, std::uint64_t expected_version) override;
  Result<ConnectionPage> list_connections(const ConnectionQuery& query) const override;

  Result<NewToken> create_authorization(Authorization authorization) override;
  Result<Authorization> authenticate(std::string_view token) const override;
  Result<Authorization> find_authorization(std::string_view organization, std::string_view id) const override;
  Result<Authorization> update_authorization(Authorization authorization) override;
  Result<void> erase_authorization(std::string_view organization, std::string_view id) override;
  Result<std::vector<Authorization>> list_authorizations(std::string_view organization, std::string_view after,
                                                         std::size_t limit) const override;

  std::string keyed_digest(std::string_view purpose, std::string_view bytes) const override;

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
  Result<Connection> rewrite(Connection meta, const Credential* credential);
  std::string alias_name(std::string_view project, std::string_view alias) const;
  class Reserved;
  Result<std::string> free_alias(const Connection& meta, Reserved& reserved);
  Result<bool> alias_taken(const Connection& meta, std::string_view alias) const;
  Result<Authorization> read_authorization(std::string_view organization, std::string_view id) const;

  const std::unique_ptr<Records> records_;
  const std::string key_provider_;
  const std::function<std::int64_t()> now_ms_;
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

}  // namespace postern::vault
