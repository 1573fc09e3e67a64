#pragma once
// The parameters of a query or a form, as schemes that sort them need them. Pure, thread safe.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::inject {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// Names and values decoded (%XX, and '+' as a space: WHATWG URL section 5.1), in their order; one without '=' has an
// empty value, and what stands between two '&' without anything in it is none.
Parameters read_parameters(std::string_view text);
// "name=value&…", percent-encoded (RFC 3986: all but unreserved characters) and then sorted by bytes, by name first.
std::string sorted_parameters(const Parameters& parameters);
// RFC 3986 section 2.1; wire::percent_encode as a value.
std::string percent_encoded(std::string_view text);
// Letters of ASCII alone.
std::string lower_case(std::string_view text);
// "application/x-www-form-urlencoded", with or without parameters.
bool is_form(std::string_view content_type);

}  // namespace postern::inject
