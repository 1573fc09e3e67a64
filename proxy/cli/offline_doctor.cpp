// The checks of doctor that read the configuration, files, ports and the machine.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <openssl/pem.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>

#include "proxy/cli/doctor.hpp"
#include "proxy/cli/offline_doctor_ca.hpp"
#include "proxy/cli/offline_settings.hpp"
#include "vault/vault.hpp"

namespace postern::cli::offline {
namespace {

namespace fs = std::filesystem;
using Checks = std::vector<Check>;

Check bad(std::string name, std::string detail, std::string fix) {
  return {std::move(name), Health::fail, std::move(detail), std::move(fix)};
}
Check doubtful(std::string name, std::string detail, std::string fix) {
  return {std::move(name), Health::warn, std::move(detail), std::move(fix)};
}

// Whether `address` can be bound now. Numeric or localhost, as the settings allow.
int try_to_bind(const std::string& address) {
  const auto colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &list) != 0) return EADDRNOTAVAIL;
  const int fd = ::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int error = ::bind(fd, list->ai_addr, list->ai_addrlen) == 0 && ::listen(fd, 1) == 0 ? 0 : errno;
  ::close(fd);
  ::freeaddrinfo(list);
  return error;
}

Check check_port(const std::string& setting, const std::string& address, const std::vector<std::string>& ours,
                 bool running) {
  const std::string name = "ports";
  if (address.ends_with(":0")) return well(name, fmt::format("{}: any free port is picked at the start", setting));
  std::string numeric = address.starts_with("localhost:") ? "127.0.0.1" + address.substr(9) : address;
  if (std::find(ours.begin(), ours.end(), numeric) != ours.end())
    return well(name, fmt::format("{} {} is the daemon's", setting, address));
  if (running)
    return doubtful(name, fmt::format("{} {} is not where the daemon listens", setting, address),
                    "restart it: listeners do not change while it runs");
  const int error = try_to_bind(address);
  if (error == 0) return well(name, fmt::format("{} {} is free", setting, address));
  return bad(name, fmt::format("{} {}: {}", setting, address, std::strerror(error)),
             error == EADDRINUSE ? fmt::format("stop what listens there, or choose another {}", setting)
                                 : fmt::format("choose another {}", setting));
}

Checks check_ports(const config::Settings& settings, const std::optional<Running>& running) {
  Checks out;
  const bool known = running && running->answers;
  std::vector<std::string> addresses{settings.listen.proxy};
  addresses.insert(addresses.end(), settings.listen.more_proxy.begin(), settings.listen.more_proxy.end());
  if (running && !known) return out;
  const auto proxy = known ? running->proxy : std::vector<std::string>();
  for (const std::string& address : addresses) out.push_back(check_port("listen.proxy", address, proxy, known));
  out.push_back(check_port("listen.admin", settings.listen.admin,
                           known ? std::vector{running->admin} : std::vector<std::string>(), known));
  if (!settings.listen.health.empty())
    out.push_back(check_port("listen.health", settings.listen.health,
                             known ? std::vector{running->health} : std::vector<std::string>(), known));
  return out;
}

// The owner that a file should have: the daemon's user, or ours where none runs.
Check check_mode(const std::string& name, const fs::path& path, unsigned owner, const char* mode, Health if_open) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0)
    return bad(name, fmt::format("{}: {}", path.string(), std::strerror(errno)),
               errno == ENOENT ? "make it with 'postern init'" : "run as the daemon's user");
  if (about.st_uid != owner && about.st_uid != 0)
    return bad(name, fmt::format("{} belongs to user {}, not to {}", path.string(), about.st_uid, owner),
               fmt::format("chown {} {}", owner, path.string()));
  if ((about.st_mode & 077U) != 0)
    return {name, if_open,
            fmt::format("{} has mode {:04o}: others may read or write it", path.string(), about.st_mode & 07777U),
            fmt::format("chmod {} {}", mode, path.string())};
  return well(name, fmt::format("{} has mode {:04o}", path.string(), about.st_mode & 07777U));
}

