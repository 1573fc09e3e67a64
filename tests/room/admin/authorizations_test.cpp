// Authorizations through the real server: made once, never more than their maker's, dead with their maker.
#include <gmock/gmock.h>

#include "client.hpp"

namespace postern::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kPath = "/api/v1/authorizations";

TEST_F(AdminRoom, shows_a_token_once_and_it_works) {
  const auto made = call("POST", kPath, R"({"name":"step","capabilities":["connections:read"],"connections":["*"]})");
  ASSERT_EQ(made.status, 201) << made.body;
  const auto token = made.text("token");
  EXPECT_TRUE(token.starts_with("pst_"));
  EXPECT_TRUE(made.text("id").starts_with("tok_"));
  EXPECT_EQ(made.text("expires"), "2027-01-16T08:00:00.000Z");
  EXPECT_EQ(made.text("organization"), "org_default");
  EXPECT_EQ(made.text("project"), "proj_default");
  EXPECT_TRUE(made.object().at("hosts").is_null());
  EXPECT_EQ(call("GET", "/api/v1/connections", "", token).status, 200);
  const auto shown = call("GET", std::string(kPath) + '/' + made.text("id"));
  EXPECT_EQ(shown.status, 200);
  EXPECT_FALSE(shown.object().contains("token"));
  EXPECT_THAT(shown.body + call("GET", kPath).body, Not(HasSubstr(token.substr(16))));
}

