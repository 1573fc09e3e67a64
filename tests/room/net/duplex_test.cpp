// Bytes both ways: a caller on one side, an upstream on the other, plain or with TLS.
#include "proxy/net/duplex.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <thread>

#include "network.hpp"

namespace postern::net {
namespace {

using End = Relayed::End;
using test::Far;
using test::Peer;
using test::TlsServer;

// A server that speaks no TLS: its connections are accepted by the test itself.
class PlainServer {
 public:
  PlainServer() {
    Endpoint where = at("127.0.0.1:0");
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(fd_, where.data(), where.length), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size);
    endpoint_ = Endpoint::from(reinterpret_cast<sockaddr*>(&bound), size);
  }
  ~PlainServer() { ::close(fd_); }
  const Endpoint& endpoint() const { return endpoint_; }
  Far accept() const { return Far(::accept(fd_, nullptr, nullptr)); }

 private:
  int fd_;
  Endpoint endpoint_;
};

class DuplexRoom : public NetworkRoom {
 protected:
  void connect_client(int buffers = 0) {
    test::Pair pair = test::tcp_pair(buffers);
    caller = std::move(pair.far);
    client.emplace(loop.worker, pair.near);
  }
  Destination destination_of(const Endpoint& where) {
    Destination to;
    to.host = "api.test";
    to.port = where.port();
    to.exceptions = {*Range::parse("127.0.0.0/8")};
    const std::lock_guard lock(Names::mutex);
    Names::known["api.test"] = {at("127.0.0.1:0")};
    return to;
  }
  Fault connect_plain(const Destination& to) {
    upstream.emplace(loop.worker);
    return loop.run(upstream->connect_plain(to, resolver, policy, timeouts));
  }
  // A caller, and an upstream without TLS whose far end is `far`.
  void connect_both(int buffers = 0) {
    connect_client(buffers);
    ASSERT_EQ(connect_plain(destination_of(server.endpoint())), Fault::none);
    far = server.accept();
  }
  void connect_tls(const TlsServer& tls) {
    connect_client();
    upstream.emplace(loop.worker);
    destination = to(tls, "api.test");
    ASSERT_EQ(loop.run(upstream->connect(destination, resolver, policy, sessions, timeouts)), Fault::none);
  }
  // Relays in the background of the test: `relayed` is set when it has ended.
  void begin(Millis idle = Millis(30'000)) {
    spawn([](DuplexRoom& room, Millis idle) -> Task<void> {
      room.relayed = co_await relay_both(*room.client, *room.upstream, room.from_upstream, idle);
      if (room.relayed->end != End::whole) room.client->abort();
      room.upstream.reset();
      room.client.reset();
    }(*this, idle));
  }
  void until_ended() {
    loop.until([&] { return relayed.has_value(); });
  }
  // What comes at the far end of a socket, while the loop goes on.
  std::string receive(const Far& from, std::size_t size) {
    std::string got;
    loop.until([&] {
      std::string part(size - got.size(), '\0');
      const ssize_t n = ::recv(from.fd(), part.data(), part.size(), MSG_DONTWAIT);
      if (n > 0) got.append(part, 0, static_cast<std::size_t>(n));
      return got.size() == size || n == 0;
    });
    return got;
  }

  PlainServer server;
  SessionCache sessions;
  Destination destination;
  Far caller, far;
  std::optional<Client> client;
  std::optional<Upstream> upstream;
  ReadBuffer from_upstream{loop.worker.buffers()};
  std::optional<Relayed> relayed;
};

TEST_F(DuplexRoom, carries_bytes_both_ways_in_any_order_and_counts_them) {
  connect_both();
  begin();
  far.send("first");  // a server may speak first
  EXPECT_EQ(receive(caller, 5), "first");
  caller.send("hello");
  EXPECT_EQ(receive(far, 5), "hello");
  caller.send(", again");
  EXPECT_EQ(receive(far, 7), ", again");
  far.send("bye");
  EXPECT_EQ(receive(caller, 3), "bye");
  caller.end();
  far.end();
  until_ended();
  EXPECT_EQ(relayed->end, End::whole);
  EXPECT_EQ(relayed->up, 12U);
  EXPECT_EQ(relayed->down, 8U);
}

TEST_F(DuplexRoom, sends_first_what_was_read_before_it_began) {
  connect_both();
  caller.send("early");
  ASSERT_EQ(loop.run(client->fill(client->in)), Io::ok);
  from_upstream.assign("frame");
  begin();
  EXPECT_EQ(receive(far, 5), "early");
  EXPECT_EQ(receive(caller, 5), "frame");
  caller.close();
  far.close();
  until_ended();
}

TEST_F(DuplexRoom, holds_no_buffer_while_nobody_says_anything) {
  connect_both();
  caller.send("x");
  ASSERT_EQ(loop.run(client->fill(client->in)), Io::ok);
  begin();
  EXPECT_EQ(receive(far, 1), "x");
  far.send("y");
  EXPECT_EQ(receive(caller, 1), "y");
  loop.until([&] { return loop.worker.buffers().held() == 0; });
  caller.close();
  far.close();
  until_ended();
}

TEST_F(DuplexRoom, passes_the_callers_end_on_and_lets_the_upstream_finish) {
  connect_both();
  begin();
  caller.send("all");
  caller.end();
  EXPECT_EQ(receive(far, 4), "all");  // and then the end, or it would wait for a fourth byte
  EXPECT_FALSE(relayed);
  far.send("the answer");
  EXPECT_EQ(receive(caller, 10), "the answer");
  far.end();
  until_ended();
  EXPECT_EQ(relayed->end, End::whole);
  EXPECT_EQ(receive(caller, 1), "");
}

TEST_F(DuplexRoom, passes_the_upstreams_end_on_and_lets_the_caller_finish) {
  connect_both();
  begin();
  far.send("bye");
  far.end();
  EXPECT_EQ(receive(caller, 4), "bye");
  caller.send("one more");
  EXPECT_EQ(receive(far, 8), "one more");
  caller.end();
  until_ended();
  EXPECT_EQ(relayed->end, End::whole);
}

TEST_F(DuplexRoom, shows_a_reset_of_one_side_to_the_other_as_a_reset) {
  for (const bool of_the_caller : {true, false}) {
    connect_both();
    relayed.reset();
    begin();
    caller.send("x");
    EXPECT_EQ(receive(far, 1), "x");
    (of_the_caller ? caller : far).reset();
    until_ended();
    EXPECT_EQ(relayed->end, End::cut);
    bool cut = false;
    (of_the_caller ? far : caller).receive_all(&cut);
    EXPECT_TRUE(cut);
  }
}

TEST_F(DuplexRoom, reads_no_more_from_one_side_than_the_other_takes) {
  connect_both(8 * 1024);
  begin();
  // The caller reads nothing: what the upstream can send comes to an end.
  const std::string megabyte(1 << 20, 'x');
  std::size_t sent = 0;
  int quiet = 0;
  loop.until([&] {
    const ssize_t n = ::send(far.fd(), megabyte.data(), megabyte.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    sent += n > 0 ? static_cast<std::size_t>(n) : 0;
    quiet = n > 0 ? 0 : quiet + 1;
    return quiet == 5 || sent > (64U << 20);
  });
  EXPECT_LT(sent, 64U << 20);
  EXPECT_LE(loop.worker.buffers().held(), 2 * kBufferSize);
  EXPECT_EQ(receive(caller, sent).size(), sent);  // and nothing is lost
  far.end();
  caller.end();
  until_ended();
  EXPECT_EQ(relayed->down, sent);
}

TEST_F(DuplexRoom, moves_much_in_both_directions_at_once) {
  connect_both(16 * 1024);
  begin();
  const std::string much(3 << 20, 'x');
  std::thread caller_writes([&] { caller.send(much), caller.end(); });
  std::thread far_writes([&] { far.send(much), far.end(); });
  std::string at_caller, at_far;
  std::thread caller_reads([&] { at_caller = caller.receive_all(); });
  std::thread far_reads([&] { at_far = far.receive_all(); });
  until_ended();
  for (std::thread* thread : {&caller_writes, &far_writes, &caller_reads, &far_reads}) thread->join();
  EXPECT_TRUE(at_caller == much);
  EXPECT_TRUE(at_far == much);
  EXPECT_EQ(relayed->end, End::whole);
}

TEST_F(DuplexRoom, ends_when_both_have_been_silent_for_so_long) {
  connect_both();
  begin(Millis(200));
  until_ended();
  EXPECT_EQ(relayed->end, End::idle);
  bool cut = false;
  caller.receive_all(&cut);
  EXPECT_TRUE(cut);
  far.receive_all(&cut);
  EXPECT_TRUE(cut);
}

TEST_F(DuplexRoom, ends_at_once_when_somebody_cancels_either_socket) {
  for (const bool of_the_caller : {true, false}) {
    connect_both();
    relayed.reset();
    begin();
    caller.send("x");
    EXPECT_EQ(receive(far, 1), "x");
    (of_the_caller ? client->socket() : upstream->socket()).cancel();
    until_ended();
    EXPECT_EQ(relayed->end, End::cut);
    bool cut = false;
    far.receive_all(&cut);
    EXPECT_TRUE(cut);
  }
}

TEST_F(DuplexRoom, carries_bytes_through_tls_and_ends_it_cleanly) {
  bool clean = false;
  std::string got;
  TlsServer tls(authority.issue("api.test"), [&](Peer& peer) {
    got = peer.read(5);
    peer.write("world");
    clean = peer.wait_for_end();
    peer.write(", and after your end");
    peer.close_notify();
  });
  connect_tls(tls);
  begin();
  caller.send("hello");
  EXPECT_EQ(receive(caller, 5), "world");
  caller.end();
  EXPECT_EQ(receive(caller, 21), ", and after your end");
  until_ended();
  EXPECT_EQ(relayed->end, End::whole);
  EXPECT_EQ(got, "hello");
  EXPECT_TRUE(clean);
}

TEST_F(DuplexRoom, takes_a_tls_stream_without_close_notify_for_a_cut) {
  TlsServer tls(authority.issue("api.test"), [&](Peer& peer) {
    peer.write("half");
    peer.cut();
  });
  connect_tls(tls);
  begin();
  until_ended();
  EXPECT_EQ(relayed->end, End::cut);
}

TEST_F(DuplexRoom, judges_the_address_of_a_plain_upstream) {
  Destination to = destination_of(server.endpoint());
  to.exceptions.clear();
  EXPECT_EQ(connect_plain(to), Fault::address_prohibited);
  EXPECT_NE(upstream->reason(), "");
  policy.add_own(server.endpoint());  // one of ours, so no exception helps
  EXPECT_EQ(connect_plain(destination_of(server.endpoint())), Fault::address_prohibited);
}

TEST_F(DuplexRoom, tells_why_a_plain_upstream_cannot_be_reached) {
  Endpoint nobody;
  {
    const PlainServer gone;
    nobody = gone.endpoint();
  }
  EXPECT_EQ(connect_plain(destination_of(nobody)), Fault::refused);
  Destination unknown = destination_of(server.endpoint());
  unknown.host = "unknown.test";
  EXPECT_EQ(connect_plain(unknown), Fault::dns_failed);
}

}  // namespace
}  // namespace postern::net
