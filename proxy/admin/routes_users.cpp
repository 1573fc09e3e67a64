// Users: whose permissions bound the authorizations in their name. They are kept by those who have every project of the
// organization, so nobody gives a role above their own.
#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/if_match.hpp"
#include "proxy/admin/scope_input.hpp"
#include "proxy/admin/scope_list.hpp"

namespace postern::admin {
namespace {

using vault::User;

std::expected<void, Problem> may_keep(const Call& call, std::string_view capability) {
  if (call.caller.may_in("", capability)) return {};
  return refuse("not-permitted", "Users are for the organization's administrators.");
}

std::expected<User, Problem> find(const Service& service, const Call& call, std::string_view capability) {
  if (auto may = may_keep(call, capability); !may) return std::unexpected(may.error());
  auto found = service.deps.vault->scopes().find_user(call.caller.organization(), call.id);
  if (found) return std::move(*found);
  return std::unexpected(vault_problem(found.error()));
}

// What `wanted` may do beyond what it could before and the caller can.
std::vector<FieldError> beyond_giver(const Caller& caller, const User& before, const User& wanted) {
  std::vector<FieldError> errors;
  constexpr const char* kTooMuch = "Gives more than your authorization has there.";
  if (wanted.administrator && !before.administrator && !may_give(caller, "", vault::Role::admin))
    errors.push_back({.pointer = "/role", .parameter = "", .detail = kTooMuch});
  for (std::size_t i = 0; i < wanted.projects.size(); ++i) {
    const auto& access = wanted.projects[i];
    const auto had = vault::role_in(before, access.project);
    if ((!had || *had < access.role) && !may_give(caller, access.project, access.role))
      errors.push_back({.pointer = "/projects/" + std::to_string(i), .parameter = "", .detail = kTooMuch});
  }
  return errors;
}

void announce(const Service& service, const User& user, const std::string& project, bool ended) {
  service.deps.announce({.kind = Change::Kind::authorization,
                         .organization = user.organization,
                         .project = project,
                         .id = "",
                         .ended = ended,
                         .user = user.id});
}

// Every authorization of theirs is looked at anew; calls end where they may not call any more.
void announce_change(const Service& service, const User& before, const User& after) {
  const bool all = (before.enabled && !after.enabled) || (before.administrator && !after.administrator);
  announce(service, after, "", all);
  if (all) return;
  const auto calls_in = [](const User& user, const std::string& project) {
    const auto role = vault::role_in(user, project);
    return role && vault::holds(*role, "proxy:call");
  };
  for (const auto& access : before.projects)
    if (calls_in(before, access.project) && !calls_in(after, access.project))
      announce(service, after, access.project, true);
}

}  // namespace

Answer list_users(Service& service, Call& call) {
  if (auto may = may_keep(call, "users:read"); !may) return std::unexpected(may.error());
  const std::string organization = call.caller.organization();
  const std::string& project = call.caller.project();
  return list_scopes<User>(
      call,
      [&](std::string_view after) { return service.deps.vault->scopes().list_users(organization, after, kScopeBatch); },
      [&](const User& one) { return project.empty() || vault::role_in(one, project); });
}

Answer create_user(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  FieldReader reader(body->get_object());
  if (auto entered = enter_by_body(service, call.caller, body->get_object()); !entered)
    return std::unexpected(entered.error());
  if (auto may = may_keep(call, "users:write"); !may) return std::unexpected(may.error());
  const auto input =
      read_scope_input(service, call.caller, reader, {"name", "email", "role", "projects", "enabled", "organization"});
  if (!reader.has("name")) reader.mistake("name", "Say what they are called.");
  if (input.failed) return std::unexpected(*input.failed);
  if (!reader.errors.empty()) return refuse_fields(std::move(reader.errors));
  User wanted;
  wanted.organization = call.caller.organization();
  wanted.name = input.name.value_or("");
  wanted.email = input.email.value_or("");
  wanted.administrator = input.administrator.value_or(false);
  wanted.projects = input.projects.value_or(std::vector<vault::ProjectAccess>());
  wanted.enabled = input.enabled.value_or(true);
  if (auto more = beyond_giver(call.caller, {}, wanted); !more.empty()) return refuse_permission(std::move(more));
  auto made = service.deps.vault->scopes().create_user(
      std::move(wanted), made_by(call, 201, told(call, "user.created", {{"name", input.name.value_or("")}})));
  if (!made) return std::unexpected(vault_problem(made.error()));
  return made_response("users", *made);
}

Answer show_user(Service& service, Call& call) {
  auto found = find(service, call, "users:read");
  if (!found) return std::unexpected(found.error());
  return scope_response(*found);
}

Answer change_user(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto found = find(service, call, "users:write");
  if (!found) return std::unexpected(found.error());
  if (auto matches = check_if_match(call.request, found->version); !matches) return std::unexpected(matches.error());
  FieldReader reader(body->get_object());
  const auto input = read_scope_input(service, call.caller, reader, {"name", "email", "role", "projects", "enabled"});
  if (input.failed) return std::unexpected(*input.failed);
  if (!reader.errors.empty()) return refuse_fields(std::move(reader.errors));
  User changed = *found;
  if (input.name) changed.name = *input.name;
  if (input.email) changed.email = *input.email;
  if (input.administrator) changed.administrator = *input.administrator;
  if (input.projects) changed.projects = *input.projects;
  if (input.enabled) changed.enabled = *input.enabled;
  if (auto more = beyond_giver(call.caller, *found, changed); !more.empty()) return refuse_permission(std::move(more));
  auto written = service.deps.vault->scopes().update_user(
      std::move(changed),
      told(call, changed_to("user", found->enabled, input.enabled), {{"fields", names_of(body->get_object())}}));
  if (!written) return std::unexpected(vault_problem(written.error()));
  announce_change(service, *found, *written);
  return scope_response(*written);
}

Answer delete_user(Service& service, Call& call) {
  auto found = find(service, call, "users:write");
  if (!found) return std::unexpected(found.error());
  if (auto matches = check_if_match(call.request, found->version); !matches) return std::unexpected(matches.error());
  auto gone = service.deps.vault->scopes().erase_user(found->organization, found->id, found->version,
                                                      told(call, "user.deleted", {{"name", found->name}}));
  if (!gone) return std::unexpected(vault_problem(gone.error()));
  announce(service, *found, "", true);
  return no_content();
}

}  // namespace postern::admin
