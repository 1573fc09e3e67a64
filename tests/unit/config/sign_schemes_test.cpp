// `sign:` of an entry: what each scheme may be told, and what of it is expanded where.
#include "config/sign.hpp"

#include <gmock/gmock.h>

#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string with(const std::string& sign, const std::string& fields = "{keyId: {secret: false}, key: }") {
  return "id: t\nhosts: [\"${site}.example.com\"]\nfields: {site: {default: eu}}\nauth:\n  k:\n    type: HMAC\n    "
         "fields: " +
         fields + "\n    sign: " + sign + "\n";
}

Names required(const Auth& auth) {
  Names out;
  for (const auto& [name, spec] : auth.fields)
    if (spec.required) out.push_back(name);
  return out;
}

TEST(Sign, expands_the_entrys_variables_and_leaves_the_signers) {
  const Provider p =
      entry(with(R"({message: "$$${site}\n${timestamp}${basic(site, keyId)}${lower(method)}", header: S})"));
  const auto told = expand_sign(*p.auth.at("k").sign, {{"site", "a$b"}});
  EXPECT_EQ(told.at("message"), "$$a$$b\n${timestamp}${basic(\"a$b\", keyId)}${lower(method)}");
  EXPECT_EQ(told.at("header"), "S");
}

TEST(Sign, requires_the_fields_that_the_signer_cannot_do_without) {
  const std::string optional = "{keyId: {required: false}, key: {required: false}, other: {required: false}}";
  EXPECT_THAT(required(entry(with("{message: a, header: S}", optional)).auth.at("k")), ElementsAre("key"));
  EXPECT_THAT(required(entry(with(R"({message: "${other}", header: S})", optional)).auth.at("k")),
              ElementsAre("key", "other"));
  EXPECT_THAT(required(entry(with("{scheme: azure-shared-key}", optional)).auth.at("k")), ElementsAre("key", "keyId"));
  EXPECT_THAT(required(entry(with("{scheme: azure-shared-key, account: a}", optional)).auth.at("k")),
              ElementsAre("key"));
}

TEST(Sign, says_what_a_scheme_cannot_be_told) {
  const auto said = [](const std::string& sign) { return entry_mistake(with(sign)); };
  EXPECT_EQ(said("{message: a, header: S}"), "(accepted)");
  EXPECT_THAT(said("{header: S}"), HasSubstr("the scheme hmac needs sign.message"));
  EXPECT_THAT(said("{message: a, header: S, encoding: octal}"), HasSubstr("'octal' is not one of hex, HEX, base64"));
  EXPECT_THAT(said("{message: a, header: Proxy-Authorization}"), HasSubstr("frames or routes the request"));
  EXPECT_THAT(said("{message: a, header: \"a b\"}"), HasSubstr("is not a header name"));
  EXPECT_THAT(said(R"({message: "${bdy}", header: S})"), HasSubstr("unknown variable 'bdy', did you mean 'body'?"));
  EXPECT_THAT(said(R"({message: "${hex(body)}", header: S})"), HasSubstr("the functions basic and lower alone"));
  EXPECT_THAT(said(R"({message: "${", header: S})"), HasSubstr("expected a name"));
  EXPECT_THAT(said("{scheme: hmca}"), HasSubstr("type HMAC has hmac, wsse, azure-shared-key, http-signature"));
  EXPECT_THAT(said("{scheme: wsse, message: a}"), HasSubstr("message"));
  EXPECT_THAT(entry_mistake(with(R"({message: "${keyId}", header: S})", "{keyId: {secret: false, default: a}, key: }")),
              HasSubstr("a message uses 'keyId', which has a default"));
}

TEST(Sign, takes_the_components_of_a_signature_as_a_list) {
  const Provider p = entry(with(R"({scheme: http-signature, components: ["@path", "x-a?", '@query-param;name="p"']})"));
  EXPECT_EQ(expand_sign(*p.auth.at("k").sign, {}).at("components"), R"(@path x-a? @query-param;name="p")");
}

// A login whose answer brings keys that sign: what stands on lines 10 and 11.
std::string granted(const std::string& call, const std::string& requests) {
  return "id: t\nhosts: [api.example.com]\nfields: {site: {default: eu}}\nauth:\n  k:\n    type: TWO_STEP\n"
         "    fields: {accessKeyId: {secret: false}, secretAccessKey: }\n    token:\n      url: "
         "https://a.example.com/t\n"
         "      sign: " +
         call + "\n    sign: " + requests + "\n    answer: {access_token: /t, more: {id: /i, key: /k}}\n";
}

TEST(Sign, lets_a_grant_bring_what_signs) {
  const std::string with =
      "{scheme: aws-sigv4, with: {accessKeyId: id, secretAccessKey: key, sessionToken: accessToken}}";
  const Auth auth = entry(granted("{scheme: aws-sigv4, region: \"${site}\"}", with)).auth.at("k");
  ASSERT_TRUE(auth.sign && auth.oauth && auth.oauth->token.sign);
  const Sign &requests = *auth.sign, &call = *auth.oauth->token.sign;
  EXPECT_THAT(requests.with, ElementsAre(std::pair("accessKeyId", "id"), std::pair("secretAccessKey", "key"),
                                         std::pair("sessionToken", "accessToken")));
  EXPECT_THAT(call.with,
              ElementsAre(std::pair("accessKeyId", "accessKeyId"), std::pair("secretAccessKey", "secretAccessKey")));
  EXPECT_EQ(call.options.at("region").text(), "${site}");
  EXPECT_TRUE(auth.inject.empty());  // no Bearer beside the signature
}

TEST(Sign, says_what_beside_a_grant_is_missing_or_unknown) {
  const std::string fine = "{scheme: aws-sigv4, with: {accessKeyId: id, secretAccessKey: key}}";
  const auto said = [&](const std::string& sign) { return entry_mistake(granted("{}", sign)); };
  EXPECT_EQ(said(fine), "(accepted)");
  EXPECT_THAT(said("{scheme: wsse}"), HasSubstr("beside a grant there is aws-sigv4"));
  EXPECT_THAT(said("{with: {accessKeyId: idd}}"), HasSubstr("unknown value 'idd'"));
  EXPECT_THAT(said("{with: {acessKeyId: id}}"), HasSubstr("unknown key 'acessKeyId', did you mean 'accessKeyId'?"));
  EXPECT_THAT(said("{region: \"${sit}\"}"), HasSubstr("unknown variable 'sit'"));
  // The call is signed with what is there before it, and by nobody else.
  EXPECT_THAT(entry_mistake(granted("{with: {accessKeyId: id}}", fine)), HasSubstr("unknown value 'id'"));
  EXPECT_THAT(entry_mistake(granted("{}\n      client_auth: body", fine)), HasSubstr("client_auth: none"));
  EXPECT_THAT(entry_mistake("id: t\nhosts: [a.example.com]\nauth:\n  k:\n    type: TWO_STEP\n    fields: {key: }\n"
                            "    token: {url: https://a.example.com/t, sign: {}}\n"),
              HasSubstr("needs 'accessKeyId'; with: {accessKeyId: …} names the value that stands for it"));
}

}  // namespace
}  // namespace postern::config::test
