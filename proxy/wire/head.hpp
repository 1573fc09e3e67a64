#pragma once
// Strict parsers for request and response heads (RFC 9112; DESIGN section 5). Anything ambiguous is refused.
//
// Zero copy: all views point into the caller's buffer, which must stay put while the head is used. No allocation.
// Resumable: call again with the same (longer) bytes while the result is `more`; only new bytes are scanned for line
// ends. Thread safety: none needed, one object per connection.
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
  void clear() noexcept { count_ = 0; }
  std::size_t size() const noexcept { return count_; }
  std::span<Field> all() noexcept { return {fields_.data(), count_}; }
  std::span<const Field> all() const noexcept { return {fields_.data(), count_}; }
  // The first field with this id / name, or nullptr.
  const Field* find(FieldId id) const noexcept;
  const Field* find(std::string_view name) const noexcept;

 private:
  std::array<Field, kMaxFields> fields_;
  std::size_t count_ = 0;
};

struct RequestHead {
  std::string_view method;
  std::string_view target;
  std::uint8_t minor = 1;  // HTTP/1.<minor>
  FieldList fields;
  Body body = Body::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;       // what the client wants, by version and Connection
  bool expect_continue = false;
  std::size_t size = 0;         // bytes of the head, with the empty line
  // resumption state
  std::size_t scanned = 0, line = 0;
  void reset() noexcept;
};

struct ResponseHead {
  std::uint16_t status = 0;
  std::string_view reason;
  std::uint8_t minor = 1;
  FieldList fields;
  Body body = Body::until_close;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  std::size_t size = 0;
  std::size_t scanned = 0, line = 0;
  void reset() noexcept;
};

// `bytes` starts at the first byte of the head. One empty line before the request line is skipped (RFC 9112 2.2) and
// counted in `size`. On `refused`, `why` says what and nothing in `head` may be used.
Parse parse_request_head(std::string_view bytes, RequestHead& head, Refusal& why) noexcept;
// `for_head`/`for_connect`: the method of the request this answers, which decides the framing (RFC 9112 section 6.3).
Parse parse_response_head(std::string_view bytes, std::string_view request_method, ResponseHead& head, Refusal& why) noexcept;

}  // namespace postern::wire
