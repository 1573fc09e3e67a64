#pragma once
// Idempotency-Key: a POST that succeeded makes nothing when it is repeated, for a day.
//
// What is kept (vault::KeptAnswer) are digests of caller, route, key and body, the status, and the id of what was made:
// never a body, so never a token or a secret. A repetition is answered with the resource as it is by now.
// Thread safety: any thread. Ownership: borrows the vault.
#include <functional>

#include "proxy/admin/routes.hpp"

namespace postern::admin {

using Run = std::function<Answer()>;
// Runs the call unless its key has an answer. `again` shows what was made, with its id in Call::id.
Answer run_once(Service& service, Call& call, const Run& run, const std::function<Answer(Call&)>& again);

}  // namespace postern::admin
