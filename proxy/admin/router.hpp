#pragma once
// From a request to its answer: door, browser rules, caller, route, capability, idempotency, route function, problem.
// Never throws for what a caller sent.
#include <cstdint>
#include <expected>
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
inline constexpr std::uint64_t kMostBody = 1024 * 1024;
inline constexpr std::uint64_t kMostImport = 8 * kMostBody;  // of the one route that takes documents
// How large the body behind this head may be; or the refusal, where the route takes a large one and the caller may not.
std::expected<std::uint64_t, Problem> body_limit(Service& service, const Request& head);
// Runs in the admin thread. The request must live until the end of `finish`.
Reply handle(Service& service, const Request& request);

}  // namespace postern::admin
