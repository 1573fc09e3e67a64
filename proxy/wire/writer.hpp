#pragma once
// Builds heads; never copies them. A name or value that could break the framing cannot be written: append functions
// return false and write nothing for CR, LF, NUL and CTL (DESIGN section 5).
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::wire {

class HeadWriter {
 public:
  explicit HeadWriter(std::string& out) noexcept : out_(out) {}  // appends; capacity is the caller's to keep
  [[nodiscard]] bool request_line(std::string_view method, std::string_view target);
  [[nodiscard]] bool status_line(std::uint16_t status, std::string_view reason);
  [[nodiscard]] bool field(std::string_view name, std::string_view value);
  // For names and values that the strict parser has let through from the same kind of head: only appends.
  void parsed_field(std::string_view name, std::string_view value);
  void content_length(std::uint64_t length);
  void end();  // the empty line

 private:
  std::string& out_;
};

// The reason phrase of a status code; "" if unknown.
std::string_view reason_phrase(std::uint16_t status) noexcept;

}  // namespace postern::wire
