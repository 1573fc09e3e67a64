#pragma once
// From a request to its answer: door, browser rules, caller, route, capability, idempotency, route function, problem.
// Never throws for what a caller sent.
#include <functional>

#include "proxy/admin/http.hpp"
#include "proxy/admin/problem.hpp"
#include "proxy/admin/service.hpp"

namespace postern::admin {

// For whom work keeps its thread waiting. What waits for the disk is over soon, and many at a time share one sync; a
// service may take as long as its deadline.
enum class Waits : std::uint8_t { no, disk, network };

// The response; or the work that leads to it.
struct Handled {
  Response response;                       // where there is no work
  std::function<Answer()> work;            // to be called once, in any thread
  Waits waits = Waits::network;            // of the work
  std::function<Response(Answer)> finish;  // with what the work brought, in the admin thread again
};
// Runs in the admin thread. The request must live until the end of `finish`.
Handled handle(Service& service, const Request& request);

}  // namespace postern::admin
