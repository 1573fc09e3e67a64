// Every mistake in the settings is found at its place: the expectation is the whole line that a user sees.
#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

TEST(SettingsRefuse, unknown_keys_with_the_name_that_was_meant) {
  EXPECT_EQ(mistake("state: ./s\nlisen: {}\n"), "postern.yaml:2:1: unknown key 'lisen', did you mean 'listen'?");
  EXPECT_EQ(mistake("listen:\n  prxy: 127.0.0.1:1\n"),
            "postern.yaml:2:3: unknown key 'prxy', did you mean 'proxy'? (in listen)");
  EXPECT_EQ(mistake("upstream: {timeouts: {conect: 5s}}"),
            "postern.yaml:1:23: unknown key 'conect', did you mean 'connect'? (in upstream.timeouts)");
  EXPECT_EQ(mistake("something_else: 1"), "postern.yaml:1:1: unknown key 'something_else'");
}

TEST(SettingsRefuse, keys_that_a_later_version_serves) {
  EXPECT_EQ(mistake("listen:\n  callback: 127.0.0.1:1\n"),
            "postern.yaml:2:3: 'listen.callback' is not served by this version: the OAuth callback is served on "
            "listen.admin");
  EXPECT_EQ(mistake("vault: {store: postgres}"),
            "postern.yaml:1:16: vault.store postgres is not served by this version; use rocksdb");
  EXPECT_EQ(mistake("vault: {key: {passphrase: x}}"),
            "postern.yaml:1:15: 'vault.key.passphrase' is not served by this version: a passphrase never stands in the "
            "settings: name its file in vault.key.passphrase_file");
  EXPECT_EQ(mistake("", {{"POSTERN__LISTEN__CALLBACK", "/s"}}),
            "environment: POSTERN__LISTEN__CALLBACK is not served by this version: the OAuth callback is served on "
            "listen.admin");
  EXPECT_EQ(mistake("", {}, {{"vault.key.systemd", "x"}}),
            "flag: 'vault.key.systemd' is not served by this version: use vault.key.credential");
}

TEST(SettingsRefuse, duplicate_keys) {
  EXPECT_EQ(mistake("workers: 1\nworkers: 2\n"), "postern.yaml:2:1: duplicate key 'workers'");
}

TEST(SettingsRefuse, values_of_the_wrong_shape) {
  EXPECT_EQ(mistake("- a"), "postern.yaml:1:1: settings must be a map of keys");
  EXPECT_EQ(mistake("listen: 5"), "postern.yaml:1:9: 'listen' must be a map of keys");
  EXPECT_EQ(mistake("state: [a]"), "postern.yaml:1:8: must be a single value, not a list or a map");
  EXPECT_EQ(mistake("state:"), "postern.yaml:1:1: 'state' has no value; leave the key out to keep the default");
  EXPECT_EQ(mistake("catalog: ./p"), "postern.yaml:1:10: must be a list of folders");
  EXPECT_EQ(mistake("insecure_listen: yes"), "postern.yaml:1:18: must be true or false");
  EXPECT_EQ(mistake("workers: 0"), "postern.yaml:1:10: must be a whole number of 1 to 256");
  EXPECT_EQ(mistake("workers: 1.5"), "postern.yaml:1:10: must be a whole number of 1 to 256");
  EXPECT_EQ(mistake("client: {max: -1}"), "postern.yaml:1:15: must be a whole number of 1 to 1000000");
  EXPECT_EQ(mistake("log: {level: loud}"), "postern.yaml:1:14: 'loud' is not one of trace, debug, info, warn, error");
  EXPECT_EQ(mistake("vault: {store: sqlite}"), "postern.yaml:1:16: 'sqlite' is not one of rocksdb, memory");
  EXPECT_EQ(mistake("callers: {mode: closed}"), "postern.yaml:1:17: 'closed' is not one of required, open");
  EXPECT_EQ(mistake("admin: {socket_uids: 5}"), "postern.yaml:1:22: must be a list of user ids");
  EXPECT_EQ(mistake("admin: {socket_uids: [root]}"), "postern.yaml:1:23: must be a whole number of 0 to 4294967294");
}

