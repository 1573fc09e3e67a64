#include "proxy/wire/head.hpp"

#include <algorithm>
#include <utility>

#include "proxy/wire/bytes.hpp"
#include "proxy/wire/framing.hpp"
#include "proxy/wire/scan.hpp"

namespace postern::wire {

static_assert(static_cast<unsigned>(FieldId::server) < 64, "FieldList::seen_ has one bit an id");

bool FieldList::add(const Field& field) noexcept {
  if (count_ == kMaxFields) return false;
  fields_[count_++] = field;
  seen_ |= std::uint64_t{1} << static_cast<unsigned>(field.id);
  return true;
}

const Field* FieldList::find(FieldId id) const noexcept {
  if ((seen_ >> static_cast<unsigned>(id) & 1) == 0) return nullptr;
  for (const Field& field : all())
    if (field.id == id) return &field;
  return nullptr;
}

const Field* FieldList::find(std::string_view name) const noexcept {
  for (const Field& field : all())
    if (iequals(field.name, name)) return &field;
  return nullptr;
}

void RequestHead::reset() noexcept {
  method = target = {};
  minor = 1;
  fields.clear();
  body = Body::none;
  content_length = 0;
  keep_alive = true;
  expect_continue = false;
  size = 0;
  progress = {};
}

void ResponseHead::reset() noexcept {
  status = 0;
  reason = {};
  minor = 1;
  fields.clear();
  body = Body::until_close;
  content_length = 0;
  has_content_length = false;
  keep_alive = true;
  size = 0;
  progress = {};
}

namespace {

using At = HeadProgress::At;

// Views follow a buffer that has moved between two calls. As integers: the old place may be gone.
void follow(std::string_view& view, const char* old_base, const char* base) noexcept {
  if (view.data() == nullptr) return;
  const auto offset = reinterpret_cast<std::uintptr_t>(view.data()) - reinterpret_cast<std::uintptr_t>(old_base);
  view = {base + offset, view.size()};
}

template <class Head>
bool moved(std::string_view bytes, Head& head) noexcept {
  const char* const old_base = std::exchange(head.progress.base, bytes.data());
  if (old_base == nullptr || old_base == bytes.data()) return false;
  for (Field& field : head.fields.all()) {
    follow(field.name, old_base, bytes.data());
    follow(field.value, old_base, bytes.data());
  }
  return true;
}

// "HTTP/d.d", byte by byte from at.mark. True and past it, or the call is over.
bool version(Scan& s, std::uint8_t& major, std::uint8_t& minor) noexcept {
  constexpr std::string_view shape = "HTTP/0.0";
  for (std::size_t i = s.here() - s.at.mark; i < shape.size(); ++i, ++s.p) {
    if (s.p == s.end) return s.pause(s.p);
    const bool fits = shape[i] == '0' ? is(kDigit, *s.p) : *s.p == shape[i];
    if (!fits) return s.malformed("the version is not of the form HTTP/d.d");
  }
  major = static_cast<std::uint8_t>(s.base[s.at.mark + 5] - '0');
  minor = static_cast<std::uint8_t>(s.base[s.at.mark + 7] - '0');
  return true;
}

bool known(Scan& s, unsigned major, unsigned minor) noexcept {
  return (major == 1 && minor <= 1) || s.refuse(Fault::bad_version, "only HTTP/1.0 and HTTP/1.1 are spoken here");
}

bool leading_line(Scan& s) noexcept {
  if (s.p == s.end) return s.pause(s.p);
  if (*s.p == '\r' || *s.p == '\n')
    if (!s.line_end("")) return false;
  s.go(At::method);
  return true;
}

bool method(Scan& s, RequestHead& head) noexcept {
  s.p = skip(kToken, s.p, s.end);
  if (s.p == s.end) return s.pause(s.p);
  head.method = s.part();
  if (*s.p != ' ' || head.method.empty()) return s.malformed("the request does not begin with a method and one space");
  ++s.p;
  s.go(At::target);
  return true;
}

bool target(Scan& s, RequestHead& head) noexcept {
  const char* const begin = s.base + s.at.mark;
  s.p = skip(kVisible, s.p, begin + std::min<std::ptrdiff_t>(s.end - begin, kMaxTarget));
  if (s.p == s.end) return s.pause(s.p);
  if (is(kVisible, *s.p)) return s.refuse(Fault::target_too_long, "the target is over 8 KiB");
  head.target = s.part();
  if (*s.p == '\r' || *s.p == '\n') return s.malformed("the request line has no version");
  if (*s.p != ' ') return s.malformed("the target holds a byte that must be percent-encoded");
  if (head.target.empty()) return s.malformed("there is more than one space before the target");
  ++s.p;
  s.go(At::version);
  return true;
}

bool request_version(Scan& s, RequestHead& head) noexcept {
  std::uint8_t major = 0;
  if (!version(s, major, head.minor)) return false;
  if (!s.line_end("something follows the version")) return false;
  if (!known(s, major, head.minor)) return false;
  s.go(At::line);
  return true;
}

bool request_part(Scan& s, RequestHead& head) noexcept {
  switch (s.at.at) {
    case At::start:
      return leading_line(s);
    case At::method:
      return method(s, head);
    case At::target:
      return target(s, head);
    case At::version:
      return request_version(s, head);
    default:
      return field_part(s, head);
  }
}

bool response_version(Scan& s, ResponseHead& head) noexcept {
  std::uint8_t major = 0;
  if (!version(s, major, head.minor)) return false;
  if (s.p == s.end) return s.pause(s.p);
  if (*s.p != ' ') return s.malformed("the version is not followed by one space");
  if (!known(s, major, head.minor)) return false;
  ++s.p;
  s.go(At::status);
  return true;
}

bool status(Scan& s, ResponseHead& head) noexcept {
  for (std::size_t i = s.here() - s.at.mark; i < 3; ++i, ++s.p) {
    if (s.p == s.end) return s.pause(s.p);
    if (!is(kDigit, *s.p)) return s.malformed("the status is not three digits");
  }
  const std::string_view digits = s.part();
  head.status = static_cast<std::uint16_t>((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
  if (head.status < 100) return s.malformed("the status is below 100");
  if (s.p == s.end) return s.pause(s.p);
  if (*s.p != ' ' && *s.p != '\r' && *s.p != '\n') return s.malformed("the status is not three digits");
  if (*s.p == ' ') {
    ++s.p;
    s.go(At::reason);
    return true;
  }
  if (!s.line_end("")) return false;
  s.go(At::line);
  return true;
}

bool reason(Scan& s, ResponseHead& head) noexcept {
  s.p = skip_value(s.p, s.end);
  head.reason = s.part();
  if (!s.line_end("the reason phrase holds a control character")) return false;
  s.go(At::line);
  return true;
}

bool response_part(Scan& s, ResponseHead& head) noexcept {
  switch (s.at.at) {
    case At::start:
      s.go(At::version);
      return true;
    case At::version:
      return response_version(s, head);
    case At::status:
      return status(s, head);
    case At::reason:
      return reason(s, head);
    default:
      return field_part(s, head);
  }
}

Parse verdict(Parse scanned, Refusal judged, Refusal& why) noexcept {
  if (scanned != Parse::done || judged.fault == Fault::none) return scanned;
  why = judged;
  return Parse::refused;
}

}  // namespace

Parse parse_request_head(std::string_view bytes, RequestHead& head, Refusal& why) noexcept {
  const char* const old_base = head.progress.base;
  if (moved(bytes, head)) {
    follow(head.method, old_base, bytes.data());
    follow(head.target, old_base, bytes.data());
  }
  Scan s(bytes, head.progress, why);
  while (request_part(s, head)) {
  }
  return verdict(s.result, s.result == Parse::done ? judge_request(head) : Refusal{}, why);
}

Parse parse_response_head(std::string_view bytes, std::string_view request_method, ResponseHead& head,
                          Refusal& why) noexcept {
  const char* const old_base = head.progress.base;
  if (moved(bytes, head)) follow(head.reason, old_base, bytes.data());
  Scan s(bytes, head.progress, why);
  while (response_part(s, head)) {
  }
  return verdict(s.result, s.result == Parse::done ? judge_response(request_method, head) : Refusal{}, why);
}

}  // namespace postern::wire
