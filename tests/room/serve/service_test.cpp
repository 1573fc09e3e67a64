// The story on real sockets: callers on one side, a TLS server on the other, changes announced in between.
#include "proxy/serve/service.hpp"

#include <gmock/gmock.h>

#include "service_room.hpp"

namespace postern::serve {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST_F(ServiceRoom, injects_on_the_first_call_and_from_memory_afterwards) {
  serve(echo_credential);
  const Far far = call_in();
  for (int i = 0; i < 3; ++i) {
    far.send(request("GET", "/v1/balance"));
    EXPECT_THAT(answer(far), testing::EndsWith("Bearer sk_live_1"));
  }
  EXPECT_EQ(metrics.total(observe::Counter::credential_cache_misses), 1U);
  EXPECT_EQ(server->accepted(), 1);
}

TEST_F(ServiceRoom, uses_a_new_credential_from_the_announcement_on) {
  serve(echo_credential);
  const Far far = call_in();
  far.send(request("GET", "/"));
  EXPECT_THAT(answer(far), HasSubstr("sk_live_1"));
  rotate("sk_live_2");
  far.send(request("GET", "/"));
  EXPECT_THAT(answer(far), HasSubstr("sk_live_2"));
}

TEST_F(ServiceRoom, cuts_a_running_stream_when_its_connection_ends_and_goes_on_with_others) {
  serve(stream);
  const Far far = call_in();
  far.send(request("GET", "/"));
  EXPECT_THAT(far.receive_until("hello\r\n"), StartsWith("HTTP/1.1 200"));
  revoke_connection();
  bool cut = false;
  EXPECT_EQ(far.receive_all(&cut), "");
  EXPECT_TRUE(cut);
  const Far next = call_in();  // takes the call object of the one that was cut
  next.send(request("GET", "/"));
  EXPECT_THAT(answer(next), HasSubstr("connection-revoked"));
  connect("other", "sk_live_3", server->port());
  std::string other = request("GET", "/");
  other.replace(other.find("billing"), 7, "other");
  next.send(other);
  EXPECT_THAT(next.receive_until("hello\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServiceRoom, cuts_a_running_stream_when_its_authorization_ends_and_refuses_the_token) {
  serve(stream);
  const Far far = call_in();
  far.send(request("GET", "/"));
  far.receive_until("hello\r\n");
  revoke_token();
  bool cut = false;
  far.receive_all(&cut);
  EXPECT_TRUE(cut);
  const Far next = call_in();
  next.send(request("GET", "/"));
  EXPECT_THAT(answer(next), StartsWith("HTTP/1.1 407"));
}

TEST_F(ServiceRoom, cuts_a_running_stream_when_its_authorization_expires) {
  serve(stream);
  const Far far = call_in();
  far.send(request("GET", "/"));
  far.receive_until("hello\r\n");
  now = 4'000'000'000'000;
  bool cut = false;
  far.receive_all(&cut);
  EXPECT_TRUE(cut);
}

TEST_F(ServiceRoom, refuses_a_revoked_token_on_every_connection_that_knew_it) {
  serve(echo_credential);
  std::vector<Far> callers;
  for (int i = 0; i < 4; ++i) callers.push_back(call_in());
  for (const Far& far : callers) far.send(request("GET", "/"));
  for (const Far& far : callers) EXPECT_THAT(answer(far), StartsWith("HTTP/1.1 200"));
  revoke_token();
  for (const Far& far : callers) far.send(request("GET", "/"));
  for (const Far& far : callers) EXPECT_THAT(answer(far), StartsWith("HTTP/1.1 407"));
}

TEST_F(ServiceRoom, finishes_a_running_request_and_closes_idle_connections_when_it_drains) {
  Signal arrived, go;
  serve([&](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      if (head.starts_with("GET /slow")) {
        arrived.set();
        go.wait();
      }
      peer.write(ok("done"));
    }
  });
  const Far idle = call_in(), busy = call_in();
  idle.send(request("GET", "/"));
  EXPECT_THAT(answer(idle), HasSubstr("done"));
  busy.send(request("GET", "/slow"));
  arrived.wait();
  Signal drained;
  lanes[0]->on([&](Service& s) { s.drain([&] { drained.set(); }); });
  bool cut = true;
  EXPECT_EQ(idle.receive_all(&cut), "");
  EXPECT_FALSE(cut);
  EXPECT_FALSE(drained.is_set());
  go.set();
  const std::string last = busy.receive_all();
  EXPECT_THAT(last, HasSubstr("Connection: close"));
  EXPECT_THAT(last, testing::EndsWith("done"));
  drained.wait();
}

TEST_F(ServiceRoom, answers_pipelined_requests_with_bodies_in_order_and_mixes_nothing_up) {
  std::mutex mutex;
  std::vector<std::string> seen;
  serve([&](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      std::string body;
      if (head.find("Content-Length: 5") != std::string::npos) body = peer.read(5);
      if (head.find("chunked") != std::string::npos) body = peer.read_until("0\r\n\r\n");
      const std::lock_guard lock(mutex);
      seen.push_back(head.substr(0, head.find(" HTTP")) + " " + body);
      peer.write(ok(std::to_string(seen.size())));
    }
  });
  const Far far = call_in();
  far.send(request("POST", "/1", "Content-Length: 5\r\n") + "GET /" + request("POST", "/2", "Content-Length: 5\r\n") +
           "hello" + request("POST", "/3", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n" +
           request("GET", "/4"));
  for (int i = 1; i <= 4; ++i) EXPECT_THAT(answer(far), testing::EndsWith(std::to_string(i)));
  EXPECT_THAT(seen, testing::ElementsAre("POST /1 GET /", "POST /2 hello", "POST /3 3\r\nabc\r\n0\r\n\r\n", "GET /4 "));
}

TEST_F(ServiceRoom, sends_a_request_again_on_a_new_connection_only_if_that_does_no_harm) {
  serve([](Peer& peer) {
    peer.read_head();
    peer.write(ok("first"));
    peer.read_head();  // and says nothing to the second
    peer.cut();
  });
  for (const auto& [method, status] : {std::pair("GET", "200"), {"PUT", "200"}, {"POST", "502"}, {"PATCH", "502"}}) {
    const Far far = call_in();
    // A fresh connection for the first of the two: what is pooled has had its first answer.
    far.send(request("GET", "/", "Connection: keep-alive\r\n"));
    EXPECT_THAT(answer(far), HasSubstr("200 OK")) << method;
    far.send(request(method, "/"));
    EXPECT_THAT(answer(far), StartsWith(std::string("HTTP/1.1 ") + status)) << method;
  }
}

TEST_F(ServiceRoom, answers_old_clients_and_heads_without_bodies_that_they_do_not_understand) {
  serve([](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      if (head.starts_with("HEAD"))
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
      else
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    }
  });
  const Far old = call_in();
  old.send(request("GET", "/", "", "1.0"));
  const std::string got = old.receive_all();
  EXPECT_THAT(got, testing::EndsWith("\r\n\r\nhello"));
  EXPECT_THAT(got, Not(HasSubstr("chunked")));
  const Far far = call_in();
  for (int i = 0; i < 2; ++i) {
    far.send(request("HEAD", "/"));
    EXPECT_THAT(far.receive_until("\r\n\r\n"), HasSubstr("Content-Length: 5"));
  }
}

TEST_F(ServiceRoom, passes_on_an_early_answer_and_never_takes_the_rest_of_the_body_for_a_request) {
  serve([](Peer& peer) {
    const std::string head = peer.read_head();
    peer.write(head.starts_with("POST") ? "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig" : ok("hit"));
    peer.wait_for_end();
  });
  const Far far = call_in();
  far.send(request("POST", "/", "Content-Length: 100000\r\n") + "some");
  std::string got = answer(far);
  EXPECT_THAT(got, HasSubstr("Connection: close"));
  EXPECT_THAT(got, testing::EndsWith("big"));
  far.send(request("GET", "/smuggled"));
  EXPECT_EQ(far.receive_all(), "");
  EXPECT_EQ(server->accepted(), 1);
}

TEST_F(ServiceRoom, reads_away_the_small_body_of_a_refused_request_and_goes_on) {
  serve(echo_credential);
  const Far far = call_in();
  for (const char* framing : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
    std::string refused = request("POST", "/", framing);
    refused.replace(refused.find("billing"), 7, "nothing");
    far.send(refused + (framing[0] == 'C' ? "GET /" : "5\r\nGET /\r\n0\r\n\r\n"));
    EXPECT_THAT(answer(far), HasSubstr("connection-unavailable"));
    far.send(request("GET", "/"));
    EXPECT_THAT(answer(far), testing::EndsWith("sk_live_1"));
  }
}

TEST_F(ServiceRoom, ends_a_connection_cleanly_although_the_caller_sent_more_than_it_should) {
  Signal arrived, go;
  serve([&](Peer& peer) {
    peer.read_head();
    arrived.set();
    go.wait();
    peer.write(ok("done"));
    peer.wait_for_end();
  });
  const Far far = call_in();
  far.send(request("GET", "/", "Connection: close\r\n"));
  arrived.wait();
  far.send("\r\n");
  go.set();
  bool cut = true;
  EXPECT_THAT(far.receive_all(&cut), testing::EndsWith("done"));
  EXPECT_FALSE(cut);  // bytes that nobody read must not turn the end into a reset
}

TEST_F(ServiceRoom, answers_a_caller_that_has_ended_its_writing_and_lets_the_upstream_go_after_a_reset) {
  Signal ended;
  serve([&](Peer& peer) {
    if (peer.read_head().starts_with("GET /quick")) peer.write(ok("done"));
    peer.wait_for_end();
    if (peer.number == 1) ended.set();
  });
  const Far half = call_in();
  half.send(request("GET", "/quick"));
  half.end();
  EXPECT_THAT(half.receive_all(), testing::EndsWith("done"));
  lanes[0]->on([](Service& s) { s.network().pool.clear(); });
  Far gone = call_in();
  gone.send(request("GET", "/poll"));
  while (server->handshakes() < 2) lanes[0]->on([](Service&) {});
  gone.reset();
  ended.wait();
  until_nobody_is_connected();
}

TEST_F(ServiceRoom, lets_go_of_everything_when_a_caller_hangs_up_in_mid_body_or_resets_in_mid_answer) {
  serve([](Peer& peer) {
    if (peer.read_head().starts_with("GET")) peer.write(ok(std::string(8'000'000, 'x')));
    peer.wait_for_end();
  });
  {
    const Far far = call_in();
    far.send(request("POST", "/", "Content-Length: 100\r\n") + "some");
  }
  Far slow = call_in(0, 4096);
  slow.send(request("GET", "/"));
  slow.receive_until("\r\n\r\n");
  slow.reset();
  until_nobody_is_connected();
}

TEST_F(ServiceRoom, refuses_what_is_over_the_limit_and_ends_a_connection_that_says_nothing) {
  settings.client_idle = net::Millis(100);
  serve(echo_credential);
  test::Pair pair = test::tcp_pair();
  lanes[0]->on([&](Service& s) { s.turn_away(pair.near); });
  EXPECT_THAT(answer(pair.far), HasSubstr("overloaded"));
  pair.far.close();
  const Far silent = call_in();
  bool cut = true;
  EXPECT_EQ(silent.receive_all(&cut), "");
  EXPECT_FALSE(cut);
}

// What crosses threads: run under ThreadSanitizer too.
TEST_F(ServiceRoom, keeps_answering_while_credentials_change_on_another_thread) {
  settings.access_log = false;
  serve(echo_credential, 2);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      const Far far = call_in(i % 2);
      for (int n = 0; n < 30; ++n) {
        far.send(request("GET", "/"));
        const std::string got = answer(far);
        if (got.find("sk_live_") != std::string::npos) continue;
        ++wrong;
        ADD_FAILURE() << "the " << n << "th of caller " << i << ": " << got;
      }
    });
  }
  for (int n = 2; n < 12; ++n) {
    rotate("sk_live_" + std::to_string(n));
    const Far far = call_in(static_cast<std::size_t>(n) % 2);
    far.send(request("GET", "/"));
    EXPECT_THAT(answer(far), testing::EndsWith("sk_live_" + std::to_string(n)));
    announce({true, {}, {}, token.authorization.id}, false);
    EXPECT_LE(lanes[0]->service->open_connections(), 6U);
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace postern::serve
