// Connections: metadata, credential, and the indexes that lead to them.
#include <algorithm>
#include <set>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/index.hpp"
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr std::size_t kLongestAlias = 64;

Path locator_path(const Connection& of) {
  return {"locator", of.organization, {}, of.id};
}

bool is_exact_host(std::string_view host) {
  return !host.empty() && host.back() != '.' && std::ranges::none_of(host, [](unsigned char c) {
    return c <= ' ' || c >= 0x7f || (c >= 'A' && c <= 'Z') ||
           std::string_view("*/@\\?#%").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

Result<void> check_rules(const Connection& meta) {
  if (!is_reference(meta.organization)) return invalid("organization: not an id");
  if (!is_reference(meta.project)) return invalid("project: not an id");
  if (!is_reference(meta.app)) return invalid("app: must be 1 to 64 of A-Z a-z 0-9 _ -");
  if (!meta.alias.empty() && !is_reference(meta.alias)) return invalid("alias: must be 1 to 64 of A-Z a-z 0-9 _ -");
  if (looks_like_id(meta.alias)) return invalid("alias: may not look like an id");
  for (const auto& destination : meta.destinations) {
    if (!is_exact_host(destination.host)) {
      return invalid("destinations: a host is exact, lower case and without a trailing dot");
    }
    if (destination.port == 0) return invalid("destinations: port 0");
  }
  return {};
}

Reference reference_to(const Connection& meta) {
  return {meta.organization, meta.project, meta.id};
}

}  // namespace

Result<void> check_size(const Connection& meta, const Credential* credential) {
  std::size_t size = 0;
  if (credential != nullptr) {
    for (const auto& [name, value] : credential->values) size += name.size() + value.size();
  }
  if (size > kLargestRecord) return invalid("value: more than 256 KiB");
  if (encode(meta).size() > kLargestRecord) return invalid("the connection is more than 256 KiB");
  return {};
}

Write put_credential(const Records& records, const Connection& meta, const Credential& credential) {
  // The caller's object is const and cannot be copied; only the generation differs in what is stored.
  Credential stored;
  stored.generation = meta.generation;
  stored.times = credential.times;
  for (const auto& [name, value] : credential.values) stored.values.emplace(name, value.clone());
  return records.put(credential_path(meta), encode(stored), meta.generation - 1);
}

// A default alias that is being written: nobody else chooses it meanwhile.
class SealedVault::Reserved {
 public:
  explicit Reserved(SealedVault& vault) : vault_(vault) {}
  ~Reserved() {
    const std::scoped_lock lock(vault_.reserving_);
    if (!key_.empty()) vault_.reserved_.erase(key_);
  }
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;
  // The vault's `reserving_` is held.
  void take(std::string key) { key_ = *vault_.reserved_.insert(std::move(key)).first; }

 private:
  SealedVault& vault_;
  std::string key_;
};

// Everything of a new one but its alias.
Result<void> SealedVault::prepare(Connection& meta, const Credential& credential) const {
  if (meta.id.empty()) meta.id = new_id("conn");
  if (!looks_like_id(meta.id) || !meta.id.starts_with("conn_")) {
    return invalid("id: must be conn_ and 20 characters of Crockford base32");
  }
  if (auto fine = check_rules(meta); !fine) return fine;
  if (auto fine = check_scope(meta.organization, meta.project); !fine) return fine;
  if (auto fine = check_auth_config(meta); !fine) return fine;
  meta.generation = 1;
  meta.created = meta.updated = now_ms_();
  if (meta.status_since == 0) meta.status_since = meta.created;
  if (auto fine = check_size(meta, &credential); !fine) return fine;
  if (meta.alias.empty()) return {};
  const auto taken = alias_taken(meta, meta.alias);
  if (!taken) return std::unexpected(taken.error());
  if (*taken) return fail(Error::Code::exists, "alias: taken in this project");
  return {};
}

void SealedVault::stage(Batch& batch, const Connection& meta, const Credential& credential) const {
  const std::string alias = alias_name(meta.project, meta.alias);
  batch.push_back(records_->put(connection_path(meta), encode(meta), 0));
  batch.push_back(put_credential(*records_, meta, credential));
  batch.push_back(records_->put(locator_path(meta), encode(reference_to(meta)), 0));
  batch.push_back(records_->put({"alias", meta.organization, meta.project, alias}, encode(reference_to(meta)), 0));
  index_added(batch, *records_, meta);
}

Result<void> SealedVault::check_id_free(const Connection& meta) const {
  const auto located = records_->read<Reference>(locator_path(meta));
  if (located) return fail(Error::Code::exists, "id: taken in this organization");
  if (!missing(located.error())) return std::unexpected(located.error());
  return {};
}

Result<Connection> SealedVault::create_connection(Connection meta, const Credential& credential, const Beside& beside) {
  const bool choose = meta.alias.empty();
  const auto inside = hold_scopes();
  const auto held = hold_auth_configs();
  if (auto fine = prepare(meta, credential); !fine) return std::unexpected(fine.error());
  for (int look = 0; look < kLooks; ++look) {
    Reserved reserved(*this);
    if (choose) {
      auto alias = free_alias(meta, reserved);
      if (!alias) return std::unexpected(alias.error());
      meta.alias = std::move(*alias);
    }
    Batch batch;
    stage(batch, meta, credential);
    const auto done = records_->commit(batch, about(meta, beside));
    if (done) {
      meta.version = 1;
      return meta;
    }
    if (!outdated(done.error())) return std::unexpected(done.error());
    // Something of it is there already. A chosen alias may be chosen anew; a given one, or an id, is taken.
    if (const auto free = check_id_free(meta); !free) return std::unexpected(free.error());
    if (const auto taken = alias_taken(meta, meta.alias); !taken) {
      return std::unexpected(taken.error());
    } else if (*taken && !choose) {
      return fail(Error::Code::exists, "alias: taken in this project");
    }
  }
  return changed_connection();
}

Result<std::vector<Connection>> SealedVault::create_connections(std::vector<NewConnection> all, const Beside& beside) {
  std::vector<Connection> made;
  std::set<std::string> names;
  const auto inside = hold_scopes();
  const auto held = hold_auth_configs();
  Batch batch;
  for (auto& [meta, credential] : all) {
    if (meta.alias.empty()) return invalid("alias: each of many needs its own");
    if (auto fine = prepare(meta, credential); !fine) return std::unexpected(fine.error());
    if (auto fine = check_id_free(meta); !fine) return std::unexpected(fine.error());
    const bool alias_is_new = names.insert(meta.organization + "/" + meta.project + "/" + meta.alias).second;
    if (!alias_is_new) return fail(Error::Code::exists, "alias: taken in this project");
    if (!names.insert(meta.organization + "/" + meta.id).second) {
      return fail(Error::Code::exists, "id: taken in this organization");
    }
    stage(batch, meta, credential);
    meta.version = 1;
    made.push_back(std::move(meta));
  }
  Aside aside;
  for (const auto& meta : made) {
    if (beside.event) aside.events.push_back(*about(meta, beside).event);
  }
  const auto done = records_->commit(batch, aside);
  if (!done) return std::unexpected(done.error());
  return made;
}

Result<Connection> SealedVault::find_connection(Space space, std::string_view id_or_alias) const {
  if (!is_reference(id_or_alias) || !is_reference(space.organization)) return unknown_connection();
  const bool by_id = looks_like_id(id_or_alias);
  if (space.project.empty() ? !by_id : !is_reference(space.project)) return unknown_connection();
  return by_id ? find_by_id(space, id_or_alias) : find_by_alias(space, id_or_alias);
}

Result<Connection> SealedVault::find_by_id(Space space, std::string_view id) const {
  if (!space.project.empty()) {
    auto own = read_connection(space.organization, space.project, id);
    if (own || !missing(own.error())) return own;
  }
  const Path locator{"locator", space.organization, {}, id};
  const auto located = records_->read<Reference>(locator);
  if (!located) return missing(located.error()) ? unknown_connection() : std::unexpected(located.error());
  const Reference& to = located->record;
  if (to.id != id || to.organization != space.organization) return astray(locator);
  auto found = read_connection(space.organization, to.project, id);
  if (found && found->scope != Scope::organization && !space.project.empty()) return unknown_connection();
  return found;
}

Result<Connection> SealedVault::find_by_alias(Space space, std::string_view alias) const {
  const std::string name = alias_name(space.project, alias);
  const Path index{"alias", space.organization, space.project, name};
  for (int look = 0; look < kLooks; ++look) {
    const auto indexed = records_->read<Reference>(index);
    if (!indexed) return missing(indexed.error()) ? unknown_connection() : std::unexpected(indexed.error());
    auto found = read_connection(space.organization, space.project, indexed->record.id);
    if (!found && !missing(found.error())) return found;
    if (found && found->alias == alias) return found;
  }
  return astray(index);
}

Result<Credential> SealedVault::open_credential(const Connection& meta) const {
  auto found = records_->read<Credential>(credential_path(meta));
  if (found && found->version == meta.generation && found->record.generation == meta.generation) {
    return std::move(found->record);
  }
  if (!found && !missing(found.error())) return std::unexpected(found.error());
  // Either `meta` is old (rotated or erased since it was read), or the two records do not belong together.
  const auto now = read_connection(meta.organization, meta.project, meta.id);
  if (!now) return std::unexpected(now.error());
  if (now->generation > meta.generation) return changed_connection();
  return fail(Error::Code::corrupt, credential_path(meta).key() + ": the credential is not the one of its connection");
}

Result<Connection> SealedVault::update_connection(Connection meta, const Beside& beside) {
  return rewrite(std::move(meta), nullptr, beside);
}

Result<Connection> SealedVault::rotate_credential(Connection meta, const Credential& credential, const Beside& beside) {
  return rewrite(std::move(meta), &credential, beside);
}

Result<Connection> SealedVault::rewrite(Connection meta, const Credential* credential, const Beside& beside) {
  if (auto fine = check_rules(meta); !fine) return std::unexpected(fine.error());
  const auto old = read_connection(meta.organization, meta.project, meta.id);
  if (!old) return std::unexpected(old.error());
  if (old->version != meta.version) return changed_connection();
  meta.created = old->created;
  meta.updated = now_ms_();
  meta.generation = old->generation + (credential != nullptr ? 1 : 0);
  if (credential == nullptr) meta.previous_until = old->previous_until;
  if (meta.status != old->status && meta.status_since == old->status_since) meta.status_since = meta.updated;
  if (meta.alias.empty()) meta.alias = old->alias;
  if (auto fine = check_size(meta, credential); !fine) return std::unexpected(fine.error());
  std::shared_lock<std::shared_mutex> held;
  if (meta.auth_config != old->auth_config) {
    held = hold_auth_configs();
    if (auto fine = check_auth_config(meta); !fine) return std::unexpected(fine.error());
  }

  Batch batch;
  if (auto kept = keep_previous(batch, *old, meta, credential != nullptr); !kept) return std::unexpected(kept.error());
  batch.push_back(records_->put(connection_path(meta), encode(meta), old->version));
  if (credential != nullptr) batch.push_back(put_credential(*records_, meta, *credential));
  if (credential != nullptr || meta.status == Status::revoked) {
    batch.push_back(Records::erase(intent_path(meta), kAnyVersion));
  }
  if (meta.alias != old->alias) {
    const auto taken = alias_taken(meta, meta.alias);
    if (!taken) return std::unexpected(taken.error());
    if (*taken) return fail(Error::Code::exists, "alias: taken in this project");
    const std::string before = alias_name(meta.project, old->alias);
    const std::string after = alias_name(meta.project, meta.alias);
    batch.push_back(Records::erase({"alias", meta.organization, meta.project, before}, kAnyVersion));
    batch.push_back(records_->put({"alias", meta.organization, meta.project, after}, encode(reference_to(meta)), 0));
  }
  index_changed(batch, *records_, *old, meta);
  if (const auto done = records_->commit(batch, about(meta, beside)); !done) {
    if (!outdated(done.error())) return std::unexpected(done.error());
    // By someone who was faster: either the alias is taken, or the connection was changed.
    const auto taken = alias_taken(meta, meta.alias);
    if (meta.alias != old->alias && taken && *taken) return fail(Error::Code::exists, "alias: taken in this project");
    return changed_connection();
  }
  meta.version = old->version + 1;
  return meta;
}

Result<void> SealedVault::erase_connection(Space space, std::string_view id, std::uint64_t expected_version,
                                           const Beside& beside) {
  if (!looks_like_id(id) || !is_reference(space.organization) || !is_reference(space.project))
    return unknown_connection();
  for (;;) {
    const auto old = read_connection(space.organization, space.project, id);
    if (!old) return std::unexpected(old.error());
    if (expected_version != 0 && old->version != expected_version) return changed_connection();
    const std::string alias = alias_name(old->project, old->alias);
    Batch batch{
        Records::erase(connection_path(*old), old->version),
        Records::erase(credential_path(*old), kAnyVersion),
        Records::erase(intent_path(*old), kAnyVersion),
        Records::erase(previous_path(*old), kAnyVersion),
        Records::erase(locator_path(*old), kAnyVersion),
        Records::erase({"alias", old->organization, old->project, alias}, kAnyVersion),
    };
    index_removed(batch, *records_, *old);
    auto done = records_->commit(batch, about(*old, beside));
    // Whoever changed it meanwhile got on: whatever it is now goes, or it is gone.
    if (done || !outdated(done.error())) return done;
  }
}

Result<Connection> SealedVault::read_connection(std::string_view organization, std::string_view project,
                                                std::string_view id) const {
  const Path path{"connection", organization, project, id};
  auto found = records_->read<Connection>(path);
  if (!found) return missing(found.error()) ? unknown_connection() : std::unexpected(found.error());
  Connection& record = found->record;
  if (record.id != id || record.organization != organization || record.project != project) return astray(path);
  record.version = found->version;
  return std::move(record);
}

std::string SealedVault::alias_name(std::string_view project, std::string_view alias) const {
  return hex(records_->keyring().digest(Keyring::Use::index, length_prefixed({"alias", project, alias})));
}

Result<bool> SealedVault::alias_taken(const Connection& meta, std::string_view alias) const {
  const std::string name = alias_name(meta.project, alias);
  const auto indexed = records_->read<Reference>({"alias", meta.organization, meta.project, name});
  if (indexed) return true;
  if (missing(indexed.error())) return false;
  return std::unexpected(indexed.error());
}

// `app`, else `app-2`, `app-3` … The first free number is found by doubling and halving, not by counting: a project
// with n connections of one app costs log n look-ups. A gap that an erased connection left may stay unused.
Result<std::string> SealedVault::free_alias(const Connection& meta, Reserved& reserved) {
  const std::scoped_lock lock(reserving_);
  const auto key_of = [&](const std::string& alias) {
    return Path{"alias", meta.organization, meta.project, alias_name(meta.project, alias)}.key();
  };
  const auto numbered = [&](std::uint64_t number) {
    const std::string suffix = number == 1 ? "" : "-" + std::to_string(number);
    return meta.app.substr(0, kLongestAlias - suffix.size()) + suffix;
  };
  const auto unavailable = [&](std::uint64_t number) -> Result<bool> {
    if (reserved_.contains(key_of(numbered(number)))) return true;
    return alias_taken(meta, numbered(number));
  };
  std::uint64_t taken = 0;
  std::uint64_t free = 1;
  for (;;) {
    const auto is_taken = unavailable(free);
    if (!is_taken) return std::unexpected(is_taken.error());
    if (!*is_taken) break;
    taken = free;
    free *= 2;
  }
  while (free - taken > 1) {
    const std::uint64_t middle = taken + (free - taken) / 2;
    const auto is_taken = unavailable(middle);
    if (!is_taken) return std::unexpected(is_taken.error());
    (*is_taken ? taken : free) = middle;
  }
  std::string alias = numbered(free);
  reserved.take(key_of(alias));
  return alias;
}

}  // namespace postern::vault
