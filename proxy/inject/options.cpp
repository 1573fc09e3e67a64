#include "proxy/inject/options.hpp"

#include <algorithm>

#include "proxy/inject/field.hpp"

namespace postern::inject {

std::string Options::text(std::string_view key, std::string_view fallback) const {
  const auto at = recipe_.options.find(std::string(key));
  return at == recipe_.options.end() ? std::string(fallback) : at->second;
}

std::size_t Options::index_of(std::string_view key, std::span<const std::string_view> words, std::size_t fallback) {
  const auto at = recipe_.options.find(std::string(key));
  if (at == recipe_.options.end()) return fallback;
  const auto word = std::find(words.begin(), words.end(), at->second);
  if (word != words.end()) return static_cast<std::size_t>(word - words.begin());
  std::string known;
  for (const std::string_view each : words) known.append(known.empty() ? "" : ", ").append(each);
  refuse("sign." + std::string(key) + ": not one of " + known);
  return fallback;
}

bool Options::flag(std::string_view key) {
  constexpr std::string_view words[] = {"no", "yes"};
  return index_of(key, words, 0) == 1;
}

std::string Options::header(std::string_view key, std::string_view fallback) {
  std::string name = text(key, fallback);
  if (name.empty()) return name;
  if (const auto wrong = refuse_header_name(name)) refuse("sign." + std::string(key) + ": " + *wrong);
  return name;
}

std::string_view Options::value(std::string_view name) const {
  const auto at = recipe_.values.find(std::string(name));
  return at == recipe_.values.end() ? std::string_view() : at->second.expose();
}

std::string_view Options::needed(std::string_view name) {
  const std::string_view found = value(name);
  if (found.empty()) refuse("the credential has no " + std::string(name));
  return found;
}

void Options::refuse(std::string what) {
  if (!mistake_) mistake_ = std::move(what);
}

}  // namespace postern::inject
