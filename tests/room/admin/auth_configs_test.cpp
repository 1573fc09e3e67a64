// Auth configs, and the connections under them.
#include <gmock/gmock.h>

#include "acme.hpp"

namespace postern::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(AcmeRoom, an_auth_config_is_shown_without_its_values) {
  const auto made = call("POST", "/api/v1/auth_configs",
                         R"({"provider":"acme","value":{"clientId":"us-id","clientSecret":"client-canary"}})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_THAT(made.body, Not(HasSubstr("canary")));
  EXPECT_THAT(made.body, Not(HasSubstr("us-id")));
  EXPECT_EQ(made.text("type"), "OAUTH2");
  EXPECT_EQ(made.text("auth"), "oauth");
  EXPECT_EQ(made.text("name"), "Acme & <Sons>");
  const auto read = call("GET", "/api/v1/auth_configs/" + made.text("id"));
  EXPECT_EQ(read.object(), made.object());
  EXPECT_EQ(
      call("PATCH", "/api/v1/auth_configs/" + made.text("id"), R"({"name":"x"})", "*", {{"If-Match", "\"9\""}}).status,
      412);
}

TEST_F(AcmeRoom, an_auth_config_is_for_what_people_agree_to_unless_it_says_otherwise) {
  const std::string body = R"("provider":"github","value":{"clientId":"us","clientSecret":"client-canary"})";
  EXPECT_EQ(call("POST", "/api/v1/auth_configs", "{" + body + "}").text("auth"), "oauth");
  const auto app = call("POST", "/api/v1/auth_configs", R"({"auth":"app",)" + body + "}");
  EXPECT_EQ(app.status, 400) << "an app's fields are others";
}

TEST_F(AcmeRoom, auth_configs_are_refused_with_a_pointer) {
  const auto refused = [&](const std::string& more) {
    return call("POST", "/api/v1/auth_configs", "{" + more + "}").pointer();
  };
  const std::string value = R"("value":{"clientId":"us","clientSecret":"client-canary"})";
  EXPECT_EQ(refused(R"("provider":"nobody",)" + value), "/provider");
  EXPECT_EQ(refused(value), "/provider");
  EXPECT_EQ(refused(R"("provider":"http",)" + value), "/auth");
  EXPECT_EQ(refused(R"("provider":"acme","value":{"clientId":"us"})"), "/value/clientSecret");
  EXPECT_EQ(refused(R"("provider":"acme","auth":"nothing",)" + value), "/auth");
  EXPECT_EQ(refused(R"("provider":"acme","hosts":["evil.test"],)" + value), "/hosts");
  EXPECT_EQ(refused(R"("provider":"acme","hosts":[],)" + value), "/hosts");
  EXPECT_EQ(refused(R"("provider":"acme","scopes":"read",)" + value), "/scopes");
  EXPECT_EQ(refused(R"("provider":"acme","config":{"x":"y"},)" + value), "/config/x");
  EXPECT_EQ(refused(R"("provider":"acme","surprise":1,)" + value), "/surprise");
  const auto hidden =
      call("POST", "/api/v1/auth_configs", R"({"provider":"acme","value":{"my-secret-here":"canary"}})");
  EXPECT_THAT(hidden.body, Not(HasSubstr("my-secret-here")));
  const auto reader = make_token({.capabilities = {"auth_configs:read"}, .connections = {"*"}});
  EXPECT_EQ(call("POST", "/api/v1/auth_configs", R"({"provider":"acme",)" + value + "}", reader).status, 403);
  EXPECT_EQ(call("GET", "/api/v1/auth_configs", "", reader).status, 200);
}

TEST_F(AcmeRoom, a_connection_of_an_app_needs_its_auth_config) {
  const auto app = auth_config();
  const auto made = connect_by_hand(app);
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.text("authConfig"), app);
  EXPECT_EQ(made.text("status"), "ACTIVE");
  EXPECT_THAT(made.body, Not(HasSubstr("canary")));
  EXPECT_TRUE(desk.asked.empty());
  EXPECT_EQ(connect_by_hand("ac_00000000000000000000").pointer(), "/authConfig");
  EXPECT_EQ(
      call("POST", "/api/v1/connections", R"({"app":"acme","type":"OAUTH2","value":{"refreshToken":"r"}})").pointer(),
      "/authConfig");
  EXPECT_EQ(call("POST", "/api/v1/connections",
                 R"({"app":"stripe","type":"API_KEY","authConfig":")" + app + R"(","value":{"apiKey":"sk_x"}})")
                .pointer(),
            "/authConfig");
  EXPECT_EQ(connect_by_hand(app, "", "{}").pointer(), "/value/refreshToken");
  EXPECT_EQ(connect_by_hand(app, "", R"({"refreshToken":"r","accessToken":"a","expiresAt":"tomorrow"})").pointer(),
            "/value/expiresAt");
}

