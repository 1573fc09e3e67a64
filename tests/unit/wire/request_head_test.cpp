#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>

#include "proxy/wire/head.hpp"
#include "tests/unit/wire/feed.hpp"

namespace postern::wire {
namespace {

const std::string kLine = "GET http://a.example/ HTTP/1.1\r\n";
const std::string kHost = "Host: a.example\r\n";

// A GET with a Host and these lines.
std::string get(const std::string& lines) {
  return kLine + kHost + lines + "\r\n";
}
std::string post(const std::string& lines) {
  return "POST http://a.example/ HTTP/1.1\r\n" + kHost + lines + "\r\n";
}

Fault fault(const std::string& bytes) {
  const Outcome out = request(bytes);
  EXPECT_NE(out.parse, Parse::done) << bytes;
  if (out.parse == Parse::refused) {
    EXPECT_STRNE(out.why.detail, "");
  }
  return out.parse == Parse::refused ? out.why.fault : Fault::none;
}
std::string accepted(const std::string& bytes) {
  const Outcome out = request(bytes);
  EXPECT_EQ(out.parse, Parse::done) << bytes << out.text;
  return out.text;
}
#define EXPECT_MALFORMED(bytes) EXPECT_EQ(fault(bytes), Fault::malformed) << (bytes)

// The head's views point into a copy of the bytes that lives as long as the program.
RequestHead parsed(const std::string& bytes) {
  static std::deque<std::string> kept;
  RequestHead head;
  Refusal why;
  EXPECT_EQ(parse_request_head(kept.emplace_back(bytes), head, why), Parse::done) << why.detail;
  return head;
}

TEST(RequestHead, parses_a_request) {
  const std::string bytes =
      "POST http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nX-A:\t b c \t\r\n\r\nhello";
  const RequestHead head = parsed(bytes);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "http://a.example/x?y");
  EXPECT_EQ(head.minor, 1);
  EXPECT_EQ(head.body, Body::length);
  EXPECT_EQ(head.content_length, 5U);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.expect_continue);
  EXPECT_EQ(head.size, bytes.size() - 5);
  ASSERT_EQ(head.fields.size(), 3U);
  EXPECT_EQ(head.fields.find("x-a")->value, "b c");
  EXPECT_EQ(head.fields.find(FieldId::host)->value, "a.example");
  EXPECT_EQ(head.fields.find(FieldId::cookie), nullptr);
  EXPECT_EQ(head.fields.find("x-b"), nullptr);
  accepted(bytes);
}

TEST(RequestHead, waits_for_the_empty_line) {
  EXPECT_EQ(request(kLine + kHost).parse, Parse::more);
  EXPECT_EQ(request(kLine + kHost + "\r").parse, Parse::more);
  EXPECT_EQ(request("").parse, Parse::more);
}

TEST(RequestHead, can_be_used_again_after_a_reset) {
  const std::string first = post("Content-Length: 3\r\nConnection: close\r\nExpect: 100-continue\r\n"),
                    second = get("");
  RequestHead head;
  Refusal why;
  ASSERT_EQ(parse_request_head(first, head, why), Parse::done);
  head.reset();
  ASSERT_EQ(parse_request_head(second, head, why), Parse::done);
  EXPECT_EQ(head.body, Body::none);
  EXPECT_EQ(head.content_length, 0U);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.expect_continue);
  EXPECT_EQ(head.fields.size(), 1U);
  EXPECT_EQ(head.fields.find(FieldId::connection), nullptr);
}

TEST(RequestHead, follows_a_buffer_that_moves_between_two_calls) {
  const std::string bytes = get("X-A: b\r\n");
  RequestHead head;
  Refusal why;
  auto half = std::make_unique<Exact>(std::string_view(bytes).substr(0, bytes.size() - 2));
  ASSERT_EQ(parse_request_head(half->view(), head, why), Parse::more);
  const Exact whole(bytes);
  half.reset();
  ASSERT_EQ(parse_request_head(whole.view(), head, why), Parse::done);
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "http://a.example/");
  EXPECT_EQ(head.fields.find("X-A")->value, "b");
}

