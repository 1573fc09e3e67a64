#pragma once
// One whole request and its whole answer on a TLS connection of its own: what token endpoints are asked with. Bounded
// in time and size, no redirect is followed, nothing is retried, and the bytes of both directions are wiped.
//
// The connection is made like any other of the upstream side: checked address, SNI, host verified (upstream.hpp). It is
// never pooled: such calls are rare, and a lost answer must not depend on a connection's age.
// Thread safety: the worker's thread. Ownership: `network` outlives the call; the request's views do too.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/net/exchange.hpp"

namespace postern::net {

struct FetchRequest {
  std::string_view method;
  std::string_view target;                                            // path and query
  std::vector<std::pair<std::string_view, std::string_view>> fields;  // Host, Connection and Content-Length are ours
  std::string_view body;
  Millis deadline{25'000};            // for all of it, from the look-up to the last byte
  std::size_t max_body = 256 * 1024;  // of the answer, decoded
};

struct FetchAnswer {
  Fault fault = Fault::none;
  std::string reason;      // of a fault: short, without secrets; may be empty
  bool sent = false;       // bytes of the request may have reached the peer
  bool too_large = false;  // with Fault::malformed: the body passed max_body
  std::uint16_t status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  FetchAnswer() = default;
  FetchAnswer(FetchAnswer&&) = default;
  FetchAnswer& operator=(FetchAnswer&&) = default;
  ~FetchAnswer();  // wipes fields and body
};

// `to` must stay until the call is over. A field that could break the head is Fault::malformed with nothing sent.
Task<FetchAnswer> fetch(Network& network, const Destination& to, FetchRequest request, DialTimeouts dial = {});

}  // namespace postern::net
