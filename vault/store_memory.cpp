// The store without a disk: for tests, for `--dev`, and for connections that come from files.
#include <map>
#include <shared_mutex>

#include "vault/store.hpp"

namespace postern::vault {
namespace {

class MemoryStore final : public Store {
 public:
  std::string_view name() const override { return "memory"; }

  Result<Entry> get(std::string_view key) const override {
    const std::shared_lock lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return fail(Error::Code::not_found, "no such key in the store");
    return found->second;
  }

  Result<Page> scan(std::string_view prefix, std::string_view after, std::size_t limit) const override {
    const std::shared_lock lock(mutex_);
    Page page;
    auto at = after < prefix ? entries_.lower_bound(prefix) : entries_.upper_bound(after);
    for (; at != entries_.end() && at->first.starts_with(prefix); ++at) {
      if (page.entries.size() == limit) {
        page.has_more = true;
        break;
      }
      page.entries.push_back(at->second);
    }
    return page;
  }

  Result<Page> scan_back(std::string_view prefix, std::string_view before, std::size_t limit) const override {
    const std::shared_lock lock(mutex_);
    Page page;
    const std::string end = behind_prefix(prefix);
    auto at = !before.empty() ? entries_.lower_bound(before) : end.empty() ? entries_.end() : entries_.lower_bound(end);
    while (at != entries_.begin() && (--at)->first.starts_with(prefix)) {
      if (page.entries.size() == limit) {
        page.has_more = true;
        break;
      }
      page.entries.push_back(at->second);
    }
    return page;
  }

  using Store::commit_group;
  Group commit_group(std::span<const Batch* const> batches, const Epilogue& epilogue) override {
    const std::unique_lock lock(mutex_);
    Group group;
    GroupVersions versions([this](std::string_view key) -> Result<std::uint64_t> {
      const auto found = entries_.find(key);
      return found == entries_.end() ? 0 : found->second.version;
    });
    std::vector<std::pair<const Batch*, std::vector<std::uint64_t>>> fitting;
    for (const Batch* batch : batches) {
      auto moved = versions.admit(*batch);
      group.refused.push_back(moved ? std::nullopt : std::optional(moved.error()));
      if (!moved) continue;
      fitting.emplace_back(batch, std::move(*moved));
      group.commit = last_ + 1;
    }
    auto last = versions.admit_epilogue(epilogue, group);
    fitting.emplace_back(&last.batch, std::move(last.versions));
    if (group.commit == 0) return group;
    std::vector<std::string> keys;
    for (const auto& [batch, moved] : fitting) {
      for (std::size_t i = 0; i < batch->size(); ++i) apply((*batch)[i], moved[i], keys);
    }
    recent_.add(last_ = group.commit, std::move(keys));
    return group;
  }

  std::uint64_t last_commit() const override {
    const std::shared_lock lock(mutex_);
    return last_;
  }

  Feed changes(std::uint64_t after) const override { return recent_.after(after); }

  Result<std::uint64_t> checkpoint(const std::filesystem::path&) const override {
    return fail(Error::Code::invalid, "a store in memory cannot be copied to a directory");
  }

 private:
  void apply(const Write& write, std::uint64_t version, std::vector<std::string>& keys) {
    if (write.kind != Write::Kind::reseal) keys.push_back(write.key);
    if (write.kind == Write::Kind::erase) {
      entries_.erase(write.key);
    } else {
      entries_.insert_or_assign(write.key, Entry{write.key, write.value, version});
    }
  }

  mutable std::shared_mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::uint64_t last_ = 0;
  RecentChanges recent_{0};
};

}  // namespace

std::string behind_prefix(std::string_view prefix) {
  std::string key(prefix);
  while (!key.empty() && key.back() == '\xff') key.pop_back();
  if (!key.empty()) key.back() = static_cast<char>(static_cast<unsigned char>(key.back()) + 1);
  return key;
}

std::unique_ptr<Store> make_memory_store() {
  return std::make_unique<MemoryStore>();
}

Result<std::uint64_t> Store::commit(const Batch& batch) {
  const Batch* const one = &batch;
  return outcome_of(commit_group({&one, 1}));
}

Result<std::uint64_t> outcome_of(Group group) {
  if (group.refused.front()) return std::unexpected(std::move(*group.refused.front()));
  if (group.failed) return std::unexpected(std::move(*group.failed));
  return group.commit;
}

Result<std::vector<std::uint64_t>> GroupVersions::admit(const Batch& batch) {
  std::vector<std::uint64_t> versions;
  versions.reserve(batch.size());
  for (const auto& write : batch) {
    const auto moved = moved_.find(write.key);
    const auto now = moved == moved_.end() ? stored_(write.key) : moved->second;
    if (!now) return std::unexpected(now.error());
    if (write.expected != kAnyVersion && *now != write.expected) {
      return fail(Error::Code::conflict, "a record was changed by someone else meanwhile");
    }
    versions.push_back(write.kind == Write::Kind::erase ? 0 : write.kind == Write::Kind::reseal ? *now : *now + 1);
  }
  for (std::size_t i = 0; i < batch.size(); ++i) moved_.insert_or_assign(batch[i].key, versions[i]);
  return versions;
}

GroupVersions::Last GroupVersions::admit_epilogue(const Epilogue& epilogue, Group& group) {
  Last last;
  if (!epilogue || group.commit == 0) return last;
  last.batch = epilogue(group.refused);
  auto versions = admit(last.batch);
  if (versions) {
    last.versions = std::move(*versions);
    return last;
  }
  const Error misfit{Error::Code::corrupt,
                     "what is written with every group does not fit the store: " + versions.error().message};
  group.commit = 0;
  for (auto& refused : group.refused) {
    if (!refused) refused = misfit;
  }
  return {};
}

void RecentChanges::add(std::uint64_t commit, std::vector<std::string> keys) {
  Change change{commit, std::move(keys)};
  const std::scoped_lock lock(mutex_);
  last_ = commit;
  kept_.push_back(std::move(change));
  keys_ += kept_.back().keys.size();
  while (kept_.size() > kKept || (keys_ > kKeptKeys && kept_.size() > 1)) {
    keys_ -= kept_.front().keys.size();
    kept_.pop_front();
  }
}

Feed RecentChanges::after(std::uint64_t commit) const {
  const std::scoped_lock lock(mutex_);
  Feed feed;
  if (commit == last_) return feed;
  // Unknown past, or a number from the future (a store that was rolled back): either way, start afresh.
  if (commit > last_ || kept_.empty() || kept_.front().commit > commit + 1) {
    feed.complete = false;
    return feed;
  }
  for (const auto& change : kept_) {
    if (change.commit > commit) feed.changes.push_back(change);
  }
  return feed;
}

}  // namespace postern::vault
