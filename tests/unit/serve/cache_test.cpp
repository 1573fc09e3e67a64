#include "proxy/serve/cache.hpp"

#include <gtest/gtest.h>

namespace postern::serve {
namespace {

struct Thing {
  int number = 0;
  bool dropped = false;
};

class CacheOf : public testing::Test {
 protected:
  std::shared_ptr<Thing> put(const std::string& name, std::size_t bytes = 10) {
    auto thing = std::make_shared<Thing>();
    cache.put(name, thing, bytes);
    return thing;
  }
  Cache<Thing> cache{100, [](Thing& thing) { thing.dropped = true; }};
};

TEST_F(CacheOf, finds_one_by_each_of_its_names_and_forgets_it_by_any) {
  const auto thing = put("id");
  cache.also("id", "alias");
  ASSERT_NE(cache.find("alias"), nullptr);
  EXPECT_EQ(*cache.find("alias"), thing);
  cache.erase("alias");
  EXPECT_TRUE(thing->dropped);
  EXPECT_EQ(cache.find("id"), nullptr);
  EXPECT_EQ(cache.find("alias"), nullptr);
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST_F(CacheOf, gives_a_name_to_the_last_that_took_it) {
  const auto first = put("1"), second = put("2");
  cache.also("1", "alias");
  cache.also("2", "alias");
  EXPECT_TRUE(first->dropped);
  EXPECT_EQ(*cache.find("alias"), second);
  const auto third = put("2");
  EXPECT_TRUE(second->dropped);
  EXPECT_EQ(*cache.find("2"), third);
  EXPECT_EQ(cache.size(), 1U);
}

TEST_F(CacheOf, keeps_what_is_asked_for_when_it_needs_room) {
  const auto used = put("used");
  for (int i = 0; i < 100; ++i) {
    put(std::to_string(i));
    EXPECT_EQ(*cache.find("used"), used);
    EXPECT_LE(cache.bytes(), 100U);
  }
  EXPECT_EQ(cache.size(), 10U);
  EXPECT_NE(cache.find("99"), nullptr);
  EXPECT_EQ(cache.find("0"), nullptr);
}

TEST_F(CacheOf, holds_one_that_is_larger_than_all_its_room_until_the_next) {
  const auto large = put("large", 1000);
  EXPECT_NE(cache.find("large"), nullptr);
  put("next");
  EXPECT_TRUE(large->dropped);
}

TEST_F(CacheOf, counts_what_became_heavier_while_it_is_kept) {
  const auto thing = put("a");
  cache.grew("a", thing.get(), 50);
  EXPECT_EQ(cache.bytes(), 60U);
  put("a");
  cache.grew("a", thing.get(), 50);  // which is another now
  EXPECT_EQ(cache.bytes(), 10U);
}

TEST_F(CacheOf, lets_go_of_what_nobody_asked_for_in_so_many_rounds) {
  const auto idle = put("idle"), used = put("used");
  for (std::uint32_t round = 0; round < Cache<Thing>::kRounds; ++round) {
    cache.next_round();
    EXPECT_NE(cache.find("used"), nullptr);
    EXPECT_FALSE(idle->dropped);
  }
  cache.next_round();
  EXPECT_TRUE(idle->dropped);
  EXPECT_FALSE(used->dropped);
}

TEST_F(CacheOf, forgets_all_that_fit_a_description) {
  put("1")->number = 1;
  put("2")->number = 2;
  put("3")->number = 1;
  cache.erase_if([](const Thing& thing) { return thing.number == 1; });
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_NE(cache.find("2"), nullptr);
}

}  // namespace
}  // namespace postern::serve
