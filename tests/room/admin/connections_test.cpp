// Connections through the real server: every verb, every refusal, and no value in any answer.
#include <gmock/gmock.h>

#include "client.hpp"

namespace postern::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kPath = "/api/v1/connections";

std::vector<std::string> names(const WireReply& reply, const char* key = "name") {
  std::vector<std::string> out;
  const auto whole = reply.object();
  for (const auto& one : whole.at("data").as_array()) out.emplace_back(one.as_object().at(key).as_string());
  return out;
}

TEST_F(AdminRoom, creates_a_connection_and_never_shows_its_value) {
  const auto made = create(R"("name":"My API","alias":"mine","endUser":"u-1","tags":["a","b"])");
  ASSERT_EQ(made.status, 201) << made.body;
  const auto object = made.object();
  for (const char* key :
       {"id",      "name",  "app",     "provider",     "type",    "auth",       "status",  "statusReason",
        "enabled", "scope", "alias",   "organization", "project", "owner",      "endUser", "tags",
        "config",  "hosts", "created", "updated",      "version", "generation", "declared"})
    EXPECT_TRUE(object.contains(key)) << key;
  EXPECT_TRUE(made.text("id").starts_with("conn_"));
  EXPECT_EQ(made.text("status"), "ACTIVE");
  EXPECT_EQ(made.text("scope"), "PROJECT");
  EXPECT_EQ(made.text("created"), "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(object.at("hosts").as_array().at(0), "api.test:443");
  EXPECT_EQ(made.fields.at("etag"), "\"1\"");
  EXPECT_EQ(made.fields.at("location"), std::string(kPath) + '/' + made.text("id"));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].id, made.text("id"));
  EXPECT_FALSE(changes[0].ended);
  for (const auto& target : {made.text("id"), std::string("mine")}) {
    const auto shown = call("GET", std::string(kPath) + '/' + target);
    EXPECT_EQ(shown.status, 200);
    EXPECT_EQ(shown.text("id"), made.text("id"));
    EXPECT_EQ(shown.fields.at("etag"), "\"1\"");
    EXPECT_THAT(shown.body, Not(HasSubstr("canary")));
  }
  EXPECT_THAT(made.body + call("GET", kPath).body, Not(HasSubstr("canary")));
}

TEST_F(AdminRoom, stores_the_value_it_was_given) {
  const auto made = create();
  const auto found = vault->find_connection({}, made.text("id"));
  ASSERT_TRUE(found);
  const auto credential = vault->open_credential(*found);
  ASSERT_TRUE(credential);
  EXPECT_EQ(credential->values.at("token").expose(), "canary-one");
}

TEST_F(AdminRoom, takes_the_provider_under_three_names) {
  for (const char* name : {"app", "provider", "toolkitSlug"}) {
    const auto made = call(
        "POST", kPath, std::string("{\"") + name + R"(":"stripe","type":"API_KEY","value":{"apiKey":"sk_test_1"}})");
    EXPECT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.text("app"), "stripe");
    EXPECT_EQ(made.text("name"), "Stripe");
    EXPECT_TRUE(made.text("alias").starts_with("stripe"));
  }
  EXPECT_EQ(call("POST", kPath, R"({"app":"stripe","provider":"http"})").pointer(), "/provider");
}

