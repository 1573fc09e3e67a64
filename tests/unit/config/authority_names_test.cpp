// What a local CA is confined to.
#include "config/authority_names.hpp"

#include <gmock/gmock.h>

namespace postern::config::test {
namespace {

using testing::ElementsAre;

TEST(AuthorityNames, are_what_is_opted_in_and_what_connections_use_and_the_internal_suffix) {
  Settings settings;
  settings.intercept_hosts = {{"api.github.com", false, 443}, {".slack.com", true, 8443}, {"10.0.0.7", false, 443}};
  EXPECT_THAT(
      authority_names(settings, {"api.stripe.com", "api.github.com", "2001:db8::7"}),
      ElementsAre("10.0.0.7", "2001:db8::7", "api.github.com", "api.stripe.com", "postern.internal", "slack.com"));
}

TEST(AuthorityNames, leave_out_hosts_of_connections_that_would_cover_strangers) {
  EXPECT_THAT(authority_names({}, {"intranet", "github.io"}), ElementsAre("postern.internal"));
}

TEST(AuthorityNames, hold_none_that_lies_below_another) {
  EXPECT_THAT(least_names({"files.slack.com", "slack.com", "a.b.slack.com", "notslack.com", "slack.com"}),
              ElementsAre("notslack.com", "slack.com"));
  EXPECT_THAT(least_names({"10.0.0.7", "0.7.example.com"}), ElementsAre("0.7.example.com", "10.0.0.7"));
}

TEST(AuthorityNames, are_read_in_one_form) {
  EXPECT_EQ(parse_authority_name("API.GitHub.com."), "api.github.com");
  EXPECT_EQ(parse_authority_name("*.slack.com"), "slack.com");
  EXPECT_EQ(parse_authority_name("[2001:DB8::7]"), "2001:db8::7");
}

TEST(AuthorityNames, have_no_port_and_cover_no_public_suffix) {
  EXPECT_EQ(parse_authority_name("a.example:443").error(), "'a.example:443': a certificate knows no ports");
  EXPECT_EQ(parse_authority_name("github.io").error(),
            "'github.io': the CA would hold for whatever is registered below it");
  EXPECT_FALSE(parse_authority_name("com"));
  EXPECT_FALSE(parse_authority_name("*.com"));
  EXPECT_FALSE(parse_authority_name("https://a.example"));
  EXPECT_FALSE(parse_authority_name(""));
}

}  // namespace
}  // namespace postern::config::test