TEST_F(AdminRoom, stores_connections_as_ids_and_defaults_as_hosts) {
  const auto c = create(R"("alias":"mine")");
  const auto id = c.text("id");
  const auto made =
      call("POST", kPath,
           R"({"capabilities":["proxy:call"],"connections":["mine"],"hosts":["API.test."],"methods":["GET"],)"
           R"("default_for":["mine","api.test",{"connection":"mine","host":"api.test"}]})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.object().at("connections"), json::array{id});
  EXPECT_EQ(made.object().at("hosts"), json::array{"api.test"});
  EXPECT_EQ(made.object().at("default_for"), (json::array{id + " api.test", "api.test", id + " api.test"}));
  const auto none = call("POST", kPath, R"({"capabilities":["proxy:call"]})");
  EXPECT_EQ(none.object().at("connections"), json::array{});
  EXPECT_TRUE(none.object().at("methods").is_null());
}

TEST_F(AdminRoom, reads_an_expiry_in_three_forms) {
  for (const char* field : {R"("expires":"1h")", R"("expires":"2027-01-15T09:00:00Z")", R"("expiresIn":3600)",
                            R"("expires":"2027-01-15T11:00:00.000+02:00")"}) {
    const auto made = call("POST", kPath, std::string(R"({"capabilities":["proxy:call"],)") + field + "}");
    EXPECT_EQ(made.text("expires"), "2027-01-15T09:00:00.000Z") << field << made.body;
  }
  EXPECT_EQ(call("POST", kPath, R"({"capabilities":["proxy:call"],"expires":"90d"})").status, 201);
  const auto system = call("POST", kPath, R"({"capabilities":["system:*"],"expires":null})");
  ASSERT_EQ(system.status, 201) << system.body;
  EXPECT_TRUE(system.object().at("expires").is_null());
  EXPECT_TRUE(system.object().at("organization").is_null());
}

TEST_F(AdminRoom, refuses_bad_authorization_fields_with_a_pointer) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"({})", "/capabilities"},
      {R"({"capabilities":"proxy:call"})", "/capabilities"},
      {R"({"capabilities":["proxy:fly"]})", "/capabilities/0"},
      {R"({"capabilities":["proxy:call"],"connections":["nobody"]})", "/connections/0"},
      {R"({"capabilities":["proxy:call"],"connections":["*","*"]})", "/connections/0"},
      {R"({"capabilities":["proxy:call"],"hosts":["*.test"]})", "/hosts/0"},
      {R"({"capabilities":["proxy:call"],"hosts":["api.test:443"]})", "/hosts/0"},
      {R"({"capabilities":["proxy:call"],"methods":["G T"]})", "/methods/0"},
      {R"({"capabilities":["proxy:call"],"default_for":["http://x"]})", "/default_for/0"},
      {R"({"capabilities":["proxy:call"],"default_for":[{"host":"x"}]})", "/default_for/0/connection"},
      {R"({"capabilities":["proxy:call"],"expires":"soon"})", "/expires"},
      {R"({"capabilities":["proxy:call"],"expires":"2020-01-01T00:00:00Z"})", "/expires"},
      {R"({"capabilities":["proxy:call"],"expires":"91d"})", "/expires"},
      {R"({"capabilities":["proxy:call"],"expiresIn":7776001})", "/expiresIn"},
      {R"({"capabilities":["proxy:call"],"expiresIn":-1})", "/expiresIn"},
      {R"({"capabilities":["proxy:call"],"budget":5})", "/budget"},
      {R"({"capabilities":["proxy:call"],"budget":{"total":-1}})", "/budget/total"},
      {R"({"capabilities":["proxy:call"],"budget":{"total":1.5}})", "/budget/total"},
      {R"({"capabilities":["proxy:call"],"budget":{"total":1000000000000001}})", "/budget/total"},
      {R"({"capabilities":["proxy:call"],"budget":{"writes":"many"}})", "/budget/writes"},
      {R"({"capabilities":["proxy:call"],"budget":{"reads":1}})", "/budget/reads"},
      {R"({"capabilities":["proxy:call"],"paths":"/v1"})", "/paths"},
      {R"({"capabilities":["proxy:call"],"paths":["v1"]})", "/paths/0"},
      {R"({"capabilities":["proxy:call"],"paths":["/v1","/a/../b"]})", "/paths/1"},
      {R"({"capabilities":["proxy:call"],"paths":["/a%2fb"]})", "/paths/0"},
      {R"({"capabilities":["proxy:call"],"paths":["/a?b"]})", "/paths/0"},
      {R"({"capabilities":["proxy:call"],"paths":["/a//b"]})", "/paths/0"},
      {R"({"capabilities":["proxy:call"],"run":7})", "/run"},
      {R"({"capabilities":["proxy:call"],"colour":"red"})", "/colour"},
  };
  for (const auto& [body, pointer] : bad) {
    const auto reply = call("POST", kPath, body);
    EXPECT_EQ(reply.status, 400) << body << reply.body;
    EXPECT_EQ(reply.pointer(), pointer) << reply.body;
  }
  create(R"("alias":"mine")");
  EXPECT_EQ(call("POST", kPath, R"({"capabilities":["proxy:call"],"default_for":["mine"]})").pointer(),
            "/default_for/0");
}

