#pragma once
// Auth configs as the API shows and finds them, and where they let their connections go. Nothing of `value` is shown.
#include <boost/json/object.hpp>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/catalog.hpp"
#include "proxy/admin/routes.hpp"
#include "vault/record.hpp"

namespace postern::admin {

// `type`: of the entry's auth; empty: the catalog has it no more. `connection`: of a shared credential; empty: none.
boost::json::object shown(const vault::AuthConfig& auth_config, const std::string& type, const std::string& connection);
// Its provider's entry; nullptr: the catalog has it no more.
const config::Auth* entry_of(const config::Provider* provider, const vault::AuthConfig& auth_config);
// The connection that a shared credential is; absent: it is none.
std::expected<std::optional<vault::Connection>, Problem> shared_connection(const Service& service,
                                                                           const vault::AuthConfig& auth_config,
                                                                           const config::Auth* entry);
// The same as shown(), with what the catalog and the vault know of it.
std::expected<boost::json::object, Problem> object_of(const Service& service, const vault::AuthConfig& auth_config);
// If the caller's project may use it; 404 otherwise.
std::expected<vault::AuthConfig, Problem> find_auth_config(const Service& service, const Caller& caller,
                                                           std::string_view id);
// One of all projects is for every caller of the organization, one of a project for those who have a role there.
bool may_use(const Caller& caller, const vault::AuthConfig& auth_config);
std::expected<std::vector<vault::Connection>, Problem> connections_of(const Service& service,
                                                                      const vault::AuthConfig& auth_config);

// "host", "host:port", "host/prefix"; nullopt: no such thing.
std::optional<config::HostPattern> parse_host(std::string_view text);
// Every one is a host of the provider, or one that its variables could make.
bool are_hosts_of(const config::Provider& provider, const std::vector<std::string>& hosts);
// What `hosts` leaves of the destinations; absent hosts leave all.
std::vector<config::HostPattern> narrowed(const std::vector<config::HostPattern>& destinations,
                                          const std::optional<std::vector<std::string>>& hosts);

}  // namespace postern::admin
