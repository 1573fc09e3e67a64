#include "proxy/wire/rewrite.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace postern::wire {
namespace {

using namespace std::string_view_literals;

std::string stripped(std::string_view query, std::vector<std::string> names = {"key", "api key"}) {
  std::string out;
  strip_query(
      query, [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); }, out);
  return out;
}

TEST(PercentEncoding, keeps_unreserved_characters_only) {
  std::string out = "x";
  percent_encode("aZ0-._~ /?&=+%\xc3\xa9\n\0"sv, out);
  EXPECT_EQ(out, "xaZ0-._~%20%2F%3F%26%3D%2B%25%C3%A9%0A%00");
}

TEST(PercentEncoding, is_undone_by_decoding) {
  std::string every, encoded;
  for (int c = 0; c < 256; ++c) every.push_back(static_cast<char>(c));
  percent_encode(every, encoded);
  EXPECT_EQ(percent_decode(encoded), every);
  EXPECT_EQ(percent_decode(encoded, Plus::space), every);
  EXPECT_EQ(percent_decode("a+b%2b%2B", Plus::space), "a b++");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
}

TEST(PercentEncoding, leaves_a_percent_sign_that_begins_no_escape) {
  EXPECT_EQ(percent_decode("%"), "%");
  EXPECT_EQ(percent_decode("%4"), "%4");
  EXPECT_EQ(percent_decode("%4g%41"), "%4gA");
  EXPECT_EQ(percent_decode("%%41"), "%A");
}

TEST(Query, loses_parameters_by_decoded_name_and_keeps_all_other_bytes) {
  EXPECT_EQ(stripped("key=1"), "");
  EXPECT_EQ(stripped("a=1&key=2&b=%zz+%41"), "a=1&b=%zz+%41");
  EXPECT_EQ(stripped("key=1&a"), "a");
  EXPECT_EQ(stripped("a&key"), "a");
  EXPECT_EQ(stripped("key=1&key=2&KEY=3&keys=4&a=key"), "KEY=3&keys=4&a=key");
  EXPECT_EQ(stripped("%6bey=1&k%65%79=2&a=b"), "a=b");
  EXPECT_EQ(stripped("api+key=1&api%20key=2&a"), "a");
  EXPECT_EQ(stripped("a&&b&"), "a&&b&");
  EXPECT_EQ(stripped(""), "");
  EXPECT_EQ(stripped("a=1;key=2"), "a=1;key=2") << "';' does not separate";
}

TEST(Query, tells_how_many_parameters_went) {
  std::string out = "/?";
  EXPECT_EQ(strip_query("a=1&key=2&key", [](std::string_view name) { return name == "key"; }, out), 2U);
  EXPECT_EQ(out, "/?a=1");
}

TEST(Query, has_no_parameter_where_nothing_stands) {
  std::string out;
  EXPECT_EQ(strip_query("&&=a&", [](std::string_view name) { return name.empty(); }, out), 1U);
  EXPECT_EQ(out, "&&");
}

TEST(Query, grows_by_a_parameter) {
  const auto appended = [](std::string target) {
    append_query(target, "k y", "a&b=\r\n");
    return target;
  };
  EXPECT_EQ(appended("/a"), "/a?k%20y=a%26b%3D%0D%0A");
  EXPECT_EQ(appended("/a?"), "/a?k%20y=a%26b%3D%0D%0A");
  EXPECT_EQ(appended("/a?b"), "/a?b&k%20y=a%26b%3D%0D%0A");
  EXPECT_EQ(appended("/a?b&"), "/a?b&k%20y=a%26b%3D%0D%0A");
}

TEST(Form, is_edited_like_a_query) {
  std::string body;
  EXPECT_EQ(strip_form("a=1&token=2", [](std::string_view name) { return name == "token"; }, body), 1U);
  append_form(body, "token", "x y");
  EXPECT_EQ(body, "a=1&token=x%20y");
  std::string empty;
  append_form(empty, "a", "");
  EXPECT_EQ(empty, "a=");
}

std::string without_cookie(std::string_view cookies) {
  std::string out;
  strip_cookie(cookies, "sid", out);
  return out;
}

TEST(Cookie, is_removed_by_name) {
  EXPECT_EQ(without_cookie("sid=1"), "");
  EXPECT_EQ(without_cookie("a=1; sid=2; b=3"), "a=1; b=3");
  EXPECT_EQ(without_cookie("sid=1; a=\"x=y\""), "a=\"x=y\"");
  EXPECT_EQ(without_cookie("a=1;sid =2;sid;b=3"), "a=1;b=3");
  EXPECT_EQ(without_cookie("SID=1; sids=2; a=sid"), "SID=1; sids=2; a=sid");
  EXPECT_EQ(without_cookie(""), "");
}

