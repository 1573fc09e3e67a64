#pragma once
// What can go wrong on the way to an upstream, as a value. serve/ maps each to a row of DESIGN section 9.
#include <cstdint>

namespace postern::net {

enum class Fault : std::uint8_t {
  none,
  dns_failed,
  dns_timeout,
  address_prohibited,
  refused,             // refused, unreachable, reset during connect
  connect_timeout,     // connect or TLS handshake not done in time
  certificate,         // not trusted, expired, another name
  tls,                 // no common protocol, alert, garbage
  client_certificate,  // demanded and not shown, or shown and refused
  closed,              // closed or reset before a response head
  malformed,           // bad bytes, bad framing, an unasked 101
  timeout,             // no response head in time
  cut,                 // closed in mid-body, or close-delimited without close_notify
  client_gone,         // the caller closed, reset, or stopped reading or writing
  client_malformed,    // bad chunk of the request body
  client_timeout,      // the caller's body stalled
  body_too_large,
  body_lost,  // what was kept of the request body could not be read back
  ended,      // revoked, deleted, expired or shut down under a running exchange
};

}  // namespace postern::net
