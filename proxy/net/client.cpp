#include "proxy/net/client.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>

namespace postern::net {

using observe::Counter;
using observe::Gauge;

namespace {

std::string_view view_of(const iovec& part) noexcept {
  return {static_cast<const char*>(part.iov_base), part.iov_len};
}

constexpr std::size_t kRecord = 16'384;  // RFC 8446 section 5.1

// The next bytes for one record: many small parts would each cost a record of their own. A retry gathers the same.
std::string_view gather(std::span<const iovec> parts, char (&stage)[kRecord]) noexcept {
  if (parts.size() == 1 || parts.front().iov_len >= kRecord) return view_of(parts.front());
  std::size_t size = 0;
  for (const iovec& part : parts) {
    const std::size_t fits = std::min(part.iov_len, kRecord - size);
    if (fits == 0) continue;
    std::memcpy(stage + size, part.iov_base, fits);
    size += fits;
  }
  return {stage, size};
}

// How callers say that our authority is none of theirs: OpenSSL and NSS unknown_ca, Go bad_certificate, Java
// certificate_unknown (measured).
bool is_distrust(unsigned long error) noexcept {
  const int reason = ERR_GET_REASON(error);
  return ERR_GET_LIB(error) == ERR_LIB_SSL &&
         (reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA || reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
          reason == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN || reason == SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED ||
          reason == SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE);
}

}  // namespace

Client::Client(Worker& worker, int fd)
    : in(worker.buffers()), body(worker.buffers()), worker_(worker), socket_(worker) {
  socket_.adopt(fd);
  worker_.metrics().add(Counter::client_connections);
  worker_.metrics().add(Gauge::open_clients, 1);
}

Client::~Client() {
  // A message that was cut has been aborted, so whatever ends here was whole.
  if (tls_ && socket_.is_open()) tls_->say_end();
  worker_.metrics().add(Gauge::open_clients, -1);
}

Io Client::fill_now(ReadBuffer& buffer, std::size_t most) noexcept {
  buffer.ensure();
  const std::size_t size = std::min(most, buffer.space_size());
  if (size == 0) return Io::failed;
  const IoResult r = tls_ ? tls_->read_now(buffer.space(), size) : socket_.read(buffer.space(), size);
  if (r.io == Io::ok) {
    buffer.grow(r.size);
    bytes_in += r.size;
    worker_.metrics().add(Counter::bytes_from_clients, r.size);
  } else if (buffer.empty()) {
    buffer.release();
  }
  return r.io;
}

Task<Io> Client::fill(ReadBuffer& buffer, std::size_t most) {
  for (;;) {
    if (!co_await readable()) co_return Io::failed;
    const Io io = fill_now(buffer, most);
    if (io != Io::again) co_return io;
  }
}

void Client::written(std::span<iovec>& parts, std::size_t size) noexcept {
  bytes_out += size;
  worker_.metrics().add(Counter::bytes_to_clients, size);
  while (!parts.empty() && size >= parts.front().iov_len) {
    size -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (size != 0) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + size;
    parts.front().iov_len -= size;
  }
}

Io Client::write_now(std::span<iovec>& parts) noexcept {
  if (tls_) return write_tls(parts);
  while (!parts.empty()) {
    const IoResult r = parts.size() == 1 ? socket_.write(view_of(parts.front())) : socket_.write(parts);
    if (r.io != Io::ok) return r.io;
    written(parts, r.size);
  }
  return Io::ok;
}

Io Client::write_tls(std::span<iovec>& parts) noexcept {
  char stage[kRecord];
  while (!parts.empty()) {
    std::string_view bytes = gather(parts, stage);
    const std::size_t size = bytes.size();
    const Io io = tls_->write_now(bytes);
    written(parts, size - bytes.size());
    if (io != Io::ok) return io;
  }
  return Io::ok;
}

Task<Io> Client::write_rest(std::span<iovec> parts, Millis stall) {
  Io io = Io::again;
  while (io == Io::again) {
    begin_wait(stall);
    const bool ready = co_await (tls_ ? tls_->may_write() : socket_.writable());
    end_wait();
    if (!ready) co_return Io::failed;
    io = write_now(parts);
  }
  co_return io == Io::ok ? Io::ok : Io::failed;
}

Task<Io> Client::write_rest(iovec part, Millis stall) {
  co_return co_await write_rest(std::span(&part, 1), stall);
}

Soon<Io> Client::write(std::span<iovec> parts, Millis stall) {
  const Io io = write_now(parts);
  if (io == Io::again) return write_rest(parts, stall);
  return io == Io::ok ? Io::ok : Io::failed;
}

Soon<Io> Client::write(std::string_view bytes, Millis stall) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  std::span<iovec> parts(&part, 1);
  const Io io = write_now(parts);
  if (io == Io::again) return write_rest(part, stall);
  return io == Io::ok ? Io::ok : Io::failed;
}

Soon<Io> Client::end_writing() {
  if (tls_) return tls_->end_writing();
  socket_.end_writing();
  return Io::ok;
}

void Client::let_go() noexcept {
  if (lent_ == nullptr) return;
  lent_->consume(lent_size_);
  if (lent_ == &body && body.empty()) body.release();
  lent_ = nullptr;
}

void Client::next_request() noexcept {
  let_go();
  if (!body.empty()) in.assign(body.view());
  body.release();
  if (in.empty())
    in.release();
  else
    in.compact();
  if (tls_ && in.empty()) tls_->rest_later();
  bytes_in = bytes_out = 0;
}

void Client::abort() noexcept {
  socket_.reset_on_close();
  socket_.close();
}

Task<void> Client::linger() {
  constexpr std::size_t kMost = 1 << 20;
  let_go();
  socket_.revive();
  if (tls_) tls_->say_end();
  socket_.end_writing();
  socket_.expire_after(Millis(2000));
  tls_.reset();  // nobody looks at what still comes
  std::size_t dropped = 0;
  body.release();
  while (dropped < kMost) {
    body.release();
    if (co_await fill(body) != Io::ok) break;
    dropped += body.view().size();
  }
  socket_.close();
}

Task<TlsAccepted> Client::accept_tls(SslPtr ssl, Millis timeout) {
  auto tls = std::make_unique<TlsStream>(worker_, socket_);
  if (!tls->start(std::move(ssl), in.view())) co_return TlsAccepted{Fault::tls, false, "out of memory"};
  in.release();
  socket_.expire_after(timeout);
  const Io io = co_await tls->handshake();
  const unsigned long error = ERR_peek_last_error();
  socket_.no_deadline();
  if (io == Io::ok) {
    tls_ = std::move(tls);
    co_return TlsAccepted{};
  }
  if (socket_.expired()) co_return TlsAccepted{Fault::client_timeout, false, "the handshake was not done in time"};
  if (socket_.cancelled()) co_return TlsAccepted{Fault::ended, false, "cancelled"};
  if (io == Io::closed) co_return TlsAccepted{Fault::client_gone, false, "the connection was closed in the handshake"};
  if (ERR_GET_REASON(error) == SSL_R_CALLBACK_FAILED)  // Leaves has one that refuses
    co_return TlsAccepted{Fault::tls, false, "the server name (SNI) is not the host of the tunnel"};
  const char* text = ERR_reason_error_string(error);
  co_return TlsAccepted{Fault::tls, is_distrust(error), text != nullptr ? text : "the handshake failed"};
}

}  // namespace postern::net
