// Organizations and projects: made, changed, and erased when nothing is left in them.
#include <algorithm>

#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

Path organization_path(std::string_view id) {
  return {"organization", id, {}, id};
}
Path project_path(std::string_view organization, std::string_view id) {
  return {"project", organization, id, id};
}

// What their events are about: organizations are the instance's own.
Reference place_of(const Organization& of) {
  return {{}, {}, of.id};
}
Reference place_of(const Project& of) {
  return {of.organization, of.id, of.id};
}

std::unexpected<Error> unknown_organization() {
  return fail(Error::Code::not_found, "no such organization");
}
std::unexpected<Error> unknown_project() {
  return fail(Error::Code::not_found, "no such project");
}
std::unexpected<Error> changed(std::string_view what) {
  return fail(Error::Code::conflict,
              "the " + std::string(what) + " was changed by someone else meanwhile: read it again");
}

template <class T>
Result<void> check_new(T& record, std::string_view prefix, std::int64_t now) {
  if (record.id.empty()) record.id = new_id(prefix);
  if (!is_reference(record.id) || !record.id.starts_with(std::string(prefix) + "_")) {
    return invalid("id: must be " + std::string(prefix) + "_ and more of A-Z a-z 0-9 _ -");
  }
  if (encode(record).size() > kLargestRecord) return invalid("the record is more than 256 KiB");
  record.created = record.updated = now;
  return {};
}

// The ids that end the keys with this prefix, beyond the key `after` (empty: from the first).
Result<Records::Ids> ids_under(const Records& records, const std::string& prefix, const std::string& after,
                               std::size_t limit) {
  const auto page = records.store().scan(prefix, after, std::clamp<std::size_t>(limit, 1, kLargestPage));
  if (!page) return std::unexpected(page.error());
  Records::Ids found{{}, page->has_more};
  for (const auto& entry : page->entries) found.ids.push_back(entry.key.substr(entry.key.rfind('/') + 1));
  return found;
}

// Each of the ids, read; what is erased since is left out.
template <class T, class Read>
Result<ScopePage<T>> read_all(const Records::Ids& listed, Read&& read) {
  ScopePage<T> page{{}, listed.has_more};
  for (const auto& id : listed.ids) {
    auto found = read(id);
    if (!found && missing(found.error())) continue;
    if (!found) return std::unexpected(found.error());
    page.data.push_back(std::move(*found));
  }
  return page;
}

}  // namespace

std::shared_lock<std::shared_mutex> SealedVault::hold_scopes() const {
  {
    const std::scoped_lock behind(erasing_scope_);
  }
  return std::shared_lock(scopes_);
}

Result<void> SealedVault::check_scope(std::string_view organization, std::string_view project) const {
  if (project.empty()) {
    const auto found = find_organization(organization);
    if (!found && missing(found.error())) return invalid("organization: there is none of that id");
    if (!found) return std::unexpected(found.error());
    return {};
  }
  const auto found = find_project(organization, project);
  if (!found && missing(found.error())) return invalid("project: there is none of that id in this organization");
  if (!found) return std::unexpected(found.error());
  return {};
}

Result<void> SealedVault::check_empty(std::string_view organization, std::string_view project) const {
  const auto inside = contents(organization, project, 1);
  if (!inside) return std::unexpected(inside.error());
  if (inside->empty()) return {};
  return fail(Error::Code::exists, "there are connections, auth configs or authorizations in it: erase them first");
}

Result<Organization> SealedVault::create_organization(Organization organization, const Beside& beside) {
  if (auto fine = check_new(organization, "org", now_ms_()); !fine) return std::unexpected(fine.error());
  const Project first{.id = std::string(kDefaultProject),
                      .organization = organization.id,
                      .name = "Default",
                      .created = organization.created,
                      .updated = organization.created};
  const auto done = records_->commit(
      {
          records_->put(organization_path(organization.id), encode(organization), 0),
          records_->put(project_path(first.organization, first.id), encode(first), 0),
      },
      about(place_of(organization), beside));
  if (!done && outdated(done.error())) return fail(Error::Code::exists, "id: taken by another organization");
  if (!done) return std::unexpected(done.error());
  organization.version = 1;
  return organization;
}

Result<Organization> SealedVault::find_organization(std::string_view id) const {
  if (!is_reference(id)) return unknown_organization();
  auto found = records_->read<Organization>(organization_path(id));
  if (!found) return missing(found.error()) ? unknown_organization() : std::unexpected(found.error());
  if (found->record.id != id) return astray(organization_path(id));
  found->record.version = found->version;
  return std::move(found->record);
}

