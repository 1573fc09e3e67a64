#pragma once
// One caller's connection: bytes in with a buffer that exists only while there is something in it, bytes out in one
// call.
//
// Thread safety: its worker's thread. `in` holds the head of the current request (views point into it) and what came
// with it; `body` takes later body bytes, so that the head's views stay valid until the request has been recorded.
#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>

#include "proxy/net/buffer.hpp"
#include "proxy/net/socket.hpp"
#include "proxy/net/task.hpp"

namespace postern::net {

class Client {
 public:
  Client(Worker& worker, int fd);
  ~Client();

  Worker& worker() noexcept { return worker_; }
  Socket& socket() noexcept { return socket_; }
  ReadBuffer in, body;

  // Waits for bytes and appends them to `buffer`, at most `most`. ok, closed (clean end), failed (reset, cancelled,
  // expired: ask socket()), again is never returned. A full buffer is `failed`.
  Task<Io> fill(ReadBuffer& buffer, std::size_t most = SIZE_MAX);
  // What is there now: ok, again, closed, failed.
  Io fill_now(ReadBuffer& buffer, std::size_t most = SIZE_MAX) noexcept;
  // Writes everything; `stall`: how long the caller may take none of it. ok or failed.
  Soon<Io> write(std::span<iovec> parts, Millis stall);
  Soon<Io> write(std::string_view bytes, Millis stall);
  // Ends our side of the stream: the caller reads an end and may go on sending. ok or failed.
  Soon<Io> end_writing();
  // Shows the first `size` unread bytes of `buffer` to somebody: they are consumed by let_go(), which comes with the
  // next piece, the next request or the end of the connection at the latest.
  void lend(ReadBuffer& buffer, std::size_t size) noexcept {
    lent_ = &buffer;
    lent_size_ = size;
  }
  void let_go() noexcept;
  // Makes what follows the current request the start of the next; gives buffers back that are empty.
  void next_request() noexcept;
  // Ends so that the peer sees a reset, never a clean end of a message that was cut.
  void abort() noexcept;
  // Ends cleanly although request bytes may still be on their way: no more writing, read and drop for a while, close.
  Task<void> linger();

  // The socket has one deadline for both directions: it rests when neither of them waits any more.
  void begin_wait(Millis stall) noexcept {
    ++waiting_;
    socket_.expire_after(stall);
  }
  void end_wait() noexcept {
    if (--waiting_ == 0) socket_.no_deadline();
  }

  std::uint64_t bytes_in = 0, bytes_out = 0;

 private:
  Io write_now(std::span<iovec>& parts) noexcept;  // drops from `parts` what was taken
  Task<Io> write_rest(std::span<iovec> parts, Millis stall);
  Task<Io> write_rest(iovec part, Millis stall);
  Worker& worker_;
  Socket socket_;
  ReadBuffer* lent_ = nullptr;
  std::size_t lent_size_ = 0;
  int waiting_ = 0;
};

}  // namespace postern::net
