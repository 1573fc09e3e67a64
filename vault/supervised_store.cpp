#include "vault/supervised_store.hpp"

#include <algorithm>

namespace postern::vault {

SupervisedStore::SupervisedStore(std::unique_ptr<Store> store, std::optional<Marker> marker, Repair repair)
    : name_(store->name()),
      repair_(std::move(repair)),
      store_(std::move(store)),
      marker_(std::move(marker)),
      last_(store_->last_commit()),
      gather_([this](auto waiting) { flush(waiting); }) {}

SupervisedStore::~SupervisedStore() = default;  // repairer_ is asked to stop, and waited for

Result<Entry> SupervisedStore::get(std::string_view key) const {
  const auto lock = reading();
  return store_ ? store_->get(key) : closed();
}

Result<Page> SupervisedStore::scan(std::string_view prefix, std::string_view after, std::size_t limit) const {
  const auto lock = reading();
  return store_ ? store_->scan(prefix, after, limit) : closed();
}

Result<Page> SupervisedStore::scan_back(std::string_view prefix, std::string_view before, std::size_t limit) const {
  const auto lock = reading();
  return store_ ? store_->scan_back(prefix, before, limit) : closed();
}

Feed SupervisedStore::changes(std::uint64_t after) const {
  const auto lock = reading();
  return store_ ? store_->changes(after) : Feed{.changes = {}, .complete = false};
}

Result<std::uint64_t> SupervisedStore::checkpoint(const std::filesystem::path& directory) const {
  const auto lock = reading();
  return store_ ? store_->checkpoint(directory) : closed();
}

// Readers that come while the store is being replaced stay outside its lock, or it might never be free.
std::shared_lock<std::shared_mutex> SupervisedStore::reading() const {
  if (state_ == State::reopen) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return state_ != State::reopen; });
  }
  return std::shared_lock(store_mutex_);
}

Group SupervisedStore::commit_group(std::span<const Batch* const> batches) {
  return gather_.commit(batches);
}

void SupervisedStore::flush(std::span<Gather::Waiting* const> waiting) {
  std::vector<const Batch*> batches;
  for (const auto* one : waiting) batches.insert(batches.end(), one->batches.begin(), one->batches.end());
  const Group all = write(batches);
  auto refused = all.refused.begin();
  for (auto* one : waiting) {
    const auto end = refused + static_cast<std::ptrdiff_t>(one->batches.size());
    Group mine{.commit = all.commit, .refused = {refused, end}, .failed = all.failed};
    if (std::ranges::all_of(mine.refused, [](const auto& error) { return error.has_value(); })) {
      mine.commit = 0;
      mine.failed = std::nullopt;
    }
    one->outcome = std::move(mine);
    refused = end;
  }
}

// What is known not to have been written is written once more; after that the disk is not to be trusted.
Group SupervisedStore::write(std::span<const Batch* const> batches) {
  for (int round = 0;; ++round) {
    if (state_ != State::ready) {
      const Error refusal{Error::Code::read_only, "the vault takes no writes at the moment: " + trouble()};
      return {
          .commit = 0, .refused = std::vector<std::optional<Error>>(batches.size(), refusal), .failed = std::nullopt};
    }
    bool store_failed = false;
    Group group = write_once(batches, store_failed);
    if (!group.failed) return group;
    switch (outlive(group.commit, store_failed, *group.failed)) {
      case Found::written:
        group.failed = std::nullopt;
        return group;
      case Found::not_written:
        if (round == 0) continue;
        group.failed->message += "; nothing of this was written";
        return group;
      case Found::unknown:
        group.failed->message += "; whether this was written is not known until the vault is READY again";
        return group;
    }
  }
}

Group SupervisedStore::write_once(std::span<const Batch* const> batches, bool& store_failed) {
  Group group;
  {
    const std::shared_lock lock(store_mutex_);
    group = store_->commit_group(batches);
  }
  store_failed = group.failed.has_value();
  if (store_failed || group.commit == 0) return group;
  if (auto marked = mark(group.commit); !marked) {
    group.failed = std::move(marked.error());
  } else {
    last_ = group.commit;
  }
  return group;
}

