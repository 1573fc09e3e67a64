// Organizations, projects and users: who keeps them, what they bound, and that nobody sees another's.
#include <gmock/gmock.h>

#include "client.hpp"

namespace postern::admin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

class Scopes : public AdminRoom {
 protected:
  std::string organization(const std::string& name = "Acme") {
    const auto made = call("POST", "/api/v1/organizations", R"({"name":")" + name + "\"}");
    EXPECT_EQ(made.status, 201) << made.body;
    return made.text("id");
  }
  std::string project(const std::string& in, const std::string& name = "Blue") {
    const auto made = call("POST", "/api/v1/projects?organization=" + in, R"({"name":")" + name + "\"}");
    EXPECT_EQ(made.status, 201) << made.body;
    return made.text("id");
  }
  std::string user(const std::string& in, const std::string& more) {
    const auto made = call("POST", "/api/v1/users?organization=" + in, R"({"name":"Ada")" + more + "}");
    EXPECT_EQ(made.status, 201) << made.body;
    return made.text("id");
  }
  static std::string role(const std::string& project, const std::string& role) {
    return R"({"id":")" + project + R"(","role":")" + role + "\"}";
  }
  // A token in the user's name, with everything that its roles leave.
  std::string token_of(const std::string& in, const std::string& user, const std::string& more = "") {
    const auto made =
        call("POST", "/api/v1/authorizations?organization=" + in,
             R"({"capabilities":["*"],"connections":["*"],"project":null,"user":")" + user + "\"" + more + "}");
    EXPECT_EQ(made.status, 201) << made.body;
    last_id = made.text("id");
    return made.text("token");
  }
  std::string connection(const std::string& in, const std::string& project, const std::string& alias,
                         const std::string& more = "") {
    const auto made =
        create("\"alias\":\"" + alias + R"(","organization":")" + in + R"(","project":")" + project + "\"" + more);
    EXPECT_EQ(made.status, 201) << made.body;
    return made.text("id");
  }
  std::vector<std::string> ids(const std::string& target, const std::string& token) {
    const auto reply = call("GET", target, "", token);
    EXPECT_EQ(reply.status, 200) << target << reply.body;
    std::vector<std::string> out;
    if (reply.status == 200)
      for (const auto& one : reply.object().at("data").as_array())
        out.emplace_back(one.as_object().at("id").as_string());
    return out;
  }
};