TEST_F(AdminRoom, never_makes_more_than_the_maker_has) {
  const auto a = create(R"("alias":"a")").text("id");
  create(R"("alias":"b")");
  const auto maker = make_token({.capabilities = {"authorizations:write", "proxy:call"},
                                 .connections = {a},
                                 .project = "proj_default",
                                 .hosts = std::vector<std::string>{"api.test"},
                                 .methods = std::vector<std::string>{"GET"}});
  const std::string fine = R"("connections":["a"],"hosts":["api.test"],"methods":["GET"],"expires":"30m"})";
  const auto made = call("POST", kPath, R"({"capabilities":["proxy:call"],)" + fine, maker);
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.text("parent"), last_id);
  const std::vector<std::pair<std::string, std::string>> beyond = {
      {R"({"capabilities":["connections:write"],)" + fine, "/capabilities/0"},
      {R"({"capabilities":["*"],)" + fine, "/capabilities/0"},
      {R"({"capabilities":["proxy:call"],"connections":["*"],"hosts":["api.test"],"methods":["GET"]})",
       "/connections/0"},
      {R"({"capabilities":["proxy:call"],"hosts":["api.test"],"methods":["GET"]})", "/connections"},
      {R"({"capabilities":["proxy:call"],"connections":["a"],"hosts":["evil.test"],"methods":["GET"]})", "/hosts/0"},
      {R"({"capabilities":["proxy:call"],"connections":["a"],"methods":["GET"]})", "/hosts"},
      {R"({"capabilities":["proxy:call"],"connections":["a"],"hosts":["api.test"]})", "/methods"},
      {R"({"capabilities":["proxy:call"],"connections":["a"],"hosts":["api.test"],"methods":["PUT"]})", "/methods/0"},
      {R"({"capabilities":["proxy:call"],"connections":["a"],"hosts":["api.test"],"methods":["GET"],"expires":"2h"})",
       "/expires"},
      {R"({"capabilities":["proxy:call"],"project":null,)" + fine, "/project"},
      {R"({"capabilities":["proxy:call"],"user":"someone",)" + fine, "/user"},
  };
  for (const auto& [body, pointer] : beyond) {
    const auto reply = call("POST", kPath, body, maker);
    EXPECT_EQ(reply.status, 403) << body << reply.body;
    EXPECT_EQ(reply.code(), "not-permitted");
    EXPECT_EQ(reply.pointer(), pointer) << reply.body;
  }
  // What the maker does not see, it cannot name either.
  make_place("org_default", "proj_other");
  for (const char* project : {"proj_other", "proj_nobody"}) {
    const auto reply = call(
        "POST", kPath, R"({"capabilities":["proxy:call"],"project":")" + std::string(project) + "\"," + fine, maker);
    EXPECT_EQ(reply.status, 400) << reply.body;
    EXPECT_EQ(reply.pointer(), "/project");
  }
  EXPECT_EQ(call("POST", kPath, R"({"capabilities":["proxy:call"],"connections":["b"]})", maker).status, 400);
  // Its default ends with it.
  const auto short_lived =
      call("POST", kPath, R"({"capabilities":["proxy:call"],"connections":["a"],"hosts":[],"methods":[]})", maker);
  EXPECT_EQ(short_lived.text("expires"), "2027-01-15T09:00:00.000Z") << short_lived.body;
}

TEST_F(AdminRoom, keeps_system_capabilities_out_of_organizations) {
  const auto star = make_token({.capabilities = {"*"}, .connections = {"*"}});
  const auto reply = call("POST", kPath, R"({"capabilities":["system:keys"]})", star);
  EXPECT_EQ(reply.status, 403) << reply.body;
  EXPECT_EQ(call("POST", kPath, R"({"capabilities":["*"],"connections":["*"],"expires":"30m"})", star).status, 201);
}

TEST_F(AdminRoom, shares_a_personal_connection_by_its_owner_only) {
  const auto ann = make_token({.capabilities = {"*"}, .connections = {"*"}, .user = "ann"});
  const auto bob = make_token({.capabilities = {"*"}, .connections = {"*"}, .user = "bob"});
  create(R"("alias":"hers","scope":"PERSONAL")", ann);
  const std::string body = R"({"capabilities":["proxy:call"],"connections":["hers"],"expires":"5m"})";
  EXPECT_EQ(call("POST", kPath, body, bob).pointer(), "/connections/0");
  EXPECT_EQ(call("POST", kPath, body, bob).status, 403);
  const auto made = call("POST", kPath, body, ann);
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.text("user"), "ann");
}

