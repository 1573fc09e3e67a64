// Providers from OpenAPI documents: a draft, enabled, used, disabled, deleted; and every refusal on the way.
#include <gmock/gmock.h>

#include "client.hpp"

namespace postern::admin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kDocument = R"(openapi: 3.1.0
info: {title: Acme API, version: "1"}
servers: [{url: https://api.acme.example}]
security: [{key: []}]
paths: {/a: {get: {}}}
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Acme-Key}
    pair: {type: http, scheme: hoba}
)";
const std::string kImport = "/api/v1/providers/import";

class ImportRoom : public AdminRoom {
 protected:
  void SetUp() override {
    AdminRoom::SetUp();
    files = catalog;
  }
  WireReply import(const std::string& document = kDocument, const std::string& query = "?file=acme.yaml",
                   const std::string& type = "application/yaml", const std::string& token = "*") {
    return call("POST", kImport + query, document, token, {{"Content-Type", type}});
  }
  WireReply enable(bool enabled = true, Fields fields = {}) {
    return call("PATCH", "/api/v1/providers/acme-api", enabled ? R"({"enabled":true})" : R"({"enabled":false})", "*",
                std::move(fields));
  }
  WireReply connect() {
    return call("POST", "/api/v1/connections", R"({"app":"acme-api","type":"API_KEY","value":{"apiKey":"canary-1"}})");
  }
  std::vector<std::string> listed(const std::string& query) {
    std::vector<std::string> out;
    const auto answer = call("GET", "/api/v1/providers?limit=100&" + query).object();
    for (const auto& one : answer.at("data").as_array()) out.emplace_back(one.as_object().at("id").as_string());
    return out;
  }
  std::string person(std::vector<std::string> capabilities, const std::string& organization) {
    return make_token({.capabilities = std::move(capabilities), .connections = {}, .organization = organization});
  }
};

TEST_F(ImportRoom, a_document_becomes_a_draft_that_says_what_it_is) {
  const auto made = import();
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.fields.at("location"), "/api/v1/providers/acme-api");
  EXPECT_EQ(made.fields.at("etag"), "\"1\"");
  const auto body = made.object();
  EXPECT_EQ(body.at("id"), "acme-api");
  EXPECT_EQ(body.at("enabled"), false);
  EXPECT_EQ(body.at("source"), "IMPORTED");
  EXPECT_EQ(body.at("hosts"), json::array({"api.acme.example"}));
  EXPECT_EQ(body.at("mapped"), json::parse(R"([{"auth":"key","type":"API_KEY","schemes":["key"],"operations":1}])"));
  EXPECT_EQ(body.at("unmapped").at(0).at("place"), "9:11");
  EXPECT_THAT(std::string(body.at("unmapped").at(0).at("text").as_string()), HasSubstr("hoba"));
  EXPECT_EQ(body.at("digest").as_string().size(), 64U);
  EXPECT_THAT(std::string(body.at("entry").as_string()), HasSubstr("# Imported from acme.yaml"));
  const auto shown = call("GET", "/api/v1/providers/acme-api");
  EXPECT_EQ(shown.text("entry"), made.text("entry"));
  EXPECT_EQ(shown.fields.at("etag"), "\"1\"");
}

TEST_F(ImportRoom, a_draft_is_not_usable_until_it_is_enabled) {
  ASSERT_EQ(import().status, 201);
  EXPECT_EQ(connect().status, 400);
  EXPECT_EQ(adoptions, 0);
  const auto enabled = enable();
  ASSERT_EQ(enabled.status, 200) << enabled.body;
  EXPECT_EQ(enabled.object().at("enabled"), true);
  EXPECT_EQ(adoptions, 1) << "every worker knows before the answer";
  const auto made = connect();
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(vault->find_connection({}, made.text("id"))->destinations.at(0).host, "api.acme.example");
}

