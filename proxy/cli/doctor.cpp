// doctor: what stands in the way, for a daemon that runs and for one that does not start.
#include "proxy/cli/doctor.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "proxy/cli/ca_bundle.hpp"
#include "proxy/cli/command.hpp"

namespace postern::cli {
namespace {

// Who listens behind the socket file; nullopt: nobody.
std::optional<Running> peer_of(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.native().size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, socket.c_str(), socket.native().size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool there = fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  if (fd >= 0) ::close(fd);
  if (!there) return std::nullopt;
  Running running;
  running.uid = peer.uid;
  running.pid = peer.pid;
  return running;
}

void ask(Running& running, Session& session) {
  auto api = session.api();
  if (!api) return;
  const auto status = api->get("status");
  if (!status || !status->is_object()) return;
  const json::object& object = status->get_object();
  running.answers = true;
  running.admin = text_field(object, "admin");
  running.health = text_field(object, "health");
  if (const auto* vault = object.if_contains("vault"); vault != nullptr && vault->is_object()) {
    running.vault_state = text_field(vault->get_object(), "state");
    running.key_provider = text_field(vault->get_object(), "keyProvider");
  }
  if (const auto* proxies = object.if_contains("proxy"); proxies != nullptr && proxies->is_array())
    for (const json::value& one : proxies->get_array())
      if (one.is_string()) running.proxy.emplace_back(one.get_string());
  if (const auto ca = local_ca(*api)) running.ca = *ca ? text_field(**ca, "certificate") : std::string();
}

std::vector<Check> check_daemon(const std::optional<Running>& running) {
  if (!running)
    return {{"daemon", Health::warn, "none runs with this state", "start it with 'postern run --config …'"}};
  std::vector<Check> out;
  if (running->answers)
    out.push_back(well("daemon", fmt::format("runs as process {}, user {}", running->pid, running->uid)));
  else
    out.push_back({"daemon", Health::fail,
                   fmt::format("process {} holds the admin socket but does not answer", running->pid),
                   "see its log; run as its user, root, or one of admin.socket_uids"});
  if (running->uid == ::geteuid() || ::geteuid() == 0)
    out.push_back({"boundary", Health::warn, "this shell runs as the daemon's user or as root",
                   "what runs here could read the daemon's secrets: run callers as another user or in a container"});
  else
    out.push_back(well("boundary", "this shell runs as another user than the daemon"));
  return out;
}

struct Target {
  std::string address;  // host:port, without user and token
  bool valid = false;
};

// Where a proxy variable points; nothing of its user part is kept.
Target target_of(const std::string& value) {
  std::string_view rest = value;
  std::string port = "80";
  if (const auto scheme = rest.find("://"); scheme != rest.npos) {
    if (rest.starts_with("https://")) port = "443";
    rest.remove_prefix(scheme + 3);
  }
  rest = rest.substr(0, rest.find('/'));
  if (const auto at = rest.rfind('@'); at != rest.npos) rest.remove_prefix(at + 1);
  if (rest.empty()) return {};
  std::string address(rest);
  const auto bracket = address.rfind(']');
  if (address.find(':', bracket == address.npos ? 0 : bracket) == address.npos) address += ":" + port;
  if (address.starts_with("localhost:")) address = "127.0.0.1" + address.substr(9);
  return {address, true};
}

bool is_postern(const Target& target, const std::vector<std::string>& proxy) {
  return std::any_of(proxy.begin(), proxy.end(), [&](const std::string& listening) {
    return target.address == dialled_address(listening) || target.address == listening;
  });
}

std::optional<std::string> variable(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  if (found == environment.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::string upper(std::string name) {
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return name;
}

// Both cases of one variable; the value that counts, the lower-case one first, as most programs have it.
std::optional<std::string> both_cases(const Environment& environment, const std::string& name,
                                      std::vector<Check>& out) {
  const auto small = variable(environment, name), large = variable(environment, upper(name));
  if (small && large && *small != *large)
    out.push_back({name, Health::warn, fmt::format("{} and {} disagree", name, upper(name)),
                   "set both to the same value: some programs read the one, some the other"});
  return small ? small : large;
}

const char* state_word(Health health) {
  return health == Health::ok ? "ok" : health == Health::warn ? "warn" : "fail";
}

void print(const std::vector<Check>& checks, Session& session) {
  if (session.globals.format == Format::table) {
    for (const Check& check : checks) {
      if (session.globals.quiet && check.health == Health::ok) continue;
      std::string line = fmt::format("{:5} {:13} {}", state_word(check.health), check.name, check.detail);
      if (!check.fix.empty()) line += "; fix: " + check.fix;
      session.print(printable(line) + "\n");
    }
    return;
  }
  json::array rows;
  for (const Check& check : checks)
    rows.push_back(json::object{{"check", check.name},
                                {"state", state_word(check.health)},
                                {"detail", check.detail},
                                {"fix", check.fix.empty() ? json::value(nullptr) : json::value(check.fix)}});
  const bool failed =
      std::any_of(checks.begin(), checks.end(), [](const Check& c) { return c.health == Health::fail; });
  session.print_object(json::object{{"healthy", !failed}, {"checks", std::move(rows)}});
}

Result<int> doctor(Session& session) {
  if (!session.globals.server.empty())
    return fail(Exit::usage, "--server: doctor looks at this machine; run it where the daemon runs");
  auto place = session.around.locate(session.globals.config, session.around.environment);
  if (!place) return std::unexpected(place.error());
  auto running = peer_of(place->state / "admin.sock");
  if (running) ask(*running, session);
  std::vector<Check> checks = check_daemon(running);
  auto examined = offline::examine(session.globals.config, session.around.environment, running);
  if (!examined) return std::unexpected(examined.error());
  checks.insert(checks.end(), examined->begin(), examined->end());
  const auto shell =
      check_proxy_variables(session.around.environment, running ? running->proxy : std::vector<std::string>());
  checks.insert(checks.end(), shell.begin(), shell.end());
  print(checks, session);
  const bool failed =
      std::any_of(checks.begin(), checks.end(), [](const Check& c) { return c.health == Health::fail; });
  return failed ? Exit::failed : Exit::ok;
}

}  // namespace

std::vector<Check> check_proxy_variables(const Environment& environment, const std::vector<std::string>& proxy) {
  std::vector<Check> out;
  const auto http = both_cases(environment, "http_proxy", out), https = both_cases(environment, "https_proxy", out);
  const auto all = both_cases(environment, "all_proxy", out), none = both_cases(environment, "no_proxy", out);
  const auto plain = http ? http : all;
  const std::string name = http ? "http_proxy" : "all_proxy";
  const Target target = plain ? target_of(*plain) : Target{};
  const bool ours = target.valid && is_postern(target, proxy);
  if (!plain) {
    out.push_back(well("http_proxy", "not set: programs of this shell call directly; 'postern exec' sets it for one"));
  } else if (!target.valid) {
    out.push_back({name, Health::warn, "names no host", "unset it, or set it with: eval \"$(postern env)\""});
  } else if (!ours && proxy.empty()) {
    out.push_back({name, Health::warn,
                   fmt::format("points to {}; no daemon says whether that is postern", target.address),
                   "start the daemon, or unset it"});
  } else if (!ours) {
    out.push_back({name, Health::warn, fmt::format("points to {}, which is not this postern", target.address),
                   "unset it, or set it with: eval \"$(postern env)\""});
  } else {
    const bool lower = variable(environment, name).has_value();
    const bool both = lower && variable(environment, upper(name)).has_value();
    if (both)
      out.push_back(well(name, fmt::format("points to this postern at {}", target.address)));
    else
      out.push_back(
          {name, Health::warn, fmt::format("points to this postern, but only as {}", lower ? name : upper(name)),
           fmt::format("set {} too: curl reads the lower case alone, others the upper", lower ? upper(name) : name)});
  }
  if (https) {
    const Target secure = target_of(*https);
    if (is_postern(secure, proxy))
      out.push_back(
          {"https_proxy", Health::warn,
           "points to this postern: https:// URLs become tunnels, which egress.allow lets through without a "
           "credential, and intercept.hosts opens for callers that trust the local CA",
           "opt in hosts that need a credential and give the caller what `postern ca export` prints, or write "
           "http:// in those URLs: TLS begins at postern"});
    else
      out.push_back({"https_proxy", Health::warn, fmt::format("https:// calls go to {}, past postern", secure.address),
                     "write http:// for what postern shall call, or unset it"});
  }
  if (none && ours)
    out.push_back({"no_proxy", Health::warn, fmt::format("calls to {} go past postern, in clear text", *none),
                   "take what postern shall call out of it"});
  return out;
}

void add_doctor_verb(CLI::App& root, Command& command) {
  CLI::App* verb = add_verb(root, "doctor", "what stands in the way: ports, files, key, clock, DNS, roots, this shell",
                            "postern doctor -o json");
  verb->footer(
      verb->get_footer() +
      "\n\nOne line a check: ok, warn or fail, and what to do. Exit code 1 if anything fails. Without a daemon the "
      "vault\nis opened under its lock for a moment; nothing else is touched.");
  verb->callback([&command] { command.action = doctor; });
}

}  // namespace postern::cli
