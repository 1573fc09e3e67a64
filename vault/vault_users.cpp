// Users, and the projects that they and authorizations have a role in.
#include <algorithm>
#include <set>

#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

Path user_path(std::string_view organization, std::string_view id) {
  return {"user", organization, {}, id};
}

// What their events are about.
Reference place_of(const User& of) {
  return {of.organization, {}, of.id};
}

std::unexpected<Error> unknown() {
  return fail(Error::Code::not_found, "no such user");
}
std::unexpected<Error> changed() {
  return fail(Error::Code::conflict, "the user was changed by someone else meanwhile: read it again");
}

}  // namespace

Result<void> SealedVault::check_access(std::string_view organization,
                                       const std::vector<ProjectAccess>& projects) const {
  std::set<std::string_view> named;
  for (const auto& access : projects) {
    if (!named.insert(access.project).second) return invalid("projects: one is named twice");
    if (access.project.empty()) return invalid("projects: an id is empty");
    if (auto there = check_scope(organization, access.project); !there) {
      return there.error().code == Error::Code::invalid ? invalid("projects: one of them is not there") : there;
    }
  }
  return {};
}

Result<void> SealedVault::check_subject(const Authorization& authorization) const {
  if (authorization.organization.empty()) return {};
  if (auto there = check_scope(authorization.organization, authorization.project); !there) return there;
  if (authorization.projects) {
    if (auto there = check_access(authorization.organization, *authorization.projects); !there) return there;
  }
  if (!names_user(authorization.user)) return {};
  const auto user = find_user(authorization.organization, authorization.user);
  if (!user && missing(user.error())) return invalid("user: there is none of that id in this organization");
  if (!user) return std::unexpected(user.error());
  return {};
}

Result<User> SealedVault::create_user(User user, const Beside& beside) {
  if (user.id.empty()) user.id = new_id("user");
  if (!names_user(user.id)) return invalid("id: must be user_ and 20 characters of Crockford base32");
  user.created = user.updated = now_ms_();
  if (encode(user).size() > kLargestRecord) return invalid("the user is more than 256 KiB");
  const auto inside = hold_scopes();
  if (const auto found = find_organization(user.organization); !found) return std::unexpected(found.error());
  if (auto fine = check_access(user.organization, user.projects); !fine) return std::unexpected(fine.error());
  const auto done = records_->commit({records_->put(user_path(user.organization, user.id), encode(user), 0)},
                                     about(place_of(user), beside));
  if (!done && outdated(done.error())) return fail(Error::Code::exists, "id: taken in this organization");
  if (!done) return std::unexpected(done.error());
  user.version = 1;
  return user;
}

Result<User> SealedVault::find_user(std::string_view organization, std::string_view id) const {
  if (!is_reference(organization) || !looks_like_id(id)) return unknown();
  auto found = records_->read<User>(user_path(organization, id));
  if (!found) return missing(found.error()) ? unknown() : std::unexpected(found.error());
  if (found->record.id != id || found->record.organization != organization) return astray(user_path(organization, id));
  found->record.version = found->version;
  return std::move(found->record);
}

Result<ScopePage<User>> SealedVault::list_users(std::string_view organization, std::string_view after,
                                                std::size_t limit) const {
  ScopePage<User> page;
  if (!is_reference(organization) || (!after.empty() && !is_reference(after))) return page;
  const auto listed = records_->list(user_path(organization, after), std::clamp<std::size_t>(limit, 1, kLargestPage));
  if (!listed) return std::unexpected(listed.error());
  page.has_more = listed->has_more;
  for (const auto& id : listed->ids) {
    auto found = find_user(organization, id);
    if (!found && missing(found.error())) continue;  // erased since it was listed
    if (!found) return std::unexpected(found.error());
    page.data.push_back(std::move(*found));
  }
  return page;
}

Result<User> SealedVault::update_user(User user, const Beside& beside) {
  const auto inside = hold_scopes();
  const auto old = find_user(user.organization, user.id);
  if (!old) return old;
  if (old->version != user.version) return changed();
  user.created = old->created;
  user.updated = now_ms_();
  if (encode(user).size() > kLargestRecord) return invalid("the user is more than 256 KiB");
  if (auto fine = check_access(user.organization, user.projects); !fine) return std::unexpected(fine.error());
  const auto done = records_->commit({records_->put(user_path(user.organization, user.id), encode(user), old->version)},
                                     about(place_of(user), beside));
  if (!done) return outdated(done.error()) ? changed() : std::unexpected(done.error());
  user.version = old->version + 1;
  return user;
}

Result<void> SealedVault::erase_user(std::string_view organization, std::string_view id, std::uint64_t expected_version,
                                     const Beside& beside) {
  for (;;) {
    const auto old = find_user(organization, id);
    if (!old) return std::unexpected(old.error());
    if (expected_version != 0 && old->version != expected_version) return changed();
    auto done =
        records_->commit({Records::erase(user_path(organization, id), old->version)}, about(place_of(*old), beside));
    // Whoever changed it meanwhile got on: whatever it is now goes, or it is gone.
    if (done || !outdated(done.error())) return done;
  }
}

}  // namespace postern::vault
