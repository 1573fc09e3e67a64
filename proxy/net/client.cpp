#include "proxy/net/client.hpp"

#include <algorithm>

namespace postern::net {

using observe::Counter;
using observe::Gauge;

namespace {

std::string_view view_of(const iovec& part) noexcept {
  return {static_cast<const char*>(part.iov_base), part.iov_len};
}

}  // namespace

Client::Client(Worker& worker, int fd)
    : in(worker.buffers()), body(worker.buffers()), worker_(worker), socket_(worker) {
  socket_.adopt(fd);
  worker_.metrics().add(Counter::client_connections);
  worker_.metrics().add(Gauge::open_clients, 1);
}

Client::~Client() {
  worker_.metrics().add(Gauge::open_clients, -1);
}

Io Client::fill_now(ReadBuffer& buffer, std::size_t most) noexcept {
  buffer.ensure();
  const std::size_t size = std::min(most, buffer.space_size());
  if (size == 0) return Io::failed;
  const IoResult r = socket_.read(buffer.space(), size);
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
    if (!co_await socket_.readable()) co_return Io::failed;
    const Io io = fill_now(buffer, most);
    if (io != Io::again) co_return io;
  }
}

Io Client::write_now(std::span<iovec>& parts) noexcept {
  while (!parts.empty()) {
    const IoResult r = parts.size() == 1 ? socket_.write(view_of(parts.front())) : socket_.write(parts);
    if (r.io != Io::ok) return r.io;
    bytes_out += r.size;
    worker_.metrics().add(Counter::bytes_to_clients, r.size);
    std::size_t done = r.size;
    while (!parts.empty() && done >= parts.front().iov_len) {
      done -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (done != 0) {
      parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + done;
      parts.front().iov_len -= done;
    }
  }
  return Io::ok;
}

Task<Io> Client::write_rest(std::span<iovec> parts, Millis stall) {
  Io io = Io::again;
  while (io == Io::again) {
    begin_wait(stall);
    const bool ready = co_await socket_.writable();
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
  socket_.end_writing();
  socket_.expire_after(Millis(2000));
  std::size_t dropped = 0;
  body.release();
  while (dropped < kMost) {
    body.release();
    if (co_await fill(body) != Io::ok) break;
    dropped += body.view().size();
  }
  socket_.close();
}

}  // namespace postern::net
