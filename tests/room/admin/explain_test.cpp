// Who may hear how much of what becomes of a request. What does become of it is the data path's to say: here it is made
// up.
#include <gmock/gmock.h>

#include "client.hpp"

namespace postern::admin {
namespace {

using observe::Decision;
using observe::Explanation;
using observe::Question;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPath = "/api/v1/explain";
constexpr const char* kAsked = R"({"connection":"billing","url":"http://api.test/v1"})";

class ExplainRoom : public AdminRoom {
 protected:
  void SetUp() override {
    AdminRoom::SetUp();
    explain = [this](const Question& question) {
      asked.push_back(question);
      return answer;
    };
    connection = create(R"("alias":"billing")").text("id");
  }
  // The connection was found and the request goes on.
  Explanation forwarded() const {
    Explanation out;
    out.outcome = observe::Outcome::forwarded;
    out.caller = "tok_x";
    out.connection = connection;
    out.found = true;
    out.steps = {{4, "authorize", Decision::allowed, "the-rule", "the-detail", "the-reason"}};
    out.token = Explanation::Token{"DUE", now + 60'000, 60'000, "renewed in the background"};
    out.request = Explanation::Head{"GET",
                                    "/v1",
                                    "https://api.test",
                                    {{"Authorization", "Bearer «redacted»", "connection"}},
                                    {{"header", "Cookie", "why"}}};
    return out;
  }
  // It was not found, though it is there; `reason` says so.
  Explanation unavailable(bool exists) const {
    Explanation out;
    out.code = "connection-unavailable";
    out.status = 403;
    out.detail = "No such connection";
    if (exists) out.connection = connection;
    out.steps = {{3, "identify", Decision::refused, "", "No such connection", exists ? "the-reason" : ""}};
    return out;
  }
  std::optional<Explanation> answer;
  std::vector<Question> asked;
  std::string connection;
};

TEST_F(ExplainRoom, asks_about_the_caller_itself_unless_another_is_named) {
  answer = forwarded();
  const auto step = make_token({.capabilities = {"proxy:call"}, .connections = {"*"}, .user = "user_1"});
  const auto id = last_id;
  ASSERT_EQ(call("POST", kPath, kAsked, step).status, 200);
  EXPECT_EQ(asked.back().authorization, id);
  EXPECT_EQ(asked.back().organization, "org_default");
  EXPECT_EQ(asked.back().connection, "billing");
  EXPECT_EQ(asked.back().method, "GET");
  EXPECT_FALSE(asked.back().reasons);
  ASSERT_EQ(call("POST", kPath, R"({"url":"/","authorization":")" + id + R"("})").status, 200);
  EXPECT_EQ(asked.back().authorization, id);
  EXPECT_TRUE(asked.back().reasons);
}

TEST_F(ExplainRoom, shows_everything_but_the_reasons_to_a_caller_about_itself) {
  answer = forwarded();
  const auto shown = call("POST", kPath, kAsked, make_token({.capabilities = {"proxy:call"}, .connections = {"*"}}));
  ASSERT_EQ(shown.status, 200) << shown.body;
  EXPECT_EQ(shown.text("outcome"), "forwarded");
  EXPECT_TRUE(shown.object().at("code").is_null());
  EXPECT_EQ(shown.text("connection"), connection);
  EXPECT_THAT(shown.body, HasSubstr(R"("rule":"the-rule","detail":"the-detail","reason":null)"));
  EXPECT_THAT(shown.body, HasSubstr(R"("state":"DUE")"));
  EXPECT_THAT(shown.body, HasSubstr(R"("remaining":60,)"));
  EXPECT_THAT(shown.body, HasSubstr(R"({"name":"Authorization","value":"Bearer «redacted»","from":"connection"})"));
  EXPECT_THAT(shown.body, HasSubstr(R"({"place":"header","name":"Cookie","reason":"why"})"));
}

TEST_F(ExplainRoom, shows_the_reasons_to_who_sees_the_connection) {
  answer = forwarded();
  EXPECT_THAT(call("POST", kPath, kAsked).body, HasSubstr(R"("reason":"the-reason")"));
  answer = unavailable(true);
  const auto shown = call("POST", kPath, kAsked);
  EXPECT_THAT(shown.body, HasSubstr(R"("reason":"the-reason")"));
  EXPECT_EQ(shown.text("connection"), connection);
}

TEST_F(ExplainRoom, tells_unknown_from_foreign_to_nobody_who_does_not_see_it) {
  const auto blind = make_token({.capabilities = {"proxy:call"}, .connections = {"*"}});
  const auto bounded = make_token({.capabilities = {"connections:read"}, .connections = {"conn_00000000000000000001"}});
  const auto other = make_token({.capabilities = {"proxy:call"}, .connections = {}});
  const auto other_id = last_id;
  const auto reader = make_token({.capabilities = {"authorizations:read"}, .connections = {}});
  for (const auto& token : {blind, bounded, reader}) {
    const std::string body =
        token == reader ? R"({"connection":"billing","url":"http://api.test/v1","authorization":")" + other_id + R"("})"
                        : kAsked;
    answer = unavailable(true);
    const auto there = call("POST", kPath, body, token);
    answer = unavailable(false);
    const auto missing = call("POST", kPath, body, token);
    ASSERT_EQ(there.status, 200) << there.body;
    EXPECT_EQ(there.body, missing.body);
    EXPECT_THAT(there.body, Not(HasSubstr(connection)));
  }
}

TEST_F(ExplainRoom, shows_no_more_of_somebody_elses_connection_than_the_code) {
  const auto other = make_token({.capabilities = {"proxy:call"}, .connections = {"*"}});
  const std::string body =
      R"({"connection":"billing","url":"http://api.test/v1","authorization":")" + last_id + R"("})";
  answer = forwarded();
  answer->choices = {"billing"};
  const auto shown =
      call("POST", kPath, body, make_token({.capabilities = {"authorizations:read"}, .connections = {}}));
  ASSERT_EQ(shown.status, 200) << shown.body;
  EXPECT_EQ(shown.text("outcome"), "forwarded");
  EXPECT_THAT(shown.body, Not(testing::AnyOf(HasSubstr(connection), HasSubstr("the-"), HasSubstr("Authorization\""),
                                             HasSubstr("billing"), HasSubstr("DUE"))));
}

TEST_F(ExplainRoom, answers_about_others_only_whom_the_caller_may_read) {
  answer = forwarded();
  const auto body = [&](const std::string& id) { return R"({"url":"/","authorization":")" + id + R"("})"; };
  make_token({.capabilities = {"proxy:call"}, .connections = {}});
  const auto plain = make_token({.capabilities = {"proxy:call"}, .connections = {}});
  const auto reader = make_token({.capabilities = {"authorizations:read"}, .connections = {}, .project = "proj_other"});
  const auto first = last_id;
  EXPECT_EQ(call("POST", kPath, body(first), plain).status, 403);
  EXPECT_EQ(call("POST", kPath, body("tok_00000000000000000001"), plain).status, 403);
  EXPECT_EQ(call("POST", kPath, body("tok_00000000000000000001"), reader).status, 404);
  make_token({.capabilities = {"proxy:call"}, .connections = {}, .project = "proj_default"});
  EXPECT_EQ(call("POST", kPath, body(last_id), reader).status, 404);
  EXPECT_EQ(call("POST", kPath, body("nonsense!"), reader).status, 404);
}

TEST_F(ExplainRoom, refuses_bad_fields_with_a_pointer) {
  answer = forwarded();
  const std::pair<const char*, const char*> bad[] = {
      {R"({})", "/url"},
      {R"({"url":""})", "/url"},
      {R"({"url":7})", "/url"},
      {R"({"url":"http://a/\r\nX: y"})", "/url"},
      {R"({"url":"/","method":"G\nET"})", "/method"},
      {R"({"url":"/","connection":"a\u0000b"})", "/connection"},
      {R"({"url":"/","headers":[]})", "/headers"},
      {R"({"url":"/","headers":{"A":"x\r\nB: y"}})", "/headers"},
      {R"({"url":"/","headers":{"A: b":"x"}})", "/headers"},
      {R"({"url":"/","headers":{"A":7}})", "/headers"},
      {R"({"url":"/","headers":{"proxy-authorization":"Bearer x"}})", "/headers"},
      {R"({"url":"/","uri":"x"})", "/uri"}};
  for (const auto& [body, pointer] : bad) {
    const auto refused = call("POST", kPath, body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_THAT(refused.body, HasSubstr(std::string(R"("pointer":")") + pointer + '"')) << body;
  }
  EXPECT_TRUE(asked.empty());
}

TEST_F(ExplainRoom, hands_every_header_over) {
  answer = forwarded();
  ASSERT_EQ(call("POST", kPath, R"({"url":"/","method":"PUT","headers":{"A":"1","B":["2","3"]}})").status, 200);
  EXPECT_EQ(asked.back().method, "PUT");
  EXPECT_EQ(asked.back().fields,
            (std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B", "2"}, {"B", "3"}}));
}

TEST_F(ExplainRoom, says_when_it_is_too_early_to_say) {
  EXPECT_EQ(call("POST", kPath, kAsked).status, 503);
}

}  // namespace
}  // namespace postern::admin
