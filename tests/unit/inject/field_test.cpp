// The kind "field": what is refused when it is made, what it tells about itself, and how it is applied.
#include "proxy/inject/field.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/inject/body.hpp"

namespace postern::inject {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Rule rule(Place place, std::string_view name, std::string_view value, bool secret = true) {
  return Rule{place, std::string(name), vault::Secret(value), secret};
}

template <class... R>
std::expected<std::unique_ptr<Injection>, std::string> make(R... rules) {
  std::vector<Rule> all;
  (all.push_back(std::move(rules)), ...);
  const Row* row = find_injection("field");
  return row == nullptr ? std::unexpected<std::string>("no such kind") : row->make({.rules = std::move(all)});
}

// --- refused when made

template <class... R>
std::string problem(R... rules) {
  const auto made = make(std::move(rules)...);
  return made ? "" : made.error();
}

TEST(FieldInjection, refuses_to_be_made_without_a_rule) {
  EXPECT_NE(problem(), "");
}

TEST(FieldInjection, refuses_an_empty_value_in_every_place) {
  EXPECT_NE(problem(rule(Place::header, "X-Key", "")), "");
  EXPECT_NE(problem(rule(Place::query, "k", "")), "");
  EXPECT_NE(problem(rule(Place::cookie, "k", "")), "");
  EXPECT_NE(problem(rule(Place::form, "k", "")), "");
  EXPECT_NE(problem(rule(Place::json, "/k", "")), "");
  EXPECT_NE(problem(rule(Place::path, "", "")), "");
}

TEST(FieldInjection, refuses_header_values_that_could_break_the_head) {
  for (const char* value : {"a\rb", "a\nb", "a\r\nX: y", "a\x01", "a\x7f", " a", "a ", "\ta", "Bearer "})
    EXPECT_THAT(problem(rule(Place::header, "Authorization", value)), HasSubstr("header Authorization: ")) << value;
  EXPECT_NE(problem(rule(Place::header, "X-Key", std::string_view("a\0b", 3))), "");
  EXPECT_EQ(problem(rule(Place::header, "X-Key", "a\tb \xc3\xa9")), "");
}

TEST(FieldInjection, refuses_header_names_that_are_no_tokens) {
  for (const char* name : {"", "X Key", "X-Key:", "X\r\nY", "X-K\xc3\xa9y", "(x)"})
    EXPECT_NE(problem(rule(Place::header, name, "v")), "") << name;
}

TEST(FieldInjection, refuses_headers_that_frame_or_route_the_message) {
  for (const char* name : {"Host", "content-length", "Transfer-Encoding", "Connection", "TE", "Trailer", "Upgrade",
                           "Keep-Alive", "Proxy-Authorization", "X-Connection-Id", "X-Postern-Anything", "Via",
                           "Expect", "Max-Forwards", "Content_Length", "Transfer_Encoding", "X_Connection-Id"})
    EXPECT_NE(problem(rule(Place::header, name, "v")), "") << name;
}

TEST(FieldInjection, refuses_cookies_that_would_start_another) {
  for (const char* value : {"a; b=c", "a;", "a\r\n", "a\tb", " a", "a "})
    EXPECT_NE(problem(rule(Place::cookie, "session", value)), "") << value;
  for (const char* name : {"", "a b", "a=b", "a;b"}) EXPECT_NE(problem(rule(Place::cookie, name, "v")), "") << name;
}

TEST(FieldInjection, refuses_path_prefixes_that_are_no_plain_path) {
  for (const char* value : {"bot1", "/", "//", "/a//b", "/a b", "/a?b", "/a#b", "/a\\b", "/a\r\n", "/a\x7f",
                            "/\xc3\xa9", "/a/../b", "/..", "/./a", "/a/%2e%2E", "/a/.%2e/b", "/a//", "https://x/"})
    EXPECT_NE(problem(rule(Place::path, "", value)), "") << value;
  for (const char* value : {"/a", "/a/", "/a/b", "/...", "/a.b", "/%20", "/a;b", "/.well-known"})
    EXPECT_EQ(problem(rule(Place::path, "", value)), "") << value;
  EXPECT_NE(problem(rule(Place::path, "name", "/a")), "");
}

TEST(FieldInjection, refuses_parameters_without_a_name) {
  EXPECT_NE(problem(rule(Place::query, "", "v")), "");
  EXPECT_NE(problem(rule(Place::form, "", "v")), "");
}

TEST(FieldInjection, refuses_what_is_no_json_pointer) {
  for (const char* pointer : {"", "a", "a/b", "/a~", "/a~2", "/\xff"})
    EXPECT_NE(problem(rule(Place::json, pointer, "v")), "") << pointer;
  std::string deep;
  for (std::size_t i = 0; i <= kMaxTokens; ++i) deep += "/a";
  EXPECT_NE(problem(rule(Place::json, deep, "v")), "");
  EXPECT_NE(problem(rule(Place::json, "/k", "\xff")), "");
}

TEST(FieldInjection, refuses_two_rules_for_one_place) {
  EXPECT_NE(problem(rule(Place::header, "X-Key", "a"), rule(Place::header, "x-key", "b")), "");
  EXPECT_NE(problem(rule(Place::query, "k", "a"), rule(Place::query, "k", "b")), "");
  EXPECT_NE(problem(rule(Place::cookie, "k", "a"), rule(Place::cookie, "k", "b")), "");
  EXPECT_NE(problem(rule(Place::form, "k", "a"), rule(Place::form, "k", "b")), "");
  EXPECT_NE(problem(rule(Place::json, "/k", "a"), rule(Place::json, "/k", "b")), "");
  EXPECT_NE(problem(rule(Place::json, "/k", "a"), rule(Place::json, "/k/l", "b")), "");
  EXPECT_NE(problem(rule(Place::json, "/k/l", "a"), rule(Place::json, "/k", "b")), "");
  EXPECT_NE(problem(rule(Place::path, "", "/a"), rule(Place::path, "", "/b")), "");
  EXPECT_EQ(problem(rule(Place::query, "k", "a"), rule(Place::query, "K", "b")), "");
  EXPECT_EQ(problem(rule(Place::json, "/k", "a"), rule(Place::json, "/kl", "b")), "");
}

TEST(FieldInjection, refuses_rules_that_exclude_each_other) {
  EXPECT_NE(problem(rule(Place::form, "k", "a"), rule(Place::json, "/k", "b")), "");
  EXPECT_NE(problem(rule(Place::header, "cookie", "a=b"), rule(Place::cookie, "k", "b")), "");
  EXPECT_NE(problem(rule(Place::json, "/k", "b"), rule(Place::header, "Content-Type", "text/plain")), "");
  EXPECT_NE(problem(rule(Place::header, "Content-Type", "text/plain"), rule(Place::form, "k", "b")), "");
}

TEST(FieldInjection, never_says_a_value_when_it_refuses) {
  EXPECT_THAT(problem(rule(Place::header, "X-Key", "hunter2\n")), Not(HasSubstr("hunter2")));
  EXPECT_THAT(problem(rule(Place::cookie, "k", "hunter2;")), Not(HasSubstr("hunter2")));
  EXPECT_THAT(problem(rule(Place::path, "", "hunter2")), Not(HasSubstr("hunter2")));
}

// --- what it tells about itself

std::vector<std::string> masks_of(const Injection& injection) {
  std::vector<std::string> out;
  for (const vault::Secret& mask : injection.masks()) out.emplace_back(mask.expose());
  return out;
}

TEST(FieldInjection, asks_for_the_body_only_if_a_rule_goes_there) {
  EXPECT_EQ((*make(rule(Place::header, "X-Key", "v")))->needs(), needs_head);
  EXPECT_EQ((*make(rule(Place::form, "k", "v")))->needs(), needs_head | needs_body);
  EXPECT_EQ((*make(rule(Place::json, "/k", "v"), rule(Place::query, "q", "v")))->needs(), needs_head | needs_body);
}

TEST(FieldInjection, names_every_spot_it_writes_to) {
  const auto made =
      make(rule(Place::header, "Authorization", "v"), rule(Place::query, "key", "v"), rule(Place::path, "", "/v"));
  ASSERT_TRUE(made);
  ASSERT_EQ((*made)->spots().size(), 3U);
  EXPECT_EQ((*made)->spots()[0].place, Place::header);
  EXPECT_EQ((*made)->spots()[0].name, "Authorization");
  EXPECT_EQ((*made)->spots()[1].place, Place::query);
  EXPECT_EQ((*made)->spots()[1].name, "key");
  EXPECT_EQ((*made)->spots()[2].place, Place::path);
}

TEST(FieldInjection, masks_whole_values_and_values_without_their_scheme) {
  const auto made = make(rule(Place::header, "Authorization", "Bearer  abc def"), rule(Place::query, "key", "x y"),
                         rule(Place::cookie, "k", "x y"), rule(Place::header, "X-Key", "a,b c"),
                         rule(Place::header, "X-Version", "2024-01-01", false));
  ASSERT_TRUE(made);
  EXPECT_THAT(masks_of(**made), ElementsAre("Bearer  abc def", "abc def", "x y", "a,b c"));
}

TEST(FieldInjection, describes_itself_without_a_value) {
  const auto made = make(rule(Place::header, "Authorization", "hunter2"), rule(Place::query, "k\ney", "hunter2"),
                         rule(Place::path, "", "/hunter2"));
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->describe(), "header Authorization, query k?ey, path");
}

