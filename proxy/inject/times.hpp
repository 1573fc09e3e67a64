#pragma once
// A point in time as signatures write it. Pure, thread safe; UTC.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace postern::inject {

enum class TimeFormat : std::uint8_t { seconds, milliseconds, microseconds, iso8601, iso8601_ms, http_date };
// The names of a TimeFormat, in its order: "s", "ms", "us", "iso8601" (2026-01-02T03:04:05Z), "iso8601-ms"
// (2026-01-02T03:04:05.678Z), "http-date" (RFC 9110 section 5.6.7).
std::span<const std::string_view> time_format_names();
std::string write_time(TimeFormat format, std::int64_t ms);  // since 1970

}  // namespace postern::inject
