// What the audit hears of the data path.
#include "proxy/serve/noted.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace postern::serve {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kNow = 20'000 * kDay + 1'000;

vault::Authorization caller(std::string id) {
  vault::Authorization a;
  a.organization = "org_1";
  a.id = std::move(id);
  a.name = "step";
  return a;
}
vault::Connection connection(std::string id) {
  vault::Connection c;
  c.organization = "org_1";
  c.project = "proj_1";
  c.id = std::move(id);
  return c;
}

TEST(Noted, a_use_is_told_once_a_day_for_each_caller_connection_and_host) {
  int waiting = 0;
  Noted noted([&] { ++waiting; });
  for (int i = 0; i < 3; ++i) {
    noted.use(caller("tok_1"), connection("conn_1"), "a.test", "req_1", kNow);
    noted.use(caller("tok_1"), connection("conn_1"), "b.test", "req_2", kNow);
    noted.use(caller("tok_2"), connection("conn_1"), "a.test", "req_3", kNow);
    noted.use(caller("tok_1"), connection("conn_2"), "a.test", "req_4", kNow);
  }
  const auto events = noted.take(kNow, false);
  ASSERT_THAT(events, SizeIs(4));
  EXPECT_EQ(waiting, 4);
  EXPECT_EQ(events[0].organization, "org_1");
  EXPECT_EQ(events[0].project, "proj_1");
  EXPECT_EQ(events[0].actor, "tok_1");
  EXPECT_EQ(events[0].actor_name, "step");
  EXPECT_EQ(events[0].request, "req_1");
  EXPECT_EQ(events[0].action, "connection.used");
  EXPECT_EQ(events[0].subject, "conn_1");
  EXPECT_THAT(events[0].detail, ElementsAre(Pair("host", "a.test")));
  EXPECT_TRUE(noted.empty());
  noted.use(caller("tok_1"), connection("conn_1"), "a.test", "req_5", kNow + kDay);
  EXPECT_THAT(noted.take(kNow + kDay, false), SizeIs(1));
}

TEST(Noted, denials_are_told_as_one_a_caller_and_minute) {
  int waiting = 0;
  Noted noted([&] { ++waiting; });
  const auto who = caller("tok_1");
  for (int i = 0; i < 3; ++i) noted.denial(&who, "destination-not-allowed", kNow + i);
  noted.denial(&who, "connection-unavailable", kNow + 3);
  noted.denial(nullptr, "caller-unauthenticated", kNow + 4);
  EXPECT_EQ(waiting, 1);
  EXPECT_THAT(noted.take(kNow + 5, false), IsEmpty()) << "the minute is not over";
  EXPECT_FALSE(noted.empty());
  const auto events = noted.take(kNow + 60'000, false);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].actor, "unknown");
  EXPECT_EQ(events[0].organization, "");
  EXPECT_EQ(events[1].actor, "tok_1");
  EXPECT_EQ(events[1].organization, "org_1");
  EXPECT_EQ(events[1].action, "call.denied");
  EXPECT_EQ(events[1].count, 4U);
  EXPECT_EQ(events[1].first, kNow);
  EXPECT_EQ(events[1].last, kNow + 3);
  EXPECT_THAT(events[1].detail, ElementsAre(Pair("connection-unavailable", "1"), Pair("destination-not-allowed", "3")));
}

TEST(Noted, a_new_minute_ends_the_one_before_and_the_last_one_is_told_at_the_end) {
  Noted noted;
  const auto who = caller("tok_1");
  noted.denial(&who, "a", kNow);
  noted.denial(&who, "a", kNow + 60'000);
  EXPECT_THAT(noted.take(kNow + 60'001, false), SizeIs(1));
  EXPECT_THAT(noted.take(kNow + 60'001, true), SizeIs(1));
  EXPECT_TRUE(noted.empty());
}

TEST(Noted, too_many_callers_are_told_as_others) {
  Noted noted;
  for (std::size_t i = 0; i < Noted::kMostCallers + 5; ++i) {
    const auto who = caller("tok_" + std::to_string(i));
    noted.denial(&who, "a", kNow);
  }
  const auto events = noted.take(kNow, true);
  ASSERT_THAT(events, SizeIs(Noted::kMostCallers + 1));
  std::uint64_t others = 0;
  for (const auto& event : events) {
    if (event.actor == "others") others = event.count;
  }
  EXPECT_EQ(others, 5U);
}

TEST(Noted, what_nobody_takes_is_counted_and_takes_no_memory) {
  Noted noted;
  for (std::size_t i = 0; i < Noted::kMostWaiting + 7; ++i) {
    noted.use(caller("tok_1"), connection("conn_" + std::to_string(i)), "a.test", "", kNow);
  }
  const auto events = noted.take(kNow, false);
  ASSERT_THAT(events, SizeIs(Noted::kMostWaiting + 1));
  EXPECT_EQ(events.back().action, "audit.lost");
  EXPECT_EQ(events.back().count, 7U);
}

TEST(Noted, many_threads_tell_of_one_use_once) {
  Noted noted;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) {
          noted.use(caller("tok_1"), connection("conn_" + std::to_string(i)), "a.test", "", kNow);
          noted.denial(nullptr, "a", kNow);
        }
      });
    }
  }
  const auto events = noted.take(kNow, true);
  ASSERT_THAT(events, SizeIs(101));
  EXPECT_EQ(events.back().count, 400U);
}

}  // namespace
}  // namespace postern::serve