// --- applying

TEST(FieldInjection, clears_what_an_earlier_request_left_in_the_changes) {
  const auto form = make(rule(Place::form, "k", "first-secret"));
  const auto head = make(rule(Place::header, "X-Key", "v"));
  Changes out;
  ASSERT_TRUE((*form)->apply(Inputs{}, out));
  EXPECT_TRUE(out.body_replaced);
  ASSERT_TRUE((*head)->apply(Inputs{}, out));
  EXPECT_FALSE(out.body_replaced);
  EXPECT_EQ(out.body, "");
  EXPECT_EQ(out.content_type, "");
  EXPECT_EQ(out.headers.size(), 1U);
}

TEST(FieldInjection, leaves_nothing_in_the_changes_when_the_body_does_not_fit) {
  const auto made =
      make(rule(Place::header, "X-Key", "v"), rule(Place::json, "/a", "v"), rule(Place::json, "/b/c", "v"));
  ASSERT_TRUE(made);
  Changes out;
  Inputs in{};
  in.content_type = "application/json";
  in.body = R"({"b":1})";
  const auto applied = (*made)->apply(in, out);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().pointer, "/body");
  EXPECT_THAT(applied.error().message, HasSubstr("/b"));
  EXPECT_THAT(out.headers, IsEmpty());
  EXPECT_EQ(out.body, "");
  EXPECT_FALSE(out.body_replaced);
}

