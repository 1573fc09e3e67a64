// Tokens are renewed once, in time and for everybody.
#include "tests/unit/serve/token_world.hpp"

namespace postern::serve::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

class TokenRefresh : public TokenWorld {};

TEST_F(TokenRefresh, asks_once_for_a_thousand_who_wait) {
  const auto meta = connect({});
  endpoint.answers(tokens("at-2", "rt-2"));
  start();
  endpoint.shut();
  std::atomic<int> renewed{0}, others{0};
  for (int i = 0; i < 1'000; ++i)
    service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended,
                     [&](const Renewed& r) { ++(r.kind == Kind::renewed ? renewed : others); });
  endpoint.until_asked(1);
  until([&] { return metrics.render().find("postern_token_refreshes_waiting 1000\n") != std::string::npos; });
  endpoint.open();
  until([&] { return renewed + others == 1'000; });
  EXPECT_EQ(renewed, 1'000);
  EXPECT_THAT(endpoint.bodies(), ElementsAre(HasSubstr("refresh_token=rt-1")));
  EXPECT_EQ(stored(meta, "accessToken"), "at-2");
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-2");
  EXPECT_EQ(found(meta).generation, meta.generation + 1);
  EXPECT_EQ(found(meta).expires, now + kHour);
  EXPECT_EQ(pending(), 0U);
  EXPECT_GE(published, 1);
  EXPECT_THAT(metrics.render(), HasSubstr("postern_token_requests_total{result=\"ok\"} 1\n"));
}

TEST_F(TokenRefresh, writes_the_intent_before_it_asks) {
  const auto meta = connect({});
  std::atomic<std::size_t> written{0};
  endpoint.at_call = [&] { written = pending(); };
  endpoint.answers(tokens("at-2"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(written, 1U);
  EXPECT_EQ(pending(), 0U);
}

TEST_F(TokenRefresh, keeps_the_refresh_token_where_the_answer_brings_none) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-1");
}

TEST_F(TokenRefresh, does_not_ask_for_one_who_has_an_older_token_than_is_stored) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(refresh(meta).kind, Kind::current);
  EXPECT_EQ(requests(), 1U);
}

TEST_F(TokenRefresh, serves_a_rejected_grant_until_its_access_token_ends) {
  const auto meta = connect(60'000);
  endpoint.answers(refused("invalid_grant"));
  start();
  EXPECT_EQ(refresh(meta, Why::due).kind, Kind::rejected);
  EXPECT_EQ(found(meta).status, Status::active);
  EXPECT_EQ(found(meta).status_reason, "refresh_rejected");
  now += 60'001;
  EXPECT_EQ(refresh(meta).kind, Kind::rejected);
  EXPECT_EQ(found(meta).status, Status::expired);
  EXPECT_EQ(found(meta).status_reason, "refresh_rejected");
  EXPECT_EQ(requests(), 1U) << "what is dead is not asked for again";
}

TEST_F(TokenRefresh, puts_a_rejected_client_down_to_the_auth_config) {
  const auto meta = connect(-1);
  endpoint.answers(refused("invalid_client"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::client);
  EXPECT_EQ(refresh(meta).kind, Kind::client);
  EXPECT_EQ(requests(), 1U);
  EXPECT_EQ(found(meta).status, Status::active);
  const auto app = *vault->tokens().find_auth_config({}, meta.auth_config);
  EXPECT_EQ(app.status, Status::error);
  EXPECT_EQ(app.status_reason, "client_rejected");
}

TEST_F(TokenRefresh, pauses_after_a_failure_and_goes_on_when_it_is_woken) {
  const auto meta = connect(-1);
  endpoint.answers(answered("down", 503), tokens("at-2"));
  start();
  const Renewed failed = refresh(meta);
  EXPECT_EQ(failed.kind, Kind::unavailable);
  EXPECT_EQ(found(meta).status, Status::active);
  EXPECT_EQ(found(meta).status_reason, "token_endpoint_unavailable");
  EXPECT_EQ(pending(), 0U);
  service->wake(meta.id);
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(found(meta).status_reason, "");
}

TEST_F(TokenRefresh, takes_over_what_an_earlier_process_left_pending) {
  const auto meta = connect(-1);
  const vault::Secret spent("rt-1");
  ASSERT_TRUE(vault->tokens().begin_refresh(meta, "an earlier process", &spent));
  endpoint.answers(tokens("at-2", "rt-2"));
  start();
  until([&] { return found(meta).generation == meta.generation + 1; });
  EXPECT_THAT(endpoint.bodies(), ElementsAre(HasSubstr("refresh_token=rt-1")));
  EXPECT_EQ(pending(), 0U);
}

TEST_F(TokenRefresh, says_that_an_outcome_was_lost) {
  const auto meta = connect(-1);
  const vault::Secret spent("rt-1");
  ASSERT_TRUE(vault->tokens().begin_refresh(meta, "an earlier process", &spent));
  endpoint.answers(refused("invalid_grant"));
  start();
  until([&] { return found(meta).status == Status::expired; });
  EXPECT_EQ(found(meta).status_reason, "refresh_outcome_lost");
}

TEST_F(TokenRefresh, says_the_same_where_the_answer_was_lost_on_the_way) {
  const auto meta = connect(-1);
  endpoint.answers(lost(), refused("invalid_grant"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::unavailable);
  until([&] { return refresh(meta).kind == Kind::rejected; });
  EXPECT_EQ(found(meta).status_reason, "refresh_outcome_lost");
}

TEST_F(TokenRefresh, discards_the_tokens_of_a_connection_that_was_deleted_meanwhile) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2"));
  start();
  endpoint.shut();
  service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended, {});
  endpoint.until_asked(1);
  ASSERT_TRUE(vault->erase_connection({}, meta.id, 0));
  endpoint.open();
  service->stop();
  EXPECT_FALSE(vault->find_connection({}, meta.id));
  EXPECT_EQ(pending(), 0U);
}

TEST_F(TokenRefresh, discards_the_tokens_of_a_connection_that_was_rotated_meanwhile) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2"));
  start();
  endpoint.shut();
  service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended, {});
  endpoint.until_asked(1);
  vault::Credential brought;
  brought.values.emplace("refreshToken", vault::Secret("rt-9"));
  ASSERT_TRUE(vault->rotate_credential(found(meta), brought));
  endpoint.open();
  service->stop();
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-9");
  EXPECT_EQ(stored(meta, "accessToken"), "");
}

TEST_F(TokenRefresh, takes_no_refusal_of_a_token_that_was_rotated_meanwhile) {
  const auto meta = connect(-1);
  endpoint.answers(refused("invalid_grant"));
  start();
  endpoint.shut();
  std::promise<Kind> kind;
  service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended,
                   [&](const Renewed& renewed) { kind.set_value(renewed.kind); });
  endpoint.until_asked(1);
  vault::Credential brought;
  brought.values.emplace("refreshToken", vault::Secret("rt-9"));
  ASSERT_TRUE(vault->rotate_credential(found(meta), brought));
  endpoint.open();
  EXPECT_EQ(kind.get_future().get(), Kind::current);
  EXPECT_EQ(found(meta).status, Status::active);
  EXPECT_EQ(found(meta).status_reason, "");
}

TEST_F(TokenRefresh, finishes_what_is_under_way_before_it_ends) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2", "rt-2"));
  start();
  endpoint.shut();
  service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended, {});
  endpoint.until_asked(1);
  std::thread ending([&] { service->stop(); });
  endpoint.open();
  ending.join();
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-2");
}

