#include "proxy/observe/log_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <iterator>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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
#ifdef __SSE2__
  for (; text.size() - i >= 16; i += 16) {
    __m128i bytes;
    std::memcpy(&bytes, text.data() + i, sizeof bytes);
    const __m128i inside =
        _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x1F)), _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x7F)));
    const __m128i special =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    if (_mm_movemask_epi8(_mm_andnot_si128(special, inside)) != 0xFFFF) break;
  }
#endif
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

// The text up to the second changes once a second; each thread keeps its own.
std::string_view second_of(std::int64_t now_ms) {
  thread_local std::int64_t second = -1;
  thread_local std::string text;
  if (now_ms / 1000 != second) {
    second = now_ms / 1000;
    text.clear();
    append_second(text, second * 1000);
  }
  return text;
}

void append_time(std::string& out, std::int64_t now_ms) {
  now_ms = std::max<std::int64_t>(now_ms, 0);
  out += second_of(now_ms);
  const auto ms = static_cast<unsigned>(now_ms % 1000);
  out += {char('0' + ms / 100), char('0' + ms / 10 % 10), char('0' + ms % 10), 'Z', '"'};
}

void append_member(std::string& out, std::string_view key, std::string_view value) {
  out += ',';
  append_json_text(out, key);
  out += ':';
  append_json_text(out, value);
}

std::string_view up_to_query(std::string_view path) {
  path = path.substr(0, path.find('?'));
  return path.substr(0, path.find('#'));
}

// An access line under construction, in room that is known to be enough: one is written for every request.
class Line {
 public:
  // Nine texts of kMaxLogText bytes, each escaped as six at most, and everything between them.
  static constexpr std::size_t kRoom = 9 * (6 * kMaxLogText + 2) + 1024;
  explicit Line(char* to) : begin_(to), to_(to) {}
  std::size_t size() const { return static_cast<std::size_t>(to_ - begin_); }

  void put(std::string_view bytes) { to_ = std::copy(bytes.begin(), bytes.end(), to_); }
  // `key`: ,"name":" with all its signs; the value seldom needs an escape.
  void text(std::string_view key, std::string_view value) {
    put(key);
    if (value.size() <= kMaxLogText && plain_prefix(value) == value.size()) {
      put(value);
      *to_++ = '"';
      return;
    }
    std::string escaped;
    append_json_text(escaped, value);
    put(std::string_view(escaped).substr(1));  // the quote stands there already
  }
  void count(std::string_view key, std::uint64_t count) {
    put(key);
    to_ = std::to_chars(to_, to_ + 20, count).ptr;
  }

 private:
  char* begin_;
  char* to_;
};

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
  const std::size_t before = out.size();
  out.resize_and_overwrite(before + Line::kRoom, [&](char* bytes, std::size_t) {
    Line line(bytes + before);
    line.put(R"(,"level":"info","event":"request")");
    line.text(R"(,"request_id":")", access.request_id);
    if (!access.authorization.empty()) line.text(R"(,"authorization":")", access.authorization);
    if (!access.run.empty()) line.text(R"(,"run":")", access.run);
    if (!access.connection.empty()) line.text(R"(,"connection":")", access.connection);
    line.text(R"(,"method":")", access.method);
    line.text(R"(,"host":")", access.host);
    line.count(R"(,"port":)", access.port);
    // A query may hold a credential of the caller's; it is cut here too, whatever the caller of this function passed.
    line.text(R"(,"path":")", up_to_query(access.path));
    line.count(R"(,"status":)", access.status);
    if (!access.code.empty()) line.text(R"(,"code":")", access.code);
    if (!access.tunnel.empty()) line.text(R"(,"tunnel":")", access.tunnel);
    line.count(R"(,"bytes_in":)", access.bytes_in);
    line.count(R"(,"bytes_out":)", access.bytes_out);
    line.count(R"(,"duration_us":)", access.microseconds);
    line.count(R"(,"upstream_head_us":)", access.upstream_head_us);
    line.put(access.upstream_reused ? R"(,"upstream_reused":true)" : R"(,"upstream_reused":false)");
    line.put(access.aborted ? R"(,"aborted":true})" : R"(,"aborted":false})");
    return before + line.size();
  });
}

}  // namespace postern::observe
