#include "proxy/admin/access.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "proxy/admin/if_match.hpp"

namespace postern::admin {
namespace {

Service service_for(std::vector<unsigned> uids) {
  Service service;
  service.deps.settings = [uids = std::move(uids)] {
    auto settings = std::make_shared<config::Settings>();
    settings->socket_uids = uids;
    return settings;
  };
  return service;
}

Request from_uid(unsigned uid) {
  Request request;
  request.door = Door::socket;
  request.peer_uid = uid;
  return request;
}

TEST(SocketPeers, are_root_and_the_named_ones_only) {
  const auto named = service_for({4321});
  EXPECT_TRUE(identify(named, from_uid(0)));
  EXPECT_TRUE(identify(named, from_uid(4321)));
  const auto refused = identify(named, from_uid(4322));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "not-permitted");
  EXPECT_EQ(to_response(refused.error(), "req_x").status, 403u);
}

TEST(SocketPeers, are_the_daemons_own_user_when_none_are_named) {
  const auto own = service_for({});
  EXPECT_TRUE(identify(own, from_uid(::geteuid())));
  EXPECT_FALSE(identify(own, from_uid(::geteuid() + 1)));
  Request nobody;
  nobody.door = Door::socket;
  EXPECT_FALSE(identify(own, nobody));
}

Caller caller(std::string organization, std::vector<std::string> capabilities) {
  Caller out;
  out.authorization.organization = std::move(organization);
  out.authorization.capabilities = std::move(capabilities);
  return out;
}

TEST(Capabilities, of_an_organization_never_include_the_systems) {
  EXPECT_TRUE(caller("org_a", {"*"}).may("connections:write"));
  EXPECT_FALSE(caller("org_a", {"*"}).may("system:keys"));
  EXPECT_FALSE(caller("org_a", {"connections:read"}).may("connections:write"));
  EXPECT_FALSE(caller("org_a", {"*"}).unbounded());
  EXPECT_TRUE(caller("", {"*"}).may("system:keys"));
  EXPECT_TRUE(caller("", {"system:*"}).may("metrics:read"));
  EXPECT_FALSE(caller("", {"metrics:read"}).may("connections:read"));
  EXPECT_FALSE(caller("", {"metrics:read"}).unbounded());
}

TEST(Attenuation, judges_a_limited_system_authorization_too) {
  auto maker = caller("", {"authorizations:write", "system:backup"});
  vault::Authorization wanted;
  wanted.organization = "";
  wanted.capabilities = {"system:backup"};
  EXPECT_TRUE(beyond(maker, wanted).empty());
  wanted.capabilities = {"system:*"};
  EXPECT_EQ(beyond(maker, wanted).size(), 1u);
  wanted.capabilities = {"*"};
  EXPECT_EQ(beyond(maker, wanted).size(), 1u);
}

TEST(Places, home_is_the_named_project_the_default_one_or_the_only_one) {
  auto everywhere = caller("org_a", {"*"});
  EXPECT_EQ(everywhere.home(), "proj_default");
  everywhere.asked_project = "proj_b";
  EXPECT_EQ(everywhere.home(), "proj_b");
  auto one = caller("org_a", {"*"});
  one.authorization.projects = {{{"proj_b", vault::Role::viewer}}};
  EXPECT_EQ(one.home(), "proj_b");
  EXPECT_EQ(settle(one, "connections:read").has_value(), true);
  EXPECT_EQ(settle(one, "connections:write").error().code, "not-permitted");
  auto several = caller("org_a", {"*"});
  several.authorization.projects = {{{"proj_b", vault::Role::admin}, {"proj_c", vault::Role::admin}}};
  EXPECT_EQ(several.home(), "");
  EXPECT_EQ(settle(several, "connections:write").error().code, "invalid-request");
  several.authorization.projects->push_back({"proj_default", vault::Role::viewer});
  EXPECT_EQ(several.home(), "proj_default");
  auto member = caller("org_a", {"*"});
  member.user.emplace();
  member.user->projects = {{"proj_d", vault::Role::editor}};
  EXPECT_EQ(member.home(), "proj_d");
  member.user->enabled = false;
  EXPECT_EQ(member.home(), "");
}

TEST(Places, a_connection_is_seen_by_those_with_a_role_where_it_is) {
  vault::Connection meta;
  meta.organization = "org_a";
  meta.project = "proj_b";
  meta.owner = "ada";
  auto viewer = caller("org_a", {"*"});
  viewer.authorization.projects = {{{"proj_b", vault::Role::viewer}}};
  auto other = caller("org_a", {"*"});
  other.authorization.projects = {{{"proj_c", vault::Role::admin}}};
  const auto admin = caller("org_a", {"*"}), foreign = caller("org_z", {"*"});
  EXPECT_TRUE(viewer.sees(meta));
  EXPECT_FALSE(other.sees(meta));
  EXPECT_FALSE(viewer.may_change(meta));
  EXPECT_TRUE(admin.may_change(meta));
  meta.scope = vault::Scope::organization;
  EXPECT_TRUE(other.sees(meta));
  EXPECT_FALSE(other.may_change(meta));
  meta.scope = vault::Scope::personal;
  EXPECT_FALSE(viewer.sees(meta));
  EXPECT_TRUE(admin.sees(meta));
  viewer.authorization.user = "ada";
  EXPECT_TRUE(viewer.sees(meta));
  EXPECT_FALSE(foreign.sees(meta));
}

TEST(Attenuation, compares_roles_as_the_makers_user_has_them_now) {
  auto maker = caller("org_a", {"*"});
  maker.authorization.user = "user_x";
  vault::Authorization wanted;
  wanted.organization = "org_a";
  wanted.user = "user_x";
  wanted.connections = {};
  wanted.expires = 1;
  EXPECT_TRUE(beyond(maker, wanted).empty());
  maker.user.emplace();
  maker.user->projects = {{"proj_b", vault::Role::editor}};
  EXPECT_EQ(beyond(maker, wanted).front().pointer, "/project");  // every project
  wanted.project = "proj_b";
  EXPECT_EQ(beyond(maker, wanted).front().pointer, "/project");  // as an administrator there
  wanted.project.clear();
  wanted.projects = {{{"proj_b", vault::Role::editor}}};
  EXPECT_TRUE(beyond(maker, wanted).empty());
  wanted.projects = {{{"proj_b", vault::Role::admin}}};
  EXPECT_EQ(beyond(maker, wanted).front().pointer, "/projects/0");
  wanted.projects = {{{"proj_c", vault::Role::viewer}}};
  EXPECT_EQ(beyond(maker, wanted).front().pointer, "/projects/0");
}

TEST(Endings, are_revocation_and_the_moment_of_expiry) {
  vault::Authorization a;
  EXPECT_FALSE(has_ended(a, 1'000));
  a.expires = 1'000;
  EXPECT_FALSE(has_ended(a, 999));
  EXPECT_TRUE(has_ended(a, 1'000));
  a.expires = 0;
  a.revoked = 5;
  EXPECT_TRUE(has_ended(a, 1));
}

TEST(IfMatch, matches_strong_tags_and_the_star) {
  auto with = [](const char* value) {
    Request request;
    request.fields.emplace_back("if-match", value);
    return request;
  };
  EXPECT_TRUE(check_if_match(Request(), 3));
  for (const char* fine : {"*", "\"3\"", "\"1\", \"3\"", "\"3\" ,\"4\""})
    EXPECT_TRUE(check_if_match(with(fine), 3)) << fine;
  for (const char* bad : {"", "3", "W/\"3\"", "\"33\"", "\"1\",\"2\""})
    EXPECT_FALSE(check_if_match(with(bad), 3)) << bad;
}

TEST(RunningKeys, are_taken_once_at_a_time) {
  RunningKeys keys;
  EXPECT_TRUE(keys.begin("a"));
  EXPECT_FALSE(keys.begin("a"));
  EXPECT_TRUE(keys.begin("b"));
  keys.end("a");
  EXPECT_TRUE(keys.begin("a"));
}

TEST(Problems, of_an_unknown_code_are_our_own_fault) {
  EXPECT_EQ(to_response(refuse("no-such-code", "x").error(), "req_x").status, 500u);
}

}  // namespace
}  // namespace postern::admin
