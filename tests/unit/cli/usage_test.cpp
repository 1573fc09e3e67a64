// Parsing: what is refused with exit 2, and how help reads.
#include <gmock/gmock.h>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Usage, unknown_verb_exits_2_and_suggests) {
  World world;
  EXPECT_EQ(world.run({"conections", "list"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("did you mean 'connections'?"));
  EXPECT_EQ(world.out.str(), "");
}

TEST(Usage, unknown_verb_of_a_noun_exits_2_and_suggests) {
  World world;
  EXPECT_EQ(world.run({"connections", "lst"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("did you mean 'list'?"));
}

TEST(Usage, unknown_flag_exits_2_and_suggests) {
  World world;
  EXPECT_EQ(world.run({"connections", "create", "--ap", "stripe", "--app", "stripe"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("unknown flag: --ap: did you mean '--app'?"));
}

TEST(Usage, a_stray_value_is_never_repeated) {
  World world;
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-stdin", "sk_live_1"}), 2);
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--valeu=sk_live_1"}), 2);
  EXPECT_THAT(world.err.str(), Not(HasSubstr("sk_live_1")));
}

TEST(Usage, a_secret_where_its_variable_belongs_is_not_repeated) {
  World world;
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-env", "sk_live_1"}), 1);
  EXPECT_THAT(world.err.str(), Not(HasSubstr("sk_live_1")));
}

TEST(Usage, only_exec_takes_a_command_line) {
  World world;
  EXPECT_EQ(world.run({"connections", "show", "exec", "--", "rm"}), 2);
  EXPECT_TRUE(world.server.requests.empty());
}

TEST(Usage, nothing_at_all_exits_2) {
  World world;
  EXPECT_EQ(world.run({}), 2);
  EXPECT_EQ(world.run({"connections"}), 2);
}

TEST(Usage, verbs_of_later_versions_are_unknown) {
  World world;
  EXPECT_EQ(world.run({"connections", "export", "billing"}), 2);
  EXPECT_EQ(world.server.requests.size(), 0u);
}

TEST(Usage, every_verb_has_help_with_an_example) {
  const std::vector<std::vector<std::string>> verbs = {{"init"},
                                                       {"run"},
                                                       {"status"},
                                                       {"version"},
                                                       {"connect"},
                                                       {"exec"},
                                                       {"env"},
                                                       {"connections", "list"},
                                                       {"connections", "show"},
                                                       {"connections", "create"},
                                                       {"connections", "update"},
                                                       {"connections", "rotate"},
                                                       {"connections", "delete"},
                                                       {"connections", "import"},
                                                       {"connections", "test"},
                                                       {"connections", "revoke"},
                                                       {"connections", "escalate"},
                                                       {"organizations", "list"},
                                                       {"organizations", "update"},
                                                       {"projects", "create"},
                                                       {"projects", "delete"},
                                                       {"users", "create"},
                                                       {"users", "show"},
                                                       {"auth-configs", "list"},
                                                       {"auth-configs", "show"},
                                                       {"auth-configs", "create"},
                                                       {"auth-configs", "update"},
                                                       {"auth-configs", "delete"},
                                                       {"authorizations", "list"},
                                                       {"tokens", "create"},
                                                       {"tokens", "revoke"},
                                                       {"providers", "list"},
                                                       {"providers", "show"},
                                                       {"providers", "lint"},
                                                       {"providers", "import"},
                                                       {"providers", "enable"},
                                                       {"providers", "disable"},
                                                       {"providers", "delete"},
                                                       {"config", "validate"},
                                                       {"config", "show"},
                                                       {"connections"},
                                                       {"tokens"},
                                                       {"providers"},
                                                       {"config"},
                                                       {}};
  for (auto words : verbs) {
    words.push_back("--help");
    World world;
    EXPECT_EQ(world.run(words), 0) << words.front();
    EXPECT_THAT(world.out.str(), HasSubstr("Example:\n  ")) << words.front();
    EXPECT_EQ(world.err.str(), "");
  }
}

TEST(Usage, exec_help_says_that_the_same_user_is_no_boundary) {
  World world;
  EXPECT_EQ(world.run({"exec", "--help"}), 0);
  EXPECT_THAT(world.out.str(), HasSubstr("no boundary"));
}

TEST(Usage, global_flags_are_taken_before_and_after_the_verb) {
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"--config", "here.yaml", "-o", "json", "connections", "list"},
                                             {"connections", "list", "--config", "here.yaml", "-o", "json"},
                                             {"connections", "--config=here.yaml", "list", "--output=json"}}) {
    World world;
    ConfigFile seen;
    world.around.locate = [&seen](const ConfigFile& config, const Environment&) -> Result<Place> {
      seen = config;
      return Place{"/s"};
    };
    world.server.answer(200, R"({"data":[],"cursor":null,"hasMore":false})");
    EXPECT_EQ(world.run(words), 0) << world.err.str();
    EXPECT_EQ(seen, ConfigFile("here.yaml"));
    EXPECT_EQ(world.out.str(), "{\"data\":[],\"cursor\":null,\"hasMore\":false}\n");
  }
}

TEST(Usage, an_unknown_output_format_exits_2) {
  World world;
  EXPECT_EQ(world.run({"connections", "list", "-o", "xml"}), 2);
}

TEST(Usage, an_error_is_one_line_without_control_characters) {
  World world;
  world.server.answer(404, R"({"title":"Not\nfound","detail":"\u001b[2Jgone"})");
  EXPECT_EQ(world.run({"connections", "show", "x"}), 3);
  EXPECT_EQ(world.err.str(), "postern: Not\\u000afound: connections/x: \\u001b[2Jgone\n");
}

TEST(Usage, a_number_out_of_its_range_is_told_the_range) {
  struct Case {
    std::vector<std::string> words;
    std::string range;
  };
  const Case cases[] = {{{"connections", "list", "--limit"}, "--limit: write a whole number from 1 on;"},
                        {{"auth-configs", "list", "--limit"}, "--limit: write a whole number from 1 on;"},
                        {{"tokens", "list", "--limit"}, "--limit: write a whole number from 1 on;"},
                        {{"users", "list", "--limit"}, "--limit: write a whole number from 1 on;"},
                        {{"audit", "tail", "-n"}, "--lines: write a whole number from 1 to 10000;"},
                        {{"connections", "import", "--parallel"}, "--parallel: write a whole number from 1 to 64;"},
                        {{"tokens", "create", "--budget-total"}, "--budget-total: write a whole number from 0 on;"},
                        {{"tokens", "create", "--budget-writes"}, "--budget-writes: write a whole number from 0 on;"}};
  for (const Case& one : cases) {
    for (const char* wrong : {"-1", "x", "1.5", "1e3", "0x10", "99999999999999999999"}) {
      World world;
      auto words = one.words;
      words.emplace_back(wrong);
      EXPECT_EQ(world.run(words), 2) << wrong;
      EXPECT_THAT(world.err.str(), HasSubstr(one.range)) << wrong;
      EXPECT_LT(world.err.str().size(), 160u);
    }
  }
  World none;
  EXPECT_EQ(none.run({"connections", "list", "--limit", "0"}), 2);
  EXPECT_THAT(none.err.str(), HasSubstr("--limit: write a whole number from 1 on;"));
}

TEST(Usage, suggests_only_what_is_close) {
  EXPECT_EQ(closest("stat", {"status", "init"}), "status");
  EXPECT_EQ(closest("frobnicate", {"status", "init"}), "");
  EXPECT_EQ(closest("ini", {"run", "init"}), "init");
}

TEST(Usage, names_of_verbs_may_be_arguments) {
  World world;
  world.server.answer(200, R"({"id":"conn_1"})");
  EXPECT_EQ(world.run({"connections", "show", "list", "-q"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /api/v1/connections/list");
  World other;
  other.server.answer(200, R"({"id":"conn_1"})");
  EXPECT_EQ(other.run({"connections", "show", "status", "-q"}), 0) << other.err.str();
}

TEST(Run, flags_become_setting_paths) {
  World world;
  EXPECT_EQ(world.run({"run", "--accept-rollback", "--accept-copy", "--listen-proxy", "127.0.0.1:0", "--set",
                       "client.idle=30s", "--set", "log.level=debug", "--listen-admin", "127.0.0.1:1"}),
            0)
      << world.err.str();
  EXPECT_TRUE(world.ran.accept_rollback);
  EXPECT_TRUE(world.ran.accept_copy);
  EXPECT_FALSE(world.ran.dev);
  EXPECT_FALSE(world.ran.config.has_value());
  using Settings = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(world.ran.settings, (Settings{{"client.idle", "30s"},
                                          {"log.level", "debug"},
                                          {"listen.proxy", "127.0.0.1:0"},
                                          {"listen.admin", "127.0.0.1:1"}}));
}

TEST(Run, returns_the_daemons_exit_code) {
  World world;
  world.around.hooks.run = [](const RunArguments&) { return 78; };
  EXPECT_EQ(world.run({"run"}), 78);
}

TEST(Run, a_setting_without_a_value_exits_2) {
  World world;
  EXPECT_EQ(world.run({"run", "--set", "client.idle"}), 2);
  EXPECT_FALSE(world.daemon_started);
}

TEST(Version, prints_the_version) {
  World world;
  EXPECT_EQ(world.run({"version"}), 0);
  EXPECT_THAT(world.out.str(), testing::StartsWith("postern " POSTERN_VERSION " "));
}

}  // namespace
}  // namespace postern::cli::test
