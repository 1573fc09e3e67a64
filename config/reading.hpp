#pragma once
// What the readers of documents share before and around their parsers. Not part of the room's door. Pure functions, any
// thread.
#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "config/tree.hpp"

namespace postern::config {

// Parsers are left only through exceptions; this one carries our own error out of them.
struct Stop {
  Error error;
};

// Of the byte at `offset`, from 1 on; columns are characters of UTF-8.
std::pair<int, int> line_and_column(std::string_view text, std::size_t offset);
// yaml-cpp ends quietly at byte 4 and reads UTF-16 by its mark, so control characters are refused before it looks.
// `too_large`: what is said of more than `most` bytes. Absent: it may be read.
std::optional<Error> refuse_bytes(std::string_view text, std::string_view file, std::size_t most,
                                  const char* too_large);
// What `read` answers; what it throws becomes an error, with `otherwise` before the words of what nobody expected.
Result<Node> caught(std::string_view file, const char* otherwise, const std::function<Result<Node>()>& read);

}  // namespace postern::config
