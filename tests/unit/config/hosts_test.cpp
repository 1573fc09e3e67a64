#include "config/hosts.hpp"

#include "config/measures.hpp"
#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

std::string host_of(std::string_view text, bool wildcards = false) {
  const auto parsed = parse_host_port(text, wildcards);
  if (!parsed) return "refused: " + parsed.error();
  return parsed->host + (parsed->has_port ? " " + std::to_string(parsed->port) : "") + (parsed->ip ? " ip" : "") +
         (parsed->wildcard ? " wildcard" : "");
}
bool refused(std::string_view text, bool wildcards = false) {
  return host_of(text, wildcards).starts_with("refused");
}

TEST(Hosts, have_one_normal_form) {
  EXPECT_EQ(host_of("API.Example.COM."), "api.example.com");
  EXPECT_EQ(host_of("api.example.com:8443"), "api.example.com 8443");
  EXPECT_EQ(host_of("10.0.0.1:1"), "10.0.0.1 1 ip");
  EXPECT_EQ(host_of("[2001:DB8:0:0::1]:65535"), "2001:db8::1 65535 ip");
  EXPECT_EQ(host_of("[::1]"), "::1 ip");
  EXPECT_EQ(host_of("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(host_of("*.debian.org:80", true), ".debian.org 80 wildcard");
  EXPECT_EQ(join_host_port("::1", 443), "[::1]:443");
}

TEST(Hosts, refuse_what_is_no_name) {
  for (const char* text :
       {"",      ".",      "a..b",  "-a.b",       "a-.b",           "a_b.c",  "a b",    "bücher.example", "http://a.b",
        "a.b/c", "a@b.c",  "a.b:",  "a.b:0",      "a.b:65536",      "a.b:+1", "a.b:01", "a.b:80:80",      "::1",
        "[::1",  "[::1]x", "[a.b]", "[10.0.0.1]", "[fe80::1%eth0]", "*",      "*.",     "*.*.com"})
    EXPECT_TRUE(refused(text, true)) << text;
  EXPECT_TRUE(refused(std::string(64, 'a') + ".com"));
  EXPECT_TRUE(
      refused(std::string(126, 'a').replace(63, 1, ".") + "." + std::string(126, 'b').replace(63, 1, ".") + ".com"));
}

TEST(Hosts, refuse_numbers_that_some_resolver_would_dial) {
  for (const char* text : {"127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.0.0.01", "1.2.3.4.5",
                           "256.1.1.1", "a.0x1", "foo.123"})
    EXPECT_TRUE(refused(text)) << text;
}

TEST(Hosts, refuse_a_wildcard_over_a_public_suffix_or_an_address) {
  for (const char* text : {"*.com", "*.localhost", "*.co.uk", "*.github.io", "*.s3.amazonaws.com", "*.CO.UK.",
                           "*.1.1.1.1", "*a.com", "a.*.com", "*.herokuapp.com:443"})
    EXPECT_TRUE(refused(text, true)) << text;
  EXPECT_EQ(host_of("*.zendesk.com", true), ".zendesk.com wildcard");
  EXPECT_EQ(host_of("*.zendesk.com"), "refused: '*.zendesk.com': a wildcard is not allowed here");
}

TEST(Hosts, are_under_a_suffix_only_on_a_label_boundary) {
  EXPECT_TRUE(under_suffix("a.example.com", ".example.com"));
  EXPECT_TRUE(under_suffix("a.b.example.com", ".example.com"));
  EXPECT_FALSE(under_suffix("example.com", ".example.com"));
  EXPECT_FALSE(under_suffix(".example.com", ".example.com"));
  EXPECT_FALSE(under_suffix("evilexample.com", ".example.com"));
}

TEST(Ranges, are_written_in_one_form) {
  EXPECT_EQ(*parse_range("10.0.0.0/8"), "10.0.0.0/8");
  EXPECT_EQ(*parse_range("10.1.2.3"), "10.1.2.3/32");
  EXPECT_EQ(*parse_range("FD00::/8"), "fd00::/8");
  EXPECT_EQ(*parse_range("100.64.0.0/10"), "100.64.0.0/10");
  EXPECT_EQ(*parse_range("0.0.0.0/0"), "0.0.0.0/0");
}

TEST(Ranges, refuse_what_is_none) {
  for (const char* text : {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.1/8", "10/8", "::/129", "a/8",
                           "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/ 8"})
    EXPECT_FALSE(parse_range(text)) << text;
}

TEST(Ranges, refuse_metadata_addresses_in_every_spelling) {
  for (const char* text : {"169.254.169.254", "169.254.169.254/32", "169.254.0.0/16", "169.254.169.0/24",
                           "fd00:ec2::254", "fd00:ec2::/32", "100.100.100.200", "192.0.0.192", "168.63.129.16",
                           "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "168.63.129.0/24"})
    EXPECT_FALSE(parse_range(text)) << text;
}

TEST(PathPrefixes, hold_nothing_that_a_server_might_read_otherwise) {
  EXPECT_EQ(*parse_path_prefix("/"), "");
  EXPECT_EQ(*parse_path_prefix("/v1/"), "/v1/");
  EXPECT_EQ(*parse_path_prefix("/a.b/c~d:e"), "/a.b/c~d:e");
  for (const char* text : {"", "v1", "//", "/a//b", "/.", "/..", "/a/../b", "/a/./b", "/%2e", "/a;b", "/a?b", "/a#b",
                           "/a b", "/a\\b", "/\xc3\xa9", "/*"})
    EXPECT_FALSE(parse_path_prefix(text)) << text;
}

TEST(Durations, are_a_whole_number_and_a_unit) {
  using namespace std::chrono_literals;
  EXPECT_EQ(*parse_duration("500ms"), 500ms);
  EXPECT_EQ(*parse_duration("5s"), 5s);
  EXPECT_EQ(*parse_duration("10m"), 10min);
  EXPECT_EQ(*parse_duration("1h"), 1h);
  EXPECT_EQ(*parse_duration("1d"), 24h);
  EXPECT_EQ(*parse_duration("0s"), 0s);
  for (const char* text :
       {"", "5", "s", "1.5h", "-1s", "+1s", "5 s", "1h30m", "5S", "366d", "99999999999999999999s", "1w"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Sizes, are_bytes_or_binary_multiples) {
  EXPECT_EQ(*parse_size("512"), 512U);
  EXPECT_EQ(*parse_size("64KiB"), 65'536U);
  EXPECT_EQ(*parse_size("1MiB"), 1U << 20);
  EXPECT_EQ(*parse_size("1GiB"), 1U << 30);
  EXPECT_EQ(*parse_size("0"), 0U);
  for (const char* text : {"", "KiB", "64KB", "64kib", "1.5MiB", "-1", "2TiB", "18446744073709551616", "0x10", "1 MiB"})
    EXPECT_FALSE(parse_size(text)) << text;
}

TEST(Measures, are_shown_in_the_largest_exact_unit) {
  for (const char* text : {"500ms", "5s", "10m", "1h", "1d", "90s", "1500ms"})
    EXPECT_EQ(show_duration(*parse_duration(text)), text);
  EXPECT_EQ(show_duration(*parse_duration("60s")), "1m");
  for (const char* text : {"512", "64KiB", "1MiB", "3GiB", "1025"}) EXPECT_EQ(show_size(*parse_size(text)), text);
  EXPECT_EQ(show_size(*parse_size("1024KiB")), "1MiB");
  EXPECT_TRUE(parse_duration(show_duration(Millis(0))));
  EXPECT_TRUE(parse_size(show_size(0)));
}

}  // namespace
}  // namespace postern::config::test
