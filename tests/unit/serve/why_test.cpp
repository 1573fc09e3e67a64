// What a 403 says of the rule that was in the way: what was outside, what is allowed instead, and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/serve/decide.hpp"

namespace postern::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

class Why : public testing::Test {
 protected:
  Why() {
    known->meta.id = "conn_1";
    known->meta.alias = "billing";
    known->meta.destinations = {{"api.test", 443, ""}, {"files.test", 8443, "/v1"}};
    request.caller = std::make_shared<Caller>();
    request.connection = known;
  }
  std::string there(const std::string& host, std::uint16_t port = 443, std::string_view path = "/") {
    request.target.host = host;
    request.target.port = port;
    return why_not_there(request, path);
  }
  std::string by_token(const std::string& host, std::string_view method) {
    request.target.host = host;
    request.head.method = method;
    return why_not_by_token(request);
  }
  std::shared_ptr<Known> known = std::make_shared<Known>();
  Request request;
};

TEST_F(Why, names_the_hosts_that_are_allowed) {
  EXPECT_EQ(
      there("other.test"),
      "The connection billing may go to api.test, files.test:8443, not to the host other.test; `postern explain -c "
      "billing URL` shows each step.");
}

TEST_F(Why, says_whether_it_was_the_port_or_the_path) {
  EXPECT_THAT(there("api.test", 8080), HasSubstr("may go to api.test on port 443 only, not on 8080"));
  EXPECT_THAT(there("files.test", 8443, "/v2"), HasSubstr("may go to files.test below /v1 only, not to this path"));
}

TEST_F(Why, keeps_a_long_list_short) {
  for (int i = 0; i < 20; ++i) known->meta.destinations.push_back({"h" + std::to_string(i) + ".test", 443, ""});
  EXPECT_THAT(there("other.test"), HasSubstr("h2.test and 17 more"));
  EXPECT_THAT(there("other.test"), Not(HasSubstr("h3.test")));
}

TEST_F(Why, says_when_nothing_is_left) {
  known->meta.destinations.clear();
  known->meta.alias.clear();
  EXPECT_THAT(there("api.test"), HasSubstr("The connection conn_1 may go nowhere"));
}

TEST_F(Why, says_that_the_providers_own_endpoints_are_never_reached) {
  known->forbidden = {{"api.test", "/oauth/token"}};
  EXPECT_THAT(there("api.test", 443, "/oauth/token"), HasSubstr("an endpoint of the provider itself"));
}

TEST_F(Why, tells_the_limits_of_the_token_apart) {
  request.caller->authorization.hosts = {{"api.test"}};
  request.caller->authorization.methods = std::vector<std::string>();
  EXPECT_THAT(by_token("other.test", "GET"), HasSubstr("token allows the hosts api.test, not other.test"));
  EXPECT_THAT(by_token("api.test", "GET"), HasSubstr("token allows the methods none, not this one"));
  request.caller->authorization.methods = {{"GET", "HEAD"}};
  EXPECT_THAT(by_token("api.test", "POST"), HasSubstr("methods GET, HEAD, not this one"));
  request.connection = nullptr;
  EXPECT_THAT(by_token("other.test", "GET"), HasSubstr("`postern explain URL`"));
}

}  // namespace
}  // namespace postern::serve
