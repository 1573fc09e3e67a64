// Our own answers: the table of DESIGN section 9, written out a second time.
#include "proxy/serve/problem.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace postern::serve {
namespace {

struct Expected {
  int status;
  const char* code;
  const char* error;  // RFC 9209
  Retry retry;
  bool close;
};

constexpr Expected kTable[] = {
    {407, "caller-unauthenticated", "http_request_denied", Retry::no, false},
    {400, "connection-id-missing", "http_request_error", Retry::no, false},
    {400, "connection-ambiguous", "http_request_error", Retry::no, false},
    {403, "connection-unavailable", "http_request_denied", Retry::no, false},
    {403, "connection-revoked", "http_request_denied", Retry::no, false},
    {403, "connection-error", "http_request_denied", Retry::no, false},
    {403, "auth-config-disabled", "http_request_denied", Retry::no, false},
    {403, "connection-needs-reconnect", "http_request_denied", Retry::no, false},
    {403, "destination-not-allowed", "http_request_denied", Retry::no, false},
    {403, "destination-address-prohibited", "destination_ip_prohibited", Retry::no, false},
    {403, "budget-exhausted", "http_request_denied", Retry::no, false},
    {429, "rate-limited", "connection_limit_reached", Retry::yes, false},
    {403, "browser-request-refused", "http_request_denied", Retry::no, false},
    {403, "tunnel-not-supported", "http_request_denied", Retry::no, false},
    {400, "malformed-request", "http_request_error", Retry::no, true},
    {405, "method-not-allowed", "http_request_denied", Retry::no, false},
    {408, "request-timeout", "http_request_error", Retry::yes, true},
    {413, "body-too-large", "http_request_denied", Retry::no, true},
    // What is left of the body is not read, so that the connection closes although the table does not say so.
    {413, "body-too-large-to-sign", "http_request_denied", Retry::no, true},
    {414, "target-too-long", "http_request_error", Retry::no, true},
    {431, "head-too-large", "http_request_error", Retry::no, true},
    // The table of the design closes only for the version; but the parser stops at a refused expectation, and where the
    // request ends is then unknown.
    {417, "expectation-failed", "http_request_error", Retry::no, true},
    {505, "version-not-supported", "http_request_error", Retry::no, true},
    {508, "loop-detected", "proxy_loop_detected", Retry::no, true},
    {503, "refresh-in-progress", "destination_unavailable", Retry::yes, false},
    {503, "token-endpoint-unavailable", "destination_unavailable", Retry::yes, false},
    {503, "vault-unavailable", "proxy_internal_error", Retry::yes, false},
    {503, "overloaded", "connection_limit_reached", Retry::yes, true},
    {502, "dns-failed", "dns_error", Retry::yes, false},
    {504, "dns-timeout", "dns_timeout", Retry::yes, false},
    {502, "upstream-refused", "connection_refused", Retry::yes, false},
    {504, "upstream-connect-timeout", "connection_timeout", Retry::yes, false},
    {502, "upstream-certificate", "tls_certificate_error", Retry::no, false},
    {502, "upstream-tls", "tls_protocol_error", Retry::no, false},
    {502, "upstream-closed", "connection_terminated", Retry::idempotent, false},
    {502, "upstream-malformed", "http_protocol_error", Retry::idempotent, true},
    {504, "upstream-timeout", "http_response_timeout", Retry::idempotent, false},
    {500, "internal-error", "proxy_internal_error", Retry::no, false},
};

TEST(Problems, are_the_table_of_the_design) {
  std::map<std::string, const Row*> rows;
  for (const Row& r : all_rows()) rows[r.name] = &r;
  EXPECT_EQ(rows.size(), all_rows().size()) << "two rows with one code";
  EXPECT_EQ(rows.size(), std::size(kTable));
  for (const Expected& expected : kTable) {
    ASSERT_TRUE(rows.contains(expected.code)) << expected.code;
    const Row& r = *rows[expected.code];
    EXPECT_EQ(r.status, expected.status) << expected.code;
    EXPECT_STREQ(r.error, expected.error) << expected.code;
    EXPECT_EQ(r.retry, expected.retry) << expected.code;
    EXPECT_EQ(r.close, expected.close) << expected.code;
    EXPECT_NE(std::string(r.title), "") << expected.code;
  }
}

TEST(Problems, that_a_retry_cannot_help_never_have_a_status_that_clients_retry) {
  for (const Row& r : all_rows()) {
    const bool retried = r.status == 408 || r.status == 409 || r.status == 429 || r.status >= 500;
    // Our own faults and the certificate say x-should-retry: false instead.
    if (r.retry == Retry::no && r.whose == Whose::caller && r.status != 505 && r.status != 508)
      EXPECT_FALSE(retried) << r.name;
  }
}

TEST(Problems, say_when_to_come_back_if_we_are_the_ones_who_are_busy) {
  for (const Code code :
       {Code::overloaded, Code::vault_unavailable, Code::refresh_in_progress, Code::token_endpoint_unavailable})
    EXPECT_GT(row(code).retry_after, 0);
}

// row: dns-timeout
// row: internal-error
TEST(Problems, of_the_network_have_a_row_a_sentence_and_what_is_known) {
  using net::Fault;
  const std::map<Fault, const char*> rows = {{Fault::dns_failed, "dns-failed"},
                                             {Fault::dns_timeout, "dns-timeout"},
                                             {Fault::address_prohibited, "destination-address-prohibited"},
                                             {Fault::refused, "upstream-refused"},
                                             {Fault::connect_timeout, "upstream-connect-timeout"},
                                             {Fault::certificate, "upstream-certificate"},
                                             {Fault::tls, "upstream-tls"},
                                             {Fault::closed, "upstream-closed"},
                                             {Fault::malformed, "upstream-malformed"},
                                             {Fault::cut, "upstream-malformed"},
                                             {Fault::timeout, "upstream-timeout"},
                                             {Fault::client_malformed, "malformed-request"},
                                             {Fault::client_timeout, "request-timeout"},
                                             {Fault::body_too_large, "body-too-large"},
                                             {Fault::ended, "connection-unavailable"}};
  for (const auto& [fault, name] : rows) {
    const Problem problem = from_fault(fault, "api.test", "what is known");
    EXPECT_STREQ(row(problem.code).name, name);
    EXPECT_TRUE(problem.detail.ends_with(" (what is known)")) << problem.detail;
    EXPECT_EQ(problem.private_detail, "what is known");
  }
  EXPECT_FALSE(from_fault(Fault::tls, "api.test", "").detail.ends_with(")"));
}

TEST(Problems, of_the_wire_have_a_row) {
  using wire::Fault;
  EXPECT_EQ(from_refusal({Fault::malformed, "why"}).code, Code::malformed_request);
  EXPECT_EQ(from_refusal({Fault::malformed, "why"}).detail, "why");
  EXPECT_EQ(from_refusal({Fault::target_too_long, ""}).code, Code::target_too_long);
  EXPECT_EQ(from_refusal({Fault::head_too_large, ""}).code, Code::head_too_large);
  EXPECT_EQ(from_refusal({Fault::bad_version, ""}).code, Code::version_not_supported);
  EXPECT_EQ(from_refusal({Fault::bad_expectation, ""}).code, Code::expectation_failed);
}

}  // namespace
}  // namespace postern::serve