TEST_F(ImportRoom, enabling_again_changes_nothing_and_an_old_version_is_refused) {
  ASSERT_EQ(import().status, 201);
  EXPECT_EQ(enable(true, {{"If-Match", "\"7\""}}).status, 412);
  EXPECT_EQ(enable(true, {{"If-Match", "\"1\""}}).fields.at("etag"), "\"2\"");
  EXPECT_EQ(enable().fields.at("etag"), "\"2\"");
  EXPECT_EQ(adoptions, 1);
  EXPECT_EQ(call("PATCH", "/api/v1/providers/acme-api", R"({"yaml":"x"})").pointer(), "/yaml");
  EXPECT_EQ(call("PATCH", "/api/v1/providers/acme-api", R"({"enabled":1})").pointer(), "/enabled");
}

TEST_F(ImportRoom, a_disabled_one_is_a_draft_again) {
  ASSERT_EQ(import().status, 201);
  ASSERT_EQ(enable().status, 200);
  EXPECT_EQ(enable(false).status, 200);
  EXPECT_EQ(adoptions, 2);
  EXPECT_EQ(connect().status, 400);
}

TEST_F(ImportRoom, each_change_is_on_record_in_the_systems_chain) {
  ASSERT_EQ(import().status, 201);
  ASSERT_EQ(enable().status, 200);
  ASSERT_EQ(enable().status, 200) << "nothing changes, and nothing is told";
  ASSERT_EQ(enable(false).status, 200);
  ASSERT_EQ(call("DELETE", "/api/v1/providers/acme-api").status, 204);
  const auto page = vault->audit().list({.descending = false});
  ASSERT_TRUE(page);
  std::vector<std::string> actions;
  for (const auto& event : page->events) {
    actions.push_back(event.action);
    EXPECT_EQ(event.subject, "acme-api");
  }
  EXPECT_THAT(actions, ElementsAre("provider.imported", "provider.enabled", "provider.disabled", "provider.deleted"));
}

TEST_F(ImportRoom, lists_name_the_source_and_show_drafts_when_asked) {
  ASSERT_EQ(import().status, 201);
  EXPECT_THAT(listed("source=imported"), ElementsAre());
  EXPECT_THAT(listed("source=imported&showDisabled=true"), ElementsAre("acme-api"));
  EXPECT_THAT(listed("search=acme&showDisabled=true"), ElementsAre("acme-api"));
  EXPECT_THAT(listed("source=FOLDER&showDisabled=true"), ElementsAre());
  ASSERT_EQ(enable().status, 200);
  EXPECT_THAT(listed("source=imported"), ElementsAre("acme-api"));
  EXPECT_EQ(call("GET", "/api/v1/providers/stripe").text("source"), "SHIPPED");
  EXPECT_EQ(call("GET", "/api/v1/providers?source=elsewhere").pointer(), "source");
  EXPECT_EQ(call("GET", "/api/v1/providers?showDisabled=perhaps").pointer(), "showDisabled");
}

TEST_F(ImportRoom, an_id_of_the_catalog_or_of_a_draft_is_taken) {
  EXPECT_EQ(import(kDocument, "?id=stripe").code(), "already-there");
  ASSERT_EQ(import().status, 201);
  const auto again = import();
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.code(), "already-there");
}

TEST_F(ImportRoom, one_that_is_used_cannot_be_deleted) {
  ASSERT_EQ(import().status, 201);
  ASSERT_EQ(enable().status, 200);
  const auto made = connect();
  const auto refused = call("DELETE", "/api/v1/providers/acme-api");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.code(), "in-use");
  EXPECT_EQ(refused.object().at("uses"), json::array({made.text("id")}));
  ASSERT_EQ(call("DELETE", "/api/v1/connections/" + made.text("id")).status, 204);
  EXPECT_EQ(call("DELETE", "/api/v1/providers/acme-api").status, 204);
  EXPECT_EQ(adoptions, 2);
  EXPECT_EQ(call("GET", "/api/v1/providers/acme-api").status, 404);
  EXPECT_EQ(call("DELETE", "/api/v1/providers/acme-api").status, 404);
}