TEST(Cookie, is_added_unless_it_would_be_two) {
  std::string cookies;
  EXPECT_TRUE(append_cookie(cookies, "a", "1"));
  EXPECT_TRUE(append_cookie(cookies, "b", "x \"y\", z"));
  for (const std::string_view value : {"1; c=2"sv, "1\r\nX: y"sv, "1\0"sv, " 1"sv, "1 "sv, "1\t2"sv})
    EXPECT_FALSE(append_cookie(cookies, "c", value));
  for (const char* name : {"", "a b", "a=b", "a;"}) EXPECT_FALSE(append_cookie(cookies, name, "1"));
  EXPECT_EQ(cookies, "a=1; b=x \"y\", z");
}

std::string masked(std::string_view value, std::vector<std::string_view> secrets) {
  return mask(value, secrets).value_or("(same)");
}

TEST(Mask, replaces_every_occurrence) {
  EXPECT_EQ(masked("Bearer s3cret", {"s3cret"}), "Bearer ***");
  EXPECT_EQ(masked("s3crets3cret a s3cret", {"s3cret"}), "****** a ***");
  EXPECT_EQ(masked("s3cre s3cret", {"s3cret"}), "s3cre ***");
  EXPECT_EQ(masked("ss3cret", {"s3cret"}), "s***");
  EXPECT_EQ(masked("nothing here", {"s3cret"}), "(same)");
  EXPECT_EQ(masked("", {"s3cret"}), "(same)");
  EXPECT_EQ(masked("s3cret", {}), "(same)");
}

TEST(Mask, finds_percent_encoded_secrets_in_any_hex_case) {
  EXPECT_EQ(masked("u?k=a%2fb%2Bc%3D&x", {"a/b+c="}), "u?k=***&x");
  EXPECT_EQ(masked("u?k=a%2Fb%2bc%3d", {"a/b+c="}), "u?k=***");
  EXPECT_EQ(masked("k=%73%33cret", {"s3cret"}), "k=***");
  EXPECT_EQ(masked("k=two+words k=two%20words", {"two words"}), "k=*** k=***");
  EXPECT_EQ(masked("k=100%25sure k=100%sure", {"100%sure"}), "k=*** k=***");
  EXPECT_EQ(masked("k=a%2", {"a%2x"}), "(same)");
  EXPECT_EQ(masked("a%41bc", {"a%41bc"}), "***") << "the secret itself looks encoded";
}

TEST(Mask, takes_the_longest_of_several_secrets) {
  EXPECT_EQ(masked("user:pass", {"user", "user:pass"}), "***");
  EXPECT_EQ(masked("user:pass", {"user", "pass"}), "***:***");
}

TEST(Mask, does_not_look_for_secrets_under_four_bytes) {
  EXPECT_EQ(masked("abc abcd", {"abc", ""}), "(same)");
  EXPECT_EQ(masked("abc abcd", {"abcd"}), "abc ***");
}

bool ours(std::string_view host, std::uint16_t port) {
  return (host == "api.example" && (port == 443 || port == 8443)) || host == "2001:db8::1" || host == "files.example";
}
std::string rewritten(std::string_view reference, const CallerForm& form = {}) {
  return rewrite_reference(reference, form, ours).value_or("(same)");
}

TEST(Reference, becomes_plain_http_for_a_caller_of_absolute_form) {
  EXPECT_EQ(rewritten("https://api.example/p?q#f"), "http://api.example/p?q#f");
  EXPECT_EQ(rewritten("https://api.example:443/p"), "http://api.example/p");
  EXPECT_EQ(rewritten("HTTPS://API.Example./p"), "http://api.example/p");
  EXPECT_EQ(rewritten("https://api.example"), "http://api.example");
  EXPECT_EQ(rewritten("https://api.example?q"), "http://api.example?q");
  EXPECT_EQ(rewritten("https://api.example#f"), "http://api.example#f");
  EXPECT_EQ(rewritten("https://api.example:8443/p"), "http://api.example:8443/p");
  EXPECT_EQ(rewritten("http://api.example:80/p"), "http://api.example/p");
  EXPECT_EQ(rewritten("http://api.example:443/p"), "http://api.example/p");
  EXPECT_EQ(rewritten("//api.example/p"), "http://api.example/p");
  EXPECT_EQ(rewritten("https://[2001:DB8::1]:444/p"), "http://[2001:db8::1]:444/p");
  EXPECT_EQ(rewritten("https://api.example/caf\xc3\xa9 x"), "http://api.example/caf\xc3\xa9 x");
}

TEST(Reference, stays_as_it_is_if_it_is_not_ours_to_rewrite) {
  for (const char* reference : {"http://api.example/p",
                                "https://other.example/",
                                "https://api.example:9443/",
                                "https://api.example:80/",
                                "https://u@api.example/",
                                "https://api.example.evil/",
                                "https://api.example\\@evil/",
                                "https://evil#@api.example/",
                                "https:///p",
                                "https:/p",
                                "https:api.example",
                                "ftp://api.example/",
                                "mailto:a@api.example",
                                "/p",
                                "p",
                                "../p",
                                "?q",
                                "#f",
                                "",
                                "https://api.example:x/",
                                "https://api.example%2eevil/"})
    EXPECT_EQ(rewritten(reference), "(same)") << reference;
}