TEST_F(Scopes, organizations_are_kept_by_the_system_alone) {
  const auto made = call("POST", "/api/v1/organizations", R"({"name":"Acme"})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string id = made.text("id"), path = "/api/v1/organizations/" + id;
  EXPECT_EQ(made.fields.at("location"), path);
  EXPECT_EQ(made.fields.at("etag"), "\"1\"");
  EXPECT_EQ(call("GET", path).text("name"), "Acme");
  EXPECT_EQ(call("PATCH", path, R"({"name":"Acme & Sons"})", "*", {{"If-Match", "\"7\""}}).status, 412);
  EXPECT_EQ(call("PATCH", path, R"({"name":"Acme & Sons"})", "*", {{"If-Match", "\"1\""}}).text("name"), "Acme & Sons");
  EXPECT_EQ(call("PATCH", path, R"({"id":"org_x"})").pointer(), "/id");
  EXPECT_EQ(call("PATCH", path, R"({"name":""})").pointer(), "/name");
  EXPECT_EQ(call("POST", "/api/v1/organizations", "{}").pointer(), "/name");
  EXPECT_EQ(call("GET", "/api/v1/organizations/org_nobody").status, 404);
  EXPECT_THAT(ids("/api/v1/organizations", "*"), UnorderedElementsAre("org_default", id));
  EXPECT_THAT(ids("/api/v1/organizations?search=sons", "*"), ElementsAre(id));
  const auto keeper = make_token({.capabilities = {"system:organizations"}, .connections = {}, .organization = ""});
  EXPECT_EQ(call("GET", path, "", keeper).status, 200);
  EXPECT_EQ(call("GET", "/api/v1/connections", "", keeper).status, 403);
  const auto inside = make_token({.capabilities = {"*"}, .connections = {"*"}, .organization = id});
  for (const char* method : {"GET", "DELETE"}) EXPECT_EQ(call(method, path, "", inside).status, 403);
  EXPECT_EQ(call("DELETE", "/api/v1/organizations/org_default").code(), "in-use");
}

TEST_F(Scopes, a_project_and_an_organization_go_when_nothing_is_left_in_them) {
  const auto org = organization(), blue = project(org);
  const auto made = connection(org, blue, "a");
  for (const auto& path : {"/api/v1/projects/" + blue + "?organization=" + org, "/api/v1/organizations/" + org}) {
    const auto refused = call("DELETE", path);
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(refused.code(), "in-use");
    EXPECT_EQ(refused.object().at("connections").at(0).at("id").as_string(), made);
  }
  const std::string there = "?organization=" + org;
  ASSERT_EQ(call("DELETE", "/api/v1/connections/" + made + there).status, 204);
  EXPECT_EQ(call("DELETE", "/api/v1/projects/proj_default" + there).code(), "in-use");
  EXPECT_EQ(call("DELETE", "/api/v1/projects/" + blue + there, "", "*", {{"If-Match", "\"7\""}}).status, 412);
  EXPECT_EQ(call("DELETE", "/api/v1/projects/" + blue + there).status, 204);
  EXPECT_EQ(call("GET", "/api/v1/projects/" + blue + there).status, 404);
  EXPECT_EQ(call("DELETE", "/api/v1/organizations/" + org).status, 204);
  EXPECT_EQ(call("GET", "/api/v1/projects" + there).status, 404);
}

TEST_F(Scopes, only_the_system_names_another_organization) {
  const auto a = organization(), b = organization();
  const auto own = make_token({.capabilities = {"*"}, .connections = {"*"}, .organization = a});
  EXPECT_EQ(call("GET", "/api/v1/connections?organization=" + a, "", own).status, 200);
  for (const auto& other : {b, std::string("org_default"), std::string("org_nobody"), std::string("a/b")}) {
    const auto reply = call("GET", "/api/v1/connections?organization=" + other, "", own);
    EXPECT_EQ(reply.status, 404) << reply.body;
    EXPECT_EQ(reply.pointer(), "organization");
    EXPECT_THAT(reply.body, Not(HasSubstr(other)));
    const auto made = create(R"("organization":")" + other + "\"", own);
    EXPECT_EQ(made.status, 404) << made.body;
    EXPECT_EQ(made.pointer(), "/organization");
  }
  EXPECT_EQ(call("GET", "/api/v1/connections?organization=" + a + "&organization=" + b).status, 400);
  EXPECT_EQ(call("GET", "/api/v1/connections?organization=org_nobody").status, 404);
  EXPECT_EQ(call("GET", "/api/v1/connections?project=proj_nobody").status, 404);
  // Whatever is made is made where the call says.
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {"authorizations", R"({"capabilities":["proxy:call"],"organization":")" + b + "\"}"},
           {"projects", R"({"name":"x","organization":")" + b + "\"}"},
           {"users", R"({"name":"x","organization":")" + b + "\"}"}}) {
    const auto made = call("POST", "/api/v1/" + path, body);
    EXPECT_EQ(made.text("organization"), b) << made.body;
    EXPECT_EQ(call("POST", "/api/v1/" + path, body, own).status, 404);
    EXPECT_EQ(call("GET", "/api/v1/" + path + '/' + made.text("id"), "", own).status, 404);
    EXPECT_EQ(call("GET", "/api/v1/" + path + '/' + made.text("id") + "?organization=" + b).status, 200);
  }
}

