#pragma once
// Text as a terminal shows it: how many cells it takes, a part of it that fits, and nothing in it that a terminal
// obeys. Pure, any thread. Text is UTF-8; a byte that is none counts as one cell. Widths: Unicode 14, East_Asian_Width.
#include <cstddef>
#include <string>
#include <string_view>

namespace postern::cli {

std::size_t cells(std::string_view text);
// The whole of it, or as much as fits, ending in "…".
std::string shortened(std::string_view text, std::size_t width);
// On one line, and what would drive a terminal or turn its text around is spelled out: "\u001b", "\u202e"; a byte
// that is no UTF-8: "\x9b". So a name cannot look like another, nor like our own words.
std::string printable(std::string_view text);

}  // namespace postern::cli
