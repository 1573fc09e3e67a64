#pragma once
// Where sealed records lie: an ordered map from keys to versioned values, with atomic batches.
//
// A store knows nothing of keys, records or scopes: it is the part that may be replaced, and the one that an attacker
// is assumed to be able to write. Every store passes the same contract suite (tests/unit/vault/store_contract.cpp).
// Thread safety: any thread, all methods; they may block on the disk. Ownership: results are copies.
// Absence: `not_found` from get(). Keys are not empty and do not begin with '!'.
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/error.hpp"

namespace rocksdb {
class Env;
}

namespace postern::vault {

struct Entry {
  std::string key;
  std::string value;
  std::uint64_t version = 0;  // 1 for a new key, one more with every put
};

// One step of a batch. `expected` is the version the key must have now; 0: the key must be absent; kAnyVersion: do not
// look. A key appears once in a batch. `reseal` is a put that keeps the version and is no change to those who follow
// the feed: the same record in other bytes; its `expected` is the version that is there.
inline constexpr std::uint64_t kAnyVersion = ~std::uint64_t{0};
struct Write {
  enum class Kind { put, erase, reseal };
  Kind kind = Kind::put;
  std::string key;
  std::string value;  // of a put
  std::uint64_t expected = kAnyVersion;
};
using Batch = std::vector<Write>;

// What became of batches that were committed together.
struct Group {
  std::uint64_t commit = 0;  // the number of the group; 0: no batch of it fitted, nothing was written
  std::vector<std::optional<Error>>
      refused;                  // for each batch: conflict or corrupt, and it was left out; absent: it fits
  std::optional<Error> failed;  // io: whether those that fit were written is unknown
};

Result<std::uint64_t> outcome_of(Group group);  // of a group of one: its commit number

// What is written with the batches of a group, made once it is known which of them fit (as in Group::refused), so that
// it may depend on that. Asked once, and not at all where none fits. Must not call the store.
using Epilogue = std::function<Batch(std::span<const std::optional<Error>> refused)>;

struct Page {
  std::vector<Entry> entries;  // in the order of their keys, as bytes
  bool has_more = false;
};

// What changed after a commit. `complete` is false when the feed no longer reaches back that far: whoever follows it
// must forget everything it knows.
struct Change {
  std::uint64_t commit = 0;
  std::vector<std::string> keys;
};
struct Feed {
  std::vector<Change> changes;  // oldest first
  bool complete = true;
};

class Store {
 public:
  virtual ~Store() = default;
  virtual std::string_view name() const = 0;

  // Errors: not_found, io, corrupt.
  virtual Result<Entry> get(std::string_view key) const = 0;
  // The keys with this prefix that come after `after` (a whole key; empty: from the first), at most `limit`.
  virtual Result<Page> scan(std::string_view prefix, std::string_view after, std::size_t limit) const = 0;
  // The same from the other end: those that come before `before` (empty: from the last), the last of them first.
  virtual Result<Page> scan_back(std::string_view prefix, std::string_view before, std::size_t limit) const = 0;
  // Each batch whole or not at all, and all that fit as one commit, durable when this returns. They are judged in their
  // order, each as if those before it had been written: of two writers of one version the second has a conflict, and
  // the others do not notice. The group's commit number is one more than the last. An epilogue that does not fit is
  // `corrupt`, for all of the group: nothing is written.
  virtual Group commit_group(std::span<const Batch* const> batches, const Epilogue& epilogue) = 0;
  Group commit_group(std::span<const Batch* const> batches) { return commit_group(batches, {}); }
  // A group of one. Errors: conflict (a version is not the expected one) and corrupt (a key of the batch is damaged),
  // where nothing is written; io, where the outcome is unknown; read_only.
  Result<std::uint64_t> commit(const Batch& batch);
  // The number of the last commit; 0: none yet.
  virtual std::uint64_t last_commit() const = 0;
  virtual Feed changes(std::uint64_t after) const = 0;
  // A copy of everything up to some commit, in a directory that must not exist, while others read and write. Answers
  // the number of that commit. Errors: invalid (a store without a disk), io.
  virtual Result<std::uint64_t> checkpoint(const std::filesystem::path& directory) const = 0;
};

// The recent past of a store with one writing process: the last kKept commits, fewer where they are large. Thread safe.
class RecentChanges {
 public:
  static constexpr std::size_t kKept = 1024;
  static constexpr std::size_t kKeptKeys = 64 * 1024;
  explicit RecentChanges(std::uint64_t last_commit) : last_(last_commit) {}
  void add(std::uint64_t commit, std::vector<std::string> keys);
  Feed after(std::uint64_t commit) const;

 private:
  mutable std::mutex mutex_;
  std::uint64_t last_;
  std::deque<Change> kept_;
  std::size_t keys_ = 0;  // in all of them
};

// The versions that keys have while a group is judged: the store's own, and over them those of the batches before.
class GroupVersions {
 public:
  using Stored = std::function<Result<std::uint64_t>(std::string_view key)>;  // 0: absent
  explicit GroupVersions(Stored stored) : stored_(std::move(stored)) {}
  // The versions that the batch's writes lead to (0: erased), which count from now on; or why it does not fit.
  Result<std::vector<std::uint64_t>> admit(const Batch& batch);
  // The epilogue of a group that `group` says the rest of, after all its batches, and its versions. Where it does not
  // fit, none of the group does.
  struct Last {
    Batch batch;
    std::vector<std::uint64_t> versions;
  };
  Last admit_epilogue(const Epilogue& epilogue, Group& group);

 private:
  Stored stored_;
  std::map<std::string, std::uint64_t, std::less<>> moved_;
};
// The first key that comes after every key with this prefix; empty: there is none.
std::string behind_prefix(std::string_view prefix);

std::unique_ptr<Store> make_memory_store();

// The directory exists. `may_lose_wal`: open although a write-ahead log that the manifest names is gone
// (--accept-rollback). `read_only`: nothing is written, commits are refused. `env`: where tests inject faults; absent:
// the system's. Errors: locked, rolled_back (a missing log), corrupt, io.
struct RocksdbOptions {
  std::filesystem::path directory;
  bool create = false;
  bool may_lose_wal = false;
  bool read_only = false;
  rocksdb::Env* env = nullptr;
};
Result<std::unique_ptr<Store>> open_rocksdb_store(const RocksdbOptions& options);
// Whether the directory takes what opening and writing need; RocksDB ends the process where opening meets a full disk.
// Errors: io.
Result<void> probe_rocksdb_store(const RocksdbOptions& options);
// Reads one key of a store without writing anything to its directory. Errors: as above, and not_found, for the key as
// for the store.
Result<Entry> peek_rocksdb_store(const RocksdbOptions& options, std::string_view key);

}  // namespace postern::vault
