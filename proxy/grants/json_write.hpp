#pragma once
// JSON objects of strings, written into one buffer that was reserved whole: no copy of a secret stays behind. Internal.
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace postern::grants {

// A member's place ("name" or a pointer "/auth/user") and its value, which is a string, or raw JSON where it says so.
struct JsonMember {
  std::string_view name, value;
  bool raw = false;
};
// The views must outlive the call. Two members of one place: the last one counts.
std::string write_json(const std::vector<JsonMember>& members);

}  // namespace postern::grants
