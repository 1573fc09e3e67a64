#pragma once
// What a caller asks of a new authorization, read and checked; and how authorizations are shown.
#include <boost/json/object.hpp>
#include <expected>

#include "proxy/admin/body.hpp"
#include "proxy/admin/routes.hpp"
#include "vault/record.hpp"

namespace postern::admin {

// Connections become ids, times become milliseconds, absent things become their defaults (DESIGN section 8). Whether
// the caller may make it is judged apart, by beyond().
std::expected<vault::Authorization, Problem> read_authorization(const Service& service, const Caller& caller,
                                                                const boost::json::object& body);
// With what was spent of its budget, as exactly as it can be told.
boost::json::object shown(const Service& service, const vault::Authorization& authorization);
// By id, if the caller sees it; 404 otherwise.
std::expected<vault::Authorization, Problem> find_authorization(const Service& service, const Caller& caller,
                                                                const std::string& id);

}  // namespace postern::admin
