// Why a destination is refused, for the caller: what was outside, and what is allowed instead. Only of a connection
// that the caller may use, whose hosts it is shown anyway (GET /api/v1/self).
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "proxy/serve/decide.hpp"

namespace postern::serve {
namespace {

constexpr std::size_t kMost = 5;  // of a list; more would hide what the sentence says

void add_once(std::vector<std::string>& list, std::string item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(std::move(item));
}

// "a, b and 3 more"
std::string joined(const std::vector<std::string>& list) {
  if (list.empty()) return "none";
  const auto shown = static_cast<std::ptrdiff_t>(std::min(list.size(), kMost));
  std::string out = fmt::format("{}", fmt::join(list.begin(), list.begin() + shown, ", "));
  if (list.size() > kMost) out += fmt::format(" and {} more", list.size() - kMost);
  return out;
}

std::string name_of(const vault::Connection& meta) {
  return meta.alias.empty() ? meta.id : meta.alias;
}

std::string next_step(const Request& request) {
  if (!request.connection) return "; `postern explain URL` shows each step.";
  return fmt::format("; `postern explain -c {} URL` shows each step.", name_of(request.connection->meta));
}

}  // namespace

std::string why_not_there(const Request& request, std::string_view path) {
  const Known& known = *request.connection;
  const auto& all = known.meta.destinations;
  const std::string who = name_of(known.meta), next = next_step(request);
  const std::string& host = request.target.host;
  std::vector<std::string> hosts, ports, paths;
  for (const vault::Destination& to : all) {
    add_once(hosts, to.port == 443 ? to.host : fmt::format("{}:{}", to.host, to.port));
    if (to.host != host) continue;
    add_once(ports, std::to_string(to.port));
    if (to.port == request.target.port) add_once(paths, to.path_prefix);
  }
  if (known.forbids(host, path))
    return "This path is an endpoint of the provider itself (token, authorize, revoke), which callers never reach" +
           next;
  if (all.empty())
    return fmt::format(
        "The connection {} may go nowhere: its auth config or its catalog entry leaves none of its hosts{}", who, next);
  if (ports.empty())
    return fmt::format("The connection {} may go to {}, not to the host {}{}", who, joined(hosts), host, next);
  if (paths.empty())
    return fmt::format("The connection {} may go to {} on port {} only, not on {}{}", who, host, joined(ports),
                       request.target.port, next);
  return fmt::format("The connection {} may go to {} below {} only, not to this path{}", who, host, joined(paths),
                     next);
}

std::string why_not_by_token(const Request& request) {
  const Caller& caller = *request.caller;
  if (!caller.may_host(request.target.host))
    return fmt::format("The caller's token allows the hosts {}, not {}{}", joined(*caller.authorization.hosts),
                       request.target.host, next_step(request));
  if (!caller.may_method(request.head.method))
    return fmt::format("The caller's token allows the methods {}, not this one{}",
                       joined(*caller.authorization.methods), next_step(request));
  return fmt::format("The caller's token allows paths below {} only, not this one{}",
                     joined(*caller.authorization.paths), next_step(request));
}

}  // namespace postern::serve
