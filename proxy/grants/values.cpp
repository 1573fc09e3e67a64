#include "proxy/grants/values.hpp"

#include <algorithm>

namespace postern::grants {

void Values::set(std::string name, vault::Secret value) {
  entries_.insert_or_assign(std::move(name), Entry{std::move(value), true});
}
void Values::set_plain(std::string name, std::string_view value) {
  entries_.insert_or_assign(std::move(name), Entry{vault::Secret(value), false});
}

const vault::Secret* Values::find(std::string_view name) const {
  const auto at = entries_.find(name);
  return at == entries_.end() ? nullptr : &at->second.value;
}

std::string_view Values::text(std::string_view name) const {
  const vault::Secret* found = find(name);
  return found == nullptr ? std::string_view() : found->expose();
}

std::optional<vault::Secret> Values::expand(const config::Template& text) const {
  auto made = text.expand([&](std::string_view name) -> std::optional<std::string_view> {
    const vault::Secret* found = find(name);
    return found == nullptr ? std::nullopt : std::optional(found->expose());
  });
  if (!made) return std::nullopt;
  return vault::Secret::take(*made);
}

bool Values::held_by(std::string_view text) const {
  constexpr std::size_t shortest = 4;  // shorter ones stand in any text by chance
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
    const auto& [value, secret] = entry.second;
    return secret && value.size() >= shortest && text.find(value.expose()) != text.npos;
  });
}

}  // namespace postern::grants
