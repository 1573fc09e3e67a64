// `sign` of an auth entry and of the generic provider's config, and lists of texts among the variables.
#include <gmock/gmock.h>

#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string signing(const std::string& sign, const std::string& type = "AWS_SIGV4") {
  return "id: a\nhosts: [a.example.com]\nfields: {region: {default: eu}}\nauth:\n  k: {type: " + type +
         ", sign: " + sign + "}\n";
}
const Values kKeys{{"accessKeyId", "AKID"}, {"secretAccessKey", "s"}};

TEST(Sign, tells_the_signer_what_the_entry_says_with_the_variables_of_config) {
  const auto p = plan(entry(signing("{service: s3, region: \"${region}\", payload: unsigned}")), "AWS_SIGV4", kKeys);
  ASSERT_TRUE(p) << p.error()[0].text();
  EXPECT_EQ(p->scheme, "aws-sigv4");
  EXPECT_THAT(p->sign, ElementsAre(Pair("payload", "unsigned"), Pair("region", "eu"), Pair("service", "s3")));
  EXPECT_THAT(p->required, ElementsAre("accessKeyId", "secretAccessKey"));
  EXPECT_TRUE(p->inject.empty());
}

TEST(Sign, is_the_types_own_scheme_where_the_entry_says_nothing) {
  const auto p = plan(entry("id: a\nhosts: [a.example.com]\nauth: {k: {type: AWS_SIGV4}}\n"), "AWS_SIGV4", kKeys);
  ASSERT_TRUE(p);
  EXPECT_EQ(p->scheme, "aws-sigv4");
  EXPECT_TRUE(p->sign.empty());
  const auto other = plan(*shipped("stripe"), "API_KEY", {{"apiKey", "sk_live_1"}});
  EXPECT_EQ(other->scheme, "");
}

TEST(Sign, refuses_what_no_scheme_may_be_told_with_its_place) {
  EXPECT_EQ(entry_mistake(signing("{regoin: x}")),
            "test.yaml:5:29: unknown key 'regoin' in sign, did you mean 'region'?");
  EXPECT_EQ(entry_mistake(signing("{payload: maybe}")), "test.yaml:5:38: 'maybe' is not one of signed, unsigned");
  EXPECT_THAT(entry_mistake(signing("{scheme: aws-sigv5}")), HasSubstr("test.yaml:5:37: unknown scheme 'aws-sigv5'"));
  EXPECT_THAT(entry_mistake(signing("{region: \"${zone}\"}")), HasSubstr("unknown variable 'zone'"));
  EXPECT_THAT(entry_mistake(signing("{region: [a]}")), HasSubstr("test.yaml:5:37: "));
  EXPECT_THAT(entry_mistake(signing("{}", "BEARER")), HasSubstr("type BEARER does not sign requests"));
}

TEST(Sign, comes_with_the_connection_of_the_generic_provider) {
  const std::string config = R"({"hosts":["minio.internal"],"sign":{"region":"here","service":"s3"}})";
  const auto p = plan(*shipped("http"), "AWS_SIGV4", kKeys, config);
  ASSERT_TRUE(p) << p.error()[0].text();
  EXPECT_THAT(p->sign, ElementsAre(Pair("region", "here"), Pair("service", "s3")));
  const auto again = plan_stored(*shipped("http"), p->auth, p->config_json);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sign, p->sign);
  EXPECT_EQ(again->scheme, p->scheme);
  EXPECT_THAT(plan_mistakes(*shipped("http"), "AWS_SIGV4", kKeys, R"({"hosts":["a.b.c"],"sign":{"spill":"maybe"}})"),
              HasSubstr("/config/sign/spill: 'maybe' is not one of yes, no"));
  EXPECT_THAT(plan_mistakes(*shipped("http"), "BEARER", {{"token", "t"}}, R"({"hosts":["a.b.c"],"sign":{}})"),
              HasSubstr("/config/sign"));
}

// --- lists

const std::string kListed = R"(
id: cloud
hosts: ["${services}.${region}.cloud.example", "${hosts}", "*.cloud.example"]
fields:
  region: {default: eu}
  services: {list: true, pattern: "^[a-z0-9-]+$"}
  hosts: {list: true, required: false}
auth: {key: {type: BEARER}}
)";

TEST(PlanLists, make_one_host_of_each_text) {
  const Provider cloud = entry(kListed);
  const auto p = plan(cloud, "BEARER", {{"token", "t"}},
                      R"({"services":["sts","s3","s3"],"hosts":["a.b.cloud.example","c.cloud.example"]})");
  ASSERT_TRUE(p) << p.error()[0].text();
  EXPECT_EQ(hosts(p->destinations),
            "s3.eu.cloud.example:443 sts.eu.cloud.example:443 a.b.cloud.example:443 c.cloud.example:443");
  EXPECT_EQ(p->config_json,
            R"({"hosts":["a.b.cloud.example","c.cloud.example"],"region":"eu","services":["s3","sts"]})");
  const auto again = plan_stored(cloud, p->auth, p->config_json);
  ASSERT_TRUE(again);
  EXPECT_EQ(hosts(again->destinations), hosts(p->destinations));
}

TEST(PlanLists, are_one_text_with_commas_too_and_may_be_absent_where_they_are_optional) {
  const auto p = plan(entry(kListed), "BEARER", {{"token", "t"}}, R"({"services":"s3, sts"})");
  ASSERT_TRUE(p) << p.error()[0].text();
  EXPECT_EQ(hosts(p->destinations), "s3.eu.cloud.example:443 sts.eu.cloud.example:443");
}

TEST(PlanLists, refuse_texts_that_are_no_host_and_lists_of_something_else) {
  const auto wrong = [](const std::string& config) {
    return plan_mistakes(entry(kListed), "BEARER", {{"token", "t"}}, config);
  };
  EXPECT_THAT(wrong("{}"), HasSubstr("/config/services: 'services' is required"));
  EXPECT_THAT(wrong(R"({"services":[]})"), HasSubstr("/config/services: 'services' is empty"));
  EXPECT_THAT(wrong(R"({"services":["s3",1]})"), HasSubstr("'services' must be a list of strings"));
  EXPECT_THAT(wrong(R"({"services":{"a":"b"}})"), HasSubstr("'services' must be a list of strings"));
  EXPECT_THAT(wrong(R"({"services":["S3"]})"), HasSubstr("'services' does not match"));
  EXPECT_THAT(wrong(R"({"services":["s3"],"hosts":["evil.example"]})"),
              HasSubstr("/config/hosts: 'evil.example' is not a host"));
  EXPECT_THAT(wrong(R"({"services":["s3"],"hosts":["a.cloud.example","x@cloud.example"]})"),
              HasSubstr("/config/hosts: "));
}

TEST(PlanLists, give_the_hosts_of_aws_that_a_connection_names) {
  const auto p = plan(*shipped("aws"), "AWS_SIGV4", {{"accessKeyId", "AKIAIOSFODNN7EXAMPLE"}, {"secretAccessKey", "s"}},
                      R"({"services":["s3"]})");
  ASSERT_TRUE(p) << p.error()[0].text();
  EXPECT_EQ(
      hosts(p->destinations),
      "s3.eu-west-3.amazonaws.com:443 s3.amazonaws.com:443 sts.eu-west-3.amazonaws.com:443 sts.amazonaws.com:443");
}

}  // namespace
}  // namespace postern::config::test
