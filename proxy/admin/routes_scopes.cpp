// Organizations and projects: the system's callers keep the first, an organization's own the second.
#include <functional>

#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/if_match.hpp"
#include "proxy/admin/listing.hpp"
#include "proxy/admin/scope_input.hpp"
#include "proxy/admin/scope_list.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::Organization;
using vault::Project;

constexpr std::size_t kMostNamed = 10;  // of each kind that is in the way

std::unexpected<Problem> no_such_project() {
  return refuse("not-found", "There is no project with this id here.");
}

// What stands in the way of an erasure; of the connections those that the caller may know.
Problem in_use(const Service& service, const Call& call, const std::string& organization, const std::string& project) {
  Problem problem{
      .code = "in-use", .detail = "There are things in it: delete them first.", .errors = {}, .fields = {}, .more = {}};
  if (const auto inside = service.deps.vault->scopes().contents(organization, project, kMostNamed)) {
    const auto add = [&](const char* name, const std::vector<std::string>& ids) {
      problem.more[name] = json::array(ids.begin(), ids.end());
    };
    Caller caller = call.caller;
    if (caller.system()) caller.asked_organization = organization;
    json::array connections;
    for (const auto& id : inside->connections) {
      const auto c = service.deps.vault->find_connection({organization, {}}, id);
      if (c && caller.may("connections:read") && caller.sees(*c))
        connections.push_back({{"id", c->id}, {"name", c->name}, {"alias", c->alias}});
    }
    problem.more["connections"] = std::move(connections);
    add("auth_configs", inside->auth_configs);
    add("authorizations", inside->authorizations);
  }
  return problem;
}

// The ones that have a role in it know of a project.
std::expected<Project, Problem> find_project(const Service& service, const Call& call) {
  const Caller& caller = call.caller;
  if (!caller.role_in(call.id) || (!caller.project().empty() && caller.project() != call.id)) return no_such_project();
  auto found = service.deps.vault->scopes().find_project(caller.organization(), call.id);
  if (found) return std::move(*found);
  if (found.error().code == vault::Error::Code::not_found) return no_such_project();
  return std::unexpected(vault_problem(found.error()));
}

// In the project, or with an empty one in the organization as a whole.
std::expected<void, Problem> may_write(const Call& call, std::string_view project) {
  if (call.caller.may_in(project, "projects:write")) return {};
  return refuse("not-permitted", project.empty() ? "This is for the organization's administrators."
                                                 : "Your role in this project does not allow this.");
}

std::expected<Organization, Problem> find_organization(const Service& service, const Call& call) {
  auto found = service.deps.vault->scopes().find_organization(call.id);
  if (found) return std::move(*found);
  return std::unexpected(vault_problem(found.error()));
}

}  // namespace

Answer list_organizations(Service& service, Call& call) {
  return list_scopes<Organization>(
      call, [&](std::string_view after) { return service.deps.vault->scopes().list_organizations(after, kScopeBatch); },
      [](const Organization&) { return true; });
}

Answer create_organization(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  FieldReader reader(body->get_object());
  const auto input = read_scope_input(service, call.caller, reader, {"name", "enabled"});
  if (!reader.has("name")) reader.mistake("name", "Say what it is called.");
  if (!reader.errors.empty()) return refuse_fields(std::move(reader.errors));
  auto made = service.deps.vault->scopes().create_organization(
      {.id = "", .name = input.name.value_or(""), .enabled = input.enabled.value_or(true)},
      made_by(call, 201, told(call, "organization.created", {{"name", input.name.value_or("")}})));
  if (!made) return std::unexpected(vault_problem(made.error()));
  return made_response("organizations", *made);
}

Answer show_organization(Service& service, Call& call) {
  auto found = find_organization(service, call);
  if (!found) return std::unexpected(found.error());
  return scope_response(*found);
}

Answer change_organization(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto found = find_organization(service, call);
  if (!found) return std::unexpected(found.error());
  if (auto matches = check_if_match(call.request, found->version); !matches) return std::unexpected(matches.error());
  FieldReader reader(body->get_object());
  const auto input = read_scope_input(service, call.caller, reader, {"name", "enabled"});
  if (!reader.errors.empty()) return refuse_fields(std::move(reader.errors));
  if (input.name) found->name = *input.name;
  const std::string action = changed_to("organization", found->enabled, input.enabled);
  if (input.enabled) found->enabled = *input.enabled;
  auto written = service.deps.vault->scopes().update_organization(
      std::move(*found), told(call, action, {{"fields", names_of(body->get_object())}}));
  if (!written) return std::unexpected(vault_problem(written.error()));
  // Its authorizations are good for nothing now, or for something again.
  service.deps.announce({.kind = Change::Kind::authorization,
                         .organization = written->id,
                         .project = "",
                         .id = "",
                         .ended = !written->enabled});
  return scope_response(*written);
}

