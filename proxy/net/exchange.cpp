#include "proxy/net/exchange.hpp"

#include <algorithm>

namespace postern::net {
namespace {

constexpr std::size_t kRecord = 16 * 1024;  // one TLS record: a head with a small body is one write
constexpr std::size_t kStage = 64 * 1024;

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  char size[18];
  out.append(size, wire::write_chunk_size(data.size(), size));
  out.append(data);
  out.append("\r\n");
}

void append_piece(std::string& out, std::string_view data, bool chunked) {
  if (chunked)
    append_chunk(out, data);
  else
    out.append(data);
}

}  // namespace

Exchange::~Exchange() = default;

Soon<Fault> Exchange::lease(Network& network, std::shared_ptr<Route> route, const ExchangeTimeouts& timeouts,
                            bool young_only, bool new_only, Exchange& out) {
  out.route_ = std::move(route);
  out.timeouts_ = timeouts;
  out.saw_bytes_ = false;
  out.upload_fault_ = Fault::none;
  if (!new_only) out.upstream_ = network.pool.lease(*out.route_, young_only);
  out.reused_ = out.upstream_ != nullptr;
  if (out.reused_) return Fault::none;
  return out.dial();
}

Task<Fault> Exchange::dial() {
  upstream_ = std::make_unique<Upstream>(network_.worker);
  const Fault fault = co_await upstream_->connect(route_->to(), network_.resolver, network_.policy,
                                                  network_.pool.sessions(), timeouts_.dial);
  if (fault != Fault::none) {
    reason_ = upstream_->reason();
    upstream_.reset();
  }
  co_return fault;
}

Soon<Fault> Exchange::send(std::string& head, RequestBody* body, bool chunked, Transform* transform) {
  if (body != nullptr && !body->ended()) return send_with_body(head, *body, chunked, transform);
  socket().expire_after(timeouts_.head);
  Soon<Io> writing = upstream_->write(head);
  if (!writing.await_ready()) return sent(std::move(writing));
  return writing.await_resume() == Io::ok ? Fault::none : broken_off();
}

Task<Fault> Exchange::sent(Soon<Io> writing) {
  co_return co_await writing == Io::ok ? Fault::none : broken_off();
}

Task<Fault> Exchange::send_with_body(std::string& head, RequestBody& body, bool chunked, Transform* transform) {
  bool more = true;
  // What of the body is here already goes out with the head.
  while (more && transform == nullptr && head.size() < kRecord) {
    const RequestBody::Piece piece = body.take_now();
    if (piece.fault != Fault::none) co_return piece.fault;
    if (piece.data.size() > kRecord) {
      // A large first piece is not copied: head and piece are two writes.
      socket().expire_after(timeouts_.head);
      if (co_await upstream_->write(head) != Io::ok) co_return broken_off();
      head.clear();
    }
    append_piece(head, piece.data, chunked);
    if (piece.end && chunked) head.append("0\r\n\r\n");
    more = !piece.end;
    if (piece.data.empty()) break;
  }
  socket().expire_after(timeouts_.head);
  if (co_await upstream_->write(head) != Io::ok) co_return broken_off();
  if (!more) co_return Fault::none;
  pumping_ = true;
  pump_client_ = &body.client();
  pump_ended_.reset();
  spawn(pump(body, chunked, transform));
  co_return Fault::none;
}

// The request is not through, whatever is answered: where the next one begins on the caller's connection is unknown.
Fault Exchange::broken_off() noexcept {
  upload_fault_ = Fault::closed;
  return socket().expired() ? Fault::timeout : Fault::closed;
}

Task<void> Exchange::pump(RequestBody& body, bool chunked, Transform* transform) {
  const Fault fault = co_await pump_loop(body, chunked, transform);
  upload_fault_ = fault;
  pumping_ = false;
  // The caller's fault ends the exchange at once; an upstream that stopped reading may still have an answer to give.
  if (fault != Fault::none && fault != Fault::closed) cancel();
  pump_ended_.set();
}

Task<Fault> Exchange::pump_loop(RequestBody& body, bool chunked, Transform* transform) {
  std::string transformed;
  for (;;) {
    stage_.clear();
    RequestBody::Piece piece = co_await body.next(timeouts_.stream_idle);
    for (;;) {
      if (piece.fault != Fault::none) co_return piece.fault;
      std::string_view data = piece.data;
      if (transform != nullptr) {
        transformed.clear();
        transform->feed(piece.data, transformed);
        if (piece.end) transform->finish(transformed);
        data = transformed;
      }
      append_piece(stage_, data, chunked);
      if (piece.end) break;
      if (stage_.size() >= kStage - kRecord) break;
      piece = body.take_now();
      if (piece.fault == Fault::none && piece.data.empty() && !piece.end) break;
    }
    if (piece.end && chunked) stage_.append("0\r\n\r\n");
    socket().expire_after(awaiting_head_ ? timeouts_.head : timeouts_.stream_idle);
    if (co_await upstream_->write(stage_) != Io::ok) co_return Fault::closed;
    if (piece.end) {
      if (stage_.capacity() > kStage) std::string().swap(stage_);
      co_return Fault::none;
    }
  }
}