TEST_F(TokenRefresh, renews_ahead_of_time_without_being_asked) {
  const auto meta = is_due(connect(60'000));
  endpoint.answers(tokens("at-2"));
  start();
  until([&] { return found(meta).generation == meta.generation + 1; });
  EXPECT_EQ(requests(), 1U);
}

TEST_F(TokenRefresh, leaves_disabled_connections_alone) {
  auto meta = connect(60'000);
  meta.enabled = false;
  meta = is_due(meta);
  const auto other = is_due(connect(60'000, "oauth", "other"));
  endpoint.answers(tokens("at-2"));
  start();
  until([&] { return found(other).generation == other.generation + 1; });
  EXPECT_EQ(refresh(meta).kind, Kind::disabled);
  EXPECT_EQ(found(meta).generation, meta.generation);
}

TEST_F(TokenRefresh, obtains_a_token_without_a_refresh_token_where_the_grant_needs_none) {
  const auto meta = connect({}, "robot");
  endpoint.answers(tokens("at-2"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_THAT(endpoint.bodies(), Each(HasSubstr("grant_type=client_credentials")));
}

TEST_F(TokenRefresh, calls_rejected_credentials_an_error) {
  const auto meta = connect({}, "robot");
  endpoint.answers(refused("invalid_grant"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::rejected);
  EXPECT_EQ(found(meta).status, Status::error);
  EXPECT_EQ(found(meta).status_reason, "credentials_rejected");
}

TEST_F(TokenRefresh, tries_again_for_a_person_what_was_rejected_before) {
  const auto meta = connect({});
  endpoint.answers(refused("invalid_grant"), tokens("at-2"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::rejected);
  EXPECT_EQ(found(meta).status, Status::expired);
  EXPECT_EQ(refresh(meta, Why::test).kind, Kind::renewed);
  EXPECT_EQ(found(meta).status, Status::active);
}

}  // namespace
}  // namespace postern::serve::test
