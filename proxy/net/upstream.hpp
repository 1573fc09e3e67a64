#pragma once
// One connection to an upstream: dialled to a checked address, then bytes in and out: through TLS with SNI and host
// verification, or plain where somebody else's TLS is passed through.
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
#include "proxy/net/tls_stream.hpp"

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
  std::string authority;  // what Host says of it: without the port if that is 443
  std::shared_ptr<const Trust> trust;
  std::optional<Endpoint> fixed;  // `resolve:` of the configuration; thereby allowed
  std::vector<Range> exceptions;  // `addresses:` of the configuration
  SessionCache::Key session_key;  // host, port, trust
};

// Where it leads without a look-up: `resolve:`, or an address as host. nullopt: a name, or a host that is no address.
std::optional<Endpoint> known_address(const Destination& to);
// Why this address, to which it leads, may not be dialled: a short text without secrets. Empty: it may.
std::string why_prohibited(const Destination& to, const Endpoint& address, const AddressPolicy& policy);

class Upstream {
 public:
  explicit Upstream(Worker& worker) : worker_(worker), socket_(worker) {}
  ~Upstream();

  // Resolve, judge, connect, handshake. On a fault, `reason()` is a short text without secrets for log and detail.
  // `to` and `sessions` outlive this object: sessions that come later are filed under to.session_key.
  Task<Fault> connect(const Destination& to, Resolver& resolver, const AddressPolicy& policy, SessionCache& sessions,
                      DialTimeouts timeouts);
  // Resolve, judge, connect; no TLS of ours, so `to` needs no trust.
  Task<Fault> connect_plain(const Destination& to, Resolver& resolver, const AddressPolicy& policy,
                            DialTimeouts timeouts);
  const std::string& reason() const noexcept { return reason_; }

  Socket& socket() noexcept { return socket_; }
  const Endpoint& address() const noexcept { return address_; }

  // Awaits that read_now() may find something; false: cancelled or expired (ask socket()).
  auto readable() { return Readable(socket_, tls_.get()); }
  // Reads what is there now. ok: size > 0; again: nothing is; closed: a clean end (close_notify, or of a plain stream
  // its end); failed: reset, cut.
  // An end shows again each time.
  IoResult read_now(char* to, std::size_t size) noexcept;
  // Writes all of it. ok, failed (reset, cancelled, expired).
  Soon<Io> write(std::string_view bytes);
  // Ends our side of the stream (close_notify, or shutdown of a plain one): nothing may be written after it, and
  // reading goes on. ok, failed.
  Soon<Io> end_writing();
  // True if the idle connection may carry another request: open, and nothing waits on it but TLS's own tickets.
  // `sure`: asks the kernel now, for a request that cannot be sent twice; otherwise what it had reported when the
  // request that wants it came will do.
  bool fresh(bool sure) noexcept;
  // Gives TLS's buffers back (34 KiB) until the next request; for one that nobody uses.
  void rest() noexcept { tls_->rest(); }

 private:
  Io write_now(std::string_view& bytes) noexcept;  // drops from `bytes` what was taken
  Task<Io> write_rest(std::string_view bytes);
  Task<Fault> reach(const Destination& to, Resolver& resolver, const AddressPolicy& policy, DialTimeouts timeouts);
  Task<Fault> dial(const Endpoint& to, Millis timeout);
  void connected();
  Task<Fault> handshake(const Destination& to, SessionCache& sessions, Millis timeout);

  Worker& worker_;
  Socket socket_;
  std::unique_ptr<TlsStream> tls_;
  Endpoint address_;
  std::string reason_;
  bool connected_ = false;
};

}  // namespace postern::net
