#pragma once
// The marker: a small file beside the store that says how far the store had come, so that a store which comes back
// older than it was (a deleted log, a restored directory) is noticed before it is believed.
//
// Written and synced after each commit and before its acknowledgement; so it is at most one commit behind the store
// (the crash between the two), and never ahead of it. Thread safety: none; the vault calls it under its write lock.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "vault/error.hpp"

namespace postern::vault {

class Marker {
 public:
  // `authenticate` is HMAC-SHA-256 under the vault's marker subkey.
  using Authenticate = std::function<std::string(std::string_view bytes)>;
  Marker(std::filesystem::path file, std::string vault_id, Authenticate authenticate);

  // Judges the file against the store's last commit and, where they are the crash window apart, repairs it.
  // Errors: rolled_back (missing, ahead, or more than one behind; not with `accept_rollback`), corrupt (its HMAC does
  // not fit: it was edited, or is another vault's; always), io.
  Result<void> check(std::uint64_t last_commit, bool accept_rollback);
  // The store has committed `commit`. Durable when this returns. Errors: io.
  Result<void> advance(std::uint64_t commit);

  // The commit number a file claims, without any check: for a store whose keys are lost. nullopt: no such file.
  static std::optional<std::uint64_t> claimed(const std::filesystem::path& file);

 private:
  std::string line(std::uint64_t commit) const;

  std::filesystem::path file_;
  std::string vault_id_;
  Authenticate authenticate_;
};

}  // namespace postern::vault
