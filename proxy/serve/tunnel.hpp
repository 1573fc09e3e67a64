#pragma once
// A CONNECT tunnel that requests come out of: what its CONNECT settled for them.
//
// Thread safety: its session's worker. Ownership: lives in the coroutine of the CONNECT's call, which outlives every
// request inside. Absence: a request that has none came straight to the proxy.
#include <cstdint>
#include <string>

namespace postern::serve {

struct Tunnel {
  std::string host;                // as in wire::Target
  std::uint16_t written_port = 0;  // of the CONNECT: what a Host inside says
  std::uint16_t port = 443;        // where the requests inside go
  bool ip_literal = false, internal_suffix = false;
  bool tls = false;       // the caller's TLS ends here: what is inside was https to it
  std::string reference;  // the connection that the CONNECT named, by id or alias; empty: none
};

}  // namespace postern::serve
