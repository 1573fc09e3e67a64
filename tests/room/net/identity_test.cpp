// Client certificates: what makes one, and what servers that ask for one see of it and say to it.
#include "proxy/net/identity.hpp"

#include <gmock/gmock.h>

#include "network.hpp"
#include "tests/support/client_identity.hpp"

namespace postern::net {
namespace {

using test::Peer;
using test::TlsServer;
using testing::HasSubstr;
using testing::Not;
using Part = Identity::Part;

std::shared_ptr<const Identity> identity_of(const test::Identity& made) {
  return *Identity::read({test::certificate_pem(made), test::key_pem(made)});
}

struct Refused {
  Part part;
  std::string text;
};
std::optional<Refused> refused(const Identity::Text& text) {
  const auto read = Identity::read(text);
  if (read) return std::nullopt;
  return Refused{read.error().part, read.error().text};
}

TEST(identity, is_made_of_a_chain_and_a_key_and_says_whose_it_is) {
  const test::Authority authority;
  const test::Identity step = authority.issue("step.test"), other = authority.issue("other.test");
  const std::string chain = "A comment\n" + test::certificate_pem(step) + "\n" + test::certificate_pem(other);
  const auto read = Identity::read({chain, test::key_pem(step)});
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ((*read)->subject(), "CN=postern test");
  EXPECT_GT((*read)->ends_ms(), std::int64_t{1'700'000'000'000});
  EXPECT_NE((*read)->serial(), identity_of(step)->serial());
  EXPECT_TRUE(Identity::read({chain, test::key_pem(step, "open"), "open"}));
}

TEST(identity, says_which_text_is_wrong_and_repeats_none_of_it) {
  const test::Authority authority;
  const test::Identity step = authority.issue("step.test"), other = authority.issue("other.test");
  const std::string certificate = test::certificate_pem(step), key = test::key_pem(step),
                    locked = test::key_pem(step, "open"), other_key = test::key_pem(other);
  const std::string broken = certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  std::string endless;
  for (int i = 0; i < 11; ++i) endless += certificate;
  const struct {
    Identity::Text text;
    Part part;
  } cases[] = {
      {{"", key}, Part::certificate},
      {{key, key}, Part::certificate},
      {{broken, key}, Part::certificate},
      {{endless, key}, Part::certificate},
      {{certificate, ""}, Part::key},
      {{certificate, certificate}, Part::key},
      {{certificate, "secret"}, Part::key},
      {{certificate, other_key}, Part::key},
      {{certificate, locked}, Part::passphrase},
      {{certificate, locked, "wrong"}, Part::passphrase},
  };
  for (const auto& one : cases) {
    const auto why = refused(one.text);
    ASSERT_TRUE(why) << one.text.key;
    EXPECT_EQ(static_cast<int>(why->part), static_cast<int>(one.part)) << why->text;
    EXPECT_THAT(why->text, Not(HasSubstr("secret")));
    EXPECT_TRUE(why->text.ends_with('.')) << why->text;
  }
}

class IdentityRoom : public NetworkRoom {
 public:
  ~IdentityRoom() override {
    pool.clear();
    exchange.reset();
    server.reset();
  }
  // Demands a certificate of `clients`. 200: step.test's was shown; 202: another.
  void serve(int version = TLS1_3_VERSION) {
    server.emplace(
        authority.issue("api.test"),
        [](Peer& peer) {
          while (peer.read_head() != "")
            peer.write(peer.shown("step.test") ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                                               : "HTTP/1.1 202 Else\r\nContent-Length: 0\r\n\r\n");
        },
        version);
    server->demand_clients_of(clients);
  }
  std::shared_ptr<Route> route(std::shared_ptr<const Identity> identity) {
    Destination destination = to(*server, "api.test");
    if (identity) destination.show(std::move(identity));
    return std::make_shared<Route>(std::move(destination));
  }
  Task<Fault> call(std::shared_ptr<Route> route) {
    exchange.emplace(network);
    std::string request = "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n";
    Fault fault = co_await Exchange::lease(network, route, times, false, false, *exchange);
    if (fault == Fault::none) fault = co_await exchange->send(request, nullptr, false);
    // An answer may be waiting although the upstream stopped reading.
    if (exchange->open()) fault = co_await exchange->read_head("GET", head);
    if (fault == Fault::none) exchange->drop_head(head);
    co_await exchange->finish(fault == Fault::none);
    co_return fault;
  }
  Fault ask(const std::shared_ptr<Route>& route) { return loop.run(call(route)); }

  test::Authority clients;
  std::optional<TlsServer> server;
  Pool pool{loop.worker, policy, 8, Millis(30'000)};
  Network network{loop.worker, resolver, pool, policy};
  ExchangeTimeouts times{timeouts, Millis(10'000), Millis(10'000)};
  std::optional<Exchange> exchange;
  wire::ResponseHead head;
};

TEST_F(IdentityRoom, shows_its_certificate_with_tls_1_3_and_1_2) {
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    serve(version);
    EXPECT_EQ(ask(route(identity_of(clients.issue("step.test")))), Fault::none) << version;
    EXPECT_EQ(head.status, 200) << version;
    pool.clear();
  }
}

TEST_F(IdentityRoom, is_told_that_its_certificate_was_refused) {
  const test::Authority strangers;
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    serve(version);
    EXPECT_EQ(ask(route(identity_of(strangers.issue("step.test")))), Fault::client_certificate) << version;
    EXPECT_NE(exchange->reason(), "") << version;
  }
}

TEST_F(IdentityRoom, is_told_that_one_was_demanded) {
  serve();
  EXPECT_EQ(ask(route(nullptr)), Fault::client_certificate);
}

TEST_F(IdentityRoom, does_not_resume_a_session_of_another_identity) {
  serve();
  const auto step = identity_of(clients.issue("step.test")), other = identity_of(clients.issue("other.test"));
  const auto resumed = [&] { return count(observe::Counter::upstream_tls_resumed); };
  for (const auto& who : {step, other}) {
    ASSERT_EQ(ask(route(who)), Fault::none);
    EXPECT_EQ(resumed(), 0U);
  }
  ASSERT_EQ(ask(route(step)), Fault::none);
  EXPECT_EQ(resumed(), 1U);
}

TEST_F(IdentityRoom, leaves_nothing_of_a_retired_route_in_the_pool) {
  serve();
  const auto kept = route(identity_of(clients.issue("step.test")));
  ASSERT_EQ(ask(kept), Fault::none);
  ASSERT_EQ(ask(kept), Fault::none);
  EXPECT_TRUE(exchange->reused());
  kept->retire();
  EXPECT_EQ(pool.lease(*kept, false), nullptr);
  pool.drop_retired();
  ASSERT_EQ(ask(kept), Fault::none);  // what runs on it may end, and is not kept
  EXPECT_FALSE(exchange->reused());
  ASSERT_EQ(ask(kept), Fault::none);
  EXPECT_FALSE(exchange->reused());
}

}  // namespace
}  // namespace postern::net
