#include "proxy/app_upstreams.hpp"

#include <fmt/format.h>

namespace postern {

std::string read_upstreams(const config::Settings& settings, serve::Rules& rules) {
  const auto trust = settings.upstream_trust.empty() ? net::Trust::system() : net::Trust::file(settings.upstream_trust);
  if (!trust) return "upstream.trust: " + trust.error();
  rules.trust = *trust;
  for (const config::HostException& row : settings.upstream_hosts) {
    serve::HostException e{row.host, row.wildcard, row.port, std::nullopt, nullptr, {}};
    if (!row.resolve.empty()) {
      const auto at = net::Endpoint::parse(row.resolve);
      if (!at) return fmt::format("upstream.hosts '{}': resolve: {}", row.pattern, at.error());
      e.fixed = *at;
    }
    if (!row.trust.empty()) {
      const auto own = net::Trust::file(row.trust);
      if (!own) return fmt::format("upstream.hosts '{}': trust: {}", row.pattern, own.error());
      e.trust = *own;
    }
    for (const std::string& text : row.addresses) {
      const auto range = net::Range::parse(text);
      if (!range) return fmt::format("upstream.hosts '{}': addresses: {}", row.pattern, range.error());
      e.ranges.push_back(*range);
    }
    rules.exceptions.push_back(std::move(e));
  }
  return {};
}

}  // namespace postern