TEST(SettingsRefuse, durations_and_sizes_without_a_unit_of_theirs) {
  EXPECT_EQ(mistake("client: {idle: 75}"),
            "postern.yaml:1:16: '75' is not a duration like 500ms, 5s, 10m, 1h or 1d (at most 365d)");
  EXPECT_EQ(mistake("client: {idle: 0s}"), "postern.yaml:1:16: must be longer than zero");
  EXPECT_EQ(mistake("limits: {body: 1MB}"),
            "postern.yaml:1:16: '1MB' is not a size like 512, 64KiB, 1MiB or 1GiB (at most 1TiB), or none");
  EXPECT_EQ(mistake("limits: {body_buffer: none}"),
            "postern.yaml:1:23: 'none' is not a size like 512, 64KiB, 1MiB or 1GiB (at most 1TiB)");
  EXPECT_EQ(mistake("limits: {body_buffer: 2GiB}"), "postern.yaml:1:23: a body held in memory is at most 1GiB");
  EXPECT_EQ(mistake("vault: {cache: {size: 128GiB}}"), "postern.yaml:1:23: a cache is at most 64GiB");
  EXPECT_EQ(mistake("vault: {cache: {idle: 0s}}"), "postern.yaml:1:23: must be longer than zero");
}

TEST(SettingsRefuse, listeners_that_are_not_addresses) {
  EXPECT_EQ(mistake("listen: {proxy: 8480}"),
            "postern.yaml:1:17: '8480' is a number, not a host name; write addresses in full");
  EXPECT_EQ(mistake("listen: {proxy: 127.0.0.1}"), "postern.yaml:1:17: '127.0.0.1' has no port");
  EXPECT_EQ(mistake("listen: {admin: \"example.com:1\"}"),
            "postern.yaml:1:17: 'example.com:1': listen on an address (127.0.0.1, [::1]) or localhost, not on a name");
  EXPECT_EQ(mistake("listen: {proxy: []}"), "postern.yaml:1:17: listen.proxy needs at least one address");
  EXPECT_EQ(mistake("listen: {proxy: \"127.0.0.1:70000\"}"), "postern.yaml:1:17: port 70000 is not in 1..65535");
  EXPECT_EQ(mistake("listen: {health: \"::1:80\"}"),
            "postern.yaml:1:18: '::1:80' is not host:port; an IPv6 address stands in brackets");
}

TEST(SettingsRefuse, two_listeners_on_one_address) {
  EXPECT_EQ(mistake("listen:\n  proxy: 127.0.0.1:8481\n"), "postern.yaml:2:10: 127.0.0.1:8481 is listened on twice");
  EXPECT_EQ(mistake("listen: {proxy: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}"), "(accepted)");
}

TEST(SettingsRefuse, plain_listeners_off_loopback_unless_they_are_meant) {
  EXPECT_EQ(
      mistake("listen:\n  proxy: 0.0.0.0:8480\n"),
      "postern.yaml:2:10: listen.proxy 0.0.0.0:8480 is off loopback, where tokens cross the network in clear; say "
      "insecure_listen: true if that is meant");
  EXPECT_EQ(mistake("listen: {proxy: [\"127.0.0.1:1\", \"[2001:db8::1]:2\"]}").substr(0, 63),
            "postern.yaml:1:17: listen.proxy [2001:db8::1]:2 is off loopback");
  EXPECT_EQ(mistake("listen: {admin: \"10.0.0.1:1\"}").substr(0, 58),
            "postern.yaml:1:17: listen.admin 10.0.0.1:1 is off loopback");
  EXPECT_EQ(mistake("listen: {proxy: \"0.0.0.0:8480\"}\ninsecure_listen: true"), "(accepted)");
  EXPECT_EQ(mistake("listen: {proxy: \"127.8.9.10:1\", admin: \"[::1]:2\", health: \"0.0.0.0:3\"}"), "(accepted)");
  EXPECT_EQ(mistake("", {{"POSTERN__LISTEN__PROXY", "0.0.0.0:1"}}).substr(0, 60),
            "environment: listen.proxy 0.0.0.0:1 is off loopback, where t");
}

TEST(SettingsRefuse, open_callers_off_loopback_whatever_else_is_said) {
  EXPECT_EQ(
      mistake("listen: {proxy: \"0.0.0.0:1\"}\ninsecure_listen: true\ncallers: {mode: open}"),
      "postern.yaml:1:17: listen.proxy 0.0.0.0:1 is off loopback, and callers.mode open serves anybody who reaches it; "
      "use callers.mode: required");
  const auto dev = load("listen: {proxy: \"0.0.0.0:1\"}\ninsecure_listen: true", {}, {}, true);
  ASSERT_FALSE(dev);
  EXPECT_EQ(dev.error().line, 1);
}

