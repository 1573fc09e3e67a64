#include "proxy/serve/service.hpp"

#include <algorithm>
#include <random>

#include "proxy/observe/log.hpp"
#include "proxy/serve/call.hpp"

namespace postern::serve {

namespace {

constexpr std::int64_t kHalfClosedMs = 5'000;  // a caller that only ended its writing still gets a quick answer
constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";

// With a project: only what is called in it, or from it.
bool ends(const Forget& what, const Call& call) {
  if (!what.concerns(*call.caller)) return false;
  if (!what.id.empty() || what.project.empty()) return true;
  return call.caller->project() == what.project || (call.connection && call.connection->meta.project == what.project);
}

bool runs_on(const Call& call, const std::string& connection_id) {
  return call.connection ? call.connection->meta.id == connection_id
                         : !connection_id.empty() && call.connection_id == connection_id;
}

bool ends_with_host(std::string_view host, std::string_view suffix) {
  return host.size() > suffix.size() && host.ends_with(suffix);
}

const config::HostRule* rule_for(const std::vector<config::HostRule>& rules, std::string_view host,
                                 std::uint16_t port) {
  const auto at = std::find_if(rules.begin(), rules.end(), [&](const config::HostRule& rule) {
    return rule.port == port && (rule.wildcard ? ends_with_host(host, rule.host) : rule.host == host);
  });
  return at == rules.end() ? nullptr : &*at;
}

}  // namespace

void Call::reset(Session& s) {
  session = &s;
  head.reset();
  target.reset();
  tunnel = nullptr;
  outer = nullptr;
  passing = nullptr;
  connection_id.clear();
  carried_in = carried_out = 0;
  tunnel_kind = "";
  path_kept.clear();
  request_id.clear();
  silent = base_mode = answered = collected = chunked = upgrades = masks_answer = interim_sent = answer_started =
      ended = aborted = reused = false;
  proofs.clear();
  caller.reset();
  connection.reset();
  route.reset();
  reference.clear();
  token_field = path_prefix = {};
  if (answering.serial != 0) answering = {};
  asked = 0;
  if (!collected_body.empty()) vault::wipe(collected_body);
  if (!out.empty()) vault::wipe(out);
  changes.clear();
  exchange.reset();
  resent.reset();
  spilled.reset();
  answer_head.clear();
  half_closed_since = 0;
  status = 0;
  code = "";
  upstream_head_us = 0;
}

bool Call::idempotent() const noexcept {
  const std::string_view m = head.method;
  return m == "GET" || m == "HEAD" || m == "OPTIONS" || m == "PUT" || m == "DELETE";
}

bool Call::keep_alive() const noexcept {
  return session->open && head.keep_alive && !service().draining();
}

void Call::end() {
  ended = true;
  if (exchange && exchange->open()) exchange->cancel();
  if (passing != nullptr) passing->socket().cancel();
  if (waiting != nullptr) waiting->give_up();
  client().socket().cancel();
}

Service::Service(net::Worker& worker, std::shared_ptr<const Common> common, std::shared_ptr<const Rules> rules)
    : worker_(worker),
      common_(std::move(common)),
      rules_(std::move(rules)),
      directory_(worker, *common_->vault_offload, rules_->source,
                 {settings().cache_size / settings().workers, settings().cache_idle}),
      resolver_(worker, *common_->dns_offload),
      pool_(worker, common_->addresses, settings().pool_max_idle, settings().timeouts.pool_idle),
      network_{worker, resolver_, pool_, common_->addresses},
      round_(
          worker.ticker(), [](void* self) { static_cast<Service*>(self)->round(); }, this),
      log_(
          worker.ticker(), [](void*) { observe::hand_over_access_lines(); }, nullptr),
      today_(Noted::day_of(common_->now_ms())) {
  std::random_device random;
  request_id_ = "req_" + std::string(20, kDigits[0]);
  for (std::size_t i = 4; i < 14; ++i) request_id_[i] = kDigits[random() & 31];
}

Service::~Service() {
  observe::hand_over_access_lines();
}

// A request that has just begun holds next to nothing and may come to hold a buffer: a burst must not be let in for
// that.
std::uint64_t Service::memory() const noexcept {
  return std::max<std::uint64_t>(worker_.buffers().held(), under_way() * net::kBufferSize) + bodies_;
}

std::uint64_t share_of_memory(const config::Settings& settings) {
  return std::max<std::uint64_t>(settings.buffered_max / settings.workers, 1 << 20);
}

bool Service::overloaded(const config::Settings& settings) const noexcept {
  if (settings.requests_max && under_way() > (*settings.requests_max + settings.workers - 1) / settings.workers)
    return true;
  return memory() > share_of_memory(settings);
}

bool Service::hold(Call& call, std::size_t bytes) noexcept {
  if (memory() + bytes > share_of_memory(call.settings())) return false;
  bodies_ += bytes;
  call.held += bytes;
  return true;
}

void Service::let_go(Call& call, std::size_t bytes) noexcept {
  bodies_ -= bytes;
  call.held -= bytes;
}

std::string_view Service::next_request_id() {
  // The last ten characters count in base 32; the rest is this worker's and stays.
  constexpr std::size_t kPrefix = 14;
  std::size_t at = kPrefix + 9;
  for (std::uint64_t low = ++request_count_; low != 0 && at >= kPrefix; --at, low >>= 5)
    request_id_[at] = kDigits[low & 31];
  return request_id_;
}

void Service::tell_use(Call& call) {
  Known& known = *call.connection;
  if (common_->noted != nullptr) {
    common_->noted->use(call.caller->authorization, known.meta, call.target.host, call.request_id, common_->now_ms());
  }
  if (known.route.get() != call.route.get()) return;
  known.noted_caller = call.caller->serial;
  known.noted_day = today_;
}

void Service::tell_denial(const Call& call) {
  if (common_->noted == nullptr) return;
  common_->noted->denial(call.caller ? &call.caller->authorization : nullptr, call.code, common_->now_ms());
}

net::ExchangeTimeouts exchange_timeouts(const config::Settings& settings) {
  const config::Timeouts& t = settings.timeouts;
  return {{t.dns, t.connect, t.tls}, t.head, t.stream_idle};
}

const config::HostRule* egress_rule(const config::Settings& settings, std::string_view host, std::uint16_t port) {
  return rule_for(settings.egress_allow, host, port);
}

bool egress_allows(const config::Settings& settings, std::string_view host, std::uint16_t port) {
  return settings.egress_allow_by_default || egress_rule(settings, host, port) != nullptr;
}

bool intercepts(const config::Settings& settings, std::string_view host, std::uint16_t port) {
  return rule_for(settings.intercept_hosts, host, port) != nullptr;
}

bool is_own_host(const Common& common, std::string_view host, std::uint16_t port) {
  const std::uint16_t wanted = port == 0 ? 80 : port;
  return std::any_of(common.listeners.begin(), common.listeners.end(), [&](const net::Endpoint& listener) {
    if (listener.port() != wanted) return false;
    const std::string address = listener.address();
    const bool wildcard = address == "0.0.0.0" || address == "::";
    if (host == address || host == "localhost") return true;
    // An address cannot be re-bound by DNS, so any of ours will do for a wildcard listener; a name could.
    const std::string literal =
        host.find(':') != std::string_view::npos ? "[" + std::string(host) + "]:1" : std::string(host) + ":1";
    return (wildcard || address == "127.0.0.1" || address == "::1") && net::Endpoint::parse(literal).has_value() &&
           (wildcard || net::classify(*net::Endpoint::parse(literal)) == net::AddressClass::loopback);
  });
}

bool is_ip_literal(std::string_view host) noexcept {
  return host.find(':') != std::string_view::npos || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

net::Destination destination_of(const Rules& rules, const std::string& host, std::uint16_t port, bool ip_literal) {
  net::Destination to;
  to.host = host;
  to.port = port;
  to.ip_literal = ip_literal;
  to.authority = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  if (port != 443) to.authority += ":" + std::to_string(port);
  to.trust = rules.trust;
  const HostException* best = nullptr;
  for (const HostException& e : rules.exceptions) {
    if (e.port != port || !(e.wildcard ? ends_with_host(host, e.host) : e.host == host)) continue;
    // The exact name wins, then the longest suffix.
    if (best == nullptr || (best->wildcard && (!e.wildcard || e.host.size() > best->host.size()))) best = &e;
  }
  if (best != nullptr) {
    to.fixed = best->fixed;
    to.exceptions = best->ranges;
    if (best->trust) to.trust = best->trust;
  }
  to.session_key = host + ":" + std::to_string(port) + "/" + std::to_string(to.trust->serial());
  return to;
}

std::shared_ptr<net::Route> Service::route(const Rules& rules, std::string_view tag, const std::string& host,
                                           std::uint16_t port, bool ip_literal) {
  const auto make = [&] { return destination_of(rules, host, port, ip_literal); };
  // A call that began before a reload dials by its own rules, and leaves nothing behind for those that came after it.
  if (&rules != rules_.get()) return std::make_shared<net::Route>(make(), false);
  key_.assign(tag).append(1, '\n').append(host).append(1, '\n').append(std::to_string(port));
  return pool_.route(key_, make);
}

void Service::forget(const Forget& what, bool ended) {
  directory_.forget(what);
  if (!what.authorization && !what.renewed) pool_.drop_retired();
  if (!ended) return;
  for (Call* call : active_) {
    const bool same = what.authorization ? call->caller && ends(what, *call) : runs_on(*call, what.id);
    if (same) call->end();
  }
}

void Service::adopt(std::shared_ptr<const Rules> rules) {
  retired_.push_back(std::exchange(rules_, std::move(rules)));
  drop_retired();
  pool_.set_limits(settings().pool_max_idle, settings().timeouts.pool_idle);
  pool_.clear();
  directory_.adopt(rules_->source);
}

void Service::use_authority(std::shared_ptr<const vault::Authority> authority,
                            std::shared_ptr<const net::Issuer> issuer) {
  authority_ = std::move(authority);
  leaves_.use(std::move(issuer));
}

void Service::drop_retired() {
  std::erase_if(retired_, [&](const auto& old) {
    return std::none_of(active_.begin(), active_.end(), [&](const Call* call) { return call->rules == old.get(); });
  });
}

// Running calls whose authorization has expired or whose caller is gone come to an end within a round.
void Service::round() {
  const std::int64_t now = common_->now_ms(), mono = net::monotonic_ms();
  today_ = Noted::day_of(now);
  for (Call* call : active_) {
    const bool expired =
        call->caller && call->caller->authorization.expires != 0 && now >= call->caller->authorization.expires;
    if (expired && !call->ended) call->end();
    if ((!call->exchange && call->waiting == nullptr) || !call->body.ended() || call->ended) continue;
    if (call->tunnel_kind[0] != '\0') continue;  // a WebSocket passes the end of the caller's writing on
    const net::Io io = call->client().socket().is_open() ? call->client().socket().peer() : net::Io::failed;
    if (io == net::Io::closed) {
      if (call->half_closed_since == 0) call->half_closed_since = mono;
      if (mono - call->half_closed_since >= kHalfClosedMs) call->end();
    } else if (io == net::Io::failed) {
      call->end();
    }
  }
  if (!retired_.empty()) drop_retired();
  if (!active_.empty()) round_.arm(kRound);
}

void Service::drain(std::function<void()> drained) {
  draining_ = true;
  if (sessions_.empty()) {
    worker_.post(std::move(drained));
    return;
  }
  drained_ = std::move(drained);
  for (Session* session : sessions_) {
    if (session->idle) session->client.socket().cancel();
  }
}

void Service::abort_all() {
  for (Session* session : sessions_) {
    session->client.socket().cancel();
    for (Call* call = session->call; call != nullptr; call = call->outer) call->end();
  }
}

}  // namespace postern::serve