TEST_F(AdminRoom, refuses_bad_fields_with_a_pointer) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"({"app":"nobody","value":{}})", "/app"},
      {R"({"value":{}})", "/app"},
      {R"({"app":"stripe","type":"API_KEY"})", "/value/apiKey"},
      {R"({"app":"stripe","type":"API_KEY","value":{"apiKey":5}})", "/value/apiKey"},
      {R"({"app":"stripe","type":"API_KEY","value":"x"})", "/value"},
      {R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_1"},"scope":"WORLD"})", "/scope"},
      {R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_1"},"alias":"a b"})", "/alias"},
      {R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_1"},"alias":"conn_00000000000000000000"})", "/alias"},
      {R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_1"},"tags":[1]})", "/tags/0"},
      {R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_1"},"name":"a\u0000b"})", "/name"},
      {R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_1"},"enabled":"yes"})", "/enabled"},
      {R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_1"},"colour":"red"})", "/colour"},
      {R"({"app":"http","type":"BEARER","value":{"token":"x"},"config":{"hosts":["*"]}})", "/config/hosts/0"},
      {R"({"app":"http","type":"BEARER","value":{"token":"x"},"config":[]})", "/config"},
  };
  for (const auto& [body, pointer] : bad) {
    const auto reply = call("POST", kPath, body);
    EXPECT_EQ(reply.status, 400) << body << reply.body;
    EXPECT_EQ(reply.code(), "invalid-request");
    EXPECT_EQ(reply.pointer(), pointer) << reply.body;
  }
  EXPECT_EQ(call("POST", kPath, "{").code(), "malformed-request");
  EXPECT_EQ(call("POST", kPath, "[]").status, 400);
  EXPECT_EQ(call("POST", kPath, "").status, 415);
  EXPECT_EQ(call("POST", kPath, "<a/>", "*", {{"Content-Type", "application/xml"}}).status, 415);
  EXPECT_TRUE(changes.empty());
}

// Whatever is wrong around it, a value is never repeated.
TEST_F(AdminRoom, never_repeats_a_canary) {
  const std::string canary = "canaryCANARYcanary";
  const auto made = create(R"("alias":"there")");
  const std::vector<std::string> bodies = {
      R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"CANARY"}})",
      R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"CANARY\n"}})",
      R"({"app":"stripe","type":"API_KEY","value":{"CANARY":"x"}})",
      R"({"app":"stripe","type":"API_KEY","value":"CANARY"})",
      R"({"app":"stripe","type":"API_KEY","value":["CANARY"]})",
      R"({"app":"stripe","type":"CANARY","value":{"apiKey":"CANARY"}})",
      R"({"app":"CANARY"})",
      R"({"apiKey":"CANARY"})",
      R"({"CANARY0":"x"})",
      R"({"app":"http","type":"BEARER","value":{"token":"CANARY"},"config":{"hosts":"CANARY"}})",
      R"({"app":"http","type":"BEARER","value":{"token":"CANARY\r"},"config":{"hosts":["api.test"]}})",
      R"({"app":"http","type":"BEARER","value":{"token":"CANARY"},"config":{"hosts":["api.test"]},"alias":"there"})",
      R"({"app":"stripe","value":{"apiKey":"CANARY")",
  };
  for (auto body : bodies) {
    for (auto at = body.find("CANARY"); at != std::string::npos; at = body.find("CANARY", at + canary.size()))
      body.replace(at, 6, canary);
    for (const auto& reply : {call("POST", kPath, body), call("PATCH", std::string(kPath) + "/there", body),
                              call("POST", std::string(kPath) + "/there/rotate", body)}) {
      EXPECT_GE(reply.status, 400) << body;
      EXPECT_LT(reply.status, 500) << reply.body;
      EXPECT_THAT(reply.body, Not(HasSubstr(canary))) << body;
    }
  }
  EXPECT_EQ(call("GET", std::string(kPath) + "/there").text("id"), made.text("id"));
}

TEST_F(AdminRoom, keeps_aliases_unique) {
  EXPECT_EQ(create(R"("alias":"one")").status, 201);
  const auto taken = create(R"("alias":"one")");
  EXPECT_EQ(taken.status, 409);
  EXPECT_EQ(taken.code(), "alias-taken");
  EXPECT_EQ(taken.pointer(), "/alias");
  create(R"("alias":"two")");
  EXPECT_EQ(call("PATCH", std::string(kPath) + "/two", R"({"alias":"one"})").code(), "alias-taken");
}

