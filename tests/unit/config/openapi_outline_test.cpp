// What is read of an OpenAPI document, and the bounds that hold while it is read.
#include <gmock/gmock.h>

#include "config/openapi_import.hpp"

namespace postern::config {
namespace {

using testing::HasSubstr;

std::string mistake(const std::string& text) {
  const auto read = read_outline(text, "api.yaml");
  return read ? "(read)" : read.error().text();
}

constexpr const char* kYaml = R"(openapi: 3.1.0
info: {title: Acme, version: 1, description: long}
servers:
  - url: https://api.acme.example
paths:
  /a/b:
    get:
      description: not kept
      security: []
components:
  schemas: {Pet: {type: object}}
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
)";

TEST(OpenApiOutline, keeps_what_an_import_looks_at_and_where_it_stood) {
  const auto root = read_outline(kYaml, "api.yaml");
  ASSERT_TRUE(root) << root.error().text();
  EXPECT_EQ(root->find("info")->find("title")->text, "Acme");
  EXPECT_FALSE(root->find("info")->find("description"));
  EXPECT_FALSE(root->find("components")->find("schemas"));
  const Node* get = root->find("paths")->find("/a/b")->find("get");
  ASSERT_TRUE(get);
  EXPECT_FALSE(get->find("description"));
  EXPECT_TRUE(get->find("security")->is_list());
  EXPECT_EQ(place_of(*root->find("components")->find("securitySchemes")->find("key")), "13:10");
}

TEST(OpenApiOutline, places_of_json_are_pointers) {
  const auto root = read_outline(
      R"({"openapi": "3.0.0", "paths": {"/a/b": {"get": {"tags": [1, {"x": null}], "security": [{"k": []}]}}}})",
      "api.json");
  ASSERT_TRUE(root) << root.error().text();
  const Node* get = root->find("paths")->find("/a/b")->find("get");
  EXPECT_EQ(place_of(get->find("security")->items.at(0)), "/paths/~1a~1b/get/security/0");
  EXPECT_FALSE(get->find("tags"));
}

TEST(OpenApiOutline, json_texts_come_whole_whatever_their_escapes) {
  const auto root = read_outline(R"({"openapi": "3.0.0", "info": {"title": "A \"b\" \u00e9\ud83d\ude00 \/ c"}})", "x");
  ASSERT_TRUE(root) << root.error().text();
  EXPECT_EQ(root->find("info")->find("title")->text, "A \"b\" \xc3\xa9\xf0\x9f\x98\x80 / c");
}

TEST(OpenApiOutline, a_duplicate_key_is_refused_wherever_it_is) {
  EXPECT_EQ(mistake("openapi: 3.0.0\ncomponents:\n  schemas:\n    A: 1\n    A: 2\n"),
            "api.yaml:5:5: duplicate key 'A'");
  EXPECT_EQ(mistake(R"({"openapi": "3.0.0", "components": {"schemas": {"A": 1, "A": 2}}})"),
            "api.yaml: /components/schemas/A: duplicate key 'A'");
}

TEST(OpenApiOutline, aliases_anchors_and_tags_are_refused_before_they_grow) {
  EXPECT_EQ(mistake("openapi: 3.0.0\nx-a: &a [1]\n"),
            "api.yaml:2:6: YAML anchors are not read; write the value out where it is used");
  EXPECT_THAT(mistake("openapi: 3.0.0\nx-a: *a\n"), HasSubstr("api.yaml:2"));
  EXPECT_EQ(mistake("openapi: !!binary aGk=\n"), "api.yaml:1:10: tags ('tag:yaml.org,2002:binary') are not read");
}

TEST(OpenApiOutline, sixty_four_levels_are_read_and_no_more) {
  const auto nested = [](std::size_t levels) {
    std::string open, shut;
    for (std::size_t i = 0; i + 1 < levels; ++i) open += "[", shut += "]";
    return std::pair("openapi: 3.0.0\nx: " + open + shut + "\n", R"({"openapi": "3.0.0", "x": )" + open + shut + "}");
  };
  EXPECT_EQ(mistake(nested(64).first), "(read)");
  EXPECT_EQ(mistake(nested(64).second), "(read)");
  EXPECT_THAT(mistake(nested(65).first), HasSubstr("api.yaml:2:67: nested deeper than 64 levels"));
  EXPECT_THAT(mistake(nested(65).second), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(mistake(nested(100'000).second), HasSubstr("nested deeper than 64 levels"));
}

TEST(OpenApiOutline, eight_mebibytes_are_read_and_no_more) {
  std::string text = R"({"openapi": "3.0.0", "x": ")";
  text += std::string(kMaxOpenApi - text.size() - 2, 'a') + "\"}";
  EXPECT_EQ(mistake(text), "(read)");
  EXPECT_EQ(mistake(text + " "), "api.yaml: larger than 8 MiB, the most that is read");
}

// yaml-cpp holds a whole flow collection as tokens before it says anything of it.
TEST(OpenApiOutline, yaml_that_is_all_brackets_is_refused_before_it_is_read) {
  EXPECT_THAT(mistake("x: " + std::string(600'000, '[')), HasSubstr("convert the document to JSON"));
  EXPECT_NE(mistake("x: " + std::string(400'000, '[')), "(read)");
}

TEST(OpenApiOutline, what_is_no_document_is_told_where) {
  EXPECT_EQ(mistake(""), "api.yaml: the document is empty");
  EXPECT_THAT(mistake("just words\n"), HasSubstr("not a map"));
  EXPECT_EQ(mistake("- 1\n"), "api.yaml:1:1: an OpenAPI document is a map");
  EXPECT_EQ(mistake("a: 1\nb: [\n"), "api.yaml:3:1: end of sequence flow not found");
  EXPECT_EQ(mistake("a: 1\n---\nb: 1\n"), "api.yaml:1:4: more than one document");
  EXPECT_EQ(mistake("a: 1\nb: \x01\n"), "api.yaml:2:4: control character 0x01");
  EXPECT_THAT(mistake("{\"a\": 1,\n \"b\" 2}"), HasSubstr("api.yaml:2:6: not JSON"));
  EXPECT_THAT(mistake("{\"a\": 1"), HasSubstr("not JSON"));
  EXPECT_EQ(mistake("{\"a\": 1}\n{"), "api.yaml:2:1: something follows the end of the JSON document");
  EXPECT_THAT(mistake("? [a]\n: 1\n"), HasSubstr("a key must be a plain word"));
}

}  // namespace
}  // namespace postern::config
