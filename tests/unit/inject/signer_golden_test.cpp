// Every signer against tests/golden/inject/signers*.json: the examples of the documents that define a scheme, and
// requests that independent implementations signed (generate_signers.py).
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include <boost/json.hpp>

#include "signer_kit.hpp"
#include "tests/source_dir.hpp"

namespace postern::inject {
namespace {

namespace json = boost::json;

std::string read(const std::string& name) {
  std::ifstream file(std::string(POSTERN_SOURCE_DIR "/tests/golden/inject/") + name);
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Texts texts(const json::value& from) {
  Texts out;
  for (const auto& [name, value] : from.as_object()) {
    const std::string text(value.as_string());
    out[std::string(name)] = text.starts_with("file:") ? read(text.substr(5)) : text;
  }
  return out;
}

std::vector<NameValue> pairs(const json::value& from) {
  std::vector<NameValue> out;
  for (const auto& pair : from.as_array()) out.push_back({pair.at(0).as_string(), pair.at(1).as_string()});
  return out;
}

std::string wanted(const json::value& each) {
  std::string out;
  for (const NameValue& field : pairs(each.at("headers")))
    out.append(field.name).append(": ").append(field.value).append("\n");
  for (const NameValue& p : pairs(each.at("query_added")))
    out.append("?").append(p.name).append("=").append(p.value) += '\n';
  return out;
}

void check(const json::value& each) {
  auto made =
      find_injection(each.at("kind").as_string())->make(recipe_of(texts(each.at("options")), texts(each.at("values"))));
  ASSERT_TRUE(made) << made.error();
  const std::vector<NameValue> fields = pairs(each.at("fields"));
  Inputs in;
  in.method = each.at("method").as_string();
  in.authority = each.at("authority").as_string();
  in.path = each.at("path").as_string();
  in.query = each.at("query").as_string();
  in.nonce = each.at("nonce").as_string();
  in.now_ms = each.at("now_ms").as_int64();
  in.fields = fields;
  for (const NameValue& field : fields)
    if (field.name == "Content-Type") in.content_type = field.value;
  const bool has_body = each.at("body").is_string();
  const std::string body(has_body ? std::string_view(each.at("body").as_string()) : std::string_view());
  const HeldContent held(body);
  const Pieces pieces(body);
  const bool reads = ((*made)->needs_of(in) & needs_body_hash) != 0;
  if (has_body && reads) in.content = &held;
  EXPECT_EQ(outcome(**made, in), wanted(each));
  if (has_body && reads) in.content = &pieces;
  EXPECT_EQ(outcome(**made, in), wanted(each)) << "the body in pieces";
}

void check_all(const std::string& name, std::size_t least) {
  const json::value cases = json::parse(read(name));
  EXPECT_GE(cases.as_array().size(), least);
  for (const json::value& each : cases.as_array()) {
    SCOPED_TRACE(each.at("case").as_string().c_str());
    check(each);
  }
}

TEST(Signers, sign_the_examples_of_the_documents_byte_for_byte) {
  check_all("signers.json", 14);
}

TEST(Signers, sign_like_independent_implementations) {
  check_all("signers_generated.json", 140);
}

}  // namespace
}  // namespace postern::inject
