#pragma once
// The row of doctor about interception: whether what is opted in can be. Pure, thread safe.
#include <cstdint>
#include <optional>
#include <string>

#include "config/settings.hpp"
#include "proxy/cli/doctor.hpp"

namespace postern::cli::offline {

// `ca`: the local CA's certificate, PEM; empty: there is none; nullopt: not known. `now`: seconds since 1970.
Check check_interception(const config::Settings& settings, const std::optional<std::string>& ca, std::int64_t now);

}  // namespace postern::cli::offline
