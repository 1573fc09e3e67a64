#pragma once
// How answers look: aligned tables for people, the API's own JSON, or the same as YAML.
// Pure text. What a terminal would obey in a value is spelled out (cells.hpp), so a name cannot drive one.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/cli/cells.hpp"

namespace postern::cli {

namespace json = boost::json;

enum class Format { table, json, yaml };

struct Column {
  const char* title;
  const char* key;  // field of each row; absent and null are shown as "-"
  // Where a terminal is too narrow for all: 0 stays as it is (ids, aliases, states). The others give way, the highest
  // first: they are shortened down to `narrowest` cells, and left out when that is not enough.
  unsigned yields = 0;
  std::size_t narrowest = 8;
};

struct Table {
  std::string text;
  std::vector<std::string> left_out;  // titles of the columns there was no room for
};

// One value in a table's cell: strings as they are, lists joined by ',', objects as JSON.
std::string cell(const json::value& value);
// `width`: cells in a line of the terminal; 0: there is none, and everything is shown.
Table table(std::span<const Column> columns, const json::array& rows, std::size_t width = 0);
// "key   value" lines, for one object; members of an object in it are "key.member".
std::string card(const json::object& object);
// Block style; strings are quoted wherever a YAML reader could take them for something else.
std::string to_yaml(const json::value& value);
// Cells in a line of a terminal: what it says itself (0: nothing), else the variable COLUMNS, else 80.
std::size_t terminal_width(std::size_t said, const std::string& columns);

}  // namespace postern::cli
