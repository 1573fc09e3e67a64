#include "proxy/net/tls_stream.hpp"

#include <openssl/err.h>

#include <limits>

#include "proxy/net/tls_bio.hpp"

namespace postern::net {

namespace {

// SSL_get_error looks at the thread's queue of errors, which must be empty before the call it asks about; clearing an
// empty queue costs ten times as much as looking.
void no_old_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

// Of a peer that just goes away, OpenSSL says either.
bool ended_without_a_word(int error) noexcept {
  return error == SSL_ERROR_SYSCALL ||
         (error == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
}

}  // namespace

TlsStream::TlsStream(Worker& worker, Socket& socket)
    : socket_(socket), rest_(worker.ticker(), [](void* self) { static_cast<TlsStream*>(self)->rest(); }, this) {}

bool TlsStream::start(SslPtr ssl, std::string_view early) {
  ssl_ = std::move(ssl);
  bio_ = ssl_ ? new_socket_bio(socket_) : nullptr;
  if (bio_ == nullptr) return false;
  SSL_set_bio(ssl_.get(), bio_, bio_);
  if (early.empty()) return true;
  if (early.size() > std::numeric_limits<int>::max()) return false;
  BIO* memory = BIO_new(BIO_s_mem());
  const int size = static_cast<int>(early.size());
  if (memory == nullptr || BIO_write(memory, early.data(), size) != size) {
    BIO_free(memory);
    return false;
  }
  SSL_set0_rbio(ssl_.get(), memory);
  early_ = true;
  return true;
}

// The early bytes are used up: from here on the socket's follow.
bool TlsStream::goes_on_with_socket() noexcept {
  if (!early_ || BIO_pending(SSL_get_rbio(ssl_.get())) != 0) return false;
  BIO_up_ref(bio_);
  SSL_set0_rbio(ssl_.get(), bio_);
  early_ = false;
  return true;
}

Task<Io> TlsStream::handshake() {
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    // The peer's last message answers ours, so nothing of it was among the early bytes.
    if (result == 1) co_return !early_ || goes_on_with_socket() ? Io::ok : Io::failed;
    const int error = SSL_get_error(ssl_.get(), result);
    bool ready = false;
    if (error == SSL_ERROR_WANT_READ) {
      if (goes_on_with_socket()) continue;
      ready = co_await socket_.readable();
    } else if (error == SSL_ERROR_WANT_WRITE) {
      ready = co_await socket_.writable();
    } else {
      co_return ended_without_a_word(error) ? Io::closed : Io::failed;
    }
    if (!ready) co_return Io::failed;
  }
}

Io TlsStream::outcome(int result, bool& wants_other, int other) noexcept {
  const int error = SSL_get_error(ssl_.get(), result);
  wants_other = error == other;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Io::again;
  return error == SSL_ERROR_ZERO_RETURN ? Io::closed : Io::failed;
}

IoResult TlsStream::read_now(char* to, std::size_t size) noexcept {
  if (end_ != Io::ok) return {end_, 0};
  std::size_t got = 0;
  no_old_errors();
  const int result = SSL_read_ex(ssl_.get(), to, size, &got);
  read_wants_write_ = starved_ = false;
  if (result == 1) return {Io::ok, got};
  const Io io = outcome(result, read_wants_write_, SSL_ERROR_WANT_WRITE);
  if (io == Io::again)
    starved_ = true;
  else
    end_ = io;
  return {io, 0};
}

Io TlsStream::write_now(std::string_view& bytes) noexcept {
  while (!bytes.empty()) {
    std::size_t done = 0;
    no_old_errors();
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &done);
    if (result != 1)
      return outcome(result, write_wants_read_, SSL_ERROR_WANT_READ) == Io::again ? Io::again : Io::failed;
    bytes.remove_prefix(done);
  }
  return Io::ok;
}

Io TlsStream::end_now() noexcept {
  no_old_errors();
  const int result = SSL_shutdown(ssl_.get());
  if (result >= 0) return Io::ok;  // 0: ours is out, and the peer's may come later
  return outcome(result, write_wants_read_, SSL_ERROR_WANT_READ) == Io::again ? Io::again : Io::failed;
}

Task<Io> TlsStream::end_rest() {
  Io io = Io::again;
  while (io == Io::again) {
    if (!co_await may_write()) co_return Io::failed;
    io = end_now();
  }
  co_return io;
}

Soon<Io> TlsStream::end_writing() {
  const Io io = end_now();
  if (io == Io::again) return end_rest();
  return io;
}

void TlsStream::say_end() noexcept {
  end_now();
  ERR_clear_error();
}

}  // namespace postern::net
