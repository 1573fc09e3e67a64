#include "config/destinations.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/catalog.hpp"
#include "config/decode.hpp"
#include "config/hosts.hpp"

namespace postern::config {
namespace {

class Freezer {
 public:
  Freezer(const Provider& provider, std::map<std::string, std::string> variables, Mistakes& mistakes)
      : provider_(provider), variables_(std::move(variables)), mistakes_(mistakes) {}

  std::optional<Frozen> run() {
    Frozen out;
    for (const HostPattern& pattern : provider_.hosts) {
      if (pattern.wildcard) continue;
      if (!freeze_each(pattern, out)) return std::nullopt;
    }
    if (out.destinations.empty() && provider_.base_url.empty()) return add("/config", "this config names no host");
    if (!freeze_base_url(out)) return std::nullopt;
    return out;
  }

 private:
  std::nullopt_t add(std::string pointer, std::string message) {
    mistakes_.add(Error{"", 0, 0, std::move(pointer), std::move(message)});
    return std::nullopt;
  }

  // A pattern over a list is one host for each of its texts; an optional list may be empty.
  bool freeze_each(const HostPattern& pattern, Frozen& out) {
    const auto parsed = Template::parse(pattern.host);
    const std::vector<std::string> names = parsed ? parsed->variables() : std::vector<std::string>{};
    const auto list = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
      const auto spec = provider_.fields.find(name);
      return spec != provider_.fields.end() && spec->second.list;
    });
    if (list == names.end()) return freeze_one(pattern, out);
    const std::string all = variables_[*list];
    bool fine = true;
    for (std::size_t at = 0; fine && at < all.size();) {
      const std::size_t end = std::min(all.find(',', at), all.size());
      variables_[*list] = all.substr(at, end - at);
      fine = freeze_one(pattern, out);
      at = end + 1;
    }
    variables_[*list] = all;
    return fine;
  }

  bool freeze_one(const HostPattern& pattern, Frozen& out) {
    auto host = freeze(pattern);
    if (host) add_destination(out.destinations, std::move(*host));
    return host.has_value();
  }

  std::optional<std::string_view> variable(std::string_view name) const {
    const auto found = variables_.find(std::string(name));
    if (found == variables_.end() || found->second.empty()) return std::nullopt;
    return found->second;
  }
  std::string expanded(const Template& text) const {
    return text.expand([this](std::string_view name) { return variable(name); }).value_or("");
  }

  // Each variable of a host fits its place before the whole is looked at: letters, digits and '-'; dots only where the
  // host ends in the variable and so must match a wildcard of the entry.
  bool host_safe(const Template& host) {
    bool safe = true;
    for (const auto& part : host.parts()) {
      if (part.arguments.empty()) continue;
      const std::string& name = part.arguments[0];
      const auto value = variable(name);
      const bool dots = ends_in_variable(host) && &part == &host.parts().back();
      const bool fits = value && value->size() <= 253 && std::all_of(value->begin(), value->end(), [&](char c) {
                          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                 c == '-' || (dots && c == '.');
                        });
      if (fits) continue;
      safe = false;
      add("/config/" + name, value ? fmt::format("'{}' becomes a part of the host name: letters, digits and '-' only{}",
                                                 name, dots ? ", labels separated by dots" : "")
                                   : fmt::format("'{}' is required: it is a part of the host name", name));
    }
    return safe;
  }

  bool matches_wildcard(const HostPattern& host) const {
    return std::any_of(provider_.hosts.begin(), provider_.hosts.end(), [&](const HostPattern& pattern) {
      return pattern.wildcard && pattern.port == host.port && under_suffix(host.host, pattern.host);
    });
  }

  std::optional<std::string> freeze_path(const std::string& text) {
    const auto path = Template::parse(text);
    if (!path || path->variables().empty()) return text;
    for (const std::string& name : path->variables())
      if (const auto value = variable(name); !value || value->find('/') != value->npos)
        return add("/config/" + name, fmt::format("'{}' becomes one segment of a path", name));
    const auto prefix = parse_path_prefix(expanded(*path));
    if (!prefix) return add("/config/" + path->variables().back(), prefix.error());
    return *prefix;
  }