Io Exchange::fill_now() {
  in_.ensure();
  if (in_.space_size() == 0) {
    in_.compact();
    if (in_.space_size() == 0) return Io::failed;
  }
  const IoResult first = upstream_->read_now(in_.space(), in_.space_size());
  if (first.io == Io::ok) {
    in_.grow(first.size);
    saw_bytes_ = true;
    // A full record is seldom the last: what else is there goes on in the same write. An end shows with the next fill.
    for (IoResult r = first; r.io == Io::ok && r.size == kRecord && in_.space_size() >= kRecord;) {
      r = upstream_->read_now(in_.space(), in_.space_size());
      if (r.io == Io::ok) in_.grow(r.size);
    }
  } else if (in_.empty()) {
    in_.release();
  }
  return first.io;
}

Task<Io> Exchange::fill() {
  for (;;) {
    if (!co_await upstream_->readable()) co_return Io::failed;
    const Io io = fill_now();
    if (io != Io::again) co_return io;
  }
}

Task<Fault> Exchange::read_head(std::string_view request_method, wire::ResponseHead& head) {
  head.reset();
  awaiting_head_ = true;
  socket().expire_after(timeouts_.head);
  for (;;) {
    if (!in_.empty()) {
      wire::Refusal why;
      const wire::Parse parse = wire::parse_response_head(in_.view(), request_method, head, why);
      if (parse == wire::Parse::done) break;
      if (parse == wire::Parse::refused) {
        reason_ = why.detail;
        co_return Fault::malformed;
      }
    }
    if (co_await upstream_->readable()) {
      const Io io = fill_now();
      if (io == Io::ok || io == Io::again) continue;
    }
    if (upload_fault_ != Fault::none && upload_fault_ != Fault::closed) co_return upload_fault_;
    if (socket().expired()) co_return Fault::timeout;
    co_return socket().cancelled() ? Fault::ended : Fault::closed;
  }
  awaiting_head_ = false;
  co_return Fault::none;
}

Soon<Fault> Exchange::relay(Client& client, std::string_view client_head, const wire::ResponseHead& head, Out out,
                            Transform* transform) {
  const wire::Body body = head.body;
  const std::uint64_t length = head.content_length;
  socket().no_deadline();  // while the caller reads, the upstream is not the one who is waited for
  if (out == Out::none || body == wire::Body::none ||
      (body == wire::Body::length && length == 0 && transform == nullptr)) {
    in_.consume(head.size);
    return wrote(client.write(client_head, timeouts_.stream_idle));
  }
  if (body == wire::Body::length && transform == nullptr) {
    in_.consume(head.size);
    if (in_.view().size() < length) return relay_length(client, client_head, length);
    // All of it is here: one write.
    const std::string_view ready = in_.view().substr(0, static_cast<std::size_t>(length));
    last_parts_ = {iovec{const_cast<char*>(client_head.data()), client_head.size()},
                   iovec{const_cast<char*>(ready.data()), ready.size()}};
    in_.consume(ready.size());
    return wrote(client.write(last_parts_, timeouts_.stream_idle));
  }
  return relay_stream(client, client_head, head, out, transform);
}

Soon<Fault> Exchange::wrote(Soon<Io> writing) {
  if (!writing.await_ready()) return relayed(std::move(writing));
  return writing.await_resume() == Io::ok ? Fault::none : Fault::client_gone;
}

Task<Fault> Exchange::relayed(Soon<Io> writing) {
  co_return co_await writing == Io::ok ? Fault::none : Fault::client_gone;
}

Task<Fault> Exchange::relay_length(Client& client, std::string_view client_head, std::uint64_t length) {
  // The head goes out with the bytes of the body that came with it, in one call.
  for (;;) {
    const std::string_view ready =
        in_.view().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(length, in_.view().size())));
    if (!client_head.empty() || !ready.empty()) {
      iovec parts[2] = {{const_cast<char*>(client_head.data()), client_head.size()},
                        {const_cast<char*>(ready.data()), ready.size()}};
      const auto used =
          client_head.empty() ? std::span(parts).subspan(1) : std::span(parts).first(ready.empty() ? 1 : 2);
      if (co_await client.write(used, timeouts_.stream_idle) != Io::ok) co_return Fault::client_gone;
      client_head = {};
      length -= ready.size();
      in_.consume(ready.size());
    }
    if (length == 0) co_return Fault::none;
    if (in_.empty()) in_.release();  // nothing is held while the upstream is silent
    socket().expire_after(timeouts_.stream_idle);
    if (co_await fill() != Io::ok) co_return Fault::cut;
    socket().no_deadline();
  }
}

