#include "proxy/admin/access.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "proxy/admin/json_text.hpp"
#include "vault/capability.hpp"

namespace postern::admin {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool everything(const std::vector<std::string>& connections) {
  return contains(connections, "*");
}

std::unexpected<Problem> unauthenticated(const char* detail) {
  auto refusal = refuse("unauthenticated", detail);
  refusal.error().fields.emplace_back("WWW-Authenticate", "Bearer realm=\"postern\"");
  return refusal;
}

std::expected<Caller, Problem> identify_peer(const Service& service, unsigned uid) {
  const auto settings = service.deps.settings();
  const auto& uids = settings->socket_uids;
  const bool known = uids.empty() ? uid == ::geteuid() : std::find(uids.begin(), uids.end(), uid) != uids.end();
  if (uid != 0 && !known) {
    return refuse("not-permitted", "This user may not use the admin socket; add its uid to admin.socket_uids.");
  }
  Caller caller;
  caller.socket = true;
  caller.authorization.organization.clear();
  caller.authorization.user = kAdministrator;
  caller.authorization.name = fmt::format("uid-{}", uid);
  caller.authorization.capabilities = {"*"};
  caller.authorization.connections = {"*"};
  return caller;
}

FieldError not_held(std::string pointer) {
  return {.pointer = std::move(pointer), .parameter = "", .detail = "Your own authorization does not have this."};
}

// What it stands on now; absent: it is good for nothing.
std::expected<std::optional<vault::Standing>, Problem> standing_now(const Service& service,
                                                                    const vault::Authorization& authorization) {
  const auto now = service.deps.now_ms();
  if (has_ended(authorization, now)) return std::nullopt;
  auto standing = vault::standing_of(*service.deps.vault, authorization, now);
  if (standing) return std::move(*standing);
  if (standing.error().code == vault::Error::Code::not_found) return std::nullopt;
  return std::unexpected(vault_problem(standing.error()));
}

// Every item of `wanted` that `held` lacks.
void lacking(const std::vector<std::string>& wanted, const std::vector<std::string>& held, const char* field,
             std::vector<FieldError>& errors) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!contains(held, wanted[i])) errors.push_back(not_held(fmt::format("/{}/{}", field, i)));
  }
}

void lacking(const std::optional<std::vector<std::string>>& wanted, const std::optional<std::vector<std::string>>& held,
             const char* field, std::vector<FieldError>& errors) {
  if (!held) return;
  if (wanted) return lacking(*wanted, *held, field, errors);
  errors.push_back({.pointer = fmt::format("/{}", field),
                    .parameter = "",
                    .detail = "Your own authorization is limited here: name what the new one may have."});
}

// Whether whatever lies below `path` lies below `prefix` too. Either may end with '/'.
bool is_within(std::string_view path, std::string_view prefix) {
  if (path.ends_with('/')) path.remove_suffix(1);
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

// As lacking(), but a prefix below one that is held is held too.
void lacking_paths(const std::optional<std::vector<std::string>>& wanted,
                   const std::optional<std::vector<std::string>>& held, std::vector<FieldError>& errors) {
  if (!held || !wanted) return lacking(wanted, held, "paths", errors);
  for (std::size_t i = 0; i < wanted->size(); ++i) {
    const bool within =
        std::any_of(held->begin(), held->end(), [&](const auto& prefix) { return is_within((*wanted)[i], prefix); });
    if (!within) errors.push_back(not_held(fmt::format("/paths/{}", i)));
  }
}

// Projects and roles of `wanted` that its maker has not, or not as high.
void roles_beyond(const Caller& maker, const vault::Authorization& wanted, std::vector<FieldError>& errors) {
  const auto error = [&](std::string pointer, const char* detail) {
    errors.push_back({.pointer = std::move(pointer), .parameter = "", .detail = detail});
  };
  if (wanted.organization.empty()) return;
  if (!wanted.projects) {
    // Bound by its project alone it would be an administrator there; without one, everywhere.
    if (maker.role_in(wanted.project) != vault::Role::admin)
      error("/project", wanted.project.empty() ? "Your own authorization is not for every project: name some."
                                               : "There your own role is less than ADMIN: say which in `projects`.");
    return;
  }
  for (std::size_t i = 0; i < wanted.projects->size(); ++i) {
    const auto& access = (*wanted.projects)[i];
    const auto own = maker.role_in(access.project);
    if (!own || *own < access.role) error(fmt::format("/projects/{}", i), "Your own role there is less, or none.");
  }
}

}  // namespace

