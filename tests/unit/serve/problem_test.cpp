// The table of answers, and what net's faults become in it. Rows that a test with real sockets cannot produce at will
// (a resolver that never answers, a fault of our own) are produced here.
#include "proxy/serve/problem.hpp"

#include <gmock/gmock.h>

#include <set>
#include <string>

namespace postern::serve {
namespace {

TEST(Problem, every_code_has_one_row_with_a_name_of_its_own) {
  std::set<std::string> names;
  for (const Row& one : all_rows()) {
    EXPECT_EQ(&row(one.code), &one);
    EXPECT_TRUE(names.insert(one.name).second) << one.name;
    EXPECT_NE(std::string(one.title), "");
    EXPECT_NE(std::string(one.error), "");
    EXPECT_GE(one.status, 400);
  }
  EXPECT_EQ(names.size(), std::size_t(Code::count_));
}

// SDKs retry 408, 409, 429 and 5xx on their own: what cannot get better must not look like that.
TEST(Problem, what_the_caller_must_change_is_never_a_status_that_is_retried) {
  for (const Row& one : all_rows()) {
    if (one.whose != Whose::caller || one.retry != Retry::no) continue;
    EXPECT_THAT(one.status, testing::Not(testing::AnyOf(408, 409, 429))) << one.name;
    if (one.status >= 500) {
      EXPECT_THAT(one.status, testing::AnyOf(505, 508)) << one.name;
    }
  }
}

TEST(Problem, says_when_to_come_back_where_it_is_our_own_state) {
  for (const Code code : {Code::vault_unavailable, Code::overloaded}) {
    EXPECT_EQ(row(code).status, 503);
    EXPECT_GT(row(code).retry_after, 0);
    EXPECT_EQ(row(code).retry, Retry::yes);
  }
}

// row: dns-timeout
TEST(Problem, a_name_lookup_that_takes_too_long_is_504_and_may_be_tried_again) {
  const Problem problem = from_fault(net::Fault::dns_timeout, "api.test", "");
  EXPECT_EQ(problem.code, Code::dns_timeout);
  EXPECT_EQ(row(problem.code).status, 504);
  EXPECT_STREQ(row(problem.code).error, "dns_timeout");
  EXPECT_EQ(row(problem.code).retry, Retry::yes);
  EXPECT_THAT(problem.detail, testing::HasSubstr("api.test"));
}

// row: internal-error
TEST(Problem, a_fault_that_nobody_foresaw_is_500_without_a_retry) {
  const Problem problem = from_fault(net::Fault::none, "api.test", "");
  EXPECT_EQ(problem.code, Code::internal_error);
  EXPECT_EQ(row(problem.code).status, 500);
  EXPECT_EQ(row(problem.code).retry, Retry::no);
  EXPECT_EQ(Problem{}.code, Code::internal_error);  // also what an unset code means
}

TEST(Problem, every_fault_on_the_way_to_a_service_has_a_sentence) {
  for (int fault = 0; fault <= int(net::Fault::ended); ++fault) {
    const Problem problem = from_fault(net::Fault(fault), "api.test", "");
    EXPECT_THAT(problem.detail, testing::EndsWith(".")) << fault;
  }
}

}  // namespace
}  // namespace postern::serve
