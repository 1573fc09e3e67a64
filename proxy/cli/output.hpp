#pragma once
// How answers look: aligned tables for people, the API's own JSON, or the same as YAML.
// Pure text; control characters in values are shown as '?', so a name cannot drive a terminal.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <span>
#include <string>
#include <string_view>

namespace postern::cli {

namespace json = boost::json;

enum class Format { table, json, yaml };

struct Column {
  const char* title;
  const char* key;  // field of each row; absent and null are shown as "-"
};

// One value in a table's cell: strings as they are, lists joined by ',', objects as JSON.
std::string cell(const json::value& value);
std::string table(std::span<const Column> columns, const json::array& rows);
// "key   value" lines, for one object; members of an object in it are "key.member".
std::string card(const json::object& object);
// Block style; strings are quoted wherever a YAML reader could take them for something else.
std::string to_yaml(const json::value& value);
// Without control characters, on one line.
std::string printable(std::string_view text);

}  // namespace postern::cli
