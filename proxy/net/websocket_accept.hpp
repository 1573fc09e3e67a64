#pragma once
// What a server that grants a WebSocket answers to the client's key (RFC 6455 section 4.2.2, step 5.4).
//
// Pure, thread safe. Empty: this OpenSSL has no SHA-1, and nothing is granted.
#include <string>
#include <string_view>

namespace postern::net {

std::string websocket_accept(std::string_view key);

}  // namespace postern::net