Task<Fault> Exchange::relay_stream(Client& client, std::string_view client_head, const wire::ResponseHead& head,
                                   Out out, Transform* transform) {
  constexpr std::size_t kPieces = 32;
  wire::ChunkDecoder decoder;
  const wire::Body body = head.body;
  std::uint64_t left = head.content_length;
  std::string transformed[kPieces];
  in_.consume(head.size);
  bool end = false;
  for (;;) {
    char sizes[kPieces][20];
    iovec parts[3 * kPieces + 2];
    std::size_t n = 0, pieces = 0;
    const auto add = [&](std::string_view bytes) { parts[n++] = {const_cast<char*>(bytes.data()), bytes.size()}; };
    if (!client_head.empty()) add(client_head);
    std::string_view rest = in_.view();
    while (!end && pieces < kPieces) {
      std::string_view data;
      if (body == wire::Body::chunked) {
        const auto step = decoder.next(rest);
        if (step.state == wire::ChunkDecoder::State::refused) co_return Fault::malformed;
        rest.remove_prefix(step.consumed);
        data = step.data;
        end = step.state == wire::ChunkDecoder::State::end;
        if (step.state == wire::ChunkDecoder::State::more) break;
      } else {
        data = body == wire::Body::length
                   ? rest.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, rest.size())))
                   : rest;
        rest.remove_prefix(data.size());
        left -= body == wire::Body::length ? data.size() : 0;
        end = body == wire::Body::length && left == 0;
        if (data.empty() && !end) break;
      }
      if (transform != nullptr) {
        transformed[pieces].clear();
        transform->feed(data, transformed[pieces]);
        if (end) transform->finish(transformed[pieces]);
        data = transformed[pieces];
      }
      if (!data.empty()) {
        if (out == Out::chunked) add({sizes[pieces], wire::write_chunk_size(data.size(), sizes[pieces])});
        add(data);
        if (out == Out::chunked) add("\r\n");
      }
      ++pieces;
    }
    if (end && out == Out::chunked) add("0\r\n\r\n");
    if (n != 0 && co_await client.write(std::span(parts, n), timeouts_.stream_idle) != Io::ok)
      co_return Fault::client_gone;
    client_head = {};
    in_.consume(in_.view().size() - rest.size());
    if (end) co_return Fault::none;
    if (pieces == kPieces) continue;
    if (in_.empty()) in_.release();
    socket().expire_after(timeouts_.stream_idle);
    const Io io = co_await fill();
    socket().no_deadline();
    if (io == Io::ok) continue;
    if (io != Io::closed || body != wire::Body::until_close) co_return Fault::cut;
    // A close-delimited body is whole only if TLS said so (close_notify).
    std::string tail;
    if (transform != nullptr) {
      std::string last;
      transform->finish(last);
      if (out == Out::chunked)
        append_chunk(tail, last);
      else
        tail = last;
    }
    if (out == Out::chunked) tail.append("0\r\n\r\n");
    if (!tail.empty() && co_await client.write(tail, timeouts_.stream_idle) != Io::ok) co_return Fault::client_gone;
    co_return Fault::none;
  }
}

Task<Relayed> Exchange::relay_both(Client& client, std::string_view client_head, const wire::ResponseHead& head) {
  in_.consume(head.size);
  if (co_await client.write(client_head, timeouts_.stream_idle) != Io::ok) co_return Relayed{.end = Relayed::End::cut};
  co_return co_await net::relay_both(client, *upstream_, in_, timeouts_.stream_idle);
}

Soon<Nothing> Exchange::finish(bool reusable) {
  if (pumping_) return stop_pump();
  let_go(reusable);
  return Nothing{};
}

Task<Nothing> Exchange::stop_pump() {
  cancel();
  if (pump_client_ != nullptr) pump_client_->socket().cancel();
  if (pumping_) co_await pump_ended_.wait();
  if (pump_client_ != nullptr) pump_client_->socket().revive();
  let_go(false);
  co_return Nothing{};
}

void Exchange::let_go(bool reusable) {
  if (!upstream_) return;
  socket().no_deadline();
  if (reusable && upload_fault_ == Fault::none && in_.empty() && !socket().cancelled()) {
    network_.pool.give_back(route_, std::move(upstream_));
  }
  upstream_.reset();
  in_.release();
}

}  // namespace postern::net
