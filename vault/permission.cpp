#include "vault/permission.hpp"

#include <algorithm>

#include "vault/vault.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kSystem = "system:";
constexpr std::string_view kOfViewers[] = {"connections:read", "auth_configs:read", "authorizations:read",
                                           "providers:read", "projects:read"};
constexpr std::string_view kOfEditors[] = {"proxy:call", "connections:write", "authorizations:write"};

std::optional<Role> named_in(const std::vector<ProjectAccess>& projects, std::string_view project) {
  const auto at = std::ranges::find(projects, project, &ProjectAccess::project);
  if (at == projects.end()) return std::nullopt;
  return at->role;
}

}  // namespace

bool holds(Role role, std::string_view capability) {
  if (capability.starts_with(kSystem)) return false;
  if (role == Role::admin || std::ranges::find(kOfViewers, capability) != std::end(kOfViewers)) return true;
  return role == Role::editor && std::ranges::find(kOfEditors, capability) != std::end(kOfEditors);
}

bool holds(const Authorization& authorization, std::string_view capability) {
  const auto listed = [&](std::string_view one) {
    return std::ranges::find(authorization.capabilities, one) != authorization.capabilities.end();
  };
  const bool system = authorization.organization.empty();
  if (capability.starts_with(kSystem)) return system && (listed("*") || listed("system:*") || listed(capability));
  return listed("*") || listed(capability);
}

std::optional<Role> role_in(const Authorization& authorization, std::string_view project) {
  if (authorization.organization.empty()) return Role::admin;
  if (!authorization.project.empty() && authorization.project != project) return std::nullopt;
  if (!authorization.projects) return Role::admin;
  return named_in(*authorization.projects, project);
}

std::optional<Role> role_in(const User& user, std::string_view project) {
  if (!user.enabled) return std::nullopt;
  return user.administrator ? Role::admin : named_in(user.projects, project);
}

std::optional<Role> role_in(const Authorization& authorization, const User* user, std::string_view project) {
  auto role = role_in(authorization, project);
  if (!role || user == nullptr) return role;
  const auto bound = role_in(*user, project);
  if (!bound) return std::nullopt;
  return std::min(*role, *bound);
}

bool allows(const Authorization& authorization, const User* user, std::string_view project,
            std::string_view capability) {
  if (!holds(authorization, capability)) return false;
  if (authorization.organization.empty()) return true;
  const auto role = role_in(authorization, user, project);
  return role && holds(*role, capability);
}

bool Reach::contains(std::string_view project) const {
  return every || std::ranges::find(projects, project) != projects.end();
}

Reach reach(const Authorization& authorization, const User* user, std::string_view capability) {
  Reach found;
  found.every = allows(authorization, user, {}, capability);
  if (found.every) return found;
  const auto consider = [&](const std::string& project) {
    if (!found.contains(project) && allows(authorization, user, project, capability)) found.projects.push_back(project);
  };
  // Whoever does not hold all is bounded by one of these lists.
  if (!authorization.project.empty()) consider(authorization.project);
  if (authorization.projects)
    for (const auto& access : *authorization.projects) consider(access.project);
  if (user != nullptr)
    for (const auto& access : user->projects) consider(access.project);
  return found;
}

bool names_user(std::string_view user) {
  return user.starts_with("user_") && looks_like_id(user);
}

}  // namespace postern::vault
