// Auth configs: what many connections share, and who uses one.
#include <algorithm>

#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

Path auth_config_path(std::string_view organization, std::string_view project, std::string_view id) {
  return {"auth_config", organization, project, id};
}

std::unexpected<Error> unknown() {
  return fail(Error::Code::not_found, "no such auth config");
}
std::unexpected<Error> changed() {
  return fail(Error::Code::conflict, "the auth config was changed by someone else meanwhile: read it again");
}

// Whether what lies in `project` (empty: for all) is there for `space` (an empty project: for the whole organization).
bool is_visible(std::string_view project, std::string_view space) {
  return project.empty() || space.empty() || project == space;
}

Result<void> check_rules(const AuthConfig& auth_config) {
  if (!is_reference(auth_config.organization)) return invalid("organization: not an id");
  if (!auth_config.project.empty() && !is_reference(auth_config.project)) return invalid("project: not an id");
  if (!is_reference(auth_config.provider)) return invalid("provider: must be 1 to 64 of A-Z a-z 0-9 _ -");
  if (!is_reference(auth_config.auth)) return invalid("auth: must be 1 to 64 of A-Z a-z 0-9 _ -");
  if (auth_config.status != Status::active && auth_config.status != Status::error) {
    return invalid("status: an auth config is active or in error");
  }
  std::string bytes = encode(auth_config);
  const bool large = bytes.size() > kLargestRecord;
  wipe(bytes);
  if (large) return invalid("the auth config is more than 256 KiB");
  return {};
}

}  // namespace

Result<AuthConfig> SealedVault::create_auth_config(AuthConfig auth_config, const Beside& beside) {
  if (auth_config.id.empty()) auth_config.id = new_id("ac");
  if (!looks_like_id(auth_config.id) || !auth_config.id.starts_with("ac_")) {
    return invalid("id: must be ac_ and 20 characters of Crockford base32");
  }
  auth_config.created = auth_config.updated = now_ms_();
  if (auth_config.status_since == 0) auth_config.status_since = auth_config.created;
  if (auto fine = check_rules(auth_config); !fine) return std::unexpected(fine.error());
  const auto inside = hold_scopes();
  if (auto fine = check_scope(auth_config.organization, auth_config.project); !fine) {
    return std::unexpected(fine.error());
  }
  const Reference to{auth_config.organization, auth_config.project, auth_config.id};
  const auto done = records_->commit(
      {
          records_->put(auth_config_path(to.organization, to.project, to.id), encode(auth_config), 0),
          records_->put(auth_locator_path(to.organization, to.id), encode(to), 0),
      },
      about(auth_config, beside));
  if (!done) {
    const bool taken = outdated(done.error()) && records_->read<Reference>(auth_locator_path(to.organization, to.id));
    return taken ? fail(Error::Code::exists, "id: taken in this organization") : std::unexpected(done.error());
  }
  auth_config.version = 1;
  return auth_config;
}

Result<AuthConfig> SealedVault::read_auth_config(const Reference& at) const {
  const Path path = auth_config_path(at.organization, at.project, at.id);
  auto found = records_->read<AuthConfig>(path);
  if (!found) return missing(found.error()) ? unknown() : std::unexpected(found.error());
  AuthConfig& record = found->record;
  if (record.id != at.id || record.organization != at.organization || record.project != at.project) {
    return astray(path);
  }
  record.version = found->version;
  return std::move(record);
}

Result<AuthConfig> SealedVault::find_auth_config(Space space, std::string_view id) const {
  if (!looks_like_id(id) || !is_reference(space.organization)) return unknown();
  const Path locator = auth_locator_path(space.organization, id);
  for (int look = 0; look < kLooks; ++look) {
    const auto located = records_->read<Reference>(locator);
    if (!located) return missing(located.error()) ? unknown() : std::unexpected(located.error());
    const Reference& to = located->record;
    if (to.id != id || to.organization != space.organization) return astray(locator);
    if (!is_visible(to.project, space.project)) return unknown();
    auto found = read_auth_config(to);
    if (found || !missing(found.error())) return found;  // else erased since, or the locator leads nowhere
  }
  return astray(locator);
}