TEST(SettingsRefuse, a_master_key_from_two_places) {
  const std::string text = "vault.key names more than one place: keep one of file, passphrase_file, credential, exec";
  EXPECT_EQ(mistake("vault: {key: {file: ./k, credential: c}}"), "postern.yaml:1:21: " + text);
  EXPECT_EQ(mistake("vault: {key: {passphrase_file: ./p, exec: [/bin/k]}}"), "postern.yaml: " + text);
  EXPECT_EQ(mistake("vault: {key: {passphrase_file: ./p}}"), "(accepted)");
  EXPECT_EQ(mistake("vault: {key: {passphrase_file: '-'}}"), "(accepted)");
  EXPECT_EQ(mistake("vault: {key: {credential: postern.key}}"), "(accepted)");
  EXPECT_EQ(mistake("vault: {key: {exec: [/bin/k, --key, alias/x]}}"), "(accepted)");
}

TEST(SettingsRefuse, a_credential_with_a_folder_and_a_command_without_one) {
  EXPECT_EQ(mistake("vault: {key: {credential: ../c}}"),
            "postern.yaml:1:27: must be the name of a credential, without a folder");
  EXPECT_EQ(mistake("vault: {key: {exec: [kms]}}"), "postern.yaml:1:22: must be an absolute path: no PATH is searched");
  EXPECT_EQ(mistake("vault: {key: {exec: '/bin/kms --key x'}}"),
            "postern.yaml:1:21: must be a list: an absolute path and its arguments; no shell reads it");
}

TEST(SettingsRefuse, a_master_key_inside_the_state_directory) {
  const std::string text = ": the master key may not lie in the state directory: who copies one has both";
  EXPECT_EQ(mistake("state: ./s\nvault: {key: {file: ./s/master.key}}"), "postern.yaml:2:21" + text);
  EXPECT_EQ(mistake("state: ./s\nvault: {key: {file: ./s/../s/a/master.key}}"), "postern.yaml:2:21" + text);
  EXPECT_EQ(mistake("state: ./s\nvault: {key: {file: ./s2/master.key}}"), "(accepted)");
}

TEST(SettingsRefuse, a_master_key_that_reaches_the_state_directory_through_a_link) {
  const Folder folder;
  std::filesystem::create_directory(folder.path() / "state");
  std::filesystem::create_symlink(folder.path() / "state", folder.path() / "elsewhere");
  Sources sources;
  sources.file = folder.write("postern.yaml", "vault: {key: {file: ./elsewhere/master.key}}");
  const auto loaded = load_settings(sources);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().column, 21);
}

TEST(SettingsRefuse, paths_that_lead_nowhere) {
  EXPECT_EQ(mistake("state: ~other/x"), "postern.yaml:1:8: only '~/', the daemon's own home, is served");
  EXPECT_EQ(mistake("state: \"\""), "postern.yaml:1:8: a path is missing");
  Sources sources;
  sources.flags = {{"state", "~/x"}};
  EXPECT_EQ(load_settings(sources).error().text(), "flag: state: '~/' needs HOME, which is not set");
}

TEST(SettingsRefuse, a_given_file_that_cannot_be_read) {
  Sources sources;
  sources.file = "/nonexistent/postern.yaml";
  EXPECT_EQ(load_settings(sources).error().text(), "/nonexistent/postern.yaml: cannot be opened for reading");
}

TEST(SettingsRefuse, public_urls_that_are_none) {
  EXPECT_EQ(mistake("admin: {public_url: postern.example.com}"),
            "postern.yaml:1:21: admin.public_url starts with https:// or http://");
  for (const char* url :
       {"https://", "https://u@h.example", "https://h.example?q", "https://h.example/#f", "https://a b"})
    EXPECT_NE(mistake("admin: {public_url: \"" + std::string(url) + "\"}"), "(accepted)") << url;
}

TEST(SettingsRefuse, host_patterns_that_are_too_wide_or_written_twice) {
  EXPECT_EQ(mistake("egress: {allow: [\"*.com\"]}"),
            "postern.yaml:1:18: '*.com' would cover a public suffix, where anybody can register a name");
  EXPECT_EQ(mistake("egress: {allow: [\"*\"]}"), "postern.yaml:1:18: '*': a wildcard is written *.suffix");
  EXPECT_EQ(mistake("egress:\n  allow:\n    - pypi.org\n    - PyPI.org:443\n"),
            "postern.yaml:4:7: the host pattern 'pypi.org:443' is written twice");
  EXPECT_EQ(mistake("upstream:\n  hosts:\n    \"a.b:443\": {resolve: 1.1.1.1}\n    A.B: {resolve: 1.1.1.1}\n"),
            "postern.yaml:4:5: the host pattern 'a.b:443' is written twice");
  EXPECT_EQ(mistake("upstream: {hosts: {\"*.co.uk\": {resolve: 1.1.1.1}}}"),
            "postern.yaml:1:20: '*.co.uk' would cover a public suffix, where anybody can register a name");
}

