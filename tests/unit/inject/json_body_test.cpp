// The JSON splice: strict about what it reads, faithful about what it leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>

#include "proxy/inject/body.hpp"

namespace postern::inject {
namespace {

using ::testing::HasSubstr;

std::expected<std::string, Error> set(std::string_view document, std::string_view pointer = "/k",
                                      std::string_view value = "\"v\"") {
  return set_json_value(document, *parse_pointer(pointer), value);
}

TEST(JsonBody, accepts_every_kind_of_value_and_leaves_it) {
  for (const char* value :
       {"0", "-0", "1.5", "1e5", "1E+5", "-1.0e-5", "123456789012345678901234567890", "true", "false", "null", "\"\"",
        R"("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800")", "[]", "[ 1 , [ ] , { } ]", "{}", R"({"a":{"b":[]},"a":1})"})
    EXPECT_EQ(set("{\"x\":" + std::string(value) + "}").value_or("refused"),
              "{\"x\":" + std::string(value) + ",\"k\":\"v\"}");
}

TEST(JsonBody, refuses_what_is_not_json) {
  for (const char* document : {" ",
                               "{",
                               "}",
                               "{]",
                               "{,}",
                               "{\"a\"}",
                               "{\"a\":}",
                               "{\"a\":1,}",
                               "{,\"a\":1}",
                               "{\"a\" 1}",
                               "{\"a\":1 \"b\":2}",
                               "{a:1}",
                               "{'a':1}",
                               "{1:1}",
                               "{\"a\":01}",
                               "{\"a\":1.}",
                               "{\"a\":.5}",
                               "{\"a\":+1}",
                               "{\"a\":-}",
                               "{\"a\":1e}",
                               "{\"a\":0x1}",
                               "{\"a\":NaN}",
                               "{\"a\":Infinity}",
                               "{\"a\":tru}",
                               "{\"a\":True}",
                               "{\"a\":nullx}",
                               "{\"a\":[1,]}",
                               "{\"a\":[1 2]}",
                               "{\"a\":[}",
                               "{\"a\":\"}",
                               "{\"a\":\"\\",
                               "{\"a\":\"\\x\"}",
                               "{\"a\":\"\\u12g4\"}",
                               "{\"a\":\"\\u12",
                               "{\"a\":\"\n\"}",
                               "{\"a\":\"\t\"}",
                               "{}{}",
                               "{} x",
                               "{}//",
                               "/**/{}",
                               "\xef\xbb\xbf{}",
                               "{\"a\":1}\v",
                               "{\"a\":1;}"})
    EXPECT_FALSE(set(document)) << document;
  EXPECT_FALSE(set(std::string_view("{}\0", 3)));
  EXPECT_FALSE(set(std::string_view("{\"a\":\0}", 7)));
  EXPECT_FALSE(set(std::string_view("{\"a\\\0\":1}", 9)));
}

TEST(JsonBody, refuses_a_root_that_is_no_object) {
  for (const char* document : {"[]", "1", "\"k\"", "null", "true"})
    EXPECT_THAT(set(document).error().message, HasSubstr("object")) << document;
}

TEST(JsonBody, refuses_bytes_that_are_not_utf8) {
  for (const char* bytes :
       {"\xff", "\xc0\xaf", "\xc3", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x80\x80\x80", "\x80"})
    EXPECT_FALSE(set("{\"a" + std::string(bytes) + "\":1}")) << bytes;
  EXPECT_TRUE(set("{\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\":1}"));
}

TEST(JsonBody, bounds_the_depth) {
  const auto nested = [](int depth) {
    std::string out = "{\"a\":";
    for (int i = 1; i < depth; ++i) out += '[';
    for (int i = 1; i < depth; ++i) out += ']';
    return out + "}";
  };
  EXPECT_FALSE(set(nested(kMaxDepth + 1)));
  EXPECT_TRUE(set(nested(kMaxDepth)));
  EXPECT_FALSE(set("{\"a\":" + std::string(1000000, '[')));
}

TEST(JsonBody, bounds_the_size) {
  const std::string large(kMaxBody + 1, ' ');
  EXPECT_THAT(set(large).error().message, HasSubstr("too large"));
}

TEST(JsonBody, sees_through_escapes_in_names) {
  EXPECT_EQ(set(R"({"\u006b":1})").value_or("refused"), R"({"\u006b":"v"})");
  EXPECT_EQ(set(R"({"\uD83D\uDE00":1})", "/\xf0\x9f\x98\x80").value_or("refused"), R"({"\uD83D\uDE00":"v"})");
  EXPECT_EQ(set(R"({"a\/b":1})", "/a~1b").value_or("refused"), R"({"a\/b":"v"})");
  EXPECT_EQ(set(R"({"\ud83d":1})", "/\xf0\x9f\x98\x80").value_or("refused"),
            "{\"\\ud83d\":1,\"\xf0\x9f\x98\x80\":\"v\"}");
}

TEST(JsonBody, an_error_quotes_nothing_of_the_body) {
  for (const char* document : {"{\"hunter2\"", "{\"a\":{},\"a\":{\"hunter2\":1}}", "{\"a\":\"hunter2\"}"}) {
    const auto out = set(document, "/a/b");
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().message.find("hunter2"), std::string::npos);
    EXPECT_EQ(out.error().pointer, "/body");
  }
}

TEST(JsonBody, an_empty_name_is_a_name) {
  EXPECT_EQ(set("{}", "/").value_or("refused"), R"({"":"v"})");
}

TEST(JsonBody, every_cut_of_a_document_is_refused) {
  const std::string whole = R"({"a":[1.5e3,{"k":"\u00e9"},null],"k":{"x":true},"b":"\\"})";
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(set(whole.substr(0, size))) << size;
  EXPECT_TRUE(set(whole));
}

// Boost.JSON as the judge: after any damage to a document the splice refuses what Boost refuses, and what comes out is
// what Boost would have made of it.
TEST(JsonBody, agrees_with_a_second_parser_about_damaged_documents) {
  const std::string whole = R"({"a":[1.5e3,{"k":"\u00e9"},-0,null],"auth":{"x":true, "k":"old"},"b":"\\ é"})";
  const std::string bytes = "{}[]\",:\\0159eE+-.ukatrlsn x\n\xc3\x80";
  std::mt19937 random(7);
  boost::json::parse_options strict;
  strict.max_depth = kMaxDepth;
  int edited = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string document = whole;
    for (unsigned edits = 1 + random() % 3; edits != 0; --edits) {
      const std::size_t at = random() % document.size();
      const char byte = bytes[random() % bytes.size()];
      if (random() % 3 == 0)
        document.erase(at, 1);
      else if (random() % 2 == 0)
        document.insert(at, 1, byte);
      else
        document[at] = byte;
    }
    boost::system::error_code error;
    auto other = boost::json::parse(document, error, {}, strict);
    const auto out = set(document, "/auth/k");
    if (!out) continue;
    ASSERT_FALSE(error) << document << ": " << error.message();
    const auto parsed = boost::json::parse(*out, error, {}, strict);
    ASSERT_FALSE(error) << *out;
    boost::json::value& auth = other.as_object()["auth"];
    if (auth.is_null()) auth.emplace_object();
    auth.as_object()["k"] = "v";
    ASSERT_EQ(parsed, other) << document << " became " << *out;
    ++edited;
  }
  EXPECT_GT(edited, 1000);
}

TEST(JsonPointer, is_read_as_rfc_6901_says) {
  using Tokens = std::vector<std::string>;
  EXPECT_EQ(*parse_pointer("/foo/0"), (Tokens{"foo", "0"}));
  EXPECT_EQ(*parse_pointer("/"), (Tokens{""}));
  EXPECT_EQ(*parse_pointer("/a~1b"), (Tokens{"a/b"}));
  EXPECT_EQ(*parse_pointer("/m~0n"), (Tokens{"m~n"}));
  EXPECT_EQ(*parse_pointer("/~01"), (Tokens{"~1"}));
  EXPECT_EQ(*parse_pointer("/c%d/ "), (Tokens{"c%d", " "}));
  EXPECT_FALSE(parse_pointer("#/a"));
}

}  // namespace
}  // namespace postern::inject
