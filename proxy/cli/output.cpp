#include "proxy/cli/output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <utility>
#include <vector>

namespace postern::cli {
namespace {

using Lines = std::vector<std::vector<std::string>>;

std::vector<std::size_t> widths_of(const Lines& lines) {
  std::vector<std::size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], cells(line[i]));
  }
  return widths;
}

// A column of no width is left out.
std::string aligned(const Lines& lines, const std::vector<std::size_t>& widths) {
  std::string out;
  for (const auto& line : lines) {
    std::size_t owed = 0;  // spaces before the next cell: none stand at the end of a line
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (widths[i] == 0) continue;
      const std::string text = shortened(line[i], widths[i]);
      out.append(owed, ' ') += text;
      owed = widths[i] - cells(text) + 2;
    }
    out += '\n';
  }
  return out;
}

std::size_t total(const std::vector<std::size_t>& widths) {
  std::size_t sum = 0;
  for (const std::size_t width : widths) sum += width == 0 ? 0 : width + 2;
  return sum == 0 ? 0 : sum - 2;
}

// Takes cells from the columns that give way, of the first of them from the widest, until all fit or none is left.
void shrink(std::vector<std::size_t>& widths, std::span<const Column> columns, std::size_t width) {
  unsigned turn = 0;
  for (const Column& column : columns) turn = std::max(turn, column.yields);
  for (std::size_t sum = total(widths); sum > width && turn > 0;) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (columns[i].yields == turn && widths[i] > columns[i].narrowest && (widest == nullptr || widths[i] > *widest))
        widest = &widths[i];
    if (widest == nullptr) {
      --turn;
      continue;
    }
    --*widest;
    --sum;
  }
}

// The widths at which all columns fit, with as few as possible left out; those that do not give way may be too wide.
std::vector<std::size_t> fitted(std::vector<std::size_t> whole, std::span<const Column> columns, std::size_t width) {
  for (;;) {
    std::vector<std::size_t> widths = whole;
    shrink(widths, columns, width);
    if (total(widths) <= width) return widths;
    std::size_t least = columns.size();  // the last of those that give way first
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (whole[i] != 0 && columns[i].yields > 0 &&
          (least == columns.size() || columns[i].yields >= columns[least].yields))
        least = i;
    if (least == columns.size()) return widths;
    whole[least] = 0;
  }
}

// A plain scalar only where every YAML reader sees a string: a letter first, then letters, digits and a few signs.
bool plain_in_yaml(std::string_view text) {
  constexpr std::string_view words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !letter(text.front())) return false;
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  if (std::ranges::find(words, lower) != std::end(words)) return false;
  return std::ranges::all_of(text, [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '/';
  });
}

std::string scalar(const json::value& value) {
  if (value.is_string() && plain_in_yaml(value.get_string())) return std::string(value.get_string());
  return json::serialize(value);  // a JSON scalar is a YAML one
}

std::string key_text(std::string_view key) {
  return plain_in_yaml(key) ? std::string(key) : json::serialize(json::value(key));
}

bool is_block(const json::value& value) {
  return (value.is_object() && !value.get_object().empty()) || (value.is_array() && !value.get_array().empty());
}

void write_yaml(std::string& out, const json::value& value, std::size_t indent, bool behind_dash) {
  bool first = behind_dash;
  const auto start = [&] {
    if (!first) out.append(indent, ' ');
    first = false;
  };
  if (value.is_object() && is_block(value)) {
    for (const auto& [key, item] : value.get_object()) {
      start();
      out += key_text(key) + ":";
      if (is_block(item)) {
        out += '\n';
        write_yaml(out, item, indent + 2, false);
      } else {
        out += " " + scalar(item) + "\n";
      }
    }
  } else if (is_block(value)) {
    for (const json::value& item : value.get_array()) {
      start();
      out += "- ";
      write_yaml(out, item, indent + 2, true);
    }
  } else {
    start();
    out += scalar(value) + "\n";
  }
}

// The API gives some things under two names; people need one.
bool is_repetition(const json::object& object, std::string_view key, const json::value& value) {
  constexpr std::pair<std::string_view, const char*> twins[] = {
      {"createdAt", "created"}, {"updatedAt", "updated"}, {"provider", "app"}, {"toolkitSlug", "app"}};
  for (const auto& [name, first] : twins)
    if (key == name && object.contains(first)) return object.at(first) == value;
  return false;
}

}  // namespace

std::string cell(const json::value& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get_string().empty() ? "-" : printable(value.get_string());
  if (!value.is_array()) return printable(json::serialize(value));
  std::string joined;
  for (const json::value& item : value.get_array()) joined += (joined.empty() ? "" : ",") + cell(item);
  return joined.empty() ? "-" : joined;
}

Table table(std::span<const Column> columns, const json::array& rows, std::size_t width) {
  Lines lines(1);
  for (const Column& column : columns) lines[0].emplace_back(column.title);
  for (const json::value& row : rows) {
    auto& line = lines.emplace_back();
    for (const Column& column : columns) {
      const json::value* value = row.is_object() ? row.get_object().if_contains(column.key) : nullptr;
      line.push_back(value == nullptr ? "-" : cell(*value));
    }
  }
  std::vector<std::size_t> widths = widths_of(lines);
  if (width != 0) widths = fitted(std::move(widths), columns, width);
  Table out{.text = aligned(lines, widths), .left_out = {}};
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (widths[i] == 0) out.left_out.emplace_back(columns[i].title);
  return out;
}

std::string card(const json::object& object) {
  Lines lines;
  for (const auto& [key, value] : object) {
    if (is_repetition(object, key, value)) continue;
    if (!value.is_object() || value.get_object().empty()) {
      lines.push_back({printable(key), cell(value)});
      continue;
    }
    for (const auto& [inner, item] : value.get_object())
      lines.push_back({fmt::format("{}.{}", printable(key), printable(inner)), cell(item)});
  }
  return aligned(lines, widths_of(lines));
}

std::string to_yaml(const json::value& value) {
  std::string out;
  write_yaml(out, value, 0, false);
  return out;
}

std::size_t terminal_width(std::size_t said, const std::string& columns) {
  constexpr std::size_t kUsual = 80, kMost = 10'000;
  if (said != 0) return said;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(columns.data(), columns.data() + columns.size(), number);
  const bool sound = error == std::errc{} && end == columns.data() + columns.size() && number != 0 && number <= kMost;
  return sound ? number : kUsual;
}

}  // namespace postern::cli