TEST_F(Scopes, a_member_does_what_their_role_in_each_project_allows) {
  const auto org = organization(), blue = project(org), red = project(org, "Red"), green = project(org, "Green");
  const auto in_blue = connection(org, blue, "blue"), in_red = connection(org, red, "red"),
             in_green = connection(org, green, "green");
  const auto ada = user(org, R"(,"projects":[)" + role(blue, "EDITOR") + "," + role(red, "viewer") + "]");
  const auto token = token_of(org, ada);
  EXPECT_THAT(ids("/api/v1/connections", token), UnorderedElementsAre(in_blue, in_red));
  EXPECT_THAT(ids("/api/v1/connections?project=" + red, token), ElementsAre(in_red));
  EXPECT_EQ(call("GET", "/api/v1/connections?project=" + green, "", token).status, 404);
  EXPECT_EQ(call("GET", "/api/v1/connections/" + in_green, "", token).status, 404);
  EXPECT_EQ(call("GET", "/api/v1/connections/" + in_red, "", token).status, 200);
  EXPECT_EQ(call("PATCH", "/api/v1/connections/" + in_red, R"({"name":"x"})", token).status, 403);
  EXPECT_EQ(call("PATCH", "/api/v1/connections/" + in_blue, R"({"name":"x"})", token).status, 200);
  EXPECT_EQ(call("DELETE", "/api/v1/connections/" + in_red, "", token).status, 403);
  // Where it is made has to be said, and to be theirs.
  EXPECT_EQ(create("", token).pointer(), "/project");
  EXPECT_EQ(create(R"("project":")" + blue + "\"", token).status, 201);
  EXPECT_EQ(create(R"("project":")" + red + "\"", token).status, 403);
  EXPECT_EQ(create(R"("project":")" + green + "\"", token).status, 400);
  EXPECT_EQ(create(R"("project":")" + blue + R"(","scope":"ORGANIZATION")", token).pointer(), "/scope");
  // An alias is a name in one project.
  EXPECT_EQ(call("GET", "/api/v1/connections/red", "", token).status, 404);
  EXPECT_EQ(call("GET", "/api/v1/connections/red?project=" + red, "", token).text("id"), in_red);
  // An editor does not touch auth configs and users, and of projects only sees its own.
  EXPECT_EQ(call("GET", "/api/v1/auth_configs", "", token).status, 200);
  EXPECT_EQ(call("POST", "/api/v1/auth_configs", R"({"provider":"stripe"})", token).status, 403);
  EXPECT_EQ(call("GET", "/api/v1/users", "", token).status, 403);
  EXPECT_EQ(call("POST", "/api/v1/projects", R"({"name":"x"})", token).status, 403);
  EXPECT_EQ(call("GET", "/api/v1/organizations", "", token).status, 403);
  EXPECT_EQ(call("GET", "/api/v1/keys", "", token).status, 403);
}

TEST_F(Scopes, an_administrator_of_one_project_keeps_that_one) {
  const auto org = organization(), blue = project(org), red = project(org, "Red");
  const auto ada = user(org, R"(,"projects":[)" + role(blue, "ADMIN") + "," + role(red, "EDITOR") + "]");
  const auto token = token_of(org, ada);
  EXPECT_THAT(ids("/api/v1/projects", token), UnorderedElementsAre(blue, red));
  EXPECT_EQ(call("PATCH", "/api/v1/projects/" + blue, R"({"name":"Navy"})", token).text("name"), "Navy");
  EXPECT_EQ(call("PATCH", "/api/v1/projects/" + red, R"({"name":"x"})", token).status, 403);
  EXPECT_EQ(call("GET", "/api/v1/projects/" + red, "", token).status, 200);
  EXPECT_EQ(call("DELETE", "/api/v1/projects/" + blue, "", token).status, 403);
  EXPECT_EQ(call("POST", "/api/v1/projects", R"({"name":"x"})", token).status, 403);
  EXPECT_EQ(call("GET", "/api/v1/users", "", token).status, 403);
  EXPECT_EQ(call("POST", "/api/v1/users", R"({"name":"Eve","role":"ADMIN"})", token).status, 403);
  EXPECT_EQ(call("PATCH", "/api/v1/users/" + ada, R"({"role":"ADMIN"})", token).status, 403);
  const auto wide = call("POST", "/api/v1/auth_configs?organization=" + org,
                         R"({"provider":"github","value":{"clientId":"a","clientSecret":"b"}})");
  ASSERT_EQ(wide.status, 201) << wide.body;
  EXPECT_EQ(call("GET", "/api/v1/auth_configs/" + wide.text("id"), "", token).status, 200);
  EXPECT_EQ(call("DELETE", "/api/v1/auth_configs/" + wide.text("id"), "", token).status, 403);
}

