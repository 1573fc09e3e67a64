#pragma once
// One call's walk over the bytes of a head, and the field lines, which requests and responses share. Internal to
// head.cpp.
#include <algorithm>
#include <cstddef>
#include <string_view>

#include "proxy/wire/bytes.hpp"
#include "proxy/wire/head.hpp"

namespace postern::wire {

// One call's view of the bytes, and how it ends. Each part of a line is one method that either moves `p` past it and
// sets the next state, or ends the call.
struct Scan {
  using At = HeadProgress::At;
  HeadProgress& at;
  Refusal& why;
  const char* const base;
  const char* const end;  // at most kMaxHead bytes
  const char* p;
  Parse result = Parse::more;

  Scan(std::string_view bytes, HeadProgress& progress, Refusal& refusal) noexcept
      : at(progress),
        why(refusal),
        base(bytes.data()),
        end(base + std::min(bytes.size(), kMaxHead)),
        p(base + std::min(progress.scanned, bytes.size())) {}

  bool refuse(Fault fault, const char* detail) noexcept {
    why = {fault, detail};
    result = Parse::refused;
    return false;
  }
  bool malformed(const char* detail) noexcept { return refuse(Fault::malformed, detail); }
  // The bytes end before this part does. `seen`: the first byte to look at next time.
  bool pause(const char* seen) noexcept {
    if (static_cast<std::size_t>(end - base) == kMaxHead)
      return refuse(Fault::head_too_large, "the head is over 32 KiB");
    at.scanned = static_cast<std::size_t>(seen - base);
    return false;
  }
  // At a CR or any other byte that may not stand here: true and past the CRLF, or the call is over.
  bool line_end(const char* otherwise) noexcept {
    if (p == end) return pause(p);
    if (*p == '\n') return malformed("a line ends with a bare LF");
    if (*p != '\r') return malformed(otherwise);
    if (p + 1 == end) return pause(p);
    if (p[1] != '\n') return malformed("a CR is not followed by LF");
    p += 2;
    return true;
  }
  std::size_t here() const noexcept { return static_cast<std::size_t>(p - base); }
  std::string_view part() const noexcept { return {base + at.mark, here() - at.mark}; }
  void go(At next) noexcept {
    at.at = next;
    at.mark = here();
  }
};

// The start of a field line, or the empty line that ends the head.
template <class Head>
bool line_start(Scan& s, Head& head) noexcept {
  if (s.p == s.end) return s.pause(s.p);
  if (is(kToken, *s.p)) {
    s.at.line = s.here();
    s.go(Scan::At::name);
    return true;
  }
  if (is_ows(*s.p)) return s.malformed("a field is folded over two lines");
  if (*s.p == ':') return s.malformed("a field has no name");
  if (!s.line_end("a field name holds a byte that is not allowed")) return false;
  head.size = s.here();
  s.result = Parse::done;
  return false;
}

inline bool field_name(Scan& s) noexcept {
  s.p = skip_token(s.p, s.end);
  if (s.p == s.end) return s.pause(s.p);
  if (*s.p == ':') {
    s.go(Scan::At::value);  // the mark is the colon
    ++s.p;
    return true;
  }
  if (is_ows(*s.p)) return s.malformed("there is white space between a field name and its colon");
  if (*s.p == '\r' || *s.p == '\n') return s.malformed("a field line has no colon");
  return s.malformed("a field name holds a byte that is not allowed");
}

template <class Head>
bool field_value(Scan& s, Head& head) noexcept {
  s.p = skip_value(s.p, s.end);
  const char* const stop = s.p;
  if (!s.line_end("a field value holds a control character")) return false;
  const std::string_view name{s.base + s.at.line, s.at.mark - s.at.line};
  const char* const begin = s.base + s.at.mark + 1;
  const std::string_view value = trim_ows({begin, static_cast<std::size_t>(stop - begin)});
  if (!head.fields.add({name, value, identify_field(name), false}))
    return s.refuse(Fault::head_too_large, "the head has more than 100 fields");
  s.go(Scan::At::line);
  return true;
}

template <class Head>
bool field_part(Scan& s, Head& head) noexcept {
  switch (s.at.at) {
    case Scan::At::name:
      return field_name(s);
    case Scan::At::value:
      return field_value(s, head);
    default:
      return line_start(s, head);
  }
}

}  // namespace postern::wire
