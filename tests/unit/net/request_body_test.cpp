// What a caller's connection holds: buffers, and the body of the current request whatever its framing and splitting.
#include "proxy/net/request_body.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "proxy/net/tls.hpp"
#include "tests/support/loop.hpp"

namespace postern::net {
namespace {

using test::Far;
using test::Loop;

TEST(ReadBuffer, holds_memory_only_between_ensure_and_release) {
  BufferPool pool;
  ReadBuffer buffer(pool);
  EXPECT_EQ(buffer.space_size(), 0U);
  buffer.ensure();
  EXPECT_EQ(buffer.space_size(), kBufferSize);
  const char* memory = buffer.space();
  buffer.release();
  EXPECT_EQ(buffer.space_size(), 0U);
  ReadBuffer other(pool);
  other.ensure();
  EXPECT_EQ(other.space(), memory);  // given back, taken again
}

TEST(ReadBuffer, makes_room_by_moving_what_is_unread_to_the_front) {
  BufferPool pool;
  ReadBuffer buffer(pool);
  buffer.assign("read, unread");
  buffer.consume(6);
  EXPECT_EQ(buffer.view(), "unread");
  buffer.compact();
  EXPECT_EQ(buffer.view(), "unread");
  EXPECT_EQ(buffer.space_size(), kBufferSize - 6);
  buffer.consume(6);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.space_size(), kBufferSize);
}

class Body : public testing::Test {
 protected:
  void SetUp() override {
    test::Pair pair = test::socket_pair();
    far = std::move(pair.far);
    client.emplace(loop.worker, pair.near);
  }
  // Reads a head, as read_head does.
  Task<wire::Parse> read_head() {
    head.reset();
    for (;;) {
      wire::Refusal why;
      if (!client->in.empty()) {
        const wire::Parse parse = wire::parse_request_head(client->in.view(), head, why);
        if (parse == wire::Parse::done) client->in.consume(head.size);
        if (parse != wire::Parse::more) co_return parse;
      }
      if (co_await client->fill(client->in) != Io::ok) co_return wire::Parse::refused;
    }
  }
  // Reads the whole body, as the steps of serve/ do: until a piece says that it is the last.
  Task<Fault> read_body() {
    got.clear();
    body.start(*client, head.body, head.content_length, limit);
    while (!body.ended()) {
      const RequestBody::Piece piece = co_await body.next(Millis(100));
      if (piece.fault != Fault::none) co_return piece.fault;
      got.append(piece.data);
    }
    co_return Fault::none;
  }
  Fault read() {
    EXPECT_EQ(loop.run(read_head()), wire::Parse::done);
    return loop.run(read_body());
  }

  Loop loop;
  Far far;
  std::optional<Client> client;
  wire::RequestHead head;
  RequestBody body;
  std::uint64_t limit = UINT64_MAX;
  std::string got;
};

constexpr std::string_view kLength = "POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
constexpr std::string_view kChunked = "POST http://h/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST_F(Body, of_known_length_that_came_with_its_head) {
  far.send(std::string(kLength) + "hello");
  EXPECT_EQ(read(), Fault::none);
  EXPECT_EQ(got, "hello");
  EXPECT_EQ(body.taken(), 5U);
}

TEST_F(Body, of_no_length_has_ended_before_it_began) {
  far.send("POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(read(), Fault::none);
  EXPECT_EQ(got, "");
  EXPECT_TRUE(body.take_now().end);
}

TEST_F(Body, in_chunks_that_came_with_its_head) {
  far.send(std::string(kChunked) + "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n");
  EXPECT_EQ(read(), Fault::none);
  EXPECT_EQ(got, "hello");
}

TEST_F(Body, of_no_bytes_in_chunks) {
  far.send(std::string(kChunked) + "0\r\n\r\n");
  EXPECT_EQ(read(), Fault::none);
  EXPECT_EQ(got, "");
  EXPECT_TRUE(body.ended());
}

// Every way to split a message in two, with what the next request begins with behind it.
void split_everywhere(Far& far, Loop& loop, const std::string& message, const std::function<void(bool)>& each) {
  for (std::size_t at = 1; at < message.size(); ++at) {
    far.send(std::string_view(message).substr(0, at));
    while (loop.worker.context().poll_one() != 0) {
    }
    const std::string rest = message.substr(at);
    loop.worker.post([&far, rest] { far.send(rest); });
    each(at + 1 == message.size());
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "split at " << at;
      return;
    }
  }
}

TEST_F(Body, in_chunks_is_the_same_wherever_it_is_split_and_leaves_the_next_request_alone) {
  const std::string message =
      std::string(kChunked) + "5\r\nhello\r\n10;a=\"b\"\r\n0123456789abcdef\r\n0\r\nT: 1\r\n\r\nGET /next";
  split_everywhere(far, loop, message, [&](bool) {
    EXPECT_EQ(read(), Fault::none);
    EXPECT_EQ(got, "hello0123456789abcdef");
    client->next_request();
    while (client->in.view() != "GET /next" && loop.run(client->fill(client->in)) == Io::ok) {
    }
    EXPECT_EQ(client->in.view(), "GET /next");
    client->in.release();
  });
}

TEST_F(Body, of_known_length_is_the_same_wherever_it_is_split_and_leaves_the_next_request_alone) {
  const std::string message = std::string(kLength) + "helloGET /next";
  split_everywhere(far, loop, message, [&](bool) {
    EXPECT_EQ(read(), Fault::none);
    EXPECT_EQ(got, "hello");
    client->next_request();
    while (client->in.view().size() < 9 && loop.run(client->fill(client->in)) == Io::ok) {
    }
    EXPECT_EQ(client->in.view(), "GET /next");
    client->in.release();
  });
}

