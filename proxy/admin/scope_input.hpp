#pragma once
// Organizations, projects and users as the API reads and shows them.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "proxy/admin/body.hpp"
#include "proxy/admin/routes.hpp"
#include "vault/record.hpp"

namespace postern::admin {

boost::json::object shown(const vault::Organization& organization);
boost::json::object shown(const vault::Project& project);
boost::json::object shown(const vault::User& user);
// [{"id": "proj_…", "role": "EDITOR"}]
boost::json::array shown(const std::vector<vault::ProjectAccess>& projects);

// What a body says of one of them. Absent: not said. The mistakes are in the reader.
struct ScopeInput {
  std::optional<std::string> name, email;  // an empty email: null was sent
  std::optional<bool> enabled, administrator;
  std::optional<std::vector<vault::ProjectAccess>> projects;
  std::optional<Problem> failed;  // the vault could not be asked
};
ScopeInput read_scope_input(const Service& service, const Caller& caller, FieldReader& reader,
                            std::initializer_list<std::string_view> allowed);

// The member `projects` in the shape above: each one a project of the caller's, once. The mistakes are in the reader.
std::vector<vault::ProjectAccess> read_access(const Service& service, const Caller& caller, FieldReader& reader,
                                              std::optional<Problem>& failed);
// The call is about the organization that the member `organization` of its body names, if it does: enter().
std::expected<void, Problem> enter_by_body(const Service& service, Caller& caller, const boost::json::object& body);
// Whether there is this project in the organization that the call is about. `failed`: the vault cannot say.
bool is_project(const Service& service, const Caller& caller, const std::string& id, std::optional<Problem>& failed);

}  // namespace postern::admin