// Who the daemon runs as where none does: for root, whoever the state belongs to.
unsigned user_of(const fs::path& state) {
  struct stat about{};
  return ::geteuid() == 0 && ::stat(state.c_str(), &about) == 0 ? about.st_uid : ::geteuid();
}

// On the terminal or through a pipe: what is read from there is gone.
bool is_asked_for(const fs::path& passphrase) {
  std::error_code ignored;
  return passphrase == "-" || (fs::exists(passphrase, ignored) && !fs::is_regular_file(passphrase, ignored));
}

// Where the key is only there when the daemon starts, or opening would leave files behind that its user cannot use.
std::optional<Check> why_not_opened(const config::Settings& settings, const Environment& environment) {
  if (is_asked_for(settings.key_passphrase_file))
    return doubtful("vault", "not opened: its passphrase is asked for", "start the daemon, which asks for it");
  if (!settings.key_credential.empty() && !environment.contains("CREDENTIALS_DIRECTORY"))
    return doubtful("vault",
                    fmt::format("not opened: the credential '{}' is only in systemd's unit", settings.key_credential),
                    "start the unit, and read its log if it does not come up");
  if (const unsigned user = user_of(settings.state); user != ::geteuid())
    return doubtful("vault", fmt::format("not opened: root would leave files there that user {} cannot use", user),
                    fmt::format("run doctor as that user: setpriv --reuid {} --clear-groups postern doctor", user));
  return std::nullopt;
}

// `ca`: what an opened vault says of it (Running::ca).
Check check_vault(const config::Settings& settings, const Environment& environment,
                  const std::optional<Running>& running, std::optional<std::string>& ca) {
  if (running) {
    if (!running->answers) return doubtful("vault", "in use by a daemon that does not answer", "see its log");
    if (running->vault_state != "READY")
      return bad("vault", fmt::format("the daemon's vault is {}", running->vault_state),
                 "see its log; free disk space if it is full");
    return well("vault", fmt::format("open and {}, key: {}", running->vault_state, running->key_provider));
  }
  if (const auto not_now = why_not_opened(settings, environment)) return *not_now;
  vault::Options options = vault_options(settings);
  options.allow_key_in_state = true;  // as `run --dev` may have made it
  const auto opened = vault::Vault::open(options);
  if (opened) {
    const auto authority = (*opened)->find_authority();
    if (authority) ca = authority->certificate;
    if (!authority && authority.error().code == vault::Error::Code::not_found) ca = "";
    return well("vault", fmt::format("opens with its key; {}", (*opened)->status().key_provider));
  }
  if (opened.error().code == vault::Error::Code::locked)
    return bad("vault", opened.error().message, "stop the process that holds it; its admin socket is gone");
  if (opened.error().code == vault::Error::Code::not_found)
    return bad("vault", opened.error().message, "make one with 'postern init'");
  return bad("vault", opened.error().message, "see 'postern run --help', or restore a backup");
}

// Where the master key comes from. Whether it fits is the vault's check.
Check check_key(const config::Settings& settings, unsigned owner) {
  if (!settings.key_credential.empty())
    return well("key", fmt::format("systemd's credential '{}'", settings.key_credential));
  if (!settings.key_exec.empty()) {
    const std::string& program = settings.key_exec.front();
    struct stat about{};
    if (::stat(program.c_str(), &about) != 0)
      return bad("key", fmt::format("{}: {}", program, std::strerror(errno)),
                 "install the program of vault.key.exec, or name where it is");
    if ((about.st_mode & 0111U) == 0)
      return bad("key", fmt::format("{} is not executable", program), fmt::format("chmod +x {}", program));
    if ((about.st_mode & 022U) != 0)
      return bad("key", fmt::format("{} can be changed by others", program), fmt::format("chmod go-w {}", program));
    return well("key", fmt::format("{} unwraps it", program));
  }
  const fs::path& passphrase = settings.key_passphrase_file;
  if (is_asked_for(passphrase)) return well("key", "a passphrase that is asked for at the start");
  return check_mode("key", passphrase.empty() ? settings.key_file : passphrase, owner, "600", Health::fail);
}

