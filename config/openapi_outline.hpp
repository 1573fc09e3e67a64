#pragma once
// What an import looks at of an OpenAPI document, read within bounds: title, servers, security, security schemes, and
// of the operations their servers and security. Everything else is checked and let go while it is read, so that a large
// document costs no tree of its size.
//
// Strict: one document, at most 8 MiB, 64 levels; duplicate keys, tags, anchors and aliases are errors. A text that
// begins with '{' is JSON, anything else YAML. Errors are at a line and column (YAML, and JSON that does not parse) or
// at a JSON pointer. Pure, thread safe.
#include <string_view>

#include "config/tree.hpp"

namespace postern::config {

inline constexpr std::size_t kMaxOpenApi = std::size_t{8} << 20;

// The root is a map; nodes of a JSON document carry their pointers. `file` is what errors name.
Result<Node> read_outline(std::string_view bytes, std::string_view file);

// Where a node of an outline stands, as a JSON pointer; `#/servers/0` of YAML is not remembered, so that its line is
// told instead: "openapi.yaml:12:5".
std::string place_of(const Node& node);

}  // namespace postern::config
