#pragma once
// A worker for one test, run on the test's own thread, and pairs of connected sockets.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/net/task.hpp"
#include "proxy/net/worker.hpp"

namespace postern::test {

inline constexpr std::chrono::seconds kPatience{30};  // a test that waits longer has failed

class Loop {
 public:
  ~Loop() {
    worker.close();
    worker.context().poll();
  }
  // Runs the reactor until `task` has ended, on this thread.
  template <class T>
  T run(net::Task<T> task) {
    std::optional<T> result;
    net::spawn([](net::Task<T> t, std::optional<T>& out) -> net::Task<void> { out.emplace(co_await t); }(
                                                             std::move(task), result));
    until([&] { return result.has_value(); });
    return std::move(*result);
  }
  template <class T>
  T run(net::Soon<T> soon) {
    return run([](net::Soon<T> s) -> net::Task<T> { co_return co_await s; }(std::move(soon)));
  }
  void run(net::Task<void> task) {
    bool done = false;
    net::spawn([](net::Task<void> t, bool& out) -> net::Task<void> {
      co_await t;
      out = true;
    }(std::move(task), done));
    until([&] { return done; });
  }
  template <class Done>
  void until(Done done) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() < end) {
        worker.context().run_one_for(std::chrono::milliseconds(100));
        continue;
      }
      std::fprintf(stderr, "what this test waits for did not happen\n");  // coroutines would outlive the test
      std::abort();
    }
  }

  observe::Metrics metrics;
  net::Worker worker{metrics};
};

// The far end of a connection: blocking, used by the test itself or by its threads.
class Far {
 public:
  explicit Far(int fd = -1) : fd_(fd) {}
  Far(Far&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Far& operator=(Far&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Far() { close(); }
  int fd() const { return fd_; }
  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void end() const { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  // Everything until the other side ends; `cut` says that it was a reset.
  std::string receive_all(bool* cut = nullptr) const {
    std::string got;
    while (receive_some(got, cut)) {
    }
    return got;
  }
  // Until `got` ends with `mark`, or the other side ends.
  std::string receive_until(std::string_view mark) const {
    std::string got;
    while (!got.ends_with(mark) && receive_some(got, nullptr, 1)) {
    }
    return got;
  }
  bool receive_some(std::string& got, bool* cut, std::size_t most = 65536) const {
    std::string part(most, '\0');
    const ssize_t n = ::recv(fd_, part.data(), part.size(), 0);
    if (cut != nullptr) *cut = n < 0;
    if (n <= 0) return false;
    got.append(part, 0, static_cast<std::size_t>(n));
    return true;
  }

 private:
  int fd_;
};

struct Pair {
  int near = -1;  // non-blocking: for the code under test, which takes it
  Far far;
};

inline Pair socket_pair() {
  int fds[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return {fds[0], Far(fds[1])};
}

// Over TCP, where a reset can be told from an end. `buffers`: small ones, so that back-pressure comes soon.
inline Pair tcp_pair(int buffers = 0) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  EXPECT_EQ(::listen(listener, 1), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
  const int far = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (buffers != 0) ::setsockopt(far, SOL_SOCKET, SO_RCVBUF, &buffers, sizeof buffers);
  EXPECT_EQ(::connect(far, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  const int near = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (buffers != 0) ::setsockopt(near, SOL_SOCKET, SO_SNDBUF, &buffers, sizeof buffers);
  ::close(listener);
  return {near, Far(far)};
}

}  // namespace postern::test
