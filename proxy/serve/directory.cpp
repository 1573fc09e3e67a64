#include "proxy/serve/directory.hpp"

#include <algorithm>

#include "proxy/serve/load.hpp"
#include "proxy/wire/rewrite.hpp"

namespace postern::serve {

using observe::Counter;

namespace {

constexpr std::size_t kTokenPrefix = 4;  // "pst_"
constexpr std::size_t kPublicId = 12;

bool listed(const std::vector<std::string>& list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

Found<Known> for_caller(const Caller& caller, std::shared_ptr<Known> known) {
  if (!caller.may_use(*known)) return {};
  return {std::move(known), Trouble::none, {}};
}

// Whether `path` is `prefix` or lies below it.
bool lies_below(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

// The same where the prefix may end with '/', or be that alone and hold everything.
bool is_within(std::string_view path, std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return lies_below(path, prefix);
}

// Those that hold no other one: a text without any of them holds none at all.
std::vector<std::string_view> shortest(const std::vector<std::string_view>& masks) {
  std::vector<std::string_view> out;
  for (const std::string_view mask : masks) {
    if (mask.size() < wire::kShortestMasked) continue;
    if (std::any_of(out.begin(), out.end(), [&](auto other) { return mask.find(other) != mask.npos; })) continue;
    std::erase_if(out, [&](auto other) { return other.find(mask) != other.npos; });
    out.push_back(mask);
  }
  return out;
}

// What a lenient server makes of a path: lower case, '\\' is '/', parameters behind ';' and everything from the first
// blank or control character are cut off, empty and dot segments resolved.
std::string plainest_path(std::string_view path) {
  path = path.substr(
      0, std::size_t(std::find_if(path.begin(), path.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7f; }) -
                     path.begin()));
  std::vector<std::string> segments;
  std::string segment;
  bool parameter = false;
  const auto end_segment = [&] {
    if (segment == ".." && !segments.empty()) segments.pop_back();
    if (!segment.empty() && segment != "." && segment != "..") segments.push_back(segment);
    segment.clear();
    parameter = false;
  };
  for (const char c : path) {
    if (c == '/' || c == '\\') {
      end_segment();
    } else {
      parameter = parameter || c == ';';
      if (!parameter) segment += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
  }
  end_segment();
  std::string out;
  for (const std::string& one : segments) out += "/" + one;
  return out;
}

}  // namespace

std::shared_ptr<std::atomic<std::size_t>> Turns::of(const std::string& authorization) {
  constexpr std::size_t kSweep = 1024;
  const std::scoped_lock lock(mutex_);
  if (counters_.size() % kSweep == kSweep - 1)
    std::erase_if(counters_, [](const auto& row) { return row.second.expired(); });
  auto& known = counters_[authorization];
  if (auto counter = known.lock()) return counter;
  auto counter = std::make_shared<std::atomic<std::size_t>>(0);
  known = counter;
  return counter;
}

TokenAge TokenAge::of(const vault::Credential& credential, const grants::Sent& now, std::string_view id) {
  TokenAge age;
  age.generation = credential.generation;
  const std::optional<std::int64_t> left = grants::left_ms(credential, now);
  if (!left) return age;
  grants::Thresholds before;
  if (*left > 0) before = grants::thresholds(*credential.times->lifetime_ms, grants::jitter_of(id));
  const auto ends = [&](std::int64_t clock) {
    const std::int64_t over = clock + *left;
    return Ends{over - before.due_ms, over - before.forced_ms, over};
  };
  age.wall = ends(now.wall_ms);
  age.boot = ends(now.boot_ms);
  return age;
}

Trouble trouble_of(const vault::Error& error) {
  if (error.code == vault::Error::Code::not_found) return Trouble::unknown;
  return error.code == vault::Error::Code::invalid ? Trouble::broken : Trouble::vault;
}

const vault::Destination* Known::destination(std::string_view host, std::uint16_t port, std::string_view path) const {
  const auto at = std::find_if(meta.destinations.begin(), meta.destinations.end(), [&](const vault::Destination& d) {
    if (d.host != host || d.port != port) return false;
    return d.path_prefix.empty() || is_within(path, d.path_prefix);
  });
  return at == meta.destinations.end() ? nullptr : &*at;
}

bool Known::leads_to(std::string_view host, std::uint16_t port) const {
  return std::any_of(meta.destinations.begin(), meta.destinations.end(),
                     [&](const vault::Destination& d) { return d.host == host && d.port == port; });
}

bool Known::forbids(std::string_view host, std::string_view given) const {
  const bool here = std::any_of(forbidden.begin(), forbidden.end(), [&](const auto& f) { return f.first == host; });
  if (!here) return false;
  // Looked at as generously as any server might: as it stands and decoded up to three times, each as one of them could
  // take it. What is forwarded stays as it came, so that a path with %2F reaches the rest of the host.
  std::string path(given.substr(0, given.find('?')));
  for (int decoded = 0; decoded <= 3; ++decoded) {
    const std::string plain = plainest_path(path);
    for (const auto& [at, endpoint] : forbidden)
      if (at == host && lies_below(plain, endpoint)) return true;
    path = wire::percent_decode(path);
  }
  return false;
}

bool Known::passes(std::string_view lower_name) const {
  return listed(pass, lower_name);
}

std::string_view Caller::organization() const {
  return authorization.organization.empty() ? vault::kDefaultOrganization
                                            : std::string_view(authorization.organization);
}
std::string_view Caller::project() const {
  if (!home.empty()) return home;
  return authorization.project.empty() ? vault::kDefaultProject : std::string_view(authorization.project);
}
bool Caller::ends_with(std::string_view authorization_id) const {
  return authorization.id == authorization_id || listed(makers, authorization_id);
}
bool Caller::may_method(std::string_view method) const {
  return !authorization.methods || listed(*authorization.methods, method);
}
bool Caller::may_host(std::string_view host) const {
  return !authorization.hosts || listed(*authorization.hosts, host);
}
bool Caller::may_path(std::string_view path) const {
  const auto& paths = authorization.paths;
  return !paths ||
         std::any_of(paths->begin(), paths->end(), [&](const auto& prefix) { return is_within(path, prefix); });
}
std::optional<std::string_view> Caller::named(std::string_view reference) const {
  const auto at = std::find_if(permitted.begin(), permitted.end(),
                               [&](const auto& p) { return p.first == reference || p.second == reference; });
  if (at == permitted.end()) return std::nullopt;
  return at->second;
}
bool Caller::reaches(const vault::Connection& meta) const {
  return meta.scope == vault::Scope::organization || reach.contains(meta.project);
}
bool Caller::may_use(const Known& known) const {
  return reaches(known.meta) && (known.meta.scope != vault::Scope::personal || known.meta.owner == authorization.user);
}

Caller anybody() {
  Caller caller;
  caller.authorization.organization = vault::kDefaultOrganization;
  caller.authorization.project = vault::kDefaultProject;
  caller.authorization.capabilities = {std::string(kProxyCall)};
  caller.any_connection = true;
  caller.reach.projects = {std::string(vault::kDefaultProject)};
  return caller;
}

bool Forget::concerns(const Caller& caller) const {
  if (!id.empty()) return caller.ends_with(id);
  if (organization.empty()) return true;
  return caller.organization() == organization && (user.empty() || caller.authorization.user == user);
}

Directory::Directory(net::Worker& worker, net::Offload& offload, std::shared_ptr<Source> source, Bounds bounds)
    : worker_(worker),
      offload_(offload),
      source_(std::move(source)),
      round_length_(std::max(bounds.idle / Cache<Known>::kRounds, net::Millis(net::Ticker::kTickMs))),
      // What goes is dead from then on: forget() would not reach those who still hold it (a session, a call).
      known_(bounds.bytes - bounds.bytes / 4,
             [](Known& known) {
               known.live = false;
               for (const auto& route : known.routes) route->retire();
             }),
      callers_(bounds.bytes / 4, [](Caller& caller) { caller.live = false; }),
      round_(
          worker.ticker(), [](void* self) { static_cast<Directory*>(self)->next_round(); }, this),
      open_caller_(std::make_shared<Caller>(anybody())) {}

std::uint64_t Caller::next_serial() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void Directory::next_round() {
  known_.next_round();
  callers_.next_round();
  if (cached() != 0) round_.arm(round_length_);
}

net::Task<Found<Caller>> Directory::authenticate(std::string_view token) {
  if (!token.starts_with("pst_") || token.size() < kTokenPrefix + kPublicId) co_return Found<Caller>{};
  const std::string_view public_id = token.substr(kTokenPrefix, kPublicId);
  if (const auto* caller = callers_.find(public_id); caller != nullptr && (*caller)->token.equals(token)) {
    co_return Found<Caller>{*caller, Trouble::none, {}};
  }
  for (;;) {
    const std::uint64_t before = epoch_;
    vault::Secret copy(token);
    auto loaded =
        co_await offload_.run(worker_.context(), [&, source = source_] { return load_caller(*source, copy); });
    if (before != epoch_) continue;
    if (!loaded) {
      co_return Found<Caller>{nullptr, trouble_of(loaded.error()), loaded.error().message};
    }
    // Another request may have asked at the same time: one object, so that one forget() reaches every session.
    if (const auto* caller = callers_.find(loaded->authorization.public_id); caller != nullptr) {
      co_return Found<Caller>{*caller, Trouble::none, {}};
    }
    auto caller = std::make_shared<Caller>(std::move(*loaded));
    callers_.put(std::string(caller->authorization.public_id), caller, weight(*caller));
    if (!round_.armed()) round_.arm(round_length_);
    co_return Found<Caller>{std::move(caller), Trouble::none, {}};
  }
}

net::Soon<Found<Known>> Directory::find(const Caller& caller, std::string_view reference) {
  // An explicit list is looked at first and alone: foreign, unknown and deleted ids are one case, at one price.
  if (!caller.any_connection) {
    const auto named = caller.named(reference);
    if (!named) return Found<Known>{};
    reference = *named;
  }
  key_.assign(caller.organization()).append(1, '\n').append(caller.project()).append(1, '\n').append(reference);
  if (const auto* known = known_.find(key_); known != nullptr) {
    worker_.metrics().add(Counter::credential_cache_hits);
    return for_caller(caller, *known);
  }
  if (caller.roams() && vault::looks_like_id(reference)) {
    std::string wide(caller.organization());
    wide.append("\n\n").append(reference);
    if (const auto* known = known_.find(wide); known != nullptr) {
      worker_.metrics().add(Counter::credential_cache_hits);
      return for_caller(caller, *known);
    }
  }
  return look_up(caller, std::string(reference));
}

net::Task<Found<Known>> Directory::look_up(const Caller& caller, std::string ref) {
  worker_.metrics().add(Counter::credential_cache_misses);
  const std::string org(caller.organization()), proj(caller.project());
  const bool roams = caller.roams();
  std::string key = key_;
  for (;;) {
    const std::uint64_t before = epoch_;
    auto loaded = co_await offload_.run(
        worker_.context(), [&, source = source_] { return load_callable(*source, {org, proj}, roams, ref); });
    if (before != epoch_) continue;
    if (!loaded) {
      co_return Found<Known>{nullptr, trouble_of(loaded.error()), loaded.error().message};
    }
    // Of another project: its id is a name for whoever may call there, and for nobody else.
    const bool roamed = loaded->meta.project != proj && loaded->meta.scope != vault::Scope::organization;
    if (roamed) key = org + "\n\n" + loaded->meta.id;
    // The same connection may be known by another name already: one object, so that one forget() reaches all.
    const std::string id = loaded->meta.id;
    std::shared_ptr<Known> known;
    if (const auto* same = known_.find(id); same != nullptr && (*same)->meta.version == loaded->meta.version) {
      known = *same;
    } else {
      known = std::make_shared<Known>(std::move(*loaded));
      known_.put(id, known, weight(*known));
      if (!round_.armed()) round_.arm(round_length_);
    }
    known_.also(id, key);
    co_return for_caller(caller, std::move(known));
  }
}

net::Task<Trouble> Directory::obtain(Known& known, std::string& detail) {
  if (known.opened) co_return Trouble::none;
  auto prepared =
      co_await offload_.run(worker_.context(), [&, source = source_] { return load_injection(*source, known); });
  // Two waited for it: what the first has opened is in use by now, and stays where it is.
  if (known.opened) co_return Trouble::none;
  if (prepared) {
    known.opened = true;
    known.age = prepared->age;
    known.injection = std::move(prepared->injection);
    known.identity = std::move(prepared->identity);
    known.secrets = std::move(prepared->secrets);
    known.masks.clear();
    if (known.injection)
      for (const vault::Secret& secret : known.injection->masks()) known.masks.push_back(secret.expose());
    for (const vault::Secret& secret : known.secrets) known.masks.push_back(secret.expose());
    known.probes = shortest(known.masks);
    known_.grew(known.meta.id, &known, weight_of_injection(known));
    co_return Trouble::none;
  }
  // Rotated since it was read, though the news is still on its way: whoever looks again reads what it is now.
  if (prepared.error().code == vault::Error::Code::conflict) {
    known.live = false;
    known_.erase(known.meta.id);
  }
  detail = prepared.error().message;
  co_return trouble_of(prepared.error());
}

net::Task<std::vector<std::string>> Directory::choices(const Caller& caller, std::string host) {
  const std::string organization(caller.organization()), project(caller.project()), user = caller.authorization.user;
  std::vector<std::string> ids;
  for (const auto& [alias, id] : caller.permitted) ids.push_back(id);
  const bool any = caller.any_connection;
  co_return co_await offload_.run(worker_.context(), [&, source = source_] {
    return load_choices(*source, {organization, project}, any ? nullptr : &ids, user, host);
  });
}

void Directory::adopt(std::shared_ptr<Source> source) {
  source_ = std::move(source);
  forget({});
}

void Directory::forget(const Forget& what) {
  ++epoch_;
  if (what.authorization) {
    callers_.erase_if([&](const Caller& caller) { return what.concerns(caller); });
    return;
  }
  if (what.id.empty()) {
    known_.erase_if([](const Known&) { return true; });
  } else {
    known_.erase(what.id);
  }
  if (what.renewed) return;
  // Callers hold aliases and default hosts of the connections they list.
  callers_.erase_if([](const Caller&) { return true; });
}

}  // namespace postern::serve
