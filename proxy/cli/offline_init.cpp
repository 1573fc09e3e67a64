// init, and what run --dev makes on its first run.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>

#include "config/authority_names.hpp"
#include "proxy/cli/offline_settings.hpp"
#include "proxy/cli/stream.hpp"
#include "vault/authority.hpp"

namespace postern::cli::offline {
namespace {

namespace fs = std::filesystem;

// What was made so far, undone in reverse order unless it is kept.
class Undo {
 public:
  ~Undo() {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) (*step)();
  }
  void add(std::function<void()> step) { steps_.push_back(std::move(step)); }
  void keep() { steps_.clear(); }

 private:
  std::vector<std::function<void()>> steps_;
};

bool there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

Result<void> write_new(const fs::path& file, std::string_view text) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  const bool written =
      fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (written) return {};
  if (fd >= 0) unlink(file.c_str());
  return fail(Exit::failed,
              fmt::format("init: {}: {}; choose another place with --config", file.string(), std::strerror(error)));
}

// The settings file of this init: the one that is there, or a new one.
Result<fs::path> settle_config(const ConfigFile& config, bool& made, Undo& undo) {
  fs::path file = config.value_or("postern.yaml");
  if (!config && !there(file) && there("/etc/postern/postern.yaml")) file = "/etc/postern/postern.yaml";
  made = !there(file);
  if (!made) return file;
  std::error_code ignored;  // the write below says what is wrong
  if (const fs::path folder = file.parent_path(); !folder.empty() && fs::create_directories(folder, ignored))
    undo.add([folder] { rmdir(folder.c_str()); });
  if (auto written = write_new(file, config::default_settings_file()); !written)
    return std::unexpected(written.error());
  undo.add([file] { unlink(file.c_str()); });
  return file;
}

Result<void> make_state(const fs::path& state, Undo& undo) {
  std::error_code error;
  const bool fresh = !there(state);
  if (fresh && state.has_parent_path()) fs::create_directories(state.parent_path(), error);
  if (fresh && mkdir(state.c_str(), 0700) != 0) error = {errno, std::generic_category()};
  if (error)
    return fail(Exit::failed, fmt::format("init: {}: {}; choose another state", state.string(), error.message()));
  if (fresh) undo.add([state] { rmdir(state.c_str()); });
  return {};
}

// A key file is made if it is not there; whatever else the key comes from has to be there.
Result<void> make_key(const config::Settings& settings, bool& made, Undo& undo) {
  const fs::path& key = settings.key_file;
  made = !key.empty() && !there(key);
  if (!made) return {};
  if (auto file = vault::Vault::make_key_file(key); !file) return vault_failure("init", file.error());
  undo.add([key] { unlink(key.c_str()); });
  return {};
}

// Vault::create alone judges whether a vault is there: what an interrupted init left behind is not one. So only what
// was not there before is removed again.
Result<std::unique_ptr<vault::Vault>> make_vault(const config::Settings& settings, Undo& undo) {
  const fs::path database = settings.state / "vault", marker = settings.state / "marker";
  if (!there(database) && !there(marker))
    undo.add([database, marker] {
      std::error_code ignored;
      fs::remove_all(database, ignored);
      fs::remove(marker, ignored);
    });
  auto made = vault::Vault::create(vault_options(settings));
  if (!made) return vault_failure("init", made.error());
  return std::move(*made);
}

Result<void> refuse_memory(const config::Settings& settings) {
  if (settings.store != "memory") return {};
  return fail(Exit::failed, "init: vault.store: memory keeps nothing, so there is nothing to make; set it to rocksdb");
}

Result<std::vector<std::string>> names_of(const NewCa& wanted, const config::Settings& settings) {
  if (wanted.names.empty()) return config::authority_names(settings, {});
  std::vector<std::string> names{std::string(config::kInternalSuffix)};
  for (const std::string& given : wanted.names) {
    auto name = config::parse_authority_name(given);
    if (!name) return fail(Exit::usage, "init: --ca-names: " + name.error());
    names.push_back(std::move(*name));
  }
  return config::least_names(std::move(names));
}

