#pragma once
// The one place of the process where tokens are renewed (DESIGN section 7): single flight per connection, durable
// intent, one request, durable outcome; refresh-ahead, backoff, breakers and the limits of forced refreshes.
//
// A worker and a thread of its own, so that a flight belongs to nobody who could hang up, and any number of lanes share
// it; what blocks on the vault runs on an offload of its own. Thread safety: start(), stop() from one thread, the rest
// from any. Ownership: borrows what Deps names, all of which outlives it. Errors: grants::Renewed.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "proxy/net/resolver.hpp"
#include "proxy/serve/renewal.hpp"
#include "proxy/serve/service.hpp"

namespace postern::serve {

class TokenService final : public grants::TokenDesk {
 public:
  struct Deps {
    vault::Vault* vault = nullptr;
    std::shared_ptr<const Common> common;
    // Returns when every worker has forgotten.
    std::function<void(const Forget&)> publish;
    // Instead of the network, where a test scripts the endpoint. Absent: the upstream path.
    std::function<std::shared_ptr<grants::TokenTransport>(net::Worker&)> transport = {};
    // Instead of chance, for the jitter of pauses.
    std::function<std::uint32_t()> random = {};
    net::Millis patience{10'000};      // of who waits for a flight (DESIGN section 7 point 2)
    std::size_t most_waiters = 4'096;  // of one flight
  };
  TokenService(observe::Metrics& metrics, Deps deps, std::shared_ptr<const Rules> rules);
  ~TokenService() override;

  // Takes over what an earlier process has left pending (never in a copied, restored or rolled-back vault), then looks
  // ahead.
  void start();
  void adopt(std::shared_ptr<const Rules> rules);
  // Nothing more of its own accord: what is under way and what requests ask for goes on.
  void quiet();
  // Finishes what is under way, which takes as long as the token deadline at most, and ends the thread.
  void stop();

  void exchange(grants::Question question, std::function<void(grants::Answer)> done) override;
  void call(grants::TokenRequest request, std::function<void(grants::Called)> done) override;
  void refresh(ConnectionKey key, std::uint64_t generation, Why why, std::function<void(Renewed)> done) override;
  void accepted(const std::string& connection_id) override;
  void wake(const std::string& connection_id) override;

 private:
  static constexpr std::size_t kMostStates = 65'536;
  static constexpr std::size_t kMostAhead = 16;  // background flights at a time

  struct Waiter {
    std::function<void(Renewed)> done;
    std::int64_t until = 0;  // monotonic ms; 0: as long as it takes
  };
  struct Flight {
    Flight(TokenService& owner, Asked what);
    TokenService& service;
    Asked asked;
    std::vector<Waiter> waiting;
    net::Deadline patience;
  };
  // What is remembered of a connection between flights. Times are monotonic ms.
  struct State {
    int failures = 0;
    std::int64_t next_ms = 0;      // not before
    Renewed last;                  // why
    std::uint64_t lost = 0;        // generation whose refresh token may be spent
    std::uint64_t generation = 0;  // the newest that was seen; 0: none yet
    grants::ForcedLimit forced;
  };
  // A pause that stop() ends.
  struct Nap {
    explicit Nap(net::Worker& worker);
    net::Event over;
    net::Deadline deadline;
  };

  // flight.cpp
  void ask(Asked asked, std::function<void(Renewed)> done);
  void join(Flight& flight, std::function<void(Renewed)> done);
  net::Task<void> fly(std::shared_ptr<Flight> flight);
  net::Task<Renewed> renew(const Asked& asked);
  std::optional<Renewed> may_ask(const Asked& asked, const Renewal& renewal);
  net::Task<Renewed> keep(const Renewal& renewal, const grants::Tokens& tokens, grants::Sent sent);
  net::Task<Renewed> fail(const Asked& asked, Renewal& renewal, grants::Failure failure);
  net::Task<void> save(Fetched fetched);
  void land(const std::shared_ptr<Flight>& flight, const Renewed& outcome);
  void out_of_patience(Flight& flight);
  State& state(const std::string& id);
  void publish(const vault::Connection& meta);
  void count(const std::expected<grants::Tokens, grants::Failure>& result);

  // token_service.cpp
  void post(std::function<void()> f);
  net::Task<void> nap(net::Millis how_long);
  net::Task<void> run_exchange(grants::Question question, std::function<void(grants::Answer)> done);
  net::Task<void> run_call(grants::TokenRequest request, std::function<void(grants::Called)> done);
  net::Task<void> take_over();
  net::Task<void> look_ahead();
  net::Task<void> refresh_ahead(ConnectionKey key);
  void look_soon(net::Millis in);
  void end_if_idle();
  std::shared_ptr<grants::TokenTransport> make_transport();
  std::int64_t now_ms() const { return deps_.common->now_ms(); }
  std::uint32_t random() { return deps_.random ? deps_.random() : static_cast<std::uint32_t>(random_()); }

  Deps deps_;
  std::shared_ptr<const Rules> rules_;
  const std::string holder_;
  net::Offload offload_{4};
  net::Worker worker_;
  net::Resolver resolver_;
  net::Pool pool_;
  net::Network network_;
  std::shared_ptr<grants::TokenTransport> transport_;
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;  // by connection
  std::unordered_map<std::string, State> states_;                     // by connection
  std::map<std::string, grants::Breaker> breakers_;                   // by token host and port
  std::unordered_map<std::string, grants::ForcedRate> rates_;         // by auth config
  std::set<std::string> ahead_;                                       // connections that the background is at
  std::set<Nap*> naps_;
  net::Deadline look_;
  std::mt19937 random_{std::random_device{}()};
  std::size_t busy_ = 0;  // coroutines that must end before the thread does
  std::int64_t look_at_ = 0;
  bool looking_ = false, look_again_ = false, quiet_ = true, stopping_ = false;
  std::thread thread_;
};

}  // namespace postern::serve
