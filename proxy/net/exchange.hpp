#pragma once
// One request and its answer on one upstream connection: what a lease returns, so that HTTP/2 can come later behind it.
//
// It writes a built head, streams the request body while the answer may already be coming, reads answer heads, and
// relays the answer's body to the caller with back-pressure. Framing is always rebuilt. Transforms are optional in each
// direction (masking and chunk signing come later). Thread safety: the client's worker. Ownership: owns the upstream
// connection; finish() gives it back or drops it.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/net/client.hpp"
#include "proxy/net/duplex.hpp"
#include "proxy/net/pool.hpp"
#include "proxy/net/request_body.hpp"
#include "proxy/net/upstream.hpp"
#include "proxy/wire/chunk.hpp"
#include "proxy/wire/head.hpp"

namespace postern::net {

// Rewrites body bytes on their way. feed() appends to `out`; finish() appends what is left at the end.
class Transform {
 public:
  virtual ~Transform() = default;
  virtual void feed(std::string_view in, std::string& out) = 0;
  virtual void finish(std::string& out) = 0;
};

// What a worker shares between its exchanges.
struct Network {
  Worker& worker;
  Resolver& resolver;
  Pool& pool;
  const AddressPolicy& policy;
};

struct ExchangeTimeouts {
  DialTimeouts dial;
  Millis head{300'000}, stream_idle{600'000};
};

class Exchange {
 public:
  // A fresh idle connection of the route, or a new one. `young_only` as in Pool::lease; `new_only`: dial in any case.
  static Soon<Fault> lease(Network& network, std::shared_ptr<Route> route, const ExchangeTimeouts& timeouts,
                           bool young_only, bool new_only, Exchange& out);
  explicit Exchange(Network& network) : network_(network), in_(network.worker.buffers()) {}
  ~Exchange();

  bool reused() const noexcept { return reused_; }
  const std::string& reason() const noexcept { return reason_; }  // why the lease failed, for log and detail
  Socket& socket() noexcept { return upstream_->socket(); }
  bool open() const noexcept { return upstream_ != nullptr; }

  // Writes the head and as much of the body as is here, in one call; the rest is pumped in the background.
  // `chunked`: how the body goes out. With a null `body` the head is all (or holds the collected body).
  Soon<Fault> send(std::string& head, RequestBody* body, bool chunked, Transform* transform = nullptr);
  // Why the background pump stopped, if it did: none while it runs or when the body is through.
  Fault upload_fault() const noexcept { return upload_fault_; }
  bool upload_done() const noexcept { return !pumping_ && upload_fault_ == Fault::none; }

  // The next answer head, 1xx included. `head` points into this exchange's buffer until the body is relayed.
  Task<Fault> read_head(std::string_view request_method, wire::ResponseHead& head);
  void drop_head(const wire::ResponseHead& head) { in_.consume(head.size); }  // after a 1xx
  bool saw_bytes() const noexcept { return saw_bytes_; }

  enum class Out : std::uint8_t { none, length, chunked, until_close };
  // Writes `client_head` and then the body to the caller. `out` says how the body is framed there.
  Soon<Fault> relay(Client& client, std::string_view client_head, const wire::ResponseHead& head, Out out,
                    Transform* transform = nullptr);

  // The answer was a 101: writes `client_head`, and from then on bytes go both ways as they come, what came with either
  // head first. Its `head` may not be used any more.
  Task<Relayed> relay_both(Client& client, std::string_view client_head, const wire::ResponseHead& head);

  // Ends the exchange: stops the pump, then the connection goes back to the pool if nothing about it is in doubt.
  Soon<Nothing> finish(bool reusable);
  // Wakes everything that waits on the upstream side, from anywhere on this worker.
  void cancel() noexcept {
    if (upstream_) upstream_->socket().cancel();
  }

 private:
  Task<Fault> dial();
  Task<Fault> send_with_body(std::string& head, RequestBody& body, bool chunked, Transform* transform);
  Task<Fault> sent(Soon<Io> writing);
  static Soon<Fault> wrote(Soon<Io> writing);
  static Task<Fault> relayed(Soon<Io> writing);
  Task<Nothing> stop_pump();
  void let_go(bool reusable);
  Fault broken_off() noexcept;
  Task<void> pump(RequestBody& body, bool chunked, Transform* transform);
  Task<Fault> pump_loop(RequestBody& body, bool chunked, Transform* transform);
  Task<Fault> relay_length(Client& client, std::string_view client_head, std::uint64_t length);
  Task<Fault> relay_stream(Client& client, std::string_view client_head, const wire::ResponseHead& head, Out out,
                           Transform* transform);
  Io fill_now();
  Task<Io> fill();

  Network& network_;
  std::shared_ptr<Route> route_;
  std::unique_ptr<Upstream> upstream_;
  ReadBuffer in_;
  std::string reason_;
  ExchangeTimeouts timeouts_;
  std::array<iovec, 2> last_parts_{};  // head and body of an answer that is all here, while they are written
  std::string stage_;                  // request body bytes on their way out, framed
  Client* pump_client_ = nullptr;
  Event pump_ended_;
  Fault upload_fault_ = Fault::none;
  bool pumping_ = false, reused_ = false, saw_bytes_ = false, awaiting_head_ = false;
};

}  // namespace postern::net
