#include "proxy/net/upstream.hpp"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace postern::net {

namespace {

// Alerts that are about a certificate of ours, or about there being none (RFC 8446 section 6.2, RFC 5246
// section 7.2.2).
bool is_about_our_certificate(int reason, bool shown) noexcept {
  switch (reason) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return true;
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:  // also: no common cipher
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:      // an authority of the same name, and another key
      return shown;
    default:
      return false;
  }
}

}  // namespace

void Destination::show(std::shared_ptr<const Identity> what) {
  identity = std::move(what);
  session_key += "/" + std::to_string(identity->serial());
}

using observe::Counter;
using observe::Gauge;

Upstream::~Upstream() {
  if (connected_) worker_.metrics().add(Gauge::open_upstreams, -1);
  if (tls_ && socket_.is_open() && !socket_.cancelled()) tls_->say_end();
}

std::optional<Endpoint> known_address(const Destination& to) {
  if (to.fixed) return to.fixed;
  if (!to.ip_literal) return std::nullopt;
  auto literal = Endpoint::parse(to.host.find(':') == std::string::npos ? to.host + ":0" : "[" + to.host + "]:0");
  if (!literal) return std::nullopt;
  literal->set_port(to.port);
  return *literal;
}

std::string why_prohibited(const Destination& to, const Endpoint& address, const AddressPolicy& policy) {
  // Allowed by being written there, but never a metadata service or this proxy itself.
  if (to.fixed) {
    if (!policy.is_own(address) && classify(address) != AddressClass::metadata) return {};
    return "resolve: names a listener of this proxy or a metadata service";
  }
  if (policy.allows(address, to.exceptions)) return {};
  return std::string("resolves to a ") + to_string(classify(address)) + " address";
}

Task<Fault> Upstream::connect(const Destination& to, Resolver& resolver, const AddressPolicy& policy,
                              SessionCache& sessions, DialTimeouts timeouts) {
  const Fault fault = co_await reach(to, resolver, policy, timeouts);
  if (fault != Fault::none) co_return fault;
  co_return co_await handshake(to, sessions, timeouts.tls);
}

Task<Fault> Upstream::connect_plain(const Destination& to, Resolver& resolver, const AddressPolicy& policy,
                                    DialTimeouts timeouts) {
  const Fault fault = co_await reach(to, resolver, policy, timeouts);
  if (fault == Fault::none) connected();
  co_return fault;
}

void Upstream::connected() {
  connected_ = true;
  worker_.metrics().add(Gauge::open_upstreams, 1);
}

// Resolve, judge, dial.
Task<Fault> Upstream::reach(const Destination& to, Resolver& resolver, const AddressPolicy& policy,
                            DialTimeouts timeouts) {
  std::vector<Endpoint> addresses;
  if (to.fixed || to.ip_literal) {
    const auto address = known_address(to);
    if (!address) co_return Fault::dns_failed;
    addresses.push_back(*address);
  } else {
    Resolved resolved = co_await resolver.resolve(to.host, timeouts.dns);
    if (resolved.fault != Fault::none) co_return resolved.fault;
    addresses = std::move(resolved.addresses);
    for (Endpoint& address : addresses) address.set_port(to.port);
  }
  for (const Endpoint& address : addresses) {
    reason_ = why_prohibited(to, address, policy);
    if (!reason_.empty()) co_return Fault::address_prohibited;  // one denied address denies the answer
  }
  Fault fault = Fault::refused;
  const Millis each = std::max(Millis(1000), timeouts.connect / static_cast<int>(addresses.size()));
  for (const Endpoint& address : addresses) {
    fault = co_await dial(address, addresses.size() == 1 ? timeouts.connect : each);
    if (fault == Fault::none) {
      address_ = address;
      co_return Fault::none;
    }
    if (fault == Fault::ended) break;  // cancelled: nobody wants the other addresses
  }
  co_return fault;
}

