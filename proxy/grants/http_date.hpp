#pragma once
// Points in time as answers write them. Pure, thread safe; seconds and milliseconds since 1970 UTC.
#include <cstdint>
#include <optional>
#include <string_view>

namespace postern::grants {

// RFC 9110 section 5.6.7, the one form that may be sent: "Sun, 06 Nov 1994 08:49:37 GMT". Seconds.
std::optional<std::int64_t> parse_http_date(std::string_view text);
// ISO 8601 / RFC 3339: "2026-01-02T03:04:05Z", with fractions and an offset ("+02:00", "+0200"); a space instead of 'T'
// is read, and without an offset it is UTC. Milliseconds.
std::optional<std::int64_t> parse_iso_time(std::string_view text);
// "90", "90.5", "3600s", "1h30m", "1500ms", "2 hours", "PT1H30M": a bare number counts in `unit_ms`. Milliseconds,
// rounded down; below zero is answered as it is. nullopt: not a duration, or beyond what a double holds exactly.
std::optional<std::int64_t> parse_lifetime(std::string_view text, std::int64_t unit_ms);

}  // namespace postern::grants
