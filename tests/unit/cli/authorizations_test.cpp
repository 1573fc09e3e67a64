// Tokens, and the commands that run with one.
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

#include "fake.hpp"
#include "proxy/cli/proxy_environment.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kStatus = R"({"proxy":["0.0.0.0:8480"]})";
constexpr const char* kToken = R"({"id":"tok_1","token":"pst_secret"})";

TEST(Tokens, create_splits_lists_and_counts_the_expiry_from_now) {
  World world;
  world.server.answer(201, kToken);
  EXPECT_EQ(world.run({"tokens",
                       "create",
                       "--name",
                       "step-42",
                       "--capabilities",
                       "proxy:call,connections:read",
                       "--connections",
                       "billing",
                       "--connections",
                       "crm",
                       "--hosts",
                       "api.stripe.com",
                       "--methods",
                       "GET,HEAD",
                       "--default-for",
                       "api.stripe.com",
                       "--expires",
                       "1h",
                       "--project",
                       "proj_1",
                       "-q"}),
            0)
      << world.err.str();
  EXPECT_EQ(world.out.str(), "pst_secret\n");
  EXPECT_EQ(world.server.line(0), "POST /api/v1/authorizations");
  EXPECT_EQ(world.server.body(0),
            boost::json::parse(R"({"name":"step-42","capabilities":["proxy:call","connections:read"],
    "connections":["billing","crm"],"hosts":["api.stripe.com"],"methods":["GET","HEAD"],"default_for":["api.stripe.com"],
    "project":"proj_1","expires":"2030-03-17T18:46:40Z"})"));
}

TEST(Tokens, create_without_limits_leaves_them_to_the_api) {
  World world;
  world.server.answer(201, kToken);
  EXPECT_EQ(world.run({"authorizations", "create", "--name", "n"}), 0) << world.err.str();
  EXPECT_EQ(world.server.body(0), boost::json::parse(R"({"name":"n"})"));
}

TEST(Tokens, create_takes_paths_a_budget_and_the_run) {
  World world;
  world.server.answer(201, kToken);
  EXPECT_EQ(world.run({"tokens", "create", "--paths", "/v1,/v2/x", "--budget-total", "1000", "--budget-writes", "0",
                       "--run", "nightly 7"}),
            0)
      << world.err.str();
  EXPECT_EQ(world.server.body(0),
            boost::json::parse(R"({"paths":["/v1","/v2/x"],"budget":{"total":1000,"writes":0},"run":"nightly 7"})"));
  EXPECT_EQ(world.run({"tokens", "create", "--budget-total", "-1"}), 2);
  EXPECT_EQ(world.run({"tokens", "create", "--budget-writes", "many"}), 2);
  EXPECT_EQ(world.server.requests.size(), 1u);
}

TEST(Tokens, list_filters_by_run_and_shows_what_is_left_of_budgets_in_the_table_alone) {
  constexpr const char* kTwo = R"({"data":[
      {"id":"tok_1","budget":{"total":100,"writes":5},"spent":{"total":12,"writes":5},"expires":"2030-01-01T00:00:00Z"},
      {"id":"tok_2","budget":{"writes":7},"spent":null},{"id":"tok_3","budget":null}],"cursor":null,"hasMore":false})";
  World world;
  world.server.answer(200, kTwo);
  EXPECT_EQ(world.run({"tokens", "list", "--run", "a b", "--status", "active"}), 0) << world.err.str();
  EXPECT_THAT(world.server.line(0), HasSubstr("run=a%20b&status=active"));
  EXPECT_THAT(world.out.str(), HasSubstr("88, 0 writes"));
  EXPECT_THAT(world.out.str(), HasSubstr("7 writes"));
  EXPECT_THAT(world.out.str(), HasSubstr("2030-01-01T00:00:00Z"));
  World json;
  json.server.answer(200, kTwo);
  EXPECT_EQ(json.run({"tokens", "list", "-o", "json"}), 0) << json.err.str();
  EXPECT_THAT(json.out.str(), Not(HasSubstr("left")));
}