TEST_F(AdminRoom, ends_descendants_with_their_maker) {
  const std::string body =
      R"({"capabilities":["authorizations:write","authorizations:read"],"connections":["*"],"expires":"10m"})";
  const auto root = call("POST", kPath, body);
  const auto child = call("POST", kPath, body, root.text("token"));
  const auto grandchild = call("POST", kPath, body, child.text("token"));
  const auto other = call("POST", kPath, body);
  ASSERT_EQ(grandchild.status, 201) << grandchild.body;
  changes.clear();
  const auto revoked = call("POST", std::string(kPath) + '/' + root.text("id") + "/revoke");
  EXPECT_EQ(revoked.status, 200) << revoked.body;
  EXPECT_EQ(revoked.text("status"), "REVOKED");
  std::set<std::string> announced;
  for (const auto& change : changes) {
    EXPECT_EQ(change.kind, Change::Kind::authorization);
    EXPECT_TRUE(change.ended);
    announced.insert(change.id);
  }
  EXPECT_EQ(announced, std::set<std::string>{root.text("id")});  // and with it all that it has made
  for (const auto& id : {child.text("id"), grandchild.text("id")})
    EXPECT_EQ(call("GET", std::string(kPath) + '/' + id).text("status"), "REVOKED");
  for (const auto& token : {root.text("token"), child.text("token"), grandchild.text("token")})
    EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 401);
  EXPECT_EQ(call("GET", "/api/v1/self", "", other.text("token")).status, 200);
  EXPECT_EQ(call("POST", std::string(kPath) + '/' + root.text("id") + "/revoke").status, 200);  // again: no change
}

TEST_F(AdminRoom, forgets_a_deleted_authorization) {
  const auto made = call("POST", kPath, R"({"capabilities":["proxy:call"]})");
  changes.clear();
  EXPECT_EQ(call("DELETE", std::string(kPath) + '/' + made.text("id")).status, 204);
  EXPECT_EQ(changes.size(), 1u);
  EXPECT_EQ(call("GET", std::string(kPath) + '/' + made.text("id")).status, 404);
  EXPECT_EQ(call("DELETE", std::string(kPath) + '/' + made.text("id")).status, 404);
  EXPECT_EQ(call("GET", "/api/v1/self", "", made.text("token")).status, 401);
}

TEST_F(AdminRoom, lets_any_token_end_itself_but_not_a_stronger_one) {
  const auto weak = make_token({.capabilities = {"authorizations:write"}, .connections = {}});
  const auto weak_id = last_id;
  make_token({.capabilities = {"*"}, .connections = {"*"}});
  EXPECT_EQ(call("DELETE", std::string(kPath) + '/' + last_id, "", weak).status, 403);
  EXPECT_EQ(call("DELETE", std::string(kPath) + '/' + weak_id, "", weak).status, 204);
  const auto step = make_token({.capabilities = {"proxy:call"}, .connections = {}});
  EXPECT_EQ(call("GET", kPath, "", step).status, 403);
  EXPECT_EQ(call("DELETE", std::string(kPath) + '/' + last_id, "", step).status, 204);
}