TEST(FieldInjection, reuses_the_capacity_of_the_changes_and_points_to_its_own_values) {
  const auto made = make(rule(Place::header, "X-Key", "v1"), rule(Place::header, "X-Other", "v2"));
  Changes out;
  ASSERT_TRUE((*made)->apply(Inputs{}, out));
  const NameValue* before = out.headers.data();
  ASSERT_TRUE((*made)->apply(Inputs{}, out));
  EXPECT_EQ(out.headers.data(), before);
  Changes other;
  ASSERT_TRUE((*made)->apply(Inputs{}, other));
  EXPECT_EQ(other.headers[0].value.data(), out.headers[0].value.data());
}

TEST(FieldInjection, says_which_content_type_to_send) {
  Changes out;
  Inputs in{};
  in.content_type = "text/plain";
  in.body = "x";
  EXPECT_THAT((*make(rule(Place::json, "/k", "v")))->apply(in, out).error().message, HasSubstr("application/json"));
  EXPECT_THAT((*make(rule(Place::form, "k", "v")))->apply(in, out).error().message,
              HasSubstr("application/x-www-form-urlencoded"));
}

TEST(FieldInjection, clearing_changes_empties_all_of_them) {
  Changes out;
  out.headers.push_back({"a", "b"});
  out.query.push_back({"a", "b"});
  out.cookies.push_back({"a", "b"});
  out.path_prefix = "/x";
  out.body_replaced = true;
  out.body = "secret";
  out.content_type = "text/plain";
  out.clear();
  EXPECT_TRUE(out.headers.empty() && out.query.empty() && out.cookies.empty() && out.path_prefix.empty());
  EXPECT_TRUE(!out.body_replaced && out.body.empty() && out.content_type.empty());
}

// --- the registry

TEST(InjectionRegistry, finds_the_kinds_it_has_and_no_other) {
  ASSERT_NE(find_injection("field"), nullptr);
  EXPECT_EQ(find_injection("field")->kind, "field");
  EXPECT_EQ(find_injection("Field"), nullptr);
  EXPECT_EQ(find_injection(""), nullptr);
}

TEST(InjectionRegistry, notices_a_kind_that_two_rows_share) {
  constexpr Row twice[] = {{"a", nullptr}, {"b", nullptr}, {"a", nullptr}};
  constexpr Row once[] = {{"a", nullptr}, {"b", nullptr}};
  EXPECT_EQ(duplicate_kind(twice), "a");
  EXPECT_EQ(duplicate_kind(once), "");
}

}  // namespace
}  // namespace postern::inject
