#include "proxy/grants/schedule.hpp"

#include <gtest/gtest.h>

namespace postern::grants::test {
namespace {

constexpr std::int64_t kSecond = 1'000, kMinute = 60'000, kHour = 3'600'000, kDay = 86'400'000;
constexpr std::uint32_t kNone = 2'000;  // this jitter moves nothing

TEST(Thresholds, follow_the_lifetime) {
  const auto at = [](std::int64_t lifetime) { return thresholds(lifetime, kNone); };
  EXPECT_EQ(at(kHour).forced_ms, 30 * kSecond);
  EXPECT_EQ(at(kHour).due_ms, 5 * kMinute);
  EXPECT_EQ(at(2 * kMinute).forced_ms, 12 * kSecond);
  EXPECT_EQ(at(2 * kMinute).due_ms, 40 * kSecond);
  EXPECT_EQ(at(90 * kDay).due_ms, 5 * kMinute);
  EXPECT_EQ(at(0).due_ms, 0);
  EXPECT_EQ(at(10).due_ms, 3);
}

TEST(Thresholds, are_moved_by_a_fifth_at_most_and_the_same_way_every_time) {
  EXPECT_EQ(thresholds(kHour, 0).due_ms, 4 * kMinute);
  EXPECT_EQ(thresholds(kHour, 4'000).due_ms, 6 * kMinute);
  for (const char* id : {"conn_a", "conn_b", "conn_0123456789abcdefghjk"}) {
    const Thresholds t = thresholds(kHour, jitter_of(id));
    EXPECT_GE(t.due_ms, 4 * kMinute);
    EXPECT_LE(t.due_ms, 6 * kMinute);
    EXPECT_EQ(t.forced_ms, 30 * kSecond);
    EXPECT_EQ(jitter_of(id), jitter_of(id));
  }
  EXPECT_NE(jitter_of("conn_a"), jitter_of("conn_b"));
  EXPECT_EQ(jitter_of(""), 2'166'136'261U);
}

TEST(Freshness, goes_from_fresh_over_due_and_forced_to_ended) {
  const Moment sent{kDay, 100, "boot"};
  const auto after = [&](std::int64_t ms) { return freshness(kHour, sent, {kDay + ms, 100 + ms, "boot"}, kNone); };
  EXPECT_EQ(after(0), Freshness::fresh);
  EXPECT_EQ(after(55 * kMinute - 1), Freshness::fresh);
  EXPECT_EQ(after(55 * kMinute), Freshness::due);
  EXPECT_EQ(after(kHour - 30 * kSecond - 1), Freshness::due);
  EXPECT_EQ(after(kHour - 30 * kSecond), Freshness::forced);
  EXPECT_EQ(after(kHour - 1), Freshness::forced);
  EXPECT_EQ(after(kHour), Freshness::ended);
  EXPECT_EQ(freshness(std::nullopt, sent, {kDay * 900, 0, ""}, kNone), Freshness::fresh);
}

TEST(Remaining, believes_the_clock_that_says_less) {
  const Moment sent{kDay, 1'000, "boot"};
  EXPECT_EQ(remaining_ms(kHour, sent, {kDay + kMinute, 1'000 + 2 * kMinute, "boot"}), kHour - 2 * kMinute);
  EXPECT_EQ(remaining_ms(kHour, sent, {kDay + 2 * kMinute, 1'000 + kMinute, "boot"}), kHour - 2 * kMinute);
  EXPECT_EQ(remaining_ms(kHour, sent, {kDay - 9 * kHour, 1'000 + kMinute, "boot"}), kHour - kMinute);  // set back
  EXPECT_EQ(remaining_ms(kHour, sent, {kDay + kMinute, 5, "another boot"}), kHour - kMinute);          // restarted
  EXPECT_EQ(remaining_ms(kHour, sent, {kDay - kMinute, 5, "another boot"}), kHour);
  EXPECT_EQ(remaining_ms(kHour, sent, {kDay + 3 * kHour, 5, ""}), -2 * kHour);
}

TEST(Touch, comes_when_half_of_the_idle_time_is_over_and_not_more_than_daily) {
  EXPECT_FALSE(touch_due(14 * kDay, 0, 7 * kDay - 1));
  EXPECT_TRUE(touch_due(14 * kDay, 0, 7 * kDay));
  EXPECT_FALSE(touch_due(36 * kHour, 0, kDay - 1));
  EXPECT_TRUE(touch_due(36 * kHour, 0, kDay));
  EXPECT_TRUE(touch_due(kHour, 0, kHour));
}

TEST(Backoff, doubles_to_a_minute_with_full_jitter) {
  constexpr std::uint32_t most = 0xffff'ffff;
  EXPECT_EQ(backoff_ms(1, most), kSecond);
  EXPECT_EQ(backoff_ms(2, most), 2 * kSecond);
  EXPECT_EQ(backoff_ms(6, most), 32 * kSecond);
  EXPECT_EQ(backoff_ms(7, most), kMinute);
  EXPECT_EQ(backoff_ms(1'000'000, most), kMinute);
  EXPECT_EQ(backoff_ms(7, 0), 0);
  EXPECT_EQ(backoff_ms(7, most / 2 + 1), kMinute / 2);
  EXPECT_EQ(backoff_ms(0, most), kSecond);
}

TEST(Backoff, honours_retry_after_up_to_an_hour) {
  EXPECT_EQ(backoff_ms(1, 0, 90 * kSecond), 90 * kSecond);
  EXPECT_EQ(backoff_ms(7, 0xffff'ffff, 5 * kSecond), kMinute);
  EXPECT_EQ(backoff_ms(1, 0, kDay), kHour);
  EXPECT_EQ(backoff_ms(1, 0, -5), 0);
}

TEST(Breaker, opens_after_five_failures_and_tries_one_call_at_a_time) {
  Breaker breaker;
  for (int i = 0; i < 4; ++i) breaker.failed(0, 0, std::nullopt);
  EXPECT_TRUE(breaker.allows(0));
  breaker.failed(0, 0, std::nullopt);
  EXPECT_TRUE(breaker.open());
  EXPECT_FALSE(breaker.allows(kSecond - 1));
  EXPECT_TRUE(breaker.allows(kSecond));
  breaker.began(kSecond);
  EXPECT_FALSE(breaker.allows(2 * kSecond));
  EXPECT_TRUE(breaker.allows(31 * kSecond));  // the probe never reported back
  breaker.failed(2 * kSecond, 0xffff'ffff, std::nullopt);
  EXPECT_FALSE(breaker.allows(33 * kSecond));
  EXPECT_TRUE(breaker.allows(34 * kSecond));
  breaker.succeeded();
  EXPECT_FALSE(breaker.open());
  EXPECT_TRUE(breaker.allows(0));
}

TEST(Breaker, is_never_opened_by_what_callers_provoke) {
  Breaker breaker;
  for (int i = 0; i < 100; ++i) breaker.failed(0, 0, kHour, false);
  EXPECT_FALSE(breaker.open());
  EXPECT_TRUE(breaker.allows(0));
}

TEST(Breaker, keeps_everybody_away_while_retry_after_says_so) {
  Breaker breaker;
  breaker.failed(0, 0, 10 * kSecond);
  EXPECT_FALSE(breaker.open());
  EXPECT_FALSE(breaker.allows(10 * kSecond - 1));
  EXPECT_TRUE(breaker.allows(10 * kSecond));
}

TEST(ForcedLimit, is_one_a_minute_doubling_to_an_hour_while_fruitless) {
  ForcedLimit limit;
  std::int64_t now = -5;
  EXPECT_TRUE(limit.take(now));
  for (const std::int64_t gap : {1, 2, 4, 8, 16, 32, 60, 60}) {
    EXPECT_FALSE(limit.take(now + gap * kMinute - 1)) << gap;
    now += gap * kMinute;
    EXPECT_TRUE(limit.take(now)) << gap;
    limit.ended(false);
  }
  limit.ended(true);
  EXPECT_FALSE(limit.take(now + kMinute));  // what was spent stays spent
  now += kHour;
  EXPECT_TRUE(limit.take(now));
  EXPECT_TRUE(limit.take(now + kMinute));
}

TEST(ForcedRate, is_thirty_in_any_minute) {
  ForcedRate rate;
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(rate.take(i * kSecond));
  EXPECT_FALSE(rate.take(59 * kSecond));
  EXPECT_TRUE(rate.take(60 * kSecond));
  EXPECT_FALSE(rate.take(60 * kSecond));
  EXPECT_TRUE(rate.take(61 * kSecond));
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(rate.take(10 * kMinute));
  EXPECT_FALSE(rate.take(10 * kMinute));
}

}  // namespace
}  // namespace postern::grants::test