TEST(SettingsRefuse, interception_of_what_is_too_wide_or_written_twice) {
  EXPECT_EQ(mistake("intercept: {hosts: [\"*.com\"]}"),
            "postern.yaml:1:21: '*.com' would cover a public suffix, where anybody can register a name");
  EXPECT_EQ(mistake("intercept: {hosts: [\"*\"]}"), "postern.yaml:1:21: '*': a wildcard is written *.suffix");
  EXPECT_EQ(mistake("intercept: {hosts: [\"api.*.example.com\"]}").substr(0, 18), "postern.yaml:1:21:");
  EXPECT_EQ(mistake("intercept: {hosts: [\"https://a.example\"]}"),
            "postern.yaml:1:21: write host or host:port, without a scheme");
  EXPECT_EQ(mistake("intercept: {hosts: [\"a.example:0\"]}"), "postern.yaml:1:21: port 0 is not in 1..65535");
  EXPECT_EQ(mistake("intercept: {hosts: [localhost]}"),
            "postern.yaml:1:21: 'localhost' cannot be intercepted: a CA for it would hold for whatever is registered "
            "below it");
  EXPECT_EQ(mistake("intercept:\n  hosts:\n    - api.github.com\n    - API.GitHub.com:443\n"),
            "postern.yaml:4:7: the host pattern 'api.github.com:443' is written twice");
  EXPECT_EQ(mistake("intercept: {hosts: api.github.com}"),
            "postern.yaml:1:20: must be a list of hosts like [\"api.github.com\", \"*.slack.com\"]");
  EXPECT_EQ(mistake("intercept: {host: []}"),
            "postern.yaml:1:13: unknown key 'host', did you mean 'hosts'? (in intercept)");
}

TEST(SettingsRefuse, host_exceptions_that_open_too_much_or_nothing) {
  EXPECT_EQ(mistake("upstream: {hosts: {a.b: {resolve: 169.254.169.254}}}"),
            "postern.yaml:1:35: '169.254.169.254' is a metadata address, which is never allowed");
  EXPECT_EQ(mistake("upstream: {hosts: {a.b: {resolve: \"[fd00:ec2::254]:80\"}}}"),
            "postern.yaml:1:35: 'fd00:ec2::254' is a metadata address, which is never allowed");
  EXPECT_EQ(mistake("upstream: {hosts: {a.b: {resolve: \"[::ffff:169.254.169.254]\"}}}").substr(0, 18),
            "postern.yaml:1:35:");
  EXPECT_EQ(mistake("upstream: {hosts: {a.b: {resolve: c.d}}}"),
            "postern.yaml:1:35: resolve takes an address, not the name 'c.d'");
  EXPECT_EQ(mistake("upstream: {hosts: {a.b: {addresses: [10.0.0.0/8, 169.254.0.0/16]}}}"),
            "postern.yaml:1:50: '169.254.0.0/16' holds the metadata address 169.254.169.254, which is never allowed");
  EXPECT_EQ(mistake("upstream: {hosts: {a.b: {addresses: [10.0.0.1/8]}}}"),
            "postern.yaml:1:38: '10.0.0.1/8' has bits below its prefix length");
  EXPECT_EQ(mistake("upstream: {hosts: {a.b: {addresses: 10.0.0.0/8}}}"),
            "postern.yaml:1:37: addresses is a list of ranges like 10.0.0.0/8");
  EXPECT_EQ(mistake("upstream: {hosts: {a.b: {}}}"),
            "postern.yaml:1:20: this row says nothing; give it resolve, trust or addresses");
  EXPECT_EQ(mistake("upstream: {hosts: {a.b: {resolv: 1.1.1.1}}}"),
            "postern.yaml:1:26: unknown key 'resolv', did you mean 'resolve'? (in upstream.hosts 'a.b')");
}

TEST(SettingsRefuse, unknown_variables_and_flags) {
  EXPECT_EQ(mistake("", {{"POSTERN__LISTEN__PROXI", "x"}}),
            "environment: unknown variable 'POSTERN__LISTEN__PROXI', did you mean 'POSTERN__LISTEN__PROXY'?");
  EXPECT_EQ(mistake("", {{"POSTERN__listen__proxy", "127.0.0.1:1"}}),
            "environment: unknown variable 'POSTERN__listen__proxy'");
  EXPECT_EQ(mistake("", {}, {{"listen.prox", "x"}}),
            "flag: unknown setting 'listen.prox', did you mean 'listen.proxy'?");
}

