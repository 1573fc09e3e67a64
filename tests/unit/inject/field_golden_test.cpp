// The kind "field" against tests/golden/inject/*.txt. Their format is told at the top of field_head.txt.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "proxy/inject/injection.hpp"
#include "tests/source_dir.hpp"

namespace postern::inject {
namespace {

struct Case {
  std::string sentence;
  std::vector<Rule> rules;
  std::string content_type, content_encoding, body;
  std::string wanted;  // the lines after "=>"
};

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    const std::size_t known = next == '\0' ? std::string_view::npos : std::string_view("rnt\\").find(next);
    if (known != std::string_view::npos) ++i;
    out += known == std::string_view::npos ? text[i] : "\r\n\t\\"[known];
  }
  return out;
}

Rule read_rule(const std::string& text) {
  const std::size_t equals = text.find(" = ");
  const std::string left = text.substr(0, equals), value = unescape(text.substr(equals + 3));
  const std::size_t space = left.find(' ');
  const std::string place = left.substr(0, space), name = space == std::string::npos ? "" : left.substr(space + 1);
  const std::vector<std::string> places{"header", "query", "cookie", "form", "json", "path"};
  const auto index = std::find(places.begin(), places.end(), place) - places.begin();
  EXPECT_LT(index, 6) << text;
  return Rule{static_cast<Place>(index), name, vault::Secret(value)};
}

std::vector<Case> read_golden(const std::string& name) {
  std::ifstream file(std::string(POSTERN_SOURCE_DIR "/tests/golden/inject/") + name);
  EXPECT_TRUE(file) << name;
  std::vector<Case> cases;
  bool after = false;
  for (std::string line; std::getline(file, line);) {
    const auto take = [&](std::string_view key, std::string& out) {
      if (line.starts_with(key)) out = unescape(std::string_view(line).substr(key.size()));
    };
    if (line.starts_with('#') || line.empty()) continue;
    if (line.starts_with("case: ")) {
      cases.emplace_back().sentence = line.substr(6);
      after = false;
    } else if (line == "=>") {
      after = true;
    } else if (after) {
      cases.back().wanted += unescape(line) + '\n';
    } else if (line.starts_with("rule: ")) {
      cases.back().rules.push_back(read_rule(line.substr(6)));
    } else {
      take("content-type: ", cases.back().content_type);
      take("content-encoding: ", cases.back().content_encoding);
      take("body: ", cases.back().body);
    }
  }
  return cases;
}

std::string outcome(Case& each) {
  const auto made = find_injection("field")->make(std::move(each.rules));
  if (!made) return "not made: " + made.error();
  Changes out;
  const Inputs in{.method = "POST",
                  .content_type = each.content_type,
                  .body = each.body,
                  .content_encoding = each.content_encoding};
  const auto applied = (*made)->apply(in, out);
  std::string text;
  const auto list = [&](std::string_view key, const std::vector<NameValue>& all) {
    for (const NameValue& one : all)
      text += std::string(key) + ": " + std::string(one.name) + " = " + std::string(one.value) + '\n';
  };
  list("header", out.headers);
  list("query", out.query);
  list("cookie", out.cookies);
  if (!out.path_prefix.empty()) text += "path: " + std::string(out.path_prefix) + '\n';
  if (!out.content_type.empty()) text += "content-type: " + out.content_type + '\n';
  if (out.body_replaced) text += "body: " + out.body + '\n';
  if (!applied) text += "error: " + applied.error().pointer + '\n';
  return text;
}

void expect_golden(const std::string& name) {
  auto cases = read_golden(name);
  EXPECT_FALSE(cases.empty());
  for (Case& each : cases) EXPECT_EQ(outcome(each), each.wanted) << name << ": " << each.sentence;
}

TEST(FieldInjection, does_to_a_head_what_the_golden_vectors_say) {
  expect_golden("field_head.txt");
}
TEST(FieldInjection, does_to_a_form_what_the_golden_vectors_say) {
  expect_golden("field_form.txt");
}
TEST(FieldInjection, does_to_json_what_the_golden_vectors_say) {
  expect_golden("field_json.txt");
}

}  // namespace
}  // namespace postern::inject
