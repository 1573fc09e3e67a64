#pragma once
// A provider of the catalog, or an imported draft, as the API shows it. Thread safety: functions of their arguments.
#include <boost/json/object.hpp>

#include "config/catalog.hpp"
#include "vault/imports.hpp"

namespace postern::admin {

boost::json::object shown(const config::Provider& provider);
// With its entry's text, digest and times; one whose entry this version cannot read has no hosts and no auth.
boost::json::object imported(const vault::ImportedProvider& record);

}  // namespace postern::admin