TEST_F(AcmeRoom, a_pasted_token_ends_when_its_holder_says) {
  const auto app = auth_config();
  const auto ends = [&](const std::string& at) {
    return connect_by_hand(app, "", R"({"refreshToken":"r","accessToken":"a","expiresAt":")" + at + "\"}")
        .text("expires");
  };
  EXPECT_EQ(ends("2027-01-15T09:00:00Z"), "2027-01-15T09:00:00.000Z");
  EXPECT_EQ(ends("1800003600"), "2027-01-15T09:00:00.000Z");
  EXPECT_EQ(connect_by_hand(app, "", R"({"refreshToken":"r"})").text("expires"), "");
  const auto read = vault->find_connection({}, "acme");
  ASSERT_TRUE(read);
  const auto kept = vault->open_credential(*read);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->times->lifetime_ms, 3'600'000);
  EXPECT_EQ(kept->times->sent_ms, now);
  EXPECT_FALSE(kept->values.contains("expiresAt"));
}

TEST_F(AcmeRoom, a_pasted_refresh_token_is_kept_from_growing_too_old) {
  load_acme(", refresh: {idle_lifetime: 10d}");
  const auto id = connect_by_hand(auth_config(), "", R"({"refreshToken":"r"})").text("id");
  const auto read = vault->find_connection({}, id);
  ASSERT_TRUE(read);
  EXPECT_GT(read->touch, now);
  EXPECT_LT(read->touch, now + 10LL * 86'400'000);
}

TEST_F(AcmeRoom, a_private_key_that_cannot_sign_is_refused_when_it_is_stored) {
  load_acme(
      "}, robot: {type: JWT_BEARER, fields: {privateKey: {}}, token: {url: 'https://token.test/token'}, assertion: "
      "{issuer: robot}}, app: {type: OAUTH2_CLIENT_CREDENTIALS, token: {url: 'https://token.test/token', "
      "client_auth: private_key_jwt}");
  const auto refused =
      call("POST", "/api/v1/connections", R"({"app":"acme","type":"JWT_BEARER","value":{"privateKey":"key-canary"}})");
  EXPECT_EQ(refused.pointer(), "/value/privateKey") << refused.body;
  EXPECT_THAT(refused.body, Not(HasSubstr("canary")));
  EXPECT_EQ(call("POST", "/api/v1/auth_configs",
                 R"({"provider":"acme","auth":"app","value":{"clientId":"us","privateKey":"key-canary"}})")
                .pointer(),
            "/value/privateKey");
}

TEST_F(AcmeRoom, an_auth_config_in_use_is_deleted_only_with_its_connections) {
  const auto app = auth_config(), path = "/api/v1/auth_configs/" + app;
  const auto id = connect_by_hand(app).text("id");
  const auto refused = call("DELETE", path);
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.code(), "in-use");
  const auto named = refused.object().at("connections").as_array();
  ASSERT_EQ(named.size(), 1u);
  EXPECT_EQ(named.at(0).at("id").as_string(), id);
  EXPECT_EQ(named.at(0).at("alias").as_string(), "acme");
  EXPECT_EQ(named.at(0).at("name").as_string(), "Acme & <Sons>");
  EXPECT_EQ(refused.object().at("count").as_int64(), 1);
  const auto blind = make_token({.capabilities = {"auth_configs:write"}, .connections = {}});
  const auto counted = call("DELETE", path, "", blind);
  EXPECT_TRUE(counted.object().at("connections").as_array().empty());
  EXPECT_EQ(counted.object().at("count").as_int64(), 1);
  EXPECT_EQ(call("DELETE", path + "?cascade=maybe").status, 400);
  EXPECT_EQ(call("DELETE", path + "?other=true").status, 400);
  EXPECT_EQ(call("DELETE", path + "?cascade=true").status, 204);
  EXPECT_EQ(call("GET", "/api/v1/connections/" + id).status, 404);
  EXPECT_EQ(call("DELETE", path).status, 404);
}

TEST_F(AcmeRoom, an_auth_config_whose_connections_cannot_be_given_back_is_deleted_when_that_is_repeated) {
  const auto app = auth_config(), path = "/api/v1/auth_configs/" + app;
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(connect_by_hand(app).text("id"));
  std::sort(ids.begin(), ids.end());
  int calls = 0;
  desk.before_answer = [&] { desk.status = ++calls == 2 ? 500 : 200; };
  EXPECT_EQ(call("DELETE", path + "?revoke=true").pointer(), "revoke");
  const auto refused = call("DELETE", path + "?cascade=true&revoke=true");
  EXPECT_EQ(refused.status, 502) << refused.body;
  EXPECT_EQ(refused.code(), "revoke-failed");
  EXPECT_EQ(refused.text("connection"), ids[1]);
  EXPECT_EQ(call("GET", "/api/v1/connections/" + ids[0]).status, 404);
  EXPECT_EQ(call("GET", "/api/v1/connections/" + ids[1]).status, 200);
  EXPECT_EQ(call("GET", path).status, 200);
  EXPECT_EQ(call("DELETE", path + "?cascade=true&revoke=true").status, 204);
  EXPECT_EQ(call("GET", path).status, 404);
}

