// auth-configs, connecting in a browser, and trying and revoking connections: what is asked of the API, and what is
// said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

ProviderForm acme() {
  ProviderForm form;
  form.id = "acme";
  form.hosts = {"api.acme.test"};
  form.auth.push_back({"oauth", "OAUTH2", "", {}});
  return form;
}

TEST(AuthConfigs, are_made_of_a_json_object_or_a_bare_secret_with_its_client) {
  World world;
  world.in.str(R"({"clientId":"a","clientSecret":"b"})");
  world.server.answer(201, R"({"id":"ac_1"})");
  EXPECT_EQ(world.run({"auth-configs", "create", "--app", "acme", "--name", "Mine", "--from-stdin", "-q"}), 0);
  EXPECT_EQ(world.server.line(0), "POST /api/v1/auth_configs");
  EXPECT_EQ(world.server.body(0).at("value").at("clientSecret").as_string(), "b");
  EXPECT_EQ(world.out.str(), "ac_1\n");
  World bare;
  bare.in.str("secret\n");
  bare.server.answer(201, R"({"id":"ac_1"})");
  EXPECT_EQ(bare.run({"auth-configs", "create", "--app", "acme", "--client-id", "a", "--from-stdin"}), 0);
  EXPECT_EQ(bare.server.body(0).at("value").at("clientId").as_string(), "a");
  EXPECT_EQ(bare.server.body(0).at("value").at("clientSecret").as_string(), "secret");
  World lost;
  lost.in.str("secret");
  EXPECT_EQ(lost.run({"auth-configs", "create", "--app", "acme", "--from-stdin"}), 2);
  EXPECT_THAT(lost.err.str(), Not(HasSubstr("secret\n")));
  EXPECT_EQ(World().run({"auth-configs", "create", "--app", "acme"}), 2);
}

TEST(AuthConfigs, are_changed_and_deleted_by_id) {
  World world;
  world.server.answer(200, R"({"id":"ac_1"})");
  EXPECT_EQ(world.run({"auth-configs", "update", "ac_1", "--disable", "--scopes", "read"}), 0);
  EXPECT_EQ(world.server.line(0), "PATCH /api/v1/auth_configs/ac_1");
  EXPECT_FALSE(world.server.body(0).at("enabled").as_bool());
  world.server.answer(204);
  EXPECT_EQ(world.run({"auth-configs", "delete", "ac_1", "--cascade"}), 0);
  EXPECT_EQ(world.server.line(1), "DELETE /api/v1/auth_configs/ac_1?cascade=true");
  world.server.answer(409, R"({"title":"It is in use","detail":"Connections use it"})");
  EXPECT_EQ(world.run({"auth-configs", "delete", "ac_1"}), 1);
  EXPECT_EQ(world.run({"auth-configs", "update", "ac_1"}), 2);
}

TEST(AuthConfigs, one_in_use_is_not_deleted_and_its_connections_are_told) {
  World world;
  world.server.answer(409, R"({"title":"It is in use","code":"in-use",
      "detail":"Connections use it: delete them first, or add ?cascade=true.","count":3,"connections":[
      {"id":"conn_1","name":"Ada","alias":"github"},{"id":"conn_2","name":"Bob\u202e","alias":"github-2"}]})");
  EXPECT_EQ(world.run({"auth-configs", "delete", "ac_1"}), 1);
  EXPECT_EQ(world.err.str(),
            "postern: used by conn_1  github  Ada\n"
            "postern: used by conn_2  github-2  Bob\\u202e\n"
            "postern: and by 1 more that are not named here\n"
            "postern: auth-configs delete: ac_1: in use by 3 connections: delete them first, or give --cascade, which "
            "erases them too (with --revoke their tokens end at the service first)\n");
  World gone;
  gone.server.answer(404, R"({"title":"Not found","code":"not-found","detail":"There is none."})");
  EXPECT_EQ(gone.run({"auth-configs", "delete", "ac_1"}), 3);
  EXPECT_EQ(gone.err.str(), "postern: Not found: auth_configs/ac_1: There is none.\n");
}

TEST(ConnectByLink, shows_the_link_waits_and_reports) {
  World world;
  world.around.provider = [](const ConfigFile&, const Environment&, const std::string&) { return acme(); };
  world.server.answer(201, R"({"id":"link_1","url":"http://here/connect/link_1","status":"PENDING"})");
  world.server.answer(200, R"({"id":"link_1","status":"OPENED"})");
  world.server.answer(200, R"({"id":"link_1","status":"ACTIVE","connection":"conn_1"})");
  world.server.answer(200, R"({"id":"conn_1","alias":"ada"})");
  EXPECT_EQ(world.run({"connect", "acme", "--auth-config", "ac_1", "--alias", "ada", "-q"}), 0);
  EXPECT_EQ(world.server.body(0).at("authConfig").as_string(), "ac_1");
  EXPECT_THAT(world.err.str(), HasSubstr("http://here/connect/link_1\n"));
  EXPECT_EQ(world.out.str(), "conn_1\n");
}

TEST(ConnectByLink, says_why_nothing_was_connected) {
  for (const auto& [answer, told] :
       {std::pair(R"({"status":"FAILED","reason":"denied","text":"access was denied"})", "denied: access"),
        std::pair(R"({"status":"EXPIRED"})", "expired")}) {
    World world;
    world.server.answer(201, R"({"id":"link_1","url":"u","status":"PENDING"})");
    world.server.answer(200, answer);
    EXPECT_EQ(world.run({"connect", "--reconnect", "ada"}), 1);
    EXPECT_EQ(world.server.body(0).at("connection").as_string(), "ada");
    EXPECT_THAT(world.err.str(), HasSubstr(told));
  }
  EXPECT_EQ(World().run({"connect"}), 2);
}

TEST(ConnectByLink, asks_for_a_code_where_it_is_told_to) {
  World world;
  world.around.provider = [](const ConfigFile&, const Environment&, const std::string&) { return acme(); };
  world.server.answer(201, R"({"id":"link_1","url":"u","status":"FAILED","reason":"x"})");
  EXPECT_EQ(world.run({"connect", "acme", "--device"}), 1);
  EXPECT_TRUE(world.server.body(0).at("device").as_bool());
}

TEST(ConnectionsTest, exits_1_when_the_service_refuses) {
  World world;
  world.server.answer(200, R"({"ok":true,"account":"ada","status":"ACTIVE"})");
  EXPECT_EQ(world.run({"connections", "test", "billing"}), 0);
  EXPECT_EQ(world.server.line(0), "POST /api/v1/connections/billing/test");
  world.server.answer(200, R"({"ok":false,"reason":"credentials_rejected","text":"no","status":"ERROR"})");
  EXPECT_EQ(world.run({"connections", "test", "billing"}), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("credentials_rejected"));
}

TEST(ConnectionsRevoke, notes_what_the_service_kept) {
  World world;
  world.server.answer(200, R"({"connection":{},"tokens":[{"token":"refresh_token","revoked":false,"text":"500"}]})");
  EXPECT_EQ(world.run({"connections", "revoke", "billing"}), 0);
  EXPECT_THAT(world.err.str(), HasSubstr("refresh_token"));
  world.server.answer(204);
  EXPECT_EQ(world.run({"connections", "delete", "billing", "--yes", "--revoke"}), 0);
  EXPECT_EQ(world.server.line(1), "DELETE /api/v1/connections/billing?revoke=true");
}

}  // namespace
}  // namespace postern::cli::test
