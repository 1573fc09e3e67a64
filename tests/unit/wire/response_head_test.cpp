#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "proxy/wire/head.hpp"
#include "tests/unit/wire/feed.hpp"

namespace postern::wire {
namespace {

const std::string kOk = "HTTP/1.1 200 OK\r\n";

std::string ok(const std::string& lines) {
  return kOk + lines + "\r\n";
}

Fault fault(const std::string& bytes, const char* method = "GET") {
  const Outcome out = response(bytes, method);
  EXPECT_EQ(out.parse, Parse::refused) << bytes;
  return out.parse == Parse::refused ? out.why.fault : Fault::none;
}
#define EXPECT_MALFORMED(bytes) EXPECT_EQ(fault(bytes), Fault::malformed) << (bytes)

// The head's views point into a copy of the bytes that lives as long as the program.
ResponseHead parsed(const std::string& bytes, const char* method = "GET") {
  static std::deque<std::string> kept;
  ResponseHead head;
  Refusal why;
  EXPECT_EQ(parse_response_head(kept.emplace_back(bytes), method, head, why), Parse::done) << why.detail;
  EXPECT_EQ(response(bytes, method).parse, Parse::done);
  return head;
}

TEST(ResponseHead, parses_a_response) {
  const ResponseHead head = parsed("HTTP/1.1 404 Not  Found\r\nContent-Length: 7\r\nServer: x\r\n\r\n1234567");
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.reason, "Not  Found");
  EXPECT_EQ(head.body, Body::length);
  EXPECT_TRUE(head.has_content_length);
  EXPECT_EQ(head.content_length, 7U);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.fields.find(FieldId::server)->value, "x");
  EXPECT_EQ(head.size, std::string("HTTP/1.1 404 Not  Found\r\nContent-Length: 7\r\nServer: x\r\n\r\n").size());
}

TEST(ResponseHead, takes_an_empty_or_absent_reason) {
  EXPECT_EQ(parsed("HTTP/1.1 200 \r\n\r\n").reason, "");
  EXPECT_EQ(parsed("HTTP/1.1 200\r\n\r\n").reason, "");
  EXPECT_EQ(parsed("HTTP/1.1 200 caf\xc3\xa9\tx\r\n\r\n").reason, "caf\xc3\xa9\tx");
}

TEST(ResponseHead, refuses_a_status_line_that_is_not_one) {
  for (const char* line :
       {"HTTP/1.1  200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 099 x", "HTTP/1.1 000 x",
        "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK", "HTTP/1.1200 OK", "ICY 200 OK", "HTTP/1 200 OK", "http/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK", " HTTP/1.1 200 OK", "HTTP/1.1", "HTTP/1.1 -20 OK", "HTTP/1.1 200 O\x01K", "200 OK"})
    EXPECT_MALFORMED(line + std::string("\r\n\r\n"));
  EXPECT_EQ(parsed("HTTP/1.1 999 x\r\n\r\n").status, 999);
}

TEST(ResponseHead, refuses_other_versions) {
  EXPECT_EQ(fault("HTTP/2.0 200 OK\r\n\r\n"), Fault::bad_version);
  EXPECT_EQ(fault("HTTP/0.9 200 OK\r\n\r\n"), Fault::bad_version);
}

TEST(ResponseHead, refuses_bad_bytes_as_a_request_head_does) {
  for (const char* lines :
       {"X-A : b\r\n", "X-A: b\r\n c\r\n", ": b\r\n", "X-A\r\n", "X-A: b\n", "X-A: b\rc\r\n", "X-A: b\x01\r\n",
        "X(: b\r\n", "Content_Length: 5\r\n", "Transfer_Encoding: chunked\r\n", "Connection: content-length\r\n"})
    EXPECT_MALFORMED(ok(lines));
  EXPECT_MALFORMED("HTTP/1.1 200 OK\n\n");
  EXPECT_MALFORMED("HTTP/1.1 200\n\n");
}

