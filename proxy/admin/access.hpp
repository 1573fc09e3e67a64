#pragma once
// Who calls, what the call is about, and what that caller may do there (DESIGN sections 8 and 10; the rule itself is
// vault/permission.hpp). Decisions only: nothing is changed here.
// Thread safety: functions of their arguments and of the vault.
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin/problem.hpp"
#include "proxy/admin/service.hpp"

namespace postern::admin {

inline constexpr std::int64_t kDefaultLifetime = 24LL * 3600 * 1000;
inline constexpr std::int64_t kMaxLifetime = 90LL * 24 * 3600 * 1000;

// The user that system administrators act as, so that what one makes for itself is the other's too.
inline constexpr const char* kAdministrator = "admin";

// Someone on the unix socket is an authorization too: without an id, with everything.
struct Caller {
  vault::Authorization authorization;
  std::optional<vault::User> user = std::nullopt;  // whose permissions bound it; absent: nobody's that we know
  bool socket = false;
  // What the call names (enter()); empty: nothing. Only a system caller may name an organization.
  std::string asked_organization, asked_project;

  bool system() const { return authorization.organization.empty(); }
  // A system administrator: nothing bounds what it makes.
  bool unbounded() const;
  // In the project of the call, or else in one of those it has.
  bool may(std::string_view capability) const;
  // There; an empty project is the organization as a whole.
  bool may_in(std::string_view project, std::string_view capability) const;
  std::optional<vault::Role> role_in(std::string_view project) const;
  std::string organization() const;
  // The one project that the call is about; empty: each that the caller has.
  const std::string& project() const { return asked_project.empty() ? authorization.project : asked_project; }
  // Where aliases are looked up, and what is made lies unless the call says otherwise: project(), else the default one,
  // else the only one. Empty: it has several, or none.
  std::string home() const;
  // A role in its project makes it visible; one for the organization is so from every project, a personal one to its
  // owner and to administrators. A named list bounds what is seen and managed; an empty one and "*" do not (it then
  // says only what may be called).
  bool sees(const vault::Connection& connection) const;
  // Likewise: bound to projects that the caller has.
  bool sees(const vault::Authorization& other) const;
  bool may_change(const vault::Connection& connection) const;
  // Who this is in the audit log, and in the memory of idempotent calls.
  std::string key() const;
};

// A web page must not drive this API, whatever it holds (foreign Host or Origin, Sec-Fetch-*, form posts).
std::expected<void, Problem> refuse_browsers(const Service& service, const Request& request);
// The pages of the connect flow: a person's browser may come from anywhere by a link (`arrives`: also by a form, where
// the provider sends it back with one), while their own forms are posted by our own pages only.
std::expected<void, Problem> refuse_strange_pages(const Service& service, const Request& request, bool arrives);
// The caller, or 401 (403 for a stranger on the unix socket).
std::expected<Caller, Problem> identify(const Service& service, const Request& request);
// The same for whoever holds this authorization, bound by its user's permissions as they are now.
std::expected<Caller, Problem> caller_of(const Service& service, vault::Authorization authorization);
// Takes up the organization and the project that a call names. A foreign organization, and a project that is not there
// or in which the caller has no role, are 404; where they come from a body (`body`), a project is 400 with its pointer.
std::expected<void, Problem> enter(const Service& service, Caller& caller,
                                   const std::optional<std::string>& organization,
                                   const std::optional<std::string>& project, bool body);
// Something is to be made: from now on the call is about the one project that it lies in, where the capability is held.
// 400 where the caller has to name one, 403.
std::expected<void, Problem> settle(Caller& caller, std::string_view capability);
// What `wanted` has beyond its maker, each with its pointer; empty: it may be made.
std::vector<FieldError> beyond(const Caller& maker, const vault::Authorization& wanted);
bool is_capability(std::string_view text);
// What it may do in the project of the call, or else somewhere: as listed, as long as roles take nothing of it.
std::vector<std::string> held_by(const Caller& caller);
// A role gives what it holds: nobody gives more than they may there themselves (an empty project: in each).
bool may_give(const Caller& maker, std::string_view project, vault::Role role);
// Whether it is good for anything now: it has not ended, and what it stands on is there (vault::standing_of()).
std::expected<bool, Problem> is_alive(const Service& service, const vault::Authorization& authorization);
// Expired or revoked at that time.
bool has_ended(const vault::Authorization& authorization, std::int64_t now_ms);

}  // namespace postern::admin
