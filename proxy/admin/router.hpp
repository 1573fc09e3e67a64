#pragma once
// From a request to its answer: door, browser rules, caller, route, capability, idempotency, route function, problem.
// Never throws for what a caller sent. Runs in the admin thread.
#include "proxy/admin/http.hpp"
#include "proxy/admin/service.hpp"

namespace postern::admin {

Response handle(Service& service, const Request& request);

}  // namespace postern::admin
