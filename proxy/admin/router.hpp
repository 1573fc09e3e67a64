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
inline constexpr std::uint64_t kMostBody = 1024 * 1024;
inline constexpr std::uint64_t kMostImport = 8 * kMostBody;  // of the one route that takes documents
// How large the body behind this head may be; or the refusal, where the route takes a large one and the caller may not.
std::expected<std::uint64_t, Problem> body_limit(Service& service, const Request& head);
// Runs in the admin thread. The request must live until the end of `finish`.
Handled handle(Service& service, const Request& request);

}  // namespace postern::admin
