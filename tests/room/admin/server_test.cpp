// Listeners, probes, framing bounds, who may come in.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "client.hpp"

namespace postern::admin {
namespace {

using testing::HasSubstr;

TEST_F(AdminRoom, answers_probes_without_a_token_on_both_listeners) {
  for (const auto* path : {"/livez", "/readyz", "/startupz"}) {
    EXPECT_EQ(call("GET", path, "", "").status, 200) << path;
    Wire health(server->health_address(), "health");
    health.send(std::string("GET ") + path + " HTTP/1.1\r\nHost: any.name\r\n\r\n");
    EXPECT_EQ(health.receive().status, 200) << path;
  }
  EXPECT_EQ(call("POST", "/livez", "", "").status, 405);
}

TEST_F(AdminRoom, says_what_is_not_ready_and_stays_started) {
  missing = {"listener: not bound"};
  EXPECT_EQ(call("GET", "/startupz", "", "").status, 503);
  auto reply = call("GET", "/readyz", "", "");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.code(), "not-ready");
  EXPECT_THAT(reply.body, HasSubstr("listener: not bound"));
  EXPECT_EQ(call("GET", "/livez", "", "").status, 200);
  missing.clear();
  EXPECT_EQ(call("GET", "/startupz", "", "").status, 200);
  missing = {"vault: read only"};
  EXPECT_EQ(call("GET", "/startupz", "", "").status, 200);
  EXPECT_EQ(call("GET", "/readyz", "", "").status, 503);
}

TEST_F(AdminRoom, shows_metrics_openly_on_health_only) {
  EXPECT_EQ(call("GET", "/metrics", "", "").status, 401);
  EXPECT_EQ(call("GET", "/metrics", "", make_token({.capabilities = {"proxy:call"}, .connections = {}})).status, 403);
  const auto reply = call("GET", "/metrics", "", make_token({.capabilities = {"metrics:read"}, .connections = {}}));
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr("# TYPE postern_requests_total counter"));
  Wire health(server->health_address(), "health");
  health.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(health.receive().status, 200);
  EXPECT_EQ(health.receive().status, 404);
}

TEST_F(AdminRoom, puts_security_fields_on_every_answer) {
  for (const auto& reply : {call("GET", "/livez", "", ""), call("GET", "/api/v1/self", "", "")}) {
    EXPECT_EQ(reply.fields.at("cache-control"), "no-store");
    EXPECT_EQ(reply.fields.at("x-content-type-options"), "nosniff");
    EXPECT_FALSE(reply.fields.contains("server"));
  }
}

TEST_F(AdminRoom, asks_for_a_token_and_says_so) {
  for (const auto* token : {"pst_wrong", "Zm9v"})
    EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 401) << token;
  const auto reply = call("GET", "/api/v1/self", "", "");
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(reply.code(), "unauthenticated");
  EXPECT_EQ(reply.fields.at("www-authenticate"), "Bearer realm=\"postern\"");
  EXPECT_EQ(reply.fields.at("content-type"), "application/problem+json");
  EXPECT_EQ(reply.text("type"), "urn:postern:problem:unauthenticated");
  EXPECT_TRUE(reply.text("instance").starts_with("req_"));
  EXPECT_FALSE(reply.object().at("retryable").as_bool());
  EXPECT_EQ(call("GET", "/api/v1/self", "", "", {{"Authorization", "Basic " + admin}}).status, 401);
  EXPECT_EQ(call("GET", "/api/v1/self", "", "*", {{"Authorization", "Bearer " + admin}}).status, 401);
}

TEST_F(AdminRoom, refuses_a_token_when_its_time_is_over) {
  const auto token = make_token({.capabilities = {"*"}, .connections = {"*"}});
  EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 200);
  now += 3'600'000;
  EXPECT_EQ(call("GET", "/api/v1/self", "", token).status, 401);
}

