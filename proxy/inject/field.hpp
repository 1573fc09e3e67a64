#pragma once
// The kind "field": values in places (header, query, cookie, form, json, path). What it refuses is told at Make.
#include <optional>

#include "proxy/inject/injection.hpp"

namespace postern::inject {

std::expected<std::unique_ptr<Injection>, std::string> make_field(Recipe recipe);

// Why no credential may go into a header of this name, in one sentence; nullopt: it may.
std::optional<std::string> refuse_header_name(std::string_view name);

}  // namespace postern::inject
