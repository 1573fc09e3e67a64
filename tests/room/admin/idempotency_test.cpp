// Calls that are repeated under their Idempotency-Key, also after a restart and at the same time.
#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "acme.hpp"

namespace postern::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kPath = "/api/v1/connections";
const std::string kBody = R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_test_canary"}})";

class Repetitions : public AcmeRoom {
 protected:
  WireReply post(const std::string& path, const std::string& body, const std::string& key) {
    return call("POST", path, body, "*", {{"Idempotency-Key", key}});
  }
  std::size_t how_many() {
    return call("GET", std::string(kPath) + "?limit=100").object().at("data").as_array().size();
  }
};

TEST_F(Repetitions, make_nothing_after_a_restart) {
  const auto first = post(kPath, kBody, "k");
  ASSERT_EQ(first.status, 201) << first.body;
  server.reset();
  start_server();
  const auto again = post(kPath, kBody, "k");
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.text("id"), first.text("id"));
  EXPECT_EQ(again.fields.at("idempotency-replayed"), "true");
  EXPECT_EQ(again.fields.at("location"), first.fields.at("location"));
  EXPECT_EQ(how_many(), 1u);
}

TEST_F(Repetitions, show_what_was_made_as_it_is_by_now) {
  const auto id = post(kPath, kBody, "k").text("id");
  ASSERT_EQ(call("PATCH", std::string(kPath) + "/" + id, R"({"name":"Renamed"})").status, 200);
  const auto again = post(kPath, kBody, "k");
  EXPECT_EQ(again.text("name"), "Renamed");
  EXPECT_EQ(again.fields.at("etag"), "\"2\"");
  EXPECT_THAT(again.body, Not(HasSubstr("canary")));
  ASSERT_EQ(call("DELETE", std::string(kPath) + "/" + id).status, 204);
  const auto gone = post(kPath, kBody, "k");
  EXPECT_EQ(gone.status, 409);
  EXPECT_EQ(gone.code(), "idempotency-replayed");
  EXPECT_EQ(gone.text("id"), id);
  EXPECT_EQ(how_many(), 0u);
}

TEST_F(Repetitions, of_each_kind_of_call_are_known) {
  const std::string app =
      R"({"name":"Ours","provider":"acme","value":{"clientId":"us","clientSecret":"c"},"auth":"oauth"})";
  const auto made = post("/api/v1/auth_configs", app, "a");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(post("/api/v1/auth_configs", app, "a").text("id"), made.text("id"));
  const std::string shared = R"({"provider":"acme","auth":"key","value":{"apiKey":"k"}})";
  const auto carried = post("/api/v1/auth_configs", shared, "b");
  ASSERT_EQ(carried.status, 201) << carried.body;
  EXPECT_EQ(post("/api/v1/auth_configs", shared, "b").text("id"), carried.text("id"));
  const std::string link = R"({"authConfig":")" + made.text("id") + R"("})";
  const auto begun = post("/api/v1/links", link, "c");
  ASSERT_EQ(begun.status, 201) << begun.body;
  EXPECT_EQ(post("/api/v1/links", link, "c").text("id"), begun.text("id"));
  const auto id = post(kPath, kBody, "d").text("id");
  const std::string rotate = std::string(kPath) + "/" + id + "/rotate";
  const std::string value = R"({"value":{"apiKey":"sk_test_2"},"test":false})";
  const auto rotated = post(rotate, value, "e");
  ASSERT_EQ(rotated.status, 200) << rotated.body;
  const auto again = post(rotate, value, "e");
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.object().at("generation"), rotated.object().at("generation"));
  EXPECT_EQ(again.fields.at("idempotency-replayed"), "true");
  EXPECT_FALSE(again.fields.contains("location"));
}

TEST_F(Repetitions, of_what_is_gone_by_now_say_so) {
  const std::string app = R"({"provider":"acme","auth":"oauth","value":{"clientId":"us","clientSecret":"c"}})";
  const auto made = post("/api/v1/auth_configs", app, "a").text("id");
  ASSERT_EQ(call("DELETE", "/api/v1/auth_configs/" + made).status, 204);
  EXPECT_EQ(post("/api/v1/auth_configs", app, "a").code(), "idempotency-replayed");
  make_token({.capabilities = {"proxy:call"}, .connections = {}});
  const std::string path = "/api/v1/authorizations/" + last_id;
  ASSERT_EQ(post(path + "/revoke", "", "b").status, 200);
  EXPECT_EQ(post(path + "/revoke", "", "b").fields.at("idempotency-replayed"), "true");
  ASSERT_EQ(call("DELETE", path).status, 204);
  const auto gone = post(path + "/revoke", "", "b");
  EXPECT_EQ(gone.status, 409);
  EXPECT_EQ(gone.text("id"), last_id);
}

