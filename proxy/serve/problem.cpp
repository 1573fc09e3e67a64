#include "proxy/serve/problem.hpp"

#include <fmt/format.h>

#include <array>

namespace postern::serve {
namespace {

constexpr std::array<Row, std::size_t(Code::count_)> kRows{{
    {Code::caller_unauthenticated, "caller-unauthenticated", 407, "Caller not authenticated", "http_request_denied",
     Whose::caller, Retry::no, false, 0},
    {Code::connection_id_missing, "connection-id-missing", 400, "No connection named", "http_request_error",
     Whose::caller, Retry::no, false, 0},
    {Code::connection_ambiguous, "connection-ambiguous", 400, "Two connections named", "http_request_error",
     Whose::caller, Retry::no, false, 0},
    {Code::connection_unavailable, "connection-unavailable", 403, "Connection not available", "http_request_denied",
     Whose::caller, Retry::no, false, 0},
    {Code::connection_revoked, "connection-revoked", 403, "Connection revoked or disabled", "http_request_denied",
     Whose::caller, Retry::no, false, 0},
    {Code::connection_error, "connection-error", 403, "Connection in error", "http_request_denied", Whose::caller,
     Retry::no, false, 0},
    {Code::auth_config_disabled, "auth-config-disabled", 403, "Auth config disabled", "http_request_denied",
     Whose::caller, Retry::no, false, 0},
    {Code::connection_needs_reconnect, "connection-needs-reconnect", 403, "Connection needs to be connected again",
     "http_request_denied", Whose::caller, Retry::no, false, 0},
    {Code::destination_not_allowed, "destination-not-allowed", 403, "Destination not allowed", "http_request_denied",
     Whose::caller, Retry::no, false, 0},
    {Code::destination_address_prohibited, "destination-address-prohibited", 403, "Destination address prohibited",
     "destination_ip_prohibited", Whose::caller, Retry::no, false, 0},
    {Code::budget_exhausted, "budget-exhausted", 403, "Budget exhausted", "http_request_denied", Whose::caller,
     Retry::no, false, 0},
    {Code::rate_limited, "rate-limited", 429, "Too many requests at a time", "connection_limit_reached", Whose::caller,
     Retry::yes, false, 1},
    {Code::browser_request_refused, "browser-request-refused", 403, "Browser request refused", "http_request_denied",
     Whose::caller, Retry::no, false, 0},
    {Code::tunnel_not_supported, "tunnel-not-supported", 403, "Tunnel not supported", "http_request_denied",
     Whose::caller, Retry::no, false, 0},
    {Code::malformed_request, "malformed-request", 400, "Malformed request", "http_request_error", Whose::caller,
     Retry::no, true, 0},
    {Code::method_not_allowed, "method-not-allowed", 405, "Method not allowed", "http_request_denied", Whose::caller,
     Retry::no, false, 0},
    {Code::request_timeout, "request-timeout", 408, "Request head not complete in time", "http_request_error",
     Whose::caller, Retry::yes, true, 0},
    {Code::body_too_large, "body-too-large", 413, "Request body too large", "http_request_denied", Whose::caller,
     Retry::no, true, 0},
    {Code::body_too_large_to_sign, "body-too-large-to-sign", 413, "Request body too large to sign",
     "http_request_denied", Whose::caller, Retry::no, true, 0},
    {Code::target_too_long, "target-too-long", 414, "Request target too long", "http_request_error", Whose::caller,
     Retry::no, true, 0},
    {Code::head_too_large, "head-too-large", 431, "Request head too large", "http_request_error", Whose::caller,
     Retry::no, true, 0},
    {Code::expectation_failed, "expectation-failed", 417, "Expectation failed", "http_request_error", Whose::caller,
     Retry::no, true, 0},
    {Code::version_not_supported, "version-not-supported", 505, "HTTP version not supported", "http_request_error",
     Whose::caller, Retry::no, true, 0},
    {Code::loop_detected, "loop-detected", 508, "Loop detected", "proxy_loop_detected", Whose::caller, Retry::no, true,
     0},
    {Code::refresh_in_progress, "refresh-in-progress", 503, "Token being renewed", "destination_unavailable", Whose::us,
     Retry::yes, false, 5},
    {Code::token_endpoint_unavailable, "token-endpoint-unavailable", 503, "Token endpoint unavailable",
     "destination_unavailable", Whose::upstream, Retry::yes, false, 1},
    {Code::vault_unavailable, "vault-unavailable", 503, "Vault unavailable", "proxy_internal_error", Whose::us,
     Retry::yes, false, 1},
    {Code::overloaded, "overloaded", 503, "Overloaded", "connection_limit_reached", Whose::us, Retry::yes, true, 1},
    {Code::dns_failed, "dns-failed", 502, "Upstream name not found", "dns_error", Whose::upstream, Retry::yes, false,
     0},
    {Code::dns_timeout, "dns-timeout", 504, "Upstream name lookup timed out", "dns_timeout", Whose::upstream,
     Retry::yes, false, 0},
    {Code::upstream_refused, "upstream-refused", 502, "Upstream refused the connection", "connection_refused",
     Whose::upstream, Retry::yes, false, 0},
    {Code::upstream_connect_timeout, "upstream-connect-timeout", 504, "Upstream connection timed out",
     "connection_timeout", Whose::upstream, Retry::yes, false, 0},
    {Code::upstream_certificate, "upstream-certificate", 502, "Upstream certificate not trusted",
     "tls_certificate_error", Whose::upstream, Retry::no, false, 0},
    {Code::upstream_tls, "upstream-tls", 502, "Upstream TLS failed", "tls_protocol_error", Whose::upstream, Retry::no,
     false, 0},
    {Code::upstream_closed, "upstream-closed", 502, "Upstream closed before an answer", "connection_terminated",
     Whose::upstream, Retry::idempotent, false, 0},
    {Code::upstream_malformed, "upstream-malformed", 502, "Upstream answer malformed", "http_protocol_error",
     Whose::upstream, Retry::idempotent, true, 0},
    {Code::upstream_timeout, "upstream-timeout", 504, "Upstream did not answer in time", "http_response_timeout",
     Whose::upstream, Retry::idempotent, false, 0},
    {Code::internal_error, "internal-error", 500, "Internal error", "proxy_internal_error", Whose::us, Retry::no, false,
     0},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (std::size_t(kRows[i].code) != i) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

const Row& row(Code code) {
  return kRows[std::size_t(code)];
}
std::span<const Row> all_rows() {
  return kRows;
}

Problem from_trouble(Trouble trouble, std::string detail) {
  if (trouble == Trouble::broken) {
    return {Code::connection_error,
            "The connection's configuration does not fit the catalog any more; an administrator must put its provider "
            "back or make it anew.",
            {},
            {},
            std::move(detail)};
  }
  if (trouble == Trouble::vault)
    return {Code::vault_unavailable, "The vault cannot be read at the moment; try again.", {}, {}, std::move(detail)};
  return {Code::connection_unavailable,
          "No such connection is available to this caller; check its id or alias, and the token's connections.",
          {},
          {},
          {}};
}

Problem from_refusal(const wire::Refusal& why) {
  Problem p;
  p.detail = why.detail;
  switch (why.fault) {
    case wire::Fault::target_too_long:
      p.code = Code::target_too_long;
      break;
    case wire::Fault::head_too_large:
      p.code = Code::head_too_large;
      break;
    case wire::Fault::bad_version:
      p.code = Code::version_not_supported;
      break;
    case wire::Fault::bad_expectation:  // closes too: the parser stopped, so where this request ends is not known
      p.code = Code::expectation_failed;
      break;
    case wire::Fault::none:
    case wire::Fault::malformed:
      p.code = Code::malformed_request;
      break;
  }
  return p;
}

Problem from_fault(net::Fault fault, std::string_view host, std::string_view reason) {
  using net::Fault;
  const auto make = [&](Code code, std::string detail) {
    if (!reason.empty()) detail += fmt::format(" ({})", reason);
    return Problem{code, std::move(detail), {}, {}, std::string(reason)};
  };
  switch (fault) {
    case Fault::dns_failed:
      return make(
          Code::dns_failed,
          fmt::format(
              "The name {} did not resolve; check its spelling and the resolver of the machine that runs postern.",
              host));
    case Fault::dns_timeout:
      return make(Code::dns_timeout, fmt::format("Looking {} up took too long; try again.", host));
    case Fault::address_prohibited:
      return make(Code::destination_address_prohibited,
                  reason.find("metadata") != reason.npos
                      ? fmt::format("The address of {} may never be dialled.", host)
                      : fmt::format("The address of {} may not be dialled; an administrator can allow it with "
                                    "upstream.hosts in the configuration.",
                                    host));
    case Fault::refused:
      return make(Code::upstream_refused,
                  fmt::format("{} refused the connection or cannot be reached; try again later.", host));
    case Fault::connect_timeout:
      return make(Code::upstream_connect_timeout,
                  fmt::format("{} did not accept a connection in time; try again later.", host));
    case Fault::certificate:
      return make(Code::upstream_certificate,
                  fmt::format("The certificate of {} is not trusted, so nothing was sent; a private authority is named "
                              "with upstream.hosts trust in the configuration.",
                              host));
    case Fault::tls:
      return make(Code::upstream_tls,
                  fmt::format("No TLS 1.2 or newer session with {} could be made, so nothing was sent.", host));
    case Fault::client_certificate:
      return make(Code::upstream_tls,
                  fmt::format("{} demands a TLS client certificate: without one name a connection of type CERTIFICATE, "
                              "and give one whose certificate is refused a new value.",
                              host));
    case Fault::closed:
      return make(
          Code::upstream_closed,
          fmt::format("{} closed the connection before it answered; the request may have been carried out.", host));
    case Fault::malformed:
    case Fault::cut:
      return make(Code::upstream_malformed,
                  fmt::format("{} answered with bytes that are not HTTP/1.1; its answer was not passed on.", host));
    case Fault::timeout:
      return make(Code::upstream_timeout,
                  fmt::format("{} did not answer in time; the request may have been carried out.", host));
    case Fault::client_malformed:
      return make(Code::malformed_request,
                  "The chunked body of the request is malformed; nothing after the bad chunk was sent.");
    case Fault::body_too_large:
      return make(Code::body_too_large, "The request body is larger than limits.body allows.");
    case Fault::body_lost:
      return make(Code::internal_error, "The request body that was kept could not be read back; send it again.");
    case Fault::client_timeout:
      return make(Code::request_timeout, "The request body stopped coming; send it again.");
    case Fault::ended:
      return make(Code::connection_unavailable,
                  "The connection or the authorization ended while the request was running.");
    case Fault::none:
    case Fault::client_gone:
      break;
  }
  return make(Code::internal_error, "The request could not be carried out.");
}

}  // namespace postern::serve