TEST_F(AdminRoom, takes_the_daemons_own_user_on_the_socket_as_administrator) {
  const auto reply = over_socket("GET", "/api/v1/self");
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.text("kind"), "socket");
  EXPECT_TRUE(reply.object().at("system").as_bool());
  struct stat file{};
  ASSERT_EQ(::lstat((state / "admin.sock").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST_F(AdminRoom, refuses_users_on_the_socket_that_are_not_named) {
  settings.socket_uids = {::getuid() + 1};
  // Root is always one; the check itself is then seen in the unit test.
  EXPECT_EQ(over_socket("GET", "/api/v1/self").status, ::getuid() == 0 ? 200 : 403);
}

TEST_F(AdminRoom, replaces_a_stale_socket_file_but_not_a_live_one) {
  EXPECT_FALSE(start(deps()).has_value());  // ours answers there
  server.reset();
  EXPECT_FALSE(std::filesystem::exists(state / "admin.sock"));
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  (state / "admin.sock").native().copy(at.sun_path, sizeof at.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ::close(fd);  // left behind, as by a crash
  start_server();
  EXPECT_EQ(over_socket("GET", "/livez").status, 200);
}

TEST_F(AdminRoom, says_what_is_wrong_when_it_cannot_listen) {
  settings.listen.admin = server->address();
  settings.state = state / "other";
  const auto second = start(deps());
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), HasSubstr(settings.listen.admin));
  settings.listen.admin = "0.0.0.0:0";
  const auto open = start(deps());
  ASSERT_FALSE(open.has_value());
  EXPECT_THAT(open.error(), HasSubstr("insecure_listen"));
  settings.listen.admin = "nonsense";
  EXPECT_FALSE(start(deps()).has_value());
}

TEST_F(AdminRoom, keeps_web_pages_out) {
  const std::vector<Fields> attacks = {
      {{"Host", "evil.test"}},           {{"Host", "evil.test:8481"}},   {{"Host", "localhost:1"}},
      {{"Origin", "http://evil.test"}},  {{"Origin", "null"}},           {{"Sec-Fetch-Site", "cross-site"}},
      {{"Sec-Fetch-Site", "same-site"}}, {{"Sec-Fetch-Mode", "no-cors"}}};
  for (const auto& attack : attacks) {
    const auto reply = call("GET", "/api/v1/self", "", "*", attack);
    EXPECT_EQ(reply.status, 403) << attack.front().first << ": " << attack.front().second;
    EXPECT_EQ(reply.code(), "browser-request-refused");
  }
  for (const auto* type : {"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"}) {
    EXPECT_EQ(call("POST", "/api/v1/connections", "a=b", "*", {{"Content-Type", type}}).status, 403) << type;
  }
}

TEST_F(AdminRoom, answers_to_its_own_names) {
  settings.public_url = "https://postern.example";
  const auto port = server->address().substr(server->address().rfind(':'));
  const std::vector<Fields> fine = {{{"Host", "localhost" + port}},
                                    {{"Host", "[::1]" + port}},
                                    {{"Host", "postern.example"}},
                                    {{"Origin", "https://postern.example"}},
                                    {{"Origin", "http://127.0.0.1" + port}},
                                    {{"Sec-Fetch-Site", "same-origin"}},
                                    {{"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Mode", "cors"}}};
  for (const auto& one : fine)
    EXPECT_EQ(call("GET", "/api/v1/self", "", "*", one).status, 200) << one.front().first << ": " << one.front().second;
}

TEST_F(AdminRoom, bounds_what_it_reads) {
  const auto large = call("POST", "/api/v1/connections", std::string(1024 * 1024 + 1, ' '));
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.code(), "body-too-large");
  EXPECT_TRUE(large.closed);
  const auto head = call("GET", "/livez", "", "", {{"X-Long", std::string(20'000, 'a')}});
  EXPECT_EQ(head.status, 431);
  EXPECT_EQ(call("GET", "/livez", "", "", {{"Expect", "200-ok"}}).status, 417);
}

TEST_F(AdminRoom, refuses_bad_framing_and_closes) {
  const std::string host = "Host: " + server->address() + "\r\n";
  for (const std::string text :
       {"GET /livez\r\n\r\n", "BAD\x01 / HTTP/1.1\r\n\r\n", "GET http://evil/ HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    Wire wire(server->address());
    wire.send(text);
    const auto reply = wire.receive();
    EXPECT_EQ(reply.status, 400) << text;
    EXPECT_EQ(reply.code(), "malformed-request") << text;
  }
  for (const std::string fields : {"Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
                                   "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Host: other\r\n"}) {
    Wire wire(server->address());
    wire.send("POST /api/v1/connections HTTP/1.1\r\n" + host + fields + "\r\n0\r\n\r\n");
    EXPECT_EQ(wire.receive().status, 400) << fields;
  }
  Wire none(server->address());
  none.send("GET /livez HTTP/1.1\r\n\r\n");
  EXPECT_EQ(none.receive().status, 400);
}

TEST_F(AdminRoom, keeps_connections_alive_and_sends_continue) {
  Wire wire(server->address());
  for (int i = 0; i < 3; ++i) {
    wire.send(request("GET", "/livez"));
    EXPECT_EQ(wire.receive().status, 200);
  }
  const std::string body = R"({"name":"x"})";
  wire.send("POST /api/v1/connections HTTP/1.1\r\nHost: " + server->address() + "\r\nAuthorization: Bearer " + admin +
            "\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_EQ(wire.receive().status, 100);
  wire.send(body);
  EXPECT_EQ(wire.receive().status, 400);
  wire.send("GET /livez HTTP/1.0\r\nHost: " + server->address() + "\r\n\r\n");
  EXPECT_EQ(wire.receive().status, 200);
  EXPECT_TRUE(wire.ended());
}

TEST_F(AdminRoom, answers_head_without_a_body) {
  Wire wire(server->address());
  wire.send(request("HEAD", "/livez") + request("GET", "/livez"));
  EXPECT_EQ(wire.receive(false).status, 200);
  EXPECT_EQ(wire.receive().body, R"({"status":"ok"})");
}

TEST_F(AdminRoom, turns_the_257th_connection_away) {
  std::vector<std::unique_ptr<Wire>> open;
  for (int i = 0; i < 256; ++i) {
    open.push_back(std::make_unique<Wire>(server->address()));
    open.back()->send(request("GET", "/livez"));
    ASSERT_EQ(open.back()->receive().status, 200);
  }
  Wire more(server->address());
  const auto reply = more.receive();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.code(), "overloaded");
  Wire health(server->health_address(), "health");  // probes have their own room
  health.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(health.receive().status, 200);
}

TEST_F(AdminRoom, knows_its_paths_and_methods) {
  for (const auto* path : {"/api/v1/nothing", "/api/v1/connections/", "/api/v1/connections/a/b", "/api/v1", "/", "/x"})
    EXPECT_EQ(call("GET", path).status, 404) << path;
  const auto reply = call("PUT", "/api/v1/connections");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.fields.at("allow"), "GET, HEAD, POST");
  EXPECT_EQ(call("GET", "/api/v1/connections/x/rotate").fields.at("allow"), "POST");
  EXPECT_EQ(call("GET", "/api/v1/nothing", "", "").status, 401);
}

TEST_F(AdminRoom, shows_status_self_and_the_contract) {
  const auto status = call("GET", "/api/v1/status");
  EXPECT_EQ(status.status, 200);
  EXPECT_EQ(status.text("pseudonym"), "postern-" + vault->id());
  EXPECT_EQ(status.text("admin"), server->address());
  EXPECT_EQ(status.object().at("proxy").as_array().at(0), "127.0.0.1:8480");
  const auto contract = call("GET", "/api/v1/openapi.yaml");
  EXPECT_EQ(contract.status, 200);
  EXPECT_TRUE(contract.body.starts_with("openapi: 3.1.0\n"));
  EXPECT_EQ(call("GET", "/api/v1/openapi.yaml", "", "").status, 401);
  const auto made = create(R"("alias":"mine")");
  const auto token = make_token({.capabilities = {"proxy:call"}, .connections = {made.text("id")}});
  const auto self = call("GET", "/api/v1/self", "", token);
  EXPECT_EQ(self.status, 200);
  EXPECT_EQ(self.text("id"), last_id);
  ASSERT_EQ(self.object().at("callable").as_array().size(), 1u);
  EXPECT_EQ(self.object().at("callable").as_array()[0].as_object().at("alias"), "mine");
  EXPECT_EQ(self.object().at("remaining"), 3600);
  EXPECT_TRUE(call("GET", "/api/v1/self").object().at("remaining").is_null());
  const auto reader = make_token({.capabilities = {"connections:read"}, .connections = {made.text("id")}});
  EXPECT_TRUE(call("GET", "/api/v1/self", "", reader).object().at("callable").as_array().empty())
      << "it may call nothing";
}

TEST_F(AdminRoom, lists_the_catalog) {
  const auto list = call("GET", "/api/v1/providers?limit=100&search=stripe");
  EXPECT_EQ(list.status, 200) << list.body;
  const auto one = call("GET", "/api/v1/providers/stripe");
  EXPECT_EQ(one.status, 200);
  EXPECT_EQ(one.text("id"), "stripe");
  EXPECT_FALSE(one.object().at("auth").as_object().empty());
  EXPECT_EQ(call("GET", "/api/v1/providers/nobody").status, 404);
  EXPECT_EQ(call("GET", "/api/v1/providers?sortBy=created").status, 400);
  EXPECT_EQ(
      call("GET", "/api/v1/providers", "", make_token({.capabilities = {"proxy:call"}, .connections = {}})).status,
      403);
}

}  // namespace
}  // namespace postern::admin
