#include "proxy/net/socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace postern::net {
namespace {

IoResult from_errno() noexcept {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Io::again, 0};
  return {Io::failed, 0};  // a reset is no clean end
}

}  // namespace

void Socket::adopt(int fd) {
  close();
  revive();
  boost::system::error_code ec;
  descriptor_.assign(fd, ec);
  if (ec)
    ::close(fd);
  else
    descriptor_.native_non_blocking(true, ec);
}

void Socket::register_anew() noexcept {
  const int fd = descriptor_.release();
  boost::system::error_code ec;
  descriptor_.assign(fd, ec);
  if (ec) ::close(fd);
}

void Socket::close() noexcept {
  if (!descriptor_.is_open()) return;
  boost::system::error_code ec;
  descriptor_.close(ec);
}

void Socket::cancel() noexcept {
  cancelled_ = true;
  if (!descriptor_.is_open()) return;
  boost::system::error_code ec;
  descriptor_.cancel(ec);
}

void Socket::reset_on_close() noexcept {
  if (!descriptor_.is_open()) return;
  const linger hard{1, 0};
  ::setsockopt(descriptor_.native_handle(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

void Socket::end_writing() noexcept {
  if (descriptor_.is_open()) ::shutdown(descriptor_.native_handle(), SHUT_WR);
}

IoResult Socket::read(char* to, std::size_t size) noexcept {
  const ssize_t n = ::recv(fd(), to, size, 0);
  if (n > 0) return {Io::ok, static_cast<std::size_t>(n)};
  if (n == 0) return {Io::closed, 0};
  return from_errno();
}

IoResult Socket::write(std::span<const iovec> parts) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  const ssize_t n = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
  if (n >= 0) return {Io::ok, static_cast<std::size_t>(n)};
  return from_errno();
}

Io Socket::peer() noexcept {
  pollfd state{fd(), POLLRDHUP, 0};
  if (::poll(&state, 1, 0) <= 0) return Io::ok;
  if ((state.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return Io::failed;
  return (state.revents & POLLRDHUP) != 0 ? Io::closed : Io::ok;
}

Io Socket::peek() noexcept {
  char byte = 0;
  const ssize_t n = ::recv(fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n > 0) return Io::ok;
  if (n == 0) return Io::closed;
  return from_errno().io;
}

}  // namespace postern::net
