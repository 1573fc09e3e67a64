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

Group SupervisedStore::commit_group(std::span<const Batch* const> batches, const Epilogue& epilogue) {
  if (epilogue) {
    const Error refusal{Error::Code::invalid, "what goes along with a group here is the audit"};
    return {.commit = 0, .refused = std::vector<std::optional<Error>>(batches.size(), refusal), .failed = std::nullopt};
  }
  return gather_.commit(batches);
}

Result<std::uint64_t> SupervisedStore::commit(const Batch& batch, const Aside& aside) {
  const Batch* const one = &batch;
  return outcome_of(gather_.commit({&one, 1}, aside.empty() ? nullptr : &aside));
}

// What the head of a chain says is read before the store judges the group, in which nobody may read.
std::optional<Error> SupervisedStore::unprepared(const Aside* aside) {
  if (aside == nullptr || chain_ == nullptr) return std::nullopt;
  auto ready = chain_->prepare(*this, *aside);
  if (ready) return std::nullopt;
  return std::move(ready.error());
}

void SupervisedStore::flush(std::span<Gather::Waiting* const> waiting) {
  Work work;
  for (auto* one : waiting) {
    if (const auto why = unprepared(one->aside)) {
      one->outcome = Group{
          .commit = 0, .refused = std::vector<std::optional<Error>>(one->batches.size(), why), .failed = std::nullopt};
      continue;
    }
    work.batches.insert(work.batches.end(), one->batches.begin(), one->batches.end());
    work.asides.resize(work.batches.size(), nullptr);
    if (one->aside != nullptr) work.asides.back() = one->aside;
  }
  if (work.batches.empty()) return;
  const Group all = write(work);
  auto refused = all.refused.begin();
  for (auto* one : waiting) {
    if (one->outcome) continue;
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
Group SupervisedStore::write(const Work& work) {
  const auto refuse = [&](const Error& why) {
    return Group{
        .commit = 0, .refused = std::vector<std::optional<Error>>(work.batches.size(), why), .failed = std::nullopt};
  };
  for (int round = 0;; ++round) {
    if (state_ != State::ready) {
      return refuse({Error::Code::read_only, "the vault takes no writes at the moment: " + trouble()});
    }
    for (const Aside* aside : work.asides) {  // again after a failure: what the chain knew is forgotten
      if (const auto why = unprepared(aside)) return refuse(*why);
    }
    bool store_failed = false;
    Group group = write_once(work, store_failed);
    tell_chain(group);
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

void SupervisedStore::tell_chain(const Group& group) {
  if (chain_ == nullptr) return;
  if (group.failed) {
    chain_->forget();
  } else if (group.commit == 0) {
    chain_->refused();
  } else {
    chain_->written();
  }
}

Group SupervisedStore::write_once(const Work& work, bool& store_failed) {
  const auto chained = [&](std::span<const std::optional<Error>> refused) {
    std::vector<const Aside*> fitting;
    for (std::size_t i = 0; i < refused.size(); ++i) {
      if (!refused[i] && work.asides[i] != nullptr) fitting.push_back(work.asides[i]);
    }
    return chain_->chained(fitting);
  };
  const bool recorded = chain_ != nullptr && std::ranges::any_of(work.asides, [](const Aside* one) { return one; });
  Group group;
  {
    const std::shared_lock lock(store_mutex_);
    group = store_->commit_group(work.batches, recorded ? Epilogue(chained) : Epilogue());
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
