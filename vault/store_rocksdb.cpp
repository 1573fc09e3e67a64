#include "vault/store.hpp"

// The embedded store. Layout, in RocksDB's own key space:
//
//   "!commit"  := number of the last commit, 8 bytes, big endian
//   key        := version value          ; version: 8 bytes, big endian
//
// Settings are those measured against 7.8.3 in Debian's build: with the default recovery mode one flipped bit in the
// log silently drops records that were synced, so it is kTolerateCorruptedTailRecords; Resume() aborts the process, so
// automatic recovery is off and Resume() is never called: after a write error the store has to be opened again, which
// is the supervisor's business (supervised_store.hpp). What recovery finds in the log it writes to a table and syncs:
// so what the disk did not confirm, and is there after opening, is durable then. Reads do not take our lock; groups are
// written one at a time, for the version check and the commit number.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <optional>

namespace postern::vault {
namespace {

constexpr std::string_view kCommitKey = "!commit";
constexpr std::size_t kNumber = 8;

rocksdb::Slice slice(std::string_view view) {
  return {view.empty() ? "" : view.data(), view.size()};  // RocksDB compares by memcmp, which takes no null
}

std::string encode_number(std::uint64_t value) {
  std::string bytes(kNumber, '\0');
  for (std::size_t i = 0; i < kNumber; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i) & 0xffU);
  return bytes;
}

std::uint64_t decode_number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes.substr(0, kNumber)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::unexpected<Error> error_of(const rocksdb::Status& status, const std::filesystem::path& directory) {
  const std::string text = status.ToString();
  const std::string where = "the store " + directory.string();
  if (text.find("lock hold by") != std::string::npos || text.find("While lock file") != std::string::npos) {
    return fail(Error::Code::locked, where + " is held by another process: is postern running already? Stop it first");
  }
  if (text.find("issing WAL") != std::string::npos) {
    return fail(Error::Code::rolled_back, where + " lacks a write-ahead log that it had (" + text +
                                              "): restore it, or start with --accept-rollback");
  }
  if (status.IsCorruption()) return fail(Error::Code::corrupt, where + " is damaged: " + text);
  return fail(Error::Code::io, where + ": " + text);
}

// Drops everything: opening to look must not leave a log file behind.
class Silent final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options settings(const RocksdbOptions& wanted) {
  rocksdb::Options options;
  if (wanted.env != nullptr) options.env = wanted.env;
  options.create_if_missing = wanted.create;
  options.paranoid_checks = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = !wanted.may_lose_wal;
  options.max_bgerror_resume_count = 0;
  options.compression = rocksdb::kNoCompression;  // what is sealed does not compress
  // Small: the records are few and the proxy keeps what it uses in its own snapshot.
  options.write_buffer_size = 4 << 20;
  options.max_write_buffer_number = 2;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  options.max_file_opening_threads = 1;
  options.max_manifest_file_size = 1 << 20;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(4 << 20, 2);
  table.cache_index_and_filter_blocks = true;
  // In parts of a block each: those of a million connections are larger than the cache, and whole ones (300 KiB a
  // table) would be read again for nearly every key.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.metadata_block_size = 4096;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  // Quiet: no statistics, no timers, a short information log.
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.info_log_level = rocksdb::InfoLogLevel::ERROR_LEVEL;
  options.max_log_file_size = 256 << 10;
  options.keep_log_file_num = 2;
  return options;
}

// The lock that a running store holds, taken for a moment: to look, or to tidy, while nobody has the store open.
class Lock {
 public:
  explicit Lock(const std::filesystem::path& directory) {
    status_ = rocksdb::Env::Default()->LockFile((directory / "LOCK").string(), &lock_);
  }
  ~Lock() {
    if (lock_ != nullptr) static_cast<void>(rocksdb::Env::Default()->UnlockFile(lock_));
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  const rocksdb::Status& status() const { return status_; }

 private:
  rocksdb::FileLock* lock_ = nullptr;
  rocksdb::Status status_;
};

// Every start that writes nothing leaves an empty log behind, and RocksDB keeps them all until the next flush: a
// sidecar that is restarted for months would collect thousands (measured: one a start).
rocksdb::Status remove_empty_logs(const std::filesystem::path& directory) {
  const Lock lock(directory);
  if (!lock.status().ok()) return lock.status();
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    if (entry.path().extension() == ".log" && entry.is_regular_file(ignored) && entry.file_size(ignored) == 0) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
  return rocksdb::Status::OK();
}

Result<Entry> entry_of(std::string_view key, std::string_view stored, const std::filesystem::path& directory) {
  if (stored.size() < kNumber) {
    return fail(Error::Code::corrupt, "the store " + directory.string() + " holds a value without a version");
  }
  return Entry{std::string(key), std::string(stored.substr(kNumber)), decode_number(stored)};
}

Result<Entry> read(rocksdb::DB& db, std::string_view key, const std::filesystem::path& directory) {
  std::string stored;
  const auto status = db.Get(rocksdb::ReadOptions(), slice(key), &stored);
  if (status.IsNotFound()) return fail(Error::Code::not_found, "no such key in the store");
  if (!status.ok()) return error_of(status, directory);
  return entry_of(key, stored, directory);
}

class RocksdbStore final : public Store {
 public:
  RocksdbStore(std::unique_ptr<Lock> lock, std::unique_ptr<rocksdb::DB> db, std::filesystem::path directory,
               std::uint64_t last)
      : lock_(std::move(lock)), db_(std::move(db)), directory_(std::move(directory)), last_(last), recent_(last) {}

