#pragma once
// host[:port] as it stands in a request target and in Host, normalized without allocation. Internal to this room; the
// rules are told in target.hpp.
#include <array>
#include <cstdint>
#include <string_view>

#include "proxy/wire/fault.hpp"

namespace postern::wire {

struct HostName {
  std::array<char, 254> bytes;  // 253, and a dot that was dropped
  std::size_t size = 0;
  bool ip_literal = false;
  bool internal_suffix = false;

  std::string_view text() const noexcept { return {bytes.data(), size}; }
};

// `port` is 0 when none is written.
Refusal read_host_port(std::string_view text, HostName& host, std::uint16_t& port) noexcept;

}  // namespace postern::wire