TEST_F(Body, of_known_length_never_becomes_the_next_request) {
  far.send(std::string(kLength) + "hello");
  EXPECT_EQ(read(), Fault::none);
  client->next_request();
  EXPECT_TRUE(client->in.empty()) << client->in.view();
  far.send("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(loop.run(read_head()), wire::Parse::done);
  EXPECT_EQ(head.method, "GET");
}

TEST_F(Body, that_was_taken_without_waiting_never_becomes_the_next_request) {
  far.send(std::string(kLength) + "helloGET /next");
  EXPECT_EQ(loop.run(read_head()), wire::Parse::done);
  body.start(*client, head.body, head.content_length, limit);
  const RequestBody::Piece piece = body.take_now();
  EXPECT_EQ(piece.data, "hello");
  EXPECT_TRUE(piece.end);
  client->next_request();
  EXPECT_EQ(client->in.view(), "GET /next");
}

TEST_F(Body, larger_than_the_limit_is_refused_in_both_framings) {
  limit = 4;
  far.send(std::string(kLength) + "hello");
  EXPECT_EQ(read(), Fault::body_too_large);
  client->next_request();
  far.send(std::string(kChunked) + "4\r\nhell\r\n1\r\no\r\n0\r\n\r\n");
  EXPECT_EQ(read(), Fault::body_too_large);
}

TEST_F(Body, of_exactly_the_limit_passes) {
  limit = 5;
  far.send(std::string(kChunked) + "5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(read(), Fault::none);
}

TEST_F(Body, with_a_bad_chunk_says_what_is_wrong_with_it) {
  far.send(std::string(kChunked) + "5\r\nhelloX");
  EXPECT_EQ(read(), Fault::client_malformed);
  EXPECT_NE(body.why().detail, nullptr);
}

TEST_F(Body, that_stops_coming_is_a_timeout) {
  far.send(std::string(kLength) + "he");
  EXPECT_EQ(read(), Fault::client_timeout);
  EXPECT_EQ(got, "he");
}

TEST_F(Body, whose_sender_hangs_up_is_gone) {
  far.send(std::string(kLength) + "he");
  far.close();
  EXPECT_EQ(read(), Fault::client_gone);
}

TEST_F(Body, leaves_no_deadline_behind_that_could_end_the_connection_later) {
  far.send(kLength);
  EXPECT_EQ(loop.run(read_head()), wire::Parse::done);
  loop.worker.post([&] { far.send("hello"); });
  EXPECT_EQ(loop.run(read_body()), Fault::none);
  bool passed = false;
  Deadline later(loop.worker.ticker(), [](void* flag) { *static_cast<bool*>(flag) = true; }, &passed);
  later.arm(Millis(300));
  loop.until([&] { return passed; });
  EXPECT_FALSE(client->socket().expired());
  EXPECT_FALSE(client->socket().cancelled());
}

TEST_F(Body, stays_readable_after_a_cancellation_was_forgotten) {
  far.send(kLength);
  EXPECT_EQ(loop.run(read_head()), wire::Parse::done);
  EXPECT_EQ(loop.run(read_body()), Fault::client_timeout);
  EXPECT_TRUE(client->socket().expired());
  client->socket().revive();
  EXPECT_FALSE(client->socket().expired());
  far.send("hello");
  EXPECT_EQ(loop.run(read_body()), Fault::none);
  EXPECT_EQ(got, "hello");
}

TEST(Socket, tells_an_end_from_a_reset_without_taking_anything) {
  Loop loop;
  for (const bool reset : {false, true}) {
    test::Pair pair = test::tcp_pair();
    Socket socket(loop.worker);
    socket.adopt(pair.near);
    EXPECT_EQ(socket.peek(), Io::again);
    reset ? pair.far.reset() : pair.far.close();
    const auto wait = [&]() -> Task<bool> { co_return co_await socket.readable(); };
    EXPECT_TRUE(loop.run(wait()));
    EXPECT_EQ(socket.peek(), reset ? Io::failed : Io::closed);
  }
}

TEST(Socket, that_was_cancelled_waits_for_nothing_until_it_is_revived) {
  Loop loop;
  test::Pair pair = test::tcp_pair();
  Socket socket(loop.worker);
  socket.adopt(pair.near);
  pair.far.send("x");
  const auto wait = [&]() -> Task<bool> { co_return co_await socket.readable(); };
  socket.cancel();
  EXPECT_FALSE(loop.run(wait()));
  EXPECT_FALSE(socket.expired());
  socket.revive();
  EXPECT_TRUE(loop.run(wait()));
}

SSL_SESSION* session() {
  return SSL_SESSION_new();
}

TEST(SessionCache, keeps_the_newest_session_of_each_key) {
  SessionCache cache;
  SSL_SESSION *first = session(), *second = session();
  cache.put("a:443", first);
  EXPECT_EQ(cache.get("a:443"), first);
  EXPECT_EQ(cache.get("b:443"), nullptr);
  cache.put("a:443", second);
  EXPECT_EQ(cache.get("a:443"), second);
  cache.forget("a:443");
  EXPECT_EQ(cache.get("a:443"), nullptr);
}

TEST(SessionCache, is_bounded_and_drops_what_was_not_renewed_for_longest) {
  SessionCache cache;
  for (int i = 0; i < 1024; ++i) cache.put(std::to_string(i), session());
  cache.put("0", session());  // renewed
  cache.put("one more", session());
  EXPECT_NE(cache.get("0"), nullptr);
  EXPECT_EQ(cache.get("1"), nullptr);
  EXPECT_NE(cache.get("2"), nullptr);
  EXPECT_NE(cache.get("one more"), nullptr);
}

}  // namespace
}  // namespace postern::net
