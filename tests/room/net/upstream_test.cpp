// Connecting to upstreams: what can go wrong on the way, sessions, names, the pool; and the listener on the other side.
#include <gmock/gmock.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "network.hpp"
#include "proxy/net/listener.hpp"

namespace postern::net {
namespace {

using observe::Counter;
using test::Authority;
using test::Peer;
using test::Signal;
using test::TlsServer;
using testing::HasSubstr;

void until_the_end(Peer& peer) {
  peer.wait_for_end();
}

class UpstreamRoom : public NetworkRoom {
 protected:
  Fault connect(Destination destination) {
    destinations.push_back(std::make_unique<Destination>(std::move(destination)));
    return connect_to(*destinations.back());
  }
  Fault connect_to(const Destination& destination) {
    upstream = std::make_unique<Upstream>(loop.worker);
    const auto dial = [&]() -> Task<Fault> {
      co_return co_await upstream->connect(destination, resolver, policy, sessions, timeouts);
    };
    return loop.run(dial());
  }
  // A listening socket that nobody accepts from.
  static int deaf_socket(int backlog, std::uint16_t& port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Endpoint where = at("127.0.0.1:0");
    EXPECT_EQ(::bind(fd, where.data(), where.length), 0);
    if (backlog >= 0) EXPECT_EQ(::listen(fd, backlog), 0);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
    port = Endpoint::from(reinterpret_cast<sockaddr*>(&bound), size).port();
    return fd;
  }
  Destination plain(std::uint16_t port) {
    Destination destination;
    destination.host = "api.test";
    destination.port = port;
    destination.trust = trust;
    destination.fixed = at("127.0.0.1:" + std::to_string(port));
    destination.session_key = "api.test";
    return destination;
  }