TEST_F(Scopes, what_a_user_loses_is_lost_in_all_their_authorizations_at_once) {
  const auto org = organization(), blue = project(org);
  const auto made = connection(org, blue, "a");
  const auto ada = user(org, R"(,"projects":[)" + role(blue, "EDITOR") + "]");
  const auto one = token_of(org, ada), two = token_of(org, ada);
  const std::string path = "/api/v1/users/" + ada + "?organization=" + org;
  for (const auto& token : {one, two}) EXPECT_EQ(call("GET", "/api/v1/connections/" + made, "", token).status, 200);
  changes.clear();
  ASSERT_EQ(call("PATCH", path, R"({"projects":[)" + role(blue, "VIEWER") + "]}").status, 200);
  ASSERT_EQ(changes.size(), 2U);  // forget all of theirs; end what runs in that project
  EXPECT_EQ(changes[1].kind, Change::Kind::authorization);
  EXPECT_EQ(changes[1].organization, org);
  EXPECT_EQ(changes[1].user, ada);
  EXPECT_EQ(changes[1].project, blue);
  EXPECT_EQ(changes[1].id, "");
  EXPECT_TRUE(changes[1].ended);
  for (const auto& token : {one, two})
    EXPECT_EQ(call("PATCH", "/api/v1/connections/" + made, R"({"name":"x"})", token).status, 403);
  ASSERT_EQ(call("PATCH", path, R"({"projects":[]})").status, 200);
  for (const auto& token : {one, two}) EXPECT_EQ(call("GET", "/api/v1/connections", "", token).status, 403);
  changes.clear();
  ASSERT_EQ(call("PATCH", path, R"({"enabled":false})").status, 200);
  ASSERT_FALSE(changes.empty());
  EXPECT_TRUE(changes[0].ended);
  for (const auto& token : {one, two}) EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 401);
  ASSERT_EQ(call("PATCH", path, R"({"enabled":true})").status, 200);
  EXPECT_EQ(call("GET", "/api/v1/self", "", one).status, 200);
  ASSERT_EQ(call("DELETE", path).status, 204);
  EXPECT_EQ(call("GET", "/api/v1/self", "", one).status, 401);
}

TEST_F(Scopes, a_disabled_organization_has_no_good_authorization) {
  const auto org = organization();
  const auto token = make_token({.capabilities = {"*"}, .connections = {"*"}, .organization = org});
  EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 200);
  changes.clear();
  ASSERT_EQ(call("PATCH", "/api/v1/organizations/" + org, R"({"enabled":false})").status, 200);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_TRUE(changes[0].ended);
  EXPECT_EQ(changes[0].organization, org);
  EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 401);
  EXPECT_EQ(call("GET", "/api/v1/projects?organization=" + org).status, 200);  // the system keeps it
  ASSERT_EQ(call("PATCH", "/api/v1/organizations/" + org, R"({"enabled":true})").status, 200);
  EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 200);
}

