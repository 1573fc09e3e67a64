#pragma once
// Who calls, and what that caller may do (DESIGN sections 8 and 10). Decisions only: nothing is changed here.
// Thread safety: functions of their arguments and of the vault.
#include <expected>
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
  bool socket = false;

  bool system() const { return authorization.organization.empty(); }
  // A system administrator: nothing bounds what it makes.
  bool unbounded() const;
  bool may(std::string_view capability) const;
  std::string organization() const;
  const std::string& project() const { return authorization.project; }  // empty: every project
  // A named list bounds what is seen and managed; an empty one and "*" do not (it then says only what may be called).
  bool sees(const vault::Connection& connection) const;
  // Who this is in the memory of idempotent calls.
  std::string key() const;
};

// A web page must not drive this API, whatever it holds (foreign Host or Origin, Sec-Fetch-*, form posts).
std::expected<void, Problem> refuse_browsers(const Service& service, const Request& request);
// The pages of the connect flow: a person's browser may come from anywhere by a link (`arrives`: also by a form, where
// the provider sends it back with one), while their own forms are posted by our own pages only.
std::expected<void, Problem> refuse_strange_pages(const Service& service, const Request& request, bool arrives);
// The caller, or 401 (403 for a stranger on the unix socket).
std::expected<Caller, Problem> identify(const Service& service, const Request& request);
// What `wanted` has beyond its maker, each with its pointer; empty: it may be made.
std::vector<FieldError> beyond(const Caller& maker, const vault::Authorization& wanted);
bool is_capability(std::string_view text);
// Whether it is good for anything now: it has not ended, and none that it was made by is revoked or gone.
std::expected<bool, Problem> is_alive(const Service& service, const vault::Authorization& authorization);
// Expired or revoked at that time.
bool has_ended(const vault::Authorization& authorization, std::int64_t now_ms);

}  // namespace postern::admin
