#include "proxy/cli/ca_bundle.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace postern::cli {
namespace {

namespace fs = std::filesystem;

// Debian and Alpine, Fedora and RHEL, openSUSE, then what OpenSSL itself, macOS and the BSDs have.
constexpr const char* kBundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                    "/etc/pki/tls/certs/ca-bundle.crt",
                                    "/etc/ssl/ca-bundle.pem",
                                    "/etc/ssl/cert.pem",
                                    "/usr/local/etc/ssl/cert.pem"};
constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END CERTIFICATE-----";

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string joined(const std::vector<std::string>& certificates) {
  std::string out;
  for (const std::string& one : certificates) out += one + "\n";
  return out;
}

std::string variable(const Environment& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

// Where --server's bundle lies: nobody says that its state directory is on this machine.
Result<fs::path> cached(const Session& session) {
  const Environment& environment = session.around.environment;
  const std::string cache = variable(environment, "XDG_CACHE_HOME"), home = variable(environment, "HOME");
  if (cache.empty() && home.empty())
    return fail(Exit::failed,
                "ca: no HOME to keep the bundle in; write it with 'postern ca export --bundle --out FILE'");
  auto server = parse_server(session.globals.server);
  if (!server) return std::unexpected(server.error());
  std::string name = server->authority();
  std::ranges::replace_if(name, [](char c) { return c == ':' || c == '[' || c == ']'; }, '_');
  const fs::path folder = (cache.empty() ? fs::path(home) / ".cache" : fs::path(cache)) / "postern";
  std::error_code ignored;  // the write says what is wrong
  fs::create_directories(folder, ignored);
  return folder / fmt::format("ca-bundle-{}.pem", name);
}

// A folder of ours that every user may look into; empty: the one there is somebody else's, or writable for others.
fs::path open_folder(const Environment& environment) {
  const std::string set = variable(environment, "TMPDIR");
  const fs::path folder = fs::path(set.empty() ? "/tmp" : set) / fmt::format("postern-ca-{}", ::geteuid());
  if (::mkdir(folder.c_str(), 0755) == 0) ::chmod(folder.c_str(), 0755);  // whatever the umask
  struct stat found{};
  const bool fine = ::lstat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == ::geteuid() &&
                    (found.st_mode & 07777) == 0755;
  return fine ? folder : fs::path();
}

// The state, unless it is for its owner alone: the command may well be another user's. One name a state.
Result<fs::path> place_of(Session& session) {
  if (!session.globals.server.empty()) return cached(session);
  auto place = session.around.locate(session.globals.config, session.around.environment);
  if (!place) return std::unexpected(place.error());
  const fs::path state = fs::absolute(place->state);
  struct stat found{};
  if (::stat(state.c_str(), &found) != 0 || (found.st_mode & S_IXOTH) != 0) return state / "ca-bundle.pem";
  const fs::path open = open_folder(session.around.environment);
  if (open.empty()) return state / "ca-bundle.pem";
  return open / fmt::format("ca-bundle-{:016x}.pem", std::hash<std::string>{}(state.string()));
}

// All of it, or the errno that stood in the way.
int write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(descriptor, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return ::fchmod(descriptor, 0644) == 0 ? 0 : errno;
}

}  // namespace

std::vector<std::string> certificates_in(std::string_view text) {
  std::vector<std::string> out;
  for (auto begin = text.find(kBegin); begin != text.npos; begin = text.find(kBegin)) {
    text.remove_prefix(begin);
    const auto end = text.find(kEnd);
    if (end == text.npos) break;
    out.emplace_back(text.substr(0, end + kEnd.size()));
    text.remove_prefix(end + kEnd.size());
  }
  return out;
}

std::string system_roots(const Environment& environment, const fs::path& own) {
  std::error_code none;
  const std::string set = variable(environment, "SSL_CERT_FILE");
  if (!set.empty() && !fs::equivalent(set, own, none))
    if (const auto found = certificates_in(read_text(set)); !found.empty()) return joined(found);
  for (const char* bundle : kBundles)
    if (const auto found = certificates_in(read_text(bundle)); !found.empty()) return joined(found);
  return {};
}

std::string previous_certificate(const json::object& ca, std::int64_t now_ms) {
  const json::value* previous = ca.if_contains("previous");
  if (previous == nullptr || !previous->is_object()) return {};
  // RFC 3339 in UTC, so the texts are in the order of the times.
  const std::string now = fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(now_ms / 1000)));
  if (text_field(previous->get_object(), "notAfter") < now) return {};
  return text_field(previous->get_object(), "certificate");
}

std::string bundle_text(std::string roots, const json::object& ca, std::int64_t now_ms) {
  for (const std::string& one : certificates_in(text_field(ca, "certificate") + previous_certificate(ca, now_ms)))
    if (roots.find(one) == roots.npos) roots += one + "\n";
  return roots;
}

Result<void> write_public(const fs::path& file, const std::string& text, const char* verb) {
  std::error_code none;
  if (fs::is_regular_file(fs::symlink_status(file, none)) && read_text(file) == text) return {};
  std::string fresh = file.string() + ".XXXXXX";
  const int descriptor = ::mkostemp(fresh.data(), O_CLOEXEC);
  int error = descriptor < 0 ? errno : write_whole(descriptor, text);
  if (descriptor >= 0) ::close(descriptor);
  if (error == 0 && ::rename(fresh.c_str(), file.c_str()) != 0) error = errno;
  if (error == 0) return {};
  if (descriptor >= 0) ::unlink(fresh.c_str());
  return fail(Exit::failed,
              fmt::format("{}: {}: {}; choose another place with --out", verb, file.string(), std::strerror(error)));
}

Result<std::optional<json::object>> local_ca(Api& api) {
  auto answer = api.get("ca");
  if (!answer && answer.error().exit == Exit::not_found) return std::optional<json::object>();
  if (!answer) return std::unexpected(answer.error());
  if (!answer->is_object()) return fail(Exit::failed, "answer: ca: not a JSON object; do the versions fit?");
  return std::optional(std::move(answer->get_object()));
}

Result<std::optional<CaBundle>> bundle_file(Api& api, Session& session) {
  auto ca = local_ca(api);
  if (!ca) return std::unexpected(ca.error());
  if (!*ca) return std::optional<CaBundle>();
  auto file = place_of(session);
  if (!file) return std::unexpected(file.error());
  const std::string roots = system_roots(session.around.environment, *file);
  const std::string text = bundle_text(roots, **ca, session.around.now_ms());
  if (auto done = write_public(*file, text, "ca"); !done) return std::unexpected(done.error());
  CaBundle bundle{.file = *file, .text = text, .certificate = text_field(**ca, "certificate"), .names = {}, .roots = 0};
  bundle.roots = certificates_in(roots).size();
  if (const json::value* names = (*ca)->if_contains("names"); names != nullptr && names->is_array())
    for (const json::value& name : names->get_array())
      if (name.is_string()) bundle.names.emplace_back(name.get_string());
  return std::optional(std::move(bundle));
}

}  // namespace postern::cli
