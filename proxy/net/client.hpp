#pragma once
// One caller's connection: bytes in with a buffer that exists only while there is something in it, bytes out in one
// call. After accept_tls() everything is said and heard over TLS, by the same functions.
//
// How a TLS client ends: close_notify or the end of TCP between two requests is `closed` or `failed` alike an end; a
// caller that has said close_notify still gets its answer. Our own clean end is close_notify first; abort() says none,
// so that a message that was cut never looks whole. socket().peer() and socket().peek() ask about the TCP connection
// below. Thread safety: its worker's thread. `in` holds the head of the current request (views point into it) and what
// came with it; `body` takes later body bytes, so that the head's views stay valid until the request has been recorded.
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "proxy/net/buffer.hpp"
#include "proxy/net/fault.hpp"
#include "proxy/net/socket.hpp"
#include "proxy/net/task.hpp"
#include "proxy/net/tls_stream.hpp"

namespace postern::net {

// How a handshake with a caller went.
struct TlsAccepted {
  Fault fault = Fault::none;  // tls (see `reason`), client_gone, client_timeout, ended (cancelled)
  bool untrusted = false;     // the caller said that it does not believe the certificate
  std::string reason;         // a short text without secrets
};

class Client {
 public:
  Client(Worker& worker, int fd);
  ~Client();

  Worker& worker() noexcept { return worker_; }
  Socket& socket() noexcept { return socket_; }
  ReadBuffer in, body;

  // The server's side of a handshake; what is unread in `in` is the beginning of what the caller says. On a fault the
  // caller has been told by an alert where TLS has one: linger() lets it arrive. `ssl`: in server mode, without a
  // socket.
  Task<TlsAccepted> accept_tls(SslPtr ssl, Millis timeout);
  bool is_tls() const noexcept { return tls_ != nullptr; }

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
  auto readable() { return Readable(socket_, tls_.get()); }
  Io write_tls(std::span<iovec>& parts) noexcept;
  void written(std::span<iovec>& parts, std::size_t size) noexcept;
  Io write_now(std::span<iovec>& parts) noexcept;  // drops from `parts` what was taken
  Task<Io> write_rest(std::span<iovec> parts, Millis stall);
  Task<Io> write_rest(iovec part, Millis stall);
  Worker& worker_;
  Socket socket_;
  std::unique_ptr<TlsStream> tls_;
  ReadBuffer* lent_ = nullptr;
  std::size_t lent_size_ = 0;
  int waiting_ = 0;
};

}  // namespace postern::net