TEST(Tokens, show_names_one) {
  World world;
  world.server.answer(200, R"({"id":"tok_1","run":"nightly"})");
  EXPECT_EQ(world.run({"tokens", "show", "tok_1"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /api/v1/authorizations/tok_1");
  EXPECT_THAT(world.out.str(), HasSubstr("nightly"));
}

TEST(Tokens, introspect_sends_the_token_in_the_body_and_shows_it_nowhere) {
  World world;
  world.in.str("pst_secret\n");
  world.server.answer(200, R"({"active":true,"id":"tok_1"})");
  EXPECT_EQ(world.run({"tokens", "introspect", "--from-stdin"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "POST /api/v1/authorizations/introspect");
  EXPECT_EQ(world.server.body(0), boost::json::parse(R"({"token":"pst_secret"})"));
  EXPECT_THAT(world.out.str(), HasSubstr("true"));
  EXPECT_THAT(world.out.str() + world.err.str(), Not(HasSubstr("pst_")));
  EXPECT_EQ(world.run({"tokens", "introspect"}), 2);
}

TEST(Tokens, expiry_takes_spans_and_times_and_nothing_else) {
  EXPECT_EQ(expiry("90s", 0).value(), "1970-01-01T00:01:30Z");
  EXPECT_EQ(expiry("2d", 0).value(), "1970-01-03T00:00:00Z");
  EXPECT_EQ(expiry("2030-01-31T12:00:00Z", 0).value(), "2030-01-31T12:00:00Z");
  for (const char* text : {"", "1", "h", "-1h", "0h", "1y", "1h30m", "99999999999d", "9999999999999999999s", "soon"})
    EXPECT_FALSE(expiry(text, 0).has_value()) << text;
}

TEST(Tokens, default_for_takes_a_connection_with_its_host) {
  World world;
  world.server.answer(201, kToken);
  EXPECT_EQ(world.run({"tokens", "create", "--default-for", "billing=api.stripe.com,crm"}), 0) << world.err.str();
  EXPECT_EQ(world.server.body(0),
            boost::json::parse(R"({"default_for":[{"connection":"billing","host":"api.stripe.com"},"crm"]})"));
}

TEST(Tokens, revoke_ends_each_and_keeps_its_record) {
  World world;
  world.server.answer(200, R"({"id":"tok_1","status":"REVOKED"})");
  world.server.answer(404, "{}");
  EXPECT_EQ(world.run({"tokens", "revoke", "tok_1", "tok_2"}), 3);
  EXPECT_EQ(world.server.line(0), "POST /api/v1/authorizations/tok_1/revoke");
  EXPECT_EQ(world.out.str(), "revoked tok_1\n");
}

TEST(Exec, runs_with_an_authorization_that_is_revoked_at_the_end) {
  World world;
  world.around.environment = {{"PATH", "/bin"},
                              {"POSTERN_TOKEN_FILE", "/t"},
                              {"POSTERN__LISTEN__PROXY", "x"},
                              {"no_proxy", "internal"},
                              {"https_proxy", "http://other"},
                              {"ALL_PROXY", "socks5://other"},
                              {"http_proxy", "http://old"}};
  world.child_code = 130;
  world.server.answer(200, kStatus);
  world.server.answer(200, R"({"id":"conn_1"})");
  world.server.answer(201, kToken);
  world.server.answer(204);
  EXPECT_EQ(world.run({"exec", "-c", "stripe", "--", "curl", "-c", "--", "x", "--config"}), 130) << world.err.str();
  EXPECT_EQ(world.server.line(1), "GET /api/v1/connections/stripe");
  EXPECT_EQ(
      world.server.body(2),
      boost::json::parse(
          R"({"name":"exec","capabilities":["proxy:call"],"connections":["conn_1"],"expires":"2030-03-18T17:46:40Z","run":"curl"})"));
  EXPECT_EQ(world.server.line(3), "DELETE /api/v1/authorizations/tok_1");
  EXPECT_EQ(world.command, (std::vector<std::string>{"curl", "-c", "--", "x", "--config"}));
  const std::string url = "http://stripe:pst_secret@127.0.0.1:8480";
  const std::string loopback = "localhost,127.0.0.1,::1,[::1]";
  EXPECT_EQ(world.child_environment, (Environment{{"PATH", "/bin"},
                                                  {"http_proxy", url},
                                                  {"HTTP_PROXY", url},
                                                  {"no_proxy", loopback},
                                                  {"NO_PROXY", loopback},
                                                  {"NODE_USE_ENV_PROXY", "1"},
                                                  {"JAVA_TOOL_OPTIONS",
                                                   "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=8480 "
                                                   "-Dhttp.nonProxyHosts=localhost|127.*|[::1]"}}));
  EXPECT_EQ(world.out.str() + world.err.str(), "");
}

TEST(Exec, is_of_the_run_that_is_named_or_else_of_the_program_without_its_folder_and_arguments) {
  for (const auto& [arguments, run] :
       {std::pair<std::vector<std::string>, const char*>({"exec", "--", "/usr/bin/curl", "pst_x"}, "curl"),
        {{"exec", "--run", "nightly-7", "--", "/usr/bin/curl"}, "nightly-7"}}) {
    World world;
    world.server.answer(200, kStatus);
    world.server.answer(201, kToken);
    world.server.answer(204);
    EXPECT_EQ(world.run(arguments), 0) << world.err.str();
    EXPECT_EQ(world.server.body(1).at("run"), run);
  }
}

TEST(Exec, without_a_connection_may_use_every_one) {
  World world;
  world.server.answer(200, kStatus);
  world.server.answer(201, kToken);
  world.server.answer(204);
  EXPECT_EQ(world.run({"exec", "--hosts", "a.example,b.example", "--", "true"}), 0) << world.err.str();
  EXPECT_EQ(world.server.body(1).at("connections"), boost::json::parse(R"(["*"])"));
  EXPECT_EQ(world.server.body(1).at("hosts"), boost::json::parse(R"(["a.example","b.example"])"));
  EXPECT_EQ(world.child_environment.at("http_proxy"), "http://-:pst_secret@127.0.0.1:8480");
}

TEST(Exec, revokes_also_when_the_command_cannot_be_started) {
  World world;
  world.around.run_child = [](const auto&, const auto&) -> Result<int> {
    return fail(static_cast<Exit>(127), "exec: nope: not found");
  };
  world.server.answer(200, kStatus);
  world.server.answer(201, kToken);
  world.server.answer(204);
  EXPECT_EQ(world.run({"exec", "--", "nope"}), 127);
  EXPECT_EQ(world.server.line(2), "DELETE /api/v1/authorizations/tok_1");
}

TEST(Exec, keeps_the_commands_exit_code_when_revoking_fails) {
  World world;
  world.child_code = 7;
  world.server.answer(200, kStatus);
  world.server.answer(201, kToken);
  EXPECT_EQ(world.run({"exec", "--", "true"}), 7);
  EXPECT_THAT(world.err.str(), HasSubstr("tok_1: not revoked"));
  EXPECT_THAT(world.err.str(), Not(HasSubstr("pst_")));
}

TEST(Exec, an_unknown_connection_exits_3_and_mints_nothing) {
  World world;
  world.server.answer(200, kStatus);
  world.server.answer(404, "{}");
  EXPECT_EQ(world.run({"exec", "-c", "nope", "--", "true"}), 3);
  EXPECT_EQ(world.server.requests.size(), 2u);
  EXPECT_TRUE(world.command.empty());
}

TEST(Exec, without_a_command_exits_2) {
  World world;
  EXPECT_EQ(world.run({"exec", "-c", "stripe"}), 2);
  EXPECT_EQ(world.run({"exec", "-c", "stripe", "--"}), 2);
  EXPECT_EQ(world.run({"exec", "curl", "--", "x"}), 2);
  EXPECT_TRUE(world.server.requests.empty());
}

TEST(Exec, verbose_names_the_proxy_variables_it_removed) {
  World world;
  world.around.environment = {{"HTTPS_PROXY", "http://user:pass@other"}};
  world.server.answer(200, kStatus);
  world.server.answer(201, kToken);
  world.server.answer(204);
  EXPECT_EQ(world.run({"exec", "-v", "--", "true"}), 0);
  EXPECT_THAT(world.err.str(), HasSubstr("HTTPS_PROXY"));
  EXPECT_THAT(world.err.str(), Not(HasSubstr("pass")));
}

TEST(Env, a_dialled_address_is_never_the_wildcard) {
  EXPECT_EQ(dialled_address("0.0.0.0:1"), "127.0.0.1:1");
  EXPECT_EQ(dialled_address("[::]:1"), "[::1]:1");
  EXPECT_EQ(dialled_address("10.0.0.1:1"), "10.0.0.1:1");
}

TEST(Server, a_remote_one_gets_the_token_of_its_file) {
  World world;
  const std::string file = testing::TempDir() + "postern_cli_token";
  std::ofstream(file) << "pst_admin\n";
  world.around.environment["POSTERN_TOKEN_FILE"] = file;
  world.server.answer(200, R"({"data":[],"hasMore":false})");
  EXPECT_EQ(world.run({"connections", "list", "--server", "https://postern.example"}), 0) << world.err.str();
  EXPECT_EQ(world.server.dialled.at(0).host, "postern.example");
  EXPECT_EQ(world.server.dialled.at(0).port, "443");
  EXPECT_TRUE(world.server.dialled.at(0).tls);
  EXPECT_EQ(world.server.requests.at(0).fields.at(0),
            (std::pair<std::string, std::string>("Authorization", "Bearer pst_admin")));
  std::remove(file.c_str());
}

TEST(Server, a_remote_one_is_asked_which_field_a_bare_secret_is) {
  World world;
  const std::string file = testing::TempDir() + "postern_cli_token_2";
  std::ofstream(file) << "pst_admin";
  world.in.str("s3cret\n");
  world.server.answer(200, R"({"id":"own","title":"Own","base_url":null,"hosts":["own.example"],"fields":{},"auth":{
      "key":{"type":"API_KEY","title":"Key","fields":{"theKey":{"title":"Key","secret":true,"required":true}}}}})");
  world.server.answer(201, R"({"id":"conn_1","alias":"own","hosts":["own.example:443"]})");
  EXPECT_EQ(world.run({"connect", "own", "--from-stdin", "--server", "http://127.0.0.1:1", "--token-file", file}), 0)
      << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /api/v1/providers/own");
  EXPECT_EQ(world.server.body(1).at("value"), boost::json::parse(R"({"theKey":"s3cret"})"));
  EXPECT_THAT(world.out.str(), HasSubstr("curl http://own.example.postern.internal/\n"));
  std::remove(file.c_str());
}

TEST(Server, without_a_token_exits_2) {
  World world;
  EXPECT_EQ(world.run({"connections", "list", "--server", "http://127.0.0.1:1"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("POSTERN_TOKEN_FILE"));
}

TEST(Server, the_socket_gets_no_token_from_the_environment) {
  World world;
  world.around.environment["POSTERN_TOKEN_FILE"] = "/nonexistent";
  world.server.answer(200, R"({"data":[],"hasMore":false})");
  EXPECT_EQ(world.run({"connections", "list"}), 0) << world.err.str();
  EXPECT_TRUE(world.server.requests.at(0).fields.empty());
}

TEST(Status, is_0_when_ready_and_1_with_the_reason_when_not) {
  World world;
  world.server.answer(200, "{}");
  world.server.answer(200, R"({"version":"0.1.0"})");
  EXPECT_EQ(world.run({"status"}), 0);
  EXPECT_EQ(world.out.str(), "version  0.1.0\nready    true\n");
  World starting;
  starting.server.answer(503, R"({"detail":"vault is read-only"})");
  starting.server.answer(200, "{}");
  EXPECT_EQ(starting.run({"status"}), 1);
  EXPECT_THAT(starting.out.str(), HasSubstr("vault is read-only"));
}

}  // namespace
}  // namespace postern::cli::test