TEST_F(Scopes, nobody_mints_projects_or_roles_above_their_own) {
  const auto org = organization(), blue = project(org), red = project(org, "Red"), green = project(org, "Green");
  const auto maker = make_token({.capabilities = {"authorizations:write", "authorizations:read", "proxy:call"},
                                 .connections = {"*"},
                                 .organization = org,
                                 .projects = {{{blue, vault::Role::editor}, {red, vault::Role::viewer}}}});
  const std::string path = "/api/v1/authorizations", what = R"({"capabilities":["proxy:call"],)";
  const auto make = [&](const std::string& more) { return call("POST", path, what + more + "}", maker); };
  const auto fine = make(R"("projects":[)" + role(blue, "EDITOR") + "]");
  ASSERT_EQ(fine.status, 201) << fine.body;
  EXPECT_EQ(fine.object().at("projects"), json::parse("[" + role(blue, "EDITOR") + "]"));
  EXPECT_EQ(make(R"("projects":[)" + role(blue, "ADMIN") + "]").pointer(), "/projects/0");
  EXPECT_EQ(make(R"("projects":[)" + role(red, "VIEWER") + "]").status, 403);  // it makes none there
  EXPECT_EQ(make(R"("projects":[)" + role(green, "VIEWER") + "]").pointer(), "/projects/0/id");
  EXPECT_EQ(make(R"("projects":[)" + role(blue, "OWNER") + "]").pointer(), "/projects/0/role");
  EXPECT_EQ(make(R"("projects":[)" + role(blue, "EDITOR") + "," + role(blue, "EDITOR") + "]").pointer(),
            "/projects/1/id");
  EXPECT_EQ(make(R"("project":null)").pointer(), "/project");
  EXPECT_EQ(make(R"("project":")" + blue + R"(","projects":[)" + role(blue, "EDITOR") + "]").pointer(), "/project");
  // A project alone means: as the maker is there.
  EXPECT_EQ(make(R"("project":")" + blue + "\"").object().at("projects"),
            json::parse("[" + role(blue, "EDITOR") + "]"));
  EXPECT_EQ(make(R"("name":"x")").pointer(), "/project");  // which of the two?
  EXPECT_EQ(make(R"("project":")" + blue + R"(","user":"somebody")").pointer(), "/user");
}

TEST_F(Scopes, an_authorization_names_an_enabled_user_of_its_organization) {
  const auto org = organization(), other = organization();
  const auto ada = user(org, ""), eve = user(other, ""), off = user(org, R"(,"enabled":false)");
  const std::string path = "/api/v1/authorizations?organization=" + org;
  for (const auto& id : {eve, off, std::string("user_00000000000000000000")}) {
    const auto refused = call("POST", path, R"({"capabilities":["proxy:call"],"user":")" + id + "\"}");
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(refused.pointer(), "/user");
  }
  EXPECT_EQ(call("POST", path, R"({"capabilities":["proxy:call"],"user":")" + ada + "\"}").text("user"), ada);
  EXPECT_EQ(call("POST", path, R"({"capabilities":["proxy:call"],"user":"a label"})").text("user"), "a label");
  EXPECT_EQ(call("POST", path, R"({"capabilities":["system:keys"],"user":")" + ada + "\"}").pointer(), "/user");
}

TEST_F(Scopes, authorizations_are_seen_where_the_caller_has_a_role) {
  const auto org = organization(), blue = project(org), red = project(org, "Red");
  const auto ada = user(org, R"(,"projects":[)" + role(blue, "EDITOR") + "]");
  const auto mine = token_of(org, ada);
  const auto own = last_id;
  const auto in_blue =
      make_token({.capabilities = {"proxy:call"}, .connections = {}, .organization = org, .project = blue});
  const auto blue_id = last_id;
  make_token({.capabilities = {"proxy:call"}, .connections = {}, .organization = org, .project = red});
  const auto red_id = last_id;
  make_token({.capabilities = {"proxy:call"}, .connections = {}, .organization = org});
  const auto all_id = last_id;
  EXPECT_THAT(ids("/api/v1/authorizations", mine), UnorderedElementsAre(own, blue_id));
  for (const auto& id : {red_id, all_id})
    for (const char* method : {"GET", "DELETE"})
      EXPECT_EQ(call(method, "/api/v1/authorizations/" + id, "", mine).status, 404);
  EXPECT_THAT(ids("/api/v1/authorizations?organization=" + org, "*"),
              UnorderedElementsAre(own, blue_id, red_id, all_id));
  EXPECT_THAT(ids("/api/v1/authorizations?organization=" + org + "&project=" + red, "*"), ElementsAre(red_id));
}

