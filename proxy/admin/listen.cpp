#include "proxy/admin/listen.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace postern::admin {
namespace {

constexpr int kBacklog = 128;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::unexpected<std::string> failed(const std::string& what, int error, const char* advice) {
  return std::unexpected(fmt::format("{}: {}; {}", what, std::strerror(error), advice));
}

const sockaddr* generic(const auto& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

std::string bound_address(int fd, bool& loopback) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  char host[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
    loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    return fmt::format("[{}]:{}", host, ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  ::inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
  loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  return fmt::format("{}:{}", host, ntohs(v4.sin_port));
}

// The path of a socket address holds 107 bytes; a longer one is reached through its directory's descriptor.
struct UnixAddress {
  sockaddr_un address{};
  Descriptor directory{-1};
  explicit UnixAddress(const std::filesystem::path& path)
      : directory(path.native().size() < sizeof address.sun_path
                      ? -1
                      : ::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    address.sun_family = AF_UNIX;
    const std::string text = directory.get() < 0
                                 ? path.native()
                                 : fmt::format("/proc/self/fd/{}/{}", directory.get(), path.filename().native());
    std::strncpy(address.sun_path, text.c_str(), sizeof address.sun_path - 1);
  }
};

// Whether somebody accepts behind a socket file.
bool is_alive(const sockaddr_un& address) {
  Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), generic(address), sizeof address) == 0) return true;
  return errno == EAGAIN;  // its backlog is full: very much alive
}

}  // namespace

std::expected<Bound, std::string> listen_tcp(const std::string& address, const char* setting) {
  const auto colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (colon == std::string::npos || host.empty())
    return std::unexpected(fmt::format("{} `{}`: write it as host:port, such as 127.0.0.1:8481", setting, address));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &list); error != 0)
    return std::unexpected(
        fmt::format("{} {}: {}; write an address of this machine", setting, address, ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(list, &::freeaddrinfo);
  const std::string what = fmt::format("{} {}", setting, address);
  Descriptor socket(::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), list->ai_addr, list->ai_addrlen) != 0 || ::listen(socket.get(), kBacklog) != 0)
    return failed(what, errno, "stop what uses it or choose another port");
  Bound bound;
  bound.address = bound_address(socket.get(), bound.loopback);
  bound.descriptor = socket.release();
  return bound;
}

std::expected<Bound, std::string> adopt_tcp(int descriptor, const char* name) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6)
    return std::unexpected(
        fmt::format("the socket named '{}' is not TCP; the CLI's socket is <state>/admin.sock", name));
  Bound bound;
  bound.address = bound_address(descriptor, bound.loopback);
  bound.descriptor = descriptor;
  return bound;
}

std::expected<Bound, std::string> listen_unix(const std::filesystem::path& path) {
  const UnixAddress at(path);
  const std::string what = fmt::format("admin socket {}", path.native());
  struct stat file{};
  if (::lstat(path.c_str(), &file) == 0) {
    if (!S_ISSOCK(file.st_mode)) return std::unexpected(what + ": there is another kind of file; move it away");
    if (is_alive(at.address)) return std::unexpected(what + ": another postern answers there; stop it first");
    ::unlink(path.c_str());
  }
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // The mode of the file comes from the socket's own, so there is no moment in which others could connect.
  ::fchmod(socket.get(), 0600);
  if (::bind(socket.get(), generic(at.address), sizeof at.address) != 0 || ::listen(socket.get(), kBacklog) != 0)
    return failed(what, errno, "make the state directory writable for this user");
  ::chmod(path.c_str(), 0600);
  return Bound{.descriptor = socket.release(), .address = path.native(), .loopback = true};
}

SocketFile identify_file(const std::filesystem::path& path) {
  struct stat file{};
  if (::lstat(path.c_str(), &file) != 0) return {};
  return {file.st_dev, file.st_ino};
}

void remove_socket(const std::filesystem::path& path, const SocketFile& file) {
  const auto now = identify_file(path);
  if (file.inode != 0 && now.inode == file.inode && now.device == file.device) ::unlink(path.c_str());
}

}  // namespace postern::admin
