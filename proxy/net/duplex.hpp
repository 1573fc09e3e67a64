#pragma once
// Bytes both ways between a caller and an upstream, as they come: what a tunnel that is passed through and a WebSocket
// are made of.
//
// Each direction reads no further than the other side has taken; an end is passed on, and the other direction goes on
// until it ends too. Nothing is held while nobody says anything. Thread safety: the client's worker. Ownership: borrows
// both until it returns; then close them, or abort() the client if the end is not whole. To end it from elsewhere,
// cancel either socket.
#include <cstdint>

#include "proxy/net/client.hpp"
#include "proxy/net/upstream.hpp"

namespace postern::net {

struct Relayed {
  enum class End : std::uint8_t {
    whole,  // both sides ended their streams
    idle,   // no byte came from either for so long
    cut     // one of them failed, or was cancelled
  };
  End end = End::whole;
  std::uint64_t up = 0, down = 0;  // bytes that went to the upstream and to the caller
};

// What waits in `client.in` and in `from_upstream` goes out first; views into them end here. `idle`: how long both may
// be silent.
Task<Relayed> relay_both(Client& client, Upstream& upstream, ReadBuffer& from_upstream, Millis idle);

}  // namespace postern::net