TEST_F(AdminRoom, patches_fields_and_keeps_the_rest) {
  create(R"("alias":"mine","tags":["a"],"endUser":"u")");
  changes.clear();
  auto reply =
      call("PATCH", std::string(kPath) + "/mine", R"({"name":"New","tags":[],"endUser":null,"enabled":false})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.text("name"), "New");
  EXPECT_FALSE(reply.object().at("enabled").as_bool());
  EXPECT_TRUE(reply.object().at("endUser").is_null());
  EXPECT_EQ(reply.object().at("version"), 2);
  EXPECT_EQ(reply.object().at("generation"), 1);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].ended);
  EXPECT_EQ(call("PATCH", std::string(kPath) + "/mine", R"({"scope":"ORGANIZATION"})").text("scope"), "ORGANIZATION");
  EXPECT_EQ(call("PATCH", std::string(kPath) + "/mine", R"({"type":"BASIC"})").pointer(), "/type");
  EXPECT_EQ(call("PATCH", std::string(kPath) + "/none", R"({"name":"x"})").status, 404);
}

TEST_F(AdminRoom, lets_destinations_narrow_and_asks_for_the_secret_when_they_widen) {
  const auto made = call("POST", kPath,
                         R"({"app":"http","alias":"w","type":"BEARER","value":{"token":"t"},)"
                         R"("config":{"hosts":["a.test","b.test"]}})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string path = std::string(kPath) + "/w";
  auto reply = call("PATCH", path, R"({"config":{"hosts":["a.test"]}})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.object().at("hosts").as_array().size(), 1u);
  for (const char* config : {R"({"hosts":["a.test","b.test"]})", R"({"hosts":["evil.test"]})"}) {
    reply = call("PATCH", path, std::string(R"({"config":)") + config + "}");
    EXPECT_EQ(reply.status, 409);
    EXPECT_EQ(reply.code(), "secret-required");
  }
  reply = call("PATCH", path, R"({"config":{"hosts":["c.test"]},"value":{"token":"t2"}})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.object().at("hosts").as_array().at(0), "c.test:443");
  EXPECT_EQ(reply.object().at("generation"), 2);
}

TEST_F(AdminRoom, rotates_the_credential) {
  create(R"("alias":"mine")");
  changes.clear();
  auto reply = call("POST", std::string(kPath) + "/mine/rotate", R"({"value":{"token":"second"}})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.object().at("generation"), 2);
  EXPECT_EQ(changes.size(), 1u);
  const auto stored = vault->find_connection({}, "mine");
  EXPECT_EQ(vault->open_credential(*stored)->values.at("token").expose(), "second");
  EXPECT_EQ(call("POST", std::string(kPath) + "/mine/rotate", R"({})").pointer(), "/value/token");
  EXPECT_EQ(call("POST", std::string(kPath) + "/mine/rotate", R"({"value":{"token":"x"},"name":"y"})").pointer(),
            "/name");
}

TEST_F(AdminRoom, activates_again_what_was_in_error_when_its_secret_is_replaced) {
  create(R"("alias":"mine")");
  auto broken = *vault->find_connection({}, "mine");
  broken.status = vault::Status::error;
  broken.status_reason = "rejected";
  ASSERT_TRUE(vault->update_connection(broken));
  EXPECT_EQ(call("GET", std::string(kPath) + "/mine").text("statusReason"), "rejected");
  const auto reply = call("POST", std::string(kPath) + "/mine/rotate", R"({"value":{"token":"second"}})");
  EXPECT_EQ(reply.text("status"), "ACTIVE");
  EXPECT_TRUE(reply.object().at("statusReason").is_null());
}

TEST_F(AdminRoom, judges_if_match) {
  const auto made = create(R"("alias":"mine")");
  const std::string path = std::string(kPath) + "/mine";
  EXPECT_EQ(call("PATCH", path, R"({"name":"x"})", "*", {{"If-Match", "\"1\""}}).status, 200);
  auto reply = call("PATCH", path, R"({"name":"y"})", "*", {{"If-Match", "\"1\""}});
  EXPECT_EQ(reply.status, 412);
  EXPECT_EQ(reply.code(), "version-conflict");
  EXPECT_EQ(call("POST", path + "/rotate", R"({"value":{"token":"y"}})", "*", {{"If-Match", "W/\"2\""}}).status, 412);
  EXPECT_EQ(call("DELETE", path, "", "*", {{"If-Match", "\"1\""}}).status, 412);
  EXPECT_EQ(call("PATCH", path, R"({"name":"y"})", "*", {{"If-Match", "*"}}).status, 200);
  EXPECT_EQ(call("DELETE", path, "", "*", {{"If-Match", "\"7\", \"3\""}}).status, 204);
}

TEST_F(AdminRoom, deletes_for_good) {
  const auto made = create(R"("alias":"mine")");
  changes.clear();
  const auto gone = call("DELETE", std::string(kPath) + "/mine");
  EXPECT_EQ(gone.status, 204);
  EXPECT_EQ(gone.body, "");
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].ended);
  EXPECT_EQ(changes[0].id, made.text("id"));
  for (const char* method : {"GET", "DELETE"})
    EXPECT_EQ(call(method, std::string(kPath) + '/' + made.text("id")).status, 404) << method;
  EXPECT_EQ(create(R"("alias":"mine")").status, 201);
}

TEST_F(AdminRoom, lists_pages_that_follow_each_other) {
  for (int i = 0; i < 23; ++i) {
    now += 1000;
    ASSERT_EQ(create("\"name\":\"n" + std::to_string(i) + "\",\"tags\":[\"" + (i % 2 ? "odd" : "even") + "\"]").status,
              201);
  }
  for (const std::string order :
       {"", "&sortBy=created", "&sortBy=name&sortOrder=desc", "&sortBy=updatedAt&sortOrder=ASC"}) {
    std::set<std::string> seen;
    std::vector<std::string> in_order;
    std::string cursor;
    for (int page = 0; page < 3; ++page) {
      const auto reply =
          call("GET", std::string(kPath) + "?limit=10" + order + (cursor.empty() ? "" : "&cursor=" + cursor));
      ASSERT_EQ(reply.status, 200) << reply.body;
      for (const auto& name : names(reply)) {
        EXPECT_TRUE(seen.insert(name).second) << name;
        in_order.push_back(name);
      }
      EXPECT_EQ(reply.object().at("hasMore").as_bool(), page < 2);
      cursor = reply.text("cursor");
    }
    EXPECT_EQ(seen.size(), 23u);
    if (order == "&sortBy=created") {
      EXPECT_EQ(in_order.front(), "n22");
    }
    if (order.starts_with("&sortBy=name")) {
      EXPECT_EQ(in_order.front(), "n9");
    }
  }
  EXPECT_EQ(names(call("GET", kPath)).size(), 10u);
  EXPECT_EQ(names(call("GET", std::string(kPath) + "?sortBy=created&sortOrder=asc&page=3&limit=10")),
            (std::vector<std::string>{"n20", "n21", "n22"}));
  EXPECT_EQ(names(call("GET", std::string(kPath) + "?sortBy=created&sortOrder=asc&offset=22")),
            std::vector<std::string>{"n22"});
  EXPECT_EQ(names(call("GET", std::string(kPath) + "?tag=odd&limit=100")).size(), 11u);
}

TEST_F(AdminRoom, filters_what_it_lists) {
  create(R"("name":"Billing","alias":"bill","endUser":"u 1")");
  create(R"("name":"Other","alias":"other","enabled":false)");
  call("POST", kPath, R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_test_1"}})");
  auto count = [&](const std::string& query) { return names(call("GET", std::string(kPath) + '?' + query)).size(); };
  EXPECT_EQ(count("search=BILL"), 1u);
  EXPECT_EQ(count("provider=stripe"), 1u);
  EXPECT_EQ(count("toolkitSlug=http"), 2u);
  EXPECT_EQ(count("endUser=u+1"), 1u);
  EXPECT_EQ(count("endUser=u%201"), 1u);
  EXPECT_EQ(count("status=ACTIVE"), 3u);
  EXPECT_EQ(count("status=revoked"), 0u);
  EXPECT_EQ(count("showDisabled=false"), 2u);
}

TEST_F(AdminRoom, refuses_bad_list_parameters_by_name) {
  for (const auto& [query, parameter] :
       std::vector<std::pair<std::string, std::string>>{{"limit=0", "limit"},
                                                        {"limit=101", "limit"},
                                                        {"limit=ten", "limit"},
                                                        {"offset=-1", "offset"},
                                                        {"page=0", "page"},
                                                        {"page=1&offset=1", "page"},
                                                        {"cursor=!!!", "cursor"},
                                                        {"cursor=bm90anNvbg", "cursor"},
                                                        {"sortBy=colour", "sortBy"},
                                                        {"sortOrder=up", "sortOrder"},
                                                        {"status=GOOD", "status"},
                                                        {"showDisabled=1", "showDisabled"},
                                                        {"colour=red", "colour"}}) {
    const auto reply = call("GET", std::string(kPath) + '?' + query);
    EXPECT_EQ(reply.status, 400) << query;
    EXPECT_EQ(reply.pointer(), parameter) << reply.body;
  }
}

TEST_F(AdminRoom, shows_declared_connections_beside_stored_ones_and_does_not_change_them) {
  vault::Connection file;
  file.id = "conn_zzzzzzzzzzzzzzzzzzzz";
  file.alias = "http";
  file.name = "From a file";
  file.app = "http";
  file.type = "BEARER";
  file.config = "{}";
  declared.push_back(file);
  EXPECT_EQ(create(R"("name":"Stored")").text("alias"), "http-2");  // the file has the first name
  EXPECT_EQ(create(R"("alias":"http")").code(), "alias-taken");
  const auto list = call("GET", kPath);
  EXPECT_EQ(names(list), (std::vector<std::string>{"Stored", "From a file"}));
  EXPECT_EQ(names(call("GET", std::string(kPath) + "?sortBy=name")),
            (std::vector<std::string>{"From a file", "Stored"}));
  const auto shown = call("GET", std::string(kPath) + "/http");
  EXPECT_TRUE(shown.object().at("declared").as_bool());
  for (const auto& reply :
       {call("PATCH", std::string(kPath) + "/http", R"({"name":"x"})"),
        call("POST", std::string(kPath) + "/http/rotate", R"({"value":{"token":"x"}})"),
        call("POST", std::string(kPath) + "/http/revoke"), call("DELETE", std::string(kPath) + '/' + file.id)}) {
    EXPECT_EQ(reply.status, 409);
    EXPECT_EQ(reply.code(), "declared-connection");
  }
}

TEST_F(AdminRoom, answers_a_repeated_post_once) {
  const std::string body = R"({"app":"stripe","type":"API_KEY","value":{"apiKey":"sk_test_1"}})";
  const Fields key = {{"Idempotency-Key", "k-1"}};
  const auto first = call("POST", kPath, body, "*", key);
  ASSERT_EQ(first.status, 201);
  const auto again = call("POST", kPath, body, "*", key);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.fields.at("idempotency-replayed"), "true");
  EXPECT_EQ(again.fields.at("location"), first.fields.at("location"));
  EXPECT_EQ(names(call("GET", kPath)).size(), 1u);
  const auto other = call("POST", kPath, R"({"app":"stripe"})", "*", key);
  EXPECT_EQ(other.status, 422);
  EXPECT_EQ(other.code(), "idempotency-mismatch");
  EXPECT_EQ(call("POST", kPath, body, "*", {{"Idempotency-Key", "two words"}}).status, 400);
  // Another caller's key is another key; so is the same one a day later.
  const auto someone = make_token({.capabilities = {"connections:write"}, .connections = {}});
  EXPECT_NE(call("POST", kPath, body, someone, key).text("id"), first.text("id"));
  now += 24 * 3'600'000;
  EXPECT_NE(call("POST", kPath, body, "*", key).text("id"), first.text("id"));
  // What failed may be tried again with the same key.
  const Fields failing = {{"Idempotency-Key", "k-2"}};
  EXPECT_EQ(call("POST", kPath, R"({"app":"nobody"})", "*", failing).status, 400);
  EXPECT_EQ(call("POST", kPath, body, "*", failing).status, 201);
}

TEST_F(AdminRoom, lets_each_capability_do_its_part_only) {
  const auto made = create(R"("alias":"mine")");
  const auto reader = make_token({.capabilities = {"connections:read"}, .connections = {}});
  const auto writer = make_token({.capabilities = {"connections:write"}, .connections = {}});
  EXPECT_EQ(call("GET", kPath, "", reader).status, 200);
  EXPECT_EQ(call("GET", kPath, "", writer).status, 403);
  EXPECT_EQ(create("", reader).status, 403);
  EXPECT_EQ(create("", writer).status, 201);
  EXPECT_EQ(call("DELETE", std::string(kPath) + "/mine", "", reader).status, 403);
}

TEST_F(AdminRoom, answers_foreign_connections_like_unknown_ones) {
  const auto made = create(R"("alias":"mine")");
  const auto named = create(R"("alias":"named")");
  const auto foreign = make_token({.capabilities = {"*"}, .connections = {"*"}, .organization = "org_other"});
  const auto limited =
      make_token({.capabilities = {"connections:read", "connections:write"}, .connections = {named.text("id")}});
  for (const auto& token : {foreign, limited}) {
    auto reply = call("GET", std::string(kPath) + '/' + made.text("id"), "", token);
    auto unknown = call("GET", std::string(kPath) + "/conn_00000000000000000000", "", token);
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.text("detail"), unknown.text("detail"));
    EXPECT_EQ(call("DELETE", std::string(kPath) + "/mine", "", token).status, 404);
  }
  EXPECT_EQ(names(call("GET", kPath, "", limited), "alias"), std::vector<std::string>{"named"});
  EXPECT_TRUE(names(call("GET", kPath, "", foreign)).empty());
}

