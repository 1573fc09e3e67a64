// The vault of a configuration, without a daemon.
#include <fmt/format.h>

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
  return {.store = settings.store == "memory" ? vault::StoreKind::memory : vault::StoreKind::rocksdb,
          .state = settings.state,
          .key_file = {},
          .key = key_source(settings),
          .allow_key_in_state = settings.dev,
          .accept_rollback = false,
          .now_ms = {}};
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

Result<void> refuse_running(const std::filesystem::path& state, const char* what) {
  // Asking the socket touches nothing; opening the store would.
  std::error_code ignored;
  if (!std::filesystem::exists(state / "admin.sock", ignored) || !connect_unix(state / "admin.sock")) return {};
  return fail(Exit::store_locked, fmt::format("{}: {}: a running postern has this state; stop it, or choose another",
                                              what, state.string()));
}

}  // namespace postern::cli::offline
