#include "proxy/admin/scope_input.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::Role;

constexpr std::size_t kMostProjects = 256;

std::optional<Role> role_named(std::string_view text) {
  const std::string name = lower(text);
  for (const Role role : {Role::viewer, Role::editor, Role::admin})
    if (name == lower(vault::to_string(role))) return role;
  return std::nullopt;
}

template <class T>
void add_times(json::object& out, const T& record) {
  out["created"] = out["createdAt"] = to_time(record.created);
  out["updated"] = out["updatedAt"] = to_time(record.updated);
  out["version"] = record.version;
}

}  // namespace

json::object shown(const vault::Organization& organization) {
  json::object out;
  out["id"] = organization.id;
  out["name"] = organization.name;
  out["enabled"] = organization.enabled;
  add_times(out, organization);
  return out;
}

json::object shown(const vault::Project& project) {
  json::object out;
  out["id"] = project.id;
  out["organization"] = project.organization;
  out["name"] = project.name;
  add_times(out, project);
  return out;
}

json::object shown(const vault::User& user) {
  json::object out;
  out["id"] = user.id;
  out["organization"] = user.organization;
  out["name"] = user.name;
  out["email"] = text_or_null(user.email);
  out["role"] = user.administrator ? "ADMIN" : "MEMBER";
  out["projects"] = shown(user.projects);
  out["enabled"] = user.enabled;
  add_times(out, user);
  return out;
}

json::array shown(const std::vector<vault::ProjectAccess>& projects) {
  json::array out;
  for (const auto& access : projects) {
    json::object one;
    one["id"] = access.project;
    one["role"] = vault::to_string(access.role);
    out.push_back(std::move(one));
  }
  return out;
}

bool is_project(const Service& service, const Caller& caller, const std::string& id, std::optional<Problem>& failed) {
  const auto found = service.deps.vault->scopes().find_project(caller.organization(), id);
  if (!found && found.error().code != vault::Error::Code::not_found) failed = vault_problem(found.error());
  return found.has_value();
}

std::vector<vault::ProjectAccess> read_access(const Service& service, const Caller& caller, FieldReader& reader,
                                              std::optional<Problem>& failed) {
  std::vector<vault::ProjectAccess> all;
  const auto* items = reader.array("projects");
  if (items == nullptr) return all;
  if (items->size() > kMostProjects) {
    reader.mistake("projects", "Has too many items.");
    return all;
  }
  for (std::size_t i = 0; i < items->size(); ++i) {
    const std::string at = fmt::format("projects/{}", i);
    const auto* object = (*items)[i].if_object();
    if (object == nullptr) {
      reader.mistake(at, "Has to be {\"id\": a project, \"role\": VIEWER, EDITOR or ADMIN}.");
      continue;
    }
    FieldReader one(*object, '/' + at);
    one.refuse_unknown({"id", "role"});
    const std::string id = one.text("id", 64).value_or("");
    const auto role = role_named(one.text("role", 32).value_or(""));
    if (!role) one.mistake("role", "Has to be VIEWER, EDITOR or ADMIN.");
    const bool twice = std::any_of(all.begin(), all.end(), [&](const auto& access) { return access.project == id; });
    if (!caller.role_in(id) || !is_project(service, caller, id, failed))
      one.mistake("id", "There is no such project here.");
    else if (twice)
      one.mistake("id", "Is named twice.");
    else if (role)
      all.push_back({id, *role});
    for (auto& error : one.errors) reader.errors.push_back(std::move(error));
  }
  return all;
}

ScopeInput read_scope_input(const Service& service, const Caller& caller, FieldReader& reader,
                            std::initializer_list<std::string_view> allowed) {
  const auto may = [&](std::string_view name) {
    return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
  };
  ScopeInput input;
  reader.refuse_unknown(allowed);
  if (may("name")) {
    input.name = reader.text("name", 200);
    if (reader.has("name") && (!input.name || input.name->empty()))
      reader.mistake("name", "Has to be 1 to 200 characters.");
  }
  if (may("enabled")) input.enabled = reader.flag("enabled");
  if (may("email")) {
    input.email = reader.text("email", 320);
    if (input.email && input.email->find('@') == std::string::npos)
      reader.mistake("email", "Has to be an address with an @.");
    if (reader.has("email") && reader.is_null("email")) input.email = "";
  }
  if (may("role")) {
    if (const auto role = reader.text("role", 32)) {
      input.administrator = lower(*role) == "admin";
      if (!*input.administrator && lower(*role) != "member") reader.mistake("role", "Has to be MEMBER or ADMIN.");
    }
  }
  if (may("projects") && reader.has("projects") && !reader.is_null("projects"))
    input.projects = read_access(service, caller, reader, input.failed);
  return input;
}

std::expected<void, Problem> enter_by_body(const Service& service, Caller& caller, const json::object& body) {
  FieldReader reader(body);
  const auto organization = reader.text("organization", 64);
  if (!reader.errors.empty()) return refuse_fields(std::move(reader.errors));
  return enter(service, caller, organization, std::nullopt, true);
}

}  // namespace postern::admin
