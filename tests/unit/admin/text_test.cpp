#include <gtest/gtest.h>

#include "proxy/admin/json_text.hpp"

namespace postern::admin {
namespace {

TEST(AdminTimes, are_written_and_read_alike) {
  for (const std::int64_t ms : {0LL, 1'700'000'000'123LL, 951'782'399'999LL, 4'102'444'800'000LL})
    EXPECT_EQ(parse_time(to_time(ms)), ms) << to_time(ms);
  EXPECT_EQ(to_time(1'700'000'000'123), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(parse_time("2023-11-14T22:13:20Z"), 1'700'000'000'000);
  EXPECT_EQ(parse_time("2023-11-15T00:13:20.5+02:00"), 1'700'000'000'500);
  EXPECT_EQ(parse_time("2023-11-14T22:13:20.123456Z"), 1'700'000'000'123);
}

TEST(AdminTimes, refuse_what_is_not_rfc3339) {
  for (const char* text :
       {"", "now", "2023-11-14", "2023-11-14T22:13:20", "2023-13-14T22:13:20Z", "2023-02-30T00:00:00Z",
        "2023-11-14T24:00:00Z", "2023-11-14T22:60:00Z", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20Zx",
        "2023-11-14T22:13:20+0200", "-023-11-14T22:13:20Z"})
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
}

TEST(AdminDurations, know_their_units) {
  EXPECT_EQ(parse_duration("90s"), 90'000);
  EXPECT_EQ(parse_duration("1h30m"), 5'400'000);
  EXPECT_EQ(parse_duration("7d"), 604'800'000);
  EXPECT_EQ(parse_duration("250ms"), 250);
  for (const char* text : {"", "5", "h", "-1h", "1 h", "1y", "99999999999999999999s", "36501d", "1h-"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(AdminCursors, survive_any_bytes) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += char(i);
    EXPECT_EQ(parse_base64url(base64url(all)), all);
  }
  EXPECT_EQ(parse_base64url("a+b"), std::nullopt);
}

TEST(AdminTargets, are_decoded_once) {
  const auto url = parse_target("/a/b?x=1&y=a+b%2Bc&x=2&z");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->path, "/a/b");
  ASSERT_EQ(url->parameters.size(), 4u);
  EXPECT_EQ(url->parameters[1].second, "a b+c");
  EXPECT_EQ(url->parameters[3].first, "z");
  EXPECT_TRUE(parse_target("/a?")->parameters.empty());
  EXPECT_EQ(parse_target("/a?x=1&&=y")->parameters.size(), 2u);
  for (const char* bad : {"", "a", "http://x/", "*", "/a?%zz", "/a b", "//x\x01"})
    EXPECT_FALSE(parse_target(bad)) << bad;
}

TEST(AdminNames, are_repeated_only_when_they_cannot_be_a_secret) {
  EXPECT_TRUE(is_plain_name("toolkit_Slug"));
  EXPECT_FALSE(is_plain_name("sk_live_51Habc"));
  EXPECT_FALSE(is_plain_name("abcdefghijklmnopqrstuvwxyz"));
  EXPECT_FALSE(is_plain_name(""));
}

}  // namespace
}  // namespace postern::admin
