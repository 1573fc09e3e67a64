#include "proxy/net/socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace postern::net {

void Socket::adopt(int fd) {
  close();
  revive();
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  if (reactor_.add(fd, source_))
    fd_ = fd;
  else
    ::close(fd);
}

void Socket::close() noexcept {
  if (!is_open()) return;
  reactor_.remove(fd_, source_);
  ::close(fd_);
  fd_ = -1;
}

void Socket::cancel() noexcept {
  cancelled_ = true;
  reactor_.abort(source_);
}

void Socket::reset_on_close() noexcept {
  const linger hard{1, 0};
  if (is_open()) ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

void Socket::end_writing() noexcept {
  if (!is_open()) return;
  if (source_.held) reactor_.send_held();
  ::shutdown(fd_, SHUT_WR);
}

IoResult Socket::none() noexcept {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Io::again, 0};
  return {Io::failed, 0};  // a reset is no clean end
}

IoResult Socket::read(char* to, std::size_t size) noexcept {
  const ssize_t n = ::recv(fd_, to, size, 0);
  if (n > 0) {
    // Less than there was room for: the rest will be reported, unless the end already has been (epoll(7)).
    if (static_cast<std::size_t>(n) < size && (source_.ready & Reactor::kEnd) == 0) used_up(Reactor::kIn);
    return {Io::ok, static_cast<std::size_t>(n)};
  }
  if (n == 0) return {Io::closed, 0};
  if (errno == EAGAIN) used_up(Reactor::kIn);
  return none();
}

IoResult Socket::write(std::span<const iovec> parts) noexcept {
  if (const std::size_t taken = reactor_.hold(fd_, source_, parts); taken != 0) return {Io::ok, taken};
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return written(::sendmsg(fd_, &message, MSG_NOSIGNAL));
}

IoResult Socket::write(std::string_view bytes) noexcept {
  const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  if (const std::size_t taken = reactor_.hold(fd_, source_, {&part, 1}); taken != 0) return {Io::ok, taken};
  return written(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

IoResult Socket::written(ssize_t n) noexcept {
  if (n >= 0) return {Io::ok, static_cast<std::size_t>(n)};
  if (errno == EAGAIN) used_up(Reactor::kOut);
  return none();
}

Io Socket::connect(const sockaddr* to, socklen_t size) noexcept {
  if (::connect(fd_, to, size) == 0) return Io::ok;
  if (errno != EINPROGRESS) return Io::failed;
  used_up(Reactor::kIn | Reactor::kOut);
  return Io::again;
}

int Socket::accept() noexcept {
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0 && errno == EAGAIN) used_up(Reactor::kIn);
  return fd;
}

Io Socket::peer() noexcept {
  pollfd state{fd_, POLLRDHUP, 0};
  if (::poll(&state, 1, 0) <= 0) return Io::ok;
  if ((state.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return Io::failed;
  return (state.revents & POLLRDHUP) != 0 ? Io::closed : Io::ok;
}

Io Socket::peek() noexcept {
  char byte = 0;
  const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n > 0) return Io::ok;
  if (n == 0) return Io::closed;
  return none().io;
}

}  // namespace postern::net
