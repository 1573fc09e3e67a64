#include "proxy/admin/connection_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

namespace postern::admin {
namespace {

namespace json = boost::json;

// A page and the one item behind it, then in strides.
constexpr std::size_t kFirstBatch = 101, kBatch = 256;

std::unexpected<Problem> no_such_connection() {
  return refuse("not-found", "There is no connection with this id or alias here.");
}

}  // namespace

std::vector<std::string> hosts_of(const vault::Connection& connection) {
  std::vector<std::string> hosts;
  for (const auto& to : connection.destinations) {
    const bool v6 = to.host.find(':') != std::string::npos;
    hosts.push_back(fmt::format("{}{}{}:{}{}", v6 ? "[" : "", to.host, v6 ? "]" : "", to.port, to.path_prefix));
  }
  return hosts;
}

json::object shown(const vault::Connection& c, bool declared) {
  boost::system::error_code error;
  json::value config = json::parse(c.config.empty() ? "{}" : c.config, error);
  if (error) config = json::object();
  json::array tags(c.tags.begin(), c.tags.end());
  json::array hosts;
  for (const auto& host : hosts_of(c)) hosts.emplace_back(host);
  const std::string created = to_time(c.created), updated = to_time(c.updated);
  json::object out;
  out["id"] = c.id;
  out["name"] = c.name;
  out["app"] = c.app;
  out["provider"] = c.app;
  out["toolkitSlug"] = c.app;
  out["type"] = c.type;
  out["auth"] = c.auth;
  out["authConfig"] = text_or_null(c.auth_config);
  out["status"] = vault::to_string(c.status);
  out["statusReason"] = text_or_null(c.status_reason);
  out["statusText"] = text_or_null(c.status_text);
  out["statusSince"] = time_or_null(c.status_since);
  out["account"] = text_or_null(c.account);
  out["expires"] = time_or_null(c.expires);
  out["refreshExpires"] = time_or_null(c.refresh_expires);
  out["lastRefresh"] = time_or_null(c.last_refresh);
  out["enabled"] = c.enabled;
  out["scope"] = vault::to_string(c.scope);
  out["alias"] = c.alias;
  out["organization"] = c.organization;
  out["project"] = c.project;
  out["owner"] = c.owner;
  out["endUser"] = text_or_null(c.end_user);
  out["tags"] = std::move(tags);
  out["config"] = std::move(config);
  out["hosts"] = std::move(hosts);
  out["created"] = created;
  out["updated"] = updated;
  out["createdAt"] = created;
  out["updatedAt"] = updated;
  out["version"] = c.version;
  out["generation"] = c.generation;
  if (c.previous_until == 0)
    out["previous"] = nullptr;
  else
    out["previous"] = json::object{{"until", to_time(c.previous_until)}};
  out["declared"] = declared;
  return out;
}

std::expected<FoundConnection, Problem> find_connection(const Service& service, const Caller& caller,
                                                        std::string_view id_or_alias) {
  if (!vault::is_reference(id_or_alias)) return no_such_connection();
  const std::string organization = caller.organization();
  const std::string project = caller.home();
  auto found = service.deps.vault->find_connection({organization, project}, id_or_alias);
  // An id says enough where the call is about every project that the caller has.
  if (!found && found.error().code == vault::Error::Code::not_found && caller.project().empty() && !project.empty())
    found = service.deps.vault->find_connection({organization, ""}, id_or_alias);
  if (found) {
    if (caller.sees(*found)) return FoundConnection{std::move(*found), false};
    return no_such_connection();
  }
  if (found.error().code != vault::Error::Code::not_found) return std::unexpected(vault_problem(found.error()));
  for (auto& declared : service.deps.declared()) {
    if ((declared.id == id_or_alias || declared.alias == id_or_alias) && caller.sees(declared))
      return FoundConnection{std::move(declared), true};
  }
  return no_such_connection();
}

std::expected<void, Problem> scan_connections(
    const Service& service, const Caller& caller, vault::ConnectionQuery query,
    const std::function<bool(const vault::Connection& connection, bool declared)>& visit) {
  using Order = vault::ConnectionQuery::Order;
  const auto time_of = [order = query.order](const vault::Connection& c) -> std::int64_t {
    return order == Order::created ? c.created : order == Order::updated ? c.updated : 0;
  };
  const bool down = query.descending && query.order != Order::id;
  const auto before = [&](std::int64_t time, std::string_view id, std::int64_t other_time, std::string_view other) {
    const bool less = time != other_time ? time < other_time : id < other;
    return down ? !less && (time != other_time || id != other) : less;
  };
  const auto precedes = [&](const vault::Connection& a, const vault::Connection& b) {
    return before(time_of(a), a.id, time_of(b), b.id);
  };
  auto declared = service.deps.declared();
  const std::int64_t after_time = query.order == Order::id ? 0 : query.after_time;
  std::erase_if(declared, [&](const auto& c) {
    return !caller.sees(c) || (!query.after.empty() && !before(after_time, query.after, time_of(c), c.id));
  });
  std::sort(declared.begin(), declared.end(), precedes);
  auto next = declared.begin();
  query.organization = caller.organization();
  query.limit = kFirstBatch;
  for (bool more = true; more;) {
    auto page = service.deps.vault->list_connections(query);
    if (!page) return std::unexpected(vault_problem(page.error()));
    for (const auto& connection : page->data) {
      for (; next != declared.end() && precedes(*next, connection); ++next)
        if (!visit(*next, true)) return {};
      if (caller.sees(connection) && !visit(connection, false)) return {};
    }
    more = page->has_more && !page->data.empty();
    if (!more) break;
    query.after = page->data.back().id;
    query.after_time = time_of(page->data.back());
    query.limit = kBatch;
  }
  for (; next != declared.end(); ++next)
    if (!visit(*next, true)) return {};
  return {};
}

}  // namespace postern::admin
