#pragma once
// OpenSSL's view of a Socket: its reads and writes go through the socket, which so knows when readiness is used up.
//
// Thread safety: the worker's thread. The socket outlives the BIO. nullptr: out of memory.
#include <openssl/bio.h>

#include "proxy/net/socket.hpp"

namespace postern::net {

BIO* new_socket_bio(Socket& socket);

}  // namespace postern::net
