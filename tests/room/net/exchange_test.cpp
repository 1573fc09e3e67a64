// One request and its answer over a real TLS connection: framing rebuilt in both directions, early ends, the pool.
#include <algorithm>

#include "network.hpp"
#include "proxy/net/rest.hpp"

namespace postern::net {
namespace {

using Out = Exchange::Out;
using test::ok;
using test::Peer;
using test::Signal;
using test::TlsServer;

// Upper case, and a mark at the end.
class Loud : public Transform {
 public:
  void feed(std::string_view in, std::string& out) override {
    std::transform(in.begin(), in.end(), std::back_inserter(out), [](char c) { return c >= 'a' ? char(c - 32) : c; });
  }
  void finish(std::string& out) override { out.append("!"); }
};

struct Story {  // how far an exchange came
  Fault lease = Fault::none, send = Fault::none, head = Fault::none, relay = Fault::none;
  bool reused = false, uploaded = false;
};

class ExchangeRoom : public NetworkRoom {
 public:
  ~ExchangeRoom() override {
    pool.clear();
    server.reset();
  }
  void serve(TlsServer::Handler handler) { server.emplace(authority.issue("api.test"), std::move(handler)); }
  void answer(std::string bytes, void (*then)(Peer&) = nullptr) {
    serve([bytes, then](Peer& peer) {
      while (peer.read_head() != "") {
        peer.write(bytes);
        if (then != nullptr) return then(peer);
      }
    });
  }
  void connect_client(int buffers = 0) {
    test::Pair pair = test::tcp_pair(buffers);
    far = std::move(pair.far);
    client.emplace(loop.worker, pair.near);
  }
  void begin(wire::Body framing, std::uint64_t length = 0) { body.start(*client, framing, length, UINT64_MAX); }

  // The whole of it, as forward() does it.
  Task<Story> run(std::string_view method, Out out) {
    Story story;
    exchange.emplace(network);
    story.lease = co_await Exchange::lease(network, route(), times, false, false, *exchange);
    if (story.lease != Fault::none) co_return story;
    story.reused = exchange->reused();
    std::string outbound = std::string(method) + " / HTTP/1.1\r\nHost: api.test\r\n\r\n";
    story.send = co_await exchange->send(outbound, body.ended() ? nullptr : &body, chunked, up);
    story.head = co_await exchange->read_head(method, head);
    while (story.head == Fault::none && head.status < 200) {
      ++interim;
      exchange->drop_head(head);
      story.head = co_await exchange->read_head(method, head);
    }
    if (story.head == Fault::none) story.relay = co_await exchange->relay(*client, "HEAD|", head, out, down);
    story.uploaded = exchange->upload_done();
    co_await exchange->finish(story.head == Fault::none && story.relay == Fault::none && head.keep_alive &&
                              story.uploaded);
    co_return story;
  }
  Story call(std::string_view method, Out out) { return loop.run(run(method, out)); }
  std::string received() {
    client.reset();
    return far.receive_all();
  }
  bool pooled() { return pool.lease(*route(), false) != nullptr; }
  std::shared_ptr<Route> route() {
    return pool.route(std::to_string(server->port()), [&] { return to(*server, "api.test"); });
  }