TEST(ResponseHead, keeps_the_limits_of_a_request_head) {
  EXPECT_EQ(fault(ok("X-A: " + std::string(kMaxHead, 'a') + "\r\n")), Fault::head_too_large);
  std::string lines;
  for (std::size_t i = 0; i <= kMaxFields; ++i) lines += "a: b\r\n";
  EXPECT_EQ(fault(ok(lines)), Fault::head_too_large);
}

TEST(ResponseHead, refuses_length_and_coding_together_and_two_lengths) {
  EXPECT_MALFORMED(ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_MALFORMED(ok("Content-Length: 5\r\nContent-Length: 5\r\n"));
  EXPECT_MALFORMED(ok("Content-Length: 5, 5\r\n"));
  EXPECT_MALFORMED(ok("Content-Length: -1\r\n"));
  EXPECT_MALFORMED("HTTP/1.1 304 x\r\nContent-Length: a\r\n\r\n");
}

TEST(ResponseHead, takes_exactly_one_chunked_and_only_in_HTTP_1_1) {
  EXPECT_EQ(parsed(ok("Transfer-Encoding: Chunked\r\n")).body, Body::chunked);
  EXPECT_MALFORMED(ok("Transfer-Encoding: gzip, chunked\r\n"));
  EXPECT_MALFORMED(ok("Transfer-Encoding: identity\r\n"));
  EXPECT_MALFORMED(ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_MALFORMED("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(ResponseHead, has_no_body_where_RFC_9112_says_so) {
  for (const char* status : {"100", "103", "204"}) {
    const ResponseHead head = parsed("HTTP/1.1 " + std::string(status) + " x\r\nContent-Length: 5\r\n\r\n");
    EXPECT_EQ(head.body, Body::none);
    EXPECT_FALSE(head.has_content_length);
    EXPECT_EQ(head.content_length, 0U);
    EXPECT_TRUE(head.keep_alive);
  }
  EXPECT_EQ(parsed("HTTP/1.1 304 x\r\n\r\n").body, Body::none);
  EXPECT_EQ(parsed(ok(""), "HEAD").body, Body::none);
  EXPECT_EQ(parsed(ok("Transfer-Encoding: chunked\r\n"), "HEAD").body, Body::none);
  EXPECT_EQ(parsed(ok(""), "CONNECT").body, Body::none);
  EXPECT_EQ(parsed("HTTP/1.1 403 x\r\nContent-Length: 5\r\n\r\n", "CONNECT").body, Body::length);
}

TEST(ResponseHead, tells_the_length_of_the_body_that_HEAD_and_304_do_not_send) {
  EXPECT_EQ(parsed(ok("Content-Length: 5\r\n"), "HEAD").content_length, 5U);
  EXPECT_TRUE(parsed("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n").has_content_length);
}

TEST(ResponseHead, reads_until_close_without_framing_and_never_reuses_that_connection) {
  const ResponseHead head = parsed(ok("Connection: keep-alive\r\n"));
  EXPECT_EQ(head.body, Body::until_close);
  EXPECT_FALSE(head.keep_alive);
}

TEST(ResponseHead, keeps_alive_by_version_and_connection) {
  EXPECT_FALSE(parsed(ok("Content-Length: 0\r\nConnection: close\r\n")).keep_alive);
  EXPECT_FALSE(parsed("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive);
  EXPECT_TRUE(parsed("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
  EXPECT_FALSE(parsed(ok("Content-Length: 0\r\nConnection: a b\r\n")).keep_alive) << "a doubtful connection";
}

TEST(ResponseHead, marks_the_fields_that_connection_names) {
  EXPECT_TRUE(parsed(ok("X-A: b\r\nConnection: x-a\r\n")).fields.find("x-a")->nominated);
}

TEST(ResponseHead, can_be_used_again_after_a_reset) {
  ResponseHead head;
  Refusal why;
  ASSERT_EQ(parse_response_head("HTTP/1.0 204 x\r\nA: b\r\n\r\n", "GET", head, why), Parse::done);
  head.reset();
  ASSERT_EQ(parse_response_head("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", head, why), Parse::done);
  EXPECT_EQ(head.reason, "");
  EXPECT_EQ(head.fields.size(), 1U);
  EXPECT_TRUE(head.keep_alive);
}

}  // namespace
}  // namespace postern::wire
