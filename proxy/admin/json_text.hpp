#pragma once
// Small texts of the API: times, durations, cursors, query strings. Pure; absence (nullopt) means "not of that form".
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::admin {

// Milliseconds since the epoch <-> "2026-01-02T03:04:05.678Z" (RFC 3339; an offset is accepted, written is Z).
std::string to_time(std::int64_t ms);
std::optional<std::int64_t> parse_time(std::string_view text);
// "90s", "30m", "1h", "7d", also joined ("1h30m"); milliseconds, at most 100 years.
std::optional<std::int64_t> parse_duration(std::string_view text);
// null for 0.
boost::json::value time_or_null(std::int64_t ms);
// null for an empty text.
boost::json::value text_or_null(const std::string& text);

// URL-safe base64 without padding.
std::string base64url(std::string_view bytes);
std::optional<std::string> parse_base64url(std::string_view text);

// The target in path and decoded parameters; nullopt if it is not origin-form or badly escaped.
struct Url {
  std::string path;  // as sent: ids need no escapes, so a path with one matches no route
  std::vector<std::pair<std::string, std::string>> parameters;
};
std::optional<Url> parse_target(std::string_view target);

// Lower case of ASCII letters.
std::string lower(std::string_view text);
// A name a caller chose that may be repeated in an answer: letters, '-' and '_', at most 24. Anything else could be a
// secret in the wrong place.
bool is_plain_name(std::string_view text);
// Printable text: valid for names and titles; no control characters.
bool is_printable(std::string_view text);

}  // namespace postern::admin
