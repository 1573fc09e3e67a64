// Reading trees: collected mistakes, keys that must be known, and the suggestion for one that is not.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "config/tree.hpp"

namespace postern::config {

std::vector<Error> Mistakes::take() {
  // An insertion sort, stable: what has no place stays in the order it was found. (std::stable_sort of libstdc++ 12
  // uses a function that clang reports as deprecated.)
  const auto before = [](const Error& a, const Error& b) {
    return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
  };
  for (auto it = list_.begin(); it != list_.end(); ++it)
    std::rotate(std::upper_bound(list_.begin(), it, *it, before), it, std::next(it));
  return std::move(list_);
}

MapReader::MapReader(const Node& node, std::string what, Mistakes& mistakes)
    : node_(node), what_(std::move(what)), mistakes_(mistakes) {
  if (!node.is_map() && !node.is_null()) mistakes.add(node, fmt::format("{} must be a map of keys", what_));
}

const Node* MapReader::get(std::string_view key) {
  known_.emplace_back(key);
  return node_.find(key);
}

std::string MapReader::text(std::string_view key, std::string fallback) {
  const Node* node = get(key);
  return node ? scalar(*node, mistakes_) : std::move(fallback);
}

bool MapReader::flag(std::string_view key, bool fallback) {
  const Node* node = get(key);
  return node ? boolean(*node, mistakes_, fallback) : fallback;
}

void MapReader::finish() {
  for (const Node& key : node_.keys)
    if (std::find(known_.begin(), known_.end(), key.text) == known_.end())
      mistakes_.add(key, unknown("key", key.text, known_) + fmt::format(" (in {})", what_));
}

std::string scalar(const Node& node, Mistakes& mistakes) {
  if (node.is_scalar()) return node.text;
  mistakes.add(node, node.is_null() ? "a value is missing" : "must be a single value, not a list or a map");
  return {};
}

bool boolean(const Node& node, Mistakes& mistakes, bool fallback) {
  if (node.is_scalar() && node.text == "true") return true;
  if (node.is_scalar() && node.text == "false") return false;
  mistakes.add(node, "must be true or false");
  return fallback;
}

std::string nearest(std::string_view word, const std::vector<std::string>& names) {
  if (word.size() > 128) return {};
  const std::size_t limit = word.size() <= 4 ? 1 : word.size() <= 8 ? 2 : 3;
  std::size_t best = limit + 1;
  std::string found;
  for (const std::string& name : names) {
    std::vector<std::size_t> row(name.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= name.size(); ++j) {
        const std::size_t swap = diagonal + (word[i - 1] == name[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, swap});
      }
    }
    if (row.back() < best) {
      best = row.back();
      found = name;
    }
  }
  return found;
}

std::string unknown(std::string_view kind, std::string_view word, const std::vector<std::string>& names) {
  const std::string near = nearest(word, names);
  std::string out = fmt::format("unknown {} '{}'", kind, word.substr(0, 128));
  if (!near.empty()) return out + fmt::format(", did you mean '{}'?", near);
  return out;
}

}  // namespace postern::config
