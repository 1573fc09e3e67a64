#include "proxy/admin/access.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "proxy/admin/json_text.hpp"

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

}  // namespace

bool Caller::unbounded() const {
  return system() && (contains(authorization.capabilities, "*") || contains(authorization.capabilities, "system:*"));
}

bool Caller::may(std::string_view capability) const {
  if (unbounded() || contains(authorization.capabilities, capability)) return true;
  return !system() && !capability.starts_with("system:") && contains(authorization.capabilities, "*");
}

std::string Caller::organization() const {
  return system() ? std::string(vault::kDefaultOrganization) : authorization.organization;
}

bool Caller::sees(const vault::Connection& connection) const {
  if (connection.organization != organization()) return false;
  if (!project().empty() && connection.project != project() && connection.scope != vault::Scope::organization)
    return false;
  const auto& named = authorization.connections;
  return unbounded() || named.empty() || everything(named) || contains(named, connection.id);
}

std::string Caller::key() const {
  return socket ? authorization.name : authorization.id;
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
  const auto alive = is_alive(service, *found);
  if (!alive) return std::unexpected(alive.error());
  if (!*alive) return unauthenticated("The token has expired or was revoked.");
  Caller caller;
  caller.authorization = std::move(*found);
  if (caller.system() && caller.authorization.user.empty()) caller.authorization.user = kAdministrator;
  return caller;
}

std::expected<bool, Problem> is_alive(const Service& service, const vault::Authorization& authorization) {
  if (has_ended(authorization, service.deps.now_ms())) return false;
  const auto makers = vault::makers_of(*service.deps.vault, authorization);
  if (makers) return true;
  if (makers.error().code == vault::Error::Code::not_found) return false;
  return std::unexpected(vault_problem(makers.error()));
}

bool has_ended(const vault::Authorization& authorization, std::int64_t now_ms) {
  return authorization.revoked != 0 || (authorization.expires != 0 && authorization.expires <= now_ms);
}

bool is_capability(std::string_view text) {
  static constexpr std::string_view kKnown[] = {"*",
                                                "proxy:call",
                                                "connections:read",
                                                "connections:write",
                                                "auth_configs:read",
                                                "auth_configs:write",
                                                "authorizations:read",
                                                "authorizations:write",
                                                "providers:read",
                                                "audit:read",
                                                "metrics:read",
                                                "system:*",
                                                "system:keys",
                                                "system:backup",
                                                "system:providers",
                                                "system:config",
                                                "system:organizations",
                                                "system:audit"};
  return std::find(std::begin(kKnown), std::end(kKnown), text) != std::end(kKnown);
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
  if (!own.project.empty() && wanted.project != own.project) error("/project", "Your own project is another.");
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
