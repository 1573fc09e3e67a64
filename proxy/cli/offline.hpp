#pragma once
// The verbs that need no daemon: they read the configuration and the catalog, and may make a vault.
//
// Only files named offline* know the rooms config/ and vault/; here nothing of theirs shows. Errors: config_invalid
// (78) with file:line:column, store_locked (75), failed. Thread safety: one thread.
#include <filesystem>
#include <string>
#include <vector>

#include "proxy/cli/failure.hpp"
#include "proxy/cli/hidden.hpp"
#include "proxy/cli/provider_form.hpp"
#include "proxy/cli/session.hpp"

namespace postern::cli::offline {

// Where the daemon of this configuration lives.
Result<Place> locate(const ConfigFile& config, const Environment& environment);

// The settings file that was checked, or "defaults" when there is none; the catalog is checked as well.
Result<std::string> validate(const ConfigFile& config, const Environment& environment);
// Every setting with its value: commented YAML, or nested as in the file, null where nothing is set.
Result<std::string> show(const ConfigFile& config, const Environment& environment);
Result<json::object> show_json(const ConfigFile& config, const Environment& environment);

// not_found with the closest id when there is no such provider.
Result<ProviderForm> provider(const ConfigFile& config, const Environment& environment, const std::string& id);
Result<std::vector<ProviderForm>> providers(const ConfigFile& config, const Environment& environment);
// What an authorization can be allowed, and the types an auth entry can have: the words themselves.
std::vector<std::string> capabilities();
std::vector<std::string> auth_types();
// Every mistake in these catalog files, one "file:line:column: what" each; none: they are sound.
std::vector<std::string> lint(const std::vector<std::filesystem::path>& files);

// The discovery documents that an OpenAPI document needs to be imported; `failed` with the place of what is wrong in
// it.
Result<std::vector<std::string>> discovery_of(const std::string& document, const ProviderImport& flags);

struct Initialized {
  std::filesystem::path config, state;
  std::string key;  // the key file, or what the key comes from instead
  bool config_made = false;
  bool key_made = false;
  Hidden token;  // of the first system authorization; shown once
};
// Makes what is missing of: settings file, state directory (0700), master key (0600), vault, first authorization. With
// a vault there already: `failed` (`store_locked` while a postern runs on it), and nothing is changed. After any
// failure what this call made is removed again, so that the next try starts afresh.
Result<Initialized> init(const ConfigFile& config, const Environment& environment);

// The vault without a daemon. store_locked while one has it; config_invalid when the key is not the vault's, with the
// id of the one it needs.
struct VaultReport {
  std::map<std::string, std::uint64_t> sound;            // records by type
  std::vector<std::pair<std::string, std::string>> bad;  // key of the store, what is wrong
};
Result<VaultReport> verify(const ConfigFile& config, const Environment& environment);
// The number of the last commit in it. `directory` is absolute and must not exist.
Result<std::uint64_t> backup(const ConfigFile& config, const Environment& environment,
                             const std::filesystem::path& directory);
// Makes the vault of a backup; `failed` where there is one already. Answers the state directory.
Result<std::filesystem::path> restore(const ConfigFile& config, const Environment& environment,
                                      const std::filesystem::path& backup);
struct MigrationReport {
  std::map<unsigned, std::uint64_t> formats;  // records by the format they were in
  std::uint64_t rewritten = 0;
};
Result<MigrationReport> migrate(const ConfigFile& config, const Environment& environment);
struct NewKey {  // exactly one
  std::string file, passphrase_file, credential;
  std::vector<std::string> exec;
};
struct Rewrapped {
  std::string provider, id;
};
Result<Rewrapped> rewrap(const ConfigFile& config, const Environment& environment, const NewKey& key);

// `run --dev`: makes the vault of the state directory on the first run, and without any settings file keeps its key
// inside it. Returns the arguments with the settings that follow from that.
Result<RunArguments> prepare_dev(RunArguments arguments, const Environment& environment);

}  // namespace postern::cli::offline
