// One flight: all who need a new token of a connection wait for the same one.
#include <algorithm>

#include "proxy/observe/log.hpp"
#include "proxy/serve/signed_call.hpp"
#include "proxy/serve/token_service.hpp"

namespace postern::serve {
namespace {

using grants::Failure;
using Kind = Renewed::Kind;
using observe::Counter;

constexpr net::Millis kFirstSave{200}, kLastSave{5'000};
constexpr net::Millis kLookAfter{200};
constexpr std::int64_t kVaultPauseMs = 500;

bool may_heal(const Failure& failure) {
  return failure.kind == Failure::Kind::transient || failure.kind == Failure::Kind::malformed ||
         failure.kind == Failure::Kind::slow_down;
}

}  // namespace

TokenService::Flight::Flight(TokenService& owner, Asked what)
    : service(owner),
      asked(std::move(what)),
      patience(
          owner.worker_.ticker(),
          [](void* self) {
            auto* flight = static_cast<Flight*>(self);
            flight->service.out_of_patience(*flight);
          },
          this) {}

TokenService::State& TokenService::state(const std::string& id) {
  if (states_.size() >= kMostStates) {
    const std::int64_t now = net::monotonic_ms();
    std::erase_if(states_,
                  [&](const auto& row) { return row.second.next_ms <= now && row.second.forced.next_ms() <= now; });
    if (states_.size() >= kMostStates) states_.clear();
  }
  return states_[id];
}

void TokenService::ask(Asked asked, std::function<void(Renewed)> done) {
  const auto answer = [&](Renewed renewed) {
    if (done) done(std::move(renewed));
  };
  if (const auto flight = flights_.find(asked.key.id); flight != flights_.end())
    return join(*flight->second, std::move(done));
  if (stopping_) return answer({Kind::unavailable, 0, {}, "the process ends", 1'000});
  const auto known = states_.find(asked.key.id);
  const std::int64_t left = known == states_.end() ? 0 : known->second.next_ms - net::monotonic_ms();
  if (left > 0 && asked.why != Why::test) {
    Renewed last = known->second.last;
    last.retry_after_ms = left;
    return answer(std::move(last));
  }
  // Callers who provoke 401s do not even cost a look into the vault.
  if (asked.why == Why::refused && known != states_.end() && known->second.generation != 0 &&
      asked.generation >= known->second.generation && known->second.forced.next_ms() > net::monotonic_ms())
    return answer({Kind::limited, known->second.generation, {}, {}, 0});
  auto flight = std::make_shared<Flight>(*this, std::move(asked));
  flights_.emplace(flight->asked.key.id, flight);
  join(*flight, std::move(done));
  net::spawn(fly(std::move(flight)));
}

void TokenService::join(Flight& flight, std::function<void(Renewed)> done) {
  if (!done) return;
  if (flight.waiting.size() >= deps_.most_waiters) return done({Kind::in_progress, 0, {}, {}, 0});
  worker_.metrics().add(observe::Gauge::token_refreshes_waiting, 1);
  flight.waiting.push_back({std::move(done), net::monotonic_ms() + deps_.patience.count()});
  if (!flight.patience.armed()) flight.patience.arm(deps_.patience);
}

void TokenService::out_of_patience(Flight& flight) {
  const std::int64_t now = net::monotonic_ms();
  std::vector<Waiter> leaving;
  // They came one after the other.
  const auto stays = std::find_if(flight.waiting.begin(), flight.waiting.end(),
                                  [&](const Waiter& waiter) { return waiter.until > now; });
  leaving.assign(std::make_move_iterator(flight.waiting.begin()), std::make_move_iterator(stays));
  flight.waiting.erase(flight.waiting.begin(), stays);
  worker_.metrics().add(observe::Gauge::token_refreshes_waiting, -static_cast<std::int64_t>(leaving.size()));
  if (!flight.waiting.empty()) flight.patience.arm(net::Millis(flight.waiting.front().until - now));
  for (const Waiter& waiter : leaving) waiter.done({Kind::in_progress, 0, {}, {}, 0});
}

net::Task<void> TokenService::fly(std::shared_ptr<Flight> flight) {
  ++busy_;
  const Renewed outcome = co_await renew(flight->asked);
  land(flight, outcome);
  --busy_;
  end_if_idle();
}

void TokenService::land(const std::shared_ptr<Flight>& flight, const Renewed& outcome) {
  flights_.erase(flight->asked.key.id);
  flight->patience.disarm();
  worker_.metrics().add(observe::Gauge::token_refreshes_waiting, -static_cast<std::int64_t>(flight->waiting.size()));
  for (const Waiter& waiter : std::exchange(flight->waiting, {})) waiter.done(outcome);
  look_soon(kLookAfter);  // its time has changed
}

// Whether the endpoint may be asked now; nullopt: it may.
std::optional<Renewed> TokenService::may_ask(const Asked& asked, const Renewal& renewal) {
  const std::int64_t now = net::monotonic_ms();
  if (asked.why == Why::refused) {
    State& known = state(asked.key.id);
    known.generation = renewal.meta.generation;
    if (!known.forced.take(now)) return Renewed{Kind::limited, renewal.meta.generation, {}, {}, 0};
    if (rates_.size() >= kMostStates) rates_.clear();
    if (renewal.app && !rates_[renewal.app->id].take(now))
      return Renewed{Kind::limited, renewal.meta.generation, {}, {}, 0};
  }
  if (asked.why == Why::test) return std::nullopt;
  const auto breaker = breakers_.find(renewal.request.host + ':' + std::to_string(renewal.request.port));
  if (breaker == breakers_.end() || breaker->second.allows(now)) return std::nullopt;
  return Renewed{Kind::unavailable, renewal.meta.generation, "token_endpoint_unavailable",
                 "the token endpoint has failed for others just now", breaker->second.next_ms() - now};
}

net::Task<Renewed> TokenService::renew(const Asked& asked) {
  const auto vault_paused = [&](Renewed answer) {
    if (answer.kind == Kind::vault) {
      State& known = state(asked.key.id);
      known.next_ms = net::monotonic_ms() + kVaultPauseMs;
      known.last = answer;
    }
    return answer;
  };
  const auto source = rules_->source;
  auto prepared =
      co_await offload_.run(worker_.context(), [&] { return prepare(*deps_.vault, *source, asked, now_ms()); });
  if (!prepared) {
    // A status may have been set: what the workers know of it is old.
    if (prepared.error().kind == Kind::rejected && asked.why != Why::due)
      deps_.publish({false, asked.key.organization, asked.key.project, asked.key.id, true});
    co_return vault_paused(std::move(prepared.error()));
  }
  Renewal& renewal = *prepared;
  if (auto not_now = may_ask(asked, renewal)) co_return std::move(*not_now);
  auto not_begun = co_await offload_.run(worker_.context(), [&] { return begin(*deps_.vault, renewal, holder_); });
  if (not_begun) co_return vault_paused(std::move(*not_begun));
  if (breakers_.size() >= kMostStates) breakers_.clear();
  const std::string host = renewal.request.host + ':' + std::to_string(renewal.request.port);
  breakers_[host].began(net::monotonic_ms());
  if (state(asked.key.id).lost == renewal.meta.generation) renewal.lost = true;

  const auto transport = transport_;
  const grants::Sent sent = grants::moment(now_ms());
  const grants::Delivery delivery = co_await deliver(transport, std::move(renewal.request), sent.wall_ms);
  const grants::Reading reading{renewal.oauth->answer, sent.wall_ms, now_ms(), &renewal.values};
  auto result = grants::read_delivery(reading, delivery);
  count(result);
  grants::Breaker& breaker = breakers_[host];
  if (result || !may_heal(result.error())) {
    breaker.succeeded();
  } else {
    breaker.failed(net::monotonic_ms(), random(), result.error().retry_after_ms, asked.why != Why::refused);
    if (renewal.lost || (delivery.sent && delivery.fault != net::Fault::none))
      state(asked.key.id).lost = renewal.meta.generation;
  }
  if (result) co_return co_await keep(renewal, *result, sent);
  co_return co_await fail(asked, renewal, std::move(result.error()));
}

net::Task<Renewed> TokenService::keep(const Renewal& renewal, const grants::Tokens& tokens, grants::Sent sent) {
  State& known = state(renewal.meta.id);
  known.failures = 0;
  known.next_ms = 0;
  known.lost = 0;
  Fetched got = fetched(renewal, tokens, sent);
  const Written written =
      co_await offload_.run(worker_.context(), [&] { return write_tokens(*deps_.vault, got, false); });
  const std::uint64_t generation = renewal.meta.generation + 1;
  state(renewal.meta.id).generation = generation;
  if (written == Written::superseded) {
    publish(renewal.meta);
    co_return Renewed{Kind::current, 0, {}, {}, 0};
  }
  if (written == Written::not_yet) {
    rules_->source->unsaved().keep(renewal.meta.id, renewal.meta.generation, got.credential);
    observe::log_event(observe::Level::error, "token_not_written", "the disk; it is served from memory meanwhile",
                       {{"connection", renewal.meta.id}});
    net::spawn(save(std::move(got)));
  }
  publish(renewal.meta);
  co_return Renewed{Kind::renewed, generation, {}, {}, 0};
}

// The tokens are in memory alone: written as soon as the disk takes them.
net::Task<void> TokenService::save(Fetched got) {
  ++busy_;
  const std::string id = got.intent.connection;
  for (net::Millis pause = kFirstSave;; pause = std::min(pause * 2, kLastSave)) {
    co_await nap(pause);
    const Written written =
        co_await offload_.run(worker_.context(), [&] { return write_tokens(*deps_.vault, got, true); });
    if (written == Written::not_yet && !stopping_) continue;
    if (written == Written::not_yet)
      observe::log_event(observe::Level::error, "token_lost", "it could not be written before the end",
                         {{"connection", id}});
    break;
  }
  rules_->source->unsaved().drop(id);
  deps_.publish({false, got.intent.organization, got.intent.project, id, true});
  --busy_;
  end_if_idle();
}

net::Task<Renewed> TokenService::fail(const Asked& asked, Renewal& renewal, Failure failure) {
  State& known = state(renewal.meta.id);
  const std::int64_t pause = grants::backoff_ms(++known.failures, random(), failure.retry_after_ms);
  const std::int64_t now = now_ms();
  Renewed answer = co_await offload_.run(
      worker_.context(), [&] { return write_failure(*deps_.vault, renewal, failure, now, now + pause); });
  State& after = state(renewal.meta.id);
  if (answer.kind == Kind::unavailable || answer.kind == Kind::configuration) {
    after.next_ms = net::monotonic_ms() + pause;
    after.last = answer;
  }
  if (answer.kind != Kind::unavailable) publish(renewal.meta);
  observe::log_event(observe::Level::warn, "token_refresh_failed", answer.text,
                     {{"connection", asked.key.id}, {"kind", grants::to_string(failure.kind)}});
  co_return answer;
}

void TokenService::publish(const vault::Connection& meta) {
  deps_.publish({false, meta.organization, meta.project, meta.id, true});
}

void TokenService::count(const std::expected<grants::Tokens, Failure>& result) {
  Counter counter = Counter::token_requests_ok;
  if (!result) {
    counter = Counter::token_requests_failed;
    if (result.error().kind == Failure::Kind::client)
      counter = Counter::token_requests_client;
    else if (!may_heal(result.error()))
      counter = Counter::token_requests_rejected;
  }
  worker_.metrics().add(counter);
}

}  // namespace postern::serve
