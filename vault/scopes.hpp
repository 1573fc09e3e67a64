#pragma once
// Organizations, projects and users: what everything else of the vault lies in, and whose permissions bound it.
// Vault::scopes() is the way here.
//
// Whatever is made in a project (connections, auth configs, authorizations, links, users' roles) needs it to be there,
// and a project or organization goes only when nothing is left in it; the vault settles the race between the two.
// Records of earlier releases that name something else are read as they are. The events of organizations are in the
// system's chain, those of projects and users in their organization's.
// Thread safety: any thread; all of it may block on the disk. Ownership: results are copies. Absence: `not_found`, also
// for ids of another organization. Errors besides those named: as every call of vault.hpp (io, read_only, corrupt).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/audit.hpp"
#include "vault/error.hpp"
#include "vault/record.hpp"

namespace postern::vault {

template <class T>
struct ScopePage {
  std::vector<T> data;  // by id
  bool has_more = false;
};

// What lies in a project, or in an organization: the first ids of each.
struct Contents {
  std::vector<std::string> connections, auth_configs, authorizations;  // of the last, those that have not ended
  bool empty() const { return connections.empty() && auth_configs.empty() && authorizations.empty(); }
};

class Scopes {
 public:
  virtual ~Scopes() = default;

  // Fills id (unless given: a reference that begins with org_), created, updated, version; makes its default project
  // (kDefaultProject) in the same batch. Errors: exists, invalid (names the field; 256 KiB in all).
  virtual Result<Organization> create_organization(Organization organization, const Beside& beside = {}) = 0;
  virtual Result<Organization> find_organization(std::string_view id) const = 0;
  // Behind `after` (an id; empty: from the start); `limit` is taken as 1 to 1000.
  virtual Result<ScopePage<Organization>> list_organizations(std::string_view after, std::size_t limit) const = 0;
  // Compare-and-set on version; id and created cannot change. Errors: not_found, conflict, invalid.
  virtual Result<Organization> update_organization(Organization organization, const Beside& beside = {}) = 0;
  // With its projects, users, links and ended authorizations. expected_version 0: whatever it is. Errors: not_found,
  // conflict, exists (contents() says what is in it), invalid (the default one stays).
  virtual Result<void> erase_organization(std::string_view id, std::uint64_t expected_version,
                                          const Beside& beside = {}) = 0;

  // As organizations; the id begins with proj_ and is new in the organization. Errors: also not_found (there is no such
  // organization).
  virtual Result<Project> create_project(Project project, const Beside& beside = {}) = 0;
  virtual Result<Project> find_project(std::string_view organization, std::string_view id) const = 0;
  virtual Result<ScopePage<Project>> list_projects(std::string_view organization, std::string_view after,
                                                   std::size_t limit) const = 0;
  virtual Result<Project> update_project(Project project, const Beside& beside = {}) = 0;
  // With its links; users lose their roles in it. Errors: not_found, conflict, exists (as above), invalid (an
  // organization's default project stays).
  virtual Result<void> erase_project(std::string_view organization, std::string_view id, std::uint64_t expected_version,
                                     const Beside& beside = {}) = 0;
  // Of the whole organization with an empty project. `most` of each.
  virtual Result<Contents> contents(std::string_view organization, std::string_view project,
                                    std::size_t most) const = 0;

  // As organizations; the id is user_ and 20 characters. Errors: also not_found (organization), invalid (a project that
  // is not there, or is named twice).
  virtual Result<User> create_user(User user, const Beside& beside = {}) = 0;
  virtual Result<User> find_user(std::string_view organization, std::string_view id) const = 0;
  virtual Result<ScopePage<User>> list_users(std::string_view organization, std::string_view after,
                                             std::size_t limit) const = 0;
  // Compare-and-set on version; organization, id and created cannot change.
  virtual Result<User> update_user(User user, const Beside& beside = {}) = 0;
  // What was its own stays: authorizations in its name are good for nothing, personal connections are nobody's.
  virtual Result<void> erase_user(std::string_view organization, std::string_view id, std::uint64_t expected_version,
                                  const Beside& beside = {}) = 0;
};

}  // namespace postern::vault