TEST_F(Scopes, whoever_made_an_authorization_ends_it_wherever_it_is) {
  const auto org = organization();
  const auto system = make_token({.capabilities = {"*"}, .connections = {"*"}, .organization = ""});
  const auto system_id = last_id;
  const auto child = call("POST", "/api/v1/authorizations",
                          R"({"capabilities":["*"],"connections":["*"],"organization":")" + org + "\"}", system);
  ASSERT_EQ(child.status, 201) << child.body;
  EXPECT_EQ(call("GET", "/api/v1/self", "", child.text("token")).status, 200);
  ASSERT_EQ(call("POST", "/api/v1/authorizations/" + system_id + "/revoke", "{}").status, 200);
  EXPECT_EQ(call("GET", "/api/v1/self", "", child.text("token")).status, 401);
  EXPECT_EQ(vault->find_authorization(org, child.text("id"))->revoked, now);
}

TEST_F(Scopes, a_personal_connection_is_its_owners_alone) {
  const auto org = organization(), blue = project(org);
  const auto access = R"(,"projects":[)" + role(blue, "EDITOR") + "]";
  const auto ada = token_of(org, user(org, access)), eve = token_of(org, user(org, access));
  const auto boss = token_of(org, user(org, R"(,"role":"ADMIN")"));
  const auto made = create(R"("scope":"PERSONAL","alias":"mine","project":")" + blue + "\"", ada);
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string id = made.text("id"), path = "/api/v1/connections/" + id;
  // Others do not know of it; an administrator sees what it is, and may disable or delete it.
  EXPECT_EQ(call("GET", path, "", eve).status, 404);
  EXPECT_THAT(ids("/api/v1/connections", eve), IsEmpty());
  EXPECT_EQ(call("GET", path, "", boss).text("alias"), "mine");
  for (const auto& [method, target, body] : std::vector<std::array<std::string, 3>>{
           {"PATCH", path, R"({"name":"x"})"},
           {"PATCH", path, R"({"scope":"PROJECT"})"},
           {"POST", path + "/rotate", R"({"value":{"token":"x"}})"},
           {"POST", path + "/test", "{}"},
           {"POST", path + "/escalate", R"({"scope":"PROJECT"})"},
           {"POST", "/api/v1/authorizations", R"({"capabilities":["proxy:call"],"connections":[")" + id + "\"]}"}}) {
    EXPECT_EQ(call(method, target, body, boss).status, 403) << method << target;
    if (target.starts_with(path)) {
      EXPECT_EQ(call(method, target, body, eve).status, 404) << method << target;
    }
  }
  EXPECT_EQ(call("PATCH", path, R"({"enabled":false})", boss).status, 200);
  EXPECT_EQ(call("PATCH", path, R"({"enabled":true})", boss).status, 403);
  EXPECT_EQ(call("PATCH", path, R"({"enabled":true})", ada).status, 200);
  EXPECT_EQ(call("DELETE", path, "", boss).status, 204);
}