// The fingerprint of what was made.
Result<std::string> make_ca(vault::Vault& vault, const std::vector<std::string>& names) {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  auto made = vault::Authority::create({.label = vault.id(), .names = names, .now = now});
  if (!made) return vault_failure("init", made.error());
  const auto ca = vault::Authority::look(made->certificate);
  if (!ca) return vault_failure("init", ca.error());
  vault::AuthorityRecord record;
  record.certificate = std::move(made->certificate);
  record.key = std::move(made->key);
  const auto stored =
      vault.put_authority(std::move(record), 0, told("ca.created", {{"fingerprint", (*ca)->fingerprint()}}));
  if (!stored) return vault_failure("init", stored.error());
  return (*ca)->fingerprint();
}

}  // namespace

Result<Initialized> init(const ConfigFile& config, const Environment& environment, const NewCa& ca) {
  Initialized made;
  Undo undo;
  auto file = settle_config(config, made.config_made, undo);
  if (!file) return std::unexpected(file.error());
  auto settings = load(*file, environment);
  if (!settings) return std::unexpected(settings.error());
  made.config = *file;
  made.state = settings->state;
  const auto names = names_of(ca, *settings);
  if (!names) return std::unexpected(names.error());
  if (auto sensible = refuse_memory(*settings); !sensible) return std::unexpected(sensible.error());
  if (auto free = refuse_running(made.state, "init"); !free) return std::unexpected(free.error());
  if (auto state = make_state(made.state, undo); !state) return std::unexpected(state.error());
  if (auto key = make_key(*settings, made.key_made, undo); !key) return std::unexpected(key.error());
  auto vault = make_vault(*settings, undo);
  if (!vault) return std::unexpected(vault.error());
  made.key = settings->key_file.empty() ? (*vault)->status().key_provider : settings->key_file.string();
  vault::Authorization administrator;
  administrator.organization = "";
  administrator.user = "admin";  // as whom the admin API lets system administrators act
  administrator.name = "init";
  administrator.capabilities = {"*"};
  administrator.connections = {"*"};
  auto token =
      (*vault)->create_authorization(std::move(administrator), told("authorization.created", {{"name", "init"}}));
  if (!token) return vault_failure("init", token.error());
  made.token = Hidden(token->token.expose());
  if (ca.wanted) {
    auto fingerprint = make_ca(**vault, *names);
    if (!fingerprint) return std::unexpected(fingerprint.error());
    made.ca = std::move(*fingerprint);
  }
  undo.keep();
  return made;
}

Result<RunArguments> prepare_dev(RunArguments arguments, const Environment& environment) {
  const auto load_dev = [&] {
    return config::load_settings(
        {.file = arguments.config, .environment = environment, .flags = arguments.settings, .dev = true});
  };
  auto settings = load_dev();
  if (settings && settings->file.empty() && !environment.contains("POSTERN__VAULT__KEY__FILE")) {
    arguments.settings.insert(arguments.settings.begin(),
                              {"vault.key.file", (settings->state / "master.key").string()});
    settings = load_dev();
  }
  if (!settings) return fail(Exit::config_invalid, settings.error().text());
  // With a vault there the daemon opens it; `exists` from create would mean the same.
  if (settings->store != "rocksdb" || there(settings->state / "vault")) return arguments;
  Undo undo;
  bool key_made = false;
  if (auto state = make_state(settings->state, undo); !state) return std::unexpected(state.error());
  if (auto key = make_key(*settings, key_made, undo); !key) return std::unexpected(key.error());
  if (auto made = make_vault(*settings, undo); !made) return std::unexpected(made.error());
  undo.keep();
  return arguments;
}

}  // namespace postern::cli::offline
