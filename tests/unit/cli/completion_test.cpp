// What <Tab> offers, and where it is asked for.
#include <gmock/gmock.h>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::IsSupersetOf;

std::vector<std::string> tab(World& world, std::vector<std::string> words) {
  words.insert(words.begin(), std::string(kCompletionVerb));
  world.out.str("");
  EXPECT_EQ(world.run(words), 0);
  std::istringstream lines(world.out.str());
  std::vector<std::string> out;
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

constexpr const char* kProviders =
    R"({"data":[{"id":"stripe"},{"id":"sv-folder"},{"id":"sv-imported"}],"cursor":null,"hasMore":false})";

TEST(Completion, offers_the_providers_that_the_daemon_has_of_any_source) {
  World world;
  world.server.answer(200, kProviders);
  EXPECT_THAT(tab(world, {"connections", "create", "--app", "s"}),
              testing::ElementsAre("stripe", "sv-folder", "sv-imported"));
  EXPECT_EQ(world.server.line(0), "GET /api/v1/providers?limit=100");
  world.server.answer(200, kProviders);
  EXPECT_THAT(tab(world, {"providers", "enable", "sv-i"}), testing::ElementsAre("sv-imported"));
  EXPECT_EQ(world.server.line(1), "GET /api/v1/providers?limit=100&showDisabled=true");
}

TEST(Completion, offers_what_the_files_say_where_no_daemon_answers) {
  World world;
  EXPECT_THAT(tab(world, {"connections", "create", "--app", "stri"}), testing::ElementsAre("stripe"));
  World remote;
  remote.around.environment["POSTERN_TOKEN_FILE"] = "/nowhere";
  EXPECT_TRUE(tab(remote, {"--server", "https://x.example", "connections", "create", "--app", "stri"}).empty());
}

TEST(Completion, asks_the_daemon_that_the_line_names_in_either_form) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"--config", "here.yaml", "connections", "show", ""},
                                                                 {"--config=here.yaml", "connections", "show", ""}}) {
    World world;
    ConfigFile seen;
    world.around.locate = [&seen](const ConfigFile& config, const Environment&) -> Result<Place> {
      seen = config;
      return Place{"/s"};
    };
    world.server.answer(200, R"({"data":[{"id":"conn_1","alias":"a"}],"cursor":null,"hasMore":false})");
    EXPECT_THAT(tab(world, words), testing::ElementsAre("a", "conn_1"));
    EXPECT_EQ(seen, ConfigFile("here.yaml"));
  }
}

TEST(Completion, offers_every_type_and_every_capability) {
  World world;
  EXPECT_THAT(tab(world, {"connections", "create", "--type", ""}),
              IsSupersetOf({"API_KEY", "OAUTH2", "OAUTH2_CLIENT_CREDENTIALS", "CERTIFICATE", "HMAC"}));
  EXPECT_THAT(tab(world, {"tokens", "create", "--capabilities", ""}),
              IsSupersetOf({"*", "proxy:call", "connections:write", "system:backup"}));
  EXPECT_THAT(tab(world, {"tokens", "create", "--capabilities", "proxy:call,audit"}),
              testing::ElementsAre("proxy:call,audit:read"));
}

}  // namespace
}  // namespace postern::cli::test
