#include "proxy/wire/target.hpp"

#include <gtest/gtest.h>

#include <string>

namespace postern::wire {
namespace {

// `text` must outlive the target.
Target parsed(std::string_view text, std::string_view method = "GET") {
  Target target;
  const Refusal why = parse_target(method, text, target);
  EXPECT_EQ(why.fault, Fault::none) << text << ": " << why.detail;
  return target;
}
void expect_refused(std::string_view text, std::string_view method = "GET") {
  Target target;
  const Refusal why = parse_target(method, text, target);
  EXPECT_EQ(why.fault, Fault::malformed) << text;
  EXPECT_STRNE(why.detail, "") << text;
}
std::string sent(const Target& target) {
  std::string out;
  target.append_path(out);
  return out;
}

TEST(Target, parses_absolute_form) {
  const Target target = parsed("http://API.Example.COM/v1/a%20b?c=d&e");
  EXPECT_EQ(target.form, Form::absolute);
  EXPECT_FALSE(target.tls_scheme);
  EXPECT_EQ(target.host, "api.example.com");
  EXPECT_EQ(target.path, "/v1/a%20b?c=d&e");
  EXPECT_EQ(target.path_only(), "/v1/a%20b");
  EXPECT_EQ(target.query(), "c=d&e");
  EXPECT_EQ(sent(target), "/v1/a%20b?c=d&e");
  EXPECT_FALSE(target.ip_literal);
  EXPECT_FALSE(target.internal_suffix);
}

TEST(Target, dials_443_for_port_80_written_or_implied_and_keeps_other_ports) {
  EXPECT_EQ(parsed("http://a/").port, 443);
  EXPECT_EQ(parsed("http://a/").written_port, 0);
  EXPECT_EQ(parsed("http://a:80/").port, 443);
  EXPECT_EQ(parsed("http://a:80/").written_port, 80);
  EXPECT_EQ(parsed("http://a:443/").port, 443);
  EXPECT_EQ(parsed("http://a:8443/").port, 8443);
  EXPECT_EQ(parsed("https://a:80/").port, 443);
  EXPECT_EQ(parsed("http://a:65535/").port, 65535);
}

TEST(Target, takes_both_schemes_in_any_case) {
  EXPECT_TRUE(parsed("HTTPS://a/").tls_scheme);
  EXPECT_FALSE(parsed("hTTp://a/").tls_scheme);
  for (const char* text : {"ftp://a/", "ws://a/", "http:/a", "http:a", "http//a", "//a/b?c://", "a", "a:80", "https:/",
                           "file:///a", "http:", ""})
    if (std::string_view(text).starts_with("//"))
      EXPECT_EQ(parsed(text).form, Form::origin);
    else
      expect_refused(text);
}

TEST(Target, gives_a_slash_where_the_caller_wrote_no_path) {
  EXPECT_EQ(parsed("http://a").path, "/");
  const Target query = parsed("http://a?b/c");
  EXPECT_TRUE(query.slash_missing);
  EXPECT_EQ(query.path_only(), "/");
  EXPECT_EQ(query.query(), "b/c");
  EXPECT_EQ(query.host, "a");
  EXPECT_EQ(sent(query), "/?b/c");
  EXPECT_EQ(sent(parsed("http://a?")), "/?");
}

TEST(Target, strips_the_internal_suffix) {
  const Target target = parsed("http://API.stripe.com.Postern.Internal:8443/x");
  EXPECT_EQ(target.host, "api.stripe.com");
  EXPECT_TRUE(target.internal_suffix);
  EXPECT_EQ(target.port, 8443);
  EXPECT_EQ(parsed("http://a.postern.internal./").host, "a");
  EXPECT_TRUE(parsed("http://127.0.0.1.postern.internal/").ip_literal);
  EXPECT_EQ(parsed("http://apostern.internal/").host, "apostern.internal");
  for (const char* text :
       {"http://.postern.internal/", "http://postern.internal/", "http://a.postern.internal.postern.internal/",
        "http://1.2.postern.internal/", "http://postern.internal.postern.internal/", "http://a..postern.internal/"})
    expect_refused(text);
}

TEST(Target, drops_one_trailing_dot) {
  EXPECT_EQ(parsed("http://a.example./").host, "a.example");
  expect_refused("http://a.example../");
  expect_refused("http://./");
}

TEST(Target, refuses_what_no_target_may_hold) {
  for (const char* text : {"http://user@a/", "http://user:pass@a/", "http://@a/", "http://a@b:80/", "http://a\\b/",
                           "http://a/b\\c", "http://a/b#c", "http://a#b", "http://a/\xc3\xa9", "http://caf\xc3\xa9/",
                           "http://a/b c", "http://a/\x01", "http://a/\x7f", "/c/x/#a", "/c/x\\y"})
    expect_refused(text);
  EXPECT_EQ(parsed("http://a/b@c").path, "/b@c");
}

TEST(Target, refuses_bad_ports) {
  for (const char* text : {"http://a:/", "http://a:0/", "http://a:65536/", "http://a:99999/", "http://a:123456/",
                           "http://a:+80/", "http://a:-1/", "http://a:8a/", "http://a:080/", "http://a:80:80/",
                           "http://a:80 /", "http://[::1]:/", "http://[::1]80/"})
    expect_refused(text);
}

TEST(Target, refuses_hosts_outside_letters_digits_hyphen_and_underscore) {
  for (const char* text : {"http:///", "http://", "http://?", "http://:80/", "http://a..b/", "http://.a/",
                           "http://a%2eb/", "http://%61/", "http://a,b/", "http://a;b/", "http://a!/", "http://*/",
                           "http://a+b/", "http://a&b/", "http://(a)/", "http://a\"/"})
    expect_refused(text);
  EXPECT_EQ(parsed("http://_a-b.c_d/").host, "_a-b.c_d");
}

TEST(Target, refuses_labels_over_63_and_names_over_253) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  ASSERT_EQ(longest.size(), 253U);
  EXPECT_EQ(parsed("http://" + longest + "/").host, longest);
  EXPECT_EQ(parsed("http://" + longest + "./").host, longest);
  EXPECT_EQ(parsed("http://" + longest + ".postern.internal/").host, longest);
  expect_refused("http://" + longest + "b/");
  expect_refused("http://" + longest + "b.postern.internal/");
  expect_refused("http://" + label + "a/");
  expect_refused("http://" + std::string(8000, '.') + "/");
  std::string many;
  for (int i = 0; i < 200; ++i) many += "a.";
  expect_refused("http://" + many + "a/");
}

TEST(Target, takes_IPv4_only_as_four_decimal_numbers) {
  const Target target = parsed("http://192.0.2.255:8080/");
  EXPECT_EQ(target.host, "192.0.2.255");
  EXPECT_TRUE(target.ip_literal);
  for (const char* host : {"127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001", "0177.0.0.1",
                           "127.0.0.01", "127.0.0.256", "1.2.3.4.5", "1.2.3", "127.0.0.0x1", "a.1", "a.0x", "1.2.3.4.",
                           "1.2.3.04", "00.0.0.0", "example.0xAB", "1.2.3.1000"})
    if (std::string_view(host) == "1.2.3.4.")
      EXPECT_EQ(parsed("http://1.2.3.4./").host, "1.2.3.4");
    else
      expect_refused("http://" + std::string(host) + "/");
  EXPECT_FALSE(parsed("http://1.2.3.4a/").ip_literal);
  EXPECT_EQ(parsed("http://0xyz.example/").host, "0xyz.example");
}

TEST(Target, takes_IPv6_in_brackets_and_normalizes_it) {
  const Target target = parsed("http://[2001:DB8:0:0::0001]:8443/x");
  EXPECT_EQ(target.host, "2001:db8::1");
  EXPECT_TRUE(target.ip_literal);
  EXPECT_EQ(target.port, 8443);
  EXPECT_EQ(target.path, "/x");
  EXPECT_EQ(parsed("http://[::ffff:192.0.2.1]/").host, "::ffff:192.0.2.1");
  for (const char* host :
       {"[::1", "::1", "[]", "[::1%25eth0]", "[::1%eth0]", "[v1.a]", "[1.2.3.4]", "[::1]]", "[[::1]]", "[::g]",
        "[::1]a", "[::1].postern.internal", "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"})
    expect_refused("http://" + std::string(host) + "/");
}

TEST(Target, parses_base_url_mode) {
  const Target target = parsed("/c/conn_Ab-9/v1/charges?a=b");
  EXPECT_EQ(target.form, Form::origin);
  EXPECT_EQ(target.base_connection, "conn_Ab-9");
  EXPECT_EQ(target.path, "/v1/charges?a=b");
  EXPECT_EQ(target.host, "");
  EXPECT_EQ(parsed("/c/x").path, "/");
  EXPECT_EQ(parsed("/c/x/").path, "/");
  EXPECT_EQ(parsed("/c/x//y").path, "//y");
  EXPECT_EQ(sent(parsed("/c/x?q")), "/?q");
  EXPECT_EQ(parsed("/c/x?q").base_connection, "x");
  EXPECT_EQ(parsed("/c/" + std::string(64, 'a') + "/b").base_connection.size(), 64U);
}

TEST(Target, names_no_connection_in_any_other_origin_form) {
  const std::string too_long = "/c/" + std::string(65, 'a') + "/b";
  for (const std::string_view text :
       {"/", "/c", "/c/", "/c//x", "/C/x/y", "/c/a.b/c", "/c/a%62/c", "/c/a;b", "/v1/charges", "//c/x", "/c/?x"}) {
    EXPECT_EQ(parsed(text).base_connection, "") << text;
    EXPECT_EQ(parsed(text).path, text);
  }
  EXPECT_EQ(parsed(too_long).base_connection, "");
}

TEST(Target, takes_authority_form_for_connect_only) {
  const Target target = parsed("API.example.com:443", "CONNECT");
  EXPECT_EQ(target.form, Form::authority);
  EXPECT_EQ(target.host, "api.example.com");
  EXPECT_EQ(target.port, 443);
  EXPECT_EQ(target.written_port, 443);
  EXPECT_EQ(parsed("a:80", "CONNECT").written_port, 80);
  EXPECT_EQ(parsed("[::1]:80", "CONNECT").host, "::1");
  for (const char* text :
       {"a", "a:", ":443", "http://a:443", "http://a:443/", "/", "*", "a:443/", "a:443?b", "u@a:443", "[::1]"})
    expect_refused(text, "CONNECT");
  expect_refused("a:443", "GET");
  expect_refused("http://a/", "CONNECT");
}

TEST(Target, takes_the_asterisk_for_options_only) {
  const Target target = parsed("*", "OPTIONS");
  EXPECT_EQ(target.form, Form::asterisk);
  EXPECT_EQ(target.path, "*");
  expect_refused("*", "GET");
  expect_refused("*", "options");
  expect_refused("**", "OPTIONS");
}

TEST(Target, sends_the_asterisk_for_options_without_a_path) {
  EXPECT_EQ(parsed("http://a:8443", "OPTIONS").path, "*");
  EXPECT_EQ(parsed("http://a/", "OPTIONS").path, "/");
  EXPECT_EQ(sent(parsed("http://a?b", "OPTIONS")), "/?b");
}

TEST(Target, can_be_used_again) {
  Target target;
  ASSERT_EQ(parse_target("GET", "https://[::1]:81?x", target).fault, Fault::none);
  ASSERT_EQ(parse_target("GET", "/c/x/y", target).fault, Fault::none);
  EXPECT_FALSE(target.tls_scheme || target.ip_literal || target.slash_missing || target.internal_suffix);
  EXPECT_EQ(target.host, "");
  EXPECT_EQ(target.port, 443);
  EXPECT_EQ(target.written_port, 0);
}

TEST(Host, is_normalized_like_a_target) {
  HostPort host;
  ASSERT_EQ(parse_host("API.Example.com.:80", host).fault, Fault::none);
  EXPECT_EQ(host.host, "api.example.com");
  EXPECT_EQ(host.port, 80);
  ASSERT_EQ(parse_host("[::0:1]", host).fault, Fault::none);
  EXPECT_EQ(host.host, "::1");
  EXPECT_EQ(host.port, 0);
  EXPECT_TRUE(host.ip_literal);
  ASSERT_EQ(parse_host("a.postern.internal", host).fault, Fault::none);
  EXPECT_EQ(host.host, "a");
  EXPECT_TRUE(host.internal_suffix);
  EXPECT_EQ(parse_host("", host).fault, Fault::malformed);
  EXPECT_EQ(parse_host("a@b", host).fault, Fault::malformed);
}

TEST(Path, is_ambiguous_with_dot_segments_encoded_separators_empty_segments_and_parameters) {
  for (const char* path : {"/a/../b", "/..", "/.", "/./", "/a/.", "/a/..", "/%2e%2E/", "/a%2fb", "/a%2Fb", "/a%5cb",
                           "/a%5Cb", "//", "/a//b", "/a//", "/a;b", "/;", "/a\\b", "//?a"})
    EXPECT_TRUE(path_is_ambiguous(path)) << path;
  for (const char* path : {"/", "/a/b/", "/a.b/..c/c../.d", "/a%20b%2", "/a?b=//../;%2e", "*", "", "/...", "/a%"})
    EXPECT_FALSE(path_is_ambiguous(path)) << path;
}

}  // namespace
}  // namespace postern::wire