Result<AuthConfigPage> SealedVault::list_auth_configs(const AuthConfigQuery& query) const {
  AuthConfigPage page;
  if (!is_reference(query.organization) || (!query.project.empty() && !is_reference(query.project))) return page;
  if (!query.after.empty() && !is_reference(query.after)) return page;
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, kLargestPage);
  std::string at = query.after;
  for (bool more = true; more;) {
    const auto listed = records_->references(auth_locator_path(query.organization, {}), at, limit + 1, false);
    if (!listed) return std::unexpected(listed.error());
    more = listed->has_more && !listed->entries.empty();
    for (const auto& [entry, to] : listed->entries) {
      at = entry;
      if (to.organization != query.organization || to.id != entry) {
        return astray(auth_locator_path(query.organization, entry));
      }
      if (!is_visible(to.project, query.project)) continue;
      auto found = read_auth_config(to);
      if (!found && missing(found.error())) continue;  // erased since it was listed
      if (!found) return std::unexpected(found.error());
      if (!query.provider.empty() && found->provider != query.provider) continue;
      if (!query.with_disabled && !found->enabled) continue;
      if (page.data.size() == limit) {
        page.has_more = true;
        return page;
      }
      page.data.push_back(std::move(*found));
    }
  }
  return page;
}

Result<AuthConfig> SealedVault::update_auth_config(AuthConfig auth_config, const Beside& beside) {
  auto old = find_auth_config({auth_config.organization, auth_config.project}, auth_config.id);
  if (!old) return old;
  if (old->version != auth_config.version) return changed();
  auth_config.project = old->project;
  auth_config.provider = old->provider;
  auth_config.auth = old->auth;
  auth_config.created = old->created;
  auth_config.updated = now_ms_();
  if (auth_config.status != old->status && auth_config.status_since == old->status_since) {
    auth_config.status_since = auth_config.updated;
  }
  if (auto fine = check_rules(auth_config); !fine) return std::unexpected(fine.error());
  const auto path = auth_config_path(auth_config.organization, auth_config.project, auth_config.id);
  const auto done =
      records_->commit({records_->put(path, encode(auth_config), old->version)}, about(auth_config, beside));
  if (!done) return outdated(done.error()) ? changed() : std::unexpected(done.error());
  auth_config.version = old->version + 1;
  return auth_config;
}

Result<void> SealedVault::erase_auth_config(Space space, std::string_view id, std::uint64_t expected_version,
                                            const Beside& beside) {
  const std::scoped_lock turn(erasing_auth_config_);
  const std::unique_lock alone(auth_configs_);
  for (;;) {
    const auto old = find_auth_config(space, id);
    if (!old) return std::unexpected(old.error());
    if (expected_version != 0 && old->version != expected_version) return changed();
    const auto users = connections_of(*old, 1);
    if (!users) return std::unexpected(users.error());
    if (!users->empty()) {
      return fail(Error::Code::exists, "connections use this auth config: erase them, or give them another, first");
    }
    auto done = records_->commit(
        {
            Records::erase(auth_config_path(old->organization, old->project, old->id), old->version),
            Records::erase(auth_locator_path(old->organization, old->id), kAnyVersion),
        },
        about(*old, beside));
    // Whoever changed it meanwhile got on: whatever it is now goes, or it is gone.
    if (done || !outdated(done.error())) return done;
  }
}

Result<std::vector<Connection>> SealedVault::connections_of(const AuthConfig& auth_config, std::size_t limit) const {
  ConnectionQuery query;
  query.organization = auth_config.organization;
  query.auth_config = auth_config.id;
  query.limit = limit;
  auto page = list_connections(query);
  if (!page) return std::unexpected(page.error());
  return std::move(page->data);
}

std::shared_lock<std::shared_mutex> SealedVault::hold_auth_configs() const {
  {
    const std::scoped_lock behind(erasing_auth_config_);
  }
  return std::shared_lock(auth_configs_);
}

Result<void> SealedVault::check_auth_config(const Connection& meta) const {
  if (meta.auth_config.empty()) return {};
  const auto found = find_auth_config({meta.organization, meta.project}, meta.auth_config);
  if (!found && missing(found.error())) return invalid("auth_config: there is none of that id for this project");
  if (!found) return std::unexpected(found.error());
  return {};
}

}  // namespace postern::vault
