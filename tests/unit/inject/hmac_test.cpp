// What the kind "hmac" is told, and what it refuses; what it signs is in signer_golden_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "signer_kit.hpp"

namespace postern::inject {
namespace {

using testing::ElementsAre;

const Texts kKey{{"key", "k"}};

TEST(Hmac, says_what_is_wrong_with_what_it_is_told) {
  const std::string where = "sign.header or sign.query must say where the signature goes";
  EXPECT_EQ(refusal("hmac", {{"header", "S"}}, kKey), "sign.message is missing");
  EXPECT_EQ(refusal("hmac", {{"message", "a"}}, kKey), where);
  EXPECT_EQ(refusal("hmac", {{"message", "a"}, {"header", "S"}, {"query", "s"}}, kKey),
            "sign.header and sign.query exclude each other");
  EXPECT_EQ(refusal("hmac", {{"message", "a"}, {"header", "Content-Length"}}, kKey),
            "sign.header: this header frames or routes the message and cannot carry a credential");
  EXPECT_EQ(refusal("hmac", {{"message", "a"}, {"header", "a b"}}, kKey), "sign.header: the name is no header name");
  EXPECT_EQ(refusal("hmac", {{"message", "${bdy}"}, {"header", "S"}}, kKey),
            "the signature needs ${bdy}, which nothing brings");
  EXPECT_EQ(refusal("hmac", {{"message", "${signature}"}, {"header", "S"}}, kKey),
            "the signature needs ${signature}, which nothing brings");
  EXPECT_EQ(refusal("hmac", {{"message", "a"}, {"header", "S"}, {"value", "fixed"}}, kKey),
            "sign.value does not hold ${signature}");
  EXPECT_EQ(refusal("hmac", {{"message", "${lower(body)}"}, {"header", "S"}}, kKey),
            "${body} stands in sign.message, by itself");
  EXPECT_EQ(refusal("hmac", {{"message", "a"}, {"header", "S"}, {"value", "${body}${signature}"}}, kKey),
            "${body} stands in sign.message, by itself");
  EXPECT_EQ(refusal("hmac", {{"message", "a"}, {"header", "S"}, {"hash", "sha3"}}, kKey),
            "sign.hash: not one of md5, sha1, sha256, sha384, sha512");
}

TEST(Hmac, is_not_made_with_a_hash_that_openssl_lacks) {
  const NoAlgorithms none;
  EXPECT_EQ(refusal("hmac", {{"message", "a"}, {"header", "S"}, {"hash", "md5"}}, kKey), "this OpenSSL has no md5");
}

TEST(Hmac, says_which_text_is_no_template) {
  const auto said = [](std::string text) {
    return refusal("hmac", {{"message", std::move(text)}, {"header", "S"}}, kKey);
  };
  EXPECT_EQ(said("a$b"), "sign.message: a '$' that begins no ${…}; write $$ for it");
  EXPECT_EQ(said("${body"), "sign.message: a '$' that begins no ${…}; write $$ for it");
  EXPECT_EQ(said("${sha(body)}"), "sign.message: ${sha(body)}: no such function");
  EXPECT_EQ(said("${basic(key)}"), "sign.message: ${basic(key)}: wrong number of arguments");
  EXPECT_EQ(said("${lower(key}"), "sign.message: ${lower(key}: the parenthesis is not closed");
  EXPECT_EQ(said("${a b}"), "sign.message: ${a b}: neither a name nor a \"text\"");
  EXPECT_EQ(said("${\"text\"}"), "sign.message: ${\"text\"}: a name is no text");
}

TEST(Hmac, takes_a_key_only_as_it_is_said_to_be_written) {
  const auto said = [](std::string encoding, std::string key) {
    return refusal("hmac", {{"message", "a"}, {"header", "S"}, {"key_encoding", std::move(encoding)}},
                   {{"key", std::move(key)}});
  };
  const std::string wrong = "the key is empty or not what sign.key_encoding says";
  EXPECT_EQ(said("base64", " YWI=\n"), "");
  EXPECT_EQ(said("base64", "YWI"), "");
  EXPECT_EQ(said("base64url", "_-8"), "");
  EXPECT_EQ(said("hex", "00fF"), "");
  for (const auto* key : {"s3cret!", "====", "YWJjZ", "_-8="}) EXPECT_EQ(said("base64", key), wrong) << key;
  for (const auto* key : {"0", "0g", " "}) EXPECT_EQ(said("hex", key), wrong) << key;
  EXPECT_EQ(said("base64url", "+/8="), wrong);
  EXPECT_EQ(refusal("hmac", {{"message", "a"}, {"header", "S"}}, {}), "the credential has no key");
}

TEST(Hmac, writes_to_the_places_that_it_names) {
  const auto signer = make("hmac",
                           {{"message", "a"},
                            {"query", "sig"},
                            {"timestamp_header", "X-T"},
                            {"nonce_query", "n"},
                            {"body_hash_header", "X-H"}},
                           kKey);
  std::vector<std::string> places;
  for (const auto& spot : signer->spots()) places.push_back((spot.place == Place::query ? "?" : "") + spot.name);
  EXPECT_THAT(places, ElementsAre("X-T", "?n", "X-H", "?sig"));
}

TEST(Hmac, asks_for_the_body_only_if_it_is_signed) {
  const auto needs = [](std::string message) {
    return make("hmac", {{"message", std::move(message)}, {"header", "S"}}, kKey)->needs();
  };
  EXPECT_EQ(needs("${target}") & needs_body_hash, 0);
  EXPECT_NE(needs("${body}") & needs_body_hash, 0);
  EXPECT_NE(needs("${body_hash}") & needs_body_hash, 0);
}

TEST(Hmac, refuses_a_body_that_breaks_off) {
  const Pieces cut("half", false);
  Inputs in;
  in.content = &cut;
  for (const auto* message : {"${body}", "${body_hash}"})
    EXPECT_EQ(outcome(*make("hmac", {{"message", message}, {"header", "S"}}, kKey), in),
              "/body: The body could not be read to its end; send it again.");
}

TEST(Hmac, refuses_a_value_that_would_break_the_head) {
  const auto signer = make("hmac", {{"message", "a"}, {"header", "S"}, {"value", "${keyId} ${signature}"}},
                           {{"key", "k"}, {"keyId", "a\r\nX: b"}});
  EXPECT_EQ(outcome(*signer, {}), ": What S would hold cannot stand in a header.");
}

TEST(Hmac, signs_a_field_of_the_request_under_either_spelling_of_its_name) {
  const std::vector<NameValue> fields{{"X-RECV-Window", "5000"}};
  Inputs in;
  in.fields = fields;
  const auto named = make("hmac", {{"message", "${header_x_recv_window}"}, {"header", "S"}}, kKey);
  const auto written = make("hmac", {{"message", "5000"}, {"header", "S"}}, kKey);
  EXPECT_EQ(outcome(*named, in), outcome(*written, in));
}

TEST(Hmac, writes_the_placeholder_where_its_signature_goes_and_reads_no_key) {
  const auto signer =
      make("hmac", {{"message", "a"}, {"header", "S"}, {"key_encoding", "hex"}, {"value", "v1=${signature}"}},
           {{"key", "***"}}, "***");
  EXPECT_EQ(outcome(*signer, {}), "S: v1=***\n");
}

}  // namespace
}  // namespace postern::inject
