// Imported catalog entries: import///ID. They belong to the instance, not to an organization.
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

Path import_path(std::string_view id) {
  return {"import", {}, {}, id};
}

// They are nobody's but the instance's: its chain tells of them.
Beside of_instance(std::string_view id, const Beside& beside) {
  return about(Reference{.organization = {}, .project = {}, .id = std::string(id)}, beside);
}

std::unexpected<Error> unknown() {
  return fail(Error::Code::not_found, "no such imported provider");
}
std::unexpected<Error> changed() {
  return fail(Error::Code::conflict, "the imported provider was changed by someone else meanwhile: read it again");
}

}  // namespace

Result<ImportedProvider> SealedVault::create_import(ImportedProvider provider, const Beside& beside) {
  if (!is_reference(provider.id)) return invalid("id: must be 1 to 64 of A-Z a-z 0-9 _ -");
  provider.created = provider.updated = now_ms_();
  std::string bytes = encode(provider);
  if (bytes.size() > kLargestRecord) return invalid("the imported provider is more than 256 KiB");
  const auto there = records_->list(import_path({}), kMostImports);
  if (!there) return std::unexpected(there.error());
  if (there->ids.size() >= kMostImports) return invalid("there are 500 imported providers already: delete some first");
  const auto done = records_->commit({records_->put(import_path(provider.id), std::move(bytes), 0)},
                                     of_instance(provider.id, beside));
  if (!done && outdated(done.error())) return fail(Error::Code::exists, "there is an imported provider of this id");
  if (!done) return std::unexpected(done.error());
  provider.version = 1;
  return provider;
}

Result<ImportedProvider> SealedVault::find_import(std::string_view id) const {
  if (!is_reference(id)) return unknown();
  const Path path = import_path(id);
  auto found = records_->read<ImportedProvider>(path);
  if (!found) return missing(found.error()) ? unknown() : std::unexpected(found.error());
  if (found->record.id != id) return astray(path);
  found->record.version = found->version;
  return std::move(found->record);
}

Result<std::vector<ImportedProvider>> SealedVault::list_imports() const {
  const auto ids = records_->list(import_path({}), kMostImports);
  if (!ids) return std::unexpected(ids.error());
  std::vector<ImportedProvider> out;
  for (const std::string& id : ids->ids) {
    auto found = find_import(id);
    if (!found && missing(found.error())) continue;  // erased since it was listed
    if (!found) return std::unexpected(found.error());
    out.push_back(std::move(*found));
  }
  return out;
}

Result<ImportedProvider> SealedVault::enable_import(std::string_view id, bool enabled, std::uint64_t version,
                                                    const Beside& beside) {
  auto provider = find_import(id);
  if (!provider) return provider;
  if (provider->version != version) return changed();
  provider->enabled = enabled;
  provider->updated = now_ms_();
  const auto done =
      records_->commit({records_->put(import_path(id), encode(*provider), version)}, of_instance(id, beside));
  if (!done) return outdated(done.error()) ? changed() : std::unexpected(done.error());
  provider->version = version + 1;
  return provider;
}

Result<void> SealedVault::erase_import(std::string_view id, std::uint64_t expected_version, const Beside& beside) {
  // As for an auth config: no connection is written between the look at them and the commit.
  const std::scoped_lock turn(erasing_auth_config_);
  const std::unique_lock alone(auth_configs_);
  const auto old = find_import(id);
  if (!old) return std::unexpected(old.error());
  if (expected_version != 0 && old->version != expected_version) return changed();
  const auto users = uses_of(id, 1);
  if (!users) return std::unexpected(users.error());
  if (!users->empty())
    return fail(Error::Code::exists, "connections or auth configs use this provider: erase them first");
  auto done = records_->commit({Records::erase(import_path(id), old->version)}, of_instance(id, beside));
  if (!done && outdated(done.error())) return changed();
  return done;
}

Result<std::vector<ProviderUse>> SealedVault::uses_of(std::string_view provider, std::size_t limit) const {
  std::vector<ProviderUse> out;
  std::string at;
  for (bool more = true; more;) {
    const auto page = records_->store().scan("organization/", at, kLargestPage);
    if (!page) return std::unexpected(page.error());
    more = page->has_more && !page->entries.empty();
    for (const Entry& entry : page->entries) {
      at = entry.key;
      const auto path = Path::parse(entry.key);
      if (!path || out.size() >= limit) continue;
      ConnectionQuery connections;
      connections.organization = path->organization;
      connections.app = provider;
      connections.limit = limit - out.size();
      const auto held = list_connections(connections);
      if (!held) return std::unexpected(held.error());
      for (const Connection& one : held->data) out.push_back({one.organization, one.project, one.id});
      if (out.size() >= limit) continue;
      AuthConfigQuery apps;
      apps.organization = path->organization;
      apps.provider = provider;
      apps.limit = limit - out.size();
      const auto configs = list_auth_configs(apps);
      if (!configs) return std::unexpected(configs.error());
      for (const AuthConfig& one : configs->data) out.push_back({one.organization, one.project, one.id});
    }
  }
  return out;
}

}  // namespace postern::vault
