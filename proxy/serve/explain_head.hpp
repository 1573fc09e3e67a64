#pragma once
// The outbound head as people may see it: every injected value and every value of the caller is left out. Pure.
#include "proxy/observe/explanation.hpp"
#include "proxy/serve/decide.hpp"

namespace postern::serve {

// `request`: behind inject(), with a placeholder_injection() or none. `to`: where it goes.
observe::Explanation::Head explain_head(const Request& request, const net::Destination& to);

}  // namespace postern::serve
