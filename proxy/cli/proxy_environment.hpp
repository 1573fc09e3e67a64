#pragma once
// The environment of a command that calls through the proxy. Pure: values in, values out.
//
// What clients make of it (measured, tests/blackbox/test_client_matrix.py):
// - http_proxy: curl, git, wget, Python, Go (upper case), Ruby, axios send the whole URL in the request line. curl
// reads
//   HTTP_PROXY in lower case only; Node reads either since 22.21 and 24.5, where NODE_USE_ENV_PROXY is 1; Java reads
//   none.
// - no_proxy: every client above knows a list of names. `::1` without brackets is what curl, Go and Python want; Node
// and
//   axios compare `[::1]`, so both stand in it. Go and Java leave loopback out by themselves.
#include <string>
#include <utility>
#include <vector>

#include "proxy/cli/session.hpp"

namespace postern::cli {

struct Way {
  std::string url;              // of the proxy, with the token in it
  bool tunnels = false;         // https:// leads somewhere: a host is intercepted, or egress lets something pass
  std::string bundle;           // PEM: the system's roots and our CA; empty: nothing is intercepted
  std::string java_store = {};  // the same for Java; empty with `bundle`
};

using Variables = std::vector<std::pair<std::string, std::string>>;

// http://<connection or ->:<token>@<address>
std::string proxy_url(const std::string& connection, const Hidden& token, const std::string& address);

// What leads a client to the proxy, in the order in which it is printed: http_proxy and HTTP_PROXY; https_proxy and
// all_proxy in both cases where there are tunnels (otherwise a refusal would be all they lead to); no_proxy for
// loopback; NODE_USE_ENV_PROXY; JAVA_TOOL_OPTIONS, behind what `java` already holds; with a bundle every variable that
// names one. The token is in the proxy variables alone: a JVM prints JAVA_TOOL_OPTIONS when it starts.
Variables proxy_variables(const Way& way, const std::string& java);

// `environment` without any POSTERN_* variable, and with those above. What it said itself of proxies does not hold any
// more: it would lead around postern, and what its no_proxy exempts would leave in clear text. `removed` receives the
// names of those, but http_proxy.
Environment through_proxy(const Environment& environment, const Way& way, std::vector<std::string>& removed);

// For `eval` (which also unsets the proxy variables that are not among them), for docker's --env-file, for the env list
// of a Kubernetes container. No value holds a line break, which docker's file could not have.
std::string for_shell(const Variables& variables);
std::string for_docker(const Variables& variables);
std::string for_kubernetes(const Variables& variables);

}  // namespace postern::cli
