#include "proxy/serve/token_service.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "proxy/serve/signed_call.hpp"

namespace postern::serve {
namespace {

constexpr net::Millis kLongestLook{30'000};  // between two looks at what is due
constexpr std::int64_t kSkippedMs = 3'600'000, kNotDueMs = 60'000;

ConnectionKey key_of(const vault::Connection& meta) {
  return {meta.organization, meta.project, meta.id};
}

}  // namespace

TokenService::TokenService(observe::Metrics& metrics, Deps deps, std::shared_ptr<const Rules> rules)
    : deps_(std::move(deps)),
      rules_(std::move(rules)),
      holder_(fmt::format("{}@{}", vault::new_id("run"), ::getpid())),
      worker_(metrics),
      resolver_(worker_, *deps_.common->dns_offload),
      pool_(worker_, deps_.common->addresses, 0, net::Millis(0)),
      network_{worker_, resolver_, pool_, deps_.common->addresses},
      transport_(make_transport()),
      look_(worker_.ticker(), [](void* self) { net::spawn(static_cast<TokenService*>(self)->look_ahead()); }, this) {}

TokenService::~TokenService() {
  stop();
}

std::shared_ptr<grants::TokenTransport> TokenService::make_transport() {
  if (deps_.transport) return deps_.transport(worker_);
  // A call keeps the rules that it began with.
  const auto route = [rules = rules_](const std::string& host, std::uint16_t port) {
    return std::make_shared<net::Route>(destination_of(*rules, host, port, is_ip_literal(host)), false);
  };
  return std::make_shared<grants::UpstreamTransport>(network_, route, exchange_timeouts(*rules_->settings).dial);
}

void TokenService::post(std::function<void()> f) {
  worker_.post(std::move(f));
}

void TokenService::start() {
  thread_ = std::thread([this] { worker_.run(); });
  post([this] {
    quiet_ = false;
    net::spawn(take_over());
  });
}

void TokenService::adopt(std::shared_ptr<const Rules> rules) {
  post([this, rules = std::move(rules)] {
    rules_ = rules;
    transport_ = make_transport();
    states_.clear();  // the trouble may have been in the settings
    breakers_.clear();
    look_soon(net::Millis(0));
  });
}

void TokenService::quiet() {
  post([this] { quiet_ = true; });
}

void TokenService::stop() {
  if (!thread_.joinable()) return;
  post([this] {
    quiet_ = stopping_ = true;
    for (Nap* nap : std::set<Nap*>(naps_)) nap->over.set();
    end_if_idle();
  });
  thread_.join();
  offload_.stop();
}

void TokenService::end_if_idle() {
  if (stopping_ && busy_ == 0) worker_.close();
}

TokenService::Nap::Nap(net::Worker& worker)
    : deadline(worker.ticker(), [](void* self) { static_cast<Nap*>(self)->over.set(); }, this) {}

net::Task<void> TokenService::nap(net::Millis how_long) {
  if (stopping_) co_return;
  Nap nap(worker_);
  nap.deadline.arm(how_long);
  naps_.insert(&nap);
  co_await nap.over.wait();
  naps_.erase(&nap);
}

// --- calls of others ------------------------------------------------------------------------------------------------
void TokenService::exchange(grants::Question question, std::function<void(grants::Answer)> done) {
  auto asked = std::make_shared<grants::Question>(std::move(question));
  post([this, asked, done = std::move(done)]() mutable {
    net::spawn(run_exchange(std::move(*asked), std::move(done)));
  });
}

void TokenService::call(grants::TokenRequest request, std::function<void(grants::Called)> done) {
  auto asked = std::make_shared<grants::TokenRequest>(std::move(request));
  post([this, asked, done = std::move(done)]() mutable { net::spawn(run_call(std::move(*asked), std::move(done))); });
}

net::Task<void> TokenService::run_exchange(grants::Question question, std::function<void(grants::Answer)> done) {
  ++busy_;
  const auto transport = transport_;
  grants::Answer answer{{}, grants::moment(now_ms())};
  const grants::Delivery delivery = co_await deliver(transport, std::move(question.request), answer.sent.wall_ms);
  const grants::Reading reading{question.answer, answer.sent.wall_ms, now_ms(), &question.values};
  answer.tokens = grants::read_delivery(reading, delivery);
  count(answer.tokens);
  done(std::move(answer));
  --busy_;
  end_if_idle();
}

net::Task<void> TokenService::run_call(grants::TokenRequest request, std::function<void(grants::Called)> done) {
  ++busy_;
  const auto transport = transport_;
  grants::Called called;
  called.sent_ms = now_ms();
  called.delivery = co_await deliver(transport, std::move(request), called.sent_ms);
  called.received_ms = now_ms();
  done(std::move(called));
  --busy_;
  end_if_idle();
}

void TokenService::refresh(ConnectionKey key, std::uint64_t generation, Why why, std::function<void(Renewed)> done) {
  post([this, asked = Asked{std::move(key), generation, why}, done = std::move(done)]() mutable {
    ask(std::move(asked), std::move(done));
  });
}

void TokenService::accepted(const std::string& connection_id) {
  post([this, connection_id] {
    if (const auto at = states_.find(connection_id); at != states_.end()) at->second.forced.ended(true);
  });
}

void TokenService::wake(const std::string& connection_id) {
  post([this, connection_id] {
    if (connection_id.empty())
      states_.clear();
    else
      states_.erase(connection_id);
    look_soon(net::Millis(0));
  });
}

// --- of its own accord ----------------------------------------------------------------------------------------------
// A pending intent at the start is an outcome that nobody knows: asked again at once, with the same refresh token.
net::Task<void> TokenService::take_over() {
  ++busy_;
  std::string after;
  const bool ours = !deps_.vault->status().provenance.marked();
  while (ours && !quiet_) {
    const auto page =
        co_await offload_.run(worker_.context(), [&] { return deps_.vault->tokens().pending_intents(after, 1'000); });
    if (!page || page->empty()) break;
    for (const vault::Intent& intent : *page)
      ask({{intent.organization, intent.project, intent.connection}, intent.generation, Why::forced}, {});
    after = vault::cursor_of(page->back());
  }
  --busy_;
  look_soon(net::Millis(0));
  end_if_idle();
}

void TokenService::look_soon(net::Millis in) {
  if (quiet_) return;
  if (looking_) {
    look_again_ = true;
    return;
  }
  const std::int64_t at = net::monotonic_ms() + in.count();
  if (look_.armed() && look_at_ <= at) return;
  look_at_ = at;
  look_.arm(in);
}

net::Task<void> TokenService::look_ahead() {
  if (quiet_ || looking_) co_return;
  ++busy_;
  looking_ = true;
  look_again_ = false;
  const std::int64_t now = now_ms();
  std::int64_t next = now + kLongestLook.count();
  // Those that are being dealt with may still stand first.
  const auto page =
      co_await offload_.run(worker_.context(), [&] { return deps_.vault->tokens().due(next, {}, 2 * kMostAhead); });
  if (page) {
    for (const vault::Due& due : *page) {
      if (ahead_.contains(due.connection.id)) continue;
      if (due.at > now) {
        next = std::min(next, due.at);
        break;
      }
      if (ahead_.size() >= kMostAhead) break;  // whoever is done looks again
      net::spawn(refresh_ahead(key_of(due.connection)));
    }
  }
  looking_ = false;
  --busy_;
  look_soon(look_again_ ? net::Millis(0) : net::Millis(next - now));
  end_if_idle();
}

net::Task<void> TokenService::refresh_ahead(ConnectionKey key) {
  using Kind = Renewed::Kind;
  ++busy_;
  ahead_.insert(key.id);
  net::Event over;
  Renewed outcome;
  ask({key, 0, Why::due}, [&](Renewed renewed) {
    outcome = std::move(renewed);
    over.set();
  });
  co_await over.wait();
  // What could not be renewed must not be looked at again and again.
  std::int64_t pause = 0;
  if (outcome.kind == Kind::unavailable || outcome.kind == Kind::vault)
    pause = std::max<std::int64_t>(outcome.retry_after_ms, 1'000);
  else if (outcome.kind != Kind::renewed && outcome.kind != Kind::gone && outcome.kind != Kind::in_progress)
    pause = outcome.kind == Kind::current ? kNotDueMs : kSkippedMs;
  if (pause != 0) {
    const std::int64_t now = now_ms();
    co_await offload_.run(worker_.context(), [&] {
      postpone(*deps_.vault, key, now, now + pause);
      return true;
    });
  }
  if (outcome.kind == Kind::vault) co_await nap(net::Millis(pause));  // its time could not be written either
  ahead_.erase(key.id);
  --busy_;
  look_soon(net::Millis(0));
  end_if_idle();
}

}  // namespace postern::serve
