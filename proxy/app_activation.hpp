#pragma once
// Sockets that systemd bound for us (sd_listen_fds(3)): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES, from descriptor 3 on.
//
// Names are proxy (any number), admin and health (one each); without LISTEN_FDNAMES the first is the proxy's and the
// second the admin API's. A socket that is handed over takes the place of its setting's address.
// Thread safety: at the start, before any other thread. Ownership: the descriptors are the caller's; close-on-exec and
// non-blocking are set and the variables are removed, so that no child takes them for its own.
#include <expected>
#include <string>
#include <vector>

namespace postern {

struct Activation {
  std::vector<int> proxy;
  int admin = -1, health = -1;  // -1: none was handed over
};

// Empty where LISTEN_PID is not this process. The error is one line: a name nobody knows, a descriptor that is not a
// listening stream socket.
std::expected<Activation, std::string> take_activation();

}  // namespace postern