TEST_F(ImportRoom, what_came_with_postern_is_not_changed) {
  EXPECT_EQ(call("DELETE", "/api/v1/providers/stripe").code(), "not-imported");
  EXPECT_EQ(call("PATCH", "/api/v1/providers/stripe", R"({"enabled":false})").code(), "not-imported");
  EXPECT_EQ(call("PATCH", "/api/v1/providers/nobody", R"({"enabled":true})").status, 404);
}

TEST_F(ImportRoom, only_system_providers_imports_enables_and_deletes) {
  const std::string everything = person({"*"}, std::string(vault::kDefaultOrganization));
  EXPECT_EQ(import(kDocument, "", "application/yaml", everything).status, 403);
  EXPECT_EQ(import(kDocument, "", "application/yaml", person({"system:config"}, "")).status, 403);
  EXPECT_EQ(import(kDocument, "", "application/yaml", "").status, 401);
  EXPECT_EQ(import(kDocument, "", "application/yaml", person({"system:providers"}, "")).status, 201);
  EXPECT_EQ(call("PATCH", "/api/v1/providers/acme-api", R"({"enabled":true})", everything).status, 403);
  EXPECT_EQ(call("DELETE", "/api/v1/providers/acme-api", "", everything).status, 403);
}

TEST_F(ImportRoom, mistakes_are_told_where_they_are) {
  const auto yaml = import("openapi: 3.0.0\na: 1\na: 2\n");
  EXPECT_EQ(yaml.status, 400);
  EXPECT_EQ(yaml.text("detail"), "acme.yaml:3:1: duplicate key 'a'");
  const auto pointer =
      import(R"({"openapi":"3.0.0","info":{"title":"A"},"servers":[{"url":"/v1"}]})", "", "application/json");
  EXPECT_EQ(pointer.status, 400);
  EXPECT_EQ(pointer.pointer(), "/servers");
  EXPECT_EQ(import(kDocument, "?id=Not").pointer(), "id");
  EXPECT_EQ(import(kDocument, "?baseUrl=http:%2F%2Fx").pointer(), "baseUrl");
  EXPECT_EQ(import(kDocument, "?auth=x").pointer(), "auth");
  EXPECT_EQ(import(kDocument, "?colour=red").pointer(), "colour");
  EXPECT_EQ(import(kDocument, "?id=a&id=b").pointer(), "id");
  EXPECT_EQ(import(kDocument, "?dryRun=1").pointer(), "dryRun");
  EXPECT_EQ(import("").status, 400);
}

TEST_F(ImportRoom, other_content_types_are_refused) {
  EXPECT_EQ(import(kDocument, "", "application/octet-stream").status, 415);
  EXPECT_EQ(import(kDocument, "", "text/plain").status, 403) << "a page can send that";
  EXPECT_EQ(import(kDocument, "?dryRun=true", "application/vnd.oai.openapi; charset=utf-8").status, 200);
}

TEST_F(ImportRoom, a_dry_run_stores_nothing) {
  const auto dry = import(kDocument, "?dryRun=true");
  EXPECT_EQ(dry.status, 200);
  EXPECT_EQ(dry.object().at("created"), nullptr);
  EXPECT_EQ(call("GET", "/api/v1/providers/acme-api").status, 404);
}

TEST_F(ImportRoom, eight_mebibytes_are_taken_here_and_one_everywhere_else) {
  std::string large = kDocument;
  large += "# " + std::string(3'000'000, 'x') + "\n";
  EXPECT_EQ(import(large, "?dryRun=true").status, 200);
  const std::string over = std::string(kDocument) + "# " + std::string(8'400'000, 'x');
  const auto refused = import(over);
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.text("detail"), "Keep the body within 8 MiB.");
  const auto elsewhere = call("POST", "/api/v1/connections", std::string(1'100'000, ' '));
  EXPECT_EQ(elsewhere.status, 413);
  EXPECT_EQ(elsewhere.text("detail"), "Keep the body within 1 MiB.");
}