TEST_F(AdminRoom, leaves_personal_connections_to_their_owner) {
  const auto ann = make_token({.capabilities = {"*"}, .connections = {"*"}, .user = "ann"});
  const auto bob = make_token({.capabilities = {"*"}, .connections = {"*"}, .user = "bob"});
  const auto made = create(R"("alias":"hers","scope":"PERSONAL")", ann);
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.text("owner"), "ann");
  const std::string path = std::string(kPath) + "/hers";
  for (const auto& other : {bob, admin}) {
    EXPECT_EQ(call("PATCH", path, R"({"name":"x"})", other).status, 403);
    EXPECT_EQ(call("PATCH", path, R"({"scope":"PROJECT"})", other).status, 403);
    EXPECT_EQ(call("POST", path + "/rotate", R"({"value":{"token":"x"}})", other).status, 403);
    EXPECT_EQ(call("GET", path, "", other).status, 200);
  }
  EXPECT_EQ(call("PATCH", path, R"({"enabled":false})", bob).status, 200);
  EXPECT_EQ(call("PATCH", path, R"({"name":"x"})", ann).status, 200);
  EXPECT_EQ(create(R"("owner":"bob")", ann).pointer(), "/owner");
  EXPECT_EQ(call("DELETE", path, "", bob).status, 204);
}

