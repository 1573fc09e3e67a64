// exec and env: the variables that lead a client to the proxy, and the files that let it trust our CA.
#include <gmock/gmock.h>
#include <openssl/sha.h>

#include <boost/json/serialize.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fake.hpp"
#include "proxy/cli/java_trust_store.hpp"
#include "proxy/cli/proxy_environment.hpp"

namespace postern::cli::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kPlain = R"({"proxy":["127.0.0.1:9"],"tunnels":{"intercepted":[],"passed":false}})";
constexpr const char* kPasses = R"({"proxy":["127.0.0.1:9"],"tunnels":{"intercepted":[],"passed":true}})";
constexpr const char* kIntercepts =
    R"({"proxy":["127.0.0.1:9"],"tunnels":{"intercepted":["api.test:443"],"passed":false}})";
constexpr const char* kToken = R"({"id":"tok_1","token":"pst_secret"})";
constexpr const char* kUrl = "http://-:pst_secret@127.0.0.1:9";

// Made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500`.
constexpr const char* kCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBdjCCARugAwIBAgIUSPsM8159OYP8O96wyucwXaukxFAwCgYIKoZIzj0EAwIw\n"
    "DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjIwMTA1NDZaGA8yMTI2MTAyOTAxMDU0\n"
    "NlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHXG\n"
    "RWcL9vUKD310aKelGI74ccCgqk5+P7l5YlBOsWVjKLPdbBukgmg/4LdLrAFEVgno\n"
    "GD2eUkdBVewMs831FGujUzBRMB0GA1UdDgQWBBSUwTxrrVeF1ruhtvEHBGwG40gu\n"
    "+jAfBgNVHSMEGDAWgBSUwTxrrVeF1ruhtvEHBGwG40gu+jAPBgNVHRMBAf8EBTAD\n"
    "AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDHq2RLYPlG8GHlPA329mjzrjuqEPccN2tL\n"
    "pnpQoNxeoAIhAKzvj84MvOA+lGnoGywlx2CmW51qN7FTtVJOZtO6CbRZ\n"
    "-----END CERTIFICATE-----\n";

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ExecAndEnv : public testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("postern-run-test-" + std::to_string(getpid()));
    fs::create_directories(folder);
    std::ofstream(folder / "roots.pem") << kCertificate;  // the system's roots; the CA is one of them
    world.around.environment = {{"SSL_CERT_FILE", (folder / "roots.pem").string()}};
    world.around.locate = [this](const ConfigFile&, const Environment&) -> Result<Place> { return Place{folder}; };
  }
  void TearDown() override { fs::remove_all(folder); }

  void script(const char* status) {
    world.server.answer(200, status);
    if (std::string_view(status) == kIntercepts)
      world.server.answer(200, json::serialize(json::object{{"certificate", kCertificate}, {"previous", nullptr}}));
    world.server.answer(201, kToken);
    world.server.answer(204);
  }

  World world;
  fs::path folder;
};

TEST(ProxyVariables, are_http_and_loopback_alone_where_no_tunnel_leads_anywhere) {
  const Variables variables = proxy_variables({.url = kUrl, .bundle = {}}, "");
  EXPECT_THAT(variables,
              ElementsAre(std::pair{"http_proxy", kUrl}, std::pair{"HTTP_PROXY", kUrl},
                          std::pair{"no_proxy", "localhost,127.0.0.1,::1,[::1]"},
                          std::pair{"NO_PROXY", "localhost,127.0.0.1,::1,[::1]"}, std::pair{"NODE_USE_ENV_PROXY", "1"},
                          std::pair{"JAVA_TOOL_OPTIONS",
                                    "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=9 "
                                    "-Dhttp.nonProxyHosts=localhost|127.*|[::1]"}));
}