  SessionCache sessions;
  std::vector<std::unique_ptr<Destination>> destinations;  // outlive their connections
  std::unique_ptr<Upstream> upstream;
};

Task<IoResult> read_one(Upstream& upstream, char& byte) {
  for (;;) {
    if (!co_await upstream.readable()) co_return IoResult{Io::failed, 0};
    const IoResult r = upstream.read_now(&byte, 1);
    if (r.io != Io::again) co_return r;
  }
}

TEST_F(UpstreamRoom, checks_the_name_it_was_asked_for_and_says_it) {
  std::string name;
  TlsServer server(authority.issue("api.test"), [&](Peer& peer) {
    name = peer.server_name();
    peer.write("x");
    peer.wait_for_end();
  });
  ASSERT_EQ(connect(to(server, "api.test")), Fault::none);
  EXPECT_EQ(upstream->address(), server.endpoint());
  char byte = 0;
  const auto read = [&] { return read_one(*upstream, byte); };
  EXPECT_EQ(loop.run(read()).io, Io::ok);
  EXPECT_EQ(name, "api.test");
}

TEST_F(UpstreamRoom, checks_an_address_as_an_address_and_sends_no_name) {
  std::string name = "?";
  TlsServer server(authority.issue("IP:127.0.0.1"), [&](Peer& peer) {
    name = peer.server_name();
    peer.write("x");
    peer.wait_for_end();
  });
  Destination destination = to(server, "127.0.0.1");
  destination.ip_literal = true;
  ASSERT_EQ(connect(destination), Fault::none);
  char byte = 0;
  const auto read = [&] { return read_one(*upstream, byte); };
  EXPECT_EQ(loop.run(read()).io, Io::ok);
  EXPECT_EQ(name, "");
  EXPECT_EQ(Names::asked, 0);
}

TEST_F(UpstreamRoom, refuses_certificates_that_prove_nothing) {
  const struct {
    const char* what;
    test::Identity identity;
  } rows[] = {{"expired", authority.issue("api.test", true)},
              {"of another name", authority.issue("other.test")},
              {"of a parent name", authority.issue("test")},
              {"self-signed", Authority::self_signed("api.test")},
              {"of an unknown authority", Authority().issue("api.test")},
              {"of a partial wildcard", authority.issue("a*.test")}};
  for (const auto& row : rows) {
    TlsServer server(row.identity, until_the_end);
    EXPECT_EQ(connect(to(server, "api.test")), Fault::certificate) << row.what;
    EXPECT_NE(upstream->reason(), "") << row.what;
    upstream.reset();
  }
}

TEST_F(UpstreamRoom, calls_what_is_not_tls_or_too_old_tls_a_tls_fault) {
  {
    TlsServer old(authority.issue("api.test"), until_the_end, TLS1_1_VERSION);
    EXPECT_EQ(connect(to(old, "api.test")), Fault::tls);
  }
  for (const bool talks : {true, false}) {
    std::uint16_t port = 0;
    const int fd = deaf_socket(1, port);
    std::thread plain_text([&] {
      test::Far far(::accept(fd, nullptr, nullptr));
      if (talks) far.send("HTTP/1.1 400 Bad Request\r\n\r\n");
      far.end();
      std::string hello;
      far.receive_some(hello, nullptr);
    });
    EXPECT_EQ(connect(plain(port)), Fault::tls);
    plain_text.join();
    ::close(fd);
  }
}

TEST_F(UpstreamRoom, tells_refused_from_out_of_time) {
  timeouts = {Millis(100), Millis(200), Millis(200)};
  std::uint16_t port = 0;
  const int closed = deaf_socket(-1, port);
  EXPECT_EQ(connect(plain(port)), Fault::refused);
  EXPECT_NE(upstream->reason(), "");
  ::close(closed);

  const int unaccepted = deaf_socket(8, port);  // connects, and then says nothing
  EXPECT_EQ(connect(plain(port)), Fault::connect_timeout);
  ::close(unaccepted);

  const int full = deaf_socket(0, port);
  std::vector<test::Far> crowd;
  for (int i = 0; i < 4; ++i) {
    crowd.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const Endpoint where = at("127.0.0.1:" + std::to_string(port));
    static_cast<void>(::connect(crowd.back().fd(), where.data(), where.length));
  }
  EXPECT_EQ(connect(plain(port)), Fault::connect_timeout);
  ::close(full);
}

TEST_F(UpstreamRoom, dials_nothing_if_one_of_the_addresses_is_prohibited) {
  TlsServer server(authority.issue("api.test"), until_the_end);
  Destination destination = to(server, "api.test");
  Names::known["api.test"] = {at("127.0.0.1:0"), at("10.0.0.1:0")};
  EXPECT_EQ(connect(destination), Fault::address_prohibited);
  EXPECT_THAT(upstream->reason(), HasSubstr("private_use"));
  Names::known["bare.test"] = {at("127.0.0.1:0")};
  destination.host = "bare.test";
  destination.exceptions.clear();
  EXPECT_EQ(connect(destination), Fault::address_prohibited);
  EXPECT_EQ(count(Counter::upstream_connects), 0U);
}

TEST_F(UpstreamRoom, never_dials_our_own_listener) {
  TlsServer server(authority.issue("api.test"), until_the_end);
  policy.add_own(server.endpoint());
  EXPECT_EQ(connect(to(server, "api.test")), Fault::address_prohibited);
  EXPECT_EQ(server.accepted(), 0);
}

TEST_F(UpstreamRoom, tries_the_next_address_if_one_refuses) {
  TlsServer server(authority.issue("api.test"), until_the_end);
  const Destination destination = to(server, "api.test");
  Names::known["api.test"] = {at("127.0.0.2:0"), at("127.0.0.1:0")};
  EXPECT_EQ(connect(destination), Fault::none);
  EXPECT_EQ(upstream->address(), server.endpoint());
}

TEST_F(UpstreamRoom, stops_trying_addresses_when_it_is_cancelled) {
  std::uint16_t port = 0;
  const int unaccepted = deaf_socket(0, port);
  std::vector<test::Far> crowd;
  const Endpoint where = at("127.0.0.1:" + std::to_string(port));
  for (int i = 0; i < 4; ++i) {
    crowd.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    static_cast<void>(::connect(crowd.back().fd(), where.data(), where.length));
  }
  Destination destination = plain(port);
  destination.fixed.reset();
  destination.exceptions = {*Range::parse("127.0.0.0/8")};
  Names::known["api.test"] = {at("127.0.0.1:0"), at("127.0.0.2:0"), at("127.0.0.3:0")};
  upstream = std::make_unique<Upstream>(loop.worker);
  Fault fault = Fault::none;
  bool done = false;
  const auto dial = [&]() -> Task<void> {
    fault = co_await upstream->connect(destination, resolver, policy, sessions, timeouts);
    done = true;
  };
  spawn(dial());
  loop.until([&] { return upstream->socket().is_open(); });
  upstream->socket().cancel();
  loop.until([&] { return done; });
  EXPECT_EQ(fault, Fault::ended);
  EXPECT_EQ(count(Counter::upstream_connects), 1U);
  ::close(unaccepted);
}

TEST_F(UpstreamRoom, resumes_a_session_of_the_same_host_and_never_of_another) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    std::vector<bool> resumed;
    TlsServer server(
        authority.issue("a.test,DNS:b.test"),
        [&](Peer& peer) {
          resumed.push_back(peer.resumed());
          peer.write("x");
          peer.wait_for_end();
        },
        version);
    for (const char* host : {"a.test", "a.test", "b.test", "b.test"}) {
      ASSERT_EQ(connect(to(server, host)), Fault::none);
      char byte = 0;
      const auto read = [&] { return read_one(*upstream, byte); };
      EXPECT_EQ(loop.run(read()).io, Io::ok);  // tickets come with the first bytes
    }
    upstream.reset();
    EXPECT_THAT(resumed, testing::ElementsAre(false, true, false, true));
  }
  EXPECT_EQ(count(Counter::upstream_tls_full), 4U);
  EXPECT_EQ(count(Counter::upstream_tls_resumed), 4U);
}

