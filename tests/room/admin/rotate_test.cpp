// A new value for a connection: tried first, and the old one kept for a time.
#include <gmock/gmock.h>

#include "acme.hpp"

namespace postern::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kHour = 3'600'000;

class Rotations : public AcmeRoom {
 protected:
  void SetUp() override {
    AcmeRoom::SetUp();
    id = call("POST", "/api/v1/connections",
              R"({"app":"acme","type":"API_KEY","alias":"mine","value":{"apiKey":"first-canary"}})")
             .text("id");
  }
  WireReply rotate(const std::string& body, const std::string& token = "*") {
    return call("POST", "/api/v1/connections/" + id + "/rotate", body, token);
  }
  WireReply shown() { return call("GET", "/api/v1/connections/" + id); }
  std::string stored(const char* field = "apiKey") {
    const auto meta = vault->find_connection({}, id);
    const auto credential = vault->open_credential(*meta);
    EXPECT_TRUE(credential) << credential.error().message;
    return credential ? std::string(credential->values.at(field).expose()) : "";
  }
  static std::string until(const WireReply& reply) {
    const auto object = reply.object();
    const auto* previous = object.if_contains("previous");
    if (previous == nullptr || !previous->is_object()) return "";
    EXPECT_EQ(previous->get_object().size(), 1u) << "nothing but the time";
    return std::string(previous->at("until").as_string());
  }
  std::string id;
};

