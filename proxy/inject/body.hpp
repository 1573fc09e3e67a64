#pragma once
// Editing request bodies: pure functions that put one credential into a form or a JSON document. Internal to inject.
//
// They keep every byte that they need not touch, because the rest of a body is the caller's: numbers keep their digits,
// members their order, strings their escapes. What is returned holds a secret: the caller wipes it.
// Errors (all with pointer "/body") say what to send instead and quote nothing of the body.
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/inject/injection.hpp"

namespace postern::inject {

inline constexpr std::size_t kMaxBody = 64 * 1024 * 1024;  // bytes; limits.body_buffer is usually far below
inline constexpr int kMaxDepth = 128;                      // nesting of a JSON document
inline constexpr std::size_t kMaxTokens = 32;              // reference tokens of a JSON pointer

// The body is of this kind, or absent: content type, its charset and content coding allow editing it as ASCII text.
std::expected<void, Error> check_form_body(const Inputs& in);
std::expected<void, Error> check_json_body(const Inputs& in);

// application/x-www-form-urlencoded (WHATWG URL section 5): '+' for space, everything else outside ALPHA, DIGIT, "*-._"
// as %XX. Appends.
void append_form_encoded(std::string_view text, std::string& out);
// The body without any parameter of that name (compared decoded), with `pair` (already encoded) as its last one. A ';'
// that some servers would read as a separator in front of that name is an Error.
std::expected<std::string, Error> set_form_parameter(std::string_view body, std::string_view name,
                                                     std::string_view pair);

// The reference tokens of a JSON pointer (RFC 6901), unescaped. An error is one sentence.
std::expected<std::vector<std::string>, std::string> parse_pointer(std::string_view pointer);
// A JSON string (RFC 8259 section 7) with its quotes. Appends. REQUIRES: valid UTF-8.
void append_json_string(std::string_view text, std::string& out);
// What stands between the quotes of a JSON string, unescaped; a lone surrogate becomes three bytes that no valid UTF-8
// text has. REQUIRES: a string that was scanned.
std::string decode_json_string(std::string_view inside);
bool is_utf8(std::string_view text) noexcept;
// The document with `value` (JSON text) at that place. Missing objects are made and null counts as missing; an element
// of an array must be there; several members of the target's name become one. Errors: not JSON (RFC 8259), not an
// object at the root, too deep, too large, something else than an object or array on the way, a member on the way given
// twice.
std::expected<std::string, Error> set_json_value(std::string_view document, const std::vector<std::string>& tokens,
                                                 std::string_view value);

}  // namespace postern::inject
