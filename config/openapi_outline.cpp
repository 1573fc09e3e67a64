// Two parsers, one outline: yaml-cpp's events and those of Boost.JSON both come before the parser goes deeper, so the
// limits hold while it reads.
#include "config/openapi_parts.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>
#include <boost/json/basic_parser_impl.hpp>

#include "config/reading.hpp"

namespace postern::config {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxKept = 100'000;  // values
constexpr std::size_t kMaxKeys = 200'000;  // of the maps that are open at a time
// yaml-cpp reads a whole `[…]` or `{…}` into tokens of about 100 bytes before it says anything of it, so these marks
// are counted first. JSON has its own parser, which does not.
constexpr std::size_t kMaxFlowMarks = 500'000;

// The parts of a document: what is below each decides what is kept.
enum class Part : unsigned char { root, info, components, paths, path, operation, whole, skip };

bool one_of(std::string_view key, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), key) != names.end();
}

Part below(Part part, std::string_view key) {
  switch (part) {
    case Part::root:
      if (one_of(key, {"openapi", "swagger", "externalDocs", "servers", "security"})) return Part::whole;
      if (key == "info") return Part::info;
      if (key == "components") return Part::components;
      return key == "paths" ? Part::paths : Part::skip;
    case Part::info:
      return one_of(key, {"title", "version"}) ? Part::whole : Part::skip;
    case Part::components:
      return key == "securitySchemes" ? Part::whole : Part::skip;
    case Part::paths:
      return Part::path;
    case Part::path:
      if (key == "servers") return Part::whole;
      return one_of(key, {"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})
                 ? Part::operation
                 : Part::skip;
    case Part::operation:
      return one_of(key, {"servers", "security"}) ? Part::whole : Part::skip;
    case Part::whole:
    case Part::skip:
      return part;
  }
  return Part::skip;
}

std::string escaped(std::string_view key) {
  std::string out;
  for (const char c : key) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

class Outline {
 public:
  Outline(std::string_view file, bool pointers) : file_(std::make_shared<std::string>(file)), pointers_(pointers) {}

  // Line and column of what comes next; 0 where pointers say it.
  void at(int line, int column) {
    line_ = line;
    column_ = column;
  }
  void open(Node::Kind kind) {
    if (wants_key()) refuse("a key must be a plain word");
    const Part part = next_part();
    if (levels_.size() >= kMaxDepth) refuse(fmt::format("nested deeper than {} levels", kMaxDepth));
    Level level;
    level.list = kind == Node::Kind::list;
    level.part = part;
    if (part != Part::skip) level.node = make(kind);
    levels_.push_back(std::move(level));
  }
  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    keys_ -= level.seen.size();
    if (levels_.empty()) {
      root_ = std::move(level.node);
      done_ = true;
      return;
    }
    give(std::move(level.node), level.part);
  }
  void key(std::string_view text) {
    Level& top = levels_.back();
    if (!top.seen.emplace(text).second) {
      top.key = text;
      refuse(fmt::format("duplicate key '{}'", one_line(text, 64)));
    }
    if (++keys_ > kMaxKeys) refuse("too many keys in its maps");
    top.key = text;
    top.has_key = true;
    if (top.part == Part::skip || below(top.part, text) == Part::skip) return;
    Node name = make(Node::Kind::scalar);
    name.quoted = true;
    name.text = text;
    top.node.keys.push_back(std::move(name));
  }
  void scalar(std::string_view text, bool quoted) {
    if (wants_key()) return key(text);
    value(Node::Kind::scalar, text, quoted);
  }
  void null() {
    if (wants_key()) refuse("a key must be a plain word");
    value(Node::Kind::null, {}, false);
  }
  [[noreturn]] void refuse(std::string message) const {
    throw Stop{{*file_, line_, column_, pointers_ ? pointer() : std::string(), std::move(message)}};
  }
  bool done() const { return done_; }
  Node take() { return std::move(root_); }

 private:
  struct Level {
    bool list = false, has_key = false;
    Part part = Part::skip;
    Node node;
    std::set<std::string, std::less<>> seen;
    std::string key;
    std::size_t index = 0;
  };

  bool wants_key() const { return !levels_.empty() && !levels_.back().list && !levels_.back().has_key; }
  Part next_part() const {
    if (levels_.empty()) return Part::root;
    const Level& top = levels_.back();
    if (!top.list) return below(top.part, top.key);
    return top.part == Part::whole ? Part::whole : Part::skip;
  }
  std::string pointer() const {
    std::string out;
    for (const Level& level : levels_) {
      if (level.list)
        out += fmt::format("/{}", level.index);
      else if (!level.key.empty() || level.has_key)
        out += "/" + escaped(level.key);
    }
    return out;
  }
  Node make(Node::Kind kind) {
    if (++kept_ > kMaxKept) refuse("too many values in what is imported");
    Node node;
    node.kind = kind;
    node.file = file_;
    node.line = line_;
    node.column = column_;
    if (pointers_) node.pointer = pointer();
    return node;
  }
  void value(Node::Kind kind, std::string_view text, bool quoted) {
    if (levels_.empty()) refuse("the document is not a map: an OpenAPI document begins with 'openapi: 3…'");
    const Part part = next_part();
    Node node;
    if (part != Part::skip) {
      node = make(kind);
      node.text = text;
      node.quoted = quoted;
    }
    give(std::move(node), part);
  }
  void give(Node node, Part part) {
    Level& top = levels_.back();
    if (part != Part::skip) top.node.items.push_back(std::move(node));
    top.has_key = false;
    ++top.index;
  }

  std::shared_ptr<const std::string> file_;
  const bool pointers_;
  int line_ = 0, column_ = 0;
  std::vector<Level> levels_;
  std::size_t keys_ = 0, kept_ = 0;
  Node root_;
  bool done_ = false;
};

class YamlEvents : public YAML::EventHandler {
 public:
  explicit YamlEvents(Outline& outline) : outline_(outline) {}
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    look(mark, "", anchor);
    outline_.null();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    look(mark, "", 0);
    outline_.refuse("YAML aliases are not read; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    look(mark, tag, anchor);
    outline_.scalar(text, tag == "!");
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    look(mark, tag, anchor);
    outline_.open(Node::Kind::list);
  }
  void OnSequenceEnd() override { outline_.close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    look(mark, tag, anchor);
    outline_.open(Node::Kind::map);
  }
  void OnMapEnd() override { outline_.close(); }

 private:
  void look(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    outline_.at(mark.line + 1, mark.column + 1);
    if (anchor != 0) outline_.refuse("YAML anchors are not read; write the value out where it is used");
    if (!tag.empty() && tag != "?" && tag != "!")
      outline_.refuse(fmt::format("tags ('{}') are not read", one_line(tag, 64)));
  }
  Outline& outline_;
};

// What Boost.JSON's parser calls. A text comes in parts where it has escapes.
class JsonEvents {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = 64 * 1024;
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Code = boost::system::error_code;
  using Text = boost::json::string_view;

  explicit JsonEvents(Outline& outline) : outline_(outline) {}
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return outline_.open(Node::Kind::map), true; }
  bool on_object_end(std::size_t, Code&) { return outline_.close(), true; }
  bool on_array_begin(Code&) { return outline_.open(Node::Kind::list), true; }
  bool on_array_end(std::size_t, Code&) { return outline_.close(), true; }
  bool on_key_part(Text part, std::size_t, Code&) { return text_.append(part), true; }
  bool on_key(Text part, std::size_t, Code&) {
    text_.append(part);
    outline_.key(text_);
    text_.clear();
    return true;
  }
  bool on_string_part(Text part, std::size_t, Code&) { return text_.append(part), true; }
  bool on_string(Text part, std::size_t, Code&) {
    text_.append(part);
    outline_.scalar(text_, true);
    text_.clear();
    return true;
  }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t, Text text, Code&) { return outline_.scalar(text, false), true; }
  bool on_uint64(std::uint64_t, Text text, Code&) { return outline_.scalar(text, false), true; }
  bool on_double(double, Text text, Code&) { return outline_.scalar(text, false), true; }
  bool on_bool(bool value, Code&) { return outline_.scalar(value ? "true" : "false", false), true; }
  bool on_null(Code&) { return outline_.null(), true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

 private:
  Outline& outline_;
  std::string text_;
};

void read_json(std::string_view bytes, Outline& outline, std::string_view file) {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth + 1;  // the outline tells it, with the place
  boost::json::basic_parser<JsonEvents> parser(options, outline);
  boost::system::error_code error;
  const std::size_t read = parser.write_some(false, bytes.data(), bytes.size(), error);
  const bool more = !error && bytes.find_first_not_of(" \t\r\n", read) != bytes.npos;
  if (!error && !more) return;
  const auto [line, column] = line_and_column(bytes, read);
  throw Stop{{std::string(file), line, column, "",
              more ? "something follows the end of the JSON document" : "not JSON: " + error.message()}};
}

void read_yaml(std::string_view bytes, Outline& outline) {
  const auto marks = std::count_if(bytes.begin(), bytes.end(),
                                   [](char c) { return c == '[' || c == ']' || c == '{' || c == '}' || c == ','; });
  if (static_cast<std::size_t>(marks) > kMaxFlowMarks)
    outline.refuse("too many of [ ] { } and , for YAML; convert the document to JSON");
  std::istringstream in{std::string(bytes)};
  YAML::Parser parser(in);
  YamlEvents events(outline);
  parser.HandleNextDocument(events);
  if (!outline.done()) outline.refuse("the document is empty");
  if (parser) {
    Outline second("", false);
    YamlEvents ignored(second);
    if (parser.HandleNextDocument(ignored)) outline.refuse("more than one document");
  }
}

}  // namespace

Result<Node> read_outline(std::string_view bytes, std::string_view file) {
  constexpr std::string_view mark = "\xef\xbb\xbf";
  if (bytes.starts_with(mark)) bytes.remove_prefix(mark.size());
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  const bool json = first != bytes.npos && bytes[first] == '{';
  if (auto refused = refuse_bytes(bytes, file, kMaxOpenApi, "larger than 8 MiB, the most that is read"))
    return std::unexpected(std::move(*refused));
  return caught(file, "cannot be read", [&]() -> Result<Node> {
    Outline outline(file, json);
    if (json)
      read_json(bytes, outline, file);
    else
      read_yaml(bytes, outline);
    Node root = outline.take();
    if (!root.is_map()) return std::unexpected(root.error("an OpenAPI document is a map"));
    return root;
  });
}

std::string place_of(const Node& node) {
  if (!node.pointer.empty()) return node.pointer;
  return node.line > 0 ? fmt::format("{}:{}", node.line, node.column) : std::string();
}

}  // namespace postern::config
