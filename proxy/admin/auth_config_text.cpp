#include "proxy/admin/auth_config_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <iterator>

#include "config/hosts.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

json::value list_or_null(const std::optional<std::vector<std::string>>& list) {
  if (!list) return nullptr;
  return json::array(list->begin(), list->end());
}

bool matches(const config::HostPattern& pattern, const config::HostPattern& host) {
  if (pattern.port != host.port) return false;
  if (pattern.wildcard) return config::under_suffix(host.host, pattern.host);
  const auto parsed = config::Template::parse(pattern.host);
  if (parsed && !parsed->variables().empty()) {
    // What a variable stands for is not known yet; what follows it is. One that ends the host has a wildcard beside it.
    const std::string& tail = parsed->parts().back().literal;
    return !tail.empty() && host.host.size() > tail.size() && host.host.ends_with(tail);
  }
  return config::destinations_within({host}, {pattern});
}

}  // namespace

json::object shown(const vault::AuthConfig& a, const std::string& type, const std::string& connection) {
  boost::system::error_code error;
  json::value config = json::parse(a.config.empty() ? "{}" : a.config, error);
  if (error) config = json::object();
  json::object out;
  out["id"] = a.id;
  out["name"] = a.name;
  out["app"] = a.provider;
  out["provider"] = a.provider;
  out["toolkitSlug"] = a.provider;
  out["type"] = text_or_null(type);
  out["auth"] = a.auth;
  out["enabled"] = a.enabled;
  out["status"] = vault::to_string(a.status);
  out["statusReason"] = text_or_null(a.status_reason);
  out["statusText"] = text_or_null(a.status_text);
  out["statusSince"] = time_or_null(a.status_since);
  out["config"] = std::move(config);
  out["scopes"] = list_or_null(a.scopes);
  out["hosts"] = list_or_null(a.hosts);
  out["organization"] = a.organization;
  out["project"] = text_or_null(a.project);
  out["connection"] = text_or_null(connection);
  out["created"] = to_time(a.created);
  out["updated"] = to_time(a.updated);
  out["createdAt"] = to_time(a.created);
  out["updatedAt"] = to_time(a.updated);
  out["version"] = a.version;
  return out;
}

std::expected<vault::AuthConfig, Problem> find_auth_config(const Service& service, const Caller& caller,
                                                           std::string_view id) {
  const auto none = [] { return refuse("not-found", "There is no auth config with this id here."); };
  if (!vault::is_reference(id)) return none();
  const std::string organization = caller.organization();
  auto found = service.deps.vault->tokens().find_auth_config({organization, caller.project()}, id);
  if (!found && found.error().code == vault::Error::Code::not_found) return none();
  if (!found) return std::unexpected(vault_problem(found.error()));
  if (!may_use(caller, *found)) return refuse("not-found", "There is no auth config with this id here.");
  return std::move(*found);
}

bool may_use(const Caller& caller, const vault::AuthConfig& auth_config) {
  return auth_config.project.empty() || caller.role_in(auth_config.project);
}

std::expected<std::vector<vault::Connection>, Problem> connections_of(const Service& service,
                                                                      const vault::AuthConfig& auth_config) {
  std::vector<vault::Connection> all;
  vault::ConnectionQuery query;
  query.organization = auth_config.organization;
  query.auth_config = auth_config.id;
  for (;;) {
    auto page = service.deps.vault->list_connections(query);
    if (!page) return std::unexpected(vault_problem(page.error()));
    std::move(page->data.begin(), page->data.end(), std::back_inserter(all));
    if (!page->has_more || page->data.empty()) return all;
    query.after = all.back().id;
  }
}

std::optional<config::HostPattern> parse_host(std::string_view text) {
  const auto slash = std::min(text.find('/'), text.size());
  const auto host = config::parse_host_port(text.substr(0, slash), false);
  if (!host) return std::nullopt;
  config::HostPattern out;
  out.host = host->host;
  if (host->has_port) out.port = host->port;
  if (slash == text.size()) return out;
  const auto prefix = config::parse_path_prefix(text.substr(slash));
  if (!prefix) return std::nullopt;
  out.path_prefix = *prefix;
  return out;
}

bool are_hosts_of(const config::Provider& provider, const std::vector<std::string>& hosts) {
  return std::all_of(hosts.begin(), hosts.end(), [&](const std::string& text) {
    const auto host = parse_host(text);
    return host && std::any_of(provider.hosts.begin(), provider.hosts.end(),
                               [&](const config::HostPattern& pattern) { return matches(pattern, *host); });
  });
}

std::vector<config::HostPattern> narrowed(const std::vector<config::HostPattern>& destinations,
                                          const std::optional<std::vector<std::string>>& hosts) {
  if (!hosts) return destinations;
  std::vector<config::HostPattern> allowed, out;
  for (const std::string& text : *hosts)
    if (auto host = parse_host(text)) allowed.push_back(std::move(*host));
  for (const auto& to : destinations)
    if (config::destinations_within({to}, allowed)) out.push_back(to);
  for (const auto& to : allowed)
    if (!config::destinations_within({to}, out) && config::destinations_within({to}, destinations)) out.push_back(to);
  return out;
}

const config::Auth* entry_of(const config::Provider* provider, const vault::AuthConfig& auth_config) {
  if (provider == nullptr) return nullptr;
  const auto at = provider->auth.find(auth_config.auth);
  return at == provider->auth.end() ? nullptr : &at->second;
}

std::expected<std::optional<vault::Connection>, Problem> shared_connection(const Service& service,
                                                                           const vault::AuthConfig& auth_config,
                                                                           const config::Auth* entry) {
  if (entry == nullptr || !config::is_static_type(entry->type)) return std::nullopt;
  auto found = service.deps.vault->tokens().connections_of(auth_config, 1);
  if (!found) return std::unexpected(vault_problem(found.error()));
  if (found->empty()) return std::nullopt;
  return std::move(found->front());
}

std::expected<json::object, Problem> object_of(const Service& service, const vault::AuthConfig& auth_config) {
  const auto provider = service.deps.catalog()->find(auth_config.provider);
  const auto* entry = entry_of(provider.get(), auth_config);
  const auto connection = shared_connection(service, auth_config, entry);
  if (!connection) return std::unexpected(connection.error());
  return shown(auth_config, entry == nullptr ? "" : entry->type, *connection ? (*connection)->id : "");
}

}  // namespace postern::admin
