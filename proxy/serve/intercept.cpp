// Whether the TLS of a tunnel ends here, so that what is inside goes through the story like any other request. Asked
// of a CONNECT to port 443, and of one to another port whose first bytes are a ClientHello.
#include "proxy/serve/call.hpp"

namespace postern::serve {

// Never in this version: there is no authority of our own yet.
net::Soon<bool> intercepts(Call&) {
  return false;
}

}  // namespace postern::serve
