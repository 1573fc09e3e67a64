// The verbs of the local CA, the bundle that programs verify with, and doctor's row about interception.
#include "proxy/cli/ca_bundle.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <iterator>

#include "fake.hpp"
#include "proxy/cli/offline_doctor_ca.hpp"
#include "vault/authority.hpp"

namespace postern::cli::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string pem(const std::string& name) {
  return "-----BEGIN CERTIFICATE-----\n" + name + "\n-----END CERTIFICATE-----\n";
}

std::string ca(const std::string& name = "ours", const std::string& previous = "null") {
  return boost::json::serialize(boost::json::object{
      {"certificate", pem(name)},
      {"fingerprint", "AB:CD"},
      {"subject", "postern local CA x"},
      {"names", {"api.github.com", "slack.com"}},
      {"notBefore", "2030-01-01T00:00:00.000Z"},
      {"notAfter", "2032-01-01T00:00:00.000Z"},
      {"previous", boost::json::parse(previous)},
  });
}

// Over at the fake world's time, or not.
std::string previous_until(const std::string& time) {
  return boost::json::serialize(
      boost::json::object{{"certificate", pem("before")}, {"fingerprint", "00:11"}, {"notAfter", time}});
}

class CaVerbs : public testing::Test {
 protected:
  CaVerbs() {
    std::string name = testing::TempDir() + "postern_ca_XXXXXX";
    folder = ::mkdtemp(name.data());
    fs::permissions(folder, fs::perms(0755));
    write("roots.pem", "# a comment\n" + pem("root") + "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n");
    world.around.environment = {{"SSL_CERT_FILE", (folder / "roots.pem").string()}, {"HOME", folder.string()}};
    world.around.locate = [this](const ConfigFile&, const Environment&) -> Result<Place> { return Place{folder}; };
  }
  ~CaVerbs() override { fs::remove_all(folder); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(folder / name) << text; }
  std::string read(const fs::path& file) const {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Result<std::optional<CaBundle>> bundle(const Globals& globals = {}) {
    const std::vector<std::string> rest;
    Session session(world.around, globals, rest);
    Api api(world.around.dial({}), {});
    return bundle_file(api, session);
  }

  World world;
  fs::path folder;
};

TEST_F(CaVerbs, create_names_the_hosts_and_says_what_is_next) {
  world.server.answer(201, ca());
  EXPECT_EQ(world.run({"ca", "create", "--names", "api.github.com,*.slack.com"}), Exit::ok);
  EXPECT_EQ(world.server.line(0), "POST /api/v1/ca");
  EXPECT_EQ(boost::json::serialize(world.server.body(0)), R"({"names":["api.github.com","*.slack.com"]})");
  EXPECT_THAT(world.out.str(), AllOf(HasSubstr("AB:CD"), HasSubstr("api.github.com"), HasSubstr("intercept.hosts"),
                                     Not(HasSubstr("BEGIN"))));
}

TEST_F(CaVerbs, create_without_names_leaves_them_to_the_daemon) {
  world.server.answer(201, ca());
  EXPECT_EQ(world.run({"ca", "create", "-q"}), Exit::ok);
  EXPECT_EQ(boost::json::serialize(world.server.body(0)), "{}");
  EXPECT_EQ(world.out.str(), "AB:CD\n");
}

TEST_F(CaVerbs, create_where_there_is_one_fails_and_says_what_to_do) {
  world.server.answer(409, R"({"title":"It is there already","detail":"`postern ca rotate` makes another."})");
  EXPECT_EQ(world.run({"ca", "create"}), Exit::failed);
  EXPECT_THAT(world.err.str(), HasSubstr("postern ca rotate"));
}

TEST_F(CaVerbs, without_a_ca_the_others_end_with_3_and_say_how_to_make_one) {
  for (const char* verb : {"show", "export"}) {
    world.server.answer(404, R"({"title":"Not found"})");
    EXPECT_EQ(world.run({"ca", verb}), Exit::not_found) << verb;
  }
  EXPECT_THAT(world.err.str(), HasSubstr("postern ca create"));
  world.server.answer(404, R"({"title":"Not found","detail":"There is no local CA."})");
  EXPECT_EQ(world.run({"ca", "rotate"}), Exit::not_found);
}

TEST_F(CaVerbs, show_tells_how_to_trust_it_and_json_is_the_answer_as_it_is) {
  world.server.answer(200, ca());
  EXPECT_EQ(world.run({"ca", "show"}), Exit::ok);
  for (const char* word : {"update-ca-certificates", "update-ca-trust", "security add-trusted-cert", "certutil",
                           "keytool", "javax.net.ssl.trustStore", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE",
                           "SSL_CERT_FILE", "http.sslCAInfo", "CURL_CA_BUNDLE"})
    EXPECT_THAT(world.out.str(), HasSubstr(word));
  World json;
  json.server.answer(200, ca());
  EXPECT_EQ(json.run({"ca", "show", "-o", "json"}), Exit::ok);
  EXPECT_EQ(boost::json::parse(json.out.str()), boost::json::parse(ca()));
}

TEST_F(CaVerbs, the_instructions_need_no_daemon) {
  EXPECT_EQ(world.run({"ca", "trust"}), Exit::ok);
  EXPECT_EQ(world.run({"ca", "export", "--help"}), Exit::ok);
  EXPECT_TRUE(world.server.requests.empty());
  EXPECT_THAT(world.out.str(), HasSubstr("update-ca-certificates"));
}

TEST_F(CaVerbs, export_prints_the_certificate_or_writes_it_for_everybody_to_read) {
  world.server.answer(200, ca("ours", previous_until("2031-01-01T00:00:00.000Z")));
  EXPECT_EQ(world.run({"ca", "export"}), Exit::ok);
  EXPECT_EQ(world.out.str(), pem("ours"));
  world.server.answer(200, ca());
  const fs::path file = folder / "ca.pem";
  EXPECT_EQ(world.run({"ca", "export", "--out", file.string()}), Exit::ok);
  EXPECT_EQ(read(file), pem("ours"));
  struct stat about{};
  ASSERT_EQ(::stat(file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0644U);
}

TEST_F(CaVerbs, export_holds_the_previous_one_only_while_it_is_valid) {
  world.server.answer(200, ca("ours", previous_until("2031-01-01T00:00:00.000Z")));
  EXPECT_EQ(world.run({"ca", "export", "--previous"}), Exit::ok);
  EXPECT_EQ(world.out.str(), pem("ours") + pem("before"));
  World later;
  later.server.answer(200, ca("ours", previous_until("2030-01-01T00:00:00.000Z")));
  EXPECT_EQ(later.run({"ca", "export", "--previous"}), Exit::ok);
  EXPECT_EQ(later.out.str(), pem("ours"));
}

TEST_F(CaVerbs, an_exported_bundle_holds_certificates_and_nothing_else_of_the_roots_file) {
  world.server.answer(200, ca("ours", previous_until("2031-01-01T00:00:00.000Z")));
  EXPECT_EQ(world.run({"ca", "export", "--bundle"}), Exit::ok);
  EXPECT_EQ(world.out.str(), pem("root") + pem("ours") + pem("before"));
}

TEST_F(CaVerbs, export_that_cannot_be_written_fails_and_leaves_nothing) {
  world.server.answer(200, ca());
  EXPECT_EQ(world.run({"ca", "export", "--out", (folder / "missing" / "ca.pem").string()}), Exit::failed);
  EXPECT_THAT(world.err.str(), HasSubstr("No such file"));
}

TEST_F(CaVerbs, delete_says_that_nothing_is_intercepted_any_more) {
  world.server.answer(204);
  EXPECT_EQ(world.run({"ca", "delete"}), Exit::ok);
  EXPECT_EQ(world.server.line(0), "DELETE /api/v1/ca");
}

TEST_F(CaVerbs, the_bundle_of_a_run_lies_in_the_state_and_holds_roots_and_ca) {
  world.server.answer(200, ca());
  const auto made = bundle();
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(*made);
  EXPECT_EQ((*made)->file, folder / "ca-bundle.pem");
  EXPECT_EQ((*made)->roots, 1U);
  EXPECT_THAT((*made)->names, ElementsAre("api.github.com", "slack.com"));
  EXPECT_EQ(read(folder / "ca-bundle.pem"), pem("root") + pem("ours"));
}

TEST_F(CaVerbs, where_the_state_is_its_owners_alone_the_bundle_lies_where_every_user_can_read_it) {
  fs::permissions(folder, fs::perms(0700));
  const fs::path open = folder / "tmp" / ("postern-ca-" + std::to_string(::geteuid()));
  world.around.environment["TMPDIR"] = (folder / "tmp").string();
  fs::create_directory(folder / "tmp");
  const auto made = [&] {
    world.server.answer(200, ca());
    const auto found = bundle();
    return found && *found ? (*found)->file : fs::path();
  };
  const fs::path file = made();
  EXPECT_EQ(file.parent_path(), open);
  EXPECT_EQ(fs::status(open).permissions(), fs::perms(0755));
  EXPECT_EQ(fs::status(file).permissions(), fs::perms(0644));
  EXPECT_EQ(made(), file) << "one name a state";
  // What others may write, or have made, is not believed.
  fs::permissions(open, fs::perms(0777));
  EXPECT_EQ(made(), folder / "ca-bundle.pem");
  fs::remove_all(open);
  fs::create_directory_symlink(folder, open);
  EXPECT_EQ(made(), folder / "ca-bundle.pem");
}

TEST_F(CaVerbs, a_bundle_inside_a_bundle_does_not_grow) {
  for (int i = 0; i < 2; ++i) {
    world.server.answer(200, ca());
    ASSERT_TRUE(bundle());
    world.around.environment["SSL_CERT_FILE"] = (folder / "ca-bundle.pem").string();
  }
  const std::string one = pem("ours").substr(0, pem("ours").size() - 1);
  EXPECT_EQ(std::ranges::count(certificates_in(read(folder / "ca-bundle.pem")), one), 1);
}

TEST_F(CaVerbs, a_bundle_replaces_a_link_and_not_what_it_leads_to) {
  write("precious", "precious");
  fs::create_symlink(folder / "precious", folder / "ca-bundle.pem");
  world.server.answer(200, ca());
  ASSERT_TRUE(bundle());
  EXPECT_EQ(read(folder / "precious"), "precious");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(folder / "ca-bundle.pem")));
}

