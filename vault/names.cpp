// Ids, references and the words for enumerations: the small grammar that vault.hpp and record.hpp promise.
#include "vault/encoding.hpp"
#include "vault/vault.hpp"

namespace postern::vault {
namespace {

constexpr std::size_t kIdCharacters = 20;
constexpr std::size_t kLongestPrefix = 16;
constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kReference = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

}  // namespace

std::string new_id(std::string_view prefix) {
  return std::string(prefix) + "_" + random_crockford(kIdCharacters);
}

bool looks_like_id(std::string_view text) {
  const std::size_t bar = text.find('_');
  if (bar == std::string_view::npos || bar == 0 || bar > kLongestPrefix) return false;
  if (text.substr(0, bar).find_first_not_of(kLower) != std::string_view::npos) return false;
  return text.size() == bar + 1 + kIdCharacters && is_crockford(text.substr(bar + 1));
}

bool is_reference(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.find_first_not_of(kReference) == std::string_view::npos;
}

const char* to_string(Scope scope) {
  switch (scope) {
    case Scope::personal:
      return "PERSONAL";
    case Scope::project:
      return "PROJECT";
    case Scope::organization:
      return "ORGANIZATION";
  }
  return "";
}

const char* to_string(Status status) {
  switch (status) {
    case Status::active:
      return "ACTIVE";
    case Status::expired:
      return "EXPIRED";
    case Status::error:
      return "ERROR";
    case Status::revoked:
      return "REVOKED";
  }
  return "";
}

const char* to_string(Role role) {
  switch (role) {
    case Role::viewer:
      return "VIEWER";
    case Role::editor:
      return "EDITOR";
    case Role::admin:
      return "ADMIN";
  }
  return "";
}

const char* to_string(LinkStatus status) {
  switch (status) {
    case LinkStatus::pending:
      return "PENDING";
    case LinkStatus::opened:
      return "OPENED";
    case LinkStatus::returned:
      return "RETURNED";
    case LinkStatus::active:
      return "ACTIVE";
    case LinkStatus::failed:
      return "FAILED";
    case LinkStatus::expired:
      return "EXPIRED";
  }
  return "";
}

std::string describe(const Connection& connection) {
  return connection.id + " in " + connection.organization + "/" + connection.project + " (" + connection.app + ", " +
         connection.type + ", " + to_string(connection.status) + ", version " + std::to_string(connection.version) +
         ", generation " + std::to_string(connection.generation) + ")";
}

std::string describe(const Credential& credential) {
  std::string text = "credential of generation " + std::to_string(credential.generation) + " with";
  for (const auto& [name, value] : credential.values) text += " " + name;
  return text;
}

std::string describe(const Authorization& authorization) {
  return authorization.id + " in " + (authorization.organization.empty() ? "the system" : authorization.organization) +
         " (public id " + authorization.public_id + ", version " + std::to_string(authorization.version) +
         (authorization.revoked != 0 ? ", revoked)" : ")");
}

std::string describe(const AuthConfig& auth_config) {
  std::string text = auth_config.id + " in " + auth_config.organization + "/" + auth_config.project + " (" +
                     auth_config.provider + ", " + to_string(auth_config.status) +
                     (auth_config.enabled ? "" : ", disabled") + ", version " + std::to_string(auth_config.version) +
                     ") with";
  for (const auto& [name, value] : auth_config.values) text += " " + name;
  return text;
}

std::string describe(const Intent& intent) {
  return intent.id + " of " + intent.connection + " in " + intent.organization + "/" + intent.project +
         " (generation " + std::to_string(intent.generation) + ")";
}

std::string describe(const Link& link) {
  return link.id + " in " + link.organization + "/" + link.project + " (" + link.provider + ", " +
         to_string(link.status) + ", version " + std::to_string(link.version) + ")";
}

std::string describe(const User& user) {
  return "user " + user.id + " of " + user.organization + (user.enabled ? "" : ", disabled");
}

std::string describe(const AuthorityRecord& authority) {
  return "authority of version " + std::to_string(authority.version) +
         (authority.previous.empty() ? "" : ", one before it");
}

std::string describe(const Previous& previous) {
  return "previous " + describe(previous.credential);
}

std::string describe(const KeptAnswer& answer) {
  return "answer " + std::to_string(answer.status) + " about " + (answer.id.empty() ? "nothing" : answer.id) + " in " +
         (answer.organization.empty() ? "the system" : answer.organization);
}

}  // namespace postern::vault
