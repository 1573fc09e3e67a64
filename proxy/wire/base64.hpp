#pragma once
// Base64 as Basic credentials use it (RFC 4648 section 4, RFC 7617): strict, padding optional.
#include <optional>
#include <string>
#include <string_view>

namespace postern::wire {

// nullopt: a character outside the alphabet, padding in the wrong place, or leftover bits that are not zero.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace postern::wire