TEST_F(CaVerbs, of_another_machine_the_bundle_lies_in_the_cache) {
  Globals globals;
  globals.server = "https://postern.example:9443";
  world.server.answer(200, ca());
  const auto made = bundle(globals);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->file, folder / ".cache/postern/ca-bundle-postern.example_9443.pem");
  EXPECT_TRUE(fs::exists((*made)->file));
}

TEST_F(CaVerbs, without_a_ca_there_is_no_bundle) {
  world.server.answer(404, "{}");
  const auto none = bundle();
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  EXPECT_FALSE(fs::exists(folder / "ca-bundle.pem"));
}

class Interception : public testing::Test {
 protected:
  static constexpr std::int64_t kNow = 1'900'000'000;
  static std::string certificate(const std::vector<std::string>& names) {
    const auto made = vault::Authority::create({.label = "x", .names = names, .now = kNow});
    EXPECT_TRUE(made);
    return made ? made->certificate : "";
  }
  static config::Settings opted(std::vector<config::HostRule> rules) {
    config::Settings settings;
    settings.intercept_hosts = std::move(rules);
    return settings;
  }
};

TEST_F(Interception, that_nobody_asked_for_is_well) {
  EXPECT_EQ(offline::check_interception({}, "", kNow).health, Health::ok);
}

