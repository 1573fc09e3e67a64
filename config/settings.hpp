#pragma once
// Settings: what postern.yaml, POSTERN__… variables and flags say, decoded once into plain data (DESIGN section 10).
//
// An immutable value after load; share it as shared_ptr<const Settings>. Order: flag, environment, file, default.
// Unknown keys, wrong types and impossible values are errors with file, line, column and a suggestion. Relative paths
// in the file are resolved against its folder; `~/` is the home of the daemon's user. Durations are milliseconds, sizes
// bytes.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/error.hpp"

namespace postern::config {

using Millis = std::chrono::milliseconds;

struct Listen {
  std::string proxy = "127.0.0.1:8480";  // host:port; port 0 picks one. More than one address: a list is accepted
  std::vector<std::string> more_proxy;   // the rest of the list
  std::string admin = "127.0.0.1:8481";
  std::string health;               // probes and metrics only, without a token; empty: none
  std::filesystem::path unix_path;  // a unix socket for callers, beside the proxy; empty: none
};

struct HostException {  // one row of upstream.hosts
  std::string pattern;  // "api.internal:443" or "*.suffix:443", lower case, always with a port
  std::string host;     // "api.internal" or ".suffix" for a wildcard
  bool wildcard = false;
  std::uint16_t port = 443;
  std::string resolve;                 // "127.0.0.1:9443"; empty: ask DNS
  std::filesystem::path trust;         // PEM of additional roots for this host; empty: the system's
  std::vector<std::string> addresses;  // CIDR ranges allowed although private
};

struct Timeouts {
  Millis connect{5'000}, tls{5'000}, head{300'000}, stream_idle{600'000}, pool_idle{30'000}, dns{5'000};
};

struct DeclaredValue {  // a secret named by where it is, never by value
  std::filesystem::path file;
};

struct DeclaredConnection {  // one row of `connections:`
  std::string alias, app, type, name, auth, scope;
  std::string id;                              // empty: derived from the alias, stable
  std::map<std::string, DeclaredValue> value;  // field -> file
  std::string config_json = "{}";              // config: as JSON text
  int line = 0, column = 0;
};

struct HostRule {    // one row of egress.allow or intercept.hosts: "pypi.org:443", "*.debian.org"
  std::string host;  // exact, or ".debian.org" for a wildcard
  bool wildcard = false;
  std::uint16_t port = 443;
};

struct Settings {
  std::filesystem::path file;  // where it was read; empty: none
  Listen listen;
  std::filesystem::path state = "./state";
  std::string store = "rocksdb";  // rocksdb | memory (postgres: a later version; refused with a clear message)
  // Where the master key comes from; exactly one of the four is set after load.
  std::filesystem::path key_file;             // default: $XDG_CONFIG_HOME/postern/master.key or /etc/postern/master.key
  std::filesystem::path key_passphrase_file;  // "-": the terminal is asked
  std::string key_credential;                 // a file name in $CREDENTIALS_DIRECTORY
  std::vector<std::string> key_exec;          // an absolute path and its arguments
  std::size_t cache_size = std::size_t{64} << 20;  // vault.cache.size: of what all workers keep ready
  Millis cache_idle{600'000};                      // vault.cache.idle: dropped after so long without a request
  Millis keep_old{86'400'000};                     // vault.keep_old: the value that a rotation replaced; 0: not
  bool open_callers = false;                       // callers.mode: open
  bool insecure_listen = false;
  std::string public_url;                // admin.public_url; empty: derived from listen.admin
  std::vector<unsigned> socket_uids;     // admin.socket_uids; empty: the daemon's own
  bool egress_allow_by_default = false;  // egress.default: allow
  std::vector<HostRule> egress_allow;
  std::vector<HostRule> intercept_hosts;  // CONNECT tunnels to these are opened, with leaves of our own CA
  std::vector<HostException> upstream_hosts;
  std::filesystem::path upstream_trust;  // upstream.trust: roots instead of the system's, for every host; empty: system
  Timeouts timeouts;
  bool isolate_connections = false;  // upstream.pool.isolate: connection
  std::size_t pool_max_idle = 1024;
  Millis client_idle{75'000}, client_head{10'000};
  std::size_t client_max = 10'000;
  std::optional<std::uint64_t> body_limit;  // limits.body; absent: none
  std::size_t body_buffer = 1 << 20;
  std::optional<std::size_t> requests_max;         // limits.requests, of the process; absent: none
  std::optional<std::size_t> caller_requests_max;  // limits.caller_requests, of one authorization; absent: none
  std::uint64_t buffered_max = 256ULL << 20;       // limits.buffered, of the process
  unsigned workers = 1;
  Millis drain{30'000};
  std::vector<std::filesystem::path> catalog;
  std::vector<DeclaredConnection> connections;
  std::uint64_t audit_quota = 64ULL << 20;               // audit.quota, of each organization
  Millis audit_retention{std::chrono::hours(24 * 365)};  // audit.retention; 0: for ever
  std::string log_level = "info";                        // log.level: trace … error
  bool access_log = true;                                // log.access
  bool dev = false;  // run --dev: open callers on loopback, key may live in the state directory
};

struct Sources {
  std::optional<std::filesystem::path> file;       // --config; absent: ./postern.yaml, /etc/postern/postern.yaml
  std::map<std::string, std::string> environment;  // only POSTERN__… are looked at, plus HOME, XDG_CONFIG_HOME
  std::vector<std::pair<std::string, std::string>> flags;  // "listen.proxy" -> "127.0.0.1:0"
  bool dev = false;
};

// Errors name the first mistake. A given --config that cannot be read is an error; no file at all is not.
Result<Settings> load_settings(const Sources& sources);

// One key whose value differs between two loads. Values are JSON, as `config show` prints them.
struct SettingChange {
  std::string path, before, after;
  bool needs_restart = false;
};
// Every key that differs, in the order of `config show`. Files that a setting names are not looked into.
std::vector<SettingChange> compare_settings(const Settings& running, const Settings& wanted);
// What a running daemon makes of newly loaded settings: keys that need a restart keep the running value. Where a
// listener's address would change, callers.mode and insecure_listen keep theirs too: they were checked together.
Settings without_restart(const Settings& running, Settings wanted);

// The settings as commented YAML, in the file's own form, every value spelled out (nothing in it is secret).
std::string show_settings(const Settings& settings);
// The commented file that `init` writes.
std::string_view default_settings_file();

}  // namespace postern::config
