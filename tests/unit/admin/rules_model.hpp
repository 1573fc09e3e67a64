#pragma once
// The rules of who may do what in the admin API, written once more and small: from DESIGN sections 8 and 10 and the
// README of proxy/admin, not from the code. rules_test.cpp compares the two over random calls. Plain data; one thread.
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace postern::admin::model {

using Names = std::set<std::string>;

inline const std::string kHome = "org_default", kAway = "org_away";
inline const std::string kFirst = "proj_default", kSecond = "proj_second";

enum class Scope { personal, project, organization };

struct Connection {
  std::string id, organization, project, owner;
  Scope scope = Scope::project;
  bool enabled = true;
};

struct Authorization {
  std::string id, token, organization, project, user, parent;  // organization empty: the system's; project empty: each
  Names capabilities, connections;                             // connections: ids, or "*"
  std::optional<Names> hosts, methods;
  std::int64_t expires = 0;
  bool revoked = false;

  bool system() const { return organization.empty(); }
  bool has(const std::string& capability) const { return capabilities.contains(capability); }
  // Nothing bounds a system administrator.
  bool root() const { return system() && (has("*") || has("system:*")); }
  // `*` inside an organization is everything but the system's; a system one has what it names.
  bool may(const std::string& capability) const {
    if (root() || has(capability)) return true;
    return !system() && has("*") && !capability.starts_with("system:");
  }
  // Where it works: the system's in the default organization.
  std::string home() const { return system() ? kHome : organization; }
  std::string workplace() const { return project.empty() ? kFirst : project; }
  bool all_connections() const { return connections.contains("*"); }
};

struct Wanted {  // a new authorization, as it is asked for
  Names capabilities, connections;
  std::optional<Names> hosts, methods;
  std::optional<std::string> project;  // "": every project (null)
  std::optional<std::string> user;
  std::optional<std::int64_t> lifetime;  // milliseconds
};

struct World {
  std::int64_t now = 0;
  std::map<std::string, Connection> connections;
  std::map<std::string, Authorization> authorizations;

  // Neither it nor any that made it was ended or has expired.
  bool alive(const Authorization& a) const {
    if (a.revoked || (a.expires != 0 && a.expires <= now)) return false;
    if (a.parent.empty()) return true;
    const auto maker = authorizations.find(a.parent);
    return maker != authorizations.end() && alive(maker->second);
  }

  // --- connections
  bool sees(const Authorization& a, const Connection& c) const {
    if (c.organization != a.home()) return false;
    if (!a.project.empty() && c.project != a.project && c.scope != Scope::organization) return false;
    return a.root() || a.connections.empty() || a.all_connections() || a.connections.contains(c.id);
  }
  // By its id: wherever it is.
  const Connection* find(const Authorization& a, const std::string& id) const {
    const auto at = connections.find(id);
    return at == connections.end() || !sees(a, at->second) ? nullptr : &at->second;
  }
  // What is for the whole organization is changed by those who have all of it.
  static bool may_change(const Authorization& a, const Connection& c) {
    return a.project.empty() || (c.project == a.project && c.scope != Scope::organization);
  }
  static bool foreign_personal(const Authorization& a, const Connection& c) {
    return c.scope == Scope::personal && c.owner != a.user;
  }
  Names visible(const Authorization& a) const {
    Names out;
    for (const auto& [id, c] : connections)
      if (sees(a, c)) out.insert(id);
    return out;
  }
  Names callable(const Authorization& a) const {
    Names out;
    if (a.connections.empty() || !a.may("proxy:call")) return out;
    for (const auto& [id, c] : connections)
      if (sees(a, c) && c.enabled && !foreign_personal(a, c)) out.insert(id);
    return out;
  }
  // What others use may not be taken for the whole organization from one project, nor made in another's name.
  static bool may_own(const Authorization& a, Scope scope, const std::string& owner) {
    if (scope == Scope::personal && owner == "service") return false;  // it belongs to somebody
    if (a.root()) return true;
    return (scope != Scope::organization || a.project.empty()) && (owner == a.user || owner == "service");
  }

  // --- authorizations
  bool sees(const Authorization& a, const Authorization& other) const {
    if (a.system()) return other.system() || other.organization == kHome;
    return other.organization == a.organization && (a.project.empty() || a.project == other.project);
  }
  Names visible_authorizations(const Authorization& a) const {
    Names out;
    for (const auto& [id, other] : authorizations)
      if (sees(a, other)) out.insert(id);
    return out;
  }
  static bool within(const std::optional<Names>& wanted, const std::optional<Names>& held) {
    if (!held) return true;
    return wanted && std::includes(held->begin(), held->end(), wanted->begin(), wanted->end());
  }
  // Never more than its maker has.
  static bool within(const Authorization& wanted, const Authorization& maker) {
    if (maker.root()) return true;
    if (!maker.system() && wanted.organization != maker.organization) return false;
    for (const auto& capability : wanted.capabilities)
      if (capability == "*" ? !maker.has("*") : !maker.may(capability)) return false;
    if (wanted.user != maker.user) return false;
    if (!maker.project.empty() && wanted.project != maker.project) return false;
    if (!maker.all_connections()) {
      if (!maker.connections.empty() && wanted.connections.empty()) return false;
      if (!std::includes(maker.connections.begin(), maker.connections.end(), wanted.connections.begin(),
                         wanted.connections.end()))
        return false;
    }
    if (!within(wanted.hosts, maker.hosts) || !within(wanted.methods, maker.methods)) return false;
    return maker.expires == 0 || (wanted.expires != 0 && wanted.expires <= maker.expires);
  }
  // What would come of it; `status` 201, or the refusal's.
  struct Made {
    int status = 201;
    Authorization authorization;
  };
  Made make(const Authorization& maker, const Wanted& wanted) const {
    constexpr std::int64_t kDay = 86'400'000;
    Made made;
    auto& a = made.authorization;
    a.organization = maker.home();
    for (const auto& capability : wanted.capabilities)
      if (capability.starts_with("system:")) a.organization.clear();
    a.project = a.system() ? "" : maker.workplace();
    if (wanted.project) a.project = *wanted.project;
    a.user = wanted.user.value_or(maker.user);
    a.parent = maker.id;
    a.capabilities = wanted.capabilities;
    a.connections = wanted.connections;
    a.hosts = wanted.hosts;
    a.methods = wanted.methods;
    const auto bound = maker.root() ? 0 : maker.expires;
    a.expires = now + kDay;
    if (wanted.lifetime)
      a.expires = now + *wanted.lifetime;
    else if (bound != 0)
      a.expires = std::min(a.expires, bound);
    // Another project than its maker's is not there.
    if (!a.project.empty() && !maker.project.empty() && a.project != maker.project)
      return {.status = 400, .authorization = {}};
    bool shares_foreign = false;
    for (const auto& id : a.connections) {
      if (id == "*") continue;
      const auto* c = find(maker, id);
      if (c == nullptr) return {.status = 400, .authorization = {}};
      shares_foreign |= foreign_personal(maker, *c) && foreign_personal(a, *c);
    }
    if (!a.system() && a.expires > now + 90 * kDay) return {.status = 400, .authorization = {}};
    if (shares_foreign || !within(a, maker)) return {.status = 403, .authorization = {}};
    return made;
  }
  // It and all that it made, and they made, are dead.
  void end(const std::string& id) {
    for (auto& [other, a] : authorizations)
      if (a.parent == id && !a.revoked) {
        a.revoked = true;
        end(other);
      }
    authorizations.at(id).revoked = true;
  }
  bool may_end(const Authorization& a, const Authorization& target) const {
    Authorization held = target;
    held.expires = a.expires;  // that it would end later is no reason to keep it
    return a.root() || target.id == a.id || target.parent == a.id || within(held, a);
  }
};

}  // namespace postern::admin::model