TEST_F(Interception, without_a_ca_is_a_failure_with_the_verb_that_helps) {
  const auto check = offline::check_interception(opted({{"api.github.com", false, 443}}), "", kNow);
  EXPECT_EQ(check.health, Health::fail);
  EXPECT_THAT(check.fix, HasSubstr("postern ca create"));
  EXPECT_EQ(offline::check_interception(opted({{"api.github.com", false, 443}}), std::nullopt, kNow).health,
            Health::warn);
}

TEST_F(Interception, of_hosts_that_the_ca_is_not_for_names_them) {
  const auto settings =
      opted({{"api.github.com", false, 443}, {"api.stripe.com", false, 443}, {".slack.com", true, 443}});
  const auto check = offline::check_interception(settings, certificate({"api.github.com", "files.slack.com"}), kNow);
  EXPECT_EQ(check.health, Health::fail);
  EXPECT_THAT(check.detail, HasSubstr("api.stripe.com, *.slack.com:"));
  EXPECT_THAT(check.fix, HasSubstr("postern ca rotate"));
}

TEST_F(Interception, with_a_ca_for_its_hosts_is_well_until_thirty_days_before_its_end) {
  const auto settings = opted({{"api.github.com", false, 443}, {".slack.com", true, 8443}});
  const std::string ca = certificate({"github.com", "slack.com"});
  const std::int64_t end = kNow + vault::kAuthorityLifetime;
  EXPECT_EQ(offline::check_interception(settings, ca, kNow).health, Health::ok);
  EXPECT_EQ(offline::check_interception(settings, ca, end - 31 * 86'400).health, Health::ok);
  EXPECT_EQ(offline::check_interception(settings, ca, end - 29 * 86'400).health, Health::warn);
  EXPECT_EQ(offline::check_interception(settings, ca, end + 1).health, Health::fail);
}

TEST_F(Interception, with_a_ca_that_cannot_be_read_is_a_failure) {
  EXPECT_EQ(offline::check_interception(opted({{"a.example", false, 443}}), "nonsense", kNow).health, Health::fail);
}

}  // namespace
}  // namespace postern::cli::test
