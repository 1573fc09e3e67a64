#pragma once
// One call of the token desk, signed on its way as the data path would sign it where it says how: what a token call
// may ask for (AssumeRole), and what `connections test` of a signing type is. A challenge is answered once.
//
// Thread safety: the desk's thread. Errors: a request that cannot be signed is Fault::malformed with the reason, and
// nothing was sent.
#include <cstdint>
#include <memory>

#include "proxy/grants/transport.hpp"

namespace postern::serve {

net::Task<grants::Delivery> deliver(std::shared_ptr<grants::TokenTransport> transport, grants::TokenRequest request,
                                    std::int64_t now_ms);

}  // namespace postern::serve
