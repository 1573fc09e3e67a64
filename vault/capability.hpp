#pragma once
// The names of what an authorization can be allowed. Immutable, any thread.
#include <span>
#include <string_view>

namespace postern::vault {

// `*` and `system:*` stand for all of their level (permission.hpp).
std::span<const std::string_view> capabilities();

}  // namespace postern::vault
