// How often, how long and for how many a token endpoint is asked.
#include "tests/unit/serve/token_world.hpp"

namespace postern::serve::test {
namespace {

using testing::HasSubstr;

class TokenLimits : public TokenWorld {
 public:
  std::vector<vault::Connection> many(int n, std::optional<std::int64_t> left) {
    std::vector<vault::Connection> made;
    for (int i = 0; i < n; ++i) made.push_back(connect(left, "oauth", "acme-" + std::to_string(i)));
    return made;
  }
};

TEST_F(TokenLimits, an_answer_has_twenty_five_seconds) {
  const auto meta = connect({});
  endpoint.answers(tokens("at-2"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(endpoint.deadline(), std::chrono::seconds(25));
}

TEST_F(TokenLimits, who_waits_too_long_leaves_and_the_flight_goes_on) {
  const auto meta = connect({});
  deps.patience = net::Millis(20);
  endpoint.answers(tokens("at-2", "rt-2"));
  start();
  endpoint.shut();
  EXPECT_EQ(refresh(meta).kind, Kind::in_progress);
  EXPECT_EQ(refresh(meta).kind, Kind::in_progress);
  endpoint.open();
  until([&] { return found(meta).generation == meta.generation + 1; });
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-2");
  EXPECT_EQ(requests(), 1U);
  EXPECT_EQ(serve::TokenService::Deps().patience, std::chrono::seconds(10));
}

TEST_F(TokenLimits, only_so_many_wait) {
  const auto meta = connect({});
  deps.most_waiters = 2;
  endpoint.answers(tokens("at-2"));
  start();
  endpoint.shut();
  std::atomic<int> renewed{0};
  for (int i = 0; i < 2; ++i)
    service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended,
                     [&](const Renewed& r) { renewed += r.kind == Kind::renewed ? 1 : 0; });
  EXPECT_EQ(refresh(meta).kind, Kind::in_progress);
  endpoint.open();
  until([&] { return renewed == 2; });
}

TEST_F(TokenLimits, retry_after_is_for_everybody_at_that_host) {
  const auto all = many(2, -1);
  Delivery busy = answered("busy", 429);
  busy.reply.headers.emplace_back("Retry-After", vault::Secret("600"));
  endpoint.answers(std::move(busy));
  start();
  EXPECT_EQ(refresh(all[0]).retry_after_ms, 600'000);
  for (const auto& meta : all) {
    const Renewed later = refresh(meta);
    EXPECT_EQ(later.kind, Kind::unavailable);
    EXPECT_GT(later.retry_after_ms, 500'000);
  }
  EXPECT_EQ(requests(), 1U);
}

TEST_F(TokenLimits, a_host_that_failed_for_five_is_left_alone_by_the_others) {
  const auto all = many(6, -1);
  endpoint.answers(answered("down", 503));
  start();
  for (const auto& meta : all) EXPECT_EQ(refresh(meta).kind, Kind::unavailable);
  EXPECT_EQ(requests(), 5U);
}

TEST_F(TokenLimits, what_callers_provoke_keeps_nobody_from_a_host) {
  const auto all = many(6, kHour - 1);
  endpoint.answers(answered("down", 503));
  start();
  for (const auto& meta : all) EXPECT_EQ(refresh(meta, Why::refused).kind, Kind::unavailable);
  EXPECT_EQ(requests(), 6U);
}

TEST_F(TokenLimits, one_forced_refresh_a_minute_of_a_connection) {
  const auto meta = connect(kHour - 1);
  endpoint.answers(tokens("at-2"), tokens("at-3"));
  start();
  EXPECT_EQ(refresh(meta, Why::refused).kind, Kind::renewed);
  EXPECT_EQ(refresh(found(meta), Why::refused).kind, Kind::limited);
  EXPECT_EQ(refresh(meta, Why::refused).kind, Kind::current) << "an older token is only replaced";
  EXPECT_EQ(requests(), 1U);
  EXPECT_EQ(found(meta).status, Status::active);
  EXPECT_EQ(found(meta).status_reason, "");
}

TEST_F(TokenLimits, thirty_forced_refreshes_a_minute_of_an_auth_config) {
  const auto all = many(31, kHour - 1);
  endpoint.answers(tokens("at-2"));
  start();
  for (const auto& meta : all)
    EXPECT_EQ(refresh(meta, Why::refused).kind, &meta == &all.back() ? Kind::limited : Kind::renewed);
  EXPECT_EQ(requests(), 30U);
}

TEST_F(TokenLimits, an_idle_refresh_token_is_used_before_it_ends) {
  const auto meta = connect({});
  endpoint.answers(answered(R"({"access_token":"at-2","token_type":"bearer"})"));  // it lives until it is refused
  start();
  ASSERT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(found(meta).touch, now + 5 * 24 * kHour) << "half of the ten days that the entry says";
  now += 5 * 24 * kHour - 1;
  EXPECT_EQ(refresh(found(meta), Why::due).kind, Kind::current);
  now += 1;
  service->wake({});
  until([&] { return found(meta).generation == meta.generation + 2; });
  EXPECT_EQ(requests(), 2U);
  EXPECT_EQ(found(meta).touch, now + 5 * 24 * kHour);
}

}  // namespace
}  // namespace postern::serve::test