Result<void> SupervisedStore::mark(std::uint64_t commit) {
  const std::scoped_lock lock(marker_mutex_);
  return marker_ ? marker_->advance(commit) : Result<void>();
}

// Begins the repair, and waits for its first attempt.
SupervisedStore::Found SupervisedStore::outlive(std::uint64_t unknown, bool store_failed, const Error& why) {
  repairer_ = {};  // that of an earlier failure, which has ended or is about to
  std::unique_lock lock(mutex_);
  unknown_ = unknown;
  store_failed_ = store_failed;
  attempts_ = 0;
  state_ = State::read_only;
  trouble_ = why.message;
  repairer_ = std::jthread([this](const std::stop_token& stop) { repair(stop); });
  changed_.wait_for(lock, kPatience, [this] { return attempts_ != 0; });
  if (state_ != State::ready) return Found::unknown;
  return found_ ? Found::written : Found::not_written;
}

void SupervisedStore::repair(const std::stop_token& stop) {
  for (auto pause = repair_.first_pause; !stop.stop_requested();) {
    const bool ready = attempt();
    std::unique_lock lock(mutex_);
    ++attempts_;
    if (ready) {
      state_ = State::ready;
      trouble_.clear();
    }
    changed_.notify_all();
    if (ready || lost_) return;
    changed_.wait_for(lock, stop, pause, [] { return false; });
    pause = std::min(pause * 2, repair_.longest_pause);
  }
}

// True: the store is open, holds what it should, and is marked.
bool SupervisedStore::attempt() {
  if (store_failed_ && !reopen()) return false;
  const std::uint64_t now = store_->last_commit();
  if (now != last_ && now != unknown_) {
    lost_ = true;
    enter(State::read_only, "the store came back at commit " + std::to_string(now) + ", but " + std::to_string(last_) +
                                " was acknowledged: it was rolled back; put the newest state directory back and start "
                                "postern again");
    return false;
  }
  if (now == unknown_) {
    if (const auto marked = mark(now); !marked) {
      enter(State::read_only, marked.error().message);
      return false;
    }
  }
  found_ = now == unknown_;
  last_ = now;
  if (repair_.reopened) repair_.reopened();
  return true;
}

bool SupervisedStore::reopen() {
  if (!repair_.open) return false;
  if (const auto room = repair_.probe(); !room) {
    enter(State::read_only, room.error().message);
    return false;
  }
  enter(State::reopen, "the store is being opened again");
  std::string trouble;
  {
    const std::unique_lock lock(store_mutex_);
    store_.reset();
    auto opened = repair_.open(false);
    if (!opened) {
      trouble = opened.error().message;
      opened = repair_.open(true);
    } else {
      store_failed_ = false;
    }
    if (opened) store_ = std::move(*opened);
  }
  enter(State::read_only, trouble);
  return trouble.empty();
}

void SupervisedStore::enter(State state, std::string trouble) {
  const std::scoped_lock lock(mutex_);
  state_ = state;
  if (!trouble.empty()) trouble_ = std::move(trouble);
  changed_.notify_all();
}

std::string SupervisedStore::trouble() const {
  const std::scoped_lock lock(mutex_);
  return trouble_;
}

std::unexpected<Error> SupervisedStore::closed() const {
  return fail(Error::Code::io, "the store is closed: " + trouble());
}

Provenance SupervisedStore::provenance() const {
  const std::scoped_lock lock(marker_mutex_);
  return marker_ ? marker_->provenance() : Provenance();
}

Result<void> SupervisedStore::accept_copy() {
  const std::scoped_lock lock(marker_mutex_);
  if (state_ != State::ready)
    return fail(Error::Code::read_only, "the vault takes no writes at the moment: " + trouble());
  return marker_ ? marker_->replace(last_, {}) : Result<void>();
}

const char* to_string(SupervisedStore::State state) {
  switch (state) {
    case SupervisedStore::State::ready:
      return "READY";
    case SupervisedStore::State::read_only:
      return "READ_ONLY";
    case SupervisedStore::State::reopen:
      return "REOPEN";
  }
  return "";
}

}  // namespace postern::vault
