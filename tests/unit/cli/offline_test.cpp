// The verbs that need no daemon, on a real folder of their own.
#include "proxy/cli/offline.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

// A folder with an environment that keeps every default place inside it.
class Offline : public testing::Test {
 protected:
  Offline() {
    std::string name = testing::TempDir() + "postern_cli_XXXXXX";
    folder = mkdtemp(name.data());
    world.around.environment = {{"HOME", folder.string()}, {"XDG_CONFIG_HOME", (folder / "xdg").string()}};
    world.around.locate = offline::locate;
    world.around.provider = offline::provider;
    config = (folder / "postern.yaml").string();
  }
  ~Offline() override { fs::remove_all(folder); }

  void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }
  static mode_t mode(const fs::path& path) {
    struct stat found{};
    return stat(path.c_str(), &found) == 0 ? found.st_mode & 0777 : 0;
  }
  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      std::ifstream in(entry.path(), std::ios::binary);
      out[entry.path()] = entry.is_regular_file() ? std::string{std::istreambuf_iterator<char>(in), {}} : "";
    }
    return out;
  }

  fs::path folder;
  std::string config;
  World world;
};

TEST_F(Offline, init_makes_everything_and_prints_a_token_once) {
  EXPECT_EQ(world.run({"init", "--config", config}), 0) << world.err.str();
  EXPECT_THAT(world.out.str(), HasSubstr("\npst_"));
  EXPECT_TRUE(fs::exists(config));
  EXPECT_EQ(mode(folder / "state"), 0700u);
  EXPECT_EQ(mode(folder / "xdg/postern/master.key"), 0600u);
  EXPECT_TRUE(fs::exists(folder / "state/vault"));
}

TEST_F(Offline, quiet_init_prints_the_token_alone) {
  EXPECT_EQ(world.run({"init", "-q", "--config", config}), 0) << world.err.str();
  EXPECT_THAT(world.out.str(), testing::MatchesRegex("pst_[A-Za-z0-9_-]+\n"));
}

TEST_F(Offline, init_keeps_settings_and_key_that_are_there) {
  write(config, "state: ./elsewhere\n");
  EXPECT_EQ(world.run({"init", "--config", config}), 0) << world.err.str();
  const auto before = contents();
  fs::remove_all(folder / "elsewhere");
  EXPECT_EQ(world.run({"init", "--config", config}), 0) << world.err.str();
  auto after = contents();
  EXPECT_EQ(after[config], before.at(config));
  EXPECT_EQ(after[folder / "xdg/postern/master.key"], before.at(folder / "xdg/postern/master.key"));
}

TEST_F(Offline, a_second_init_exits_1_and_changes_nothing) {
  ASSERT_EQ(world.run({"init", "--config", config}), 0);
  const auto before = contents();
  World again;
  again.around.environment = world.around.environment;
  EXPECT_EQ(again.run({"init", "--config", config}), 1);
  EXPECT_EQ(again.out.str(), "");
  EXPECT_EQ(contents(), before);
  fs::remove(config);  // not even the settings file comes back
  EXPECT_EQ(again.run({"init", "--config", config}), 1);
  EXPECT_FALSE(fs::exists(config));
}

TEST_F(Offline, init_beside_a_running_daemon_exits_75) {
  fs::create_directory(folder / "state");
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (folder / "state/admin.sock").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  EXPECT_EQ(world.run({"init", "--config", config}), 75);
  close(fd);
}

TEST_F(Offline, a_failed_init_leaves_nothing_and_can_be_tried_again) {
  const auto before = contents();
  write(folder / "blocker", "");
  world.around.environment["POSTERN__STATE"] = (folder / "blocker" / "state").string();
  EXPECT_NE(world.run({"init", "--config", config}), 0);
  fs::remove(folder / "blocker");
  EXPECT_EQ(contents(), before);
  world.around.environment.erase("POSTERN__STATE");
  EXPECT_EQ(world.run({"init", "--config", config}), 0) << world.err.str();
}