TEST_F(AdminRoom, keeps_a_project_to_itself) {
  const auto one = make_token({.capabilities = {"*"}, .connections = {"*"}, .project = "proj_default"});
  const auto refused = create(R"("scope":"ORGANIZATION")", one);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.pointer(), "/scope");
  const auto shared = create(R"("alias":"shared","scope":"ORGANIZATION")");
  create(R"("alias":"inner")");
  const auto other = make_token({.capabilities = {"*"}, .connections = {"*"}, .project = "proj_other"});
  EXPECT_EQ(names(call("GET", kPath, "", other), "alias"), std::vector<std::string>{"shared"});
  EXPECT_EQ(call("GET", std::string(kPath) + "/inner", "", other).status, 404);
  EXPECT_EQ(call("PATCH", std::string(kPath) + '/' + shared.text("id"), R"({"name":"x"})", other).status, 403);
}

TEST_F(AdminRoom, an_answer_names_a_hundred_wrong_fields_and_counts_the_rest) {
  std::string body = "{";
  for (int i = 0; i < 500; ++i) body += "\"wrong" + std::to_string(i) + "\":1,";
  const auto told = call("POST", "/api/v1/connections", body + R"("name":"x"})");
  EXPECT_EQ(told.status, 400);
  EXPECT_EQ(told.object().at("errors").as_array().size(), 100U);
  EXPECT_THAT(told.text("detail"), testing::HasSubstr("of 50"));
}

}  // namespace
}  // namespace postern::admin
