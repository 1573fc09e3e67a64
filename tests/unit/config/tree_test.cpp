#include "config/tree.hpp"

#include <boost/json.hpp>

#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

std::string mistake_of(const std::string& yaml) {
  const auto tree = parse_yaml(yaml, "f.yaml");
  return tree ? "(accepted)" : tree.error().text();
}
std::string json_of(const std::string& yaml) {
  const auto tree = parse_yaml(yaml, "f.yaml");
  return tree ? boost::json::serialize(to_json(*tree)) : tree.error().text();
}

TEST(Tree, remembers_where_each_value_stood) {
  const auto tree = parse_yaml("a: 1\nb:\n  - x\n  - {c: \"y\"}\n", "f.yaml");
  ASSERT_TRUE(tree);
  const Node& list = *tree->find("b");
  EXPECT_EQ(tree->keys[1].line, 2);
  EXPECT_EQ(tree->keys[1].column, 1);
  EXPECT_EQ(list.items[0].line, 3);
  EXPECT_EQ(list.items[0].column, 5);
  EXPECT_EQ(list.items[1].find("c")->column, 9);
  EXPECT_TRUE(list.items[1].find("c")->quoted);
  EXPECT_FALSE(list.items[0].quoted);
}

TEST(Tree, reads_an_empty_document_as_nothing) {
  EXPECT_EQ(json_of(""), "null");
  EXPECT_EQ(json_of("# only a comment\n"), "null");
}

TEST(Tree, refuses_a_duplicate_key) {
  EXPECT_EQ(mistake_of("a: 1\nb: 2\na: 3\n"), "f.yaml:3:1: duplicate key 'a'");
}

TEST(Tree, refuses_keys_that_are_not_words) {
  EXPECT_EQ(mistake_of("{a: 1, [b]: 2}"), "f.yaml:1:8: a key must be a plain word");
  EXPECT_EQ(mistake_of("~: 1"), "f.yaml:1:1: a key must be a plain word");
}

TEST(Tree, refuses_tags) {
  EXPECT_EQ(mistake_of("a: !!binary abc"),
            "f.yaml:1:4: tags ('tag:yaml.org,2002:binary') are not served; write the plain value");
  EXPECT_EQ(mistake_of("a: !x [1]"), "f.yaml:1:4: tags ('!x') are not served; write the plain value");
}

TEST(Tree, refuses_a_second_document) {
  EXPECT_EQ(mistake_of("a: 1\n---\nb: 2\n"), "f.yaml:3:1: more than one document");
}

TEST(Tree, refuses_control_characters_with_their_place) {
  EXPECT_EQ(mistake_of("a: 1\nb: \x04zz\n"), "f.yaml:2:4: control character 0x04");
  EXPECT_EQ(mistake_of(std::string("a\0b", 3)), "f.yaml:1:2: control character 0x00");
  EXPECT_EQ(mistake_of("\xff\xfe"), "f.yaml:1:1: control character 0xff");
}

TEST(Tree, refuses_a_document_over_one_mebibyte) {
  EXPECT_EQ(mistake_of("a: " + std::string(kMaxDocument, 'x')), "f.yaml: larger than 1 MiB");
}

TEST(Tree, refuses_what_is_nested_too_deep) {
  EXPECT_EQ(mistake_of(std::string(60, '[') + std::string(60, ']')), "(accepted)");
  EXPECT_EQ(mistake_of(std::string(70, '[') + std::string(70, ']')), "f.yaml:1:65: nested deeper than 64 levels");
  EXPECT_NE(mistake_of(std::string(100'000, '[')), "(accepted)");
  EXPECT_NE(mistake_of(std::string(100'000, '{')), "(accepted)");
}

TEST(Tree, refuses_aliases_that_multiply) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 0; j < 9; ++j) bomb += ", " + last;
    bomb += "]\n";
  }
  EXPECT_NE(mistake_of(bomb).find("too many values in one document"), std::string::npos) << mistake_of(bomb);
}

TEST(Tree, refuses_an_alias_inside_its_own_anchor) {
  EXPECT_EQ(mistake_of("a: &x [*x]"), "f.yaml:1:8: an alias inside its own anchor");
}

TEST(Tree, serves_anchors_and_merges_where_written_keys_win) {
  EXPECT_EQ(json_of("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}"), R"({"a":{"p":"1","q":"2"},"b":{"q":"3","p":"1"}})");
  EXPECT_EQ(json_of("a: &x {p: 1}\nb: &y {q: 2}\nc: {<<: [*x, *y]}"),
            R"({"a":{"p":"1"},"b":{"q":"2"},"c":{"p":"1","q":"2"}})");
  EXPECT_EQ(mistake_of("a: {<<: 5}"), "f.yaml:1:9: '<<' takes a map or a list of maps");
}

TEST(Tree, passes_on_what_the_yaml_reader_says_with_its_place) {
  EXPECT_EQ(mistake_of("a: [1, 2\nb: 3"), "f.yaml:2:2: end of sequence flow not found");
  EXPECT_EQ(mistake_of("a: *nobody").substr(0, 11), "f.yaml:1:4:");
}

TEST(Tree, points_into_json_by_rfc_6901) {
  const Node node = from_json(boost::json::parse(R"({"a/b":[{"c~":true}],"s":"1"})"), "/config");
  EXPECT_EQ(node.items[0].items[0].keys[0].pointer, "/config/a~1b/0/c~0");
  EXPECT_FALSE(node.items[0].items[0].items[0].quoted);
  EXPECT_TRUE(node.find("s")->quoted);
}

TEST(Tree, says_why_a_file_cannot_be_read) {
  const Folder folder;
  EXPECT_EQ(parse_yaml_file("/nonexistent/x.yaml").error().text(), "/nonexistent/x.yaml: cannot be opened for reading");
  EXPECT_EQ(parse_yaml_file(folder.path().string()).error().message, "is a folder, not a file");
}

TEST(Nearest, finds_the_name_that_was_meant) {
  EXPECT_EQ(nearest("lisen", {"listen", "limits"}), "listen");
  EXPECT_EQ(nearest("wrokers", {"workers"}), "workers");
  EXPECT_EQ(nearest("xyz", {"listen", "limits"}), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), {"listen"}), "");
}

}  // namespace
}  // namespace postern::config::test
