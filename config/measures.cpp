#include "config/measures.hpp"

#include <charconv>

#include <fmt/format.h>

namespace postern::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr Unit kTimes[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};
constexpr Unit kSizes[] = {{"TiB", std::uint64_t{1} << 40},
                           {"GiB", std::uint64_t{1} << 30},
                           {"MiB", std::uint64_t{1} << 20},
                           {"KiB", std::uint64_t{1} << 10},
                           {"", 1}};
constexpr std::uint64_t kMaxTime = 365ULL * 86'400'000, kMaxSize = std::uint64_t{1} << 40;

template <std::size_t N>
bool parse(std::string_view text, const Unit (&units)[N], std::uint64_t most, std::uint64_t& out) {
  const std::size_t end = text.find_first_not_of("0123456789");
  const std::string_view digits = text.substr(0, end), unit = end == text.npos ? "" : text.substr(end);
  if (digits.empty() || digits.size() > 15) return false;
  std::from_chars(digits.data(), digits.data() + digits.size(), out);
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    if (out > most / known.factor) return false;
    out *= known.factor;
    return true;
  }
  return false;
}

template <std::size_t N>
std::string show(std::uint64_t value, const Unit (&units)[N]) {
  for (const Unit& unit : units)
    if (value >= unit.factor && value % unit.factor == 0) return fmt::format("{}{}", value / unit.factor, unit.name);
  return fmt::format("0{}", units[N - 1].name);
}

}  // namespace

std::expected<std::chrono::milliseconds, std::string> parse_duration(std::string_view text) {
  std::uint64_t value = 0;
  if (!parse(text, kTimes, kMaxTime, value))
    return std::unexpected(
        fmt::format("'{}' is not a duration like 500ms, 5s, 10m, 1h or 1d (at most 365d)", text.substr(0, 64)));
  return std::chrono::milliseconds(value);
}

std::expected<std::uint64_t, std::string> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  if (!parse(text, kSizes, kMaxSize, value))
    return std::unexpected(
        fmt::format("'{}' is not a size like 512, 64KiB, 1MiB or 1GiB (at most 1TiB)", text.substr(0, 64)));
  return value;
}

std::string show_duration(std::chrono::milliseconds value) {
  return show(static_cast<std::uint64_t>(value.count()), kTimes);
}
std::string show_size(std::uint64_t value) {
  return show(value, kSizes);
}

}  // namespace postern::config
