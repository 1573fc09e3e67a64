// Arguments become requests, answers become text and exit codes.
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kMade =
    R"({"id":"conn_1","alias":"billing","app":"stripe","type":"API_KEY","status":"ACTIVE","name":"Billing","created":"2030-01-01T00:00:00Z"})";

TEST(Connections, create_sends_every_flag_and_the_value_from_stdin) {
  World world;
  world.in.str(R"({"apiKey":"sk_live_1"})");
  world.server.answer(201, kMade);
  EXPECT_EQ(
      world.run({"connections", "create",  "--app",   "stripe",    "--type",        "API_KEY", "--auth",    "api_key",
                 "--name",      "Billing", "--alias", "billing",   "--auth-config", "ac_1",    "--project", "proj_1",
                 "--scope",     "PROJECT", "--owner", "service",   "--end-user",    "u1",      "--tag",     "a",
                 "--tag",       "b",       "--set",   "region=eu", "--from-stdin",  "-q"}),
      0)
      << world.err.str();
  EXPECT_EQ(world.out.str(), "conn_1\n");
  EXPECT_EQ(world.server.line(0), "POST /api/v1/connections");
  EXPECT_EQ(world.server.body(0),
            boost::json::parse(R"({"app":"stripe","type":"API_KEY","auth":"api_key","name":"Billing",
    "alias":"billing","authConfig":"ac_1","project":"proj_1","scope":"PROJECT","owner":"service","endUser":"u1",
    "tags":["a","b"],"config":{"region":"eu"},"value":{"apiKey":"sk_live_1"}})"));
  EXPECT_EQ(world.server.dialled.at(0).socket, "/run/state/admin.sock");
}

TEST(Connections, create_needs_no_secret_where_the_auth_config_is_all_there_is) {
  World world;
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"connections", "create", "--app", "acme", "--type", "OAUTH2_CLIENT_CREDENTIALS", "--auth-config",
                       "ac_1", "-q"}),
            0)
      << world.err.str();
  EXPECT_FALSE(world.server.body(0).contains("value"));
  EXPECT_EQ(World().run({"connections", "create", "--app", "stripe"}), 2) << "nothing to store";
}

TEST(Connections, create_takes_a_bare_secret_without_its_line_end) {
  World world;
  world.in.str("sk_live_1\r\n");
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-stdin"}), 0) << world.err.str();
  EXPECT_EQ(world.server.body(0).at("value"), boost::json::parse(R"({"apiKey":"sk_live_1"})"));
  EXPECT_THAT(world.out.str(), Not(HasSubstr("sk_live")));
}

TEST(Connections, create_refuses_a_bare_secret_where_two_are_wanted) {
  World world;
  world.in.str("hunter2");
  EXPECT_EQ(world.run({"connections", "create", "--app", "shop", "--type", "CUSTOM", "--from-stdin"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("\"password\": …, \"key\": …"));
  EXPECT_THAT(world.err.str(), Not(HasSubstr("hunter2")));
  EXPECT_TRUE(world.server.requests.empty());
}

TEST(Connections, create_refuses_broken_json_without_repeating_it) {
  World world;
  world.in.str(R"({"apiKey":"sk_live_1")");
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-stdin"}), 1);
  EXPECT_THAT(world.err.str(), Not(HasSubstr("sk_live_1")));
}

TEST(Connections, create_refuses_a_key_that_is_given_twice) {
  World world;
  world.in.str(R"({"apiKey":"sk_canary1","apiKey":"sk_canary2"})");
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-stdin"}), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("the key 'apiKey' is there twice"));
  EXPECT_THAT(world.err.str(), Not(HasSubstr("canary")));
  EXPECT_EQ(world.run({"connections", "update", "x", "--config-json", R"({"a":1,"a":2})"}), 2);
  EXPECT_EQ(world.run({"connections", "update", "x", "--set", R"(a={"b":1,"b":2})"}), 2);
  EXPECT_TRUE(world.server.requests.empty());
}

TEST(Connections, create_takes_the_secret_from_a_variable_or_a_file) {
  World world;
  world.around.environment["KEY"] = "from-env";
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-env", "KEY"}), 0) << world.err.str();
  EXPECT_EQ(world.server.body(0).at("value").at("apiKey"), "from-env");
  const std::string file = testing::TempDir() + "postern_cli_secret";
  std::ofstream(file) << "from-file\n";
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-file", file}), 0) << world.err.str();
  EXPECT_EQ(world.server.body(1).at("value").at("apiKey"), "from-file");
  std::remove(file.c_str());
}

TEST(Connections, create_wants_exactly_one_source) {
  World world;
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe"}), 2);
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-stdin", "--from-env", "X"}), 2);
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-env", "ABSENT"}), 1);
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-file", "/nonexistent/x"}), 1);
  EXPECT_TRUE(world.server.requests.empty());
}

TEST(Connections, config_takes_json_and_single_variables) {
  World world;
  world.in.str("{\"token\":\"t\"}");
  world.server.answer(201, kMade);
  EXPECT_EQ(
      world.run({"connections", "create", "--app", "http", "--type", "BEARER", "--config-json",
                 R"({"hosts":["a.example"]})", "--set", "inject=[{\"header\":\"X\"}]", "--set", "n=1", "--from-stdin"}),
      0)
      << world.err.str();
  EXPECT_EQ(world.server.body(0).at("config"),
            boost::json::parse(R"({"hosts":["a.example"],"inject":[{"header":"X"}],"n":"1"})"));
  EXPECT_EQ(world.run({"connections", "create", "--app", "http", "--config-json", "[]", "--from-stdin"}), 2);
}

TEST(Connections, a_problem_shows_its_detail_and_each_pointer) {
  World world;
  world.in.str("{}");
  world.server.answer(400, R"({"title":"Invalid request","detail":"two fields are wrong","errors":[
      {"pointer":"/value/apiKey","message":"is missing"},{"pointer":"/config","message":"unknown key"}]})");
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-stdin"}), 1);
  EXPECT_EQ(world.err.str(),
            "postern: Invalid request: /value/apiKey: is missing; /config: unknown key; two fields are wrong\n");
}

