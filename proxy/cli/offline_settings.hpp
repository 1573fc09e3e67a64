#pragma once
// Shared by the offline files only: the settings of a configuration, with their error as an exit code.
#include "config/settings.hpp"
#include "proxy/cli/offline.hpp"

namespace postern::cli::offline {

Result<config::Settings> load(const ConfigFile& file, const Environment& environment);

}  // namespace postern::cli::offline