TEST_F(UpstreamRoom, leaves_the_thread_to_others_while_a_record_is_incomplete) {
  Signal begin, go_on;
  TlsServer server(authority.issue("api.test"), [&](Peer& peer) {
    const std::string record = peer.as_record(std::string(8'000, 'x'));
    begin.wait();
    peer.send_raw(std::string_view(record).substr(0, 5'000));
    go_on.wait();
    peer.send_raw(std::string_view(record).substr(5'000));
    peer.wait_for_end();
  });
  ASSERT_EQ(connect(to(server, "api.test")), Fault::none);
  begin.set();
  loop.until([&] {
    int size = 0;
    return ::ioctl(upstream->socket().fd(), FIONREAD, &size) == 0 && size >= 5'000;
  });
  Io io = Io::again;
  char byte = 0;
  spawn([](Upstream& u, char& to, Io& out) -> Task<void> { out = (co_await read_one(u, to)).io; }(*upstream, byte, io));
  // A tick of the thread's own clock comes only if whoever reads has let go of the thread.
  Deadline tick(loop.worker.ticker(), [](void* signal) { static_cast<Signal*>(signal)->set(); }, &go_on);
  tick.arm(Millis(200));
  loop.until([&] { return io != Io::again; });
  EXPECT_EQ(io, Io::ok);
}

TEST_F(UpstreamRoom, tells_a_clean_end_from_a_cut) {
  for (const bool clean : {true, false}) {
    TlsServer server(authority.issue("api.test"), [&](Peer& peer) { clean ? peer.close_notify() : peer.cut(); });
    ASSERT_EQ(connect(to(server, "api.test")), Fault::none);
    char byte = 0;
    const auto read = [&] { return read_one(*upstream, byte); };
    EXPECT_EQ(loop.run(read()).io, clean ? Io::closed : Io::failed);
    EXPECT_FALSE(upstream->fresh(true));
    upstream.reset();
  }
}

class ResolverRoom : public NetworkRoom {
 protected:
  Resolved resolve(const std::string& host, Millis deadline = Millis(10'000)) {
    return loop.run(resolver.resolve(host, deadline));
  }
};

TEST_F(ResolverRoom, asks_once_for_everybody_who_waits_and_keeps_the_answer) {
  Signal gate;
  Names::gate = &gate;
  Names::known["api.test"] = {at("192.0.2.1:0"), at("192.0.2.2:0")};
  int answered = 0;
  const auto ask = [&]() -> Task<void> {
    const Resolved resolved = co_await resolver.resolve("api.test", Millis(10'000));
    answered += resolved.addresses.size() == 2 ? 1 : 0;
  };
  for (int i = 0; i < 3; ++i) spawn(ask());
  gate.set();
  loop.until([&] { return answered == 3; });
  EXPECT_EQ(resolve("api.test").addresses.size(), 2U);
  EXPECT_EQ(Names::asked, 1);
}

TEST_F(ResolverRoom, keeps_a_failure_too) {
  EXPECT_EQ(resolve("nowhere.test").fault, Fault::dns_failed);
  EXPECT_EQ(resolve("nowhere.test").fault, Fault::dns_failed);
  EXPECT_EQ(Names::asked, 1);
  EXPECT_EQ(count(Counter::dns_failures), 1U);
}

TEST_F(ResolverRoom, gives_up_after_the_deadline_and_takes_the_late_answer_for_the_next_one) {
  Signal gate;
  Names::gate = &gate;
  Names::known["slow.test"] = {at("192.0.2.1:0")};
  EXPECT_EQ(resolve("slow.test", Millis(100)).fault, Fault::dns_timeout);
  EXPECT_EQ(resolve("slow.test", Millis(100)).fault, Fault::dns_timeout);
  gate.set();
  loop.until([&] { return count(Counter::dns_lookups) == 1; });
  EXPECT_EQ(resolve("slow.test").fault, Fault::none);
  EXPECT_EQ(Names::asked, 1);
}

class PoolRoom : public UpstreamRoom {
 protected:
  // A new connection of the route, as a lease would hold it.
  std::unique_ptr<Upstream> make(const Route& to_route) {
    EXPECT_EQ(connect_to(to_route.to()), Fault::none);
    return std::move(upstream);
  }
  std::shared_ptr<Route> route(Pool& pool, const TlsServer& server) {
    return pool.route("a route", [&] { return to(server, "api.test"); });
  }
};

TEST_F(PoolRoom, makes_a_route_once_a_key) {
  TlsServer server(authority.issue("api.test"), until_the_end);
  Pool pool(loop.worker, policy, 8, Millis(30'000));
  const auto one = route(pool, server);
  EXPECT_EQ(route(pool, server), one);
  EXPECT_NE(pool.route("another", [&] { return to(server, "api.test"); }), one);
}

TEST_F(PoolRoom, leases_the_newest_first_and_each_once) {
  TlsServer server(authority.issue("api.test"), until_the_end);
  Pool pool(loop.worker, policy, 8, Millis(30'000));
  const auto to_server = route(pool, server);
  std::unique_ptr<Upstream> first = make(*to_server), second = make(*to_server);
  const Upstream *older = first.get(), *newer = second.get();
  pool.give_back(to_server, std::move(first));
  pool.give_back(to_server, std::move(second));
  const auto leased = pool.lease(*to_server, true), last = pool.lease(*to_server, false);
  EXPECT_EQ(leased.get(), newer);
  EXPECT_EQ(last.get(), older);
  EXPECT_EQ(pool.lease(*to_server, false), nullptr);
  EXPECT_EQ(count(Counter::pool_hits), 2U);
}

TEST_F(PoolRoom, discards_a_connection_that_ended_or_said_something_unasked) {
  for (const bool says : {true, false}) {
    Signal now;
    TlsServer server(authority.issue("api.test"), [&](Peer& peer) {
      now.wait();
      if (says) peer.write("HTTP/1.1 408 Request Timeout\r\n\r\n");
      if (!says) peer.cut();
      peer.wait_for_end();
    });
    Pool pool(loop.worker, policy, 8, Millis(30'000));
    const auto to_server = route(pool, server);
    std::unique_ptr<Upstream> idle = make(*to_server);
    EXPECT_TRUE(idle->fresh(true));
    Upstream* watched = idle.get();
    pool.give_back(to_server, std::move(idle));
    now.set();
    loop.until([&] { return !watched->fresh(true); });
    EXPECT_EQ(pool.lease(*to_server, false), nullptr);
    pool.clear();
  }
  EXPECT_EQ(count(Counter::pool_discarded), 2U);
}

TEST_F(PoolRoom, keeps_at_most_so_many_and_lets_the_oldest_go) {
  Signal ended;
  TlsServer server(authority.issue("api.test"), [&](Peer& peer) {
    if (peer.wait_for_end() && peer.number == 0) ended.set();
  });
  Pool pool(loop.worker, policy, 1, Millis(30'000));
  const auto to_server = route(pool, server);
  std::unique_ptr<Upstream> first = make(*to_server), second = make(*to_server);
  const Upstream* newer = second.get();
  pool.give_back(to_server, std::move(first));
  pool.give_back(to_server, std::move(second));
  ended.wait();  // the first got its close_notify
  EXPECT_EQ(pool.lease(*to_server, false).get(), newer);
  EXPECT_EQ(pool.lease(*to_server, false), nullptr);
}

TEST_F(PoolRoom, keeps_nothing_if_it_may_hold_nothing) {
  TlsServer server(authority.issue("api.test"), until_the_end);
  Pool pool(loop.worker, policy, 0, Millis(30'000));
  const auto to_server = route(pool, server);
  pool.give_back(to_server, make(*to_server));
  EXPECT_EQ(pool.lease(*to_server, false), nullptr);
}

TEST_F(PoolRoom, closes_what_was_idle_for_too_long) {
  Signal ended;
  TlsServer server(authority.issue("api.test"), [&](Peer& peer) {
    peer.wait_for_end();
    ended.set();
  });
  Pool pool(loop.worker, policy, 8, Millis(100));
  const auto to_server = route(pool, server);
  pool.give_back(to_server, make(*to_server));
  loop.until([&] { return ended.is_set(); });
  EXPECT_EQ(pool.lease(*to_server, false), nullptr);
}

TEST_F(PoolRoom, judges_the_address_again_before_a_connection_is_used_again) {
  TlsServer server(authority.issue("api.test"), until_the_end);
  Pool pool(loop.worker, policy, 8, Millis(30'000));
  const auto to_server = route(pool, server);
  pool.give_back(to_server, make(*to_server));
  policy.add_own(server.endpoint());
  EXPECT_EQ(pool.lease(*to_server, false), nullptr);
  EXPECT_EQ(count(Counter::pool_discarded), 1U);
}

class ListenerRoom : public NetworkRoom {};

TEST_F(ListenerRoom, picks_a_port_hands_out_connections_and_refuses_a_second_one_on_it) {
  auto listener = Listener::bind(loop.worker, at("127.0.0.1:0"));
  ASSERT_TRUE(listener) << listener.error();
  const Endpoint where = (*listener)->address();
  EXPECT_NE(where.port(), 0);
  EXPECT_FALSE(Listener::bind(loop.worker, where));
  std::vector<test::Far> accepted;
  (*listener)->start([&](int fd) { accepted.emplace_back(fd); });
  test::Far first(::socket(AF_INET, SOCK_STREAM, 0)), second(::socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_EQ(::connect(first.fd(), where.data(), where.length), 0);
  EXPECT_EQ(::connect(second.fd(), where.data(), where.length), 0);
  loop.until([&] { return accepted.size() == 2; });
  EXPECT_NE(::fcntl(accepted[0].fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(accepted[0].fd(), F_GETFD) & FD_CLOEXEC, 0);
  (*listener)->close();
  loop.worker.context().poll();
  test::Far late(::socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_NE(::connect(late.fd(), where.data(), where.length), 0);
}

}  // namespace
}  // namespace postern::net
