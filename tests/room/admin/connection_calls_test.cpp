// Trying a connection at its service, and giving its tokens back.
#include <gmock/gmock.h>

#include "acme.hpp"

namespace postern::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

class Calls : public AcmeRoom {
 protected:
  void SetUp() override {
    AcmeRoom::SetUp();
    id = connect_by_hand(auth_config()).text("id");
  }
  WireReply test() { return call("POST", "/api/v1/connections/" + id + "/test"); }
  WireReply revoke() { return call("POST", "/api/v1/connections/" + id + "/revoke"); }
  std::string status() { return call("GET", "/api/v1/connections/" + id).text("status"); }
  static grants::Renewed outcome(grants::Renewed::Kind kind) {
    grants::Renewed out;
    out.kind = kind;
    return out;
  }
  std::string id;
};

TEST_F(Calls, a_good_answer_names_the_account) {
  const auto result = test();
  ASSERT_EQ(result.status, 200) << result.body;
  EXPECT_TRUE(result.object().at("ok").as_bool());
  EXPECT_EQ(result.text("account"), "ada@acme");
  EXPECT_EQ(call("GET", "/api/v1/connections/" + id).text("account"), "ada@acme");
  EXPECT_EQ(desk.asked.back().line, "GET https://api.test/me");
  const auto exchange = result.object().at("exchange").as_object();
  EXPECT_EQ(exchange.at("request").at("headers").at("Authorization").as_string(), "Bearer ***");
  EXPECT_EQ(exchange.at("response").at("status").as_int64(), 200);
}

TEST_F(Calls, no_secret_is_shown_whatever_the_service_repeats) {
  desk.body = R"({"id":"x","echo":"access-canary","coded":"YWNjZXNzLWNhbmFyeQ==","app":"client-canary"})"
              "\xff";
  desk.headers = {{"X-Echo", "Bearer access-canary"}, {"Set-Cookie", "session=1"}};
  const auto result = test();
  EXPECT_THAT(result.body, Not(HasSubstr("canary")));
  EXPECT_THAT(result.body, Not(HasSubstr("YWNjZXNzLWNhbmFyeQ")));
  EXPECT_THAT(result.body, Not(HasSubstr("session=1")));
  EXPECT_THAT(result.body, HasSubstr("Bearer ***"));
  EXPECT_FALSE(result.object().empty()) << "still JSON";
}

TEST_F(Calls, a_refused_credential_is_an_error_until_a_test_is_good) {
  for (const int refusal : {401, 403}) {
    desk.status = refusal;
    const auto result = test();
    EXPECT_EQ(result.text("reason"), "credentials_rejected");
    EXPECT_EQ(result.text("status"), "ERROR");
    EXPECT_EQ(call("GET", "/api/v1/connections/" + id).text("statusReason"), "credentials_rejected");
    EXPECT_THAT(call("GET", "/metrics").body, HasSubstr("postern_connections{status=\"ERROR\"} 1\n"));
    desk.status = 200;
    EXPECT_EQ(test().text("status"), "ACTIVE");
  }
}

TEST_F(Calls, what_says_nothing_about_the_credential_changes_nothing) {
  for (const int other : {500, 429, 404, 302}) {
    desk.status = other;
    EXPECT_EQ(test().text("reason"), "unexpected_answer");
  }
  desk.status = 0;
  const auto nobody = test();
  EXPECT_EQ(nobody.text("reason"), "service_unavailable");
  EXPECT_TRUE(nobody.object().at("exchange").at("response").is_null());
  EXPECT_EQ(status(), "ACTIVE");
}

TEST_F(Calls, a_token_that_is_over_is_renewed_first) {
  id = connect_by_hand(call("GET", "/api/v1/connections/" + id).text("authConfig"), "", R"({"refreshToken":"r"})")
           .text("id");
  EXPECT_EQ(test().text("reason"), "token_endpoint_unavailable");
  EXPECT_TRUE(desk.asked.empty());
  desk.renew = [&](const grants::ConnectionKey& key) {
    auto meta = vault->find_connection({key.organization, key.project}, key.id);
    vault::Credential tokens;
    tokens.values.emplace("accessToken", vault::Secret("fresh-canary"));
    EXPECT_TRUE(vault->rotate_credential(std::move(*meta), tokens));
    return outcome(grants::Renewed::Kind::renewed);
  };
  EXPECT_TRUE(test().object().at("ok").as_bool());
  EXPECT_EQ(desk.asked.back().headers.back().second, "Bearer fresh-canary");
}

