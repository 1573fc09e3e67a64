#pragma once
// A fuzz target is one function over bytes. With POSTERN_FUZZ libFuzzer calls it, otherwise replay.cpp.
#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace postern::wire {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return size == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(data), size);
}

// An invariant: the input that breaks it is a finding.
inline void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace postern::wire
