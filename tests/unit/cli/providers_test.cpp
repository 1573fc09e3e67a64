// Imported providers: what is sent, what is fetched and from where, what a person is told.
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kDocument =
    "openapi: 3.1.0\ninfo: {title: Acme}\nservers: [{url: https://api.acme.example}]\n"
    "components: {securitySchemes: {k: {type: apiKey, in: header, name: X-K}}}\n";
constexpr const char* kMade =
    R"({"id":"acme","title":"Acme","enabled":false,"source":"IMPORTED","hosts":["api.acme.example"],
        "endpoints":["id.acme.example"],"mapped":[{"auth":"k","type":"API_KEY","schemes":["k"],"operations":3}],
        "unmapped":[{"place":"9:1","text":"d: http digest is not injected by this version"}],
        "remarks":[{"place":null,"text":"one thing"}],"entry":"id: acme\n","digest":"00","created":"2030-01-01T00:00:00Z"})";

TEST(Providers, import_sends_the_bytes_and_prints_hosts_and_the_next_step) {
  World world;
  world.in.str(kDocument);
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"providers", "import", "-", "--id", "acme", "--base-url", "https://acme.example/x", "--skip",
                       "d", "--confirm-endpoint", "id.acme.example"}),
            0)
      << world.err.str();
  EXPECT_EQ(world.server.line(0),
            "POST /api/v1/providers/import?file=stdin&id=acme&baseUrl=https%3A%2F%2Facme.example%2Fx&"
            "confirmEndpoint=id.acme.example&skip=d");
  EXPECT_EQ(world.server.requests.at(0).body, kDocument);
  EXPECT_THAT(world.server.requests.at(0).fields, testing::Contains(testing::Pair("Content-Type", "application/yaml")));
  for (const char* said : {"imported acme: Acme\n", "hosts that may see its secrets: api.acme.example\n",
                           "hosts that give out its tokens: id.acme.example\n", "  k  API_KEY  3 operations  k\n",
                           "d: http digest is not injected by this version  at 9:1\n", "  one thing\n",
                           "Look at it with 'postern providers show acme', then 'postern providers enable acme'."})
    EXPECT_THAT(world.out.str(), HasSubstr(said));
}

TEST(Providers, a_dry_run_and_other_formats_say_so) {
  World world;
  world.in.str(kDocument);
  world.server.answer(200, kMade);
  EXPECT_EQ(world.run({"providers", "import", "-", "--dry-run"}), 0);
  EXPECT_THAT(world.server.line(0), HasSubstr("dryRun=true"));
  EXPECT_THAT(world.out.str(), HasSubstr("would import acme"));
  EXPECT_THAT(world.out.str(), Not(HasSubstr("enable")));
  World quiet;
  quiet.in.str(kDocument);
  quiet.server.answer(201, kMade);
  EXPECT_EQ(quiet.run({"providers", "import", "-", "-q"}), 0);
  EXPECT_EQ(quiet.out.str(), "acme\n");
}

TEST(Providers, a_mistake_in_the_document_is_told_before_anything_is_sent) {
  World world;
  world.in.str("openapi: 3.1.0\na: 1\na: 2\n");
  EXPECT_EQ(world.run({"providers", "import", "-"}), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("import: stdin:3:1: duplicate key 'a'"));
  EXPECT_TRUE(world.server.requests.empty());
  EXPECT_EQ(World().run({"providers", "import", "/nowhere/at/all"}), 1);
}

TEST(Providers, a_url_is_fetched_by_the_cli_itself) {
  World world;
  world.server.answer(200, kDocument);
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"providers", "import", "https://docs.acme.example:8443/openapi.yaml?v=2"}), 0)
      << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /openapi.yaml?v=2");
  const Endpoint& from = world.server.dialled.at(0);
  EXPECT_TRUE(from.tls);
  EXPECT_EQ(from.host, "docs.acme.example");
  EXPECT_EQ(from.port, "8443");
  EXPECT_GT(from.patience.count(), 0);
  EXPECT_EQ(world.server.dialled.at(1).socket, "/run/state/admin.sock");
  EXPECT_THAT(world.server.line(1), HasSubstr("file=https%3A%2F%2Fdocs.acme.example%3A8443%2Fopenapi.yaml"));
}

