// `config show`, for people and for programs, and the commented file that `init` writes.
#include <fmt/format.h>

#include "config/settings_json.hpp"
#include "config/settings_rows.hpp"
#include "config/shipped.hpp"

namespace postern::config {
namespace {

// Rows of a list or map stand on lines of their own; JSON is YAML's flow form, so what is shown can be read again.
std::string value_text(const boost::json::value& value, const std::string& indent) {
  std::string out;
  if (const auto* object = value.if_object(); object && !object->empty()) {
    for (const auto& [key, item] : *object)
      out += fmt::format("\n{}  {}: {}", indent, boost::json::serialize(boost::json::string(key)),
                         boost::json::serialize(item));
    return out;
  }
  if (const auto* array = value.if_array(); array && !array->empty()) {
    for (const auto& item : *array) out += fmt::format("\n{}  - {}", indent, boost::json::serialize(item));
    return out;
  }
  return " " + boost::json::serialize(value);
}

// "listen.proxy" as its words.
std::vector<std::string> words_of(std::string_view path) {
  std::vector<std::string> words;
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t dot = std::min(path.find('.', from), path.size());
    words.emplace_back(path.substr(from, dot - from));
    from = dot + 1;
  }
  return words;
}

}  // namespace

boost::json::object settings_json(const Settings& settings) {
  boost::json::object out;
  for (const SettingRow& row : setting_rows()) {
    const std::vector<std::string> words = words_of(row.path);
    boost::json::object* section = &out;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      boost::json::value& inner = (*section)[words[i]];
      section = inner.is_object() ? &inner.get_object() : &inner.emplace_object();
    }
    (*section)[words.back()] = row.show(settings);
  }
  return out;
}

std::string show_settings(const Settings& settings) {
  std::string out = settings.file.empty() ? "# no file was read\n" : fmt::format("# {}\n", settings.file.string());
  std::vector<std::string> open;  // the sections the last row stood in
  for (const SettingRow& row : setting_rows()) {
    std::vector<std::string> words = words_of(row.path);
    std::size_t same = 0;
    while (same < open.size() && same + 1 < words.size() && open[same] == words[same]) ++same;
    for (std::size_t i = same; i + 1 < words.size(); ++i) out += fmt::format("{:{}}{}:\n", "", 2 * i, words[i]);
    const std::string indent(2 * (words.size() - 1), ' ');
    const boost::json::value value = row.show(settings);
    out += fmt::format("{}# {}\n", indent, row.meaning);
    if (value.is_null())
      out += fmt::format("{}# {}:\n", indent, words.back());
    else
      out += fmt::format("{}{}:{}\n", indent, words.back(), value_text(value, indent));
    words.pop_back();
    open = std::move(words);
  }
  return out;
}

std::string_view default_settings_file() {
  return shipped_settings();
}

}  // namespace postern::config
