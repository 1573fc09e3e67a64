// What each route leaves in the audit, and how the audit is read.
#include <gmock/gmock.h>

#include "client.hpp"
#include "vault/audit.hpp"

namespace postern::admin {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kSecrets[] = {"canary", "pst_"};

class AuditRoom : public AdminRoom {
 protected:
  std::vector<vault::Event> events(const std::string& organization = std::string(vault::kDefaultOrganization)) const {
    const auto page = vault->audit().list({.organization = organization, .limit = 1000, .descending = false});
    EXPECT_TRUE(page);
    return page ? page->events : std::vector<vault::Event>();
  }
  // Of those that came since this was asked last.
  std::vector<std::string> said(const std::string& organization = std::string(vault::kDefaultOrganization)) {
    std::vector<std::string> actions;
    const auto all = events(organization);
    for (auto at = seen[organization]; at < all.size(); ++at) actions.push_back(all[at].action);
    seen[organization] = all.size();
    return actions;
  }
  vault::Event last(const std::string& organization = std::string(vault::kDefaultOrganization)) const {
    return events(organization).back();
  }
  std::map<std::string, std::size_t> seen;
};

TEST_F(AuditRoom, every_route_that_changes_something_says_so_once) {
  const auto made = create(R"("alias":"one")");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_THAT(said(), ElementsAre("connection.created"));
  EXPECT_EQ(last().subject, made.text("id"));
  EXPECT_EQ(last().request.substr(0, 4), "req_");
  const std::string path = "/api/v1/connections/" + made.text("id");
  EXPECT_EQ(call("PATCH", path, R"({"name":"canary-name","tags":["canary"]})").status, 200);
  EXPECT_THAT(said(), ElementsAre("connection.changed"));
  EXPECT_EQ(last().detail.at("fields"), "name, tags");
  EXPECT_EQ(call("POST", path + "/rotate", R"({"value":{"token":"canary-two"}})").status, 200);
  EXPECT_THAT(said(), ElementsAre("connection.rotated"));
  EXPECT_EQ(call("POST", path + "/revoke").status, 200);
  EXPECT_THAT(said(), ElementsAre("connection.revoked"));
  EXPECT_EQ(call("DELETE", path).status, 204);
  EXPECT_THAT(said(), ElementsAre("connection.deleted"));

  const auto config =
      call("POST", "/api/v1/auth_configs",
           R"({"provider":"github","auth":"oauth","value":{"clientId":"canary-id","clientSecret":"canary-secret"}})");
  ASSERT_EQ(config.status, 201) << config.body;
  EXPECT_THAT(said(), ElementsAre("auth_config.created"));
  const std::string app = "/api/v1/auth_configs/" + config.text("id");
  EXPECT_EQ(call("PATCH", app, R"({"enabled":true})").status, 200);
  EXPECT_THAT(said(), ElementsAre("auth_config.changed"));
  const auto link = call("POST", "/api/v1/links", R"({"authConfig":")" + config.text("id") + R"("})");
  ASSERT_EQ(link.status, 201) << link.body;
  EXPECT_THAT(said(), ElementsAre("link.created"));
  EXPECT_EQ(call("DELETE", "/api/v1/links/" + link.text("id")).status, 204);
  EXPECT_THAT(said(), ElementsAre("link.deleted"));
  EXPECT_EQ(call("DELETE", app).status, 204);
  EXPECT_THAT(said(), ElementsAre("auth_config.deleted"));

  const auto token = call("POST", "/api/v1/authorizations",
                          R"({"name":"step","capabilities":["authorizations:write"],"expires":"1h"})");
  ASSERT_EQ(token.status, 201) << token.body;
  EXPECT_THAT(said(), ElementsAre("authorization.created"));
  const auto child =
      call("POST", "/api/v1/authorizations", R"({"name":"below","capabilities":[]})", token.text("token"));
  ASSERT_EQ(child.status, 201) << child.body;
  EXPECT_THAT(said(), ElementsAre("authorization.created"));
  EXPECT_EQ(last().actor, token.text("id"));
  EXPECT_EQ(last().actor_name, "step");
  EXPECT_EQ(call("POST", "/api/v1/authorizations/" + token.text("id") + "/revoke").status, 200);
  EXPECT_THAT(said(), ElementsAre("authorization.revoked", "authorization.revoked"));
  EXPECT_EQ(call("DELETE", "/api/v1/authorizations/" + token.text("id")).status, 204);
  EXPECT_THAT(said(), ElementsAre("authorization.deleted"));

  for (const auto& event : events()) {
    for (const char* secret : kSecrets) {
      EXPECT_THAT(event.actor_name, Not(HasSubstr(secret)));
      EXPECT_THAT(event.subject, Not(HasSubstr(secret)));
      for (const auto& [name, value] : event.detail) EXPECT_THAT(value, Not(HasSubstr(secret))) << event.action;
    }
  }
}

TEST_F(AuditRoom, organizations_projects_and_users_say_so_once_in_the_chain_they_belong_to) {
  const auto made = call("POST", "/api/v1/organizations", R"({"name":"Acme"})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string org = made.text("id"), there = "?organization=" + org, path = "/api/v1/organizations/" + org;
  for (const char* change : {R"({"name":"A"})", R"({"enabled":false})", R"({"enabled":true,"name":"B"})"})
    EXPECT_EQ(call("PATCH", path, change).status, 200);
  EXPECT_THAT(said(""), ElementsAre("organization.created", "organization.changed", "organization.disabled",
                                    "organization.enabled"));
  EXPECT_EQ(last("").subject, org);

  const auto blue = call("POST", "/api/v1/projects" + there, R"({"name":"Blue"})").text("id");
  EXPECT_THAT(said(org), ElementsAre("project.created"));
  EXPECT_EQ(last(org).project, blue);
  EXPECT_EQ(call("PATCH", "/api/v1/projects/" + blue + there, R"({"name":"Red"})").status, 200);
  EXPECT_THAT(said(org), ElementsAre("project.changed"));
  const std::string ada =
      "/api/v1/users/" + call("POST", "/api/v1/users" + there, R"({"name":"Ada"})").text("id") + there;
  EXPECT_THAT(said(org), ElementsAre("user.created"));
  for (const char* change : {R"({"role":"ADMIN"})", R"({"enabled":false})"})
    EXPECT_EQ(call("PATCH", ada, change).status, 200);
  EXPECT_THAT(said(org), ElementsAre("user.changed", "user.disabled"));
  EXPECT_EQ(call("DELETE", ada).status, 204);
  EXPECT_THAT(said(org), ElementsAre("user.deleted"));

  const auto shared = create(R"("organization":")" + org + R"(","project":")" + blue + '"').text("id");
  const std::string connection = "/api/v1/connections/" + shared;
  EXPECT_EQ(call("POST", connection + "/escalate" + there, R"({"scope":"ORGANIZATION"})").status, 200);
  EXPECT_EQ(call("DELETE", connection + there).status, 204);
  EXPECT_THAT(said(org), ElementsAre("connection.created", "connection.escalated", "connection.deleted"));
  EXPECT_EQ(call("DELETE", "/api/v1/projects/" + blue + there).status, 204);
  EXPECT_THAT(said(org), ElementsAre("project.deleted"));
  EXPECT_EQ(call("DELETE", path).status, 204);
  EXPECT_THAT(said(""), ElementsAre("organization.deleted"));
  EXPECT_THAT(said(), testing::IsEmpty());
  EXPECT_THAT(call("GET", "/api/v1/audit/export" + there).body, HasSubstr("project.deleted"));  // it outlives that
}

TEST_F(AuditRoom, who_has_several_projects_reads_one_of_them_at_a_time) {
  ASSERT_EQ(create().status, 201);
  make_place(std::string(vault::kDefaultOrganization), "proj_blue");
  using vault::Role;
  const auto admin_of = [&](std::vector<vault::ProjectAccess> projects) {
    return make_token({.capabilities = {"audit:read"}, .connections = {}, .projects = std::move(projects)});
  };
  const auto both = admin_of({{std::string(vault::kDefaultProject), Role::admin}, {"proj_blue", Role::admin}});
  EXPECT_EQ(call("GET", "/api/v1/audit", "", both).pointer(), "project");
  const auto count = [&](const std::string& query, const std::string& token) {
    return call("GET", "/api/v1/audit" + query, "", token).object().at("data").as_array().size();
  };
  EXPECT_EQ(count("?project=proj_default", both), 1u);
  EXPECT_EQ(count("?project=proj_blue", both), 0u);
  EXPECT_EQ(call("GET", "/api/v1/audit?project=proj_nobody", "", both).status, 404);
  const auto one = admin_of({{std::string(vault::kDefaultProject), Role::admin}, {"proj_blue", Role::viewer}});
  EXPECT_EQ(count("", one), 1u);
  EXPECT_EQ(call("GET", "/api/v1/audit?project=proj_blue", "", one).status, 404);
}

TEST_F(AuditRoom, what_is_of_no_organization_is_in_the_systems_chain) {
  said("");
  EXPECT_EQ(call("POST", "/api/v1/keys/rotate").status, 202);
  EXPECT_THAT(said(""), ElementsAre("keys.rotated"));
  const auto system = call("POST", "/api/v1/authorizations", R"({"name":"ops","capabilities":["system:keys"]})");
  ASSERT_EQ(system.status, 201) << system.body;
  EXPECT_THAT(said(""), ElementsAre("authorization.created"));
  EXPECT_EQ(over_socket("POST", "/api/v1/connections",
                        R"({"app":"http","type":"BEARER","value":{"token":"t"},"config":{"hosts":["api.test"]}})")
                .status,
            201);
  EXPECT_EQ(last().actor, "uid-" + std::to_string(::geteuid()));
}

TEST_F(AuditRoom, what_is_refused_or_only_read_leaves_nothing) {
  const auto made = create();
  said();
  const std::string path = "/api/v1/connections/" + made.text("id");
  EXPECT_EQ(call("GET", path).status, 200);
  EXPECT_EQ(call("PATCH", path, R"({"nonsense":1})").status, 400);
  EXPECT_EQ(call("DELETE", path, "", "*", {{"If-Match", "\"77\""}}).status, 412);
  EXPECT_EQ(call("DELETE", path, "", make_token({.capabilities = {"connections:read"}, .connections = {}})).status,
            403);
  EXPECT_EQ(call("DELETE", "/api/v1/connections/unknown").status, 404);
  EXPECT_THAT(said(), ElementsAre());
}

TEST_F(AuditRoom, a_replayed_call_leaves_no_second_event) {
  const std::string body = R"({"app":"http","type":"BEARER","value":{"token":"t"},"config":{"hosts":["api.test"]}})";
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(call("POST", "/api/v1/connections", body, "*", {{"Idempotency-Key", "k"}}).status, 201);
  }
  EXPECT_THAT(said(), ElementsAre("connection.created"));
}

TEST_F(AuditRoom, is_read_in_pages_with_filters_and_named_by_an_anchor) {
  for (int i = 0; i < 5; ++i) ASSERT_EQ(create().status, 201);
  const std::string own = "organization=org_default";
  const auto page = call("GET", "/api/v1/audit?limit=2&" + own).object();
  ASSERT_EQ(page.at("data").as_array().size(), 2u);
  EXPECT_EQ(page.at("data").at(0).at("sequence"), 5);
  EXPECT_EQ(page.at("data").at(1).at("sequence"), 4);
  EXPECT_EQ(page.at("head").at("anchor"), page.at("data").at(0).at("anchor"));
  EXPECT_TRUE(page.at("hasMore").as_bool());
  const auto next =
      call("GET", "/api/v1/audit?limit=2&cursor=" + std::string(page.at("cursor").as_string()) + "&" + own).object();
  EXPECT_EQ(next.at("data").at(0).at("sequence"), 3);
  const auto up = call("GET", "/api/v1/audit?sortOrder=ASC&action=connection.*&" + own).object();
  EXPECT_EQ(up.at("data").as_array().size(), 5u);
  EXPECT_EQ(up.at("data").at(0).at("sequence"), 1);
  EXPECT_EQ(up.at("cursor"), nullptr);
  EXPECT_EQ(call("GET", "/api/v1/audit?action=link.*&" + own).object().at("data").as_array().size(), 0u);
  for (const char* bad : {"limit=0", "limit=101", "cursor=x", "sortOrder=UP", "since=yesterday", "nonsense=1"}) {
    EXPECT_EQ(call("GET", "/api/v1/audit?" + std::string(bad)).status, 400) << bad;
  }
}

TEST_F(AuditRoom, is_exported_as_json_lines_page_by_page) {
  for (int i = 0; i < 5; ++i) ASSERT_EQ(create().status, 201);
  std::string lines, cursor;
  int pages = 0;
  do {
    const auto page = call(
        "GET", "/api/v1/audit/export?limit=2&organization=org_default" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(page.status, 200) << page.body;
    EXPECT_EQ(page.fields.at("content-type"), "application/x-ndjson");
    lines += page.body;
    cursor = page.fields.contains("postern-cursor") ? page.fields.at("postern-cursor") : "";
  } while (!cursor.empty() && ++pages < 10);
  std::istringstream in(lines);
  std::uint64_t sequence = 0;
  for (std::string line; std::getline(in, line);) {
    EXPECT_EQ(json::parse(line).at("sequence"), ++sequence);
  }
  EXPECT_EQ(sequence, 5u);
}

TEST_F(AuditRoom, is_verified_against_an_anchor) {
  ASSERT_EQ(create().status, 201);
  const std::string where = "/api/v1/audit/verify?organization=org_default";
  const auto first = call("POST", where).object();
  EXPECT_TRUE(first.at("ok").as_bool());
  EXPECT_EQ(first.at("checked"), 1);
  const std::string anchor(first.at("head").at("anchor").as_string());
  ASSERT_EQ(create().status, 201);
  const auto second = call("POST", where, R"({"anchor":")" + anchor + R"("})").object();
  EXPECT_TRUE(second.at("ok").as_bool());
  EXPECT_EQ(second.at("checked"), 2);
  std::string other = anchor;
  other.back() = other.back() == '0' ? '1' : '0';
  const auto wrong = call("POST", where, R"({"anchor":")" + other + R"("})").object();
  EXPECT_FALSE(wrong.at("ok").as_bool());
  EXPECT_EQ(wrong.at("faults").at(0).at("sequence"), 1);
  EXPECT_EQ(call("POST", where, R"({"anchor":"nonsense"})").pointer(), "/anchor");
  EXPECT_EQ(call("POST", where, R"({"other":1})").status, 400);
  EXPECT_EQ(call("POST", "/api/v1/audit/verify?x=1").status, 400);
  // An anchor from before what retention has kept.
  now += 1000;
  ASSERT_EQ(*vault->audit().sweep(now), 2u);
  EXPECT_EQ(call("POST", where, R"({"anchor":")" + anchor + R"("})").pointer(), "/anchor");
  EXPECT_TRUE(call("POST", where).object().at("ok").as_bool());
}

TEST_F(AuditRoom, each_sees_its_own_organization_and_project_alone) {
  ASSERT_EQ(create().status, 201);
  vault::Event foreign;
  foreign.organization = "org_other";
  foreign.action = "secret.plan";
  ASSERT_TRUE(vault->audit().append({foreign}));
  const auto reader = make_token({.capabilities = {"audit:read"}, .connections = {}});
  const auto none = make_token({.capabilities = {"connections:read"}, .connections = {}});
  const auto system = make_token({.capabilities = {"system:audit"}, .connections = {}, .organization = ""});
  const auto keys = make_token({.capabilities = {"system:keys"}, .connections = {}, .organization = ""});
  for (const auto& [method, path] : {std::pair("GET", "/api/v1/audit"), std::pair("GET", "/api/v1/audit/export"),
                                     std::pair("POST", "/api/v1/audit/verify")}) {
    EXPECT_EQ(call(method, path, "", "").status, 401) << path;
    EXPECT_EQ(call(method, path, "", none).status, 403) << path;
    EXPECT_EQ(call(method, path, "", keys).status, 403) << path;
    EXPECT_EQ(call(method, path, "", reader).status, 200) << path;
    EXPECT_EQ(call(method, path, "", system).status, 200) << path;
    const std::string other = std::string(path) + "?organization=org_other";
    EXPECT_EQ(call(method, other, "", reader).status, 404) << path;
    EXPECT_EQ(call(method, other, "", system).status, 200) << path;
    EXPECT_EQ(call(method, std::string(path) + "?organization=a/b", "", system).status, 404) << path;
    EXPECT_EQ(call(method, std::string(path) + "?organization=org_typo", "", system).status, 404) << path;
  }
  EXPECT_EQ(call("GET", "/api/v1/audit", "", reader).object().at("data").as_array().size(), 1u);
  EXPECT_THAT(call("GET", "/api/v1/audit/export?organization=org_other", "", system).body, HasSubstr("secret.plan"));
  const auto elsewhere = make_token({.capabilities = {"audit:read"}, .connections = {}, .project = "proj_other"});
  EXPECT_EQ(call("GET", "/api/v1/audit", "", elsewhere).object().at("data").as_array().size(), 0u);
  EXPECT_EQ(call("GET", "/api/v1/audit?project=proj_default", "", elsewhere).status, 404);
}

}  // namespace
}  // namespace postern::admin
