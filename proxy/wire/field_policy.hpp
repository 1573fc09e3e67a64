#pragma once
// Which fields stay, by direction (DESIGN section 5 "What leaves and what comes back"; RFC 9110 section 7.6.1). Pure
// tables.
#include <string_view>

#include "proxy/wire/field.hpp"

namespace postern::wire {

// Connection-level fields and ours: never forwarded in either direction, credential or not. Framing (Content-Length,
// Transfer-Encoding), Host and Connection are rebuilt by the writer and so count here too.
bool is_hop_by_hop(FieldId id) noexcept;
// Places where a caller could put a credential of its own, and routing overrides: removed from a credentialled request.
// `pass` (lower-case names the catalog entry lets through) is the caller's to check.
bool is_stripped_with_credential(FieldId id) noexcept;
// Dropped from the answer to a credentialled request.
bool is_dropped_from_answer(FieldId id) noexcept;
// A field name that, with '_' read as '-', is Content-Length, Transfer-Encoding, Host or X-Connection-Id but is not
// spelled so: refused (some servers treat both alike).
bool is_underscore_spelling(std::string_view name, std::string_view canonical) noexcept;
// Query parameters removed from a credentialled request unless passed: access_token, api_key, key.
bool is_stripped_query_parameter(std::string_view name) noexcept;

}  // namespace postern::wire
