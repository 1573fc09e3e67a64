// Addresses and ranges as text: one spelling each, and refusals for the others.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>

#include "proxy/net/address_policy.hpp"

namespace postern::net {
namespace {

Endpoint at(const std::string& address, std::uint16_t port = 443) {
  const bool six = address.find(':') != std::string::npos;
  auto parsed = Endpoint::parse((six ? "[" + address + "]" : address) + ":" + std::to_string(port));
  EXPECT_TRUE(parsed) << address;
  return parsed.value_or(Endpoint{});
}

Range range(std::string_view cidr) {
  auto parsed = Range::parse(cidr);
  EXPECT_TRUE(parsed) << cidr;
  return parsed.value_or(Range{});
}

TEST(Endpoint, reads_and_writes_numeric_addresses_with_ports) {
  for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[fd00::2]:8480"}) {
    const auto parsed = Endpoint::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->text(), text);
    EXPECT_TRUE(*parsed == Endpoint::from(parsed->data(), parsed->length));
  }
  EXPECT_EQ(at("::1", 80).address(), "::1");
  EXPECT_EQ(at("::1", 80).port(), 80);
  Endpoint moved = at("10.0.0.1", 80);
  moved.set_port(81);
  EXPECT_EQ(moved.text(), "10.0.0.1:81");
  EXPECT_FALSE(moved == at("10.0.0.1", 80));
  EXPECT_FALSE(at("::ffff:10.0.0.1", 80) == at("10.0.0.1", 80));
}

TEST(Endpoint, refuses_every_other_spelling) {
  for (const char* text : {"",
                           ":",
                           "127.0.0.1",
                           "127.0.0.1:",
                           ":80",
                           "127.0.0.1:-1",
                           "127.0.0.1:+1",
                           "127.0.0.1:65536",
                           "127.0.0.1:080",
                           "127.0.0.1:0x50",
                           "127.0.0.1:80 ",
                           " 127.0.0.1:80",
                           "127.1:80",
                           "0177.0.0.1:80",
                           "0x7f.0.0.1:80",
                           "2130706433:80",
                           "127.0.0.1.:80",
                           "localhost:80",
                           "::1:80",
                           "[::1]",
                           "[::1]:",
                           "[127.0.0.1]:80",
                           "[fe80::1%lo]:80",
                           "[::1:80",
                           "::1]:80",
                           "[]:80",
                           "127.0.0.1:80:80"}) {
    const auto parsed = Endpoint::parse(text);
    EXPECT_FALSE(parsed) << text;
    if (!parsed) EXPECT_NE(parsed.error().find("[::1]:80"), std::string::npos);
  }
  EXPECT_FALSE(Endpoint::parse(std::string_view("127.0.0.1\0:80", 13)));
}

TEST(Endpoint, from_a_short_or_foreign_address_is_empty) {
  const Endpoint v4 = at("127.0.0.1", 80);
  EXPECT_EQ(Endpoint::from(v4.data(), sizeof(sockaddr_in) - 1).family(), AF_UNSPEC);
  const Endpoint v6 = at("::1", 80);
  EXPECT_EQ(Endpoint::from(v6.data(), sizeof(sockaddr_in6) - 1).family(), AF_UNSPEC);
  EXPECT_EQ(Endpoint::from(nullptr, 16).family(), AF_UNSPEC);
  EXPECT_EQ(Endpoint{}.text(), "");
  EXPECT_EQ(Endpoint{}.address(), "");
  EXPECT_EQ(Endpoint{}.port(), 0);
}

TEST(Endpoint, equal_endpoints_hold_equal_bytes) {
  sockaddr_in noisy{};
  std::memset(&noisy, 0xaa, sizeof noisy);
  noisy.sin_family = AF_INET;
  noisy.sin_port = htons(80);
  noisy.sin_addr.s_addr = htonl(0x7f000001);
  const Endpoint one = Endpoint::from(reinterpret_cast<const sockaddr*>(&noisy), sizeof noisy);
  const Endpoint other = at("127.0.0.1", 80);
  EXPECT_TRUE(one == other);
  EXPECT_EQ(std::memcmp(&one.storage, &other.storage, sizeof one.storage), 0);
}

TEST(Range, holds_its_addresses_and_no_others) {
  EXPECT_TRUE(range("0.0.0.0/0").contains(at("255.1.2.3")));
  EXPECT_FALSE(range("0.0.0.0/0").contains(at("fd00::1")));
  EXPECT_TRUE(range("10.0.0.0/9").contains(at("10.127.255.255")));
  EXPECT_FALSE(range("10.0.0.0/9").contains(at("10.128.0.0")));
  EXPECT_TRUE(range("10.0.0.5").contains(at("10.0.0.5", 1)));
  EXPECT_FALSE(range("10.0.0.5").contains(at("10.0.0.4", 1)));
  EXPECT_TRUE(range("fc00::/7").contains(at("fdff::1")));
  EXPECT_FALSE(range("fc00::/7").contains(at("fe00::1")));
  EXPECT_FALSE(range("fc00::/7").contains(at("10.0.0.1")));
  EXPECT_TRUE(range("::ffff:10.0.0.0/104").contains(at("10.9.9.9")));
  EXPECT_TRUE(range("::1").contains(at("::1")));
  EXPECT_FALSE(range("::/0").contains(Endpoint{}));
}

TEST(Range, refuses_what_is_not_a_range) {
  for (const char* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0/8", "10.0.0.0/8/8",
        "10.0.0.0/8 ", "::/129", "fe80::1%lo/64", "localhost", "010.0.0.0/8"})
    EXPECT_FALSE(Range::parse(text)) << text;
}

TEST(Range, refuses_bits_behind_the_prefix_and_says_which_network_was_meant) {
  const auto parsed = Range::parse("10.1.2.3/9");
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().find("10.0.0.0/9"), std::string::npos) << parsed.error();
  EXPECT_FALSE(Range::parse("fd00::1/64"));
}

}  // namespace
}  // namespace postern::net
