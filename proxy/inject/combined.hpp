#pragma once
// Several injections on one request: rules first, then a signer over what they made of it.
#include "proxy/inject/injection.hpp"

namespace postern::inject {

// The signer sees the request with everything that `fields` puts into it. Fails, in one sentence, where both would
// write to the same place.
std::expected<std::unique_ptr<Injection>, std::string> combine(std::unique_ptr<Injection> fields,
                                                               std::unique_ptr<Injection> signer);

}  // namespace postern::inject
