#include "config/tree.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>
#include <boost/json.hpp>

#include "config/reading.hpp"

namespace postern::config {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxNodes = 100'000;

std::size_t count(const Node& node) {
  std::size_t n = 1;
  for (const Node& item : node.items) n += count(item);
  return n;
}

// Builds the tree from yaml-cpp's events, which come before the parser goes deeper: limits hold while it reads.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::string_view file) : file_(std::make_shared<std::string>(file)) {}
  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { value(make(mark, Node::Kind::null), anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Stop{make(mark, Node::Kind::null).error("an alias inside its own anchor")};
    Node copy = found->second;
    nodes_ += count(copy);
    value(std::move(copy), 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Node node = make(mark, Node::Kind::scalar);
    node.quoted = tag == "!";
    if (tag != "?" && tag != "!") refuse_tag(node, tag);
    node.text = text;
    value(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(make(mark, Node::Kind::list), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(make(mark, Node::Kind::map), tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Node node;
    YAML::anchor_t anchor = 0;
    std::set<std::string> seen;
    std::vector<Node> merges;  // values of `<<`, applied when the map ends: written keys win
    bool expects_key = true, merging = false;
  };

  Node make(const YAML::Mark& mark, Node::Kind kind) {
    Node node;
    node.kind = kind;
    node.file = file_;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    if (++nodes_ > kMaxNodes) throw Stop{node.error("too many values in one document")};
    return node;
  }
  static void refuse_tag(const Node& node, const std::string& tag) {
    throw Stop{node.error(fmt::format("tags ('{}') are not served; write the plain value", tag))};
  }
  void open(Node node, const std::string& tag, YAML::anchor_t anchor) {
    if (tag != "?" && tag != "!" && !tag.empty()) refuse_tag(node, tag);
    if (stack_.size() >= kMaxDepth) throw Stop{node.error(fmt::format("nested deeper than {} levels", kMaxDepth))};
    if (!stack_.empty()) refuse_key(node);
    stack_.push_back({std::move(node), anchor, {}, {}});
  }
  void refuse_key(const Node& node) const {
    const Level& top = stack_.back();
    if (top.node.is_map() && top.expects_key) throw Stop{node.error("a key must be a plain word")};
  }
  void close() {
    Level level = std::move(stack_.back());
    stack_.pop_back();
    for (const Node& merge : level.merges) apply_merge(level.node, merge);
    value(std::move(level.node), level.anchor);
  }
  void apply_merge(Node& into, const Node& merge) {
    if (merge.is_list()) {
      for (const Node& item : merge.items) apply_merge(into, item);
      return;
    }
    if (!merge.is_map()) throw Stop{merge.error("'<<' takes a map or a list of maps")};
    std::set<std::string> present;
    for (const Node& key : into.keys) present.insert(key.text);
    for (std::size_t i = 0; i < merge.keys.size(); ++i) {
      if (!present.insert(merge.keys[i].text).second) continue;
      into.keys.push_back(merge.keys[i]);
      into.items.push_back(merge.items[i]);
    }
  }
  void value(Node node, YAML::anchor_t anchor) {
    if (nodes_ > kMaxNodes) throw Stop{node.error("too many values in one document")};
    if (anchor) anchors_[anchor] = node;
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& top = stack_.back();
    if (top.node.is_list()) {
      top.node.items.push_back(std::move(node));
    } else if (top.expects_key) {
      if (!node.is_scalar()) throw Stop{node.error("a key must be a plain word")};
      top.expects_key = false;
      top.merging = node.text == "<<" && !node.quoted;
      if (top.merging) return;
      if (!top.seen.insert(node.text).second) throw Stop{node.error(fmt::format("duplicate key '{}'", node.text))};
      top.node.keys.push_back(std::move(node));
    } else {
      top.expects_key = true;
      (top.merging ? top.merges : top.node.items).push_back(std::move(node));
    }
  }

  std::shared_ptr<const std::string> file_;
  Node root_;
  std::vector<Level> stack_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::size_t nodes_ = 0;
};

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i].text == key) return &items[i];
  return nullptr;
}

Error Node::error(std::string message) const {
  return {file ? *file : std::string(), line, column, pointer, std::move(message)};
}

Result<Node> parse_yaml(std::string_view text, std::string_view file) {
  if (auto refused = refuse_bytes(text, file, kMaxDocument, "larger than 1 MiB"))
    return std::unexpected(std::move(*refused));
  return caught(file, "cannot be read as YAML", [&]() -> Result<Node> {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    Builder builder(file);
    parser.HandleNextDocument(builder);
    Node root = builder.take();
    if (!root.file) root.file = std::make_shared<std::string>(file);
    Builder second(file);
    if (parser.HandleNextDocument(second)) return std::unexpected(second.take().error("more than one document"));
    return root;
  });
}

Result<std::string> read_document(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed))
    return std::unexpected(Error{path, 0, 0, "", "is a folder, not a file"});
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::unexpected(Error{path, 0, 0, "", "cannot be opened for reading"});
  std::string text(kMaxDocument + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return std::unexpected(Error{path, 0, 0, "", "cannot be read"});
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

Result<Node> parse_yaml_file(const std::string& path) {
  const auto text = read_document(path);
  if (!text) return std::unexpected(text.error());
  return parse_yaml(*text, path);
}

Node from_json(const boost::json::value& value, std::string pointer) {
  Node node;
  node.pointer = pointer;
  if (const auto* object = value.if_object()) {
    node.kind = Node::Kind::map;
    for (const auto& [key, item] : *object) {
      std::string escaped;
      for (char c : std::string_view(key)) escaped += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
      Node name;
      name.kind = Node::Kind::scalar;
      name.quoted = true;
      name.text = std::string_view(key);
      name.pointer = pointer + "/" + escaped;
      node.items.push_back(from_json(item, name.pointer));
      node.keys.push_back(std::move(name));
    }
  } else if (const auto* array = value.if_array()) {
    node.kind = Node::Kind::list;
    for (std::size_t i = 0; i < array->size(); ++i)
      node.items.push_back(from_json((*array)[i], fmt::format("{}/{}", pointer, i)));
  } else if (const auto* text = value.if_string()) {
    node.kind = Node::Kind::scalar;
    node.quoted = true;
    node.text = std::string_view(*text);
  } else if (!value.is_null()) {
    node.kind = Node::Kind::scalar;
    node.text = boost::json::serialize(value);
  }
  return node;
}

boost::json::value to_json(const Node& node) {
  if (node.is_map()) {
    boost::json::object object;
    for (std::size_t i = 0; i < node.keys.size(); ++i) object[node.keys[i].text] = to_json(node.items[i]);
    return object;
  }
  if (node.is_list()) {
    boost::json::array array;
    for (const Node& item : node.items) array.push_back(to_json(item));
    return array;
  }
  if (node.is_null()) return nullptr;
  return boost::json::string(node.text);
}

Node merged(const Node& base, const Node& child) {
  if (!base.is_map() || !child.is_map()) return child;
  Node out = child;
  for (std::size_t i = 0; i < base.keys.size(); ++i) {
    const auto at =
        std::find_if(out.keys.begin(), out.keys.end(), [&](const Node& key) { return key.text == base.keys[i].text; });
    if (at == out.keys.end()) {
      out.keys.push_back(base.keys[i]);
      out.items.push_back(base.items[i]);
    } else {
      Node& mine = out.items[static_cast<std::size_t>(at - out.keys.begin())];
      mine = merged(base.items[i], mine);
    }
  }
  return out;
}

}  // namespace postern::config
