#pragma once
// Our own answers, as values: DESIGN section 9 is the table in problem.cpp, row by row.
//
// A Problem knows its row and the public text. Whose fault it is, whether a retry can help, the status, the
// Proxy-Status token and whether the connection closes all come from the row. `private_detail` goes to the log only.
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/net/fault.hpp"
#include "proxy/wire/fault.hpp"

namespace postern::serve {

enum class Code : std::uint8_t {
  caller_unauthenticated,
  connection_id_missing,
  connection_ambiguous,
  connection_unavailable,
  connection_revoked,
  connection_error,
  auth_config_disabled,
  connection_needs_reconnect,
  destination_not_allowed,
  destination_address_prohibited,
  budget_exhausted,
  rate_limited,
  browser_request_refused,
  tunnel_not_supported,
  malformed_request,
  method_not_allowed,
  request_timeout,
  body_too_large,
  body_too_large_to_sign,
  target_too_long,
  head_too_large,
  expectation_failed,
  version_not_supported,
  loop_detected,
  refresh_in_progress,
  token_endpoint_unavailable,
  vault_unavailable,
  overloaded,
  dns_failed,
  dns_timeout,
  upstream_refused,
  upstream_connect_timeout,
  upstream_certificate,
  upstream_tls,
  upstream_closed,
  upstream_malformed,
  upstream_timeout,
  internal_error,
  count_
};

enum class Whose : std::uint8_t { caller, upstream, us };
enum class Retry : std::uint8_t { no, yes, idempotent };

struct Row {
  Code code;
  const char* name;  // the `code` member, the problem type's last part and Proxy-Status `details`
  std::uint16_t status;
  const char* title;
  const char* error;  // RFC 9209 error type
  Whose whose;
  Retry retry;
  bool close;                 // ×: the client connection ends with the answer
  std::uint16_t retry_after;  // seconds; 0: no Retry-After
};

const Row& row(Code code);
std::span<const Row> all_rows();

struct Problem {
  Code code = Code::internal_error;
  std::string detail;                // one sentence that says what to do; never a secret
  std::vector<std::string> choices;  // connections the caller could name
  std::string pointer;               // what in the request does not fit ("/body"); empty: nothing in particular
  std::string private_detail;        // for the log only
  std::string connect_url = {};      // where a person puts it right; empty: nowhere
  std::uint32_t retry_after = 0;     // seconds, instead of the row's; 0: the row's
};

// A step of the story: nothing, or the answer that ends it.
using Step = std::expected<void, Problem>;

inline std::unexpected<Problem> refuse(Code code, std::string detail) {
  return std::unexpected(Problem{code, std::move(detail), {}, {}, {}});
}

// Before memory grows: limits.requests or limits.buffered is reached.
inline std::unexpected<Problem> refuse_overload() {
  return refuse(Code::overloaded, "The proxy has as much under way as its limits allow; try again.");
}

// What a look into the directory came to, if it did not find: whose fault, and what to do. `detail` is for the log
// only.
enum class Trouble : std::uint8_t { none, unknown, broken, vault };
Problem from_trouble(Trouble trouble, std::string detail);
Problem from_refusal(const wire::Refusal& why);
// `reason`: what net knows beside the fault, safe to show.
Problem from_fault(net::Fault fault, std::string_view host, std::string_view reason);

}  // namespace postern::serve