TEST(Providers, a_redirect_is_named_and_not_followed) {
  World world;
  world.server.answers.push_back({302, {{"location", "https://other.example/x"}}, ""});
  EXPECT_EQ(world.run({"providers", "import", "https://docs.acme.example/x"}), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("it is elsewhere, at 'https://other.example/x'"));
  EXPECT_EQ(world.server.requests.size(), 1U);
}

TEST(Providers, only_a_whole_https_answer_is_taken) {
  EXPECT_EQ(World().run({"providers", "import", "http://docs.acme.example/x"}), 2);
  EXPECT_EQ(World().run({"providers", "import", "https://u:p@docs.acme.example/x"}), 2);
  World missing;
  missing.server.answer(404, "no");
  EXPECT_EQ(missing.run({"providers", "import", "https://docs.acme.example/x"}), 1);
  EXPECT_THAT(missing.err.str(), HasSubstr("status 404"));
  World large;
  large.server.answer(200, std::string((8U << 20) + 1, ' '));
  EXPECT_EQ(large.run({"providers", "import", "https://docs.acme.example/x"}), 1);
  EXPECT_THAT(large.err.str(), HasSubstr("larger than 8 MiB"));
}

constexpr const char* kOpenId =
    R"({"openapi":"3.1.0","info":{"title":"Acme"},"servers":[{"url":"https://api.acme.example"}],"components":
        {"securitySchemes":{"id":{"type":"openIdConnect","openIdConnectUrl":"https://id.acme.example/oidc"}}}})";

TEST(Providers, discovery_documents_are_fetched_and_sent_along) {
  World world;
  world.in.str(kOpenId);
  world.server.answer(200, R"({"issuer":"x"})");
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"providers", "import", "-"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /oidc");
  const auto body = world.server.body(1);
  EXPECT_EQ(body.at("document"), kOpenId);
  EXPECT_EQ(body.at("discovery").at("https://id.acme.example/oidc"), R"({"issuer":"x"})");
}

TEST(Providers, a_discovery_document_may_be_a_file) {
  const std::string file = testing::TempDir() + "postern_cli_discovery";
  std::ofstream(file) << "{}";
  World world;
  world.in.str(kOpenId);
  world.server.answer(201, kMade);
  EXPECT_EQ(world.run({"providers", "import", "-", "--discovery", file}), 0) << world.err.str();
  EXPECT_EQ(world.server.body(0).at("discovery").at("https://id.acme.example/oidc"), "{}");
  std::remove(file.c_str());
  World failing;
  failing.in.str(kOpenId);
  EXPECT_EQ(failing.run({"providers", "import", "-"}), 5);
  EXPECT_THAT(failing.err.str(), HasSubstr("--discovery FILE, or leave the scheme out with --skip NAME"));
}

TEST(Providers, enable_disable_and_delete_are_one_call_each) {
  World world;
  world.server.answer(200, kMade);
  world.server.answer(200, kMade);
  world.server.answer(204);
  EXPECT_EQ(world.run({"providers", "enable", "acme"}), 0);
  EXPECT_EQ(world.run({"providers", "disable", "acme"}), 0);
  EXPECT_EQ(world.run({"providers", "delete", "acme"}), 0);
  EXPECT_EQ(world.server.line(0), "PATCH /api/v1/providers/acme");
  EXPECT_EQ(world.server.requests.at(0).body, R"({"enabled":true})");
  EXPECT_EQ(world.server.requests.at(1).body, R"({"enabled":false})");
  EXPECT_EQ(world.server.line(2), "DELETE /api/v1/providers/acme");
  EXPECT_THAT(world.out.str(), HasSubstr("enabled acme: 'postern connect acme' makes a connection\n"));
  EXPECT_THAT(world.out.str(), HasSubstr("deleted acme\n"));
}

// In the API's own shape: maps by name.
TEST(Providers, a_provider_that_only_the_daemon_knows_is_asked_of_it) {
  World world;
  world.in.str("k-1");
  world.server.answer(200, R"({"id":"acme","title":"Acme","hosts":["api.acme.example"],"fields":{},"auth":
    {"key":{"type":"API_KEY","title":"Key","fields":{"apiKey":{"title":"Key","secret":true,"required":true}}}}})");
  world.server.answer(201, R"({"id":"conn_1","alias":"acme"})");
  EXPECT_EQ(world.run({"connect", "acme", "--from-stdin"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /api/v1/providers/acme");
  EXPECT_EQ(world.server.body(1).at("value"), boost::json::parse(R"({"apiKey":"k-1"})"));
}

}  // namespace
}  // namespace postern::cli::test
