#include "proxy/inject/times.hpp"

#include <chrono>

#include <fmt/format.h>

namespace postern::inject {
namespace {

constexpr std::string_view kNames[] = {"s", "ms", "us", "iso8601", "iso8601-ms", "http-date"};
constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::string calendar(TimeFormat format, std::int64_t ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> when{milliseconds(ms)};
  const sys_days midnight = floor<days>(when);
  const year_month_day date(midnight);
  const hh_mm_ss clock(when - midnight);
  const auto h = clock.hours().count(), m = clock.minutes().count();
  const auto s = clock.seconds().count();
  const int year = static_cast<int>(date.year());
  const unsigned month = static_cast<unsigned>(date.month()), day = static_cast<unsigned>(date.day());
  if (format == TimeFormat::http_date)
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[weekday(midnight).c_encoding()], day,
                       kMonths[month - 1], year, h, m, s);
  const std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", year, month, day, h, m, s);
  return format == TimeFormat::iso8601 ? text + 'Z' : fmt::format("{}.{:03}Z", text, clock.subseconds().count());
}

}  // namespace

std::span<const std::string_view> time_format_names() {
  return kNames;
}

std::string write_time(TimeFormat format, std::int64_t ms) {
  switch (format) {
    case TimeFormat::seconds:
      return std::to_string(ms / 1000);
    case TimeFormat::milliseconds:
      return std::to_string(ms);
    case TimeFormat::microseconds:
      return std::to_string(ms * 1000);
    case TimeFormat::iso8601:
    case TimeFormat::iso8601_ms:
    case TimeFormat::http_date:
      return calendar(format, ms);
  }
  return {};
}

}  // namespace postern::inject
