#include "config/expand.hpp"
#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

std::string expanded(std::string_view text, const Values& values) {
  const auto parsed = Template::parse(text);
  if (!parsed) return parsed.error().text();
  return parsed
      ->expand([&](std::string_view name) -> std::optional<std::string_view> {
        const auto found = values.find(std::string(name));
        if (found == values.end()) return std::nullopt;
        return found->second;
      })
      .value_or("(nothing)");
}
std::string mistake_at(std::string_view text) {
  const auto parsed = Template::parse(text);
  return parsed ? "(accepted)" : std::to_string(parsed.error().column) + " " + parsed.error().message;
}

TEST(Template, replaces_variables_between_literals) {
  EXPECT_EQ(expanded("Bearer ${token}!", {{"token", "abc"}}), "Bearer abc!");
  EXPECT_EQ(expanded("${ a }${b}", {{"a", "1"}, {"b", "2"}}), "12");
  EXPECT_EQ(expanded("plain", {}), "plain");
  EXPECT_EQ(expanded("", {}), "");
}

TEST(Template, writes_a_dollar_sign_for_two) {
  EXPECT_EQ(expanded("$$${a}$$", {{"a", "1"}}), "$1$");
  EXPECT_EQ(expanded("$${a}", {}), "${a}");
}

TEST(Template, has_no_result_when_a_variable_is_unknown) {
  EXPECT_EQ(expanded("x ${a} y", {}), "(nothing)");
}

TEST(Template, expands_an_empty_value_to_nothing) {
  EXPECT_EQ(expanded("[${a}]", {{"a", ""}}), "[]");
}

TEST(Template, encodes_the_base64_vectors_of_rfc_4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) EXPECT_EQ(expanded("${base64(v)}", {{"v", plain}}), coded);
}

TEST(Template, encodes_url_safe_base64_without_padding) {
  EXPECT_EQ(expanded("${base64(v)} ${base64url(v)}", {{"v", "\xfb\xff\xfe?"}}), "+//+Pw== -__-Pw");
}

TEST(Template, makes_basic_credentials_of_rfc_7617) {
  EXPECT_EQ(expanded("Basic ${basic(username, password)}", {{"username", "Aladdin"}, {"password", "open sesame"}}),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(expanded("${basic(\"api\", key)}", {{"key", "k"}}), "YXBpOms=");
  EXPECT_EQ(expanded("${basic(key, \"\")}", {{"key", "k"}}), "azo=");
}

TEST(Template, escapes_lowers_and_writes_hex) {
  EXPECT_EQ(expanded("${urlencode(v)}", {{"v", "a b/~é"}}), "a%20b%2F~%C3%A9");
  EXPECT_EQ(expanded("${lower(v)}", {{"v", "AbÉ"}}), "abÉ");
  EXPECT_EQ(expanded("${hex(v)}", {{"v", "\x01z\xff"}}), "017aff");
}

TEST(Template, names_every_variable_once) {
  const auto parsed = Template::parse("${a} ${basic(b, a)} ${base64(\"a\")}");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->variables(), (std::vector<std::string>{"a", "b"}));
}

TEST(Template, says_where_a_mistake_is) {
  EXPECT_EQ(mistake_at("ab$c"), "3 a stray '$'; write '$$' for a dollar sign");
  EXPECT_EQ(mistake_at("abc$"), "4 a stray '$'; write '$$' for a dollar sign");
  EXPECT_EQ(mistake_at("${"), "3 expected a name after '${'");
  EXPECT_EQ(mistake_at("${a"), "4 '${' is not closed by '}'");
  EXPECT_EQ(mistake_at("${a b}"), "5 '${' is not closed by '}'");
  EXPECT_EQ(mistake_at("${1a}"), "3 expected a name after '${'");
  EXPECT_EQ(mistake_at("${base46(a)}"), "3 unknown function 'base46', did you mean 'base64'?");
  EXPECT_EQ(mistake_at("${basic(a)}"), "3 basic takes 2 arguments, not 1");
  EXPECT_EQ(mistake_at("${hex(a, b)}"), "3 hex takes 1 argument, not 2");
  EXPECT_EQ(mistake_at("${hex(\"a)}"), "7 a quoted text is not closed");
  EXPECT_EQ(mistake_at("${hex()}"), "7 expected a variable or a quoted text");
  EXPECT_EQ(mistake_at("${hex(a b)}"), "9 expected ',' or ')'");
  EXPECT_EQ(mistake_at("${hex(a"), "8 expected ',' or ')'");
}

}  // namespace
}  // namespace postern::config::test