Result<ScopePage<Organization>> SealedVault::list_organizations(std::string_view after, std::size_t limit) const {
  if (!after.empty() && !is_reference(after)) return ScopePage<Organization>();
  const auto listed = ids_under(*records_, "organization/", after.empty() ? "" : organization_path(after).key(), limit);
  if (!listed) return std::unexpected(listed.error());
  return read_all<Organization>(*listed, [this](const std::string& id) { return find_organization(id); });
}

Result<Organization> SealedVault::update_organization(Organization organization, const Beside& beside) {
  const auto old = find_organization(organization.id);
  if (!old) return old;
  if (old->version != organization.version) return changed("organization");
  organization.created = old->created;
  organization.updated = now_ms_();
  if (encode(organization).size() > kLargestRecord) return invalid("the record is more than 256 KiB");
  const auto done =
      records_->commit({records_->put(organization_path(organization.id), encode(organization), old->version)},
                       about(place_of(organization), beside));
  if (!done) return outdated(done.error()) ? changed("organization") : std::unexpected(done.error());
  organization.version = old->version + 1;
  return organization;
}

Result<void> SealedVault::erase_organization(std::string_view id, std::uint64_t expected_version,
                                             const Beside& beside) {
  if (id == kDefaultOrganization) return invalid("id: the default organization stays");
  const std::scoped_lock turn(erasing_scope_);
  const std::unique_lock alone(scopes_);
  for (;;) {
    const auto old = find_organization(id);
    if (!old) return std::unexpected(old.error());
    if (expected_version != 0 && old->version != expected_version) return changed("organization");
    if (auto empty = check_empty(id, {}); !empty) return empty;
    if (auto done = erase_ended(id); !done) return done;
    Batch batch{Records::erase(organization_path(id), old->version)};
    // The rest goes with it: who could be made into the middle of this waits for the lock.
    for (const auto& [prefix, links] :
         {std::pair(Path{"project", id, {}, {}}, true), std::pair(Path{"user", id, {}, {}}, false)}) {
      const std::string under = std::string(prefix.type) + "/" + std::string(id) + "/";
      std::string after;
      for (bool more = true; more;) {
        const auto page = records_->store().scan(under, after, kLargestPage);
        if (!page) return std::unexpected(page.error());
        more = page->has_more && !page->entries.empty();
        for (const auto& entry : page->entries) {
          after = entry.key;
          batch.push_back({.kind = Write::Kind::erase, .key = entry.key, .value = {}, .expected = entry.version});
          if (!links) continue;
          if (auto done = erase_links(id, entry.key.substr(entry.key.rfind('/') + 1)); !done) return done;
        }
      }
    }
    auto done = records_->commit(batch, about(place_of(*old), beside));
    // Whoever changed one of them meanwhile got on: whatever it is now goes.
    if (done || !outdated(done.error())) return done;
  }
}

Result<Project> SealedVault::create_project(Project project, const Beside& beside) {
  if (auto fine = check_new(project, "proj", now_ms_()); !fine) return std::unexpected(fine.error());
  const auto inside = hold_scopes();
  if (const auto found = find_organization(project.organization); !found) return std::unexpected(found.error());
  const auto done =
      records_->commit({records_->put(project_path(project.organization, project.id), encode(project), 0)},
                       about(place_of(project), beside));
  if (!done && outdated(done.error())) return fail(Error::Code::exists, "id: taken in this organization");
  if (!done) return std::unexpected(done.error());
  project.version = 1;
  return project;
}

Result<Project> SealedVault::find_project(std::string_view organization, std::string_view id) const {
  if (!is_reference(organization) || !is_reference(id)) return unknown_project();
  const Path path = project_path(organization, id);
  auto found = records_->read<Project>(path);
  if (!found) return missing(found.error()) ? unknown_project() : std::unexpected(found.error());
  if (found->record.id != id || found->record.organization != organization) return astray(path);
  found->record.version = found->version;
  return std::move(found->record);
}

Result<ScopePage<Project>> SealedVault::list_projects(std::string_view organization, std::string_view after,
                                                      std::size_t limit) const {
  if (!is_reference(organization) || (!after.empty() && !is_reference(after))) return ScopePage<Project>();
  const auto listed = ids_under(*records_, "project/" + std::string(organization) + "/",
                                after.empty() ? "" : project_path(organization, after).key(), limit);
  if (!listed) return std::unexpected(listed.error());
  return read_all<Project>(*listed, [&](const std::string& id) { return find_project(organization, id); });
}

