// How authorizations are shown.
#include <boost/json/array.hpp>

#include "proxy/admin/authorization_input.hpp"
#include "proxy/admin/scope_input.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::Authorization;

json::value list_or_null(const std::optional<std::vector<std::string>>& list) {
  if (!list) return nullptr;
  return json::array(list->begin(), list->end());
}

json::value limits_or_null(const vault::Budget& budget) {
  if (budget == vault::Budget()) return nullptr;
  json::object out;
  if (budget.total) out["total"] = *budget.total;
  if (budget.writes) out["writes"] = *budget.writes;
  return out;
}

// Of what is limited. What a worker holds of a block and has not used is not spent, if this process knows of it.
json::value spent_or_null(const Service& service, const Authorization& a) {
  if (a.budget == vault::Budget()) return nullptr;
  std::optional<vault::Calls> calls = service.deps.spent ? service.deps.spent(a.id) : std::nullopt;
  if (!calls) {
    const auto stored = service.deps.vault->find_spent(a.organization, a.id);
    if (!stored) return nullptr;
    calls = stored->calls;
  }
  return limits_or_null({.total = a.budget.total ? std::optional(calls->total) : std::nullopt,
                         .writes = a.budget.writes ? std::optional(calls->writes) : std::nullopt});
}

}  // namespace

json::object shown(const Service& service, const Authorization& a) {
  json::object out;
  out["id"] = a.id;
  out["name"] = a.name;
  out["status"] = a.revoked != 0 ? "REVOKED" : has_ended(a, service.deps.now_ms()) ? "EXPIRED" : "ACTIVE";
  out["organization"] = text_or_null(a.organization);
  out["project"] = text_or_null(a.project);
  out["projects"] = a.projects ? json::value(shown(*a.projects)) : json::value(nullptr);
  out["user"] = a.user;
  out["parent"] = text_or_null(a.parent);
  out["publicId"] = a.public_id;
  out["capabilities"] = json::array(a.capabilities.begin(), a.capabilities.end());
  out["connections"] = json::array(a.connections.begin(), a.connections.end());
  out["hosts"] = list_or_null(a.hosts);
  out["methods"] = list_or_null(a.methods);
  out["paths"] = list_or_null(a.paths);
  out["budget"] = limits_or_null(a.budget);
  out["spent"] = spent_or_null(service, a);
  out["run"] = text_or_null(a.run);
  out["default_for"] = json::array(a.default_for.begin(), a.default_for.end());
  out["created"] = to_time(a.created);
  out["createdAt"] = to_time(a.created);
  out["expires"] = time_or_null(a.expires);
  out["revoked"] = time_or_null(a.revoked);
  out["version"] = a.version;
  return out;
}

}  // namespace postern::admin
