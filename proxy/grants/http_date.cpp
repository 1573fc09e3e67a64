#include "proxy/grants/http_date.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string>

namespace postern::grants {
namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Takes exactly `digits` digits off the front.
bool take_number(std::string_view& text, std::size_t digits, int& out) {
  if (text.size() < digits || !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(digits),
                                           [](char c) { return c >= '0' && c <= '9'; }))
    return false;
  std::from_chars(text.data(), text.data() + digits, out);
  text.remove_prefix(digits);
  return true;
}
bool take(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

std::optional<std::int64_t> seconds_of(int y, int mo, int d, int h, int mi, int s) {
  const year_month_day day{year(y), month(static_cast<unsigned>(mo)), std::chrono::day(static_cast<unsigned>(d))};
  if (!day.ok() || h > 23 || mi > 59 || s > 60) return std::nullopt;
  return sys_days(day).time_since_epoch().count() * std::int64_t{86'400} + h * 3600 + mi * 60 + s;
}

bool take_clock(std::string_view& text, int& h, int& m, int& s) {
  return take_number(text, 2, h) && take(text, ":") && take_number(text, 2, m) && take(text, ":") &&
         take_number(text, 2, s);
}

// What stands behind the seconds: a fraction and an offset. Milliseconds to add; nullopt: neither.
std::optional<std::int64_t> read_tail(std::string_view text) {
  std::int64_t ms = 0;
  if (take(text, ".")) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0) return std::nullopt;
    std::string three(text.substr(0, std::min<std::size_t>(digits, 3)));
    three.resize(3, '0');
    ms = std::stoi(three);
    text.remove_prefix(digits);
  }
  if (text.empty() || text == "Z" || text == "z") return ms;
  const bool west = text.front() == '-';
  if (!west && text.front() != '+') return std::nullopt;
  text.remove_prefix(1);
  int h = 0, m = 0;
  if (!take_number(text, 2, h)) return std::nullopt;
  take(text, ":");
  if (!text.empty() && !take_number(text, 2, m)) return std::nullopt;
  if (!text.empty() || h > 23 || m > 59) return std::nullopt;
  const std::int64_t offset = (h * 60 + m) * std::int64_t{60'000};
  return ms + (west ? offset : -offset);
}

// Milliseconds of a unit's name; 0: unknown.
std::int64_t unit_of(std::string_view word) {
  struct Unit {
    std::string_view name;
    std::int64_t ms;
  };
  static constexpr Unit units[] = {{"ms", 1},           {"millisecond", 1}, {"s", 1'000},         {"sec", 1'000},
                                   {"second", 1'000},   {"m", 60'000},      {"min", 60'000},      {"minute", 60'000},
                                   {"h", 3'600'000},    {"hr", 3'600'000},  {"hour", 3'600'000},  {"d", 86'400'000},
                                   {"day", 86'400'000}, {"w", 604'800'000}, {"week", 604'800'000}};
  for (const std::string_view name : {word, word.ends_with('s') ? word.substr(0, word.size() - 1) : word})
    for (const Unit& unit : units)
      if (unit.name == name) return unit.ms;
  return 0;
}

}  // namespace

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  const std::size_t comma = text.find(", ");
  if (comma != 3) return std::nullopt;
  text.remove_prefix(5);
  int d = 0, y = 0, h = 0, m = 0, s = 0;
  if (!take_number(text, 2, d) || !take(text, " ")) return std::nullopt;
  const auto* const month_at = std::find(kMonths.begin(), kMonths.end(), text.substr(0, 3));
  if (month_at == kMonths.end()) return std::nullopt;
  text.remove_prefix(3);
  if (!take(text, " ") || !take_number(text, 4, y) || !take(text, " ") || !take_clock(text, h, m, s) || text != " GMT")
    return std::nullopt;
  return seconds_of(y, static_cast<int>(month_at - kMonths.begin()) + 1, d, h, m, s);
}

std::optional<std::int64_t> parse_iso_time(std::string_view text) {
  int y = 0, mo = 0, d = 0, h = 0, m = 0, s = 0;
  if (!take_number(text, 4, y) || !take(text, "-") || !take_number(text, 2, mo) || !take(text, "-") ||
      !take_number(text, 2, d))
    return std::nullopt;
  if (!take(text, "T") && !take(text, "t") && !take(text, " ")) return std::nullopt;
  if (!take_clock(text, h, m, s)) return std::nullopt;
  const auto tail = read_tail(text);
  const auto whole = seconds_of(y, mo, d, h, m, s);
  if (!tail || !whole) return std::nullopt;
  return *whole * 1'000 + *tail;
}

std::optional<std::int64_t> parse_lifetime(std::string_view text, std::int64_t unit_ms) {
  std::string plain;
  for (const char c : text.substr(0, 65))
    if (c != ' ') plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  std::string_view rest = plain;
  if (rest.empty() || text.size() > 64) return std::nullopt;
  if (rest.front() == 'p') std::erase_if(plain, [](char c) { return c == 'p' || c == 't'; }), rest = plain;
  double total = 0;
  bool bare = true;
  while (!rest.empty()) {
    double number = 0;
    const auto [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (failed != std::errc() || !std::isfinite(number)) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const std::size_t word = std::min(rest.find_first_of("0123456789.+-"), rest.size());
    const std::int64_t unit = word == 0 ? unit_ms : unit_of(rest.substr(0, word));
    if (unit == 0 || (word == 0 && (!bare || !rest.empty()))) return std::nullopt;
    bare = false;
    total += number * static_cast<double>(unit);
    rest.remove_prefix(word);
  }
  constexpr double exact = 9e15;
  if (total > exact || total < -exact) return std::nullopt;
  return static_cast<std::int64_t>(total);
}

}  // namespace postern::grants