TEST(Connections, a_detail_that_repeats_its_only_mistake_is_said_once) {
  World world;
  world.in.str("{}");
  world.server.answer(400, R"({"title":"T","code":"already-there","detail":"is missing",
      "errors":[{"pointer":"/app","message":"is missing"}]})");
  EXPECT_EQ(world.run({"connections", "create", "--app", "stripe", "--from-stdin"}), 1);
  EXPECT_EQ(world.err.str(), "postern: T: /app: is missing\n");
}

TEST(Connections, the_fields_of_an_invalid_request_are_told_once_with_their_place_first) {
  World world;
  world.server.answer(400, R"({"title":"Invalid","code":"invalid-request","detail":"It is ACTIVE or ERROR.",
      "errors":[{"parameter":"status","message":"It is ACTIVE or ERROR."}]})");
  EXPECT_EQ(world.run({"connections", "list", "--status", "x"}), 1);
  EXPECT_EQ(world.err.str(), "postern: Invalid: status: It is ACTIVE or ERROR.\n");
  World several;
  several.in.str("{}");
  several.server.answer(400, R"({"title":"Invalid","code":"invalid-request",
      "detail":"Correct the fields that `errors` names.",
      "errors":[{"pointer":"/app","message":"Is missing."},{"pointer":"","message":"There is no such field here."}]})");
  EXPECT_EQ(several.run({"connections", "create", "--app", "stripe", "--from-stdin"}), 1);
  EXPECT_EQ(several.err.str(), "postern: Invalid: /app: Is missing. There is no such field here.\n");
}

TEST(Connections, show_says_each_thing_once) {
  World world;
  world.server.answer(
      200, R"({"id":"conn_1","app":"stripe","provider":"stripe","created":"c","createdAt":"c","a":{"b":["x"]}})");
  EXPECT_EQ(world.run({"connections", "show", "billing"}), 0);
  EXPECT_EQ(world.out.str(), "id       conn_1\napp      stripe\ncreated  c\na.b      x\n");
}

TEST(Connections, statuses_become_exit_codes) {
  for (const auto& [status, code] :
       std::vector<std::pair<int, int>>{{404, 3}, {401, 4}, {403, 4}, {400, 1}, {409, 1}, {503, 1}}) {
    World world;
    world.server.answer(status, "not even JSON");
    EXPECT_EQ(world.run({"connections", "show", "billing"}), code) << status;
  }
  World nobody;
  EXPECT_EQ(nobody.run({"connections", "show", "billing"}), 5);
}

