// Organizations, projects, users, and what every call says it is about.
#include <gmock/gmock.h>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;

constexpr const char* kEmpty = R"({"data":[],"cursor":null,"hasMore":false})";

TEST(Scopes, every_call_says_what_it_is_about) {
  World world;
  world.server.answer(200, kEmpty);
  EXPECT_EQ(world.run({"--organization", "org_1", "connections", "list", "--project", "proj_1"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /api/v1/connections?limit=100&organization=org_1&project=proj_1");
  World other;
  other.server.answer(200, R"({"id":"conn_1"})");
  EXPECT_EQ(other.run({"connections", "escalate", "billing", "--scope", "ORGANIZATION", "--organization", "a/b"}), 0)
      << other.err.str();
  EXPECT_EQ(other.server.line(0), "POST /api/v1/connections/billing/escalate?organization=a%2Fb");
  EXPECT_EQ(other.server.body(0), boost::json::parse(R"({"scope":"ORGANIZATION"})"));
}

TEST(Scopes, users_are_made_and_changed_with_their_roles) {
  World world;
  world.server.answer(201, R"({"id":"user_1"})");
  EXPECT_EQ(world.run({"users", "create", "--name", "Ada", "--email", "a@b.test", "--role", "MEMBER", "--access",
                       "proj_1=EDITOR,proj_2=viewer", "-q"}),
            0)
      << world.err.str();
  EXPECT_EQ(world.out.str(), "user_1\n");
  EXPECT_EQ(world.server.line(0), "POST /api/v1/users");
  EXPECT_EQ(world.server.body(0), boost::json::parse(R"({"name":"Ada","email":"a@b.test","role":"MEMBER",
      "projects":[{"id":"proj_1","role":"EDITOR"},{"id":"proj_2","role":"viewer"}]})"));
  World none;
  none.server.answer(200, R"({"id":"user_1"})");
  EXPECT_EQ(none.run({"users", "update", "user_1", "--no-access", "--disable"}), 0) << none.err.str();
  EXPECT_EQ(none.server.line(0), "PATCH /api/v1/users/user_1");
  EXPECT_EQ(none.server.body(0), boost::json::parse(R"({"enabled":false,"projects":[]})"));
}

TEST(Scopes, a_role_is_written_behind_its_project) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"users", "create", "--name", "Ada", "--access", "proj_1"}, {"tokens", "create", "--access", "EDITOR"}}) {
    World world;
    EXPECT_EQ(world.run(words), 2);
    EXPECT_THAT(world.err.str(), HasSubstr("PROJECT=ROLE"));
  }
}

TEST(Scopes, a_table_shows_the_roles_short) {
  World world;
  world.server.answer(200, R"({"data":[{"id":"user_1","name":"Ada","email":null,"role":"MEMBER","enabled":true,
      "projects":[{"id":"proj_1","role":"EDITOR"}],"created":"x"}],"cursor":null,"hasMore":false})");
  EXPECT_EQ(world.run({"users", "list"}), 0) << world.err.str();
  EXPECT_THAT(world.out.str(), HasSubstr("proj_1=EDITOR"));
}

TEST(Scopes, an_update_that_changes_nothing_is_a_mistake) {
  for (const char* noun : {"organizations", "projects", "users"}) {
    World world;
    EXPECT_EQ(world.run({noun, "update", "x"}), 2);
    EXPECT_THAT(world.err.str(), HasSubstr("nothing to change"));
  }
}

TEST(Scopes, a_token_is_made_in_a_users_name) {
  World world;
  world.server.answer(201, R"({"id":"tok_1","token":"pst_secret"})");
  EXPECT_EQ(world.run({"tokens", "create", "--user", "user_1", "--access", "proj_1=VIEWER", "-q"}), 0)
      << world.err.str();
  EXPECT_EQ(world.server.body(0),
            boost::json::parse(R"({"user":"user_1","projects":[{"id":"proj_1","role":"VIEWER"}]})"));
}

}  // namespace
}  // namespace postern::cli::test
