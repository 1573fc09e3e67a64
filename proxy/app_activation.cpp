#include "proxy/app_activation.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace postern {
namespace {

constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
constexpr int kMost = 64;

std::optional<long> number(const char* text) {
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  long value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::vector<std::string> names(const char* text) {
  std::vector<std::string> out;
  if (text == nullptr) return out;
  std::string_view rest(text);
  for (;;) {
    const auto colon = rest.find(':');
    out.emplace_back(rest.substr(0, colon));
    if (colon == rest.npos) return out;
    rest.remove_prefix(colon + 1);
  }
}

int socket_option(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

bool listens(int fd) {
  return socket_option(fd, SO_ACCEPTCONN) == 1 && socket_option(fd, SO_TYPE) == SOCK_STREAM;
}

std::string place(Activation& out, int fd, const std::string& name) {
  if (name == "proxy") return out.proxy.push_back(fd), std::string();
  if (name != "admin" && name != "health")
    return fmt::format("'{}' is no name for a socket; set FileDescriptorName to proxy, admin or health", name);
  int& one = name == "admin" ? out.admin : out.health;
  if (one != -1) return fmt::format("a second socket is named '{}'; one is enough", name);
  one = fd;
  return {};
}

}  // namespace

std::expected<Activation, std::string> take_activation() {
  const auto pid = number(std::getenv("LISTEN_PID")), count = number(std::getenv("LISTEN_FDS"));
  const auto given = names(std::getenv("LISTEN_FDNAMES"));
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  Activation out;
  if (!pid || *pid != ::getpid() || !count || *count == 0) return out;
  if (*count < 0 || *count > kMost)
    return std::unexpected(fmt::format("LISTEN_FDS is {}; 1 to {} sockets can be handed over", *count, kMost));
  if (given.empty() && *count > 2)
    return std::unexpected(
        std::string("LISTEN_FDS: more than two sockets need names; set FileDescriptorName to proxy, admin or health"));
  for (int i = 0; i < *count; ++i) {
    const int fd = kFirst + i;
    const auto at = static_cast<std::size_t>(i);
    const std::string name = given.empty() ? (i == 0 ? "proxy" : "admin") : at < given.size() ? given[at] : "";
    if (!listens(fd))
      return std::unexpected(
          fmt::format("LISTEN_FDS: descriptor {} is not a listening stream socket; use ListenStream "
                      "and Accept=no in the socket unit",
                      fd));
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (const std::string wrong = place(out, fd, name); !wrong.empty())
      return std::unexpected("LISTEN_FDNAMES: " + wrong);
  }
  return out;
}

}  // namespace postern
