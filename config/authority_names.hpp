#pragma once
// What a local CA is confined to. A name constraint holds for a name and all that is below it (RFC 5280 section
// 4.2.1.10), so a name counts only if nobody else registers names below it, and one below another adds nothing.
//
// Pure, thread safe. Errors are one-line texts without a place, as those of hosts.hpp.
#include <string>
#include <string_view>
#include <vector>

#include "config/hosts.hpp"
#include "config/settings.hpp"

namespace postern::config {

// A suffix under which every callers' host may be written (DESIGN section 5): it resolves nowhere.
inline constexpr std::string_view kInternalSuffix = "postern.internal";

// A host, *.suffix or address, without a port, in normal form: "*.suffix" is ".suffix" no more, but "suffix".
HostResult<std::string> parse_authority_name(std::string_view text);
// Each once, sorted, without those that lie below another.
std::vector<std::string> least_names(std::vector<std::string> names);
// intercept.hosts, these hosts (of connections; what could not be a name here is left out) and postern.internal.
std::vector<std::string> authority_names(const Settings& settings, const std::vector<std::string>& hosts);

}  // namespace postern::config
