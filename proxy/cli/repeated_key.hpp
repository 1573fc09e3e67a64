#pragma once
// A member that a JSON text names twice. Parsers keep the last one and say nothing; the API refuses it, and so do files
// and flags here. Pure, any thread. Absence: no object names one twice, or the text is no JSON (its parser says so).
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postern::cli {

struct RepeatedKey {
  std::size_t byte = 0;  // where its second name ends
  std::string what;      // "the key 'app' is there twice"; a name that is none of ours is not repeated
};
std::optional<RepeatedKey> repeated_key(std::string_view json);

}  // namespace postern::cli
