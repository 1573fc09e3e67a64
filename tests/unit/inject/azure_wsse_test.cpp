// What the kinds "azure-shared-key" and "wsse" refuse and leave alone; what they sign is in signer_golden_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "signer_kit.hpp"

namespace postern::inject {
namespace {

using testing::HasSubstr;
using testing::Not;

const Texts kAccount{{"keyId", "account1"}, {"key", "a2V5"}};

TEST(AzureSharedKey, keeps_the_version_that_the_caller_sends) {
  const std::vector<NameValue> fields{{"X-Ms-Version", "2018-11-09"}};
  Inputs in;
  in.fields = fields;
  EXPECT_THAT(outcome(*make("azure-shared-key", {}, kAccount), in), Not(HasSubstr("x-ms-version")));
  in.fields = {};
  EXPECT_THAT(outcome(*make("azure-shared-key", {{"version", "2020-02-10"}}, kAccount), in),
              HasSubstr("x-ms-version: 2020-02-10\n"));
}

TEST(AzureSharedKey, refuses_an_x_ms_field_that_is_given_twice) {
  const std::vector<NameValue> fields{{"x-ms-meta-a", "1"}, {"X-MS-Meta-A", "2"}};
  Inputs in;
  in.fields = fields;
  EXPECT_EQ(outcome(*make("azure-shared-key", {}, kAccount), in),
            ": Each x-ms- field may be sent once where the request is signed.");
}

TEST(AzureSharedKey, counts_white_space_outside_of_quotes_once) {
  const auto signed_ = [](std::string_view value) {
    const std::vector<NameValue> fields{{"x-ms-meta-a", value}};
    Inputs in;
    in.fields = fields;
    return outcome(*make("azure-shared-key", {}, kAccount), in);
  };
  EXPECT_EQ(signed_("a \t  b"), signed_("a b"));
  EXPECT_NE(signed_("\"a  b\""), signed_("\"a b\""));
}

TEST(AzureSharedKey, says_what_is_wrong_with_its_credential) {
  EXPECT_EQ(refusal("azure-shared-key", {}, {}), "the credential has no keyId");
  EXPECT_EQ(refusal("azure-shared-key", {}, {{"keyId", "a"}, {"key", "no base64"}}), "the key is not base64");
  EXPECT_EQ(refusal("azure-shared-key", {}, {{"keyId", "a\r\nb"}, {"key", "a2V5"}}),
            "sign.account or keyId is not the name of a storage account");
  EXPECT_EQ(refusal("azure-shared-key", {{"service", "disk"}}, kAccount),
            "sign.service: not one of blob, queue, file, table");
}

TEST(AzureSharedKey, takes_the_account_from_the_entry_before_the_credential) {
  EXPECT_THAT(outcome(*make("azure-shared-key", {{"account", "other"}}, kAccount), {}), HasSubstr("SharedKey other:"));
  EXPECT_EQ(refusal("azure-shared-key", {{"account", "other"}}, {{"key", "a2V5"}}), "");
}

TEST(AzureSharedKey, writes_the_placeholder_where_its_signature_goes_and_reads_no_key) {
  const auto signer = make("azure-shared-key", {}, {{"keyId", "***"}, {"key", "***"}}, "***");
  EXPECT_THAT(outcome(*signer, {}), HasSubstr("Authorization: SharedKey ***:***\n"));
}

TEST(Wsse, takes_the_fields_of_an_hmac_key_too) {
  const auto named = make("wsse", {}, {{"username", "u"}, {"password", "p"}});
  const auto plain = make("wsse", {}, {{"keyId", "u"}, {"key", "p"}});
  EXPECT_EQ(outcome(*named, {}), outcome(*plain, {}));
}

TEST(Wsse, says_what_is_wrong_with_its_credential) {
  EXPECT_EQ(refusal("wsse", {}, {}), "the credential has no keyId");
  EXPECT_EQ(refusal("wsse", {}, {{"username", "u"}}), "the credential has no password");
  EXPECT_EQ(refusal("wsse", {}, {{"username", "a\"b"}, {"password", "p"}}),
            "the username holds a quote, a backslash or a control character");
  EXPECT_EQ(refusal("wsse", {{"header", "Host"}}, {{"username", "u"}, {"password", "p"}}),
            "sign.header: this header frames or routes the message and cannot carry a credential");
}

TEST(Wsse, writes_the_placeholder_where_its_digest_goes) {
  const auto signer = make("wsse", {}, {{"username", "***"}, {"password", "***"}}, "***");
  EXPECT_THAT(outcome(*signer, {}), HasSubstr("PasswordDigest=\"***\""));
}

}  // namespace
}  // namespace postern::inject
