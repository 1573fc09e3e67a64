// The local CA over the API: who may make it, what it is confined to, what is told of it, and that its key is not.
#include <gmock/gmock.h>

#include "client.hpp"
#include "vault/authority.hpp"

namespace postern::admin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPath = "/api/v1/ca";
constexpr const char* kRotate = "/api/v1/ca/rotate";

std::vector<std::string> names_of(const WireReply& reply) {
  std::vector<std::string> out;
  for (const auto& name : reply.object().at("names").as_array()) out.emplace_back(name.as_string());
  return out;
}

TEST_F(AdminRoom, there_is_no_ca_until_one_is_made) {
  for (const auto& [method, path] : {std::pair("GET", kPath), {"POST", kRotate}, {"DELETE", kPath}}) {
    const auto none = call(method, path);
    EXPECT_EQ(none.status, 404);
    EXPECT_EQ(none.code(), "not-found");
    EXPECT_THAT(none.text("detail"), HasSubstr("postern ca create"));
  }
  EXPECT_EQ(adoptions, 0);
}

TEST_F(AdminRoom, a_ca_is_made_once_and_used_before_the_answer) {
  const auto made = call("POST", kPath, R"({"names":["api.github.com","*.Slack.com","files.slack.com"]})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(adoptions, 1);
  EXPECT_THAT(names_of(made), ElementsAre("api.github.com", "postern.internal", "slack.com"));
  EXPECT_THAT(made.text("certificate"), HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(made.text("subject"), HasSubstr(vault->id()));
  EXPECT_TRUE(made.object().at("previous").is_null());
  EXPECT_EQ(made.fields.at("etag"), "\"1\"");
  EXPECT_EQ(call("GET", kPath).body, made.body);
  const auto again = call("POST", kPath);
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.code(), "already-there");
  EXPECT_EQ(call("GET", kPath).text("fingerprint"), made.text("fingerprint"));
  const auto record = vault->find_authority();
  ASSERT_TRUE(record);
  EXPECT_TRUE(vault::Authority::open(record->certificate, record->key.expose()));
}

TEST_F(AdminRoom, a_ca_is_confined_to_what_is_opted_in_and_to_the_hosts_that_connections_use) {
  settings.intercept_hosts = {{"api.github.com", false, 443}, {".slack.com", true, 8443}};
  create();
  vault::Connection file;
  file.id = "conn_file";
  file.destinations = {{"declared.test.example", 443, ""}, {"intranet", 443, ""}};
  declared.push_back(file);
  EXPECT_THAT(names_of(call("POST", kPath)),
              ElementsAre("api.github.com", "api.test", "declared.test.example", "postern.internal", "slack.com"));
}

TEST_F(AdminRoom, a_ca_for_a_name_that_cannot_be_one_is_refused_with_its_place) {
  for (const char* name : {"com", "*.co.uk", "localhost", "a.example:443", "https://a.example", "*", "a..b", "127.1"}) {
    const auto refused = call("POST", kPath, json::serialize(json::object{{"names", {"a.example", name}}}));
    EXPECT_EQ(refused.status, 400) << name;
    EXPECT_EQ(refused.pointer(), "/names/1") << name;
    EXPECT_THAT(refused.body, Not(HasSubstr("127.1"))) << "what was sent is not repeated";
  }
  EXPECT_EQ(call("POST", kPath, R"({"names":[]})").pointer(), "/names");
  EXPECT_EQ(call("POST", kPath, R"({"names":"a.example"})").pointer(), "/names");
  EXPECT_EQ(call("POST", kPath, R"({"hosts":["a.example"]})").pointer(), "/hosts");
  EXPECT_EQ(vault->find_authority().error().code, vault::Error::Code::not_found);
}

TEST_F(AdminRoom, a_rotated_ca_shows_the_one_before_it) {
  const auto first = call("POST", kPath, R"({"names":["a.example"]})");
  now += 1000;
  const auto second = call("POST", kRotate, R"({"names":["b.example"]})", "*", {{"If-Match", "\"1\""}});
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(adoptions, 2);
  EXPECT_EQ(second.fields.at("etag"), "\"2\"");
  EXPECT_NE(second.text("fingerprint"), first.text("fingerprint"));
  const auto previous = second.object().at("previous").as_object();
  EXPECT_EQ(previous.at("fingerprint").as_string(), first.text("fingerprint"));
  EXPECT_EQ(previous.at("certificate").as_string(), first.text("certificate"));
  EXPECT_EQ(second.text("created"), first.text("created"));
  EXPECT_NE(second.text("updated"), first.text("updated"));
  EXPECT_EQ(call("POST", kRotate, "", "*", {{"If-Match", "\"1\""}}).status, 412);
  EXPECT_EQ(call("DELETE", kPath, "", "*", {{"If-Match", "\"1\""}}).status, 412);
}

TEST_F(AdminRoom, a_deleted_ca_is_gone_and_another_can_be_made) {
  call("POST", kPath);
  EXPECT_EQ(call("DELETE", kPath, "", "*", {{"If-Match", "\"1\""}}).status, 204);
  EXPECT_EQ(adoptions, 2);
  EXPECT_EQ(call("GET", kPath).status, 404);
  EXPECT_EQ(call("POST", kPath).status, 201);
}

TEST_F(AdminRoom, the_ca_is_everybodys_to_read_and_a_system_administrators_to_make) {
  const auto caller = make_token({.capabilities = {"proxy:call"}, .connections = {}});
  const auto everything = make_token({.capabilities = {"*"}, .connections = {"*"}});
  const auto other = make_token({.capabilities = {"system:keys"}, .connections = {}, .organization = ""});
  const auto own = make_token({.capabilities = {"system:ca"}, .connections = {}, .organization = ""});
  for (const auto& token : {caller, everything, other}) {
    for (const auto& [method, path] : {std::pair("POST", kPath), {"POST", kRotate}, {"DELETE", kPath}})
      EXPECT_EQ(call(method, path, "", token).status, 403);
  }
  EXPECT_EQ(call("POST", kPath, "", own).status, 201);
  EXPECT_EQ(call("GET", kPath, "", caller).status, 200);
  EXPECT_EQ(call("GET", kPath, "", "").status, 401);
  EXPECT_EQ(over_socket("POST", kRotate).status, 200);
}

TEST_F(AdminRoom, a_repeated_call_makes_no_second_ca) {
  const Fields key{{"Idempotency-Key", "one"}};
  const auto first = call("POST", kPath, R"({"names":["a.example"]})", "*", key);
  const auto again = call("POST", kPath, R"({"names":["a.example"]})", "*", key);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_FALSE(again.fields.contains("location"));
  const Fields other{{"Idempotency-Key", "two"}};
  const auto rotated = call("POST", kRotate, "", "*", other);
  EXPECT_EQ(call("POST", kRotate, "", "*", other).text("fingerprint"), rotated.text("fingerprint"));
  ASSERT_EQ(call("DELETE", kPath).status, 204);
  EXPECT_EQ(call("POST", kRotate, "", "*", other).code(), "idempotency-replayed");
}

TEST_F(AdminRoom, what_happened_to_the_ca_is_in_the_systems_chain) {
  const auto made = call("POST", kPath, R"({"names":["a.example"]})");
  call("POST", kRotate);
  call("DELETE", kPath);
  const auto events = vault->audit().list({.descending = false});
  ASSERT_TRUE(events);
  std::vector<std::string> actions;
  for (const auto& event : events->events)
    if (event.subject == "ca") actions.push_back(event.action);
  EXPECT_THAT(actions, ElementsAre("ca.created", "ca.rotated", "ca.deleted"));
  EXPECT_EQ(events->events.front().detail.at("fingerprint"), made.text("fingerprint"));
  EXPECT_THAT(events->events.front().detail.at("names"), HasSubstr("a.example"));
}

TEST_F(AdminRoom, a_ca_that_the_workers_do_not_take_yet_is_told_and_stays) {
  adopting = false;
  const auto made = call("POST", kPath);
  EXPECT_EQ(made.status, 503);
  EXPECT_EQ(made.code(), "not-ready");
  adopting = true;
  EXPECT_EQ(call("GET", kPath).status, 200);
}

TEST_F(AdminRoom, the_key_of_the_ca_is_in_no_answer) {
  const auto made = call("POST", kPath);
  const auto rotated = call("POST", kRotate);
  for (const auto& reply : {made, rotated, call("GET", kPath), call("GET", "/api/v1/audit")}) {
    EXPECT_THAT(reply.body, Not(HasSubstr("PRIVATE")));
    EXPECT_THAT(reply.body, Not(HasSubstr("\"key\"")));
  }
}

}  // namespace
}  // namespace postern::admin
