#pragma once
// Shared by the offline files, and by the daemon where it opens its vault. `dev`: as for `run --dev`, which lets the
// key lie in the state directory.
#include <map>
#include <string>

#include "config/settings.hpp"
#include "proxy/cli/offline.hpp"
#include "vault/vault.hpp"

namespace postern::cli::offline {

// The settings of a configuration, with their error as an exit code.
Result<config::Settings> load(const ConfigFile& file, const Environment& environment, bool dev = false);
// The same for a verb that looks for a daemon or its vault: as `run --dev` reads it, which may keep its key inside the
// state, or, where that may not listen as it says (off loopback), as `run` does.
Result<config::Settings> load_of_either(const ConfigFile& file, const Environment& environment);
// Where the master key comes from, as the vault wants to know it.
vault::KeySource key_source(const config::Settings& settings);
// What opens the vault of these settings.
vault::Options vault_options(const config::Settings& settings);
// Who runs this, and what they do: for the audit.
vault::Beside told(const char* action, std::map<std::string, std::string> detail = {});
// DESIGN section 10.
std::unexpected<Failure> vault_failure(const char* what, const vault::Error& error);
// store_locked, unless nobody answers on the state's admin socket. `what` is the verb.
Result<void> refuse_running(const std::filesystem::path& state, const char* what);

}  // namespace postern::cli::offline
