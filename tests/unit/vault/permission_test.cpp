// The one rule: capabilities, the authorization's own role, and its user's role, each where it is asked about.
#include "vault/permission.hpp"

#include <gmock/gmock.h>

#include "vault/vault.hpp"

namespace postern::vault {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Authorization of(std::vector<std::string> capabilities, std::string organization = "org_a") {
  Authorization authorization;
  authorization.organization = std::move(organization);
  authorization.capabilities = std::move(capabilities);
  return authorization;
}
User member(std::vector<ProjectAccess> projects) {
  User user;
  user.projects = std::move(projects);
  return user;
}

TEST(Permission, a_role_holds_what_the_one_before_it_does_and_more) {
  struct Row {
    const char* capability;
    bool viewer, editor, admin;
  };
  constexpr Row kTable[] = {
      {"connections:read", true, true, true},      {"auth_configs:read", true, true, true},
      {"authorizations:read", true, true, true},   {"providers:read", true, true, true},
      {"proxy:call", false, true, true},           {"connections:write", false, true, true},
      {"authorizations:write", false, true, true}, {"auth_configs:write", false, false, true},
      {"audit:read", false, false, true},          {"metrics:read", false, false, true},
      {"projects:read", true, true, true},         {"projects:write", false, false, true},
      {"users:read", false, false, true},          {"users:write", false, false, true},
      {"system:keys", false, false, false},        {"system:organizations", false, false, false},
  };
  for (const Row& row : kTable) {
    EXPECT_EQ(holds(Role::viewer, row.capability), row.viewer) << row.capability;
    EXPECT_EQ(holds(Role::editor, row.capability), row.editor) << row.capability;
    EXPECT_EQ(holds(Role::admin, row.capability), row.admin) << row.capability;
  }
}

TEST(Permission, the_two_levels_never_include_each_other_but_for_the_systems_star) {
  EXPECT_TRUE(holds(of({"*"}), "connections:write"));
  EXPECT_FALSE(holds(of({"*"}), "system:keys"));
  EXPECT_FALSE(holds(of({"system:*"}), "system:keys"));
  EXPECT_FALSE(holds(of({"system:keys"}), "system:keys"));
  EXPECT_TRUE(holds(of({"*"}, ""), "system:keys"));
  EXPECT_TRUE(holds(of({"*"}, ""), "connections:write"));
  EXPECT_TRUE(holds(of({"system:*"}, ""), "system:keys"));
  EXPECT_FALSE(holds(of({"system:*"}, ""), "proxy:call"));
  EXPECT_FALSE(holds(of({"connections:read"}), "connections:write"));
}

// Every combination of the three: allowed is what all of them allow, and nothing else.
TEST(Permission, is_what_capabilities_and_both_roles_allow_together) {
  constexpr const char* kCapabilities[] = {"connections:read",   "proxy:call",  "connections:write",
                                           "auth_configs:write", "users:write", "system:keys"};
  const std::vector<std::vector<std::string>> lists = {{}, {"*"}, {"connections:read"}, {"proxy:call", "users:write"}};
  const std::vector<std::optional<Role>> roles = {std::nullopt, Role::viewer, Role::editor, Role::admin};
  int looked = 0;
  for (const auto& list : lists)
    for (const auto own : roles)
      for (const auto his : roles)
        for (const bool enabled : {true, false})
          for (const char* capability : kCapabilities) {
            Authorization authorization = of(list);
            authorization.projects.emplace();
            if (own) authorization.projects->push_back({"proj_a", *own});
            User user = member({});
            if (his) user.projects.push_back({"proj_a", *his});
            user.enabled = enabled;
            const bool expected = holds(authorization, capability) && own && holds(*own, capability) && enabled &&
                                  his && holds(*his, capability);
            EXPECT_EQ(allows(authorization, &user, "proj_a", capability), expected) << capability;
            EXPECT_FALSE(allows(authorization, &user, "proj_b", capability)) << capability;
            EXPECT_FALSE(allows(authorization, &user, "", capability)) << capability;
            ++looked;
          }
  EXPECT_EQ(looked, 4 * 4 * 4 * 2 * 6);
}

TEST(Permission, without_a_list_of_projects_is_bound_by_the_one_project_or_by_none) {
  Authorization all = of({"*"});
  EXPECT_TRUE(allows(all, nullptr, "proj_a", "users:write"));
  EXPECT_TRUE(allows(all, nullptr, "", "users:write"));
  Authorization one = of({"*"});
  one.project = "proj_a";
  EXPECT_TRUE(allows(one, nullptr, "proj_a", "auth_configs:write"));
  EXPECT_FALSE(allows(one, nullptr, "proj_b", "connections:read"));
  EXPECT_FALSE(allows(one, nullptr, "", "connections:read"));
  one.projects = {{{"proj_b", Role::admin}}};  // both bounds hold
  EXPECT_FALSE(allows(one, nullptr, "proj_a", "connections:read"));
  EXPECT_FALSE(allows(one, nullptr, "proj_b", "connections:read"));
}

TEST(Permission, an_administrator_of_the_organization_is_admin_of_every_project) {
  User user = member({{"proj_a", Role::viewer}});
  user.administrator = true;
  EXPECT_TRUE(allows(of({"*"}), &user, "proj_b", "auth_configs:write"));
  EXPECT_TRUE(allows(of({"*"}), &user, "", "users:write"));
  user.enabled = false;
  EXPECT_FALSE(allows(of({"*"}), &user, "proj_b", "connections:read"));
}

TEST(Permission, of_the_system_is_bound_by_its_list_alone) {
  EXPECT_TRUE(allows(of({"connections:read"}, ""), nullptr, "proj_a", "connections:read"));
  EXPECT_FALSE(allows(of({"connections:read"}, ""), nullptr, "proj_a", "connections:write"));
}

TEST(Permission, reaches_the_projects_in_which_it_is_allowed) {
  EXPECT_TRUE(reach(of({"*"}), nullptr, "proxy:call").every);
  EXPECT_TRUE(reach(of({"connections:read"}), nullptr, "proxy:call").nowhere());
  User user = member({{"proj_a", Role::editor}, {"proj_b", Role::viewer}, {"proj_c", Role::admin}});
  EXPECT_THAT(reach(of({"*"}), &user, "proxy:call").projects, ElementsAre("proj_a", "proj_c"));
  Authorization some = of({"*"});
  some.projects = {{{"proj_c", Role::editor}, {"proj_d", Role::admin}, {"proj_b", Role::admin}}};
  EXPECT_THAT(reach(some, &user, "proxy:call").projects, ElementsAre("proj_c"));
  EXPECT_THAT(reach(some, nullptr, "proxy:call").projects, ElementsAre("proj_c", "proj_d", "proj_b"));
  Authorization one = of({"*"});
  one.project = "proj_b";
  EXPECT_THAT(reach(one, &user, "connections:read").projects, ElementsAre("proj_b"));
  EXPECT_THAT(reach(one, &user, "proxy:call").projects, IsEmpty());
  user.administrator = true;
  EXPECT_TRUE(reach(of({"*"}), &user, "proxy:call").contains("anything"));
}

TEST(Permission, a_users_id_is_told_from_a_name) {
  EXPECT_TRUE(names_user(new_id("user")));
  for (const char* name : {"", "admin", "user_1", "conn_0123456789abcdefghjk"}) EXPECT_FALSE(names_user(name)) << name;
}

}  // namespace
}  // namespace postern::vault
