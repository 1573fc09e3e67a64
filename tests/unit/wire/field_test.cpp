#include "proxy/wire/field.hpp"

#include <gtest/gtest.h>

#include <string>

#include "proxy/wire/field_policy.hpp"
#include "proxy/wire/writer.hpp"

namespace postern::wire {
namespace {

using namespace std::string_view_literals;

TEST(Field, is_identified_in_any_case) {
  EXPECT_EQ(identify_field("Host"), FieldId::host);
  EXPECT_EQ(identify_field("hOST"), FieldId::host);
  EXPECT_EQ(identify_field("TE"), FieldId::te);
  EXPECT_EQ(identify_field("CONTENT-LENGTH"), FieldId::content_length);
  EXPECT_EQ(identify_field("Proxy-Authentication-Info"), FieldId::proxy_authentication_info);
  EXPECT_EQ(identify_field("x-connection-id"), FieldId::x_connection_id);
  EXPECT_EQ(identify_field("Server"), FieldId::server);
  EXPECT_EQ(identify_field("Date"), FieldId::date);
}

TEST(Field, belongs_to_a_family_by_its_prefix) {
  EXPECT_EQ(identify_field("X-Forwarded-For"), FieldId::x_forwarded);
  EXPECT_EQ(identify_field("x-forwarded-anything"), FieldId::x_forwarded);
  EXPECT_EQ(identify_field("X-Postern-Trace"), FieldId::x_postern);
  EXPECT_EQ(identify_field("X-HTTP-Method"), FieldId::x_http_method);
  EXPECT_EQ(identify_field("X-Http-Method-Override"), FieldId::x_http_method);
}

TEST(Field, is_other_if_it_is_only_similar) {
  for (const char* name : {"", "H", "Hosts", "Ho", "Content_Length", "Content-Lengt", "X-Forwarded", "X-Postern",
                           "X-Connection-I", "Content-Lengtn", "x-"})
    EXPECT_EQ(identify_field(name), FieldId::other) << name;
}

TEST(Field, names_compare_without_ASCII_case_only) {
  EXPECT_TRUE(iequals("aZ-1", "Az-1"));
  EXPECT_FALSE(iequals("a", "ab"));
  EXPECT_FALSE(iequals("^", "~"));
  EXPECT_FALSE(iequals("\xc3\xa9", "\xc3\x89"));
}

TEST(Field, a_token_is_not_empty_and_has_token_characters_only) {
  EXPECT_TRUE(is_token("!#$%&'*+-.^_`|~09AZaz"));
  for (const std::string_view text : {""sv, "a b"sv, "a:"sv, "\x7f"sv, "\xe9"sv, "a\0"sv, "(a)"sv})
    EXPECT_FALSE(is_token(text)) << text;
}

TEST(Field, a_value_has_no_control_characters_but_tab) {
  EXPECT_TRUE(is_field_value(""));
  EXPECT_TRUE(is_field_value("a\tb \x80\xff and a longer text\twith tabs in several words"));
  for (int c = 0; c < 256; ++c) {
    const bool fine = c == '\t' || (c >= 0x20 && c != 0x7f);
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text(20, 'a');
      text[at] = static_cast<char>(c);
      EXPECT_EQ(is_field_value(text), fine) << c << " at " << at;
    }
  }
}

TEST(FieldPolicy, connection_fields_and_ours_are_never_forwarded) {
  for (const char* name :
       {"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
        "HTTP2-Settings", "Proxy-Authorization", "Proxy-Authenticate", "Proxy-Authentication-Info", "X-Connection-Id",
        "X-Postern-Anything", "Content-Length", "Host"})
    EXPECT_TRUE(is_hop_by_hop(identify_field(name))) << name;
  for (const char* name : {"Via", "Expect", "Max-Forwards", "Authorization", "Cookie", "Accept", "X-Forwarded-For",
                           "Proxy-Status", "Date"})
    EXPECT_FALSE(is_hop_by_hop(identify_field(name))) << name;
}

TEST(FieldPolicy, places_of_credentials_and_routing_overrides_are_stripped_with_a_credential) {
  for (const char* name :
       {"Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "Api-Key", "X-Amz-Security-Token", "Forwarded",
        "X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method", "X-HTTP-Method-Override"})
    EXPECT_TRUE(is_stripped_with_credential(identify_field(name))) << name;
  for (const char* name : {"Accept", "Via", "Content-Type", "Set-Cookie", "Origin"})
    EXPECT_FALSE(is_stripped_with_credential(identify_field(name))) << name;
}

TEST(FieldPolicy, state_of_the_other_side_is_dropped_from_answers) {
  for (const char* name : {"Set-Cookie", "Authentication-Info", "Alt-Svc", "Strict-Transport-Security"})
    EXPECT_TRUE(is_dropped_from_answer(identify_field(name))) << name;
  for (const char* name : {"WWW-Authenticate", "Location", "Server", "Cookie"})
    EXPECT_FALSE(is_dropped_from_answer(identify_field(name))) << name;
}

TEST(FieldPolicy, an_underscore_for_a_hyphen_is_an_underscore_spelling) {
  EXPECT_TRUE(is_underscore_spelling("content_length", "Content-Length"));
  EXPECT_TRUE(is_underscore_spelling("X-Connection_ID", "x-connection-id"));
  EXPECT_FALSE(is_underscore_spelling("Content-Length", "Content-Length"));
  EXPECT_FALSE(is_underscore_spelling("Content_Lengths", "Content-Length"));
  EXPECT_FALSE(is_underscore_spelling("Content_Lengtx", "Content-Length"));
  EXPECT_FALSE(is_underscore_spelling("H_ost", "Host"));
}

TEST(FieldPolicy, three_query_parameters_are_stripped) {
  for (const char* name : {"access_token", "api_key", "key"}) EXPECT_TRUE(is_stripped_query_parameter(name));
  for (const char* name : {"", "keys", "Key", "apikey"}) EXPECT_FALSE(is_stripped_query_parameter(name));
}

TEST(HeadWriter, appends_exactly_the_field_whenever_the_text_has_to_grow) {
  std::string out, expected;
  HeadWriter writer(out);
  for (int i = 0; i < 200; ++i) {
    const std::string name = "X-" + std::to_string(i), value(static_cast<std::size_t>(i), 'v');
    writer.parsed_field(name, value);
    expected += name + ": " + value + "\r\n";
    ASSERT_EQ(out, expected);
  }
}

TEST(HeadWriter, writes_a_request) {
  std::string out = "x";
  HeadWriter writer(out);
  EXPECT_TRUE(writer.request_line("GET", "/a?b"));
  EXPECT_TRUE(writer.field("Host", "a.example"));
  EXPECT_TRUE(writer.field("X-Empty", ""));
  writer.parsed_field("X-B", "c");
  writer.content_length(UINT64_MAX);
  writer.end();
  EXPECT_EQ(
      out,
      "xGET /a?b HTTP/1.1\r\nHost: a.example\r\nX-Empty: \r\nX-B: c\r\nContent-Length: 18446744073709551615\r\n\r\n");
}

TEST(HeadWriter, writes_a_response) {
  std::string out;
  HeadWriter writer(out);
  EXPECT_TRUE(writer.status_line(404, reason_phrase(404)));
  EXPECT_TRUE(writer.status_line(299, reason_phrase(299)));
  EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\nHTTP/1.1 299 \r\n");
}

TEST(HeadWriter, cannot_write_what_would_break_the_framing) {
  std::string out;
  HeadWriter writer(out);
  for (const std::string_view bad : {"a\rb"sv, "a\nb"sv, "a\0b"sv, "a\x01"sv, "a\x7f"sv, "a\r\nX: y"sv}) {
    EXPECT_FALSE(writer.field("X-A", bad));
    EXPECT_FALSE(writer.field(bad, "b"));
    EXPECT_FALSE(writer.request_line("GET", bad));
    EXPECT_FALSE(writer.request_line(bad, "/"));
    EXPECT_FALSE(writer.status_line(200, bad));
  }
  for (const std::string_view name : {""sv, "a b"sv, "a:"sv, "\xe9"sv}) EXPECT_FALSE(writer.field(name, "b"));
  for (const std::string_view target : {""sv, "/a b"sv, "/\xc3\xa9"sv, "/\t"sv})
    EXPECT_FALSE(writer.request_line("GET", target));
  for (const std::uint16_t status : {std::uint16_t{0}, std::uint16_t{99}, std::uint16_t{1000}})
    EXPECT_FALSE(writer.status_line(status, ""));
  EXPECT_FALSE(writer.request_line("", "/"));
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace postern::wire
