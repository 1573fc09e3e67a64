#include "proxy/net/request_body.hpp"

#include <algorithm>

namespace postern::net {

void RequestBody::start(Client& client, wire::Body framing, std::uint64_t length, std::uint64_t limit) {
  client_ = &client;
  source_ = nullptr;
  framing_ = framing;
  left_ = framing == wire::Body::length ? length : 0;
  taken_ = 0;
  limit_ = limit;
  decoder_.reset();
  ended_ = framing == wire::Body::none || (framing == wire::Body::length && length == 0);
}

void RequestBody::start_from(Client& client, BodySource& source) {
  client_ = &client;
  source_ = &source;
  taken_ = 0;
  ended_ = false;
}

RequestBody::Piece RequestBody::take_from(ReadBuffer& buffer) {
  Piece piece;
  if (framing_ == wire::Body::length) {
    piece.data =
        buffer.view().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer.view().size())));
    left_ -= piece.data.size();
    ended_ = left_ == 0;
    client_->lend(buffer, piece.data.size());
  } else {
    while (!buffer.empty()) {
      const wire::ChunkDecoder::Step step = decoder_.next(buffer.view());
      if (step.state == wire::ChunkDecoder::State::refused) return {Fault::client_malformed, {}, false};
      if (step.state == wire::ChunkDecoder::State::data) {
        piece.data = step.data;
        client_->lend(buffer, step.consumed);
        break;
      }
      buffer.consume(step.consumed);
      if (step.state == wire::ChunkDecoder::State::end) {
        ended_ = true;
        break;
      }
      if (step.consumed == 0) break;
    }
  }
  taken_ += piece.data.size();
  if (taken_ > limit_) return {Fault::body_too_large, {}, false};
  piece.end = ended_;
  return piece;
}

RequestBody::Piece RequestBody::take_now() {
  client_->let_go();  // only now: the view of the piece before was valid until here
  if (ended_) return {Fault::none, {}, true};
  if (source_ != nullptr) return {};
  if (!client_->in.empty()) {
    Piece piece = take_from(client_->in);
    if (piece.fault != Fault::none || !piece.data.empty() || piece.end) return piece;
  }
  if (!client_->body.empty()) return take_from(client_->body);
  return {};
}

Task<RequestBody::Piece> RequestBody::next(Millis stall) {
  for (;;) {
    Piece piece = take_now();
    if (piece.fault != Fault::none || !piece.data.empty() || piece.end) co_return piece;
    if (source_ != nullptr) {
      piece = co_await source_->next();
      taken_ += piece.data.size();
      ended_ = piece.end;
      co_return piece;
    }
    // A body of known length is never read past its end: what follows stays in the kernel for the next request.
    const std::size_t most =
        framing_ == wire::Body::length ? static_cast<std::size_t>(std::min<std::uint64_t>(left_, SIZE_MAX)) : SIZE_MAX;
    client_->begin_wait(stall);
    const Io io = co_await client_->fill(client_->body, most);
    client_->end_wait();
    if (io == Io::ok) continue;
    co_return Piece{client_->socket().expired() ? Fault::client_timeout : Fault::client_gone, {}, false};
  }
}

}  // namespace postern::net