Answer delete_organization(Service& service, Call& call) {
  auto found = find_organization(service, call);
  if (!found) return std::unexpected(found.error());
  if (auto matches = check_if_match(call.request, found->version); !matches) return std::unexpected(matches.error());
  auto gone = service.deps.vault->scopes().erase_organization(
      found->id, found->version, told(call, "organization.deleted", {{"name", found->name}}));
  if (!gone && gone.error().code == vault::Error::Code::exists)
    return std::unexpected(in_use(service, call, found->id, ""));
  if (!gone && gone.error().code == vault::Error::Code::invalid)
    return refuse("in-use", "The default organization stays; disable it instead.");
  if (!gone) return std::unexpected(vault_problem(gone.error()));
  service.deps.announce(
      {.kind = Change::Kind::authorization, .organization = found->id, .project = "", .id = "", .ended = true});
  return no_content();
}

Answer list_projects(Service& service, Call& call) {
  const Caller& caller = call.caller;
  const std::string organization = caller.organization();
  return list_scopes<Project>(
      call,
      [&](std::string_view after) {
        return service.deps.vault->scopes().list_projects(organization, after, kScopeBatch);
      },
      [&](const Project& one) {
        return caller.may_in(one.id, "projects:read") && (caller.project().empty() || caller.project() == one.id);
      });
}

Answer create_project(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  FieldReader reader(body->get_object());
  const auto input = read_scope_input(service, call.caller, reader, {"name", "organization"});
  if (!reader.has("name")) reader.mistake("name", "Say what it is called.");
  if (!reader.errors.empty()) return refuse_fields(std::move(reader.errors));
  if (auto entered = enter_by_body(service, call.caller, body->get_object()); !entered)
    return std::unexpected(entered.error());
  if (auto may = may_write(call, ""); !may) return std::unexpected(may.error());
  auto made = service.deps.vault->scopes().create_project(
      {.id = "", .organization = call.caller.organization(), .name = input.name.value_or("")},
      made_by(call, 201, told(call, "project.created", {{"name", input.name.value_or("")}})));
  if (!made) return std::unexpected(vault_problem(made.error()));
  return made_response("projects", *made);
}

Answer show_project(Service& service, Call& call) {
  auto found = find_project(service, call);
  if (!found) return std::unexpected(found.error());
  if (!call.caller.may_in(found->id, "projects:read")) return no_such_project();
  return scope_response(*found);
}

Answer change_project(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto found = find_project(service, call);
  if (!found) return std::unexpected(found.error());
  if (auto may = may_write(call, found->id); !may) return std::unexpected(may.error());
  if (auto matches = check_if_match(call.request, found->version); !matches) return std::unexpected(matches.error());
  FieldReader reader(body->get_object());
  const auto input = read_scope_input(service, call.caller, reader, {"name"});
  if (!reader.errors.empty()) return refuse_fields(std::move(reader.errors));
  if (input.name) found->name = *input.name;
  auto written = service.deps.vault->scopes().update_project(
      std::move(*found), told(call, "project.changed", {{"fields", names_of(body->get_object())}}));
  if (!written) return std::unexpected(vault_problem(written.error()));
  return scope_response(*written);
}

Answer delete_project(Service& service, Call& call) {
  auto found = find_project(service, call);
  if (!found) return std::unexpected(found.error());
  if (auto may = may_write(call, ""); !may) return std::unexpected(may.error());
  if (auto matches = check_if_match(call.request, found->version); !matches) return std::unexpected(matches.error());
  auto gone = service.deps.vault->scopes().erase_project(found->organization, found->id, found->version,
                                                         told(call, "project.deleted", {{"name", found->name}}));
  if (!gone && gone.error().code == vault::Error::Code::exists)
    return std::unexpected(in_use(service, call, found->organization, found->id));
  if (!gone && gone.error().code == vault::Error::Code::invalid)
    return refuse("in-use", "The default project of an organization stays.");
  if (!gone) return std::unexpected(vault_problem(gone.error()));
  return no_content();
}

}  // namespace postern::admin
