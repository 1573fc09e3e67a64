#pragma once
// Which of a worker's sockets are ready: an edge-triggered epoll of its own, waited on by the worker's io_context.
//
// A socket is registered once and its readiness remembered until a system call has used it up, so that a kept-alive
// request costs no epoll_ctl (asio pays one for every wait: 0.4 µs each, measured, two a request), and many wake-ups
// cost one epoll_wait. Thread safety: the worker's thread. Ownership: borrows descriptors and sources; a source is
// removed before it ends, and before its descriptor is closed.
#include <sys/uio.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace postern::net {

class Reactor {
 public:
  enum Ready : std::uint8_t { kIn = 1, kOut = 2, kEnd = 4 /* the peer ended its writing, or the socket failed */ };

  // A coroutine that waits, in its own frame.
  struct Waiter {
    std::coroutine_handle<> handle;
    Waiter* next = nullptr;
    bool ok = false;  // false: aborted
  };
  // One registered descriptor.
  struct Source {
    std::uint8_t ready = 0;   // Ready, or-ed: set by the kernel's reports, cleared by whoever used it up
    std::uint8_t streak = 0;  // waits in a row that found it ready
    bool held = false;        // something that was written to it is held: see hold()
    Waiter* readers = nullptr;
    Waiter* writers = nullptr;
  };

  // Errors: throws boost::system::system_error when the process is out of descriptors.
  explicit Reactor(boost::asio::io_context& context);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  bool add(int fd, Source& source) noexcept;  // false: out of memory
  void remove(int fd, Source& source) noexcept;
  // Resumes `waiter` from a later turn of the loop: once the source reports, or once it is aborted.
  void wait(Waiter*& list, Waiter& waiter);
  // Resumes `waiter` soon, after everybody else who is ready: for those who would never let go of the thread.
  void yield(Waiter& waiter);
  // Resumes all who wait for the source, with ok == false, from a later turn of the loop.
  void abort(Source& source);
  // Takes a small write, to send it right after the others of this report: the first of them wakes the peer's thread,
  // which then is awake for the rest (a wake-up on another core costs the sender 2 to 3 µs, measured). Returns the
  // bytes taken, all or none; none: the caller writes itself, and nothing is held for the source any more. Only where
  // nothing waits in the socket's queue, so that it has the room; if it has none all the same, the connection is cut,
  // which both sides see. `fd` is registered as `source`.
  std::size_t hold(int fd, Source& source, std::span<const iovec> parts) noexcept;
  // Sends what is held. Before anything else is written to a source that has `held`, or its writing ends.
  void send_held() noexcept;
  // Whether we are called from a report that is whole: whatever reached any socket before what woke the caller did is
  // then in that socket's `ready`.
  bool is_current() const noexcept { return count_ != 0 && count_ < kBatch; }

 private:
  static constexpr std::size_t kBatch = 256;
  static constexpr std::size_t kHeldWrites = 16, kHeldBytes = 32768, kLargestHeld = 4096;
  struct Held {
    Source* source = nullptr;
    int fd = -1;
    std::size_t begin = 0, size = 0;  // in held_bytes_
  };
  void arm();
  void harvest();
  void resume(Waiter* list, bool ok);
  void resume_later();

  boost::asio::io_context& context_;
  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> epoll_;
  std::array<Source*, kBatch> reported_{};  // null: removed since
  std::size_t count_ = 0;                   // of them, while a harvest is dealt with
  std::size_t next_ = 0;                    // of them: whose turn comes
  std::array<Held, kHeldWrites> held_{};
  std::size_t held_count_ = 0, held_size_ = 0;
  std::unique_ptr<char[]> held_bytes_ = std::make_unique<char[]>(kHeldBytes);
  std::size_t waiting_ = 0;
  Waiter* yielded_ = nullptr;
  Waiter* aborted_ = nullptr;
  bool armed_ = false, later_ = false;
};

}  // namespace postern::net
