// The base strings of RFC 5849, and what the kind "oauth1" refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/inject/digest.hpp"
#include "proxy/inject/encoding.hpp"
#include "proxy/inject/oauth1.hpp"
#include "signer_kit.hpp"

namespace postern::inject {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const Texts kValues{{"consumerKey", "ck"}, {"consumerSecret", "cs"}, {"token", "t"}, {"tokenSecret", "ts"}};

Inputs post(const Content& content) {
  Inputs in;
  in.method = "POST";
  in.authority = "api.test";
  in.path = "/a";
  in.now_ms = 1700000000000;
  in.nonce = "n";
  in.content_type = "application/x-www-form-urlencoded; charset=utf-8";
  in.content = &content;
  return in;
}

TEST(OAuth1, builds_the_base_string_of_rfc_5849_section_3_4_1_1) {
  Parameters parameters = read_parameters("b5=%3D%253D&a3=a&c%40=&a2=r%20b");
  for (auto& parameter : read_parameters("c2&a3=2+q")) parameters.push_back(parameter);
  for (const auto& [name, value] : Parameters{{"oauth_consumer_key", "9djdj82h48djs9d2"},
                                              {"oauth_token", "kkk9d7dh3k39sjv7"},
                                              {"oauth_signature_method", "HMAC-SHA1"},
                                              {"oauth_timestamp", "137131201"},
                                              {"oauth_nonce", "7d8f3e4a"}})
    parameters.emplace_back(name, value);
  EXPECT_EQ(oauth1_base_string("post", "http://example.com/request", parameters),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%"
            "3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMA"
            "C-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7");
}

TEST(OAuth1, signs_the_example_of_rfc_5849_section_1_2) {
  Parameters parameters = read_parameters("file=vacation.jpg&size=original");
  for (const auto& [name, value] : Parameters{{"oauth_consumer_key", "dpf43f3p2l4k3l03"},
                                              {"oauth_token", "nnch734d00sl2jdk"},
                                              {"oauth_signature_method", "HMAC-SHA1"},
                                              {"oauth_timestamp", "137131202"},
                                              {"oauth_nonce", "chapoH"}})
    parameters.emplace_back(name, value);
  const std::string base = oauth1_base_string("GET", "http://photos.example.net/photos", parameters);
  EXPECT_EQ(encode(Encoding::base64, hmac(Algorithm::sha1, "kd94hf93k423kf44&pfkkdhi9sl3r4s00", base)),
            "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
}

TEST(OAuth1, puts_its_parameters_into_the_query_when_told_so) {
  const HeldContent none("");
  const auto signer = make("oauth1", {{"placement", "query"}}, kValues);
  const auto header = make("oauth1", {}, kValues);
  Inputs in = post(none);
  in.query = "z=1";
  const std::string got = outcome(*signer, in), in_header = outcome(*header, in);
  EXPECT_THAT(got, StartsWith("?oauth_consumer_key=ck\n?oauth_token=t\n?oauth_signature_method=HMAC-SHA1\n"
                              "?oauth_timestamp=1700000000\n?oauth_nonce=n\n?oauth_version=1.0\n?oauth_signature="));
  const std::string signature = got.substr(got.rfind("signature=") + 10);
  EXPECT_THAT(in_header, HasSubstr(percent_encoded(signature.substr(0, signature.size() - 1))));
}

TEST(OAuth1, removes_every_parameter_that_a_caller_might_have_signed_with) {
  const auto signer = make("oauth1", {}, kValues);
  std::vector<std::string> names;
  for (const auto& spot : signer->spots()) names.push_back(spot.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("Authorization", "oauth_consumer_key", "oauth_token",
                                                   "oauth_signature_method", "oauth_timestamp", "oauth_nonce",
                                                   "oauth_version", "oauth_body_hash", "oauth_signature"));
}

TEST(OAuth1, reads_forms_alone_unless_a_body_hash_is_asked_for) {
  Inputs in;
  in.content_type = "image/png";
  EXPECT_EQ(make("oauth1", {}, kValues)->needs_of(in) & needs_body_hash, 0);
  EXPECT_NE(make("oauth1", {{"body_hash", "yes"}}, kValues)->needs_of(in) & needs_body_hash, 0);
  in.content_type = "Application/X-WWW-Form-URLEncoded ;charset=x";
  EXPECT_NE(make("oauth1", {}, kValues)->needs_of(in) & needs_body_hash, 0);
}

TEST(OAuth1, refuses_a_form_that_names_one_of_its_parameters) {
  const HeldContent form("a=1&oauth%5Fnonce=mine");
  EXPECT_EQ(outcome(*make("oauth1", {}, kValues), post(form)),
            "/body: Leave the oauth_ parameters out of the form; they are added.");
}

TEST(OAuth1, refuses_a_coded_form_and_one_that_breaks_off) {
  const HeldContent form("a=1");
  Inputs in = post(form);
  in.content_encoding = "gzip";
  EXPECT_THAT(outcome(*make("oauth1", {}, kValues), in), StartsWith("/body: A form that is signed must not be coded"));
  const Pieces cut("a=1", false);
  EXPECT_EQ(outcome(*make("oauth1", {}, kValues), post(cut)),
            "/body: The body could not be read to its end; send it again.");
  in = post(cut);
  in.content_type = "text/plain";
  EXPECT_EQ(outcome(*make("oauth1", {{"body_hash", "yes"}}, kValues), in),
            "/body: The body could not be read to its end; send it again.");
}

TEST(OAuth1, says_what_is_missing_and_quotes_no_value) {
  EXPECT_EQ(refusal("oauth1", {}, {}), "the credential has no consumerKey");
  EXPECT_EQ(refusal("oauth1", {}, {{"consumerKey", "a"}}), "the credential has no consumerSecret");
  EXPECT_EQ(refusal("oauth1", {{"method", "RSA-SHA1"}}, {{"consumerKey", "a"}, {"privateKey", "s3cret"}}),
            "the private key is no PEM, or it is encrypted");
  EXPECT_EQ(refusal("oauth1", {{"method", "PLAINTEXT"}}, kValues),
            "sign.method: not one of HMAC-SHA1, HMAC-SHA256, RSA-SHA1");
  EXPECT_EQ(refusal("oauth1", {{"realm", "a\"b"}}, kValues),
            "sign.realm holds a quote, a backslash or a control character");
  EXPECT_EQ(refusal("oauth1", {{"body_hash", "maybe"}}, kValues), "sign.body_hash: not one of no, yes");
}

TEST(OAuth1, writes_the_placeholder_where_its_signature_goes_and_reads_no_key) {
  const HeldContent none("");
  const Texts nothing{{"consumerKey", "***"}, {"consumerSecret", "***"}};
  EXPECT_THAT(outcome(*make("oauth1", {{"method", "RSA-SHA1"}}, nothing, "***"), post(none)),
              HasSubstr("oauth_signature=\"" + percent_encoded("***") + "\""));
}

}  // namespace
}  // namespace postern::inject
