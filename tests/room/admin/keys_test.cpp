// Keys, backup and verification over the API: only for those who may, and what they are told.
#include <gmock/gmock.h>

#include "client.hpp"

namespace postern::admin {
namespace {

using testing::HasSubstr;

const std::pair<const char*, const char*> kRoutes[] = {{"GET", "/api/v1/keys"},
                                                       {"POST", "/api/v1/keys/rotate"},
                                                       {"POST", "/api/v1/keys/rewrap"},
                                                       {"POST", "/api/v1/vault/backup"},
                                                       {"POST", "/api/v1/vault/verify"}};

TEST_F(AdminRoom, keys_and_backups_belong_to_system_administrators) {
  const auto organization = make_token({.capabilities = {"*"}, .connections = {"*"}});
  const auto other = make_token({.capabilities = {"system:audit"}, .connections = {}, .organization = ""});
  for (const auto& [method, path] : kRoutes) {
    EXPECT_EQ(call(method, path, "", organization).status, 403) << path;
    EXPECT_EQ(call(method, path, "", other).status, 403) << path;
    EXPECT_EQ(call(method, path, "", "").status, 401) << path;
  }
  const auto keys = make_token({.capabilities = {"system:keys"}, .connections = {}, .organization = ""});
  EXPECT_EQ(call("GET", "/api/v1/keys", "", keys).status, 200);
  EXPECT_EQ(call("POST", "/api/v1/vault/verify", "", keys).status, 403);
  EXPECT_EQ(over_socket("GET", "/api/v1/keys").status, 200);
}

TEST_F(AdminRoom, a_rotation_is_begun_once_and_shown) {
  create();
  const auto begun = call("POST", "/api/v1/keys/rotate");
  EXPECT_EQ(begun.status, 202);
  EXPECT_EQ(begun.object().at("rotation").at("state"), "RESEALING");
  EXPECT_EQ(call("POST", "/api/v1/keys/rotate").code(), "rotation-running");
  for (bool running = true; running;) running = vault->upkeep().continue_rotation(100)->running();
  const auto ended = call("GET", "/api/v1/keys").object();
  EXPECT_EQ(ended.at("rotation").at("state"), "DONE");
  EXPECT_EQ(ended.at("dataKeys").get_array().size(), 2u);
}

TEST_F(AdminRoom, an_etag_stays_what_it_was_through_a_rotation) {
  const auto made = create();
  const std::string path = "/api/v1/connections/" + made.text("id");
  ASSERT_EQ(call("POST", "/api/v1/keys/rotate").status, 202);
  for (bool running = true; running;) running = vault->upkeep().continue_rotation(100)->running();
  EXPECT_EQ(call("GET", path).fields.at("etag"), made.fields.at("etag"));
  EXPECT_EQ(call("PATCH", path, R"({"name":"New"})", "*", {{"If-Match", made.fields.at("etag")}}).status, 200);
}

TEST_F(AdminRoom, a_new_master_key_is_named_exactly_and_a_command_only_on_the_socket) {
  const auto file = (state.string() + "-second.key");
  std::filesystem::remove(file);
  for (const char* body : {R"({})", R"({"key":{}})", R"({"key":{"file":"relative"}})", R"({"key":{"fil":"/k"}})",
                           R"({"key":{"credential":"a","file":"/k/x"}})"}) {
    EXPECT_EQ(call("POST", "/api/v1/keys/rewrap", body).status, 400) << body;
  }
  const auto refused = call("POST", "/api/v1/keys/rewrap", R"({"key":{"exec":["/bin/true"]}})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.pointer(), "/key/exec");
  const auto tried = over_socket("POST", "/api/v1/keys/rewrap", R"({"key":{"exec":["/bin/true"]}})");
  EXPECT_THAT(tried.text("detail"), HasSubstr("/bin/true")) << tried.status << " " << tried.body;
  const auto done = call("POST", "/api/v1/keys/rewrap", R"({"key":{"file":")" + file + R"("}})");
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(done.text("provider"), "file " + file);
  EXPECT_EQ(call("GET", "/api/v1/keys").text("masterKeyId"), done.text("masterKeyId"));
  std::filesystem::remove(file);
}

TEST_F(AdminRoom, a_backup_is_refused_where_it_cannot_be) {
  EXPECT_EQ(call("POST", "/api/v1/vault/backup", R"({"directory":"relative"})").pointer(), "/directory");
  EXPECT_EQ(call("POST", "/api/v1/vault/backup", R"({})").pointer(), "/directory");
  EXPECT_THAT(call("POST", "/api/v1/vault/backup", R"({"directory":"/nowhere/at/all"})").text("detail"),
              HasSubstr("memory"));
}

TEST_F(AdminRoom, a_verification_counts_what_is_sound) {
  create();
  const auto found = call("POST", "/api/v1/vault/verify").object();
  EXPECT_EQ(found.at("sound").at("connection"), 1);
  EXPECT_TRUE(found.at("bad").get_array().empty());
  EXPECT_TRUE(found.at("next").is_null());
}

}  // namespace
}  // namespace postern::admin
