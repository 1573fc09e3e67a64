// A caller as requests need it: what it may use, where, and what it is left to choose from.
#include <algorithm>

#include "proxy/serve/load.hpp"

namespace postern::serve {
namespace {

bool has_host(const vault::Connection& meta, std::string_view host) {
  return std::any_of(meta.destinations.begin(), meta.destinations.end(), [&](const auto& d) { return d.host == host; });
}

}  // namespace

vault::Result<Known> load_callable(const Source& source, vault::Space home, bool roams, const std::string& reference) {
  auto known = load_connection(source, home, reference);
  if (known || !roams || known.error().code != vault::Error::Code::not_found) return known;
  return load_connection(source, {home.organization, {}}, reference);
}

namespace {

// What it stands on, and where it may call as its user's roles are now.
vault::Result<void> take_standing(const Source& source, Caller& caller) {
  vault::Authorization& a = caller.authorization;
  const auto standing = vault::standing_of(source.vault(), a, source.now_ms());
  if (!standing) return std::unexpected(standing.error());
  a.expires = standing->expires;
  for (const vault::Authorization& maker : standing->makers) caller.makers.push_back(maker.id);
  caller.budgets = source.budgets().of(a, standing->makers);
  caller.reach = vault::reach(a, standing->user ? &*standing->user : nullptr, kProxyCall);
  const bool some = !caller.reach.every && !caller.reach.projects.empty();
  if (some && !caller.reach.contains(caller.project())) caller.home = caller.reach.projects.front();
  return {};
}

}  // namespace

vault::Result<Caller> load_caller(const Source& source, const vault::Secret& token) {
  auto authorization = source.vault().authenticate(token.expose());
  if (!authorization) return std::unexpected(authorization.error());
  auto caller = caller_of(source, std::move(*authorization));
  if (!caller) return caller;
  caller->token = token.clone();
  caller->under_way = source.turns().of(caller->authorization.id);
  return caller;
}

vault::Result<Caller> caller_of(const Source& source, vault::Authorization authorization) {
  Caller caller;
  caller.authorization = std::move(authorization);
  if (auto taken = take_standing(source, caller); !taken) return std::unexpected(taken.error());
  const vault::Authorization& a = caller.authorization;
  caller.any_connection = a.connections.size() == 1 && a.connections.front() == "*";
  const vault::Space space{caller.organization(), caller.project()};
  std::vector<Known> loaded;
  if (!caller.any_connection) {
    for (const std::string& id : a.connections) {
      auto known = load_callable(source, space, caller.roams(), id);
      if (!known) continue;  // deleted since: simply no longer permitted
      const vault::Connection& meta = known->meta;
      if (!caller.reaches(meta)) continue;
      // An alias is a name in its own project only.
      const bool at_home = meta.project == caller.project() || meta.scope == vault::Scope::organization;
      caller.permitted.emplace_back(at_home ? meta.alias : meta.id, meta.id);
      loaded.push_back(std::move(*known));
    }
  }
  for (const std::string& entry : a.default_for) {
    const auto split = entry.find(' ');
    if (split != std::string::npos) {
      caller.default_for.emplace_back(entry.substr(split + 1), entry.substr(0, split));
      continue;
    }
    if (caller.any_connection) {
      for (const std::string& alias : load_choices(source, space, nullptr, a.user, entry))
        caller.default_for.emplace_back(entry, alias);
    }
    for (const Known& known : loaded) {
      if (has_host(known.meta, entry)) caller.default_for.emplace_back(entry, known.meta.id);
    }
  }
  return caller;
}

std::vector<std::string> load_choices(const Source& source, vault::Space space, const std::vector<std::string>* ids,
                                      const std::string& user, const std::string& host) {
  constexpr std::size_t kMost = 20, kLookAt = 1000;
  std::vector<std::string> found;
  const auto consider = [&](const vault::Connection& meta) {
    if (found.size() >= kMost || !meta.enabled || !has_host(meta, host)) return;
    if (meta.scope == vault::Scope::personal && meta.owner != user) return;
    found.push_back(meta.alias.empty() ? meta.id : meta.alias);
  };
  if (ids != nullptr) {
    for (const std::string& id : *ids) {
      if (const auto known = load_connection(source, space, id)) consider(known->meta);
    }
    return found;
  }
  const auto declared = source.declared();
  for (const auto& d : *declared)
    if (d->meta.organization == space.organization && d->meta.project == space.project) consider(d->meta);
  vault::ConnectionQuery query;
  query.organization = space.organization;
  query.project = space.project;
  query.host = host;
  for (std::size_t looked = 0; looked < kLookAt && found.size() < kMost; looked += query.limit) {
    const auto page = source.vault().list_connections(query);
    if (!page) break;
    for (const auto& meta : page->data) consider(meta);
    if (!page->has_more || page->data.empty()) break;
    query.after = page->data.back().id;
  }
  return found;
}

}  // namespace postern::serve