TEST_F(Scopes, a_connection_is_made_wider_and_never_back) {
  const auto org = organization(), blue = project(org);
  const auto ada = token_of(org, user(org, R"(,"projects":[)" + role(blue, "EDITOR") + "]"));
  const auto boss = token_of(org, user(org, R"(,"role":"ADMIN")"));
  const auto made = create(R"("scope":"PERSONAL","project":")" + blue + "\"", ada);
  const std::string path = "/api/v1/connections/" + made.text("id") + "/escalate";
  EXPECT_EQ(call("POST", path, "{}", ada).pointer(), "/scope");
  EXPECT_EQ(call("POST", path, R"({"scope":"EVERYONE"})", ada).pointer(), "/scope");
  EXPECT_EQ(call("POST", path, R"({"scope":"PROJECT","project":"proj_other"})", ada).pointer(), "/project");
  EXPECT_EQ(call("POST", path, R"({"scope":"ORGANIZATION"})", ada).status, 403);
  EXPECT_EQ(call("POST", path, R"({"scope":"PERSONAL"})", ada).code(), "already-there");
  EXPECT_EQ(call("POST", path, R"({"scope":"PROJECT"})", ada, {{"If-Match", "\"7\""}}).status, 412);
  changes.clear();
  const auto wider = call("POST", path, R"({"scope":"project"})", ada);
  ASSERT_EQ(wider.status, 200) << wider.body;
  EXPECT_EQ(wider.text("scope"), "PROJECT");
  EXPECT_EQ(wider.text("owner"), "service");
  EXPECT_EQ(wider.fields.at("etag"), "\"2\"");
  EXPECT_EQ(changes.size(), 1U);
  EXPECT_EQ(call("POST", path, R"({"scope":"PROJECT"})", ada).code(), "already-there");
  EXPECT_EQ(call("POST", path, R"({"scope":"ORGANIZATION"})", ada).status, 403);
  EXPECT_EQ(call("POST", path, R"({"scope":"ORGANIZATION"})", boss).text("scope"), "ORGANIZATION");
  EXPECT_EQ(call("POST", path, R"({"scope":"PROJECT"})", boss).code(), "already-there");
  // What is the organization's is changed by its administrators.
  const std::string itself = "/api/v1/connections/" + made.text("id");
  EXPECT_EQ(call("GET", itself, "", ada).status, 200);
  EXPECT_EQ(call("PATCH", itself, R"({"name":"x"})", ada).status, 403);
  EXPECT_EQ(call("PATCH", itself, R"({"scope":"PERSONAL"})", boss).pointer(), "/scope");
  EXPECT_EQ(call("PATCH", itself, R"({"name":"x"})", boss).status, 200);
}

TEST_F(Scopes, what_is_the_services_is_nobodys_to_take) {
  const auto org = organization(), blue = project(org);
  const auto access = R"(,"projects":[)" + role(blue, "EDITOR") + "]";
  const auto ada = token_of(org, user(org, access)), eve = token_of(org, user(org, access));
  const auto made = create(R"("scope":"PERSONAL","project":")" + blue + "\"", ada);
  const std::string path = "/api/v1/connections/" + made.text("id");
  ASSERT_EQ(call("POST", path + "/escalate", R"({"scope":"PROJECT"})", ada).status, 200);
  for (const auto& one : {eve, ada}) {
    const auto told = call("PATCH", path, R"({"scope":"PERSONAL"})", one);
    EXPECT_EQ(told.status, 403);
    EXPECT_EQ(told.pointer(), "/scope");
  }
  EXPECT_EQ(call("GET", path, "", ada).text("owner"), "service");
}

