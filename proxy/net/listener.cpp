#include "proxy/net/listener.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  listener->address_ = Endpoint::from(reinterpret_cast<sockaddr*>(&bound), size);
  return listener;
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
