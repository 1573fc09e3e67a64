#include "config/authority_names.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace postern::config {

HostResult<std::string> parse_authority_name(std::string_view text) {
  auto parsed = parse_host_port(text, true);
  if (!parsed) return std::unexpected(parsed.error());
  if (parsed->has_port) return std::unexpected(fmt::format("'{}': a certificate knows no ports", text));
  std::string name = parsed->wildcard ? parsed->host.substr(1) : std::move(parsed->host);
  if (!parsed->ip && is_public_suffix(name))
    return std::unexpected(fmt::format("'{}': the CA would hold for whatever is registered below it", text));
  return name;
}

std::vector<std::string> least_names(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  std::vector<std::string> out;
  for (const std::string& name : names) {
    const bool address = parse_address(name).has_value();
    const bool covered = !address && std::ranges::any_of(names, [&](const std::string& other) {
      return under_suffix(name, "." + other);
    });
    if (!covered) out.push_back(name);
  }
  return out;
}

std::vector<std::string> authority_names(const Settings& settings, const std::vector<std::string>& hosts) {
  std::vector<std::string> names{std::string(kInternalSuffix)};
  const auto add = [&](std::string_view host) {
    if (auto name = parse_authority_name(host)) names.push_back(std::move(*name));
  };
  for (const HostRule& rule : settings.intercept_hosts) add(rule.wildcard ? rule.host.substr(1) : rule.host);
  for (const std::string& host : hosts) add(host);
  return least_names(std::move(names));
}

}  // namespace postern::config