Checks check_files(const config::Settings& settings, const Environment& environment,
                   const std::optional<Running>& running, std::optional<std::string>& ca) {
  if (settings.store == "memory") return {well("vault", "kept in memory: nothing to look at")};
  const unsigned owner = running ? running->uid : user_of(settings.state);
  Checks out;
  out.push_back(check_mode("state", settings.state, owner, "700", Health::warn));
  out.push_back(check_key(settings, owner));
  if (out.front().health != Health::fail || running) out.push_back(check_vault(settings, environment, running, ca));
  return out;
}

Check check_clock(const config::Settings& settings) {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm date{};
  ::gmtime_r(&seconds, &date);
  const int year = date.tm_year + 1900;
  if (year < 2025 || year > 2100)
    return bad("clock", fmt::format("the year is {}", year), "set the clock: certificates and expiry depend on it");
  constexpr std::time_t kSlack = 300;
  for (const fs::path& path : {settings.state / "marker", key_source(settings).secret_file(), settings.file}) {
    struct stat about{};
    if (::stat(path.c_str(), &about) == 0 && about.st_mtime > seconds + kSlack)
      return bad("clock",
                 fmt::format("{} was written in the future, {} s from now", path.string(), about.st_mtime - seconds),
                 "set the clock: it is behind what this machine has seen");
  }
  return well("clock", fmt::format("{:04}-{:02}-{:02}, after every file", year, date.tm_mon + 1, date.tm_mday));
}

// getaddrinfo has no deadline of its own: the thread may stay behind, and ends with the process.
Check check_dns(const config::Settings& settings) {
  std::string name = "example.com";
  const auto asked_for = [&](const config::HostRule& rule) {
    if (rule.wildcard || rule.host.find_first_not_of("0123456789.:") == std::string::npos) return false;
    return std::none_of(settings.upstream_hosts.begin(), settings.upstream_hosts.end(),
                        [&](const auto& row) { return row.host == rule.host && !row.resolve.empty(); });
  };
  for (const config::HostRule& rule : settings.egress_allow)
    if (asked_for(rule)) name = rule.host;
  struct Answer {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<int> error;
  };
  const auto answer = std::make_shared<Answer>();
  std::thread([answer, name] {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int error = ::getaddrinfo((name + ".").c_str(), "443", &hints, &list);
    if (error == 0) ::freeaddrinfo(list);
    const std::scoped_lock lock(answer->mutex);
    answer->error = error;
    answer->came.notify_one();
  }).detach();
  std::unique_lock lock(answer->mutex);
  const bool in_time = answer->came.wait_for(lock, settings.timeouts.dns, [&] { return answer->error.has_value(); });
  const char* fix = "check /etc/resolv.conf; hosts with `resolve` in upstream.hosts need no DNS";
  if (!in_time) return doubtful("dns", fmt::format("no answer for {} in time", name), fix);
  if (*answer->error != 0) return doubtful("dns", fmt::format("{}: {}", name, ::gai_strerror(*answer->error)), fix);
  return well("dns", fmt::format("{} resolves", name));
}

// Certificates of a PEM file; -1: it cannot be read.
int count_roots(const fs::path& file) {
  std::FILE* in = std::fopen(file.c_str(), "re");
  if (in == nullptr) return -1;
  int count = 0;
  while (X509* certificate = PEM_read_X509(in, nullptr, nullptr, nullptr)) {
    ++count;
    X509_free(certificate);
  }
  std::fclose(in);
  return count;
}

Check check_roots_file(const std::string& setting, const fs::path& file) {
  const int count = count_roots(file);
  if (count > 0) return well("roots", fmt::format("{} {}: {} certificates", setting, file.string(), count));
  return bad("roots",
             fmt::format("{} {}: {}", setting, file.string(), count < 0 ? "cannot be read" : "holds no certificate"),
             "name a PEM file with BEGIN CERTIFICATE blocks that the daemon's user can read");
}

