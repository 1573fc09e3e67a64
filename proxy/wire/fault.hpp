#pragma once
// Why bytes were refused, as a value. `detail` is a static sentence for the caller: it names the rule, never quotes
// input.
#include <cstdint>

namespace postern::wire {

enum class Fault : std::uint8_t {
  none,
  malformed,        // 400 malformed-request
  target_too_long,  // 414
  head_too_large,   // 431
  bad_version,      // 505
  bad_expectation,  // 417
};

struct Refusal {
  Fault fault = Fault::none;
  const char* detail = "";
};

}  // namespace postern::wire