  std::optional<HostPattern> freeze(const HostPattern& pattern) {
    HostPattern out = pattern;
    const auto host = Template::parse(pattern.host);
    if (host && !host->variables().empty()) {
      if (!host_safe(*host)) return std::nullopt;
      const std::string pointer = "/config/" + host->variables().back();
      const auto name = parse_name(expanded(*host));
      if (!name) return add(pointer, name.error());
      out.host = *name;
      if (ends_in_variable(*host) && !matches_wildcard(out))
        return add(pointer, fmt::format("'{}' is not a host of {}", out.host, provider_.id));
    }
    auto path = freeze_path(pattern.path_prefix);
    if (!path) return std::nullopt;
    out.path_prefix = std::move(*path);
    return out;
  }

  bool freeze_base_url(Frozen& out) {
    if (provider_.base_url.empty()) {
      out.base_url = url_of_host(out.destinations.front());
      return true;
    }
    constexpr std::size_t scheme = std::string_view("https://").size();
    const std::size_t slash = std::min(provider_.base_url.find('/', scheme), provider_.base_url.size());
    const auto authority = Template::parse(std::string_view(provider_.base_url).substr(0, slash));
    const auto host = authority ? host_of_url(expanded(*authority)) : std::nullopt;
    const auto path = freeze_path(provider_.base_url.substr(slash));
    if (!path) return false;
    if (!host) return add("/config", "base_url does not come out as a URL with this config"), false;
    // A base URL under a wildcard that no listed host names is this tenant's host as well.
    if (!holds_host(out.destinations, *host)) {
      if (!matches_wildcard(*host)) return add("/config", "base_url is not among the hosts with this config"), false;
      add_destination(out.destinations, *host);
    }
    out.base_url = url_of_host(*host) + *path;
    return true;
  }

  const Provider& provider_;
  std::map<std::string, std::string> variables_;
  Mistakes& mistakes_;
};

}  // namespace

std::optional<Frozen> freeze_destinations(const Provider& provider, const std::map<std::string, std::string>& variables,
                                          Mistakes& mistakes) {
  return Freezer(provider, variables, mistakes).run();
}

std::optional<HostPattern> host_of_url(std::string_view url) {
  if (!url.starts_with("https://")) return std::nullopt;
  url.remove_prefix(8);
  const auto parsed = parse_host_port(url.substr(0, url.find('/')), false);
  if (!parsed) return std::nullopt;
  HostPattern out;
  out.host = parsed->host;
  if (parsed->has_port) out.port = parsed->port;
  return out;
}

std::string url_of_host(const HostPattern& host) {
  const std::string text = join_host_port(host.host, host.port);
  return "https://" + (host.port == 443 ? text.substr(0, text.rfind(':')) : text);
}

bool holds_host(const std::vector<HostPattern>& destinations, const HostPattern& host) {
  return std::any_of(destinations.begin(), destinations.end(),
                     [&](const HostPattern& have) { return have.host == host.host && have.port == host.port; });
}

bool add_destination(std::vector<HostPattern>& destinations, HostPattern host) {
  for (const HostPattern& have : destinations)
    if (have.host == host.host && have.port == host.port && have.path_prefix == host.path_prefix) return false;
  destinations.push_back(std::move(host));
  return true;
}

namespace {

bool inside(const HostPattern& small, const HostPattern& large) {
  if (small.wildcard || large.wildcard || small.host != large.host || small.port != large.port) return false;
  const std::string& prefix = large.path_prefix;
  if (prefix.empty() || small.path_prefix == prefix) return true;
  // On a segment boundary: /v1 holds /v1/charges, not /v10.
  return small.path_prefix.starts_with(prefix) && (prefix.ends_with('/') || small.path_prefix[prefix.size()] == '/');
}

}  // namespace

std::vector<HostPattern> destinations_in_both(const std::vector<HostPattern>& one,
                                              const std::vector<HostPattern>& other) {
  std::vector<HostPattern> both;
  const auto add = [&](const HostPattern& host) {
    const bool there = std::any_of(both.begin(), both.end(), [&](const HostPattern& b) { return inside(host, b); });
    if (!there) both.push_back(host);
  };
  for (const HostPattern& a : one) {
    for (const HostPattern& b : other) {
      if (inside(a, b))
        add(a);
      else if (inside(b, a))
        add(b);
    }
  }
  return both;
}

bool destinations_within(const std::vector<HostPattern>& narrow, const std::vector<HostPattern>& wide) {
  return std::all_of(narrow.begin(), narrow.end(), [&](const HostPattern& small) {
    return std::any_of(wide.begin(), wide.end(), [&](const HostPattern& large) { return inside(small, large); });
  });
}

}  // namespace postern::config
