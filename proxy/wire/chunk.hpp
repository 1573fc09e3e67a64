#pragma once
// Chunked transfer coding, decoded strictly (RFC 9112 section 7.1; DESIGN section 5). Incremental and allocation-free.
// Extensions are parsed (without white space around ';' and '=') and ignored, up to 4 KiB in all; trailers are parsed
// strictly, dropped and at most 8 KiB; one that names framing (Content-Length, Transfer-Encoding, Trailer) or Host is
// refused. A size is at most 16 digits and below 2^63. The verdict does not depend on how the bytes were split.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/wire/fault.hpp"

namespace postern::wire {

class ChunkDecoder {
 public:
  enum class State : std::uint8_t { more, data, end, refused };
  struct Step {
    State state = State::more;
    std::size_t consumed = 0;  // bytes of the input that are done with
    std::string_view data;     // body bytes, a view into the input; non-empty only with State::data
  };
  // Decodes the next piece of `in`. Call again with what is left until it says more (needs more input), end (the body
  // and its trailers are complete; what is left belongs to the next message) or refused (see why()).
  Step next(std::string_view in) noexcept;
  Refusal why() const noexcept { return why_; }
  void reset() noexcept { *this = ChunkDecoder{}; }

 private:
  enum class At : std::uint8_t {
    size_first,
    size,
    extension_first,
    extension_name,
    extension_value_first,
    extension_value,
    extension_quoted,
    extension_escaped,
    extension_after,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer,
    trailer_name,
    trailer_value,
    trailer_lf,
    end_lf,
    done,
    failed
  };
  // Each takes one byte and returns what is wrong with it, or nullptr.
  const char* step(char c) noexcept;
  const char* size_digit(char c) noexcept;
  const char* extension_byte(char c) noexcept;
  const char* trailer_byte(char c) noexcept;
  const char* count_extension() noexcept;

  At at_ = At::size_first;
  std::uint8_t digits_ = 0;      // of the size being read
  std::uint16_t name_size_ = 0;  // of the trailer name being read
  Refusal why_;
  std::uint64_t left_ = 0;        // of the current chunk's data
  std::uint32_t extensions_ = 0;  // bytes in all
  std::uint32_t trailer_bytes_ = 0;
  char name_[18] = {};  // its first bytes: enough for the longest name that is refused
};

// Writes "<hex size>\r\n" into `out` (at least 18 bytes) and returns its length.
std::size_t write_chunk_size(std::uint64_t size, char* out) noexcept;

}  // namespace postern::wire