TEST(Connections, list_is_an_aligned_table_over_every_page) {
  World world;
  world.server.answer(
      200,
      R"({"data":[{"id":"conn_1","alias":"a","app":"stripe","type":"API_KEY","status":"ACTIVE","name":"Müller","created":"c1"}],"cursor":"n x","hasMore":true})");
  world.server.answer(
      200,
      R"({"data":[{"id":"conn_22","alias":"bb","app":"shop","type":"BASIC","status":"ERROR","name":null}],"cursor":null,"hasMore":false})");
  EXPECT_EQ(world.run({"connections", "list", "--app", "x&y", "--status", "ACTIVE", "--tag", "t", "--end-user", "u",
                       "--search", "s"}),
            0);
  EXPECT_EQ(world.server.line(0),
            "GET /api/v1/connections?limit=100&provider=x%26y&status=ACTIVE&tag=t&endUser=u&search=s");
  EXPECT_EQ(world.server.line(1),
            "GET /api/v1/connections?limit=100&provider=x%26y&status=ACTIVE&tag=t&endUser=u&search=s&cursor=n%20x");
  EXPECT_EQ(world.out.str(),
            "ID       ALIAS  APP     TYPE     STATUS  NAME    CREATED\n"
            "conn_1   a      stripe  API_KEY  ACTIVE  Müller  c1\n"
            "conn_22  bb     shop    BASIC    ERROR   -       -\n");
}

TEST(Connections, list_stops_at_its_limit) {
  World world;
  world.server.answer(200, R"({"data":[{"id":"conn_1"},{"id":"conn_2"}],"cursor":"c","hasMore":true})");
  EXPECT_EQ(world.run({"connections", "list", "--limit", "2", "-q"}), 0);
  EXPECT_EQ(world.server.line(0), "GET /api/v1/connections?limit=2");
  EXPECT_EQ(world.out.str(), "conn_1\nconn_2\n");
}

TEST(Connections, ids_are_encoded_into_the_path) {
  World world;
  world.server.answer(204);
  EXPECT_EQ(world.run({"connections", "delete", "../authorizations/x"}), 0);
  EXPECT_EQ(world.server.line(0), "DELETE /api/v1/connections/..%2Fauthorizations%2Fx");
}

TEST(Connections, delete_asks_on_a_terminal_only) {
  World world;
  world.around.in_is_terminal = true;
  world.typed = {"n"};
  EXPECT_EQ(world.run({"connections", "delete", "billing"}), 1);
  EXPECT_TRUE(world.server.requests.empty());
  world.server.answer(204);
  world.typed = {"y"};
  EXPECT_EQ(world.run({"connections", "delete", "billing"}), 0);
  world.server.answer(204);
  EXPECT_EQ(world.run({"connections", "delete", "billing", "--yes"}), 0);
  EXPECT_EQ(world.questions.size(), 2u);
}

