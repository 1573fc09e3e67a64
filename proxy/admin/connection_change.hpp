#pragma once
// What PATCH and rotate share: a stored connection gets other variables or another value.
// Thread safety: as connection_write.hpp.
#include <expected>

#include "proxy/admin/connection_input.hpp"

namespace postern::admin {

// New configuration or values: planned anew into `meta`. Without the secret in the same call, destinations may only
// narrow (409 secret-required). True: the secret may go to other places than the one before it, which is therefore not
// to be brought back under this plan.
std::expected<bool, Problem> replan(Service& service, const ConnectionInput& input, vault::Connection& meta);

// How long a value that is replaced is kept, in milliseconds, unless the call says otherwise (vault.keep_old).
std::int64_t kept_by_default(const Service& service);

// The values of `input` as they are stored, and what they say of the connection, which is ACTIVE with them.
std::expected<vault::Credential, Problem> take_value(const Service& service, ConnectionInput& input,
                                                     vault::Connection& meta);
// Stored, told to everyone, answered. Of a value that is replaced: kept for `keep_ms`.
Answer change(Service& service, ConnectionInput& input, vault::Connection meta, std::int64_t keep_ms,
              const vault::Beside& beside);

}  // namespace postern::admin