TEST_F(Repetitions, under_another_target_or_organization_are_other_calls) {
  const auto first = post(kPath, kBody, "k").text("id");
  const auto other = make_token({.capabilities = {"*"}, .connections = {"*"}, .organization = "org_other"});
  const auto theirs = call("POST", kPath, kBody, other, {{"Idempotency-Key", "k"}});
  EXPECT_EQ(theirs.status, 201);
  EXPECT_NE(theirs.text("id"), first);
  const auto dry = post(std::string(kPath) + "?dryRun=true", kBody, "k");
  EXPECT_EQ(dry.status, 200) << dry.body;
  EXPECT_TRUE(dry.object().at("valid").as_bool());
}

TEST_F(Repetitions, store_neither_body_nor_token) {
  const auto made =
      post("/api/v1/authorizations", R"({"name":"x","capabilities":["proxy:call"],"connections":["*"]})", "k");
  ASSERT_EQ(made.status, 201);
  const auto again =
      post("/api/v1/authorizations", R"({"name":"x","capabilities":["proxy:call"],"connections":["*"]})", "k");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.text("id"), made.text("id"));
  EXPECT_THAT(again.body, Not(HasSubstr("pst_")));
}

// The desk holds the first call up at the service; the second comes meanwhile.
TEST_F(Repetitions, at_the_same_time_are_told_to_wait) {
  const auto id = call("POST", kPath, R"({"app":"acme","type":"API_KEY","value":{"apiKey":"one"}})").text("id");
  const std::string rotate = std::string(kPath) + "/" + id + "/rotate";
  std::promise<void> reached, go_on;
  auto released = go_on.get_future().share();
  desk.before_answer = [&] {
    reached.set_value();
    released.wait();
  };
  auto first = std::async(std::launch::async, [&] { return post(rotate, R"({"value":{"apiKey":"two"}})", "k"); });
  reached.get_future().wait();
  desk.before_answer = {};
  const auto second = post(rotate, R"({"value":{"apiKey":"two"}})", "k");
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(second.code(), "idempotency-in-progress");
  EXPECT_EQ(second.fields.at("retry-after"), "1");
  go_on.set_value();
  EXPECT_EQ(first.get().status, 200);
  const auto third = post(rotate, R"({"value":{"apiKey":"two"}})", "k");
  EXPECT_EQ(third.status, 200);
  EXPECT_EQ(third.object().at("generation").as_int64(), 2);
}

TEST_F(Repetitions, of_many_clients_make_one_connection_each_key) {
  constexpr int kClients = 8, kKeys = 5;
  std::vector<std::jthread> clients;
  std::atomic<int> wrong = 0;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&] {
      for (int k = 0; k < kKeys; ++k) {
        const auto reply = post(kPath, kBody, "key-" + std::to_string(k));
        if (reply.status != 201 && reply.code() != "idempotency-in-progress") ++wrong;
      }
    });
  }
  clients.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(how_many(), std::size_t(kKeys));
}

// Writers side by side: default aliases stay unique, and an auth config is never missed.
TEST_F(Repetitions, or_not_creations_at_the_same_time_do_not_disturb_each_other) {
  const auto app = auth_config();
  constexpr int kClients = 8, kEach = 10;
  std::atomic<int> made = 0;
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < kClients; ++c) {
      clients.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) made += connect_by_hand(app).status == 201 ? 1 : 0;
      });
    }
    clients.emplace_back([&] {
      for (int i = 0; i < kEach; ++i)
        EXPECT_EQ(call("PATCH", "/api/v1/auth_configs/" + app, R"({"hosts":["api.test"]})").status, 200);
    });
  }
  EXPECT_EQ(made, kClients * kEach);
  const auto listed = call("GET", std::string(kPath) + "?limit=100").object().at("data").as_array();
  std::set<std::string> aliases;
  for (const auto& one : listed) {
    aliases.emplace(one.at("alias").as_string());
    EXPECT_EQ(one.at("hosts").as_array().size(), 1u) << "narrowed, whether it was made before or behind";
  }
  EXPECT_EQ(aliases.size(), std::size_t(kClients * kEach));
}

TEST_F(Repetitions, what_was_made_in_another_organization_is_shown_from_there) {
  make_place("org_acme", "");
  const std::string bearer = R"("app":"http","type":"BEARER","value":{"token":"x"},"config":{"hosts":["api.test"]})";
  const std::pair<std::string, std::string> calls[] = {
      {"/api/v1/connections", "{\"organization\":\"org_acme\"," + bearer + "}"},
      {"/api/v1/connections?organization=org_acme", "{" + bearer + "}"},
      {"/api/v1/projects", R"({"organization":"org_acme","name":"Blue"})"},
      {"/api/v1/users", R"({"organization":"org_acme","name":"Ada"})"},
      {"/api/v1/organizations", R"({"name":"Acme"})"},
  };
  for (std::size_t i = 0; i < std::size(calls); ++i) {
    const auto& [path, body] = calls[i];
    const auto made = post(path, body, std::to_string(i));
    ASSERT_EQ(made.status, 201) << path << made.body;
    const auto again = post(path, body, std::to_string(i));
    EXPECT_EQ(again.status, 201) << path << again.body;
    EXPECT_EQ(again.fields.at("idempotency-replayed"), "true");
    EXPECT_EQ(again.text("id"), made.text("id"));
  }
}

}  // namespace
}  // namespace postern::admin
