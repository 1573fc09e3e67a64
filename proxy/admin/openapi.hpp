#pragma once
// openapi.yaml, as it was when this was built (embed.cmake).
#include <string_view>

namespace postern::admin {

std::string_view openapi_text();

}  // namespace postern::admin