Task<Fault> Upstream::dial(const Endpoint& to, Millis timeout) {
  const int fd = ::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    reason_ = std::strerror(errno);
    co_return Fault::refused;
  }
  socket_.adopt(fd);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  worker_.metrics().add(Counter::upstream_connects);
  const Io started = socket_.connect(to.data(), to.length);
  if (started == Io::ok) co_return Fault::none;
  if (started == Io::failed) {
    reason_ = std::strerror(errno);
    co_return Fault::refused;
  }
  socket_.expire_after(timeout);
  const bool ready = co_await socket_.writable();
  socket_.no_deadline();
  if (!ready) co_return socket_.expired() ? Fault::connect_timeout : Fault::ended;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) co_return Fault::none;
  reason_ = std::strerror(error);
  co_return error == ETIMEDOUT ? Fault::connect_timeout : Fault::refused;
}

Task<Fault> Upstream::handshake(const Destination& to, SessionCache& sessions, Millis timeout) {
  SslPtr ssl = to.trust->open(to.host, to.ip_literal, to.identity.get());
  shows_ = to.identity != nullptr;
  if (!ssl) co_return Fault::tls;
  keep_sessions(ssl.get(), &sessions, &to.session_key);
  if (SSL_SESSION* session = sessions.get(to.session_key)) SSL_set_session(ssl.get(), session);
  auto tls = std::make_unique<TlsStream>(worker_, socket_);
  if (!tls->start(std::move(ssl), {})) co_return Fault::tls;
  socket_.expire_after(timeout);
  if (co_await tls->handshake() != Io::ok) {
    if (socket_.expired()) co_return Fault::connect_timeout;
    if (socket_.cancelled()) co_return Fault::ended;
    sessions.forget(to.session_key);
    const long verdict = SSL_get_verify_result(tls->ssl());
    if (verdict != X509_V_OK) {
      reason_ = X509_verify_cert_error_string(verdict);
      co_return Fault::certificate;
    }
    note_alert();
    if (turned_away_) co_return Fault::client_certificate;
    const char* text = ERR_reason_error_string(ERR_peek_last_error());
    reason_ = text != nullptr ? text : "connection closed in the handshake";
    co_return Fault::tls;
  }
  socket_.no_deadline();
  tls_ = std::move(tls);
  connected();
  worker_.metrics().add(SSL_session_reused(tls_->ssl()) ? Counter::upstream_tls_resumed : Counter::upstream_tls_full);
  co_return Fault::none;
}

void Upstream::note_alert() {
  const unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_SSL || !is_about_our_certificate(ERR_GET_REASON(error), shows_)) return;
  const char* text = ERR_reason_error_string(error);
  turned_away_ = true;
  reason_ = text != nullptr ? text : "an alert about the certificate";
  ERR_clear_error();  // the queue is the thread's: no other connection may take it for its own
}

IoResult Upstream::read_now(char* to, std::size_t size) noexcept {
  if (!tls_) return socket_.read(to, size);
  const IoResult read = tls_->read_now(to, size);
  if (read.io == Io::failed && !turned_away_) note_alert();
  return read;
}

Io Upstream::write_now(std::string_view& bytes) noexcept {
  if (tls_) return tls_->write_now(bytes);
  while (!bytes.empty()) {
    const IoResult r = socket_.write(bytes);
    if (r.io != Io::ok) return r.io;
    bytes.remove_prefix(r.size);
  }
  return Io::ok;
}

Task<Io> Upstream::write_rest(std::string_view bytes) {
  Io io = Io::again;
  while (io == Io::again) {
    if (!co_await (tls_ ? tls_->may_write() : socket_.writable())) co_return Io::failed;
    io = write_now(bytes);
  }
  co_return io;
}

Soon<Io> Upstream::write(std::string_view bytes) {
  const Io io = write_now(bytes);
  if (io == Io::again) return write_rest(bytes);
  return io;
}

Soon<Io> Upstream::end_writing() {
  if (tls_) return tls_->end_writing();
  socket_.end_writing();
  return Io::ok;
}

bool Upstream::fresh(bool sure) noexcept {
  if (!socket_.is_open() || socket_.cancelled() || SSL_get_shutdown(tls_->ssl()) != 0) return false;
  if (SSL_has_pending(tls_->ssl()) == 0) {
    if (!sure && socket_.is_quiet()) return true;
    const Io waiting = socket_.peek();
    if (waiting == Io::again) return true;
    if (waiting != Io::ok) return false;
  }
  // Bytes are there: session tickets are fine, anything else is an end or surplus from the answer before.
  char byte = 0;
  return read_now(&byte, 1).io == Io::again;
}

}  // namespace postern::net