  std::optional<TlsServer> server;
  Pool pool{loop.worker, policy, 8, Millis(30'000)};
  Network network{loop.worker, resolver, pool, policy};
  ExchangeTimeouts times{timeouts, Millis(10'000), Millis(10'000)};
  test::Far far;
  std::optional<Client> client;
  RequestBody body;
  std::optional<Exchange> exchange;
  wire::ResponseHead head;
  bool chunked = false;
  int interim = 0;
  Transform *up = nullptr, *down = nullptr;
};

TEST_F(ExchangeRoom, sends_a_head_and_a_small_body_in_one_record) {
  std::string record;
  serve([&](Peer& peer) {
    record = peer.read_record();
    peer.write(ok("fine"));
  });
  connect_client();
  far.send("hello");
  ASSERT_EQ(loop.run(client->fill(client->in)), Io::ok);
  begin(wire::Body::length, 5);
  EXPECT_EQ(call("POST", Out::length).relay, Fault::none);
  EXPECT_EQ(record, "POST / HTTP/1.1\r\nHost: api.test\r\n\r\nhello");
  EXPECT_EQ(received(), "HEAD|fine");
}

TEST_F(ExchangeRoom, streams_a_body_of_known_length_that_comes_later) {
  std::string got;
  const std::string large(300'000, 'x');
  serve([&](Peer& peer) {
    peer.read_head();
    got = peer.read(large.size());
    peer.write(ok("fine"));
    peer.wait_for_end();
  });
  connect_client();
  std::thread sender([&] { far.send(large); });
  begin(wire::Body::length, large.size());
  const Story story = call("PUT", Out::length);
  sender.join();
  EXPECT_EQ(story.relay, Fault::none);
  EXPECT_TRUE(story.uploaded);
  EXPECT_TRUE(got == large);
  EXPECT_TRUE(pooled());
}

TEST_F(ExchangeRoom, frames_an_upload_in_chunks_of_its_own) {
  std::string got;
  serve([&](Peer& peer) {
    peer.read_head();
    got = peer.read_until("\r\n0\r\n\r\n");
    peer.write(ok(""));
  });
  connect_client();
  far.send("3;name=value\r\nhel\r\n02\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\nGET http://next/");
  ASSERT_EQ(loop.run(client->fill(client->in)), Io::ok);
  begin(wire::Body::chunked);
  chunked = true;
  EXPECT_EQ(call("POST", Out::length).relay, Fault::none);
  EXPECT_EQ(got, "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
  client->next_request();
  EXPECT_EQ(client->in.view(), "GET http://next/");
}

TEST_F(ExchangeRoom, sends_an_upload_of_no_bytes_as_its_final_chunk) {
  std::string got;
  serve([&](Peer& peer) {
    peer.read_head();
    got = peer.read_until("0\r\n\r\n");
    peer.write(ok(""));
  });
  connect_client();
  begin(wire::Body::chunked);
  chunked = true;
  far.send("0\r\n\r\n");
  EXPECT_EQ(call("POST", Out::length).relay, Fault::none);
  EXPECT_EQ(got, "0\r\n\r\n");
}

TEST_F(ExchangeRoom, relays_a_known_length_and_uses_the_connection_again) {
  answer(ok("hello"));
  connect_client();
  EXPECT_FALSE(call("GET", Out::length).reused);
  EXPECT_TRUE(call("GET", Out::length).reused);
  EXPECT_EQ(received(), "HEAD|helloHEAD|hello");
  EXPECT_EQ(server->accepted(), 1);
}

TEST_F(ExchangeRoom, uses_a_connection_again_that_gave_its_buffers_back) {
  answer(ok("fine"));
  connect_client();
  ASSERT_EQ(call("GET", Out::length).relay, Fault::none);
  auto idle = pool.lease(*route(), false);
  ASSERT_TRUE(idle);
  idle->rest();
  pool.give_back(route(), std::move(idle));
  const Story again = call("GET", Out::length);
  EXPECT_TRUE(again.reused);
  EXPECT_EQ(again.relay, Fault::none);
  EXPECT_EQ(received(), "HEAD|fineHEAD|fine");
}

TEST_F(ExchangeRoom, relays_no_body_where_there_is_none_whatever_length_is_told) {
  answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  connect_client();
  EXPECT_EQ(call("HEAD", Out::none).relay, Fault::none);
  EXPECT_TRUE(call("HEAD", Out::none).reused);
  EXPECT_EQ(received(), "HEAD|HEAD|");
}

TEST_F(ExchangeRoom, frames_an_answer_in_chunks_of_its_own) {
  answer(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n005;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n");
  connect_client();
  EXPECT_EQ(call("GET", Out::chunked).relay, Fault::none);
  EXPECT_TRUE(pooled());
  EXPECT_EQ(received(), "HEAD|5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
}

TEST_F(ExchangeRoom, relays_an_empty_chunked_answer_with_its_end) {
  answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  connect_client();
  EXPECT_EQ(call("GET", Out::chunked).relay, Fault::none);
  EXPECT_EQ(call("GET", Out::until_close).relay, Fault::none);
  EXPECT_EQ(received(), "HEAD|0\r\n\r\nHEAD|");
}

TEST_F(ExchangeRoom, relays_more_chunks_than_it_gathers_at_once) {
  std::string many = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", expected = "HEAD|";
  for (int i = 0; i < 100; ++i) many += "1\r\nx\r\n", expected += "1\r\nx\r\n";
  answer(many + "0\r\n\r\n");
  connect_client();
  EXPECT_EQ(call("GET", Out::chunked).relay, Fault::none);
  EXPECT_EQ(received(), expected + "0\r\n\r\n");
}

TEST_F(ExchangeRoom, ends_a_close_delimited_answer_only_if_tls_says_that_it_is_whole) {
  for (const bool whole : {true, false}) {
    answer("HTTP/1.1 200 OK\r\n\r\nhello", whole ? [](Peer& p) { p.close_notify(); } : [](Peer& p) { p.cut(); });
    connect_client();
    EXPECT_EQ(call("GET", Out::chunked).relay, whole ? Fault::none : Fault::cut);
    EXPECT_EQ(received(), whole ? "HEAD|5\r\nhello\r\n0\r\n\r\n" : "HEAD|5\r\nhello\r\n");
    EXPECT_FALSE(pooled());
  }
}

TEST_F(ExchangeRoom, calls_an_answer_that_ends_too_soon_cut) {
  for (const char* bytes : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
    answer(bytes, [](Peer& p) { p.close_notify(); });
    connect_client();
    EXPECT_EQ(call("GET", Out::length).relay, Fault::cut);
    client.reset();
  }
}

TEST_F(ExchangeRoom, calls_bad_bytes_malformed_in_the_head_and_in_the_body) {
  answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
  connect_client();
  EXPECT_EQ(call("GET", Out::length).head, Fault::malformed);
  EXPECT_NE(exchange->reason(), "");
  answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX");
  EXPECT_EQ(call("GET", Out::chunked).relay, Fault::malformed);
  EXPECT_FALSE(pooled());
}

TEST_F(ExchangeRoom, tells_silence_from_an_end_before_the_head) {
  times.head = Millis(100);
  serve([](Peer& peer) { peer.wait_for_end(); });
  connect_client();
  EXPECT_EQ(call("GET", Out::length).head, Fault::timeout);
  times.head = Millis(10'000);
  for (auto* end : {+[](Peer& p) { p.close_notify(); }, +[](Peer& p) { p.reset(); }}) {
    serve([end](Peer& peer) {
      peer.read_head();
      end(peer);
    });
    EXPECT_EQ(call("GET", Out::length).head, Fault::closed);
    EXPECT_FALSE(exchange->saw_bytes());
  }
}

TEST_F(ExchangeRoom, reads_a_head_that_comes_in_as_many_records_as_it_has_bytes) {
  serve([](Peer& peer) {
    peer.read_head();
    for (const char c : ok("hello")) peer.write({&c, 1});
    peer.wait_for_end();
  });
  connect_client();
  EXPECT_EQ(call("GET", Out::length).relay, Fault::none);
  EXPECT_EQ(received(), "HEAD|hello");
}

TEST_F(ExchangeRoom, shows_interim_heads_one_by_one_before_the_final_one) {
  answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok("x"));
  connect_client();
  EXPECT_EQ(call("GET", Out::length).relay, Fault::none);
  EXPECT_EQ(interim, 2);
  EXPECT_EQ(head.status, 200);
}

TEST_F(ExchangeRoom, never_uses_a_connection_with_surplus_bytes_again) {
  answer(ok("hello") + "HTTP/1.1 200 OK\r\n");
  connect_client();
  EXPECT_EQ(call("GET", Out::length).relay, Fault::none);
  EXPECT_FALSE(pooled());
  EXPECT_EQ(received(), "HEAD|hello");
}

TEST_F(ExchangeRoom, relays_an_answer_that_comes_before_the_upload_is_through_and_then_lets_go) {
  serve([](Peer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig!");
    peer.wait_for_end();
  });
  connect_client();
  begin(wire::Body::length, 1'000'000);
  far.send("only the beginning");
  const Story story = call("POST", Out::length);
  EXPECT_EQ(story.relay, Fault::none);
  EXPECT_FALSE(story.uploaded);
  EXPECT_FALSE(pooled());
  EXPECT_FALSE(client->socket().cancelled());  // the caller can still be told something
  EXPECT_EQ(received(), "HEAD|big!");
}

TEST_F(ExchangeRoom, passes_on_nothing_behind_a_bad_chunk_and_ends_the_upload_without_its_final_chunk) {
  std::string got;
  bool clean = true;
  serve([&](Peer& peer) {
    peer.read_head();
    got = peer.read_until("0\r\n\r\n");
    clean = peer.wait_for_end();
  });
  connect_client();
  begin(wire::Body::chunked);
  chunked = true;
  far.send("5\r\nhello\r\n");
  bool sent = false;
  Deadline later(loop.worker.ticker(), [](void* flag) { *static_cast<bool*>(flag) = true; }, &sent);
  later.arm(Millis(0));
  spawn([](ExchangeRoom* room, bool& go) -> Task<void> {
    while (!go) co_await rest(room->loop.worker.ticker(), Millis(0));
    room->far.send("-1\r\nsmuggled");
  }(this, sent));
  const Story story = call("POST", Out::length);
  EXPECT_EQ(story.head, Fault::client_malformed);
  server.reset();
  EXPECT_EQ(got, "5\r\nhello\r\n");
  EXPECT_FALSE(clean);
}

TEST_F(ExchangeRoom, ends_when_the_caller_hangs_up_or_stalls_in_mid_body) {
  serve([](Peer& peer) {
    peer.read_head();
    peer.wait_for_end();
  });
  times.stream_idle = Millis(100);
  connect_client();
  begin(wire::Body::length, 100);
  far.send("some");
  EXPECT_EQ(call("POST", Out::length).head, Fault::client_timeout);
  times.stream_idle = Millis(10'000);
  connect_client();
  begin(wire::Body::length, 100);
  far.send("some");
  far.close();
  EXPECT_EQ(call("POST", Out::length).head, Fault::client_gone);
}

TEST_F(ExchangeRoom, transforms_bodies_in_each_direction) {
  std::string got;
  serve([&](Peer& peer) {
    peer.read_head();
    got = peer.read_until("\r\n0\r\n\r\n");
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    peer.wait_for_end();
  });
  Loud loud;
  up = down = &loud;
  connect_client();
  begin(wire::Body::length, 3);
  chunked = true;
  far.send("abc");
  EXPECT_EQ(call("POST", Out::chunked).relay, Fault::none);
  std::string sent;  // whatever the chunks were
  for (const char c : got) sent += c >= 'A' || c == '!' ? std::string(1, c) : "";
  EXPECT_EQ(sent, "ABC!");
  EXPECT_EQ(received(), "HEAD|6\r\nHELLO!\r\n0\r\n\r\n");
}

TEST_F(ExchangeRoom, transforms_the_end_of_an_answer_that_ends_with_its_connection) {
  answer("HTTP/1.1 200 OK\r\n\r\nhello", [](Peer& p) { p.close_notify(); });
  Loud loud;
  down = &loud;
  connect_client();
  EXPECT_EQ(call("GET", Out::chunked).relay, Fault::none);
  EXPECT_EQ(received(), "HEAD|5\r\nHELLO\r\n1\r\n!\r\n0\r\n\r\n");
}

TEST_F(ExchangeRoom, waits_for_a_slow_reader_and_ends_when_it_resets) {
  answer(ok(std::string(8'000'000, 'x')), [](Peer& p) { p.wait_for_end(); });
  connect_client(4096);
  std::thread reader([&] {
    std::string got;
    while (got.size() < 100'000 && far.receive_some(got, nullptr)) {
    }
    far.reset();
  });
  EXPECT_EQ(call("GET", Out::length).relay, Fault::client_gone);
  reader.join();
  EXPECT_FALSE(pooled());
}

TEST_F(ExchangeRoom, ends_when_the_reader_takes_nothing_any_more) {
  answer(ok(std::string(8'000'000, 'x')), [](Peer& p) { p.wait_for_end(); });
  times.stream_idle = Millis(200);
  connect_client(4096);
  EXPECT_EQ(call("GET", Out::length).relay, Fault::client_gone);
}

TEST_F(ExchangeRoom, does_not_blame_the_upstream_for_a_slow_reader) {
  const std::string large(200'000, 'x');
  answer(ok(large), [](Peer& p) { p.wait_for_end(); });
  times.stream_idle = Millis(300);
  connect_client(4096);
  ::fcntl(far.fd(), F_SETFL, O_NONBLOCK);
  std::string got;
  bool stop = false;
  spawn([](ExchangeRoom* room, std::string& taken, bool& done) -> Task<void> {
    // A little at each tick: never silent for as long as stream_idle, but the whole takes much longer.
    for (int i = 0; i < 12 && !done; ++i) {
      co_await rest(room->loop.worker.ticker(), Millis(0));
      room->far.receive_some(taken, nullptr, 2'500);
    }
    while (!done) {
      while (room->far.receive_some(taken, nullptr)) {
      }
      co_await rest(room->loop.worker.ticker(), Millis(0));
    }
    taken.append("|end");
  }(this, got, stop));
  EXPECT_EQ(call("GET", Out::length).relay, Fault::none);
  stop = true;
  loop.until([&] { return got.ends_with("|end"); });
}

TEST_F(ExchangeRoom, can_be_cancelled_while_it_waits_for_a_head_and_while_it_relays) {
  for (const bool started : {false, true}) {
    serve([started](Peer& peer) {
      peer.read_head();
      if (started) peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
      peer.wait_for_end();
    });
    connect_client();
    std::optional<Story> story;
    spawn([](ExchangeRoom* room, std::optional<Story>& out) -> Task<void> {
      out = co_await room->run("GET", Out::chunked);
    }(this, story));
    if (started) {
      loop.until([&] { return head.status == 200; });
    } else {
      loop.until([&] { return server->handshakes() == 1; });
    }
    exchange->cancel();
    loop.until([&] { return story.has_value(); });
    EXPECT_EQ(started ? story->relay : story->head, started ? Fault::cut : Fault::ended);
    EXPECT_FALSE(pooled());
    client.reset();
  }
}

TEST_F(ExchangeRoom, still_reads_the_answer_of_an_upstream_that_takes_no_more_of_the_request) {
  Signal gone;
  serve([&](Peer& peer) {
    peer.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    peer.cut();
    gone.set();
    peer.wait_for_end();
  });
  connect_client();
  const std::string large(60'000, 'x');
  far.send(large);
  while (client->in.view().size() < large.size()) ASSERT_EQ(loop.run(client->fill(client->in)), Io::ok);
  begin(wire::Body::length, 1'000'000);
  exchange.emplace(network);
  const auto talk = [&]() -> Task<Fault> {
    co_await Exchange::lease(network, route(), times, false, false, *exchange);
    gone.wait();
    std::string outbound = "POST / HTTP/1.1\r\nHost: api.test\r\n\r\n";
    const Fault sent = co_await exchange->send(outbound, &body, false);
    EXPECT_EQ(co_await exchange->read_head("POST", head), Fault::none);
    EXPECT_FALSE(exchange->upload_done());
    co_await exchange->finish(true);
    co_return sent;
  };
  EXPECT_EQ(loop.run(talk()), Fault::closed);
  EXPECT_EQ(head.status, 413);
}

TEST_F(ExchangeRoom, knows_that_an_upload_which_the_upstream_broke_off_is_not_done) {
  Signal gone;
  serve([&](Peer& peer) {
    peer.read_head();
    peer.write(ok("enough"));
    peer.cut();
    gone.set();
  });
  connect_client();
  begin(wire::Body::length, 40'000'000);
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    gone.wait();
    const std::string part(100'000, 'x');
    for (int i = 0; i < 400 && !stop; ++i) far.send(part);
    far.end();
  });
  const Story story = call("POST", Out::length);
  EXPECT_FALSE(story.uploaded);
  stop = true;
  client.reset();
  sender.join();
  EXPECT_FALSE(pooled());
}

}  // namespace
}  // namespace postern::net