bool Caller::unbounded() const {
  return system() && (contains(authorization.capabilities, "*") || contains(authorization.capabilities, "system:*"));
}

bool Caller::may(std::string_view capability) const {
  if (unbounded()) return true;
  if (!project().empty()) return may_in(project(), capability);
  return !vault::reach(authorization, user ? &*user : nullptr, capability).nowhere();
}

bool Caller::may_in(std::string_view in, std::string_view capability) const {
  return unbounded() || vault::allows(authorization, user ? &*user : nullptr, in, capability);
}

std::optional<vault::Role> Caller::role_in(std::string_view in) const {
  return vault::role_in(authorization, user ? &*user : nullptr, in);
}

std::string Caller::organization() const {
  if (!system()) return authorization.organization;
  return asked_organization.empty() ? std::string(vault::kDefaultOrganization) : asked_organization;
}

std::string Caller::home() const {
  if (!project().empty()) return project();
  if (role_in(vault::kDefaultProject)) return std::string(vault::kDefaultProject);
  std::string only;
  const auto consider = [&](const std::vector<vault::ProjectAccess>& projects) {
    for (const auto& access : projects) {
      if (access.project == only || !role_in(access.project)) continue;
      if (!only.empty()) return false;
      only = access.project;
    }
    return true;
  };
  const bool one =
      (!authorization.projects || consider(*authorization.projects)) && (!user || consider(user->projects));
  return one ? only : "";
}

bool Caller::sees(const vault::Connection& connection) const {
  const bool wide = connection.scope == vault::Scope::organization;
  if (connection.organization != organization()) return false;
  if (!project().empty() && connection.project != project() && !wide) return false;
  const auto role = role_in(connection.project);
  if (!role && !wide) return false;
  const bool own = connection.owner == authorization.user;
  if (connection.scope == vault::Scope::personal && !own && role != vault::Role::admin) return false;
  const auto& named = authorization.connections;
  return unbounded() || named.empty() || everything(named) || contains(named, connection.id);
}

bool Caller::sees(const vault::Authorization& other) const {
  if (other.organization.empty()) return system() && asked_organization.empty() && asked_project.empty();
  if (other.organization != organization()) return false;
  if (other.id == authorization.id) return true;
  const auto among = [&](std::string_view id) {
    return other.project == id || (other.projects && std::any_of(other.projects->begin(), other.projects->end(),
                                                                 [&](const auto& one) { return one.project == id; }));
  };
  if (!project().empty() && !among(project())) return false;
  if (role_in("")) return true;
  if (!other.project.empty()) return role_in(other.project).has_value();
  return other.projects && std::all_of(other.projects->begin(), other.projects->end(),
                                       [&](const auto& one) { return role_in(one.project).has_value(); });
}

bool Caller::may_change(const vault::Connection& connection) const {
  const bool wide = connection.scope == vault::Scope::organization;
  return may_in(wide ? std::string_view() : connection.project, "connections:write");
}

std::string Caller::key() const {
  return socket ? authorization.name : authorization.id;
}

std::expected<void, Problem> enter(const Service& service, Caller& caller,
                                   const std::optional<std::string>& organization,
                                   const std::optional<std::string>& project, bool body) {
  const auto missing = [&](const char* code, const char* field, const char* detail) {
    auto refusal = refuse(code, detail);
    refusal.error().errors.push_back(
        {.pointer = body ? '/' + std::string(field) : "", .parameter = body ? "" : field, .detail = detail});
    return refusal;
  };
  const auto& scopes = service.deps.vault->scopes();
  if (organization) {
    const auto nowhere = [&] { return missing("not-found", "organization", "There is no such organization here."); };
    if (caller.system()) {
      const auto found = scopes.find_organization(*organization);
      if (!found && found.error().code != vault::Error::Code::not_found)
        return std::unexpected(vault_problem(found.error()));
      if (!found) return nowhere();
      caller.asked_organization = *organization;
    } else if (*organization != caller.organization()) {
      return nowhere();
    }
  }
  if (!project) return {};
  const auto nowhere = [&] {
    return missing(body ? "invalid-request" : "not-found", "project", "There is no such project here.");
  };
  if (!caller.role_in(*project) || project->empty()) return nowhere();
  const auto found = scopes.find_project(caller.organization(), *project);
  if (!found && found.error().code != vault::Error::Code::not_found)
    return std::unexpected(vault_problem(found.error()));
  if (!found) return nowhere();
  caller.asked_project = *project;
  return {};
}

