#pragma once
// Strict parsers for request and response heads (RFC 9112; DESIGN section 5). Anything ambiguous is refused.
//
// Zero copy: all views point into the buffer of the last call, which must stay put while the head is used. No
// allocation. Resumable: call again with the same (longer) bytes while the result is `more`, in the same place or
// another (the buffer may have grown); only new bytes are looked at. Each byte is judged as it comes, so a refusal
// neither waits for the end of a line nor depends on how the bytes were split. Thread safety: none needed, one object
// per connection.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/wire/fault.hpp"
#include "proxy/wire/field.hpp"

namespace postern::wire {

inline constexpr std::size_t kMaxHead = 32 * 1024;
inline constexpr std::size_t kMaxTarget = 8 * 1024;
inline constexpr std::size_t kMaxFields = 100;

enum class Parse : std::uint8_t { more, done, refused };
enum class Body : std::uint8_t { none, length, chunked, until_close /* responses only */ };

// Up to kMaxFields fields, in the order they came.
class FieldList {
 public:
  bool add(const Field& field) noexcept;  // false: full
  void clear() noexcept { count_ = 0, seen_ = 0; }
  std::size_t size() const noexcept { return count_; }
  std::span<Field> all() noexcept { return {fields_.data(), count_}; }
  std::span<const Field> all() const noexcept { return {fields_.data(), count_}; }
  // The first field with this id / name, or nullptr. An id that is absent costs nothing to ask for.
  const Field* find(FieldId id) const noexcept;
  const Field* find(std::string_view name) const noexcept;

 private:
  std::array<Field, kMaxFields> fields_;
  std::size_t count_ = 0;
  std::uint64_t seen_ = 0;  // one bit an id
};

// Where a parser stopped; nobody else's business.
struct HeadProgress {
  enum class At : std::uint8_t { start, method, target, version, status, reason, line, name, value };
  At at = At::start;
  const char* base = nullptr;  // the buffer of the last call
  std::size_t scanned = 0;     // bytes that are done with
  std::size_t line = 0;        // where the current line begins
  std::size_t mark = 0;        // where the current part of it begins
};

struct RequestHead {
  std::string_view method;
  std::string_view target;
  std::uint8_t minor = 1;  // HTTP/1.<minor>
  FieldList fields;
  Body body = Body::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;  // what the client wants, by version and Connection
  bool expect_continue = false;
  std::size_t size = 0;  // bytes of the head, with the empty line
  HeadProgress progress;
  void reset() noexcept;  // must be called before the next head
};

struct ResponseHead {
  std::uint16_t status = 0;
  std::string_view reason;
  std::uint8_t minor = 1;
  FieldList fields;
  Body body = Body::until_close;
  std::uint64_t content_length = 0;
  bool has_content_length = false;  // also true where there is no body but a length is told: HEAD, 304
  bool keep_alive = true;           // may the connection be used again: never with until_close
  std::size_t size = 0;
  HeadProgress progress;
  void reset() noexcept;
};

// `bytes` starts at the first byte of the head. One empty line before the request line is skipped (RFC 9112
// section 2.2) and counted in `size`. On `refused`, `why` says what and nothing in `head` may be used. Both limits are
// inclusive; a target or head that passes its limit is refused at that byte. Expect is ignored in HTTP/1.0 if it is
// 100-continue.
Parse parse_request_head(std::string_view bytes, RequestHead& head, Refusal& why) noexcept;
// `request_method`: of the request this answers; HEAD and CONNECT decide about the framing (RFC 9112 section 6.3).
// A status below 100 is refused; 1xx, 204, 304, answers to HEAD and 2xx to CONNECT have no body.
Parse parse_response_head(std::string_view bytes, std::string_view request_method, ResponseHead& head,
                          Refusal& why) noexcept;

}  // namespace postern::wire
