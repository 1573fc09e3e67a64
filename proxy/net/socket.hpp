#pragma once
// A non-blocking stream socket (TCP or unix) on one worker's reactor: readiness is awaited, bytes move by plain system
// calls.
//
// Thread safety: the worker's thread. Ownership: owns the descriptor. `cancel()` wakes every waiter with `aborted`;
// after it nothing may be awaited until `revive()`.
#include <sys/uio.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
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
  using Descriptor = boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

  explicit Socket(Worker& worker)
      : descriptor_(worker.context()),
        deadline_(worker.ticker(), [](void* self) { static_cast<Socket*>(self)->expire(); }, this) {}
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void adopt(int fd);  // takes a non-blocking descriptor
  // Registers the descriptor anew. Once writability has been awaited, the reactor reports it with every wait: a wake-up
  // too many per request on a connection that is kept.
  void register_anew() noexcept;
  bool is_open() const noexcept { return descriptor_.is_open(); }
  int fd() { return descriptor_.native_handle(); }
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

  // Await readiness; true: ready (or an error that the next call will show), false: cancelled.
  auto readable() { return Wait{*this, boost::asio::posix::descriptor_base::wait_read}; }
  auto writable() { return Wait{*this, boost::asio::posix::descriptor_base::wait_write}; }

  IoResult read(char* to, std::size_t size) noexcept;
  IoResult write(std::span<const iovec> parts) noexcept;  // may be partial
  // Whether the peer is still there, whatever is waiting to be read: ok, closed (it ended its writing), failed (reset).
  Io peer() noexcept;
  // What a read would find: ok = bytes are waiting, again = nothing, closed/failed.
  Io peek() noexcept;

 private:
  struct Wait {
    Socket& socket;
    boost::asio::posix::descriptor_base::wait_type type;
    bool ok = false;
    bool await_ready() const noexcept { return socket.cancelled_ || !socket.descriptor_.is_open(); }
    void await_suspend(std::coroutine_handle<> h) {
      socket.descriptor_.async_wait(type, [this, h](const boost::system::error_code& ec) {
        ok = !ec && !socket.cancelled_;
        h.resume();
      });
    }
    bool await_resume() const noexcept { return ok; }
  };
  void expire() noexcept {
    expired_ = true;
    cancel();
  }
  Descriptor descriptor_;
  Deadline deadline_;
  bool cancelled_ = false, expired_ = false;
};

}  // namespace postern::net