  std::string_view name() const override { return "rocksdb"; }

  Result<Entry> get(std::string_view key) const override { return read(*db_, key, directory_); }

  Result<Page> scan(std::string_view prefix, std::string_view after, std::size_t limit) const override {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
    at->Seek(slice(after < prefix ? prefix : after));
    if (!after.empty() && at->Valid() && at->key() == slice(after)) at->Next();
    Page page;
    for (; at->Valid() && at->key().starts_with(slice(prefix)); at->Next()) {
      const std::string_view key(at->key().data(), at->key().size());
      if (key == kCommitKey) continue;
      if (page.entries.size() == limit) {
        page.has_more = true;
        break;
      }
      auto entry = entry_of(key, {at->value().data(), at->value().size()}, directory_);
      if (!entry) return std::unexpected(entry.error());
      page.entries.push_back(std::move(*entry));
    }
    if (!at->status().ok()) return error_of(at->status(), directory_);
    return page;
  }

  Result<Page> scan_back(std::string_view prefix, std::string_view before, std::size_t limit) const override {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
    const std::string end = before.empty() ? behind_prefix(prefix) : std::string(before);
    if (end.empty()) {
      at->SeekToLast();
    } else {
      at->SeekForPrev(end);
      if (at->Valid() && at->key() == rocksdb::Slice(end)) at->Prev();
    }
    Page page;
    for (; at->Valid() && at->key().starts_with(slice(prefix)); at->Prev()) {
      const std::string_view key(at->key().data(), at->key().size());
      if (key == kCommitKey) continue;
      if (page.entries.size() == limit) {
        page.has_more = true;
        break;
      }
      auto entry = entry_of(key, {at->value().data(), at->value().size()}, directory_);
      if (!entry) return std::unexpected(entry.error());
      page.entries.push_back(std::move(*entry));
    }
    if (!at->status().ok()) return error_of(at->status(), directory_);
    return page;
  }

  using Store::commit_group;
  Group commit_group(std::span<const Batch* const> batches, const Epilogue& epilogue) override {
    const std::scoped_lock lock(write_);
    Group group;
    GroupVersions versions([this](std::string_view key) { return version_of(key); });
    rocksdb::WriteBatch writes;
    std::vector<std::string> keys;
    rocksdb::Status status;
    const auto add = [&](const Batch& batch, const std::vector<std::uint64_t>& moved) {
      for (std::size_t i = 0; i < batch.size() && status.ok(); ++i) {
        const Write& write = batch[i];
        if (write.kind != Write::Kind::reseal) keys.push_back(write.key);
        status = write.kind == Write::Kind::erase ? writes.Delete(slice(write.key))
                                                  : writes.Put(slice(write.key), encode_number(moved[i]) + write.value);
      }
    };
    for (const Batch* batch : batches) {
      const auto moved = versions.admit(*batch);
      group.refused.push_back(moved ? std::nullopt : std::optional(moved.error()));
      if (!moved) continue;
      group.commit = last_ + 1;
      add(*batch, *moved);
    }
    const auto last = versions.admit_epilogue(epilogue, group);
    if (group.commit == 0) return group;
    add(last.batch, last.versions);
    rocksdb::WriteOptions durable;
    durable.sync = true;
    if (status.ok()) status = writes.Put(slice(kCommitKey), encode_number(group.commit));
    if (status.ok()) status = db_->Write(durable, &writes);
    if (!status.ok()) {
      // Whatever it was, and whatever it is called: from here on nobody knows what the disk holds.
      group.failed = Error{Error::Code::io, "the store " + directory_.string() + ": " + status.ToString()};
      return group;
    }
    last_ = group.commit;
    recent_.add(group.commit, std::move(keys));
    return group;
  }

