// Every setting: its key, how it is read, and how it is shown. Long because it is one list, a row a key.
#include "config/settings_rows.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "config/hosts.hpp"
#include "config/measures.hpp"

namespace postern::config {
namespace {

namespace fs = std::filesystem;
using Value = boost::json::value;

Value text_or_null(const std::string& text) {
  return text.empty() ? Value(nullptr) : Value(boost::json::string(text));
}
Value text(const std::string& value) {
  return boost::json::string(value);
}

// host:port where we listen. Only addresses and localhost: a name could move the listener to another interface.
std::string address(const Node& node, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  const std::string written = scalar(node, mistakes);
  if (mistakes.size() != before) return {};
  const auto parsed = parse_host_port(written, false, true);
  if (!parsed) {
    mistakes.add(node, parsed.error());
  } else if (!parsed->has_port) {
    mistakes.add(node, fmt::format("'{}' has no port", written));
  } else if (!parsed->ip && parsed->host != "localhost") {
    mistakes.add(node,
                 fmt::format("'{}': listen on an address (127.0.0.1, [::1]) or localhost, not on a name", written));
  } else {
    return join_host_port(parsed->host, parsed->port);
  }
  return {};
}

void read_proxy(const Node& node, Settings& out, Reading& in) {
  if (!node.is_list()) {
    out.listen.proxy = address(node, in.mistakes);
    out.listen.more_proxy.clear();
    return;
  }
  if (node.items.empty()) return in.mistakes.add(node, "listen.proxy needs at least one address");
  out.listen.more_proxy.clear();
  for (const Node& item : node.items) {
    std::string one = address(item, in.mistakes);
    if (&item == &node.items.front())
      out.listen.proxy = std::move(one);
    else
      out.listen.more_proxy.push_back(std::move(one));
  }
}

Value show_proxy(const Settings& s) {
  if (s.listen.more_proxy.empty()) return text(s.listen.proxy);
  boost::json::array all{text(s.listen.proxy)};
  for (const auto& more : s.listen.more_proxy) all.push_back(text(more));
  return all;
}

// One of the words; returns its index, or `fallback` after a mistake.
std::size_t word(const Node& node, std::initializer_list<std::string_view> words, std::size_t fallback,
                 Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  const std::string written = scalar(node, mistakes);
  if (mistakes.size() != before) return fallback;
  const auto* at = std::find(words.begin(), words.end(), written);
  if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
  mistakes.add(node, fmt::format("'{}' is not one of {}", written, fmt::join(words, ", ")));
  return fallback;
}

template <class T>
void count(const Node& node, T& out, std::uint64_t least, std::uint64_t most, Mistakes& mistakes) {
  std::uint64_t value = 0;
  const auto* end = node.text.data() + node.text.size();
  const auto parsed = std::from_chars(node.text.data(), end, value);
  if (!node.is_scalar() || parsed.ec != std::errc() || parsed.ptr != end || value < least || value > most)
    return mistakes.add(node, fmt::format("must be a whole number of {} to {}", least, most));
  out = static_cast<T>(value);
}

void duration(const Node& node, Millis& out, bool zero, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  const auto parsed = parse_duration(scalar(node, mistakes));
  if (mistakes.size() != before) return;
  if (!parsed) return mistakes.add(node, parsed.error());
  if (!zero && parsed->count() == 0) return mistakes.add(node, "must be longer than zero");
  out = *parsed;
}

void read_public_url(const Node& node, Settings& out, Reading& in) {
  const std::size_t before = in.mistakes.size();
  std::string url = scalar(node, in.mistakes);
  if (in.mistakes.size() != before) return;
  std::string_view rest = url;
  const bool secure = rest.starts_with("https://");
  if (!secure && !rest.starts_with("http://"))
    return in.mistakes.add(node, "admin.public_url starts with https:// or http://");
  rest.remove_prefix(secure ? 8 : 7);
  const std::size_t slash = rest.find('/');
  const auto host = parse_host_port(rest.substr(0, slash), false);
  if (!host) return in.mistakes.add(node, host.error());
  if (slash != rest.npos)
    if (const auto path = parse_path_prefix(rest.substr(slash)); !path) return in.mistakes.add(node, path.error());
  while (url.ends_with('/')) url.pop_back();
  out.public_url = std::move(url);
}

void read_uids(const Node& node, Settings& out, Reading& in) {
  if (!node.is_list()) return in.mistakes.add(node, "must be a list of user ids");
  out.socket_uids.clear();
  for (const Node& item : node.items) count(item, out.socket_uids.emplace_back(), 0, 4'294'967'294, in.mistakes);
}

Value show_uids(const Settings& s) {
  if (s.socket_uids.empty()) return nullptr;
  return boost::json::array(s.socket_uids.begin(), s.socket_uids.end());
}

void read_store(const Node& node, Settings& out, Reading& in) {
  if (node.text == "postgres")
    return in.mistakes.add(node, "vault.store postgres is not served by this version; use rocksdb");
  out.store = word(node, {"rocksdb", "memory"}, 0, in.mistakes) == 0 ? "rocksdb" : "memory";
}

void read_passphrase_file(const Node& node, Settings& out, Reading& in) {
  out.key_passphrase_file = node.is_scalar() && node.text == "-" ? fs::path("-") : read_path(node, in);
}

void read_credential(const Node& node, Settings& out, Reading& in) {
  const std::size_t before = in.mistakes.size();
  std::string name = scalar(node, in.mistakes);
  if (in.mistakes.size() != before) return;
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos)
    return in.mistakes.add(node, "must be the name of a credential, without a folder");
  out.key_credential = std::move(name);
}

void read_key_exec(const Node& node, Settings& out, Reading& in) {
  if (!node.is_list() || node.items.empty())
    return in.mistakes.add(node, "must be a list: an absolute path and its arguments; no shell reads it");
  out.key_exec.clear();
  for (const Node& item : node.items) out.key_exec.push_back(scalar(item, in.mistakes));
  if (!out.key_exec.front().starts_with('/'))
    in.mistakes.add(node.items.front(), "must be an absolute path: no PATH is searched");
}

Value show_key_exec(const Settings& s) {
  if (s.key_exec.empty()) return nullptr;
  boost::json::array all;
  for (const auto& word : s.key_exec) all.push_back(text(word));
  return all;
}

void read_body(const Node& node, Settings& out, Reading& in) {
  const std::size_t before = in.mistakes.size();
  const std::string written = scalar(node, in.mistakes);
  if (in.mistakes.size() != before) return;
  out.body_limit.reset();
  if (written == "none") return;
  if (const auto parsed = parse_size(written))
    out.body_limit = *parsed;
  else
    in.mistakes.add(node, parsed.error() + ", or none");
}

// A size held in memory, at most `most`.
void held(const Node& node, std::size_t& out, std::uint64_t most, const char* too_much, Mistakes& mistakes) {
  const std::size_t before = mistakes.size();
  const auto parsed = parse_size(scalar(node, mistakes));
  if (mistakes.size() != before) return;
  if (!parsed) return mistakes.add(node, parsed.error());
  if (*parsed > most) return mistakes.add(node, too_much);
  out = static_cast<std::size_t>(*parsed);
}

void read_body_buffer(const Node& node, Settings& out, Reading& in) {
  held(node, out.body_buffer, std::uint64_t{1} << 30, "a body held in memory is at most 1GiB", in.mistakes);
}

void read_body_spill(const Node& node, Settings& out, Reading& in) {
  const std::size_t before = in.mistakes.size();
  const std::string written = scalar(node, in.mistakes);
  if (in.mistakes.size() != before) return;
  out.body_spill = 0;
  if (written == "none") return;
  if (const auto parsed = parse_size(written))
    out.body_spill = *parsed;
  else
    in.mistakes.add(node, parsed.error() + ", or none");
}

void read_cache_size(const Node& node, Settings& out, Reading& in) {
  held(node, out.cache_size, std::uint64_t{64} << 30, "a cache is at most 64GiB", in.mistakes);
}

// A count, or none.
void read_most(const Node& node, std::optional<std::size_t>& out, Reading& in) {
  out.reset();
  if (node.is_scalar() && node.text == "none") return;
  std::size_t value = 0;
  count(node, value, 1, 1'000'000, in.mistakes);
  out = value;
}

Value show_most(const std::optional<std::size_t>& most) {
  return most ? Value(*most) : text("none");
}

void read_buffered(const Node& node, Settings& out, Reading& in) {
  const std::size_t before = in.mistakes.size();
  const auto parsed = parse_size(scalar(node, in.mistakes));
  if (in.mistakes.size() != before) return;
  if (!parsed) return in.mistakes.add(node, parsed.error());
  if (*parsed < std::uint64_t{1} << 20) return in.mistakes.add(node, "must be at least 1MiB");
  out.buffered_max = *parsed;
}

void read_audit_quota(const Node& node, Settings& out, Reading& in) {
  const std::size_t before = in.mistakes.size();
  const auto parsed = parse_size(scalar(node, in.mistakes));
  if (in.mistakes.size() != before) return;
  if (!parsed) return in.mistakes.add(node, parsed.error());
  if (*parsed < std::uint64_t{64} << 10) return in.mistakes.add(node, "must be at least 64KiB");
  out.audit_quota = *parsed;
}

void read_catalog(const Node& node, Settings& out, Reading& in) {
  if (!node.is_list()) return in.mistakes.add(node, "must be a list of folders");
  out.catalog.clear();
  for (const Node& item : node.items) out.catalog.push_back(read_path(item, in));
}

Value show_catalog(const Settings& s) {
  boost::json::array all;
  for (const auto& folder : s.catalog) all.push_back(text(folder.string()));
  return all;
}

constexpr std::initializer_list<std::string_view> kLevels = {"trace", "debug", "info", "warn", "error"};

#define DURATION(key, member, zero, meaning)                                                  \
  {key, Written::text, meaning,                                                               \
   [](const Node& n, Settings& s, Reading& in) { duration(n, s.member, zero, in.mistakes); }, \
   [](const Settings& s) -> Value { return text(show_duration(s.member)); }}
#define COUNT(key, member, least, most, meaning)                                                  \
  {key, Written::text, meaning,                                                                   \
   [](const Node& n, Settings& s, Reading& in) { count(n, s.member, least, most, in.mistakes); }, \
   [](const Settings& s) -> Value { return s.member; }}
#define FLAG(key, member, meaning)                                                                \
  {key, Written::text, meaning,                                                                   \
   [](const Node& n, Settings& s, Reading& in) { s.member = boolean(n, in.mistakes, s.member); }, \
   [](const Settings& s) -> Value { return s.member; }}
#define PATH(key, member, meaning)                                                                            \
  {key, Written::text, meaning, [](const Node& n, Settings& s, Reading& in) { s.member = read_path(n, in); }, \
   [](const Settings& s) -> Value { return text_or_null(s.member.string()); }}
#define KEEP(member) [](const Settings& running, Settings& wanted) { wanted.member = running.member; }
#define FIXED_PATH(key, member, meaning)                                         \
  {key,                                                                          \
   Written::text,                                                                \
   meaning,                                                                      \
   [](const Node& n, Settings& s, Reading& in) { s.member = read_path(n, in); }, \
   [](const Settings& s) -> Value { return text_or_null(s.member.string()); },   \
   KEEP(member)}
// Two words, the first of which is `false`.
#define EITHER(key, member, no, yes, meaning)                                                           \
  {key, Written::text, meaning,                                                                         \
   [](const Node& n, Settings& s, Reading& in) { s.member = word(n, {no, yes}, 0, in.mistakes) == 1; }, \
   [](const Settings& s) -> Value { return s.member ? yes : no; }}

constexpr SettingRow kRows[] = {
    {"listen.proxy", Written::addresses, "where callers connect: host:port, or a list of them; port 0 picks one",
     read_proxy, show_proxy, KEEP(listen)},
    {"listen.admin", Written::text, "admin API and console",
     [](const Node& n, Settings& s, Reading& in) { s.listen.admin = address(n, in.mistakes); },
     [](const Settings& s) -> Value { return text(s.listen.admin); }, KEEP(listen)},
    {"listen.health", Written::text, "probes and metrics only, without a token; none unless given",
     [](const Node& n, Settings& s, Reading& in) { s.listen.health = address(n, in.mistakes); },
     [](const Settings& s) -> Value { return text_or_null(s.listen.health); }, KEEP(listen)},
    {"listen.unix", Written::text, "a unix socket for callers on this machine, beside listen.proxy; mode 0660",
     [](const Node& n, Settings& s, Reading& in) { s.listen.unix_path = read_path(n, in); },
     [](const Settings& s) -> Value { return text_or_null(s.listen.unix_path.string()); }, KEEP(listen)},
    FIXED_PATH("state", state, "store, marker and sockets; made with mode 0700"),
    {"vault.store", Written::text, "rocksdb, or memory (nothing outlives the process)", read_store,
     [](const Settings& s) -> Value { return text(s.store); }, KEEP(store)},
    FIXED_PATH("vault.key.file", key_file, "the master key; never inside the state directory"),
    {"vault.key.passphrase_file", Written::text,
     "instead of file: a passphrase, in a file of one line; /dev/fd/3, or - to be asked for it", read_passphrase_file,
     [](const Settings& s) -> Value { return text_or_null(s.key_passphrase_file.string()); },
     KEEP(key_passphrase_file)},
    {"vault.key.credential", Written::text, "instead of file: a systemd credential (LoadCredential=) that holds one",
     read_credential, [](const Settings& s) -> Value { return text_or_null(s.key_credential); }, KEEP(key_credential)},
    {"vault.key.exec", Written::yaml,
     "instead of file: a command that wraps and unwraps, as a list; it begins with an absolute path", read_key_exec,
     show_key_exec, KEEP(key_exec)},
    {"vault.cache.size", Written::text,
     "memory for callers and connections that are kept ready, for all workers together", read_cache_size,
     [](const Settings& s) -> Value { return text(show_size(s.cache_size)); }, KEEP(cache_size)},
    {"vault.cache.idle", Written::text, "how long what is ready is kept without a request for it",
     [](const Node& n, Settings& s, Reading& in) { duration(n, s.cache_idle, false, in.mistakes); },
     [](const Settings& s) -> Value { return text(show_duration(s.cache_idle)); }, KEEP(cache_idle)},
    DURATION("vault.keep_old", keep_old, true, "how long a value that was rotated can be brought back"),
    EITHER("callers.mode", open_callers, "required", "open",
           "required, or open: anybody who reaches the port, loopback only"),
    FLAG("insecure_listen", insecure_listen, "allow plain listeners off loopback (tokens cross the network in clear)"),
    {"admin.public_url", Written::text,
     "how browsers reach the admin port; the redirect URI is <public_url>/oauth/callback", read_public_url,
     [](const Settings& s) -> Value { return text_or_null(s.public_url); }},
    {"admin.socket_uids", Written::yaml,
     "uids that are system administrators on the admin socket, besides root; the "
     "daemon's own unless given",
     read_uids, show_uids},
    EITHER("egress.default", egress_allow_by_default, "deny", "allow", "hosts without a credential: deny or allow"),
    {"egress.allow", Written::yaml, "host, host:port or *.suffix[:port] that callers reach without a credential",
     read_egress_allow, show_egress_allow},
    {"intercept.hosts", Written::yaml,
     "host, host:port or *.suffix[:port] whose CONNECT tunnels are opened, so that a credential can be injected",
     read_intercept_hosts, show_intercept_hosts},
    {"upstream.hosts", Written::yaml, "exceptions by host:port or *.suffix:port: resolve, trust, addresses",
     read_upstream_hosts, show_upstream_hosts},
    DURATION("upstream.timeouts.dns", timeouts.dns, false, "resolving a name"),
    DURATION("upstream.timeouts.connect", timeouts.connect, false, "TCP connect"),
    DURATION("upstream.timeouts.tls", timeouts.tls, false, "TLS handshake"),
    DURATION("upstream.timeouts.head", timeouts.head, false, "from the request to the head of the answer"),
    DURATION("upstream.timeouts.stream_idle", timeouts.stream_idle, false, "a body or stream without a byte"),
    DURATION("upstream.timeouts.pool_idle", timeouts.pool_idle, false, "an unused connection in the pool"),
    EITHER("upstream.pool.isolate", isolate_connections, "organization", "connection",
           "who shares upstream sockets: organization or connection"),
    COUNT("upstream.pool.max_idle", pool_max_idle, 0, 1'000'000, "unused upstream connections kept"),
    PATH("upstream.trust", upstream_trust, "PEM file of roots instead of the system's, for every host"),
    DURATION("client.idle", client_idle, false, "a caller's connection between requests"),
    DURATION("client.head", client_head, false, "the whole request head, from its first byte"),
    COUNT("client.max", client_max, 1, 1'000'000, "callers' connections at a time"),
    {"limits.body", Written::text, "largest request body, or none", read_body,
     [](const Settings& s) -> Value { return text(s.body_limit ? show_size(*s.body_limit) : "none"); }},
    {"limits.body_buffer", Written::text, "largest body held in memory, where an injection needs the whole of it",
     read_body_buffer, [](const Settings& s) -> Value { return text(show_size(s.body_buffer)); }},
    {"limits.body_spill", Written::text,
     "bytes of bodies in encrypted files, of those that are signed and larger than body_buffer; or none",
     read_body_spill,
     [](const Settings& s) -> Value { return text(s.body_spill == 0 ? "none" : show_size(s.body_spill)); }},
    {"limits.requests", Written::text, "requests at a time, or none (client.max bounds them); more are answered 503",
     [](const Node& n, Settings& s, Reading& in) { read_most(n, s.requests_max, in); },
     [](const Settings& s) -> Value { return show_most(s.requests_max); }},
    {"limits.caller_requests", Written::text, "requests of one authorization at a time, or none; more are answered 429",
     [](const Node& n, Settings& s, Reading& in) { read_most(n, s.caller_requests_max, in); },
     [](const Settings& s) -> Value { return show_most(s.caller_requests_max); }},
    {"limits.buffered", Written::text,
     "bytes of requests and answers held in memory; beyond it requests are answered 503", read_buffered,
     [](const Settings& s) -> Value { return text(show_size(s.buffered_max)); }},
    {"workers", Written::text, "threads that serve callers",
     [](const Node& n, Settings& s, Reading& in) { count(n, s.workers, 1, 256, in.mistakes); },
     [](const Settings& s) -> Value { return s.workers; }, KEEP(workers)},
    DURATION("shutdown.drain", drain, true, "what SIGTERM waits for requests in flight"),
    {"catalog", Written::yaml, "folders of catalog entries, in addition to the shipped ones", read_catalog,
     show_catalog},
    {"connections", Written::yaml, "read-only connections whose secrets are files", read_connections, show_connections},
    {"audit.quota", Written::text,
     "what the events of each organization may take; where it is used up they are counted instead of kept",
     read_audit_quota, [](const Settings& s) -> Value { return text(show_size(s.audit_quota)); }},
    DURATION("audit.retention", audit_retention, true, "how long events are kept; 0s: for ever"),
    {"log.level", Written::text, "trace, debug, info, warn or error",
     [](const Node& n, Settings& s, Reading& in) { s.log_level = kLevels.begin()[word(n, kLevels, 2, in.mistakes)]; },
     [](const Settings& s) -> Value { return text(s.log_level); }},
    FLAG("log.access", access_log, "one line for every request"),
};

constexpr LaterKey kLater[] = {
    {"listen.callback", "the OAuth callback is served on listen.admin"},
    {"vault.key.passphrase", "a passphrase never stands in the settings: name its file in vault.key.passphrase_file"},
    {"vault.key.systemd", "use vault.key.credential"},
    {"vault.key.kms", "use vault.key.exec with a command that asks your KMS"},
    {"vault.url", "the PostgreSQL store comes later; use vault.store: rocksdb"},
    {"vault.postgres", "the PostgreSQL store comes later; use vault.store: rocksdb"},
};

}  // namespace

std::span<const SettingRow> setting_rows() {
  return kRows;
}
std::span<const LaterKey> later_keys() {
  return kLater;
}

fs::path read_path(const Node& node, Reading& in) {
  const std::size_t before = in.mistakes.size();
  const std::string written = scalar(node, in.mistakes);
  if (in.mistakes.size() != before) return {};
  if (written.empty()) return in.mistakes.add(node, "a path is missing"), fs::path();
  if (written == "~" || written.starts_with("~/")) {
    if (in.home.empty()) return in.mistakes.add(node, "'~/' needs HOME, which is not set"), fs::path();
    return (fs::path(in.home) / written.substr(std::min<std::size_t>(2, written.size()))).lexically_normal();
  }
  if (written.starts_with('~')) return in.mistakes.add(node, "only '~/', the daemon's own home, is served"), fs::path();
  return (in.base / written).lexically_normal();
}

}  // namespace postern::config
