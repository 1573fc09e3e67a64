// Patterns of fields. std::regex backtracks and recurses by default: a catalog pattern like (a+)+$ and a value of 40
// letters would hold a thread for years. libstdc++'s polynomial mode runs all states side by side instead, and refuses
// back references; values are cut to kMaxPatterned before it looks.
#include <regex>

#include <fmt/format.h>

#include "config/decode.hpp"

namespace postern::config {
namespace {

constexpr auto kFlags = std::regex_constants::ECMAScript | std::regex_constants::__polynomial;

}  // namespace

std::optional<std::string> pattern_mistake(const std::string& pattern) {
  if (pattern.size() > 256) return "a pattern has at most 256 characters";
  // Counted repetition is unrolled by the compiler: {1,5000} nested twice would be millions of states.
  for (std::size_t at = pattern.find('{'); at != pattern.npos; at = pattern.find('{', at + 1)) {
    const std::string count = pattern.substr(at + 1, pattern.find('}', at) - at - 1);
    std::size_t digits = 0;
    for (char c : count) digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 3) return "a pattern repeats at most 999 times";
  }
  try {
    const std::regex compiled(pattern, kFlags);
    return std::nullopt;
  } catch (const std::regex_error& e) {
    return fmt::format("not a regular expression: {}", e.what());
  }
}

bool pattern_matches(const std::string& pattern, const std::string& value) {
  if (value.size() > kMaxPatterned) return false;
  try {
    return std::regex_search(value, std::regex(pattern, kFlags));
  } catch (const std::regex_error&) {
    return false;  // refused when the entry was loaded
  }
}

}  // namespace postern::config
