#pragma once
// The body of the current request, decoded piece by piece, whatever its framing. What came with the head is used first.
//
// It can come from elsewhere, too: a body that was kept is sent like one that comes in. Thread safety: the client's
// worker. A piece is a view into the client's buffers, valid until the next call.
#include <cstdint>
#include <string_view>

#include "proxy/net/client.hpp"
#include "proxy/net/fault.hpp"
#include "proxy/net/task.hpp"
#include "proxy/wire/chunk.hpp"
#include "proxy/wire/head.hpp"

namespace postern::net {

class BodySource;

class RequestBody {
 public:
  RequestBody() = default;
  // `limit`: decoded bytes; more is Fault::body_too_large.
  void start(Client& client, wire::Body framing, std::uint64_t length, std::uint64_t limit);

  // From the beginning of what the source has; it is not owned. `client` is who is waited for.
  void start_from(Client& client, BodySource& source);

  struct Piece {
    Fault fault = Fault::none;  // client_malformed, client_gone, client_timeout, body_too_large, body_lost
    std::string_view data;      // empty with fault none: nothing there now (take_now) or the end
    bool end = false;
  };
  // What is here without waiting; data empty and end false: nothing yet.
  Piece take_now();
  // The next piece; waits for it, at most `stall` without a byte.
  Task<Piece> next(Millis stall);
  Client& client() noexcept { return *client_; }
  bool ended() const noexcept { return ended_; }
  // Body bytes handed out so far.
  std::uint64_t taken() const noexcept { return taken_; }
  wire::Refusal why() const noexcept { return decoder_.why(); }

 private:
  Piece take_from(ReadBuffer& buffer);

  Client* client_ = nullptr;
  BodySource* source_ = nullptr;
  wire::Body framing_ = wire::Body::none;
  std::uint64_t left_ = 0, taken_ = 0, limit_ = 0;
  wire::ChunkDecoder decoder_;
  bool ended_ = true;
};

// Where a body that was kept comes from. A piece is valid until the next call.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual Task<RequestBody::Piece> next() = 0;
};

}  // namespace postern::net
