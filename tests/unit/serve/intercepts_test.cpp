// intercept.hosts: what is named there with its port, and nothing beside it.
#include <gtest/gtest.h>

#include "proxy/serve/service.hpp"

namespace postern::serve {
namespace {

config::Settings opted_in() {
  config::Settings settings;
  settings.intercept_hosts = {{"api.test", false, 443}, {".slack.test", true, 443}, {"own.test", false, 8443}};
  return settings;
}

TEST(Intercepts, the_host_and_port_that_was_opted_in) {
  EXPECT_TRUE(intercepts(opted_in(), "api.test", 443));
  EXPECT_TRUE(intercepts(opted_in(), "own.test", 8443));
}

TEST(Intercepts, no_other_port_of_it) {
  EXPECT_FALSE(intercepts(opted_in(), "api.test", 8443));
  EXPECT_FALSE(intercepts(opted_in(), "own.test", 443));
}

TEST(Intercepts, every_name_below_a_suffix_and_not_the_suffix_itself) {
  EXPECT_TRUE(intercepts(opted_in(), "a.slack.test", 443));
  EXPECT_TRUE(intercepts(opted_in(), "a.b.slack.test", 443));
  EXPECT_FALSE(intercepts(opted_in(), "slack.test", 443));
  EXPECT_FALSE(intercepts(opted_in(), "notslack.test", 443));
  EXPECT_FALSE(intercepts(opted_in(), ".slack.test", 443));
}

TEST(Intercepts, nothing_that_was_not_opted_in_even_where_egress_is_open) {
  config::Settings settings;
  settings.egress_allow_by_default = true;
  EXPECT_FALSE(intercepts(settings, "api.test", 443));
  EXPECT_FALSE(intercepts(opted_in(), "api.test.example", 443));
  EXPECT_FALSE(intercepts(opted_in(), "sub.api.test", 443));
}

}  // namespace
}  // namespace postern::serve