TEST_F(Rotations, try_the_new_value_before_it_is_stored) {
  const auto reply = rotate(R"({"value":{"apiKey":"second-canary"}})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_TRUE(reply.object().at("tested").as_bool());
  EXPECT_EQ(desk.asked.back().line, "GET https://api.test/me");
  EXPECT_EQ(desk.asked.back().headers.back(), (std::pair<std::string, std::string>("X-Key", "second-canary")));
  EXPECT_EQ(stored(), "second-canary");
  EXPECT_EQ(until(reply), "2027-01-16T08:00:00.000Z");  // a day later, as nothing else is set
  EXPECT_EQ(until(shown()), until(reply));
  EXPECT_FALSE(shown().object().contains("tested"));
  EXPECT_EQ(changes.back().id, id);
}

TEST_F(Rotations, that_the_service_refuses_change_nothing) {
  const auto before = shown().body;
  desk.body = R"({"error":"no such key: second-canary"})";
  for (const int status : {401, 403}) {
    desk.status = status;
    const auto reply = rotate(R"({"value":{"apiKey":"second-canary"}})");
    EXPECT_EQ(reply.status, 422);
    EXPECT_EQ(reply.code(), "value-rejected");
    EXPECT_THAT(reply.text("detail"), HasSubstr(std::to_string(status)));
    EXPECT_EQ(reply.object().at("exchange").at("response").at("status").as_int64(), status);
    EXPECT_THAT(reply.body, Not(HasSubstr("canary")));
  }
  for (const int status : {0, 404, 500}) {
    desk.status = status;
    const auto reply = rotate(R"({"value":{"apiKey":"second-canary"}})");
    EXPECT_EQ(reply.status, 502);
    EXPECT_EQ(reply.code(), "test-inconclusive");
    EXPECT_EQ(reply.fields.at("x-should-retry"), "true");
  }
  EXPECT_EQ(shown().body, before);
  EXPECT_EQ(stored(), "first-canary");
  desk.status = 401;
  EXPECT_EQ(rotate(R"({"value":{"apiKey":"second-canary"},"test":false})").status, 200);
  EXPECT_EQ(stored(), "second-canary");
}

TEST_F(Rotations, of_what_cannot_be_tried_say_so) {
  id = create().text("id");  // the generic provider names no call
  const auto reply = rotate(R"({"value":{"token":"canary-two"}})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_FALSE(reply.object().at("tested").as_bool());
  EXPECT_TRUE(desk.asked.empty());
  const auto insisted = rotate(R"({"value":{"token":"canary-three"},"test":true})");
  EXPECT_EQ(insisted.status, 409);
  EXPECT_EQ(insisted.code(), "not-testable");
  EXPECT_EQ(stored("token"), "canary-two");
  // To try a refresh token is to spend it.
  id = connect_by_hand(auth_config()).text("id");
  EXPECT_FALSE(rotate(R"({"value":{"refreshToken":"r"}})").object().at("tested").as_bool());
  EXPECT_TRUE(
      rotate(R"({"value":{"refreshToken":"r","accessToken":"access-canary"}})").object().at("tested").as_bool());
}

TEST_F(Rotations, can_be_undone_while_the_old_value_is_kept) {
  ASSERT_EQ(until(rotate(R"({"value":{"apiKey":"mistake"},"keepOld":"1h"})")), "2027-01-15T09:00:00.000Z");
  now += kHour - 1;
  const auto back = rotate(R"({"undo":true})");
  ASSERT_EQ(back.status, 200) << back.body;
  EXPECT_TRUE(back.object().at("previous").is_null());
  EXPECT_EQ(back.object().at("generation").as_int64(), 3);
  EXPECT_EQ(stored(), "first-canary");
  EXPECT_EQ(changes.back().id, id);
  const auto twice = rotate(R"({"undo":true})");
  EXPECT_EQ(twice.status, 409);
  EXPECT_EQ(twice.code(), "nothing-kept");
  ASSERT_EQ(rotate(R"({"value":{"apiKey":"mistake"},"keepOld":"1h"})").status, 200);
  now += kHour;
  EXPECT_EQ(rotate(R"({"undo":true})").code(), "nothing-kept");
  EXPECT_EQ(stored(), "mistake");
}

TEST_F(Rotations, keep_nothing_where_nothing_is_to_be_kept) {
  EXPECT_EQ(until(rotate(R"({"value":{"apiKey":"a"},"keepOld":"0"})")), "");
  settings.keep_old = config::Millis(0);
  EXPECT_EQ(until(rotate(R"({"value":{"apiKey":"b"}})")), "");
  EXPECT_EQ(until(rotate(R"({"value":{"apiKey":"c"},"keepOld":"30d"})")), "2027-02-14T08:00:00.000Z");
  EXPECT_EQ(call("POST", "/api/v1/connections/" + id + "/revoke").status, 200);
  EXPECT_EQ(until(shown()), "");
  EXPECT_EQ(rotate(R"({"undo":true})").code(), "nothing-kept");
}

// The old value was given for the old places: it must not go to new ones.
TEST_F(Rotations, to_other_destinations_keep_no_old_value) {
  id = create().text("id");
  const auto wider = call("PATCH", "/api/v1/connections/" + id,
                          R"({"config":{"hosts":["api.test","more.test"]},"value":{"token":"canary-two"}})");
  ASSERT_EQ(wider.status, 200) << wider.body;
  EXPECT_EQ(until(wider), "");
  const auto same = call("PATCH", "/api/v1/connections/" + id, R"({"value":{"token":"canary-three"}})");
  EXPECT_NE(until(same), "");
  const auto narrower = call("PATCH", "/api/v1/connections/" + id, R"({"config":{"hosts":["api.test"]}})");
  ASSERT_EQ(narrower.status, 200) << narrower.body;
  EXPECT_EQ(until(narrower), until(same));
  const auto back = rotate(R"({"undo":true})");
  ASSERT_EQ(back.status, 200);
  EXPECT_EQ(stored("token"), "canary-two");
  EXPECT_EQ(back.object().at("hosts").as_array().size(), 1u);
}

TEST_F(Rotations, say_what_is_wrong_with_a_call) {
  EXPECT_EQ(rotate(R"({"value":{"apiKey":"a"},"keepOld":"31d"})").pointer(), "/keepOld");
  EXPECT_EQ(rotate(R"({"value":{"apiKey":"a"},"keepOld":"soon"})").pointer(), "/keepOld");
  EXPECT_EQ(rotate(R"({"value":{"apiKey":"a"},"keepOld":7})").pointer(), "/keepOld");
  EXPECT_EQ(rotate(R"({"value":{"apiKey":"a"},"test":"no"})").pointer(), "/test");
  EXPECT_EQ(rotate(R"({"undo":true,"value":{"apiKey":"a"}})").pointer(), "/value");
  EXPECT_EQ(rotate(R"({"undo":false})").pointer(), "/value/apiKey");
  EXPECT_EQ(stored(), "first-canary");
}

TEST_F(Rotations, of_a_personal_connection_are_its_owners) {
  const auto ada = make_token({.capabilities = {"*"}, .connections = {"*"}, .user = "ada"});
  const auto bob = make_token({.capabilities = {"*"}, .connections = {"*"}, .user = "bob"});
  id = call("POST", "/api/v1/connections",
            R"({"app":"acme","type":"API_KEY","scope":"PERSONAL","value":{"apiKey":"first-canary"}})", ada)
           .text("id");
  ASSERT_EQ(rotate(R"({"value":{"apiKey":"second"}})", ada).status, 200);
  EXPECT_EQ(rotate(R"({"value":{"apiKey":"third"}})", bob).status, 403);
  EXPECT_EQ(rotate(R"({"undo":true})", bob).status, 403);
  EXPECT_EQ(stored(), "second");
}

}  // namespace
}  // namespace postern::admin