TEST(RequestHead, skips_one_empty_line_before_the_request_and_no_more) {
  const RequestHead head = parsed("\r\n" + get(""));
  EXPECT_EQ(head.size, get("").size() + 2);
  EXPECT_MALFORMED("\r\n\r\n" + get(""));
  EXPECT_MALFORMED("\n" + get(""));
  EXPECT_MALFORMED("\r" + get(""));
}

TEST(RequestHead, refuses_a_request_line_that_is_not_three_parts_with_one_space_between) {
  for (const char* line :
       {"GET  http://a/ HTTP/1.1", "GET http://a/  HTTP/1.1", " GET http://a/ HTTP/1.1", "GET\thttp://a/ HTTP/1.1",
        "GET http://a/\tHTTP/1.1", "GET http://a/ HTTP/1.1 ", "GET http://a/", "GET", "G@T http://a/ HTTP/1.1",
        "GET http://a/ b HTTP/1.1", "{", "\x16\x03\x01"})
    EXPECT_MALFORMED(line + std::string("\r\n") + kHost + "\r\n");
}

TEST(RequestHead, refuses_other_versions_with_505_and_garbage_with_400) {
  for (const char* version : {"HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.1", "HTTP/1.9"})
    EXPECT_EQ(fault("GET http://a/ " + std::string(version) + "\r\n" + kHost + "\r\n"), Fault::bad_version) << version;
  for (const char* version : {"HTTP/1", "HTTP/1.10", "HTTP/11", "http/1.1", "HTTP/1.1x", "HTTP /1.1", "HTTP/01.1",
                              "HTTP/1.", "ICY/1.0", "HTTP/1,1", "HTTP/+1.1"})
    EXPECT_MALFORMED("GET http://a/ " + std::string(version) + "\r\n" + kHost + "\r\n");
  EXPECT_EQ(fault("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Fault::bad_version);
}

TEST(RequestHead, forwards_unknown_methods_as_they_are) {
  EXPECT_EQ(parsed("pUrge!#$%&'*+-.^_`|~9 http://a/ HTTP/1.1\r\n" + kHost + "\r\n").method, "pUrge!#$%&'*+-.^_`|~9");
}

TEST(RequestHead, refuses_raw_bytes_in_the_target_that_must_be_percent_encoded) {
  EXPECT_MALFORMED("GET http://a/\xc3\xa9 HTTP/1.1\r\n" + kHost + "\r\n");
  EXPECT_MALFORMED(std::string("GET http://a/\0b HTTP/1.1\r\n", 26) + kHost + "\r\n");
  EXPECT_MALFORMED("GET http://a/\x7f HTTP/1.1\r\n" + kHost + "\r\n");
}

TEST(RequestHead, refuses_a_bare_lf_at_once) {
  EXPECT_MALFORMED("GET http://a/ HTTP/1.1\n");
  EXPECT_MALFORMED(kLine + "Host: a\n");
  EXPECT_MALFORMED(kLine + kHost + "\n");
  EXPECT_MALFORMED(kLine + "X-A: b\nHost: a");
  EXPECT_MALFORMED(kLine + "X-A\n");
}

TEST(RequestHead, refuses_a_bare_cr_at_once) {
  EXPECT_MALFORMED("GET http://a/ HTTP/1.1\rH");
  EXPECT_MALFORMED(kLine + "X-A: b\rc");
  EXPECT_MALFORMED(kLine + "X-A: b\r\r");
  EXPECT_MALFORMED(kLine + kHost + "\rX");
  EXPECT_MALFORMED(kLine + "X-A\rB: c");
}

TEST(RequestHead, refuses_white_space_before_the_colon) {
  EXPECT_MALFORMED(get("X-A : b\r\n"));
  EXPECT_MALFORMED(get("X-A\t: b\r\n"));
  EXPECT_MALFORMED(get("X A: b\r\n"));
}

TEST(RequestHead, refuses_folded_fields) {
  EXPECT_MALFORMED(get("X-A: b\r\n c\r\n"));
  EXPECT_MALFORMED(get("X-A: b\r\n\tc\r\n"));
  EXPECT_MALFORMED(kLine + " Host: a.example\r\n\r\n");
}

TEST(RequestHead, refuses_names_that_are_empty_or_no_token_and_lines_without_colon) {
  EXPECT_MALFORMED(get(": b\r\n"));
  EXPECT_MALFORMED(get("X-A\r\n"));
  for (const char bad : std::string_view("\"(),/;<=>?@[\\]{}\x7f\x01\xe9"))
    EXPECT_MALFORMED(get(std::string("X") + bad + "A: b\r\n"));
  EXPECT_MALFORMED(get(std::string("X\0A: b\r\n", 8)));
}

TEST(RequestHead, refuses_control_characters_in_values_and_takes_obs_text) {
  for (int c = 0; c < 0x20; ++c) {
    if (c == '\t') continue;
    EXPECT_MALFORMED(get("X-A: b" + std::string(1, static_cast<char>(c)) + "c and some more text\r\n"));
    EXPECT_MALFORMED(get("X-A: 0123456" + std::string(1, static_cast<char>(c)) + "\r\n"));
  }
  EXPECT_MALFORMED(get("X-A: b\x7f\r\n"));
  EXPECT_EQ(parsed(get("X-A: caf\xc3\xa9\tb\r\n")).fields.size(), 2U);
}

TEST(RequestHead, takes_empty_values) {
  EXPECT_EQ(parsed(get("X-A:\r\nX-B: \t \r\n")).fields.size(), 3U);
}

TEST(RequestHead, refuses_a_head_over_32_KiB_before_it_ends) {
  const std::string start = kLine + kHost + "X-A: ";
  const std::string fits = start + std::string(kMaxHead - start.size() - 4, 'a') + "\r\n\r\n";
  EXPECT_EQ(request(fits).parse, Parse::done);
  EXPECT_EQ(fault(start + std::string(kMaxHead - start.size() - 3, 'a') + "\r\n\r\n"), Fault::head_too_large);
  EXPECT_EQ(fault(start + std::string(kMaxHead - start.size(), 'a')), Fault::head_too_large);
  EXPECT_EQ(request(start + std::string(kMaxHead - start.size() - 1, 'a')).parse, Parse::more);
  EXPECT_EQ(fault(std::string(kMaxHead, 'A')), Fault::head_too_large);
}

TEST(RequestHead, refuses_more_than_100_fields) {
  std::string lines;
  for (std::size_t i = 1; i < kMaxFields; ++i) lines += "a: b\r\n";
  EXPECT_EQ(parsed(get(lines)).fields.size(), kMaxFields);
  EXPECT_EQ(fault(get(lines + "a: b\r\n")), Fault::head_too_large);
}

TEST(RequestHead, refuses_a_target_over_8_KiB_before_it_ends) {
  const std::string target = "http://a/" + std::string(kMaxTarget - 9, 'b');
  EXPECT_EQ(parsed("GET " + target + " HTTP/1.1\r\n" + kHost + "\r\n").target.size(), kMaxTarget);
  EXPECT_EQ(request("GET " + target).parse, Parse::more);
  EXPECT_EQ(fault("GET " + target + "b"), Fault::target_too_long);
  EXPECT_EQ(fault("GET " + target + "b HTTP/1.1\r\n" + kHost + "\r\n"), Fault::target_too_long);
}

TEST(RequestHead, refuses_length_and_coding_together) {
  EXPECT_MALFORMED(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_MALFORMED(post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"));
}

TEST(RequestHead, refuses_several_lengths_even_equal_ones) {
  EXPECT_MALFORMED(post("Content-Length: 5\r\nContent-Length: 5\r\n"));
  EXPECT_MALFORMED(post("Content-Length: 5\r\ncontent-length: 6\r\n"));
  EXPECT_MALFORMED(post("Content-Length: 5, 5\r\n"));
}

TEST(RequestHead, refuses_lengths_that_are_signed_hex_empty_overflowing_or_no_number) {
  for (const char* length : {"+5", "-5", "0x5", "", "5 5", "5;", "5.0", "a", "5a", "'5'", "1e1", "1_000",
                             "9223372036854775808", "18446744073709551616", "99999999999999999999999", "5,"})
    EXPECT_MALFORMED(post("Content-Length: " + std::string(length) + "\r\n"));
  EXPECT_EQ(parsed(post("Content-Length: 9223372036854775807\r\n")).content_length, 9223372036854775807U);
  EXPECT_EQ(parsed(post("Content-Length: 0\r\n")).body, Body::length);
}

TEST(RequestHead, takes_exactly_one_chunked_and_no_other_coding) {
  EXPECT_EQ(parsed(post("Transfer-Encoding: chunked\r\n")).body, Body::chunked);
  EXPECT_EQ(parsed(post("transfer-encoding:CHUNKED\t\r\n")).body, Body::chunked);
  for (const char* coding :
       {"gzip", "identity", "chunked, chunked", "gzip, chunked", "chunked, identity", "chunked;q=1", "xchunked", "",
        "chunked,", ",chunked", "\"chunked\"", "chun ked", "chunked\xa0"})
    EXPECT_MALFORMED(post("Transfer-Encoding: " + std::string(coding) + "\r\n"));
  EXPECT_MALFORMED(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_MALFORMED(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"));
}

TEST(RequestHead, refuses_transfer_encoding_in_HTTP_1_0) {
  EXPECT_MALFORMED("POST http://a/ HTTP/1.0\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n");
}

TEST(RequestHead, refuses_underscore_spellings_of_framing_and_the_connection_id) {
  for (const char* name : {"Content_Length", "content_length", "Transfer_Encoding", "X_Connection_Id",
                           "X-Connection_Id", "x_connection-id"})
    EXPECT_MALFORMED(get(std::string(name) + ": 1\r\n"));
  EXPECT_EQ(parsed(get("X_Other: 1\r\nH_ost: a\r\n")).fields.size(), 3U);
}

TEST(RequestHead, refuses_a_request_without_a_host) {
  EXPECT_MALFORMED(kLine + "\r\n");
  EXPECT_MALFORMED("GET http://a.example/ HTTP/1.0\r\n\r\n");
  EXPECT_MALFORMED(kLine + "Host:\r\n\r\n");
}

TEST(RequestHead, takes_a_connect_without_a_host) {
  accepted("CONNECT a.example:443 HTTP/1.0\r\n\r\n");
  accepted("CONNECT a.example:443 HTTP/1.1\r\n\r\n");
}

TEST(RequestHead, refuses_a_request_with_two_hosts) {
  EXPECT_MALFORMED(get("Host: a.example\r\n"));
  EXPECT_MALFORMED(get("host: b.example\r\n"));
}

TEST(RequestHead, refuses_a_host_that_is_no_host) {
  for (const char* host : {"a b",  "a,b", "http://a", "user@a", "a/b",   "a:0",    "a:65536",     "a:b", "a:",  "a:-1",
                           "[::1", "::1", "a%2eb",    "a..b",   "127.1", "0x7f.1", "caf\xc3\xa9", "a?b", "a#b", "a\\b"})
    EXPECT_MALFORMED(kLine + "Host: " + host + "\r\n\r\n");
  for (const char* host : {"a", "a.example:8480", "127.0.0.1:8480", "[::1]:8480", "A_b-c.Example."})
    accepted(kLine + "Host: " + host + "\r\n\r\n");
}

TEST(RequestHead, leaves_a_host_that_disagrees_with_the_target_to_the_writer) {
  accepted(kLine + "Host: b.example\r\n\r\n");
}

TEST(RequestHead, refuses_two_connection_ids) {
  accepted(get("X-Connection-Id: c\r\n"));
  EXPECT_MALFORMED(get("X-Connection-Id: c\r\nx-connection-id: c\r\n"));
}

TEST(RequestHead, refuses_two_proxy_authorizations) {
  accepted(get("Proxy-Authorization: Basic YQ==\r\n"));
  EXPECT_MALFORMED(get("Proxy-Authorization: Basic YQ==\r\nProxy-Authorization: Basic YQ==\r\n"));
}

TEST(RequestHead, marks_the_fields_that_connection_names) {
  const RequestHead head =
      parsed(get("X-Trace: 1\r\nConnection: x-trace, , close ,Authorization\r\nAuthorization: a\r\nX-Other: 2\r\n"));
  EXPECT_TRUE(head.fields.find("x-trace")->nominated);
  EXPECT_TRUE(head.fields.find("authorization")->nominated);
  EXPECT_FALSE(head.fields.find("x-other")->nominated);
  EXPECT_FALSE(head.keep_alive);
}

TEST(RequestHead, keeps_the_meaning_of_host_and_te_when_connection_names_them) {
  const RequestHead head = parsed(get("TE: trailers\r\nConnection: Host, TE\r\n"));
  EXPECT_FALSE(head.fields.find(FieldId::host)->nominated);
  EXPECT_FALSE(head.fields.find(FieldId::te)->nominated);
}

TEST(RequestHead, refuses_a_connection_that_names_framing_or_is_no_list_of_tokens) {
  EXPECT_MALFORMED(post("Content-Length: 1\r\nConnection: content-length\r\n"));
  EXPECT_MALFORMED(post("Connection: Transfer-Encoding\r\n"));
  EXPECT_MALFORMED(get("Connection: a b\r\n"));
  EXPECT_MALFORMED(get("Connection: \"close\"\r\n"));
  std::string options;
  for (std::size_t i = 0; i <= kMaxFields; ++i) options += "a,";
  EXPECT_MALFORMED(get("Connection: " + options + "\r\n"));
}

TEST(RequestHead, keeps_alive_by_version_and_connection) {
  const std::string old = "GET http://a/ HTTP/1.0\r\n" + kHost;
  EXPECT_TRUE(parsed(get("")).keep_alive);
  EXPECT_FALSE(parsed(get("Connection: Close\r\n")).keep_alive);
  EXPECT_FALSE(parsed(get("Connection: keep-alive\r\nConnection: close\r\n")).keep_alive);
  EXPECT_FALSE(parsed(old + "\r\n").keep_alive);
  EXPECT_TRUE(parsed(old + "Connection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST(RequestHead, understands_one_expectation_and_refuses_others_with_417) {
  EXPECT_TRUE(parsed(post("Content-Length: 1\r\nExpect: 100-Continue\r\n")).expect_continue);
  EXPECT_FALSE(parsed("POST http://a/ HTTP/1.0\r\n" + kHost + "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n")
                   .expect_continue);
  for (const char* value : {"200-ok", "", "100-continue, 100-continue", "100-continue;a", "100"})
    EXPECT_EQ(fault(post("Expect: " + std::string(value) + "\r\n")), Fault::bad_expectation) << value;
  EXPECT_EQ(fault(post("Expect: 100-continue\r\nExpect: x\r\n")), Fault::bad_expectation);
}

TEST(RequestHead, looks_at_the_first_request_of_a_pipeline_only) {
  const std::string one = get("");
  EXPECT_EQ(parsed(one + "garbage\n").size, one.size());
}

}  // namespace
}  // namespace postern::wire