TEST(SettingsRefuse, bad_values_of_variables_by_the_name_of_the_variable) {
  EXPECT_EQ(mistake("", {{"POSTERN__WORKERS", "many"}}),
            "environment: POSTERN__WORKERS: must be a whole number of 1 to 256");
  EXPECT_EQ(mistake("", {{"POSTERN__UPSTREAM", "{tmeouts: {}}"}}),
            "environment: POSTERN__UPSTREAM: unknown key 'tmeouts', did you mean 'timeouts'? (in upstream)");
  EXPECT_EQ(mistake("", {{"POSTERN__LISTEN", "x"}}),
            "environment: POSTERN__LISTEN: is a section: give it a map, or set one of its keys");
  EXPECT_EQ(mistake("", {{"POSTERN__EGRESS__ALLOW", "[a"}}).substr(0, 36), "environment: POSTERN__EGRESS__ALLOW:");
  EXPECT_EQ(mistake("", {}, {{"log.level", "loud"}}),
            "flag: log.level: 'loud' is not one of trace, debug, info, warn, error");
  EXPECT_EQ(mistake("", {}, {{"audit.quota", "1KiB"}}), "flag: audit.quota: must be at least 64KiB");
}

TEST(SettingsRefuse, secrets_written_into_declared_connections) {
  const std::string text = mistake("connections:\n  - app: stripe\n    value: {apiKey: sk_live_hidden}\n");
  EXPECT_EQ(text, "postern.yaml:3:21: secrets come from files: write apiKey: {file: PATH}");
  EXPECT_EQ(text.find("hidden"), std::string::npos);
  EXPECT_EQ(mistake("connections: [{app: stripe, value: {apiKey: {}}}]"),
            "postern.yaml:1:45: secrets come from files: write apiKey: {file: PATH}");
  EXPECT_EQ(mistake("connections: [{app: stripe, value: {apiKey: {fil: /x}}}]"),
            "postern.yaml:1:46: unknown key 'fil', did you mean 'file'? (in the field 'apiKey')");
  EXPECT_EQ(mistake("connections: [{app: stripe, value: sk_live_hidden}]"),
            "postern.yaml:1:36: value is a map of fields like {apiKey: {file: /run/secrets/key}}");
}

TEST(SettingsRefuse, declared_connections_that_cannot_be_named) {
  EXPECT_EQ(mistake("connections: [{alias: a}]"),
            "postern.yaml:1:15: a connection needs an app: the id of a catalog entry");
  EXPECT_EQ(mistake("connections: [{app: a, alias: conn_1}]"),
            "postern.yaml:1:31: an alias may not look like an id ('conn_…')");
  EXPECT_EQ(mistake("connections: [{app: a, alias: a b}]"),
            "postern.yaml:1:31: 'a b' is not an alias (A-Z, a-z, 0-9, '_', '-', at most 64)");
  EXPECT_NE(mistake("connections: [{app: a, alias: \"-\"}]"), "(accepted)");
  EXPECT_EQ(mistake("connections:\n  - {app: a}\n  - {app: b, alias: a}\n"),
            "postern.yaml:3:5: the alias 'a' is taken by an earlier row");
  EXPECT_EQ(mistake("connections: [{app: a, type: APIKEY}]"),
            "postern.yaml:1:30: unknown type 'APIKEY', did you mean 'API_KEY'?");
  EXPECT_EQ(mistake("connections: [{app: a, scope: PERSONAL}]"),
            "postern.yaml:1:31: a declared connection has no owner; its scope is PROJECT or ORGANIZATION");
  EXPECT_EQ(mistake("connections: [{app: a, scope: project}]"),
            "postern.yaml:1:31: 'project' is not one of PROJECT, ORGANIZATION");
  EXPECT_EQ(mistake("connections: {}"), "postern.yaml:1:14: must be a list of connections");
}

TEST(SettingsRefuse, name_the_first_mistake_of_the_file) {
  EXPECT_EQ(mistake("workers: x\nstat: y\n"), "postern.yaml:1:10: must be a whole number of 1 to 256");
  EXPECT_EQ(mistake("stat: y\nworkers: x\n"), "postern.yaml:1:1: unknown key 'stat', did you mean 'state'?");
}

}  // namespace
}  // namespace postern::config::test
