#include "proxy/cli/output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>
#include <vector>

namespace postern::cli {
namespace {

// Characters, not bytes: UTF-8 continuation bytes take no column. (Wide characters are not measured.)
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

std::string aligned(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  std::string out;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      out += line[i];
      if (i + 1 < line.size()) out.append(widths[i] - width(line[i]) + 2, ' ');
    }
    out += '\n';
  }
  return out;
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

std::string printable(std::string_view text) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto c = static_cast<unsigned char>(out[i]);
    if (c < 0x20 || c == 0x7f) out[i] = '?';
    // C1 controls in UTF-8 (C2 80 … C2 9F) are terminal commands too.
    if (c == 0xC2 && i + 1 < out.size() && static_cast<unsigned char>(out[i + 1]) < 0xA0) out.replace(i, 2, "?");
  }
  return out;
}

std::string cell(const json::value& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get_string().empty() ? "-" : printable(value.get_string());
  if (!value.is_array()) return printable(json::serialize(value));
  std::string joined;
  for (const json::value& item : value.get_array()) joined += (joined.empty() ? "" : ",") + cell(item);
  return joined.empty() ? "-" : joined;
}

std::string table(std::span<const Column> columns, const json::array& rows) {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns) lines[0].emplace_back(column.title);
  for (const json::value& row : rows) {
    auto& line = lines.emplace_back();
    for (const Column& column : columns) {
      const json::value* value = row.is_object() ? row.get_object().if_contains(column.key) : nullptr;
      line.push_back(value == nullptr ? "-" : cell(*value));
    }
  }
  return aligned(lines);
}

std::string card(const json::object& object) {
  std::vector<std::vector<std::string>> lines;
  for (const auto& [key, value] : object) {
    if (is_repetition(object, key, value)) continue;
    if (!value.is_object() || value.get_object().empty()) {
      lines.push_back({printable(key), cell(value)});
      continue;
    }
    for (const auto& [inner, item] : value.get_object())
      lines.push_back({fmt::format("{}.{}", printable(key), printable(inner)), cell(item)});
  }
  return aligned(lines);
}

std::string to_yaml(const json::value& value) {
  std::string out;
  write_yaml(out, value, 0, false);
  return out;
}

}  // namespace postern::cli
