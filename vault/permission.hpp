#pragma once
// What an authorization may do where: the one rule, for the admin API and the data path alike.
//
// Allowed is what its capabilities hold AND its own role in the project holds AND its user's role there holds, as the
// records are now (DESIGN section 8). Whether it is alive at all is another question (standing_of()).
// Pure functions of their arguments, any thread. Absence: a user that is nullptr bounds nothing (a name without a
// record); an empty project means the organization as a whole, which only those hold who hold every project of it.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/record.hpp"

namespace postern::vault {

// VIEWER: connections, auth configs, authorizations, providers and the projects themselves, read. EDITOR: also
// proxy:call, connections:write and authorizations:write. ADMIN: everything but `system:…`.
bool holds(Role role, std::string_view capability);
// By its list alone. `*` holds everything of its level: never `system:…` in an organization. `system:*` holds those.
bool holds(const Authorization& authorization, std::string_view capability);

// The role there; absent: none. A system authorization is ADMIN everywhere; what it may do is what it lists.
std::optional<Role> role_in(const Authorization& authorization, std::string_view project);
std::optional<Role> role_in(const User& user, std::string_view project);
// The smaller of the two.
std::optional<Role> role_in(const Authorization& authorization, const User* user, std::string_view project);

bool allows(const Authorization& authorization, const User* user, std::string_view project,
            std::string_view capability);

// Where a capability is allowed.
struct Reach {
  bool every = false;                 // in every project, and in the organization as a whole
  std::vector<std::string> projects;  // otherwise: in these
  bool nowhere() const { return !every && projects.empty(); }
  bool contains(std::string_view project) const;
};
Reach reach(const Authorization& authorization, const User* user, std::string_view capability);

// The id of a user record (user_ and 20 characters), other than a name that stands for nobody we know.
bool names_user(std::string_view user);

}  // namespace postern::vault