TEST_F(Offline, init_with_a_broken_key_exits_78_and_leaves_no_vault) {
  fs::create_directories(folder / "xdg/postern");
  write(folder / "xdg/postern/master.key", "nonsense");
  fs::permissions(folder / "xdg/postern/master.key", fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(world.run({"init", "--config", config}), 78) << world.err.str();
  EXPECT_FALSE(fs::exists(folder / "state"));
  EXPECT_TRUE(fs::exists(folder / "xdg/postern/master.key"));
}

TEST_F(Offline, init_refuses_a_key_inside_the_state) {
  write(config, "vault: {key: {file: ./state/master.key}}\n");
  EXPECT_EQ(world.run({"init", "--config", config}), 78);
  EXPECT_FALSE(fs::exists(folder / "state"));
}

TEST_F(Offline, init_has_nothing_to_make_for_a_memory_store) {
  write(config, "vault: {store: memory}\n");
  EXPECT_EQ(world.run({"init", "--config", config}), 1);
  EXPECT_FALSE(fs::exists(folder / "state"));
}

TEST_F(Offline, run_dev_makes_a_vault_and_hands_its_settings_on) {
  write(config, "vault: {key: {file: ./state/master.key}}\n");
  EXPECT_EQ(world.run({"run", "--dev", "--config", config}), 0) << world.err.str();
  EXPECT_TRUE(world.daemon_started);
  EXPECT_TRUE(world.ran.dev);
  EXPECT_EQ(mode(folder / "state/master.key"), 0600u);
  EXPECT_EQ(mode(folder / "state"), 0700u);
  const auto before = contents();
  EXPECT_EQ(world.run({"run", "--dev", "--config", config}), 0) << world.err.str();
  EXPECT_EQ(contents(), before);
  // Its socket is found by the same file, although a key there is only for --dev.
  EXPECT_EQ(offline::locate(config, world.around.environment)->state, folder / "state");
}

TEST_F(Offline, run_without_dev_makes_nothing) {
  write(config, "");
  EXPECT_EQ(world.run({"run", "--config", config}), 0);
  EXPECT_FALSE(fs::exists(folder / "state"));
}

TEST_F(Offline, validate_says_ok_or_where_the_mistake_is) {
  write(config, "workers: 1\n");
  EXPECT_EQ(world.run({"config", "validate", "--config", config}), 0) << world.err.str();
  EXPECT_EQ(world.out.str(), "ok " + config + "\n");
  write(config, "listen:\n  amdin: x\n");
  EXPECT_EQ(world.run({"config", "validate", "--config", config}), 78);
  EXPECT_THAT(world.err.str(), StartsWith("postern: " + config + ":2:3: "));
  EXPECT_EQ(world.run({"config", "validate", "--config", (folder / "absent.yaml").string()}), 78);
}

TEST_F(Offline, show_prints_settings_that_validate) {
  write(config, "workers: 1\n");
  EXPECT_EQ(world.run({"config", "show", "--config", config}), 0) << world.err.str();
  const fs::path copy = folder / "copy.yaml";
  write(copy, world.out.str());
  EXPECT_EQ(world.run({"config", "validate", "--config", copy.string()}), 0) << world.err.str();
}

TEST_F(Offline, show_prints_the_same_settings_as_json) {
  write(config, "workers: 1\nlisten: {proxy: ['127.0.0.1:1', '127.0.0.1:2']}\n");
  EXPECT_EQ(world.run({"config", "show", "-o", "json", "--config", config}), 0) << world.err.str();
  const auto shown = boost::json::parse(world.out.str());
  EXPECT_EQ(shown.at("workers"), 1);
  EXPECT_EQ(shown.at("listen").at("proxy"), boost::json::parse(R"(["127.0.0.1:1","127.0.0.1:2"])"));
  EXPECT_TRUE(shown.at("listen").at("health").is_null());
  EXPECT_EQ(shown.at("upstream").at("timeouts").at("dns"), "5s");
  write(config, "listen:\n  amdin: x\n");
  EXPECT_EQ(world.run({"config", "show", "-o", "json", "--config", config}), 78);
}

TEST_F(Offline, providers_are_listed_shown_and_not_found) {
  write(config, "");
  EXPECT_EQ(world.run({"providers", "list", "-q", "--config", config}), 0) << world.err.str();
  EXPECT_THAT(world.out.str(), HasSubstr("stripe\n"));
  EXPECT_EQ(world.run({"providers", "show", "stripe", "-o", "json", "--config", config}), 0) << world.err.str();
  EXPECT_THAT(world.out.str(), HasSubstr(R"("apiKey":{"title":"Secret key","secret":true)"));
  EXPECT_EQ(world.run({"providers", "show", "strip", "--config", config}), 3);
  EXPECT_THAT(world.err.str(), HasSubstr("did you mean 'stripe'?"));
}

TEST_F(Offline, lint_prints_each_mistake_and_exits_1) {
  write(folder / "mine.yaml", "id: mine\nhots: [a.example]\n");
  EXPECT_EQ(world.run({"providers", "lint", (folder / "mine.yaml").string()}), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("mine.yaml:2:1: "));
  EXPECT_EQ(world.run({"providers", "lint", (folder / "absent.yaml").string()}), 1);
}

TEST_F(Offline, a_bare_secret_finds_its_field_in_the_catalog) {
  write(config, "");
  world.in.str("sk_live_1\n");
  world.server.answer(201, R"({"id":"conn_1","alias":"stripe"})");
  EXPECT_EQ(world.run({"connect", "stripe", "--from-stdin", "--config", config}), 0) << world.err.str();
  EXPECT_EQ(world.server.body(0).at("value"), boost::json::parse(R"({"apiKey":"sk_live_1"})"));
  EXPECT_EQ(world.server.dialled.at(0).socket, folder / "state/admin.sock");
  EXPECT_THAT(world.out.str(), HasSubstr("http://api.stripe.com.postern.internal/v1/balance"));
}

}  // namespace
}  // namespace postern::cli::test