std::expected<void, Problem> settle(Caller& caller, std::string_view capability) {
  const std::string home = caller.home();
  if (home.empty()) {
    return refuse_fields(
        {{.pointer = "/project", .parameter = "", .detail = "Name the project: your authorization has several."}});
  }
  if (!caller.may_in(home, capability)) {
    return refuse_permission({{.pointer = "/project",
                               .parameter = "",
                               .detail = fmt::format("There your role does not allow {}.", capability)}});
  }
  caller.asked_project = home;
  return {};
}

std::expected<Caller, Problem> identify(const Service& service, const Request& request) {
  if (request.door == Door::socket) {
    auto peer = identify_peer(service, request.peer_uid.value_or(~0u));
    // A token sent through the socket is what counts: whoever sends one asks to be judged by it.
    if (!peer || request.count("authorization") == 0) return peer;
  }
  if (request.count("authorization") != 1) return unauthenticated("Send `Authorization: Bearer pst_…`, once.");
  const std::string_view value = *request.field("authorization");
  if (lower(value.substr(0, 7)) != "bearer ") return unauthenticated("Send `Authorization: Bearer pst_…`.");
  std::string_view token = value.substr(7);
  token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
  auto found = service.deps.vault->authenticate(token);
  if (!found) {
    if (found.error().code != vault::Error::Code::not_found) return std::unexpected(vault_problem(found.error()));
    return unauthenticated("The token is not one of this postern.");
  }
  return caller_of(service, std::move(*found));
}

std::expected<Caller, Problem> caller_of(const Service& service, vault::Authorization authorization) {
  auto standing = standing_now(service, authorization);
  if (!standing) return std::unexpected(standing.error());
  if (!*standing) return unauthenticated("The token has expired or was revoked.");
  Caller caller;
  caller.authorization = std::move(authorization);
  caller.user = std::move((*standing)->user);
  if (caller.system() && caller.authorization.user.empty()) caller.authorization.user = kAdministrator;
  return caller;
}

std::expected<bool, Problem> is_alive(const Service& service, const vault::Authorization& authorization) {
  const auto standing = standing_now(service, authorization);
  if (!standing) return std::unexpected(standing.error());
  return standing->has_value();
}

bool has_ended(const vault::Authorization& authorization, std::int64_t now_ms) {
  return authorization.revoked != 0 || (authorization.expires != 0 && authorization.expires <= now_ms);
}

bool is_capability(std::string_view text) {
  const auto known = vault::capabilities();
  return std::find(known.begin(), known.end(), text) != known.end();
}

std::vector<FieldError> beyond(const Caller& maker, const vault::Authorization& wanted) {
  std::vector<FieldError> errors;
  if (maker.unbounded()) return errors;
  auto error = [&](const char* pointer, const char* detail) {
    errors.push_back({.pointer = pointer, .parameter = "", .detail = detail});
  };
  const auto& own = maker.authorization;
  if (!maker.system() && wanted.organization != own.organization)
    error("/capabilities", "`system:` capabilities belong to a system administrator.");
  for (std::size_t i = 0; i < wanted.capabilities.size(); ++i) {
    const auto& capability = wanted.capabilities[i];
    const bool held = capability == "*" ? contains(own.capabilities, "*") : maker.may(capability);
    if (!held) error(fmt::format("/capabilities/{}", i).c_str(), "Your own authorization does not have this.");
  }
  if (wanted.user != own.user) error("/user", "Only a system administrator makes them for other users.");
  roles_beyond(maker, wanted, errors);
  if (!everything(own.connections)) {
    lacking(wanted.connections, own.connections, "connections", errors);
    // An empty list is no bound for managing (see sees()), so it must not come from a bounded maker.
    if (!own.connections.empty() && wanted.connections.empty())
      error("/connections", "Your own authorization is limited here: name what the new one may have.");
  }
  lacking(wanted.hosts, own.hosts, "hosts", errors);
  lacking(wanted.methods, own.methods, "methods", errors);
  lacking_paths(wanted.paths, own.paths, errors);
  // Without one of its own it shares its maker's, which every call is taken from anyway.
  if (own.budget.total && wanted.budget.total > own.budget.total)
    error("/budget/total", "Your own authorization may make fewer calls.");
  if (own.budget.writes && wanted.budget.writes > own.budget.writes)
    error("/budget/writes", "Your own authorization may make fewer calls that write.");
  if (own.expires != 0 && (wanted.expires == 0 || wanted.expires > own.expires))
    error("/expires", "Your own authorization ends before that.");
  return errors;
}

}  // namespace postern::admin
