#pragma once
// A non-blocking stream socket (TCP or unix) on one worker's reactor: readiness is awaited, bytes move by plain system
// calls.
//
// Thread safety: the worker's thread. Ownership: owns the descriptor. `cancel()` wakes every waiter with `aborted`;
// after it nothing may be awaited until `revive()`. Every call that uses readiness up goes through this class: that is
// how it knows what there is to wait for.
#include <sys/socket.h>
#include <sys/uio.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/net/worker.hpp"

namespace postern::net {

enum class Io : std::uint8_t { ok, again, closed, failed };

struct IoResult {
  Io io = Io::ok;
  std::size_t size = 0;
};

class Socket {
 public:
  explicit Socket(Worker& worker)
      : reactor_(worker.reactor()),
        deadline_(worker.ticker(), [](void* self) { static_cast<Socket*>(self)->expire(); }, this) {}
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void adopt(int fd);  // takes a descriptor and makes it non-blocking
  bool is_open() const noexcept { return fd_ >= 0; }
  int fd() const noexcept { return fd_; }
  void close() noexcept;  // waiters are woken with `aborted`
  void cancel() noexcept;
  bool cancelled() const noexcept { return cancelled_; }
  // One deadline a socket: when it passes, the socket is cancelled and `expired()` says so.
  void expire_after(Millis after) { deadline_.arm(after); }
  void no_deadline() noexcept { deadline_.disarm(); }
  bool expired() const noexcept { return expired_; }
  // Forgets a cancellation or an expiry, so that an answer can still be written.
  void revive() noexcept { cancelled_ = expired_ = false; }
  void reset_on_close() noexcept;  // SO_LINGER 0: the peer sees a reset, never a clean end
  void end_writing() noexcept;     // shutdown(SHUT_WR)

  class Wait : Reactor::Waiter {
   public:
    Wait(Socket& socket, Reactor::Ready wanted) : socket_(socket), wanted_(wanted) {}
    bool await_ready() noexcept {
      if (socket_.cancelled_ || !socket_.is_open()) return true;
      return ok = (socket_.source_.ready & wanted_) != 0 && ++socket_.source_.streak < kMostInARow;
    }
    void await_suspend(std::coroutine_handle<> h) {
      handle = h;
      Reactor::Source& source = socket_.source_;
      source.streak = 0;
      if ((source.ready & wanted_) != 0)
        socket_.reactor_.yield(*this);
      else
        socket_.reactor_.wait(wanted_ == Reactor::kIn ? source.readers : source.writers, *this);
    }
    bool await_resume() const noexcept { return ok && !socket_.cancelled_; }

   private:
    Socket& socket_;
    Reactor::Ready wanted_;
  };

  // Await readiness; true: ready (or an error that the next call will show), false: cancelled.
  auto readable() { return Wait(*this, Reactor::kIn); }
  auto writable() { return Wait(*this, Reactor::kOut); }

  IoResult read(char* to, std::size_t size) noexcept;
  IoResult write(std::span<const iovec> parts) noexcept;  // may be partial
  IoResult write(std::string_view bytes) noexcept;        // likewise
  // ok: connected; again: under way, and writable() tells when it is decided; failed: see errno.
  Io connect(const sockaddr* to, socklen_t size) noexcept;
  // The next connection of a listening socket, non-blocking and close-on-exec; -1: see errno.
  int accept() noexcept;
  // Whether the peer is still there, whatever is waiting to be read: ok, closed (it ended its writing), failed (reset).
  Io peer() noexcept;
  // What a read would find: ok = bytes are waiting, again = nothing, closed/failed.
  Io peek() noexcept;
  // True if nothing had come by the time of the report that we are called from: a peek without the system call. False
  // when called from elsewhere.
  bool is_quiet() const noexcept { return (source_.ready & Reactor::kIn) == 0 && reactor_.is_current(); }

 private:
  // Many reads in a row that all find something must not keep the others from the thread.
  static constexpr std::uint8_t kMostInARow = 16;

  void expire() noexcept {
    expired_ = true;
    cancel();
  }
  IoResult written(ssize_t n) noexcept;
  IoResult none() noexcept;  // after a call that failed: what errno means, and what it says of readiness
  void used_up(std::uint8_t what) noexcept { source_.ready &= static_cast<std::uint8_t>(~what); }

  Reactor& reactor_;
  Reactor::Source source_;
  Deadline deadline_;
  int fd_ = -1;
  bool cancelled_ = false, expired_ = false;
};

}  // namespace postern::net
