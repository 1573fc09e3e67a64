#pragma once
// Durations ("500ms", "5s", "10m", "1h", "1d") and sizes ("512", "64KiB", "1MiB", "1GiB") as settings write them.
// One whole number and one unit; nothing else, so that "5" or "1.5h" is a question and not a guess. Pure, thread safe.
#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace postern::config {

// At most 365 days; the error is one line without a place.
std::expected<std::chrono::milliseconds, std::string> parse_duration(std::string_view text);
std::expected<std::uint64_t, std::string> parse_size(std::string_view text);  // at most 1 TiB
// The largest unit that says it exactly.
std::string show_duration(std::chrono::milliseconds value);
std::string show_size(std::uint64_t value);

}  // namespace postern::config
