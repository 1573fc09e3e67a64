#pragma once
// TLS towards callers whose tunnel is intercepted: for each host a certificate ("leaf") that the local authority signs
// when it is first needed, shown in handshakes that must be for that host.
//
// Handshakes: TLS 1.2 or newer; ALPN http/1.1 alone (a caller that offers others only gets no_application_protocol);
// no session is resumed, so that none moves from one host to another; no renegotiation. The SNI must be the host; none
// at all will do for an address only, which has no SNI (RFC 6066 section 3). Anything else gets unrecognized_name.
//
// Thread safety: an Issuer is immutable and shared by all workers; a Leaves belongs to one worker.
#include <openssl/ssl.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/net/tls.hpp"

namespace postern::net {

class Issuer {
 public:
  // Borrowed references are taken as its own. One new key serves all leaves of the process. nullptr: OpenSSL cannot.
  static std::shared_ptr<const Issuer> make(X509* authority, EVP_PKEY* key);
  // A leaf for one host: valid from an hour before `now` (seconds since 1970) for 7 days, and never outside the
  // authority's own life. nullptr: OpenSSL cannot.
  X509Ptr sign(const std::string& host, bool ip_literal, std::int64_t now) const;
  SSL_CTX* context() const noexcept { return context_.get(); }

 private:
  X509Ptr authority_;
  KeyPtr key_, leaf_key_;
  std::unique_ptr<SSL_CTX, SslFree> context_;
};

class Leaves {
 public:
  // Replaces the authority; handshakes under way go on with the leaf they have. nullptr: none.
  void use(std::shared_ptr<const Issuer> issuer);
  bool ready() const noexcept { return issuer_ != nullptr; }
  // An SSL in server mode that shows the leaf of `host` (lower case; an address without brackets). It has no socket
  // yet: Client::accept_tls() takes it. `now`: seconds since 1970. nullptr: no authority, or OpenSSL cannot.
  SslPtr open(const std::string& host, bool ip_literal, std::int64_t now);
  std::size_t size() const noexcept { return rows_.size(); }

  static constexpr std::size_t kMost = 1'000;  // least recently used goes first; about 3 KiB each

 private:
  struct Row {
    X509Ptr leaf;
    std::int64_t signed_at = 0;
    std::list<std::string>::iterator age;
  };
  X509* leaf(const std::string& host, bool ip_literal, std::int64_t now);
  std::shared_ptr<const Issuer> issuer_;
  std::unordered_map<std::string, Row> rows_;
  std::list<std::string> oldest_first_;
};

}  // namespace postern::net
