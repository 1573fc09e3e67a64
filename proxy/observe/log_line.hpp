#pragma once
// How a log line looks: one JSON object, without the line end. Pure, so that the promises of log.hpp can be tested.
// Grammar: {"time":"<RFC 3339, UTC, ms>","level":"<level>","event":"<event>"[,"detail":"…"][,"<key>":"<value>"]…}
// Thread safety: functions of their arguments. Appends to `out`, whose capacity is the caller's to keep.
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "proxy/observe/log.hpp"

namespace postern::observe {

inline constexpr std::size_t kMaxLogText = 256;  // bytes of one string, before escaping

// A JSON string with its quotes: cut at kMaxLogText, invalid UTF-8 replaced by U+FFFD, every control character (DEL and
// C1 too: terminals obey them) escaped.
void append_json_text(std::string& out, std::string_view text);
void append_event_line(std::string& out, std::int64_t now_ms, Level level, std::string_view event,
                       std::string_view detail, std::initializer_list<Pair> pairs);
void append_access_line(std::string& out, std::int64_t now_ms, const Access& access);

}  // namespace postern::observe
