#include "proxy/observe/log_line.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <iterator>

namespace postern::observe {
namespace {

constexpr const char* kLevels[] = {"trace", "debug", "info", "warn", "error"};

// Length of the well-formed UTF-8 sequence at the front of `text` (Unicode 15, table 3-7); 0: ill-formed.
std::size_t sequence_length(std::string_view text, char32_t& point) {
  auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto continues = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
  const unsigned char lead = at(0);
  if (lead < 0x80) return point = lead, 1;
  if (lead >= 0xC2 && lead <= 0xDF && continues(1)) {
    point = char32_t(lead & 0x1F) << 6 | (at(1) & 0x3F);
    return 2;
  }
  if ((lead & 0xF0) == 0xE0 && continues(1) && continues(2)) {
    point = char32_t(lead & 0x0F) << 12 | char32_t(at(1) & 0x3F) << 6 | (at(2) & 0x3F);
    return point >= 0x800 && (point < 0xD800 || point > 0xDFFF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4 && continues(1) && continues(2) && continues(3)) {
    point = char32_t(lead & 0x07) << 18 | char32_t(at(1) & 0x3F) << 12 | char32_t(at(2) & 0x3F) << 6 | (at(3) & 0x3F);
    return point >= 0x10000 && point <= 0x10FFFF ? 4 : 0;
  }
  return 0;
}

// How much at the front goes into a JSON text as it is: printable ASCII but '"' and the backslash.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> table{};
  for (int c = 0x20; c < 0x7F; ++c) table[static_cast<std::size_t>(c)] = c != '"' && c != '\\';
  return table;
}();

std::size_t plain_prefix(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && kPlain[static_cast<unsigned char>(text[i])]) ++i;
  return i;
}

// Not inside a character: what is cut is cut whole.
std::string_view cut(std::string_view text) {
  if (text.size() <= kMaxLogText) return text;
  std::size_t end = kMaxLogText;
  for (int back = 0; back < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; ++back) --end;
  return text.substr(0, end);
}

void append_second(std::string& out, std::int64_t now_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> now{milliseconds(now_ms)};
  const auto day = floor<days>(now);
  const year_month_day date(day);
  const hh_mm_ss time(now - day);
  fmt::format_to(std::back_inserter(out), "{{\"time\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.", int(date.year()),
                 unsigned(date.month()), unsigned(date.day()), time.hours().count(), time.minutes().count(),
                 time.seconds().count());
}

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

// The text up to the second changes once a second; each thread keeps its own.
void append_time(std::string& out, std::int64_t now_ms) {
  thread_local std::int64_t second = -1;
  thread_local std::string text;
  const std::int64_t now = now_ms >= 0 ? now_ms / 1000 : 0;
  if (now != second) {
    text.clear();
    append_second(text, now * 1000);
    second = now;
  }
  const auto ms = static_cast<unsigned>(now_ms >= 0 ? now_ms % 1000 : 0);
  out += text;
  out += {char('0' + ms / 100), char('0' + ms / 10 % 10), char('0' + ms % 10), 'Z', '"'};
}

void append_member(std::string& out, std::string_view key, std::string_view value) {
  out += ',';
  append_json_text(out, key);
  out += ':';
  append_json_text(out, value);
}

// A key that needs no escape, and a value that seldom does.
void append_plain(std::string& out, std::string_view key, std::string_view value) {
  if (value.size() > kMaxLogText || plain_prefix(value) != value.size()) return append_member(out, key, value);
  out += ",\"";
  out += key;
  out += "\":\"";
  out += value;
  out += '"';
}

void append_count(std::string& out, std::string_view key, std::uint64_t count) {
  out += ",\"";
  out += key;
  out += "\":";
  append_number(out, count);
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  text = cut(text);
  out += '"';
  while (!text.empty()) {
    if (const std::size_t plain = plain_prefix(text); plain != 0) {
      out.append(text.substr(0, plain));
      text.remove_prefix(plain);
      continue;
    }
    char32_t point = 0;
    const std::size_t length = sequence_length(text, point);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    if (point == '"' || point == '\\') {
      out += '\\';
      out += char(point);
    } else if (point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x2028 || point == 0x2029) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", std::uint32_t(point));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  out += '"';
}

void append_event_line(std::string& out, std::int64_t now_ms, Level level, std::string_view event,
                       std::string_view detail, std::initializer_list<Pair> pairs) {
  append_time(out, now_ms);
  append_member(out, "level", kLevels[std::size_t(level)]);
  append_member(out, "event", event);
  if (!detail.empty()) append_member(out, "detail", detail);
  for (const auto& pair : pairs) append_member(out, pair.key, pair.value);
  out += '}';
}

void append_access_line(std::string& out, std::int64_t now_ms, const Access& access) {
  append_time(out, now_ms);
  out += R"(,"level":"info","event":"request")";
  append_plain(out, "request_id", access.request_id);
  if (!access.authorization.empty()) append_plain(out, "authorization", access.authorization);
  if (!access.connection.empty()) append_plain(out, "connection", access.connection);
  append_plain(out, "method", access.method);
  append_plain(out, "host", access.host);
  append_count(out, "port", access.port);
  // A query may hold a credential of the caller's; it is cut here too, whatever the caller of this function passed.
  append_plain(out, "path", access.path.substr(0, access.path.find_first_of("?#")));
  append_count(out, "status", access.status);
  if (!access.code.empty()) append_plain(out, "code", access.code);
  append_count(out, "bytes_in", access.bytes_in);
  append_count(out, "bytes_out", access.bytes_out);
  append_count(out, "duration_us", access.microseconds);
  append_count(out, "upstream_head_us", access.upstream_head_us);
  out += access.upstream_reused ? ",\"upstream_reused\":true" : ",\"upstream_reused\":false";
  out += access.aborted ? ",\"aborted\":true}" : ",\"aborted\":false}";
}

}  // namespace postern::observe