Result<Project> SealedVault::update_project(Project project, const Beside& beside) {
  const auto old = find_project(project.organization, project.id);
  if (!old) return old;
  if (old->version != project.version) return changed("project");
  project.created = old->created;
  project.updated = now_ms_();
  if (encode(project).size() > kLargestRecord) return invalid("the record is more than 256 KiB");
  const auto path = project_path(project.organization, project.id);
  const auto done =
      records_->commit({records_->put(path, encode(project), old->version)}, about(place_of(project), beside));
  if (!done) return outdated(done.error()) ? changed("project") : std::unexpected(done.error());
  project.version = old->version + 1;
  return project;
}

Result<void> SealedVault::erase_project(std::string_view organization, std::string_view id,
                                        std::uint64_t expected_version, const Beside& beside) {
  if (id == kDefaultProject) return invalid("id: the default project of an organization stays");
  const std::scoped_lock turn(erasing_scope_);
  const std::unique_lock alone(scopes_);
  for (;;) {
    const auto old = find_project(organization, id);
    if (!old) return std::unexpected(old.error());
    if (expected_version != 0 && old->version != expected_version) return changed("project");
    if (auto empty = check_empty(organization, id); !empty) return empty;
    if (auto done = erase_links(organization, id); !done) return done;
    Batch batch{Records::erase(project_path(organization, id), old->version)};
    std::string after;
    for (bool more = true; more;) {
      auto users = list_users(organization, after, kLargestPage);
      if (!users) return std::unexpected(users.error());
      more = users->has_more && !users->data.empty();
      for (auto& user : users->data) {
        after = user.id;
        if (std::erase_if(user.projects, [&](const auto& access) { return access.project == id; }) == 0) continue;
        user.updated = now_ms_();
        batch.push_back(records_->put({"user", organization, {}, user.id}, encode(user), user.version));
      }
    }
    auto done = records_->commit(batch, about(place_of(*old), beside));
    if (done || !outdated(done.error())) return done;
  }
}

Result<Contents> SealedVault::contents(std::string_view organization, std::string_view project,
                                       std::size_t most) const {
  Contents found;
  if (most == 0) return found;
  ConnectionQuery query;
  query.organization = organization;
  query.project = project;
  query.limit = most;
  const auto connections = list_connections(query);
  if (!connections) return std::unexpected(connections.error());
  for (const auto& connection : connections->data) found.connections.push_back(connection.id);
  std::string after;
  for (bool more = true; more && found.auth_configs.size() < most;) {
    const auto located = records_->references(auth_locator_path(organization, {}), after, kLargestPage, false);
    if (!located) return std::unexpected(located.error());
    more = located->has_more && !located->entries.empty();
    for (const auto& [entry, to] : located->entries) {
      after = entry;
      if ((project.empty() || to.project == project) && found.auth_configs.size() < most) {
        found.auth_configs.push_back(to.id);
      }
    }
  }
  after.clear();
  const std::int64_t now = now_ms_();
  for (bool more = true; more && found.authorizations.size() < most;) {
    const auto page = list_authorizations(organization, after, kLargestPage);
    if (!page) return std::unexpected(page.error());
    more = !page->empty();
    for (const auto& one : *page) {
      after = one.id;
      const bool ended = one.revoked != 0 || (one.expires != 0 && one.expires <= now);
      if (ended || (!project.empty() && one.project != project)) continue;
      if (found.authorizations.size() < most) found.authorizations.push_back(one.id);
    }
  }
  return found;
}

Result<void> SealedVault::erase_links(std::string_view organization, std::string_view project) {
  for (;;) {
    const auto listed = records_->list({"link", organization, project, {}}, kLargestPage);
    if (!listed) return std::unexpected(listed.error());
    if (listed->ids.empty()) return {};
    for (const auto& id : listed->ids) {
      const auto done = erase_link({organization, project}, id, {});
      if (!done && !missing(done.error())) return done;
    }
  }
}

// Those that are left of an organization whose contents() are empty.
Result<void> SealedVault::erase_ended(std::string_view organization) {
  for (;;) {
    const auto page = list_authorizations(organization, {}, kLargestPage);
    if (!page) return std::unexpected(page.error());
    if (page->empty()) return {};
    for (const auto& one : *page) {
      const auto done = erase_authorization(organization, one.id, {});
      if (!done && !missing(done.error())) return done;
    }
  }
}

}  // namespace postern::vault
