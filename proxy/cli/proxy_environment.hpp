#pragma once
// The environment of a command that calls through the proxy. Pure.
#include <string>
#include <vector>

#include "proxy/cli/session.hpp"

namespace postern::cli {

// http://<connection or ->:<token>@<address>
std::string proxy_url(const std::string& connection, const Hidden& token, const std::string& address);

// Without every POSTERN_* variable; with http_proxy and HTTP_PROXY. The other proxy variables (https_proxy, all_proxy,
// in either case) are removed: there is no interception to send them to, and what they name would go around postern.
// no_proxy goes too: a call that it exempts would leave in clear text, past postern. `removed` receives the names of
// the proxy variables that went.
Environment through_proxy(const Environment& environment, const std::string& url, std::vector<std::string>& removed);

}  // namespace postern::cli
