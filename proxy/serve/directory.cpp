#include "proxy/serve/directory.hpp"

#include <algorithm>

#include "proxy/serve/load.hpp"
#include "proxy/wire/rewrite.hpp"

namespace postern::serve {

using observe::Counter;

namespace {

constexpr std::size_t kTokenPrefix = 4;  // "pst_"
constexpr std::size_t kPublicId = 12;

Trouble trouble_of(const vault::Error& error) {
  if (error.code == vault::Error::Code::not_found) return Trouble::unknown;
  return error.code == vault::Error::Code::invalid ? Trouble::broken : Trouble::vault;
}

bool listed(const std::vector<std::string>& list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

}  // namespace

std::shared_ptr<std::atomic<std::size_t>> Source::requests_of(const std::string& authorization) {
  constexpr std::size_t kSweep = 1024;
  const std::scoped_lock lock(counting_);
  if (requests_.size() % kSweep == kSweep - 1)
    std::erase_if(requests_, [](const auto& row) { return row.second.expired(); });
  auto& known = requests_[authorization];
  if (auto counter = known.lock()) return counter;
  auto counter = std::make_shared<std::atomic<std::size_t>>(0);
  known = counter;
  return counter;
}

bool Known::reaches(std::string_view host, std::uint16_t port, std::string_view path) const {
  return std::any_of(meta.destinations.begin(), meta.destinations.end(), [&](const vault::Destination& d) {
    if (d.host != host || d.port != port) return false;
    if (d.path_prefix.empty() || d.path_prefix == "/") return true;
    std::string_view prefix = d.path_prefix;
    if (prefix.back() == '/') prefix.remove_suffix(1);
    return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
  });
}

bool Known::forbids(std::string_view host, std::string_view given) const {
  if (forbidden.empty()) return false;
  // Looked at as generously as any server might: decoded, in any case, up to the first blank or control character.
  std::string path = wire::percent_decode(given);
  const auto end = std::find_if(path.begin(), path.end(), [](unsigned char c) { return c <= 0x20; });
  path.erase(end, path.end());
  for (char& c : path) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return std::any_of(forbidden.begin(), forbidden.end(), [&](const auto& f) {
    return f.first == host && path.starts_with(f.second) &&
           (path.size() == f.second.size() || path[f.second.size()] == '/');
  });
}

bool Known::passes(std::string_view lower_name) const {
  return listed(pass, lower_name);
}

std::string_view Caller::organization() const {
  return authorization.organization.empty() ? vault::kDefaultOrganization
                                            : std::string_view(authorization.organization);
}
std::string_view Caller::project() const {
  return authorization.project.empty() ? vault::kDefaultProject : std::string_view(authorization.project);
}
bool Caller::may(std::string_view capability) const {
  return listed(authorization.capabilities, "*") || listed(authorization.capabilities, capability);
}
bool Caller::may_method(std::string_view method) const {
  return !authorization.methods || listed(*authorization.methods, method);
}
bool Caller::may_host(std::string_view host) const {
  return !authorization.hosts || listed(*authorization.hosts, host);
}

Directory::Directory(net::Worker& worker, net::Offload& offload, std::shared_ptr<Source> source, std::size_t max)
    : worker_(worker),
      offload_(offload),
      source_(std::move(source)),
      max_(max),
      open_caller_(std::make_shared<Caller>()) {
  open_caller_->authorization.organization = vault::kDefaultOrganization;
  open_caller_->authorization.project = vault::kDefaultProject;
  open_caller_->authorization.capabilities = {"proxy:call"};
  open_caller_->any_connection = true;
}

// What is dead goes first; if that is not enough, half of the rest: a miss costs a read of the store, nothing more.
// What goes is dead from then on: forget() would not reach those who still hold it (a session, the other map).
template <class T>
void Directory::bound(Map<T>& map) {
  if (map.size() < max_) return;
  std::erase_if(map, [](const auto& row) { return !row.second->live; });
  for (auto at = map.begin(); map.size() > max_ / 2 && at != map.end();) {
    at->second->live = false;
    at = map.erase(at);
  }
}

net::Task<Found<Caller>> Directory::authenticate(std::string_view token) {
  if (!token.starts_with("pst_") || token.size() < kTokenPrefix + kPublicId) co_return Found<Caller>{};
  const std::string_view public_id = token.substr(kTokenPrefix, kPublicId);
  if (const auto at = callers_.find(public_id);
      at != callers_.end() && at->second->live && at->second->token.equals(token)) {
    co_return Found<Caller>{at->second, Trouble::none, {}};
  }
  for (;;) {
    const std::uint64_t before = epoch_;
    vault::Secret copy(token);
    auto loaded = co_await offload_.run(worker_.context(), [&] { return load_caller(*source_, copy); });
    if (before != epoch_) continue;
    if (!loaded) {
      co_return Found<Caller>{nullptr, trouble_of(loaded.error()), loaded.error().message};
    }
    // Another request may have asked at the same time: one object, so that one forget() reaches every session.
    if (const auto at = callers_.find(loaded->authorization.public_id); at != callers_.end()) {
      if (at->second->live) co_return Found<Caller>{at->second, Trouble::none, {}};
      callers_.erase(at);
    }
    auto caller = std::make_shared<Caller>(std::move(*loaded));
    bound(callers_);
    callers_.insert_or_assign(std::string(caller->authorization.public_id), caller);
    co_return Found<Caller>{std::move(caller), Trouble::none, {}};
  }
}

net::Task<Found<Known>> Directory::find(const Caller& caller, std::string_view reference) {
  // An explicit list is looked at first and alone: foreign, unknown and deleted ids are one case, at one price.
  if (!caller.any_connection) {
    const auto at = std::find_if(caller.permitted.begin(), caller.permitted.end(),
                                 [&](const auto& p) { return p.first == reference || p.second == reference; });
    if (at == caller.permitted.end()) co_return Found<Known>{};
    reference = at->second;
  }
  Found<Known> found = co_await look_up(caller.organization(), caller.project(), reference);
  if (found.value && found.value->meta.scope == vault::Scope::personal &&
      found.value->meta.owner != caller.authorization.user) {
    co_return Found<Known>{};
  }
  co_return found;
}

net::Task<Found<Known>> Directory::look_up(std::string_view organization, std::string_view project,
                                           std::string_view reference) {
  key_.assign(organization).append(1, '\n').append(project).append(1, '\n').append(reference);
  if (const auto at = by_reference_.find(key_); at != by_reference_.end()) {
    if (at->second->live) {
      worker_.metrics().add(Counter::credential_cache_hits);
      co_return Found<Known>{at->second, Trouble::none, {}};
    }
    by_reference_.erase(at);
  }
  worker_.metrics().add(Counter::credential_cache_misses);
  const std::string key = key_, org(organization), proj(project), ref(reference);
  for (;;) {
    const std::uint64_t before = epoch_;
    auto loaded = co_await offload_.run(worker_.context(), [&] { return load_connection(*source_, {org, proj}, ref); });
    if (before != epoch_) continue;
    if (!loaded) {
      co_return Found<Known>{nullptr, trouble_of(loaded.error()), loaded.error().message};
    }
    bound(by_id_);
    bound(by_reference_);
    // The same connection may be known by another name already: one object, so that one forget() reaches all.
    std::shared_ptr<Known>& known = by_id_[loaded->meta.id];
    if (!known || !known->live || known->meta.version != loaded->meta.version) {
      if (known) known->live = false;
      known = std::make_shared<Known>(std::move(*loaded));
    }
    std::shared_ptr<Known> result = known;
    by_reference_.insert_or_assign(key, result);
    co_return Found<Known>{std::move(result), Trouble::none, {}};
  }
}

net::Task<Trouble> Directory::obtain(Known& known, std::string& detail) {
  if (known.injection) co_return Trouble::none;
  auto prepared = co_await offload_.run(worker_.context(), [&] { return load_injection(*source_, known); });
  if (prepared) {
    known.injection = std::move(prepared->injection);
    known.secrets = std::move(prepared->secrets);
    known.masks.clear();
    for (const vault::Secret& secret : known.injection->masks()) known.masks.push_back(secret.expose());
    for (const vault::Secret& secret : known.secrets) known.masks.push_back(secret.expose());
    co_return Trouble::none;
  }
  detail = prepared.error().message;
  co_return trouble_of(prepared.error());
}

net::Task<std::vector<std::string>> Directory::choices(const Caller& caller, std::string host) {
  const std::string organization(caller.organization()), project(caller.project()), user = caller.authorization.user;
  std::vector<std::string> ids;
  for (const auto& [alias, id] : caller.permitted) ids.push_back(id);
  const bool any = caller.any_connection;
  co_return co_await offload_.run(worker_.context(), [&] {
    return load_choices(*source_, {organization, project}, any ? nullptr : &ids, user, host);
  });
}

void Directory::forget(const Forget& what) {
  ++epoch_;
  if (what.authorization) {
    std::erase_if(callers_, [&](const auto& row) {
      if (!what.id.empty() && row.second->authorization.id != what.id) return false;
      row.second->live = false;
      return true;
    });
    return;
  }
  std::erase_if(by_id_, [&](const auto& row) {
    if (!what.id.empty() && row.first != what.id) return false;
    row.second->live = false;
    return true;
  });
  // Callers hold aliases and default hosts of the connections they list.
  std::erase_if(callers_, [&](const auto& row) {
    row.second->live = false;
    return true;
  });
}

}  // namespace postern::serve