TEST_F(Scopes, who_keeps_users_gives_no_role_beyond_their_own) {
  const auto org = organization(), blue = project(org);
  const auto id = user(org, "");
  const std::string users = "/api/v1/users", path = users + "/" + id;
  const auto keeper = make_token(
      {.capabilities = {"users:write", "users:read"}, .connections = {}, .organization = org, .project = ""});
  const auto boss = token_of(org, user(org, R"(,"role":"ADMIN")"));
  EXPECT_EQ(call("POST", users, R"({"name":"Eve","role":"ADMIN"})", keeper).pointer(), "/role");
  EXPECT_EQ(call("PATCH", path, R"({"role":"ADMIN"})", keeper).status, 403);
  const std::string viewer = R"({"projects":[)" + role(blue, "VIEWER") + "]}";
  EXPECT_EQ(call("PATCH", path, viewer, keeper).pointer(), "/projects/0");
  EXPECT_EQ(call("PATCH", path, R"({"name":"Eve"})", keeper).status, 200);
  // What somebody else gave is no matter of theirs.
  EXPECT_EQ(call("PATCH", path, viewer, boss).status, 200);
  EXPECT_EQ(call("PATCH", path, viewer, keeper).status, 200);
  EXPECT_EQ(call("PATCH", path, R"({"projects":[]})", keeper).status, 200);
}

TEST_F(Scopes, those_with_a_role_list_their_own_projects) {
  const auto org = organization(), blue = project(org), red = project(org, "Red");
  for (const char* as : {"VIEWER", "EDITOR"}) {
    const auto ada = token_of(org, user(org, R"(,"projects":[)" + role(blue, as) + "]"));
    EXPECT_THAT(ids("/api/v1/projects", ada), ElementsAre(blue));
    EXPECT_EQ(call("GET", "/api/v1/projects/" + blue, "", ada).text("name"), "Blue");
    EXPECT_EQ(call("GET", "/api/v1/projects/" + red, "", ada).status, 404);
    EXPECT_EQ(call("PATCH", "/api/v1/projects/" + blue, R"({"name":"x"})", ada).status, 403);
  }
}

TEST_F(Scopes, an_owner_is_a_user_of_the_organization) {
  const auto org = organization(), other = organization("Other");
  const auto ada = user(org, ""), foreign = user(other, "");
  const auto as = [&](const std::string& owner) {
    return create(R"("scope":"PERSONAL","owner":")" + owner + R"(","organization":")" + org + "\"");
  };
  EXPECT_EQ(as("user_00000000000000000000").pointer(), "/owner");
  EXPECT_EQ(as(foreign).pointer(), "/owner");
  EXPECT_EQ(as(ada).status, 201);
}

TEST_F(Scopes, a_personal_connection_belongs_to_somebody) {
  const auto nobody = make_token({.capabilities = {"*"}, .connections = {"*"}});
  EXPECT_EQ(create(R"("scope":"PERSONAL")", nobody).pointer(), "/scope");
  EXPECT_EQ(create(R"("scope":"PERSONAL","owner":"service")").pointer(), "/scope");
}

TEST_F(Scopes, self_says_where_a_token_may_do_what) {
  const auto org = organization(), blue = project(org);
  const auto token = make_token({.capabilities = {"proxy:call"},
                                 .connections = {"*"},
                                 .organization = org,
                                 .projects = {{{blue, vault::Role::viewer}}}});
  connection(org, blue, "a");
  const auto self = call("GET", "/api/v1/self", "", token);
  EXPECT_EQ(self.object().at("projects"), json::parse("[" + role(blue, "VIEWER") + "]"));
  EXPECT_THAT(self.object().at("callable").as_array(), IsEmpty());  // a viewer calls nothing
  EXPECT_THAT(self.object().at("capabilities").as_array(), IsEmpty());
  const auto ada = token_of(org, user(org, R"(,"projects":[)" + role(blue, "VIEWER") + "]"));
  EXPECT_EQ(call("GET", "/api/v1/self", "", ada).object().at("capabilities"),
            json::parse(
                R"(["connections:read","auth_configs:read","authorizations:read","providers:read","projects:read"])"));
  const auto boss = token_of(org, user(org, R"(,"role":"ADMIN")"));
  EXPECT_EQ(call("GET", "/api/v1/self", "", boss).object().at("capabilities"), json::parse(R"(["*"])"));
}

}  // namespace
}  // namespace postern::admin