TEST_F(AcmeRoom, its_hosts_narrow_its_connections_new_and_old) {
  const auto app = auth_config();
  const auto id = connect_by_hand(app).text("id");
  EXPECT_EQ(call("GET", "/api/v1/connections/" + id).object().at("hosts").as_array().size(), 2u);
  ASSERT_EQ(call("PATCH", "/api/v1/auth_configs/" + app, R"({"hosts":["api.test/v1"]})").status, 200);
  const auto hosts = [&](const std::string& one) {
    return json::serialize(call("GET", "/api/v1/connections/" + one).object().at("hosts"));
  };
  EXPECT_EQ(hosts(id), R"(["api.test:443/v1"])");
  EXPECT_EQ(hosts(connect_by_hand(app).text("id")), R"(["api.test:443/v1"])");
  // A new value does not widen it.
  ASSERT_EQ(call("POST", "/api/v1/connections/" + id + "/rotate", R"({"value":{"refreshToken":"r"}})").status, 200);
  EXPECT_EQ(hosts(id), R"(["api.test:443/v1"])");
  ASSERT_EQ(call("PATCH", "/api/v1/auth_configs/" + app, R"({"hosts":null})").status, 200);
  EXPECT_EQ(hosts(id), R"(["api.test:443/v1"])") << "wider only with a new value";
}

TEST_F(AcmeRoom, a_shared_key_is_one_project_connection) {
  const auto made =
      call("POST", "/api/v1/auth_configs", R"({"provider":"acme","auth":"key","value":{"apiKey":"key-canary"}})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.text("type"), "API_KEY");
  const auto id = made.text("connection");
  const auto connection = call("GET", "/api/v1/connections/" + id);
  EXPECT_EQ(connection.text("scope"), "PROJECT");
  EXPECT_EQ(connection.text("authConfig"), made.text("id"));
  ASSERT_EQ(call("PATCH", "/api/v1/auth_configs/" + made.text("id"), R"({"value":{"apiKey":"second-canary"}})").status,
            200);
  const auto meta = vault->find_connection({}, id);
  ASSERT_TRUE(meta);
  EXPECT_EQ(vault->open_credential(*meta)->values.at("apiKey").expose(), "second-canary");
  EXPECT_EQ(call("POST", "/api/v1/auth_configs", R"({"provider":"acme","auth":"key","value":{}})").pointer(),
            "/value/apiKey");
}

TEST_F(AcmeRoom, a_new_value_ends_the_error_of_an_auth_config) {
  const auto id = auth_config();
  auto stored = vault->tokens().find_auth_config({}, id);
  ASSERT_TRUE(stored);
  stored->status = vault::Status::error;
  stored->status_reason = "client_rejected";
  ASSERT_TRUE(vault->tokens().update_auth_config(std::move(*stored)));
  EXPECT_EQ(call("GET", "/api/v1/auth_configs/" + id).text("status"), "ERROR");
  const auto mended =
      call("PATCH", "/api/v1/auth_configs/" + id, R"({"value":{"clientId":"us","clientSecret":"new-canary"}})");
  EXPECT_EQ(mended.text("status"), "ACTIVE") << mended.body;
  EXPECT_EQ(desk.woken.back(), "");
}

TEST_F(AcmeRoom, auth_configs_are_listed_by_name_and_switch) {
  auth_config();
  auth_config(R"(,"enabled":false)");
  const auto count = [&](const std::string& query) {
    return call("GET", "/api/v1/auth_configs?" + query).object().at("data").as_array().size();
  };
  EXPECT_EQ(count(""), 1u);
  EXPECT_EQ(count("showDisabled=true"), 2u);
  EXPECT_EQ(count("showDisabled=true&sortBy=created&limit=1"), 1u);
  EXPECT_EQ(count("search=OUR"), 1u);
  EXPECT_EQ(count("search=theirs"), 0u);
  EXPECT_EQ(count("provider=stripe"), 0u);
  EXPECT_EQ(call("GET", "/api/v1/auth_configs?provider=a&toolkitSlug=b").status, 400);
  EXPECT_EQ(call("GET", "/api/v1/auth_configs?showDisabled=x").status, 400);
}

}  // namespace
}  // namespace postern::admin
