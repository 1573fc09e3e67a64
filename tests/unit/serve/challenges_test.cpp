// What a worker remembers of the challenges of one connection's upstreams.
#include "proxy/serve/challenges.hpp"

#include <gtest/gtest.h>

namespace postern::serve {
namespace {

inject::DigestChallenge asked(const std::string& realm, const std::string& nonce, const std::string& domain = "") {
  inject::DigestChallenge out;
  out.realm = realm;
  out.nonce = nonce;
  out.domain = domain;
  out.auth = true;
  return out;
}

TEST(Challenges, one_is_answered_at_its_host_and_port_alone) {
  Challenges all;
  EXPECT_TRUE(all.empty());
  all.learn("api.test", 443, asked("r", "1"));
  EXPECT_NE(all.find("api.test", 443, "/any"), nullptr);
  EXPECT_EQ(all.find("api.test", 8443, "/any"), nullptr);
  EXPECT_EQ(all.find("other.test", 443, "/any"), nullptr);
}

TEST(Challenges, a_newer_one_of_a_realm_replaces_the_older) {
  Challenges all;
  const std::uint64_t first = all.learn("api.test", 443, asked("r", "1")).serial;
  const std::uint64_t second = all.learn("api.test", 443, asked("r", "2")).serial;
  EXPECT_NE(first, second);
  EXPECT_EQ(all.find(first), nullptr);
  EXPECT_EQ(all.find("api.test", 443, "/")->challenge.nonce, "2");
  all.forget(second);
  EXPECT_TRUE(all.empty());
  EXPECT_EQ(all.find(0), nullptr);
}

TEST(Challenges, a_domain_says_where_a_realm_holds) {
  Challenges all;
  all.learn("api.test", 443, asked("wide", "1", "/ https://else.test/deep/er"));
  all.learn("api.test", 443, asked("deep", "2", "https://api.test/deep https://api.test:443/also"));
  const auto nonce_at = [&](const char* path) {
    const auto* found = all.find("api.test", 443, path);
    return found == nullptr ? "none" : found->challenge.nonce;
  };
  EXPECT_EQ(nonce_at("/a"), "1");
  EXPECT_EQ(nonce_at("/deep/er"), "2");
  EXPECT_EQ(nonce_at("/also"), "2");
}

TEST(Challenges, the_newest_of_two_realms_without_a_domain_is_taken) {
  Challenges all;
  all.learn("api.test", 443, asked("a", "1"));
  all.learn("api.test", 443, asked("b", "2"));
  EXPECT_EQ(all.find("api.test", 443, "/")->challenge.nonce, "2");
  all.learn("api.test", 443, asked("a", "3"));
  EXPECT_EQ(all.find("api.test", 443, "/")->challenge.nonce, "3");
}

TEST(Challenges, a_realm_whose_domain_lies_elsewhere_holds_for_the_whole_server) {
  Challenges all;
  all.learn("api.test", 443, asked("r", "1", "https://else.test/"));
  EXPECT_NE(all.find("api.test", 443, "/"), nullptr);
}

TEST(Challenges, answers_count_and_another_nonce_counts_anew) {
  Challenges all;
  Challenges::Learned& learned = all.learn("api.test", 443, asked("r", "1"));
  const Challenges::Answering one = Challenges::answer(&learned), two = Challenges::answer(&learned);
  EXPECT_EQ(one.count, 1U);
  EXPECT_EQ(two.count, 2U);
  EXPECT_EQ(one.client_nonce, two.client_nonce);  // a session key is made of it
  EXPECT_EQ(one.client_nonce.size(), 32U);
  Challenges::renew(learned, "2");
  const Challenges::Answering three = Challenges::answer(&learned);
  EXPECT_EQ(three.count, 1U);
  EXPECT_NE(three.client_nonce, one.client_nonce);
  EXPECT_EQ(inject::strongest_digest(three.text)->nonce, "2");
  EXPECT_EQ(Challenges::answer(nullptr).serial, 0U);
}

TEST(Challenges, a_nonce_that_comes_again_goes_on_counting) {
  Challenges all;
  const Challenges::Answering one = Challenges::answer(&all.learn("api.test", 443, asked("r", "1")));
  const Challenges::Answering two = Challenges::answer(&all.learn("api.test", 443, asked("r", "1", "/else")));
  EXPECT_EQ(two.count, one.count + 1);
  EXPECT_EQ(two.client_nonce, one.client_nonce);
  EXPECT_NE(two.serial, one.serial);
  EXPECT_EQ(all.find("api.test", 443, "/"), nullptr);
}

TEST(Challenges, only_so_many_are_kept) {
  Challenges all;
  for (int i = 0; i < 20; ++i) all.learn("h" + std::to_string(i), 443, asked("r", "1"));
  EXPECT_EQ(all.find("h11", 443, "/"), nullptr);
  EXPECT_NE(all.find("h12", 443, "/"), nullptr);
}

}  // namespace
}  // namespace postern::serve
