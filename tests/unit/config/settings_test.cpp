#include "config/settings.hpp"

#include <regex>
#include <sstream>

#include "config/settings_rows.hpp"
#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST(Settings, have_the_documented_defaults) {
  const auto s = load("");
  ASSERT_TRUE(s) << s.error().text();
  EXPECT_EQ(s->listen.proxy, "127.0.0.1:8480");
  EXPECT_EQ(s->listen.admin, "127.0.0.1:8481");
  EXPECT_EQ(s->listen.health, "");
  EXPECT_EQ(s->state, s->file.parent_path() / "state");
  EXPECT_EQ(s->store, "rocksdb");
  EXPECT_EQ(s->key_file, "/home/someone/.config/postern/master.key");
  EXPECT_FALSE(s->open_callers);
  EXPECT_FALSE(s->insecure_listen);
  EXPECT_FALSE(s->egress_allow_by_default);
  EXPECT_EQ(s->timeouts.connect, 5s);
  EXPECT_EQ(s->timeouts.head, 300s);
  EXPECT_EQ(s->timeouts.stream_idle, 10min);
  EXPECT_EQ(s->pool_max_idle, 1024U);
  EXPECT_FALSE(s->isolate_connections);
  EXPECT_EQ(s->client_idle, 75s);
  EXPECT_EQ(s->client_max, 10'000U);
  EXPECT_FALSE(s->body_limit);
  EXPECT_EQ(s->body_buffer, 1U << 20);
  EXPECT_EQ(s->body_spill, 1U << 30);
  EXPECT_EQ(s->cache_size, 64U << 20);
  EXPECT_EQ(s->audit_quota, 64U << 20);
  EXPECT_EQ(s->audit_retention, std::chrono::days(365));
  EXPECT_EQ(s->cache_idle, std::chrono::minutes(10));
  EXPECT_EQ(s->workers, 1U);
  EXPECT_EQ(s->drain, 30s);
  EXPECT_TRUE(s->access_log);
}

