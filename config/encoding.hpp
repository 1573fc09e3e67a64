#pragma once
// Bytes as text, as templates and the grants write them. Pure, thread safe. Each answer is written into one buffer that
// was reserved whole, so that no smaller copy of a secret stays behind; the caller wipes it.
#include <string>
#include <string_view>

namespace postern::config {

std::string encode_base64(std::string_view bytes);     // RFC 4648 section 4, padded
std::string encode_base64url(std::string_view bytes);  // RFC 4648 section 5, without padding, as JWTs use it
std::string encode_hex(std::string_view bytes);        // lower case
std::string percent_encode(std::string_view bytes);    // RFC 3986: all but the unreserved characters
// application/x-www-form-urlencoded (WHATWG URL section 5; RFC 6749 appendix B): '+' for space.
std::string form_encode(std::string_view bytes);

}  // namespace postern::config