TEST(Reference, keeps_the_internal_suffix_and_the_scheme_that_the_caller_used) {
  EXPECT_EQ(rewritten("https://api.example/p", {.internal_suffix = true}), "http://api.example.postern.internal/p");
  EXPECT_EQ(rewritten("https://api.example:8443/p", {.internal_suffix = true}),
            "http://api.example.postern.internal:8443/p");
  EXPECT_EQ(rewritten("http://api.example/p", {.internal_suffix = true}), "http://api.example.postern.internal/p");
  EXPECT_EQ(rewritten("http://api.example.postern.internal/p", {.internal_suffix = true}), "(same)");
  EXPECT_EQ(rewritten("https://[2001:db8::1]/p", {.internal_suffix = true}), "http://[2001:db8::1]/p");
  EXPECT_EQ(rewritten("https://api.example/p", {.tls_scheme = true}), "(same)");
  EXPECT_EQ(rewritten("http://api.example/p", {.tls_scheme = true}), "https://api.example/p");
}

TEST(Reference, becomes_a_path_below_the_connection_in_base_url_mode) {
  const CallerForm form = {.base_url = true, .host = "127.0.0.1:8480", .connection = "billing"};
  EXPECT_EQ(rewritten("https://api.example/p?q#f", form), "http://127.0.0.1:8480/c/billing/p?q#f");
  EXPECT_EQ(rewritten("https://api.example", form), "http://127.0.0.1:8480/c/billing");
  EXPECT_EQ(rewritten("https://api.example?q", form), "http://127.0.0.1:8480/c/billing?q");
  EXPECT_EQ(rewritten("/p", form), "http://127.0.0.1:8480/c/billing/p");
  EXPECT_EQ(rewritten("//api.example/p", form), "http://127.0.0.1:8480/c/billing/p");
  for (const char* reference :
       {"p", "?q", "#f", "", "https://other.example/", "/a/../../b", "/%2E%2e/b", "https://api.example/..", "/."})
    EXPECT_EQ(rewritten(reference, form), "(same)") << reference;
}

TEST(Reference, drops_the_path_of_the_base_url) {
  const CallerForm form = {.base_url = true, .host = "h", .connection = "c1", .base_path = "/v2"};
  EXPECT_EQ(rewritten("https://api.example/v2/p", form), "http://h/c/c1/p");
  EXPECT_EQ(rewritten("/v2", form), "http://h/c/c1");
  EXPECT_EQ(rewritten("/v2?q=..", form), "http://h/c/c1?q=..");
  for (const char* reference : {"/v1/p", "/v22/p", "/", "https://api.example/"})
    EXPECT_EQ(rewritten(reference, form), "(same)") << reference;
}

std::string field(FieldId id, std::string_view value) {
  return rewrite_references(id, value, {}, ours).value_or("(same)");
}

TEST(References, of_location_and_content_location_are_the_value) {
  EXPECT_EQ(field(FieldId::location, "https://api.example/p"), "http://api.example/p");
  EXPECT_EQ(field(FieldId::content_location, "https://api.example/p"), "http://api.example/p");
  EXPECT_EQ(field(FieldId::server, "https://api.example/p"), "(same)");
}

TEST(References, of_refresh_stand_after_url_quoted_or_not) {
  EXPECT_EQ(field(FieldId::refresh, "5; url=https://api.example/p"), "5; url=http://api.example/p");
  EXPECT_EQ(field(FieldId::refresh, "0.5 ;URL = \"https://api.example/p\" x"), "0.5 ;URL = \"http://api.example/p\" x");
  EXPECT_EQ(field(FieldId::refresh, "5,url='https://api.example/p'"), "5,url='http://api.example/p'");
  EXPECT_EQ(field(FieldId::refresh, "5;https://api.example/p "), "5;http://api.example/p ");
  EXPECT_EQ(field(FieldId::refresh, "5;url=\"https://api.example/p"), "5;url=\"http://api.example/p");
  for (const char* value :
       {"5", "", "5;", "5; url=", "5; url=/p", "5; url=https://other.example/", "x; url=https://api.example/"})
    EXPECT_EQ(field(FieldId::refresh, value), "(same)") << value;
}

TEST(References, of_link_stand_in_angle_brackets) {
  EXPECT_EQ(
      field(FieldId::link,
            "<https://api.example/a?page=2>; rel=\"next\", <https://other.example/>; rel=x,<https://api.example/b>"),
      "<http://api.example/a?page=2>; rel=\"next\", <https://other.example/>; rel=x,<http://api.example/b>");
  EXPECT_EQ(field(FieldId::link, "</a>; title=\"<https://api.example/> \\\" <\", <https://api.example/c,d>"),
            "</a>; title=\"<https://api.example/> \\\" <\", <http://api.example/c,d>");
  for (const char* value : {"", "<", "<https://api.example/", "https://api.example/", "<>", "</p>; rel=next"})
    EXPECT_EQ(field(FieldId::link, value), "(same)") << value;
}

}  // namespace
}  // namespace postern::wire