TEST_F(AdminRoom, lists_authorizations_of_the_callers_level) {
  call("POST", kPath, R"({"name":"alpha","capabilities":["proxy:call"]})");
  call("POST", kPath, R"({"name":"beta","capabilities":["proxy:call"]})");
  const auto reader = make_token({.capabilities = {"authorizations:read"}, .connections = {}});
  auto count = [&](const std::string& query, const std::string& token) {
    const auto reply = call("GET", std::string(kPath) + "?limit=100" + query, "", token);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.object().at("data").as_array().size();
  };
  EXPECT_EQ(count("", admin), 4u);   // with the system's own
  EXPECT_EQ(count("", reader), 3u);  // the organization's
  EXPECT_EQ(count("&search=ALPH", reader), 1u);
  EXPECT_EQ(count("&status=REVOKED", reader), 0u);
  EXPECT_EQ(call("GET", std::string(kPath) + "?status=GOOD").pointer(), "status");
  const auto foreign = make_token({.capabilities = {"*"}, .connections = {"*"}, .organization = "org_other"});
  EXPECT_EQ(count("", foreign), 1u);
  std::set<std::string> seen;
  std::string cursor;
  for (int page = 0; page < 2; ++page) {
    const auto reply = call("GET", std::string(kPath) + "?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor));
    for (const auto& one : reply.object().at("data").as_array()) seen.emplace(one.as_object().at("id").as_string());
    cursor = reply.text("cursor");
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST_F(AdminRoom, replays_no_token) {
  const std::string body = R"({"capabilities":["proxy:call"]})";
  const Fields key = {{"Idempotency-Key", "k"}};
  const auto made = call("POST", kPath, body, "*", key);
  ASSERT_EQ(made.status, 201);
  const auto again = call("POST", kPath, body, "*", key);
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.code(), "idempotency-replayed");
  EXPECT_EQ(again.text("id"), made.text("id"));
  EXPECT_THAT(again.body, Not(HasSubstr("pst_")));
}

TEST_F(AdminRoom, serves_the_socket_like_an_administrators_token) {
  const auto made = over_socket("POST", kPath, R"({"name":"exec","capabilities":["proxy:call"],"connections":["*"]})");
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(over_socket("DELETE", std::string(kPath) + '/' + made.text("id")).status, 204);
}

TEST_F(AdminRoom, shows_paths_budget_and_run_as_they_were_asked_for) {
  const auto made = call("POST", kPath,
                         R"({"capabilities":["proxy:call"],"paths":["/v1/","/"],"budget":{"total":10,"writes":0},)"
                         R"("run":"nightly 7"})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.object().at("paths"), (json::array{"/v1/", "/"}));
  EXPECT_EQ(made.object().at("budget"), (json::object{{"total", 10}, {"writes", 0}}));
  EXPECT_EQ(made.object().at("spent"), (json::object{{"total", 0}, {"writes", 0}}));
  EXPECT_EQ(made.text("run"), "nightly 7");
  const auto plain = call("POST", kPath, R"({"capabilities":["proxy:call"],"paths":null,"budget":null,"run":null})");
  ASSERT_EQ(plain.status, 201) << plain.body;
  for (const char* name : {"paths", "budget", "spent", "run"}) EXPECT_TRUE(plain.object().at(name).is_null()) << name;
  const auto writes = call("POST", kPath, R"({"capabilities":["proxy:call"],"budget":{"total":null,"writes":5}})");
  EXPECT_EQ(writes.object().at("spent"), (json::object{{"writes", 0}}));
}

TEST_F(AdminRoom, shows_what_was_spent_as_stored_and_where_the_process_knows_to_the_call) {
  const auto made = call("POST", kPath, R"({"capabilities":["proxy:call"],"budget":{"total":10}})");
  const auto id = made.text("id");
  ASSERT_TRUE(vault->take_calls(vault::kDefaultOrganization, id, {6, 0}));
  const auto spent = [&] { return call("GET", std::string(kPath) + '/' + id).object().at("spent"); };
  EXPECT_EQ(spent(), (json::object{{"total", 6}}));
  known_spent[id] = {4, 0};
  EXPECT_EQ(spent(), (json::object{{"total", 4}}));
  EXPECT_EQ(call("GET", "/api/v1/self", "", made.text("token")).object().at("spent"), (json::object{{"total", 4}}));
}

TEST_F(AdminRoom, lists_the_authorizations_of_a_run_and_what_they_made_is_of_it_too) {
  const auto maker = call("POST", kPath, R"({"capabilities":["authorizations:write"],"run":"r-1"})");
  const auto child = call("POST", kPath, R"({"capabilities":[]})", maker.text("token"));
  ASSERT_EQ(child.status, 201) << child.body;
  EXPECT_EQ(child.text("run"), "r-1");
  EXPECT_EQ(call("POST", kPath, R"({"capabilities":[],"run":"r-2"})", maker.text("token")).text("run"), "r-2");
  const auto count = [&](const char* query) {
    return call("GET", std::string(kPath) + query).object().at("data").as_array().size();
  };
  EXPECT_EQ(count("?run=r-1"), 2u);
  EXPECT_EQ(count("?run=r-2"), 1u);
  EXPECT_EQ(count("?run=r"), 0u);
}

TEST_F(AdminRoom, has_a_narrower_path_and_a_smaller_budget_made_and_never_a_wider) {
  const auto maker = call("POST", kPath,
                          R"({"capabilities":["authorizations:write","proxy:call"],"paths":["/v1/charges/","/v2"],)"
                          R"("budget":{"total":10}})")
                         .text("token");
  const std::string head = R"({"capabilities":["proxy:call"],)";
  for (const char* fine : {R"("paths":["/v1/charges"]})", R"("paths":["/v1/charges/ch_1","/v2/"]})", R"("paths":[]})",
                           R"("paths":["/v2"],"budget":{"total":10,"writes":99}})"})
    EXPECT_EQ(call("POST", kPath, head + fine, maker).status, 201) << fine;
  const std::vector<std::pair<std::string, std::string>> beyond = {
      {R"("run":"x"})", "/paths"},         {R"("paths":null})", "/paths"},
      {R"("paths":["/v1"]})", "/paths/0"}, {R"("paths":["/v2","/v1/chargesx"]})", "/paths/1"},
      {R"("paths":["/"]})", "/paths/0"},   {R"("paths":["/v2"],"budget":{"total":11}})", "/budget/total"},
  };
  for (const auto& [more, pointer] : beyond) {
    const auto reply = call("POST", kPath, head + more, maker);
    EXPECT_EQ(reply.status, 403) << more << reply.body;
    EXPECT_EQ(reply.pointer(), pointer) << reply.body;
  }
}

TEST_F(AdminRoom, makes_no_endless_chain_of_makers) {
  std::string token = admin;
  int status = 201, made = 0;
  for (; status == 201 && made < 100; ++made) {
    const auto next = call("POST", kPath, R"({"capabilities":["authorizations:write"]})", token);
    status = next.status;
    if (status == 201) token = next.text("token");
  }
  EXPECT_EQ(status, 403);
  EXPECT_EQ(made, 33);
  EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 200);
}

TEST_F(AdminRoom, revokes_what_a_dead_one_has_made_even_if_it_was_made_at_the_same_moment) {
  make_token({.capabilities = {"authorizations:write"}, .connections = {}});
  const auto root = last_id;
  vault::Authorization late;
  late.organization = vault::kDefaultOrganization;
  late.parent = root;
  late.capabilities = {"proxy:call"};
  late.expires = now + 1000;
  ASSERT_EQ(call("POST", std::string(kPath) + '/' + root + "/revoke").status, 200);
  const auto token = std::string(vault->create_authorization(late)->token.expose());
  EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 401);
  EXPECT_EQ(call("DELETE", std::string(kPath) + '/' + root).status, 204);
  EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 401);
}

