#pragma once
// The kind "field": values in places (header, query, cookie, form, json, path). What it refuses is told at Make.
#include "proxy/inject/injection.hpp"

namespace postern::inject {

std::expected<std::unique_ptr<Injection>, std::string> make_field(Recipe recipe);

}  // namespace postern::inject