TEST_F(Calls, a_dead_grant_is_told_and_nothing_is_tried) {
  id = connect_by_hand(call("GET", "/api/v1/connections/" + id).text("authConfig"), "", R"({"refreshToken":"r"})")
           .text("id");
  desk.renew = [](const grants::ConnectionKey&) {
    return grants::Renewed{.kind = grants::Renewed::Kind::rejected, .reason = "refresh_rejected", .text = "gone"};
  };
  EXPECT_EQ(test().text("reason"), "refresh_rejected");
  EXPECT_TRUE(desk.asked.empty());
  desk.renew = [](const grants::ConnectionKey&) { return outcome(grants::Renewed::Kind::vault); };
  EXPECT_EQ(test().status, 503);
  desk.renew = [](const grants::ConnectionKey&) { return outcome(grants::Renewed::Kind::gone); };
  EXPECT_EQ(test().status, 404);
}

TEST_F(Calls, what_cannot_be_tested_says_so) {
  id = create().text("id");  // the generic provider has no verify
  EXPECT_EQ(test().code(), "not-testable");
  EXPECT_EQ(call("POST", "/api/v1/connections/unknown/test").status, 404);
  EXPECT_EQ(call("POST", "/api/v1/connections/" + id + "/test", R"({"x":1})").pointer(), "/x");
  const auto reader = make_token({.capabilities = {"connections:read"}, .connections = {"*"}});
  EXPECT_EQ(call("POST", "/api/v1/connections/" + id + "/test", "", reader).status, 403);
}

TEST_F(Calls, a_static_key_is_tested_where_its_rule_puts_it) {
  id = call("POST", "/api/v1/connections", R"({"app":"acme","type":"API_KEY","value":{"apiKey":"key-canary"}})")
           .text("id");
  const auto result = test();
  EXPECT_TRUE(result.object().at("ok").as_bool()) << result.body;
  EXPECT_EQ(desk.asked.back().headers.back(), std::pair(std::string("X-Key"), std::string("key-canary")));
  EXPECT_THAT(result.body, Not(HasSubstr("canary")));
}

TEST_F(Calls, revoking_ends_it_here_and_there) {
  desk.body = "";
  const auto result = revoke();
  ASSERT_EQ(result.status, 200) << result.body;
  const auto token = result.object().at("tokens").as_array().at(0).as_object();
  EXPECT_EQ(token.at("token").as_string(), "refresh_token");
  EXPECT_TRUE(token.at("revoked").as_bool());
  EXPECT_THAT(desk.asked.back().body, HasSubstr("token=refresh-canary"));
  EXPECT_EQ(status(), "REVOKED");
  const auto meta = vault->find_connection({}, id);
  EXPECT_TRUE(vault->open_credential(*meta)->values.empty());
  EXPECT_TRUE(revoke().object().at("tokens").as_array().empty());
  EXPECT_EQ(desk.asked.size(), 1u);
  EXPECT_EQ(test().text("reason"), "revoked");
  EXPECT_EQ(call("POST", "/api/v1/connections/" + id + "/rotate", R"({"value":{"refreshToken":"r"}})").text("status"),
            "ACTIVE");
}

TEST_F(Calls, a_service_that_takes_nothing_back_is_told_of) {
  desk.status = 500;
  auto token = revoke().object().at("tokens").as_array().at(0).as_object();
  EXPECT_FALSE(token.at("revoked").as_bool());
  EXPECT_EQ(token.at("status").as_int64(), 500);
  EXPECT_TRUE(token.at("text").is_string());
  EXPECT_EQ(status(), "REVOKED");
}

TEST_F(Calls, deleting_with_revoke_deletes_nothing_that_was_not_taken_back) {
  desk.status = 0;
  const auto refused = call("DELETE", "/api/v1/connections/" + id + "?revoke=true");
  EXPECT_EQ(refused.status, 502);
  EXPECT_EQ(refused.code(), "revoke-failed");
  EXPECT_EQ(status(), "ACTIVE");
  EXPECT_EQ(call("DELETE", "/api/v1/connections/" + id + "?revoke=perhaps").status, 400);
  desk.status = 200;
  EXPECT_EQ(call("DELETE", "/api/v1/connections/" + id + "?revoke=true").status, 204);
  EXPECT_EQ(call("GET", "/api/v1/connections/" + id).status, 404);
}

}  // namespace
}  // namespace postern::admin