// Durable writes are shared and every authorization is read once: an hour's worth of steps ends in one call.
TEST_F(AdminRoom, ends_a_large_family_with_its_maker) {
  make_token({.capabilities = {"authorizations:write"}, .connections = {}});
  const auto root = last_id;
  for (int i = 0; i < 1000; ++i) {
    vault::Authorization one;
    one.organization = vault::kDefaultOrganization;
    one.parent = i % 3 == 0 ? root : last_id;
    one.capabilities = {"authorizations:write"};
    one.expires = now + 1000;
    last_id = vault->create_authorization(one)->authorization.id;
  }
  const auto before = vault->status().commit;
  EXPECT_EQ(call("POST", std::string(kPath) + '/' + root + "/revoke").status, 200);
  EXPECT_LE(vault->status().commit - before, 10u);
  for (const auto& a : *vault->list_authorizations(vault::kDefaultOrganization, "", 1000)) EXPECT_NE(a.revoked, 0);
}

TEST_F(AdminRoom, introspects_a_token_of_its_own_level) {
  const auto made = call("POST", kPath,
                         R"({"name":"step","capabilities":["proxy:call"],"connections":["*"],"hosts":["api.test"],)"
                         R"("budget":{"total":3},"run":"r-1"})");
  const std::string body = R"({"token":")" + made.text("token") + R"("})";
  const auto told = call("POST", std::string(kPath) + "/introspect", body);
  ASSERT_EQ(told.status, 200) << told.body;
  auto expected = call("GET", std::string(kPath) + '/' + made.text("id")).object();
  expected["active"] = true;
  EXPECT_EQ(told.object(), expected);
  EXPECT_THAT(told.body, Not(HasSubstr(made.text("token").substr(16))));
  // Itself, without any capability for it; others, not even whether they are there.
  EXPECT_EQ(call("POST", std::string(kPath) + "/introspect", body, made.text("token")).object().at("active"), true);
  for (const std::string& other : {admin, std::string("pst_nothing")}) {
    const auto refused =
        call("POST", std::string(kPath) + "/introspect", R"({"token":")" + other + R"("})", made.text("token"));
    EXPECT_EQ(refused.status, 403) << refused.body;
    EXPECT_EQ(refused.code(), "not-permitted");
  }
  const auto reader = make_token({.capabilities = {"authorizations:read"}, .connections = {}});
  EXPECT_EQ(call("POST", std::string(kPath) + "/introspect", body, reader).object().at("active"), true);
}

