#pragma once
// ETag and If-Match (RFC 9110 section 13.1.1): the entity tag is the record's version.
#include <cstdint>
#include <expected>
#include <string>

#include "proxy/admin/problem.hpp"

namespace postern::admin {

std::string etag(std::uint64_t version);  // "\"3\""
// 412 version-conflict when If-Match names other versions only; absent or `*` matches. Weak tags never match.
std::expected<void, Problem> check_if_match(const Request& request, std::uint64_t version);

}  // namespace postern::admin