TEST(ProxyVariables, name_every_proxy_in_both_cases_where_tunnels_lead_somewhere) {
  const Variables variables = proxy_variables({.url = kUrl, .tunnels = true, .bundle = {}}, "-Xmx1g");
  for (const char* name : {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
    EXPECT_THAT(variables, testing::Contains(std::pair<std::string, std::string>(name, kUrl))) << name;
  const std::string java = variables.back().second;
  EXPECT_THAT(java, StartsWith("-Xmx1g -Dhttp.proxyHost=127.0.0.1 "));
  EXPECT_THAT(java, EndsWith("-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9 "
                             "-Djdk.http.auth.tunneling.disabledSchemes="));
  EXPECT_THAT(java, Not(HasSubstr("pst_")));
}

TEST(ProxyVariables, name_the_bundle_for_every_program_that_takes_one) {
  const Variables variables = proxy_variables(
      {.url = "http://-:t@[::1]:9", .tunnels = true, .bundle = "/b.pem", .java_store = "/a b/b.jks"}, "");
  std::vector<std::string> named;
  for (const auto& [name, value] : variables)
    if (value == "/b.pem") named.push_back(name);
  EXPECT_THAT(named, ElementsAre("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
                                 "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "DENO_CERT", "PIP_CERT", "npm_config_cafile",
                                 "CARGO_HTTP_CAINFO", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "NIX_SSL_CERT_FILE"));
  for (const auto& [name, value] : variables) {
    if (name != "JAVA_TOOL_OPTIONS") continue;
    EXPECT_THAT(value, HasSubstr("-Dhttps.proxyHost=::1 "));
    EXPECT_THAT(value, EndsWith("-Djavax.net.ssl.trustStoreType=JKS \"-Djavax.net.ssl.trustStore=/a b/b.jks\""));
  }
}

TEST(ProxyVariables, of_the_parent_do_not_hold_for_the_command) {
  std::vector<std::string> removed;
  const Environment out = through_proxy({{"no_proxy", "internal"},
                                         {"https_proxy", "http://other"},
                                         {"HTTP_PROXY", "http://old"},
                                         {"POSTERN_TOKEN_FILE", "/t"},
                                         {"KEPT", "yes"}},
                                        {.url = kUrl, .bundle = {}}, removed);
  EXPECT_THAT(removed, ElementsAre("https_proxy", "no_proxy"));
  EXPECT_EQ(out.at("KEPT"), "yes");
  EXPECT_EQ(out.at("HTTP_PROXY"), kUrl);
  EXPECT_EQ(out.at("no_proxy"), "localhost,127.0.0.1,::1,[::1]");
  EXPECT_FALSE(out.contains("https_proxy") || out.contains("POSTERN_TOKEN_FILE"));
}

TEST(ProxyVariables, are_quoted_for_who_reads_them) {
  const Variables variables = {{"http_proxy", "it's a \"b\\"}};
  EXPECT_EQ(for_docker(variables), "http_proxy=it's a \"b\\\n");
  EXPECT_EQ(for_kubernetes(variables), "- name: http_proxy\n  value: \"it's a \\\"b\\\\\"\n");
  const std::string shell = for_shell(variables);
  EXPECT_THAT(shell, HasSubstr("export http_proxy='it'\\''s a \"b\\'\n"));
  EXPECT_THAT(shell, HasSubstr("unset https_proxy\n"));
  EXPECT_THAT(shell, Not(HasSubstr("unset http_proxy\n")));
}

TEST_F(ExecAndEnv, env_prints_the_same_set_for_shell_docker_and_kubernetes) {
  for (const auto& [format, line] : {std::pair{"sh", "export HTTPS_PROXY='" + std::string(kUrl) + "'\n"},
                                     {"docker", "HTTPS_PROXY=" + std::string(kUrl) + "\n"},
                                     {"k8s", "- name: HTTPS_PROXY\n  value: \"" + std::string(kUrl) + "\"\n"}}) {
    World one;
    one.server.answer(200, kPasses);
    one.server.answer(201, kToken);
    EXPECT_EQ(one.run({"env", "--format", format}), 0) << one.err.str();
    EXPECT_THAT(one.out.str(), HasSubstr(line));
    EXPECT_THAT(one.out.str(), Not(HasSubstr("SSL_CERT_FILE")));
  }
}

TEST_F(ExecAndEnv, env_says_nothing_of_https_where_no_tunnel_leads_anywhere) {
  script(kPlain);
  EXPECT_EQ(world.run({"env"}), 0) << world.err.str();
  EXPECT_THAT(world.out.str(), HasSubstr("unset HTTPS_PROXY\n"));
  EXPECT_THAT(world.out.str(), Not(HasSubstr("export HTTPS_PROXY")));
}

TEST_F(ExecAndEnv, env_names_the_bundle_and_javas_store_beside_it) {
  script(kIntercepts);
  EXPECT_EQ(world.run({"env"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(1), "GET /api/v1/ca");
  const std::string bundle = (folder / "ca-bundle.pem").string(), store = (folder / "ca-bundle.jks").string();
  EXPECT_THAT(world.out.str(), HasSubstr("export SSL_CERT_FILE='" + bundle + "'\n"));
  EXPECT_THAT(world.out.str(), HasSubstr("-Djavax.net.ssl.trustStore=" + store));
  EXPECT_EQ(read(bundle), std::string(kCertificate));
  EXPECT_EQ(read(store), java_trust_store(kCertificate));
}

TEST_F(ExecAndEnv, env_names_a_folder_that_is_elsewhere_and_writes_nothing) {
  world.server.answer(200, kIntercepts);
  world.server.answer(201, kToken);
  EXPECT_EQ(world.run({"env", "--format", "docker", "--trust-folder", "/etc/postern"}), 0) << world.err.str();
  EXPECT_THAT(world.out.str(), HasSubstr("CURL_CA_BUNDLE=/etc/postern/ca-bundle.pem\n"));
  EXPECT_THAT(world.out.str(), HasSubstr("-Djavax.net.ssl.trustStore=/etc/postern/ca-bundle.jks"));
  EXPECT_FALSE(fs::exists(folder / "ca-bundle.pem"));
}

TEST_F(ExecAndEnv, exec_gives_the_command_the_bundle) {
  script(kIntercepts);
  EXPECT_EQ(world.run({"exec", "--", "true"}), 0) << world.err.str();
  EXPECT_EQ(world.child_environment.at("CURL_CA_BUNDLE"), (folder / "ca-bundle.pem").string());
  EXPECT_EQ(world.child_environment.at("https_proxy"), kUrl);
  EXPECT_EQ(fs::status(folder / "ca-bundle.jks").permissions(), fs::perms(0644));
}

TEST_F(ExecAndEnv, exec_mints_nothing_where_the_bundle_cannot_be_written) {
  script(kIntercepts);
  world.around.locate = [this](const ConfigFile&, const Environment&) -> Result<Place> {
    return Place{folder / "absent"};
  };
  EXPECT_EQ(world.run({"exec", "--", "true"}), 1);
  EXPECT_EQ(world.server.requests.size(), 2u);
  EXPECT_TRUE(world.command.empty());
}

TEST_F(ExecAndEnv, exec_says_when_the_command_has_the_daemons_user) {
  for (const bool local : {true, false}) {  // whose socket it is can be seen, or there is none
    if (local) std::ofstream(folder / "admin.sock") << "";
    if (!local) fs::remove(folder / "admin.sock");
    for (const bool quiet : {false, true}) {
      script(kPlain);
      world.err.str("");
      EXPECT_EQ(world.run(quiet ? std::vector<std::string>{"exec", "-q", "--", "true"}
                                : std::vector<std::string>{"exec", "--", "true"}),
                0);
      EXPECT_EQ(world.err.str().find("no boundary") != std::string::npos, local && !quiet);
    }
  }
}

TEST(JavaTrustStore, holds_each_certificate_in_javas_own_format) {
  const std::string store = java_trust_store(std::string("# text\n") + kCertificate + kCertificate);
  ASSERT_GT(store.size(), 32u);
  EXPECT_EQ(store.substr(0, 12), std::string("\xfe\xed\xfe\xed\0\0\0\2\0\0\0\2", 12));
  const std::string entry = std::string("\0\0\0\2\0\6root-0\0\0\0\0\0\0\0\0\0\5X.509", 4 + 2 + 6 + 8 + 2 + 5);
  EXPECT_EQ(store.substr(12, entry.size()), entry);
  unsigned char expected[SHA_DIGEST_LENGTH];
  const std::string sealed = std::string("\0c\0h\0a\0n\0g\0e\0i\0t", 16) + "Mighty Aphrodite" +
                             store.substr(0, store.size() - SHA_DIGEST_LENGTH);
  SHA1(reinterpret_cast<const unsigned char*>(sealed.data()), sealed.size(), expected);
  EXPECT_EQ(store.substr(store.size() - SHA_DIGEST_LENGTH),
            std::string(reinterpret_cast<const char*>(expected), SHA_DIGEST_LENGTH));
}

TEST(JavaTrustStore, leaves_out_what_is_no_certificate) {
  const std::string broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const std::string store = java_trust_store(broken + kCertificate + "-----BEGIN CERTIFICATE-----\n");
  EXPECT_EQ(store.substr(8, 4), std::string("\0\0\0\1", 4));
  EXPECT_EQ(java_trust_store("").substr(8, 4), std::string("\0\0\0\0", 4));
}

}  // namespace
}  // namespace postern::cli::test
