#pragma once
// How a TokenRequest reaches its endpoint: one call, one answer, a deadline, a largest size, no redirect, no retry. The
// seam where tests put an endpoint of their own.
//
// Thread safety: the worker's thread. Ownership: the transport outlives its calls.
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "proxy/grants/token_answer.hpp"
#include "proxy/grants/token_request.hpp"
#include "proxy/net/exchange.hpp"
#include "proxy/net/task.hpp"

namespace postern::grants {

inline constexpr net::Millis kTokenDeadline{25'000};  // DESIGN section 7 point 4

struct Delivery {
  // The request may have reached the endpoint. Without an answer its outcome is then unknown: a rotating refresh token
  // may be spent (DESIGN section 7 point 5).
  bool sent = false;
  net::Fault fault = net::Fault::none;  // none: there is a reply
  std::string reason;                   // of a fault: one line, without secrets
  TokenReply reply;
};

class TokenTransport {
 public:
  virtual ~TokenTransport() = default;
  virtual net::Task<Delivery> call(TokenRequest request, net::Millis deadline) = 0;
};

// Over the upstream path: checked address, `upstream.hosts` exceptions, TLS with host verification. `route` answers
// where a host and port lead, exceptions applied; it is kept while a call runs.
class UpstreamTransport final : public TokenTransport {
 public:
  using RouteOf = std::function<std::shared_ptr<net::Route>(const std::string& host, std::uint16_t port)>;
  UpstreamTransport(net::Network& network, RouteOf route, net::DialTimeouts dial = {})
      : network_(network), route_(std::move(route)), dial_(dial) {}
  net::Task<Delivery> call(TokenRequest request, net::Millis deadline) override;

 private:
  net::Network& network_;
  RouteOf route_;
  net::DialTimeouts dial_;
};

// The delivery as an answer: a fault is `transient`, an answer that is too large `malformed`.
std::expected<Tokens, Failure> read_delivery(const Reading& reading, const Delivery& delivery);

}  // namespace postern::grants
