#pragma once
// Connections as the API shows and finds them. A shown connection holds metadata only, whichever verb asked.
#include <boost/json/object.hpp>
#include <expected>
#include <string>
#include <string_view>

#include "proxy/admin/listing.hpp"
#include "proxy/admin/routes.hpp"
#include "vault/record.hpp"

namespace postern::admin {

struct FoundConnection {
  vault::Connection connection;
  bool declared = false;
};

boost::json::object shown(const vault::Connection& connection, bool declared);
// By id or alias, stored or declared, if the caller sees it; 404 otherwise.
std::expected<FoundConnection, Problem> find_connection(const Service& service, const Caller& caller,
                                                        std::string_view id_or_alias);
// Every stored and declared connection the caller sees, in the query's order and behind its `after`, until `visit` says
// false. The query's filters narrow what is read of the stored ones; its organization is the caller's.
std::expected<void, Problem> scan_connections(
    const Service& service, const Caller& caller, vault::ConnectionQuery query,
    const std::function<bool(const vault::Connection& connection, bool declared)>& visit);
// The destinations as text: host:port/prefix.
std::vector<std::string> hosts_of(const vault::Connection& connection);

}  // namespace postern::admin
