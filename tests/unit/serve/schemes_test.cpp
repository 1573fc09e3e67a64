// What the catalog may name and what can be done are one set.
#include <gtest/gtest.h>

#include "config/sign.hpp"
#include "proxy/inject/injection.hpp"

namespace postern::serve {
namespace {

TEST(Schemes, each_one_that_an_entry_may_name_is_the_kind_of_an_injection) {
  for (const std::string& scheme : config::sign_schemes()) EXPECT_NE(inject::find_injection(scheme), nullptr) << scheme;
}

}  // namespace
}  // namespace postern::serve