TEST(Settings, read_every_key_of_a_file) {
  const auto s = load(R"(
listen: {proxy: ["127.0.0.1:1", "[::1]:2"], admin: "localhost:3", health: "0.0.0.0:4"}
state: ./data
vault: {store: memory, key: {file: ~/k}, cache: {size: 1GiB, idle: 90s}}
callers: {mode: open}
insecure_listen: true
admin: {public_url: "https://postern.example.com/x/", socket_uids: [0, 1000]}
egress: {default: allow, allow: ["pypi.org:443", "*.Debian.org", "[2001:db8::1]:80"]}
intercept: {hosts: [API.github.com, "*.slack.com:8443", "[2001:DB8::1]"]}
upstream:
  hosts:
    "API.internal:443": {resolve: "127.0.0.1:9443", trust: ./ca.pem}
    "*.corp.example.com:8443": {addresses: [10.0.0.0/8, "fd00::/8"]}
    other.internal: {resolve: "10.0.0.1"}
  timeouts: {dns: 1s, connect: 2s, tls: 3s, head: 4s, stream_idle: 5m, pool_idle: 6s}
  pool: {isolate: connection, max_idle: 7}
  trust: /etc/roots.pem
client: {idle: 8s, head: 9s, max: 10}
limits: {body: 64KiB, body_buffer: 32KiB, body_spill: none}
workers: 4
shutdown: {drain: 0s}
catalog: [./p, /q]
connections:
  - {alias: billing, app: stripe, type: API_KEY, value: {apiKey: {file: s/stripe}}, config: {a: 1, b: [x]}, name: Bill,
     auth: api_key, scope: ORGANIZATION}
  - {app: openai, value: {token: {file: /run/t}}}
log: {level: debug, access: false}
)");
  ASSERT_TRUE(s) << s.error().text();
  const fs::path base = s->file.parent_path();
  EXPECT_EQ(s->listen.proxy, "127.0.0.1:1");
  EXPECT_EQ(s->listen.more_proxy, std::vector<std::string>{"[::1]:2"});
  EXPECT_EQ(s->listen.admin, "localhost:3");
  EXPECT_EQ(s->listen.health, "0.0.0.0:4");
  EXPECT_EQ(s->state, base / "data");
  EXPECT_EQ(s->store, "memory");
  EXPECT_EQ(s->key_file, "/home/someone/k");
  EXPECT_TRUE(s->open_callers);
  EXPECT_EQ(s->public_url, "https://postern.example.com/x");
  EXPECT_EQ(s->socket_uids, (std::vector<unsigned>{0, 1000}));
  EXPECT_TRUE(s->egress_allow_by_default);
  ASSERT_EQ(s->egress_allow.size(), 3U);
  EXPECT_EQ(s->egress_allow[1].host, ".debian.org");
  EXPECT_TRUE(s->egress_allow[1].wildcard);
  EXPECT_EQ(s->egress_allow[1].port, 443);
  EXPECT_EQ(s->egress_allow[2].host, "2001:db8::1");
  ASSERT_EQ(s->intercept_hosts.size(), 3U);
  EXPECT_EQ(s->intercept_hosts[0].host, "api.github.com");
  EXPECT_EQ(s->intercept_hosts[0].port, 443);
  EXPECT_EQ(s->intercept_hosts[1].host, ".slack.com");
  EXPECT_TRUE(s->intercept_hosts[1].wildcard);
  EXPECT_EQ(s->intercept_hosts[1].port, 8443);
  EXPECT_EQ(s->intercept_hosts[2].host, "2001:db8::1");
  ASSERT_EQ(s->upstream_hosts.size(), 3U);
  EXPECT_EQ(s->upstream_hosts[0].pattern, "api.internal:443");
  EXPECT_EQ(s->upstream_hosts[0].resolve, "127.0.0.1:9443");
  EXPECT_EQ(s->upstream_hosts[0].trust, base / "ca.pem");
  EXPECT_EQ(s->upstream_hosts[1].pattern, "*.corp.example.com:8443");
  EXPECT_EQ(s->upstream_hosts[1].host, ".corp.example.com");
  EXPECT_EQ(s->upstream_hosts[1].addresses, (std::vector<std::string>{"10.0.0.0/8", "fd00::/8"}));
  EXPECT_EQ(s->upstream_hosts[2].pattern, "other.internal:443");
  EXPECT_EQ(s->upstream_hosts[2].resolve, "10.0.0.1:443");
  EXPECT_EQ(s->upstream_trust, "/etc/roots.pem");
  EXPECT_EQ(s->timeouts.tls, 3s);
  EXPECT_TRUE(s->isolate_connections);
  EXPECT_EQ(s->body_limit, 65'536U);
  EXPECT_EQ(s->body_buffer, 32'768U);
  EXPECT_EQ(s->body_spill, 0U);
  EXPECT_EQ(s->cache_size, 1U << 30);
  EXPECT_EQ(s->cache_idle, std::chrono::seconds(90));
  EXPECT_EQ(s->drain, 0s);
  EXPECT_EQ(s->catalog, (std::vector<fs::path>{base / "p", "/q"}));
  ASSERT_EQ(s->connections.size(), 2U);
  const DeclaredConnection& billing = s->connections[0];
  EXPECT_EQ(billing.value.at("apiKey").file, base / "s/stripe");
  EXPECT_EQ(billing.config_json, R"({"a":"1","b":["x"]})");
  EXPECT_EQ(billing.scope, "ORGANIZATION");
  EXPECT_EQ(billing.line, 24);
  EXPECT_EQ(billing.column, 5);
  EXPECT_EQ(s->connections[1].alias, "openai");
  EXPECT_EQ(s->connections[1].scope, "PROJECT");
  EXPECT_EQ(s->log_level, "debug");
  EXPECT_FALSE(s->access_log);
}

TEST(Settings, take_a_flag_before_the_environment_before_the_file) {
  const std::string file = "workers: 2\nlog: {level: error}\nclient: {max: 5}\n";
  const auto s = load(file, {{"POSTERN__WORKERS", "3"}, {"POSTERN__LOG__LEVEL", "trace"}}, {{"workers", "4"}});
  ASSERT_TRUE(s) << s.error().text();
  EXPECT_EQ(s->workers, 4U);
  EXPECT_EQ(s->log_level, "trace");
  EXPECT_EQ(s->client_max, 5U);
}

TEST(Settings, read_lists_and_maps_from_the_environment) {
  const auto s = load("egress: {allow: [a.example]}",
                      {{"POSTERN__EGRESS__ALLOW", R"(["pypi.org:443"])"},
                       {"POSTERN__INTERCEPT__HOSTS", R"(["api.github.com"])"},
                       {"POSTERN__UPSTREAM__HOSTS", "{\"api.internal:443\": {resolve: \"127.0.0.1:9443\"}}"},
                       {"POSTERN__UPSTREAM__TIMEOUTS", "{connect: 1s, tls: 2s}"},
                       {"POSTERN__UPSTREAM__TIMEOUTS__TLS", "3s"},
                       {"POSTERN__LISTEN__PROXY", "[::1]:8480"},
                       {"POSTERN__INSECURE_LISTEN", "true"},
                       {"POSTERN_TOKEN_FILE", "not ours"},
                       {"PATH", "/bin"}});
  ASSERT_TRUE(s) << s.error().text();
  ASSERT_EQ(s->egress_allow.size(), 1U);
  EXPECT_EQ(s->egress_allow[0].host, "pypi.org");
  ASSERT_EQ(s->intercept_hosts.size(), 1U);
  EXPECT_EQ(s->intercept_hosts[0].host, "api.github.com");
  EXPECT_EQ(s->upstream_hosts.at(0).resolve, "127.0.0.1:9443");
  EXPECT_EQ(s->timeouts.connect, 1s);
  EXPECT_EQ(s->timeouts.tls, 3s);
  EXPECT_EQ(s->listen.proxy, "[::1]:8480");
  EXPECT_TRUE(s->insecure_listen);
}

TEST(Settings, read_a_list_of_listeners_from_the_environment) {
  const auto s = load("", {{"POSTERN__LISTEN__PROXY", R"(["127.0.0.1:1", "[::1]:2"])"}});
  ASSERT_TRUE(s) << s.error().text();
  EXPECT_EQ(s->listen.more_proxy, std::vector<std::string>{"[::1]:2"});
}

TEST(Settings, have_an_environment_form_for_every_key) {
  for (const SettingRow& row : setting_rows()) {
    std::string name = "POSTERN__";
    for (char c : row.path) name += c == '.' ? "__" : std::string(1, static_cast<char>(std::toupper(c)));
    const std::string text = mistake("", {{name, ""}});
    EXPECT_EQ(text, "environment: " + name + ": is empty; leave it out to keep the default");
  }
}

TEST(Settings, resolve_paths_of_the_file_from_its_folder_and_others_from_the_working_folder) {
  const auto s = load("state: ./here\ncatalog: [sub/../p]", {{"POSTERN__VAULT__KEY__FILE", "there"}});
  ASSERT_TRUE(s) << s.error().text();
  EXPECT_EQ(s->state, s->file.parent_path() / "here");
  EXPECT_EQ(s->catalog.at(0), s->file.parent_path() / "p");
  EXPECT_EQ(s->key_file, fs::current_path() / "there");
}

TEST(Settings, are_found_in_the_working_folder_when_no_file_is_named) {
  const Folder folder;
  folder.write("postern.yaml", "workers: 7");
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  const auto found = load_settings({});
  fs::remove("postern.yaml");
  const auto none = load_settings({});
  fs::current_path(before);
  ASSERT_TRUE(found && none);
  EXPECT_EQ(found->workers, 7U);
  EXPECT_EQ(found->state, folder.path() / "state");
  if (!fs::exists("/etc/postern/postern.yaml")) {
    EXPECT_EQ(none->file, "");
    EXPECT_EQ(none->workers, 1U);
  }
}

TEST(Settings, keep_the_master_key_where_the_user_keeps_configuration) {
  const auto key = [](std::map<std::string, std::string> environment) {
    Sources sources;
    const Folder folder;
    sources.file = folder.write("postern.yaml", "");
    sources.environment = std::move(environment);
    return load_settings(sources)->key_file;
  };
  EXPECT_EQ(key({{"XDG_CONFIG_HOME", "/x"}, {"HOME", "/h"}}), "/x/postern/master.key");
  EXPECT_EQ(key({{"XDG_CONFIG_HOME", "relative"}, {"HOME", "/h"}}), "/h/.config/postern/master.key");
  EXPECT_EQ(key({{"HOME", "/h"}}), "/h/.config/postern/master.key");
  EXPECT_EQ(key({}), "/etc/postern/master.key");
}

TEST(Settings, open_the_door_to_callers_in_dev_and_allow_the_key_beside_the_state) {
  const auto s = load("state: ./s\nvault: {key: {file: ./s/master.key}}", {}, {}, true);
  ASSERT_TRUE(s) << s.error().text();
  EXPECT_TRUE(s->dev);
  EXPECT_TRUE(s->open_callers);
  EXPECT_FALSE(load("", {}, {{"callers.mode", "required"}}, true)->open_callers);
}

TEST(Settings, are_shown_in_a_form_that_reads_back_the_same) {
  const auto s = load(R"(
listen: {proxy: ["127.0.0.1:1", "[::1]:2"], health: "127.0.0.1:4"}
admin: {public_url: "https://p.example.com", socket_uids: [1, 2]}
egress: {allow: ["pypi.org:443", "*.debian.org"]}
upstream:
  hosts: {"*.x.example.com:1": {resolve: "[::1]:2", trust: "/a \"b\".pem", addresses: [10.0.0.0/8]}}
  pool: {isolate: connection}
limits: {body: 5MiB}
catalog: [/q]
connections: [{alias: b, app: http, value: {k: {file: /k}}, config: {hosts: [a.example], inject: [{header: X, value: "${k}"}]}}]
)");
  ASSERT_TRUE(s) << s.error().text();
  const std::string shown = show_settings(*s);
  auto again = load(shown);
  ASSERT_TRUE(again) << again.error().text() << "\n" << shown;
  again->file = s->file;
  EXPECT_EQ(show_settings(*again), shown);
  EXPECT_EQ(again->connections[0].config_json, s->connections[0].config_json);
  EXPECT_EQ(again->upstream_hosts[0].trust, s->upstream_hosts[0].trust);
}

TEST(Settings, are_shown_with_every_key) {
  const std::string shown = show_settings(*load(""));
  for (const SettingRow& row : setting_rows()) {
    const std::string last(row.path.substr(row.path.rfind('.') + 1));
    EXPECT_NE(shown.find(last + ":"), std::string::npos) << row.path;
  }
}

TEST(DefaultFile, changes_nothing) {
  const auto s = load(std::string(default_settings_file()));
  ASSERT_TRUE(s) << s.error().text();
  auto empty = load("");
  empty->file = s->file;
  empty->state = s->state;
  EXPECT_EQ(show_settings(*s), show_settings(*empty));
}

// Lines whose '#' is followed by a key or by the spaces of one are settings; taking it away must give the defaults.
std::string uncommented() {
  return std::regex_replace(std::string(default_settings_file()), std::regex("(^|\\n)#(?=[a-z]|  )"), "$1");
}

TEST(DefaultFile, holds_the_defaults_when_its_comments_are_taken_away) {
  const auto s = load(uncommented());
  ASSERT_TRUE(s) << s.error().text() << uncommented();
  auto empty = load("");
  empty->file = s->file;
  empty->state = s->state;
  EXPECT_EQ(show_settings(*s), show_settings(*empty));
}

// A comment that a tool has wrapped once more: the line is left early, or its rest stands outside of its section.
TEST(DefaultFile, breaks_comments_where_a_line_is_full) {
  std::istringstream file{std::string(default_settings_file())};
  static const std::regex comment("^((?:# *)*# )([^ #].*)$"), setting("^[a-z_\".*:0-9]+:( .*|)$");
  std::string before, margin;
  for (std::string line; std::getline(file, line);) {
    EXPECT_LE(line.size(), 120u) << line;
    std::smatch parts;
    const bool is_comment = std::regex_match(line, parts, comment) && !std::regex_match(parts[2].str(), setting);
    const std::string word = is_comment ? parts[2].str().substr(0, parts[2].str().find(' ')) : "";
    if (is_comment && !before.empty() && std::string(".:").find(before.back()) == std::string::npos) {
      EXPECT_EQ(parts[1].str(), margin) << before << "\n" << line;
      EXPECT_GT(before.size() + 1 + word.size(), 90u) << before << "\n" << line;
    }
    before = is_comment ? line : "";
    margin = is_comment ? parts[1].str() : "";
  }
}

TEST(DefaultFile, names_every_key) {
  const std::string file(default_settings_file());
  for (const SettingRow& row : setting_rows()) {
    const std::string last(row.path.substr(row.path.rfind('.') + 1));
    EXPECT_TRUE(std::regex_search(file, std::regex("[# ]" + last + ":"))) << row.path;
  }
}

}  // namespace
}  // namespace postern::config::test
