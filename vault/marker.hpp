#pragma once
// The marker: a small file beside the store that says how far the store had come, and where. So a store which comes
// back older than it was (a deleted log, a restored directory) is noticed before it is believed, and one that was
// copied or carried to another machine is known to be a copy.
//
// Written and synced after each group of commits and before its acknowledgement, in place: one write, one fdatasync.
// So it is at most one commit behind the store (the crash between the two), and never ahead of it.
// Thread safety: none; the vault's one leader calls it.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "vault/error.hpp"
#include "vault/place.hpp"
#include "vault/provenance.hpp"

namespace postern::vault {

class Marker {
 public:
  // `authenticate` is HMAC-SHA-256 under the vault's marker subkey.
  using Authenticate = std::function<std::string(std::string_view bytes)>;
  // What it asks of the system; tests put failing disks and other machines here.
  struct System {
    System();  // the real one
    std::function<ssize_t(int, const void*, std::size_t, off_t)> write;
    std::function<int(int)> sync;
    std::function<Place(int)> place;
  };
  Marker(std::filesystem::path file, std::string vault_id, Authenticate authenticate, System system = {});

  // Judges the file against the store's last commit and, where they are the crash window apart, repairs it. A file that
  // was written in another place marks the vault as `copied`, an accepted disagreement as `rolled_back`.
  // Errors: rolled_back (missing, ahead, or more than one behind; not with `accept_rollback`), corrupt (its HMAC does
  // not fit: it was edited, or is another vault's; always), io.
  Result<void> check(std::uint64_t last_commit, bool accept_rollback, std::int64_t now_ms);
  // The store has committed `commit`. Durable when this returns. Errors: io; the same commit may be tried again.
  Result<void> advance(std::uint64_t commit);
  // Writes the whole file anew, for this place and with this mark. Errors: io; the old file is as it was.
  Result<void> replace(std::uint64_t commit, const Provenance& mark);

  const Provenance& provenance() const { return provenance_; }

  // The commit number a file claims, without any check: for a store whose keys are lost. nullopt: no such file.
  static std::optional<std::uint64_t> claimed(const std::filesystem::path& file);

 private:
  struct Slot;
  struct Judged;
  std::optional<Slot> read_slot(std::string_view text, std::size_t position) const;
  std::optional<Judged> judge(std::string_view text) const;
  std::string slot(std::uint64_t sequence, std::uint64_t commit) const;
  std::unexpected<Error> cannot_write() const;

  std::filesystem::path file_;
  std::string vault_id_;
  Authenticate authenticate_;
  System system_;
  Place place_;
  Provenance provenance_;
  std::uint64_t sequence_ = 0;  // of the newest slot
};

}  // namespace postern::vault
