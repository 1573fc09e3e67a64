#pragma once
// `upstream:` of the configuration, made ready for the data path: trust, exceptions by host, address ranges.
#include <string>

#include "config/settings.hpp"
#include "proxy/serve/service.hpp"

namespace postern {

// Fills rules.trust and rules.exceptions. Empty: all is well; otherwise one line: what, where, what to do.
std::string read_upstreams(const config::Settings& settings, serve::Rules& rules);

}  // namespace postern