TEST(Connections, update_sends_only_what_was_named) {
  World world;
  world.server.answer(200, kMade);
  EXPECT_EQ(world.run({"connections", "update", "billing", "--name", "New", "--disable"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "PATCH /api/v1/connections/billing");
  EXPECT_EQ(world.server.body(0), boost::json::parse(R"({"name":"New","enabled":false})"));
  EXPECT_EQ(world.run({"connections", "update", "billing"}), 2);
}

TEST(Connections, rotate_reads_which_field_a_bare_secret_is_from_the_stored_connection) {
  World world;
  world.in.str("sk_live_2\n");
  world.server.answer(200, R"({"id":"conn_1","app":"stripe","auth":"api_key","type":"API_KEY"})");
  world.server.answer(200, kMade);
  EXPECT_EQ(world.run({"connections", "rotate", "billing", "--from-stdin", "-q"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /api/v1/connections/billing");
  EXPECT_EQ(world.server.line(1), "POST /api/v1/connections/billing/rotate");
  EXPECT_EQ(world.server.body(1), boost::json::parse(R"({"value":{"apiKey":"sk_live_2"}})"));
  EXPECT_EQ(world.run({"connections", "rotate", "billing"}), 2);
}

TEST(Connections, rotate_says_whether_to_try_it_and_how_long_the_old_one_is_kept) {
  World world;
  world.around.environment["NEW"] = R"({"apiKey":"sk_live_2"})";
  world.server.answer(200, kMade);
  EXPECT_EQ(world.run({"connections", "rotate", "billing", "--from-env", "NEW", "--no-test", "--keep-old", "1h"}), 0)
      << world.err.str();
  EXPECT_EQ(world.server.body(0),
            boost::json::parse(R"({"value":{"apiKey":"sk_live_2"},"test":false,"keepOld":"1h"})"));
  world.server.answer(200, kMade);
  EXPECT_EQ(world.run({"connections", "rotate", "billing", "--undo"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(1), "POST /api/v1/connections/billing/rotate");
  EXPECT_EQ(world.server.body(1), boost::json::parse(R"({"undo":true})"));
  EXPECT_EQ(world.run({"connections", "rotate", "billing", "--undo", "--keep-old", "1h"}), 2);
  EXPECT_EQ(world.run({"connections", "rotate", "billing", "--undo", "--from-env", "NEW"}), 2);
  EXPECT_EQ(world.server.requests.size(), 2u);
}

TEST(Connections, list_filters_by_what_the_api_filters_by) {
  World world;
  world.server.answer(200, R"({"data":[],"hasMore":false})");
  EXPECT_EQ(world.run({"connections", "list", "--auth-config", "ac_1", "--owner", "ada", "--scope", "PERSONAL"}), 0);
  EXPECT_EQ(world.server.line(0), "GET /api/v1/connections?limit=100&authConfig=ac_1&owner=ada&scope=PERSONAL");
}

TEST(Connect, asks_for_the_secret_without_echo_and_says_what_to_type_next) {
  World world;
  world.around.in_is_terminal = true;
  world.typed = {"sk_live_1"};
  world.server.answer(200);  // livez
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"connect", "stripe", "--alias", "billing"}), 0) << world.err.str();
  EXPECT_EQ(world.echoed, std::vector<bool>{false});
  EXPECT_EQ(world.questions.at(0), "Stripe: Secret key: ");
  EXPECT_EQ(
      world.server.body(1),
      boost::json::parse(
          R"({"app":"stripe","type":"API_KEY","auth":"api_key","name":"Stripe","alias":"billing","value":{"apiKey":"sk_live_1"}})"));
  EXPECT_EQ(world.out.str(),
            "connected stripe as conn_1 (alias billing)\n"
            "Next: postern exec -c billing -- curl http://api.stripe.com.postern.internal/v1/balance\n");
}

TEST(Connect, asks_for_names_with_echo_and_for_variables_first) {
  World world;
  world.around.in_is_terminal = true;
  world.typed = {"acme", "hunter2", "ann"};
  world.server.answer(200);  // livez
  world.server.answer(201, R"({"id":"conn_1","alias":"shop","hosts":["acme.shop.example:8443"]})");
  EXPECT_EQ(world.run({"connect", "shop", "--auth", "basic"}), 0) << world.err.str();
  EXPECT_EQ(world.echoed, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(world.server.body(1).at("config"), boost::json::parse(R"({"subdomain":"acme"})"));
  EXPECT_EQ(world.server.body(1).at("value"), boost::json::parse(R"({"password":"hunter2","username":"ann"})"));
  EXPECT_THAT(world.out.str(), HasSubstr("curl http://acme.shop.example.postern.internal:8443/\n"));
}

TEST(Connect, asks_nothing_when_there_is_no_daemon) {
  World world;
  world.around.in_is_terminal = true;
  EXPECT_EQ(world.run({"connect", "stripe"}), 5);
  EXPECT_TRUE(world.questions.empty());
}

TEST(Connect, refuses_to_ask_without_a_terminal) {
  World world;
  EXPECT_EQ(world.run({"connect", "stripe"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("--from-stdin"));
  EXPECT_TRUE(world.questions.empty());
}

TEST(Connect, takes_the_secret_from_stdin_without_a_terminal) {
  World world;
  world.in.str("sk_live_1\n");
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"connect", "stripe", "--from-stdin", "-q"}), 0) << world.err.str();
  EXPECT_EQ(world.out.str(), "conn_1\n");
}

TEST(Connect, wants_a_choice_where_several_entries_fit) {
  World world;
  world.in.str("x");
  EXPECT_EQ(world.run({"connect", "shop", "--from-stdin"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("choose with --auth: basic (BASIC), custom (CUSTOM), oauth (OAUTH2)"));
}

TEST(Connect, says_that_oauth_is_not_served_yet) {
  World world;
  world.in.str("x");
  EXPECT_EQ(world.run({"connect", "shop", "--auth", "oauth", "--from-stdin"}), 1);
  EXPECT_TRUE(world.server.requests.empty());
}

TEST(Connect, unknown_providers_exit_3) {
  World world;
  world.in.str("x");
  EXPECT_EQ(world.run({"connect", "stripee", "--from-stdin"}), 3);
}

}  // namespace
}  // namespace postern::cli::test
