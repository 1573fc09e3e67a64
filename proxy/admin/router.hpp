#pragma once
// From a request to its answer: door, browser rules, caller, route, capability, idempotency, route function, problem.
// Never throws for what a caller sent.
#include <functional>

#include "proxy/admin/http.hpp"
#include "proxy/admin/problem.hpp"
#include "proxy/admin/service.hpp"

namespace postern::admin {

// The response; or the work that leads to it, where that waits for the network.
struct Reply {
  Response response;                       // where there is no work
  std::function<Answer()> work;            // to be called once, in any thread
  std::function<Response(Answer)> finish;  // with what the work brought, in the admin thread again
};
// Runs in the admin thread. The request must live until the end of `finish`.
Reply handle(Service& service, const Request& request);

}  // namespace postern::admin