TEST_F(ImportRoom, a_large_body_is_not_even_read_of_who_may_not_send_it) {
  for (const std::string& token : {std::string(), person({"*"}, std::string(vault::kDefaultOrganization))}) {
    Fields fields{{"Content-Type", "application/yaml"}, {"Content-Length", "5000000"}};
    if (!token.empty()) fields.emplace_back("Authorization", "Bearer " + token);
    Wire wire(server->address());
    wire.send(request("POST", kImport, "", fields));
    EXPECT_EQ(wire.receive().status, token.empty() ? 401 : 403);
  }
}

TEST_F(ImportRoom, a_chunked_body_has_the_same_bound) {
  Wire wire(server->address());
  wire.send(request(
      "POST", "/api/v1/connections", "",
      {{"Content-Type", "application/json"}, {"Transfer-Encoding", "chunked"}, {"Authorization", "Bearer " + admin}}));
  const std::string chunk = "40000\r\n" + std::string(0x40000, ' ') + "\r\n";
  for (int i = 0; i < 5; ++i) wire.send(chunk);
  EXPECT_EQ(wire.receive().status, 413);
}

constexpr const char* kOpenId = R"({"openapi":"3.1.0","info":{"title":"Acme API"},
  "servers":[{"url":"https://api.acme.example"}],"components":{"securitySchemes":{"id":{"type":"openIdConnect",
  "openIdConnectUrl":"https://id.acme.example/.well-known/openid-configuration"}}}})";

TEST_F(ImportRoom, openid_schemes_need_their_discovery_document_and_their_issuers_endpoints) {
  const auto first = import(kOpenId, "", "application/json");
  EXPECT_EQ(first.status, 422);
  EXPECT_EQ(first.code(), "import-incomplete");
  const std::string url = "https://id.acme.example/.well-known/openid-configuration";
  EXPECT_EQ(first.object().at("discovery"), json::array({url}));
  const json::object envelope{
      {"document", kOpenId},
      {"discovery", {{url, R"({"issuer":"https://id.acme.example","authorization_endpoint":"https://id.acme.example/a",
                  "token_endpoint":"https://tokens.example/t"})"}}}};
  const std::string body = json::serialize(envelope), type = "application/vnd.postern.import+json";
  const auto second = import(body, "", type);
  EXPECT_EQ(second.status, 422);
  EXPECT_EQ(second.object().at("unconfirmed"), json::array({"tokens.example"}));
  EXPECT_EQ(call("GET", "/api/v1/providers/acme-api").status, 404);
  const auto third = import(body, "?confirmEndpoint=tokens.example", type);
  EXPECT_EQ(third.status, 201) << third.body;
  EXPECT_EQ(third.object().at("endpoints"), json::array({"id.acme.example", "tokens.example"}));
  EXPECT_EQ(import(R"({"document":1})", "", type).pointer(), "/document");
  EXPECT_EQ(import("{", "", type).status, 400);
}

TEST_F(ImportRoom, an_entry_that_a_file_has_taken_the_id_of_is_not_enabled) {
  ASSERT_EQ(import().status, 201);
  const auto folder = state / "providers";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "acme-api.yaml") << "{id: acme-api, hosts: [other.example], auth: {a: {type: BEARER}}}";
  catalog = *config::Catalog::load({folder});
  EXPECT_EQ(enable().code(), "already-there");
}

TEST_F(ImportRoom, one_that_could_not_be_taken_over_is_said_to_be_stored) {
  ASSERT_EQ(import().status, 201);
  adopting = false;
  const auto late = enable();
  EXPECT_EQ(late.status, 503);
  EXPECT_THAT(late.text("detail"), HasSubstr("It is stored, and not in use yet"));
  EXPECT_TRUE(vault->imports().find_import("acme-api")->enabled);
}

}  // namespace
}  // namespace postern::admin
