#pragma once
// The settings as a value that programs read: `config show -o json`.
// Pure, any thread. Nothing in it is secret.
#include <boost/json/object.hpp>

#include "config/settings.hpp"

namespace postern::config {

// Nested as in the file, every value spelled out; null: nothing is set.
boost::json::object settings_json(const Settings& settings);

}  // namespace postern::config
