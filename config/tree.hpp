#pragma once
// A YAML or JSON document as plain data that remembers where each value stood. The only form the rest of the room sees:
// yaml-cpp and its exceptions stay in tree.cpp.
//
// Strict: one document, at most 1 MiB, 64 levels, 100,000 values after aliases are copied; duplicate keys, tags, keys
// that are not scalars and control characters are errors. Anchors, aliases and `<<` merges are served.
// Thread safety: a value; the functions are pure. Absence: an empty document is a null node.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "config/error.hpp"

namespace postern::config {

inline constexpr std::size_t kMaxDocument = std::size_t{1} << 20;

struct Node {
  enum class Kind : unsigned char { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;      // a scalar written in quotes (JSON: a string), so never a number or a boolean
  std::string text;         // of a scalar
  std::vector<Node> keys;   // of a map: scalars, as written, parallel to items
  std::vector<Node> items;  // of a list or a map
  std::shared_ptr<const std::string> file;
  int line = 0, column = 0;  // 1-based; 0 where the value came as JSON
  std::string pointer;       // JSON pointer where the value came as JSON

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }
  const Node* find(std::string_view key) const;  // nullptr: no such key, or not a map
  Error error(std::string message) const;        // located here
};

// `file` is what errors name: a path, "environment", "flag".
Result<Node> parse_yaml(std::string_view text, std::string_view file);
// The text of a file; one that cannot be read, or is too large to be a document, is an error.
Result<std::string> read_document(const std::string& path);
Result<Node> parse_yaml_file(const std::string& path);
// Strings are quoted scalars; numbers and booleans plain ones.
Node from_json(const boost::json::value& value, std::string pointer);
// Every scalar becomes a string: what YAML writes as `region: 1` is the text "1".
boost::json::value to_json(const Node& node);
// `child` over `base`: maps are merged key by key, everything else is replaced.
Node merged(const Node& base, const Node& child);

// All mistakes of one document, in the order of their places.
class Mistakes {
 public:
  void add(const Node& at, std::string message) { list_.push_back(at.error(std::move(message))); }
  void add(Error error) { list_.push_back(std::move(error)); }
  bool empty() const { return list_.empty(); }
  std::size_t size() const { return list_.size(); }
  std::vector<Error> take();

 private:
  std::vector<Error> list_;
};

// Reads the keys of one map; what was not asked for by finish() is unknown, with the nearest name as a suggestion.
class MapReader {
 public:
  // A node that is not a map is a mistake (null is an empty map).
  MapReader(const Node& node, std::string what, Mistakes& mistakes);
  const Node* get(std::string_view key);  // nullptr: absent
  std::string text(std::string_view key, std::string fallback = "");
  bool flag(std::string_view key, bool fallback);
  void finish();

 private:
  const Node& node_;
  std::string what_;
  Mistakes& mistakes_;
  std::vector<std::string> known_;
};

// A scalar's text; anything else is a mistake and "".
std::string scalar(const Node& node, Mistakes& mistakes);
bool boolean(const Node& node, Mistakes& mistakes, bool fallback);
// The name within edit distance 1 to 3 of `word` (by its length), or empty.
std::string nearest(std::string_view word, const std::vector<std::string>& names);
// "unknown key 'lisen' in settings, did you mean 'listen'?"
std::string unknown(std::string_view kind, std::string_view word, const std::vector<std::string>& names);

}  // namespace postern::config