Checks check_roots(const config::Settings& settings) {
  Checks out;
  if (!settings.upstream_trust.empty()) {
    out.push_back(check_roots_file("upstream.trust", settings.upstream_trust));
  } else {
    std::error_code ignored;
    std::size_t hashed = 0;
    for (const auto& entry : fs::directory_iterator("/etc/ssl/certs", ignored))
      hashed += entry.path().extension() == ".0";
    int bundled = 0;
    for (const char* bundle :
         {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"})
      bundled = std::max(bundled, hashed == 0 ? count_roots(bundle) : 0);
    if (hashed == 0 && bundled <= 0)
      out.push_back(bad("roots", "the system has no certificates to trust",
                        "install ca-certificates, or set upstream.trust to a PEM file"));
    else
      out.push_back(
          well("roots", fmt::format("the system's, {} certificates", hashed != 0 ? hashed : std::size_t(bundled))));
  }
  for (const config::HostException& row : settings.upstream_hosts)
    if (!row.trust.empty()) out.push_back(check_roots_file("trust of " + row.pattern, row.trust));
  return out;
}

// The limit of the daemon, or what one started from this shell would get: it raises the soft limit itself.
std::uint64_t open_files(const std::optional<Running>& running) {
  rlimit own{};
  ::getrlimit(RLIMIT_NOFILE, &own);
  if (!running) return own.rlim_max;
  std::ifstream in(fmt::format("/proc/{}/limits", running->pid));
  for (std::string line; std::getline(in, line);) {
    std::uint64_t soft = 0;
    if (line.starts_with("Max open files") && std::sscanf(line.c_str() + 14, "%lu", &soft) == 1) return soft;
  }
  return own.rlim_max;
}

Check check_open_files(const config::Settings& settings, const std::optional<Running>& running) {
  const std::uint64_t limit = open_files(running), wanted = 2 * settings.client_max + 128;
  if (limit >= wanted) return well("open files", fmt::format("{} allowed, client.max needs {}", limit, wanted));
  return doubtful(
      "open files",
      fmt::format("{} allowed, client.max {} needs {}: fewer callers are let in", limit, settings.client_max, wanted),
      "raise it (ulimit -Hn, LimitNOFILE=), or lower client.max");
}

Check check_disk(const config::Settings& settings) {
  fs::path place = settings.state;
  std::error_code ignored;
  while (!fs::exists(place, ignored) && place.has_relative_path()) place = place.parent_path();
  struct statvfs about{};
  if (::statvfs(place.c_str(), &about) != 0)
    return doubtful("disk", fmt::format("{}: {}", place.string(), std::strerror(errno)), "run as the daemon's user");
  constexpr std::uint64_t kMiB = 1 << 20;
  const std::uint64_t free = about.f_bavail * about.f_frsize / kMiB;
  const std::string detail = fmt::format("{} MiB free at {}", free, place.string());
  if (free < 64) return bad("disk", detail, "free some: a full disk makes the vault read-only");
  if (free < 512) return doubtful("disk", detail, "free some before it is full: the vault becomes read-only then");
  if (about.f_files != 0 && about.f_favail < 1000)
    return doubtful("disk", fmt::format("{} inodes free at {}", about.f_favail, place.string()), "remove some files");
  return well("disk", detail);
}

}  // namespace

Result<std::vector<Check>> examine(const ConfigFile& config, const Environment& environment,
                                   const std::optional<Running>& running) {
  auto settings = load_of_either(config, environment);
  if (!settings) return std::unexpected(settings.error());
  Checks out;
  const auto add = [&](const Checks& more) { out.insert(out.end(), more.begin(), more.end()); };
  out.push_back(well("settings", settings->file.empty() ? "no file: the defaults" : settings->file.string()));
  add(check_ports(*settings, running));
  std::optional<std::string> ca = running ? running->ca : std::nullopt;
  add(check_files(*settings, environment, running, ca));
  out.push_back(check_interception(*settings, ca, std::time(nullptr)));
  out.push_back(check_disk(*settings));
  out.push_back(check_clock(*settings));
  out.push_back(check_open_files(*settings, running));
  add(check_roots(*settings));
  out.push_back(check_dns(*settings));
  return out;
}

}  // namespace postern::cli::offline
