// Rules and a signer on one request: the signer is shown what the rules made of it.
#include "proxy/inject/combined.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::inject {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A signer that puts what it was shown into one field.
class Witness final : public Injection {
 public:
  explicit Witness(bool fails = false) : fails_(fails) { masks_.emplace_back(std::string_view("of the signer")); }
  std::uint8_t needs() const override { return needs_head | needs_target | needs_body_hash; }
  std::uint8_t needs_of(const Inputs& head) const override { return head.method == "GET" ? needs_head : needs(); }
  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    out.clear();
    if (fails_) return std::unexpected(Error{"", "not signed"});
    std::string text = std::string(in.method) + ' ' + std::string(in.path) + '?' + std::string(in.query);
    for (const NameValue& field : in.fields) text.append(" ").append(field.name).append("=").append(field.value);
    if (in.content != nullptr) {
      text += " <";
      in.content->each([&](std::string_view piece) { text += piece; });
      text += '>';
    }
    out.headers.push_back({"X-Seen", out.keep(text)});
    out.query.push_back({"sig", out.keep("abc")});
    return {};
  }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override { return "a witness"; }

 private:
  bool fails_;
  std::vector<Spot> spots_{{Place::header, "X-Seen"}, {Place::query, "sig"}};
  std::vector<vault::Secret> masks_;
};

Rule rule(Place place, std::string_view name, std::string_view value) {
  return Rule{place, std::string(name), vault::Secret(value), true};
}

std::expected<std::unique_ptr<Injection>, std::string> with_rules(std::vector<Rule> rules, bool fails = false) {
  auto fields = make_injection("", {.rules = std::move(rules)});
  if (!fields) return fields;
  return combine(std::move(*fields), std::make_unique<Witness>(fails));
}

template <class... R>
std::vector<Rule> rules(R... some) {
  std::vector<Rule> all;
  (all.push_back(std::move(some)), ...);
  return all;
}

std::string seen(const Changes& changes) {
  for (const NameValue& field : changes.headers)
    if (field.name == "X-Seen") return std::string(field.value);
  return "";
}

TEST(Combined, signs_what_the_rules_put_into_head_path_query_and_cookies) {
  const auto made = with_rules(rules(rule(Place::header, "X-Key", "k1"), rule(Place::query, "key", "k 2"),
                                     rule(Place::cookie, "c", "k3"), rule(Place::path, "", "/bot1")));
  ASSERT_TRUE(made) << made.error();
  const NameValue fields[] = {{"Accept", "*/*"}, {"Cookie", "a=b"}};
  Inputs in;
  in.method = "GET";
  in.path = "/x";
  in.query = "q=1";
  in.fields = fields;
  Changes out;
  ASSERT_TRUE((*made)->apply(in, out));
  EXPECT_EQ(seen(out), "GET /bot1/x?q=1&key=k%202 Accept=*/* X-Key=k1 Cookie=a=b; c=k3");
  EXPECT_EQ(out.headers.size(), 2U);
  EXPECT_EQ(out.query.size(), 2U);
  EXPECT_EQ(out.cookies.size(), 1U);
  EXPECT_EQ(out.path_prefix, "/bot1");
}

TEST(Combined, signs_the_body_that_the_rules_made_and_not_the_fields_of_the_old_one) {
  const auto made = with_rules(rules(rule(Place::json, "/key", "k")));
  const NameValue fields[] = {{"Content-Type", "application/json"}, {"Content-Length", "2"}, {"Digest", "sha-256=x"}};
  const HeldContent old("{}");
  Inputs in;
  in.method = "POST";
  in.path = "/";
  in.content_type = "application/json";
  in.body = "{}";
  in.content = &old;
  in.fields = fields;
  Changes out;
  ASSERT_TRUE((*made)->apply(in, out));
  EXPECT_EQ(seen(out), R"(POST /? Content-Type=application/json Content-Length=11 <{"key":"k"}>)");
  EXPECT_TRUE(out.body_replaced);
}

TEST(Combined, leaves_nothing_where_either_of_them_fails) {
  Inputs in;
  in.method = "POST";
  in.body = "not json";
  in.content_type = "application/json";
  Changes out;
  EXPECT_FALSE((*with_rules(rules(rule(Place::json, "/key", "k"))))->apply(in, out));
  EXPECT_THAT(out.headers, IsEmpty());
  const auto refused = (*with_rules(rules(rule(Place::header, "X-Key", "k")), true))->apply(in, out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "not signed");
  EXPECT_THAT(out.headers, IsEmpty());
}

TEST(Combined, needs_writes_and_hides_what_both_of_them_do) {
  const auto made = with_rules(rules(rule(Place::form, "key", "of the rule")));
  Inputs get, post;
  get.method = "GET";
  post.method = "POST";
  EXPECT_EQ((*made)->needs(), needs_head | needs_body | needs_target | needs_body_hash);
  EXPECT_EQ((*made)->needs_of(get), needs_head | needs_body);
  EXPECT_EQ((*made)->needs_of(post), (*made)->needs());
  EXPECT_EQ((*made)->spots().size(), 3U);
  ASSERT_EQ((*made)->masks().size(), 2U);
  EXPECT_TRUE((*made)->masks()[0].equals("of the rule") && (*made)->masks()[1].equals("of the signer"));
  EXPECT_EQ((*made)->describe(), "form key, then a witness");
}

TEST(Combined, cannot_be_made_where_both_write_to_one_place) {
  EXPECT_EQ(with_rules(rules(rule(Place::header, "x-seen", "k"))).error(),
            "a rule and the signature both write x-seen");
  EXPECT_EQ(with_rules(rules(rule(Place::query, "sig", "k"))).error(), "a rule and the signature both write sig");
  EXPECT_TRUE(with_rules(rules(rule(Place::query, "Sig", "k"))));
}

TEST(MakeInjection, knows_no_scheme_that_nothing_signs_with) {
  EXPECT_THAT(make_injection("none", {.rules = rules(rule(Place::query, "a", "k"))}).error(), HasSubstr("none"));
}

}  // namespace
}  // namespace postern::inject
