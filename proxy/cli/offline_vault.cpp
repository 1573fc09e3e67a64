// The vault of a configuration, without a daemon.
#include <fmt/format.h>
#include <unistd.h>

#include "proxy/cli/offline_settings.hpp"
#include "proxy/cli/stream.hpp"

namespace postern::cli::offline {

vault::KeySource key_source(const config::Settings& settings) {
  return {.file = settings.key_file,
          .passphrase_file = settings.key_passphrase_file,
          .credential = settings.key_credential,
          .exec = settings.key_exec};
}

vault::Options vault_options(const config::Settings& settings) {
  vault::Options options;
  options.store = settings.store == "memory" ? vault::StoreKind::memory : vault::StoreKind::rocksdb;
  options.state = settings.state;
  options.key = key_source(settings);
  options.allow_key_in_state = settings.dev;
  options.audit_quota = settings.audit_quota;
  return options;
}

vault::Beside told(const char* action, std::map<std::string, std::string> detail) {
  vault::Event event;
  event.actor = fmt::format("uid-{}", ::geteuid());
  event.action = action;
  event.detail = std::move(detail);
  return {.event = std::move(event), .answer = std::nullopt};
}

std::unexpected<Failure> vault_failure(const char* what, const vault::Error& error) {
  using enum vault::Error::Code;
  const Exit exit = error.code == locked ? Exit::store_locked
                    : error.code == wrong_key || error.code == corrupt || error.code == rolled_back
                        ? Exit::config_invalid
                    : error.code == not_found ? Exit::not_found
                                              : Exit::failed;
  return fail(exit, fmt::format("{}: {}", what, error.message));
}

namespace {

constexpr std::size_t kPage = 1000;

Result<std::unique_ptr<vault::Vault>> open(const char* what, const ConfigFile& config, const Environment& environment) {
  // A key inside the state is `run --dev`'s, whose vault can be verified and copied like any other.
  auto settings = load_of_either(config, environment);
  if (!settings) return std::unexpected(settings.error());
  if (settings->store == "memory")
    return fail(Exit::failed, fmt::format("{}: vault.store: memory keeps nothing; there is no vault", what));
  auto opened = vault::Vault::open(vault_options(*settings));
  if (!opened) return vault_failure(what, opened.error());
  return std::move(*opened);
}

}  // namespace

Result<VaultReport> verify(const ConfigFile& config, const Environment& environment) {
  auto opened = open("verify", config, environment);
  if (!opened) return std::unexpected(opened.error());
  VaultReport report;
  std::string after;
  do {
    auto page = (*opened)->upkeep().verify(after, kPage);
    if (!page) return vault_failure("verify", page.error());
    for (const auto& [type, count] : page->sound) report.sound[type] += count;
    for (auto& one : page->bad) report.bad.emplace_back(std::move(one.key), std::move(one.what));
    after = std::move(page->next);
  } while (!after.empty());
  return report;
}

Result<std::uint64_t> backup(const ConfigFile& config, const Environment& environment,
                             const std::filesystem::path& directory) {
  auto opened = open("backup", config, environment);
  if (!opened) return std::unexpected(opened.error());
  const auto commit = (*opened)->upkeep().backup(directory);
  if (!commit) return vault_failure("backup", commit.error());
  const auto beside = told("vault.backed_up", {{"directory", directory.string()}, {"commit", std::to_string(*commit)}});
  if (auto kept = (*opened)->audit().append({*beside.event}); !kept) return vault_failure("backup", kept.error());
  return *commit;
}

Result<std::filesystem::path> restore(const ConfigFile& config, const Environment& environment,
                                      const std::filesystem::path& backup) {
  auto settings = load_of_either(config, environment);
  if (!settings) return std::unexpected(settings.error());
  if (auto free = refuse_running(settings->state, "restore"); !free) return std::unexpected(free.error());
  if (auto done = vault::Vault::restore(vault_options(*settings), backup); !done)
    return vault_failure("restore", done.error());
  return settings->state;
}

Result<MigrationReport> migrate(const ConfigFile& config, const Environment& environment) {
  auto opened = open("migrate", config, environment);
  if (!opened) return std::unexpected(opened.error());
  MigrationReport report;
  std::string after;
  do {
    auto page = (*opened)->upkeep().migrate(after, kPage);
    if (!page) return vault_failure("migrate", page.error());
    for (const auto& [format, count] : page->formats) report.formats[format] += count;
    report.rewritten += page->rewritten;
    after = std::move(page->next);
  } while (!after.empty());
  return report;
}

Result<Rewrapped> rewrap(const ConfigFile& config, const Environment& environment, const NewKey& key) {
  auto opened = open("rewrap", config, environment);
  if (!opened) return std::unexpected(opened.error());
  auto done = (*opened)->upkeep().rewrap(
      {.file = key.file, .passphrase_file = key.passphrase_file, .credential = key.credential, .exec = key.exec},
      told("keys.rewrapped"));
  if (!done) return vault_failure("rewrap", done.error());
  return Rewrapped{done->provider, done->master_key_id};
}

Result<void> refuse_running(const std::filesystem::path& state, const char* what) {
  // Asking the socket touches nothing; opening the store would.
  std::error_code ignored;
  if (!std::filesystem::exists(state / "admin.sock", ignored) || !connect_unix(state / "admin.sock")) return {};
  return fail(Exit::store_locked, fmt::format("{}: {}: a running postern has this state; stop it, or choose another",
                                              what, state.string()));
}

}  // namespace postern::cli::offline
