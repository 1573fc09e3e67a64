#pragma once
// One connection to an upstream: dialled to a checked address, TLS with SNI and host verification, HTTP/1.1 bytes in
// and out.
//
// Thread safety: its worker's thread. Ownership: owns socket and TLS state. A failed read or write ends its use.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/net/address_policy.hpp"
#include "proxy/net/fault.hpp"
#include "proxy/net/resolver.hpp"
#include "proxy/net/socket.hpp"
#include "proxy/net/task.hpp"
#include "proxy/net/tls.hpp"

namespace postern::net {

struct DialTimeouts {
  Millis dns{5'000}, connect{5'000}, tls{5'000};
};

// Where and how to connect: one {isolation tag, host, port, TLS identity}. Built from policy, never from a caller's
// bytes.
struct Destination {
  std::string host;  // lower case; an address without brackets if ip_literal
  std::uint16_t port = 443;
  bool ip_literal = false;
  std::shared_ptr<const Trust> trust;
  std::optional<Endpoint> fixed;  // `resolve:` of the configuration; thereby allowed
  std::vector<Range> exceptions;  // `addresses:` of the configuration
  SessionCache::Key session_key;  // host, port, trust
};

class Upstream {
 public:
  explicit Upstream(Worker& worker) : worker_(worker), socket_(worker) {}
  ~Upstream();

  // Resolve, judge, connect, handshake. On a fault, `reason()` is a short text without secrets for log and detail.
  // `to` and `sessions` outlive this object: sessions that come later are filed under to.session_key.
  Task<Fault> connect(const Destination& to, Resolver& resolver, const AddressPolicy& policy, SessionCache& sessions,
                      DialTimeouts timeouts);
  const std::string& reason() const noexcept { return reason_; }

  Socket& socket() noexcept { return socket_; }
  const Endpoint& address() const noexcept { return address_; }

  // Reads what is there, waiting if nothing is. ok: size > 0; closed: a clean end (close_notify); failed: reset, cut,
  // cancelled or expired (ask socket()).
  Task<IoResult> read(char* to, std::size_t size);
  // Reads what is there now: `again` if nothing is.
  IoResult read_now(char* to, std::size_t size) noexcept;
  // Writes all of it. ok, failed (reset, cancelled, expired).
  Task<Io> write(std::string_view bytes);
  // True if the idle connection may carry another request: open, and nothing waits on it but TLS's own tickets.
  bool fresh() noexcept;

 private:
  Task<Fault> dial(const Endpoint& to, Millis timeout);
  Task<Fault> handshake(const Destination& to, SessionCache& sessions, Millis timeout);
  IoResult outcome(int result) noexcept;
  Task<bool> wait_for_tls();  // for what the last call wanted; false: cancelled

  Worker& worker_;
  Socket socket_;
  SslPtr ssl_;
  Endpoint address_;
  std::string reason_;
  bool wants_write_ = false;
  bool connected_ = false;
};

}  // namespace postern::net
