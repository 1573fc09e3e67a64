#pragma once
// TLS over one Socket: its handshake, then reads and writes that know what they wait for.
//
// Thread safety: the worker's thread. Ownership: owns the SSL; borrows the socket, which outlives it.
#include <cstdint>
#include <string_view>

#include "proxy/net/socket.hpp"
#include "proxy/net/task.hpp"
#include "proxy/net/tls.hpp"

namespace postern::net {

class TlsStream {
 public:
  TlsStream(Worker& worker, Socket& socket);

  // `early`: bytes that were read from the socket before TLS began there; they are copied. False: out of memory.
  bool start(SslPtr ssl, std::string_view early);
  // ok; closed: the peer ended the connection without a word; failed: OpenSSL's queue of errors has the reason, unless
  // the socket was cancelled or expired (ask it). The socket's deadline is the caller's.
  Task<Io> handshake();

  // What is there now, at most what is left of one record. ok: size > 0; again: nothing is; closed: a clean end
  // (close_notify); failed: reset, cut, garbage. An end shows again each time.
  IoResult read_now(char* to, std::size_t size) noexcept;
  // Drops from `bytes` what was taken. again: the same bytes come again once may_write() is ready.
  Io write_now(std::string_view& bytes) noexcept;
  // True: a read may find something that the socket no longer shows.
  bool in_hand() const noexcept { return end_ != Io::ok || (!starved_ && SSL_has_pending(ssl_.get()) != 0); }
  Socket::Wait may_read() const { return {socket_, read_wants_write_ ? Reactor::kOut : Reactor::kIn}; }
  Socket::Wait may_write() const { return {socket_, write_wants_read_ ? Reactor::kIn : Reactor::kOut}; }

  // Says close_notify and waits until it is out: nothing may be written after it, and reading goes on. ok, failed.
  Soon<Io> end_writing();
  // Says close_notify once, if the stream is whole; waits for nothing.
  void say_end() noexcept;
  // Gives TLS's buffers back (34 KiB) until they are needed again; does nothing while something is in them.
  void rest() noexcept { SSL_free_buffers(ssl_.get()); }
  // The same in a second or so: whoever goes on at once keeps them.
  void rest_later() {
    if (!rest_.armed()) rest_.arm(Millis(1'000));
  }
  SSL* ssl() const noexcept { return ssl_.get(); }

 private:
  Io outcome(int result, bool& wants_other, int other) noexcept;
  bool goes_on_with_socket() noexcept;
  Io end_now() noexcept;
  Task<Io> end_rest();

  Socket& socket_;
  SslPtr ssl_;
  BIO* bio_ = nullptr;  // the socket's, owned by ssl_
  Deadline rest_;
  Io end_ = Io::ok;                // closed or failed: a read found it
  bool starved_ = false;           // the last read took all there was, and what is in hand is no whole record
  bool early_ = false;             // reads still come from the early bytes
  bool read_wants_write_ = false;  // what the last call of each kind waits for
  bool write_wants_read_ = false;
};

// Awaits that a read may find something, with TLS on the socket or without (null); false: cancelled or expired.
class Readable {
 public:
  Readable(Socket& socket, const TlsStream* tls)
      : in_hand_(tls != nullptr && tls->in_hand()), wait_(tls != nullptr ? tls->may_read() : socket.readable()) {}
  bool await_ready() noexcept { return in_hand_ || wait_.await_ready(); }
  void await_suspend(std::coroutine_handle<> h) { wait_.await_suspend(h); }
  bool await_resume() const noexcept { return in_hand_ || wait_.await_resume(); }

 private:
  bool in_hand_;
  Socket::Wait wait_;
};

}  // namespace postern::net
