// Backups. One is a directory: `vault/`, a checkpoint of the store, and `marker`, which says of which vault and commit
// it is, under the same HMAC as the vault's own. The marker is written last: a directory without one is no whole
// backup.
//
// A restore builds the vault in a directory beside its final place, opens it there as any start would, and moves it
// into place by rename, the store last: where that is interrupted there is still no vault, and it can be repeated.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "vault/files.hpp"
#include "vault/vault_impl.hpp"

namespace postern::vault {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> io(const std::string& what, const fs::path& where, const std::string& why) {
  return fail(Error::Code::io, what + " " + where.string() + ": " + why);
}

// Every file and directory below, and itself.
Result<void> sync_all(const fs::path& directory) {
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(directory, error)) {
    const bool folder = entry.is_directory(error);
    const File opened(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | (folder ? O_DIRECTORY : 0)));
    if (!opened || ::fsync(opened.get()) != 0) return io("cannot sync", entry.path(), std::strerror(errno));
  }
  if (error) return io("cannot sync", directory, error.message());
  if (!sync_directory(directory)) return io("cannot sync", directory, std::strerror(errno));
  return {};
}

// Removed at the end unless it was kept.
class Attempt {
 public:
  explicit Attempt(fs::path directory) : directory_(std::move(directory)) {}
  ~Attempt() {
    std::error_code ignored;
    if (!kept_) fs::remove_all(directory_, ignored);
  }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  void keep() { kept_ = true; }

 private:
  fs::path directory_;
  bool kept_ = false;
};

bool there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

// Only plain files, none of which anybody else may read.
Result<void> copy_store(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (::mkdir(to.c_str(), 0700) != 0) return io("cannot make", to, std::strerror(errno));
  for (const auto& entry : fs::directory_iterator(from, error)) {
    std::error_code failed;
    if (!entry.is_regular_file(failed) || entry.is_symlink(failed) || entry.path().filename() == "LOCK") continue;
    fs::copy_file(entry.path(), to / entry.path().filename(), failed);
    if (failed) return io("cannot copy", entry.path(), failed.message());
    fs::permissions(to / entry.path().filename(), fs::perms::owner_read | fs::perms::owner_write, failed);
  }
  if (error) return io("cannot read", from, error.message());
  return {};
}

Result<void> check_place(const Options& options, const fs::path& backup) {
  if (options.store == StoreKind::memory) {
    return fail(Error::Code::invalid, "vault.store: memory keeps nothing, so nothing can be restored into it");
  }
  std::error_code ignored;
  if (there(database(options.state)) && !fs::is_empty(database(options.state), ignored)) {
    return fail(Error::Code::exists, "there is a vault in " + options.state.string() +
                                         " already: it is kept; restore into another state directory");
  }
  if (!there(database(backup) / "CURRENT") || !there(marker_file(backup))) {
    return fail(Error::Code::not_found,
                "there is no whole backup in " + backup.string() + ": it has a folder vault and a file marker");
  }
  return {};
}

}  // namespace

Result<std::uint64_t> SealedVault::backup(const fs::path& directory) {
  if (!directory.is_absolute()) return fail(Error::Code::invalid, "the directory of a backup is named from the root");
  if (!options_.state.empty() && lies_under(directory, options_.state)) {
    return fail(Error::Code::invalid,
                directory.string() + " lies in the state directory: a backup belongs elsewhere, on another disk");
  }
  if (records_->store().name() == "memory") {
    return fail(Error::Code::invalid, "a vault in memory cannot be backed up: nothing outlives the process");
  }
  if (::mkdir(directory.c_str(), 0700) != 0) {
    if (errno == EEXIST) return fail(Error::Code::exists, directory.string() + " is there already: name a new one");
    return io("cannot make", directory, std::strerror(errno));
  }
  Attempt attempt(directory);
  const auto commit = records_->store().checkpoint(database(directory));
  if (!commit) return std::unexpected(commit.error());
  std::error_code ignored;
  fs::permissions(database(directory), fs::perms::owner_all, ignored);
  if (auto synced = sync_all(database(directory)); !synced) return std::unexpected(synced.error());
  if (auto marked = marker_of(directory, {}, records_->keyring()).replace(*commit, {}); !marked) {
    return std::unexpected(marked.error());
  }
  if (!sync_directory(directory) || !sync_directory(directory.parent_path())) {
    return io("cannot sync", directory, std::strerror(errno));
  }
  attempt.keep();
  return *commit;
}

Result<void> Vault::restore(const Options& options, const fs::path& backup) {
  if (auto fine = check_place(options, backup); !fine) return fine;
  if (auto outside = refuse_key_in_state(options, source_of(options)); !outside) return outside;
  const fs::path staging = options.state / "restoring";
  if (!make_private_directory(options.state)) return io("cannot make", options.state, std::strerror(errno));
  std::error_code error;
  fs::remove_all(staging, error);  // of an attempt that was interrupted
  if (::mkdir(staging.c_str(), 0700) != 0) return io("cannot make", staging, std::strerror(errno));
  const Attempt attempt(staging);
  if (auto copied = copy_store(database(backup), database(staging)); !copied) return copied;
  fs::copy_file(marker_file(backup), marker_file(staging), error);
  if (error) return io("cannot copy", marker_file(backup), error.message());
  {
    Options there_first = options;
    there_first.state = staging;
    there_first.accept_rollback = false;
    if (auto opened = open_restored(there_first); !opened) return opened;
  }
  if (auto synced = sync_all(staging); !synced) return synced;
  fs::remove(database(options.state), error);  // empty, or not there
  fs::rename(marker_file(staging), marker_file(options.state), error);
  if (!error) fs::rename(database(staging), database(options.state), error);
  if (error) return io("cannot move the vault to", options.state, error.message());
  if (!sync_directory(options.state)) return io("cannot sync", options.state, std::strerror(errno));
  return {};
}

}  // namespace postern::vault