TEST_F(AdminRoom, a_system_caller_introspects_a_token_of_any_organization) {
  const auto other = make_token({.capabilities = {"proxy:call"}, .connections = {}, .organization = "org_other"});
  const std::string body = R"({"token":")" + other + R"("})", path = std::string(kPath) + "/introspect";
  EXPECT_EQ(call("POST", path, body).object().at("active"), true);
  EXPECT_EQ(call("POST", path + "?organization=org_other", body).object().at("active"), true);
  EXPECT_EQ(call("POST", path + "?organization=org_default", body).object().at("active"), false);
}

TEST_F(AdminRoom, tells_nothing_but_inactive_of_every_other_token) {
  const auto reader = make_token({.capabilities = {"authorizations:read"}, .connections = {}});
  const auto foreign = make_token({.capabilities = {"*"}, .connections = {"*"}, .organization = "org_other"});
  const auto expired = make_token({.capabilities = {"*"}, .connections = {"*"}, .lifetime = 0});
  const auto maker = make_token({.capabilities = {"authorizations:write"}, .connections = {}});
  const auto maker_id = last_id;
  const auto child = call("POST", kPath, R"({"capabilities":[]})", maker);
  const auto revoked = make_token({.capabilities = {"*"}, .connections = {"*"}});
  for (const auto& id : {last_id, maker_id})
    ASSERT_EQ(call("POST", std::string(kPath) + '/' + id + "/revoke").status, 200);
  for (const std::string& token : {foreign, expired, revoked, maker, child.text("token"), admin, std::string("x"),
                                   std::string(), "pst_" + std::string(61, 'a')}) {
    const auto told = call("POST", std::string(kPath) + "/introspect", R"({"token":")" + token + R"("})", reader);
    EXPECT_EQ(told.status, 200);
    EXPECT_EQ(told.body, R"({"active":false})");
  }
}

TEST_F(AdminRoom, introspects_anew_whatever_the_idempotency_key_and_refuses_other_bodies) {
  const auto made = call("POST", kPath, R"({"capabilities":["proxy:call"]})");
  const Fields key = {{"Idempotency-Key", "k"}};
  const std::string path = std::string(kPath) + "/introspect";
  const std::string body = R"({"token":")" + made.text("token") + R"("})";
  EXPECT_EQ(call("POST", path, body, "*", key).object().at("active"), true);
  ASSERT_EQ(call("DELETE", std::string(kPath) + '/' + made.text("id")).status, 204);
  EXPECT_EQ(call("POST", path, body, "*", key).object().at("active"), false);
  EXPECT_EQ(call("POST", path, R"({})").pointer(), "/token");
  EXPECT_EQ(call("POST", path, R"({"token":5})").pointer(), "/token");
  const auto misplaced = call("POST", path, R"({"token":"x","hint":"y"})");
  EXPECT_EQ(misplaced.status, 400);
  EXPECT_EQ(misplaced.pointer(), "/hint");
  EXPECT_EQ(call("GET", path).status, 405);
}

}  // namespace
}  // namespace postern::admin
