#include "proxy/cli/offline_doctor_ca.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "config/hosts.hpp"
#include "vault/authority.hpp"

namespace postern::cli::offline {
namespace {

constexpr const char* kName = "interception";
constexpr std::int64_t kSoon = std::int64_t{30} * 86'400;

// The hosts of intercept.hosts that a leaf of this CA would not be believed for.
std::string outside(const config::Settings& settings, const vault::Authority& ca) {
  std::string out;
  for (const config::HostRule& rule : settings.intercept_hosts) {
    if (ca.permits(rule.wildcard ? rule.host.substr(1) : rule.host)) continue;
    out += fmt::format("{}{}{}", out.empty() ? "" : ", ", rule.wildcard ? "*" : "", rule.host);
  }
  return out;
}

}  // namespace

Check check_interception(const config::Settings& settings, const std::optional<std::string>& ca, std::int64_t now) {
  const std::size_t hosts = settings.intercept_hosts.size();
  if (hosts == 0) return well(kName, "off: intercept.hosts names no host");
  const std::string opted = fmt::format("{} host{} of intercept.hosts", hosts, hosts == 1 ? "" : "s");
  if (!ca)
    return {kName, Health::warn, fmt::format("{}; whether there is a local CA is not known", opted),
            "start the daemon, and look again"};
  if (ca->empty())
    return {kName, Health::fail, fmt::format("{}, and no local CA: their tunnels are refused", opted),
            "postern ca create"};
  const auto opened = vault::Authority::look(*ca);
  if (!opened) return {kName, Health::fail, opened.error().message, "postern ca rotate"};
  const vault::Authority& authority = **opened;
  const std::string until = fmt::format("{:%Y-%m-%d}", fmt::gmtime(static_cast<std::time_t>(authority.not_after())));
  if (const std::string names = outside(settings, authority); !names.empty())
    return {kName, Health::fail, fmt::format("the local CA is not for {}: their tunnels are refused", names),
            "postern ca rotate, and let callers trust the new one (postern ca trust)"};
  if (!authority.valid_at(now))
    return {kName, Health::fail, fmt::format("the local CA is valid until {}, and not now", until),
            "set the clock, or postern ca rotate and let callers trust the new one (postern ca trust)"};
  if (!authority.valid_at(now + kSoon))
    return {kName, Health::warn, fmt::format("the local CA ends on {}", until),
            "postern ca rotate, and let callers trust the new one (postern ca trust)"};
  return well(kName, fmt::format("{}; the local CA is for them, until {}", opted, until));
}

}  // namespace postern::cli::offline
