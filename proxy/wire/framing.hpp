#pragma once
// What a complete head means: framing, persistence, and the fields that may come only once (RFC 9112 sections 6 and 9;
// DESIGN section 5). Internal: the second half of the two parsers in head.hpp.
#include "proxy/wire/head.hpp"

namespace postern::wire {

// Fault::none if the head may be used; then the members that follow from its fields are set.
Refusal judge_request(RequestHead& head) noexcept;
Refusal judge_response(std::string_view request_method, ResponseHead& head) noexcept;

}  // namespace postern::wire