  std::uint64_t last_commit() const override { return last_; }

  Feed changes(std::uint64_t after) const override { return recent_.after(after); }

  Result<std::uint64_t> checkpoint(const std::filesystem::path& directory) const override {
    rocksdb::Checkpoint* made = nullptr;
    auto status = rocksdb::Checkpoint::Create(db_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    if (status.ok()) status = checkpoint->CreateCheckpoint(directory.string());
    if (!status.ok()) return error_of(status, directory);
    const auto number = peek_rocksdb_store({.directory = directory}, kCommitKey);
    if (!number) return std::unexpected(number.error());
    return number->version;  // it lies there like the version of an empty value
  }

 private:
  Result<std::uint64_t> version_of(std::string_view key) const {
    const auto entry = read(*db_, key, directory_);
    if (entry) return entry->version;
    if (entry.error().code == Error::Code::not_found) return std::uint64_t{0};
    return std::unexpected(entry.error());
  }

  const std::unique_ptr<Lock> lock_;  // of a read-only store, which takes none itself
  const std::unique_ptr<rocksdb::DB> db_;
  const std::filesystem::path directory_;
  std::mutex write_;  // held for one group
  std::atomic<std::uint64_t> last_;
  RecentChanges recent_;
};

Result<std::unique_ptr<Store>> opened_store(std::unique_ptr<Lock> lock, rocksdb::DB* opened,
                                            const rocksdb::Status& status, const std::filesystem::path& directory) {
  std::unique_ptr<rocksdb::DB> db(opened);
  if (!status.ok()) return error_of(status, directory);
  std::string number;
  const auto found = db->Get(rocksdb::ReadOptions(), slice(kCommitKey), &number);
  if (!found.ok() && !found.IsNotFound()) return error_of(found, directory);
  return std::make_unique<RocksdbStore>(std::move(lock), std::move(db), directory, decode_number(number));
}

// A read-only opening takes no lock, and would read from under a running process; so take it first.
Result<std::unique_ptr<Store>> open_to_read(const RocksdbOptions& wanted) {
  auto lock = std::make_unique<Lock>(wanted.directory);
  if (!lock->status().ok()) return error_of(lock->status(), wanted.directory);
  auto options = settings(wanted);
  options.create_if_missing = false;
  options.info_log = std::make_shared<Silent>();
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::OpenForReadOnly(options, wanted.directory.string(), &opened);
  return opened_store(std::move(lock), opened, status, wanted.directory);
}

}  // namespace

// RocksDB aborts the process where a full disk stops it in the middle of opening (measured, Debian's 7.8): so it is
// asked beforehand whether there is room for what opening writes, and whether it can be synced.
Result<void> probe_rocksdb_store(const RocksdbOptions& wanted) {
  rocksdb::Env& env = wanted.env != nullptr ? *wanted.env : *rocksdb::Env::Default();
  const std::string probe = (wanted.directory / "room.probe").string();
  std::unique_ptr<rocksdb::WritableFile> file;
  rocksdb::EnvOptions plain;
  auto status = env.NewWritableFile(probe, &file, plain);
  if (status.ok()) status = file->Append(std::string(256 * 1024, 'x'));
  if (status.ok()) status = file->Sync();
  if (file != nullptr) {
    const auto closed = file->Close();
    if (status.ok()) status = closed;
    const auto removed = env.DeleteFile(probe);
    if (status.ok()) status = removed;
  }
  if (status.ok()) return {};
  return fail(Error::Code::io, wanted.directory.string() + ": no room or no right to write there (" +
                                   status.ToString() + "); free some space on its disk and start again");
}

Result<std::unique_ptr<Store>> open_rocksdb_store(const RocksdbOptions& wanted) {
  if (wanted.read_only) return open_to_read(wanted);
  if (auto room = probe_rocksdb_store(wanted); !room) return std::unexpected(std::move(room.error()));
  if (const auto status = remove_empty_logs(wanted.directory); !status.ok()) return error_of(status, wanted.directory);
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::Open(settings(wanted), wanted.directory.string(), &opened);
  return opened_store(nullptr, opened, status, wanted.directory);
}

Result<Entry> peek_rocksdb_store(const RocksdbOptions& wanted, std::string_view key) {
  std::error_code ignored;
  if (!std::filesystem::exists(wanted.directory / "CURRENT", ignored)) {
    return fail(Error::Code::not_found, "there is no store in " + wanted.directory.string());
  }
  const auto store = open_to_read(wanted);
  if (!store) return std::unexpected(store.error());
  return (*store)->get(key);
}

}  // namespace postern::vault
