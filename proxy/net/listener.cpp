#include "proxy/net/listener.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy/net/rest.hpp"
#include "proxy/observe/log.hpp"

namespace postern::net {

std::expected<std::unique_ptr<Listener>, std::string> Listener::bind(Worker& worker, const Endpoint& at) {
  const auto failed = [&](const char* step) {
    const std::string hint = errno == EADDRINUSE ? "; another process listens there: stop it or choose another port"
                             : errno == EACCES   ? "; ports below 1024 need a privilege: choose a higher one"
                                                 : "";
    return std::unexpected("cannot " + std::string(step) + " " + at.text() + ": " + std::strerror(errno) + hint);
  };
  const int fd = ::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed("open a socket for");
  std::unique_ptr<Listener> listener(new Listener(worker));
  listener->socket_.adopt(fd);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (at.family() == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd, at.data(), at.length) != 0 || ::listen(fd, 4096) != 0) return failed("listen on");
  listener->remember_address();
  return listener;
}

std::expected<std::unique_ptr<Listener>, std::string> Listener::bind(Worker& worker,
                                                                     const std::filesystem::path& path) {
  const auto failed = [&](const char* hint) {
    return std::unexpected("cannot listen on " + path.string() + ": " + std::strerror(errno) + hint);
  };
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof at.sun_path) {
    errno = ENAMETOOLONG;
    return failed("; a unix socket's path has at most 107 bytes");
  }
  std::memcpy(at.sun_path, path.c_str(), path.native().size());
  const auto* address = reinterpret_cast<const sockaddr*>(&at);
  struct stat file{};
  if (::lstat(path.c_str(), &file) == 0) {
    errno = EEXIST;
    if (!S_ISSOCK(file.st_mode)) return failed("; there is another kind of file, move it away");
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const bool alive = ::connect(probe, address, sizeof at) == 0 || errno == EAGAIN;
    ::close(probe);
    errno = EADDRINUSE;
    if (alive) return failed("; another process listens there: stop it or choose another path");
    ::unlink(path.c_str());
  }
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed("");
  std::unique_ptr<Listener> listener(new Listener(worker));
  listener->socket_.adopt(fd);
  // The mode of the file comes from the socket's own, so there is no moment in which strangers could connect.
  ::fchmod(fd, 0660);
  listener->text_ = path.string();
  if (::bind(fd, address, sizeof at) != 0) return failed("; make its folder, writable for this user");
  listener->has_file_ = true;
  ::chmod(path.c_str(), 0660);
  if (::listen(fd, 4096) != 0) return failed("");
  return listener;
}

std::unique_ptr<Listener> Listener::adopt(Worker& worker, int fd) {
  std::unique_ptr<Listener> listener(new Listener(worker));
  listener->socket_.adopt(fd);
  listener->remember_address();
  return listener;
}

// The file goes while we still listen: after that another process may have put its own there.
void Listener::close() noexcept {
  if (!std::exchange(has_file_, false)) return socket_.close();
  ::unlink(text_.c_str());
  socket_.close();
}

void Listener::remember_address() {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(socket_.fd(), reinterpret_cast<sockaddr*>(&bound), &size);
  address_ = Endpoint::from(reinterpret_cast<sockaddr*>(&bound), size);
  text_ = address_.text();
  if (bound.ss_family == AF_UNIX) text_ = reinterpret_cast<const sockaddr_un&>(bound).sun_path;
}

void Listener::start(Accept accept) {
  accept_ = std::move(accept);
  spawn(run());
}

Task<void> Listener::run() {
  while (co_await socket_.readable()) {
    for (;;) {
      const int fd = socket_.accept();
      if (fd >= 0) {
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        accept_(fd);
        continue;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      // Out of descriptors or memory: the backlog waits, and so do we, instead of spinning.
      observe::log_event(observe::Level::warn, "accept_failed", std::strerror(errno));
      co_await rest(worker_.ticker(), Millis(200));
      break;
    }
    if (!socket_.is_open()) break;
  }
}

}  // namespace postern::net
