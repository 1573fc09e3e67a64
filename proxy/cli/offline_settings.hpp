#pragma once
// Shared by the offline files only: the settings of a configuration, with their error as an exit code. `dev`: as for
// `run --dev`, which lets the key lie in the state directory.
#include "config/settings.hpp"
#include "proxy/cli/offline.hpp"

namespace postern::cli::offline {

Result<config::Settings> load(const ConfigFile& file, const Environment& environment, bool dev = false);

}  // namespace postern::cli::offline
