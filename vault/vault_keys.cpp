// Rotation of the data keys, and of the master key above them.
//
//   none ── rotate() ──► resealing ── end of the pass ──► verifying ── a whole pass found nothing ──► done
//                            ▲                                │
//                            └── (a kill: goes on there) ─────┴── records that do not open ──► incomplete
//
// rotate() is one batch: the new key, the header that names it, and the state as a record of its own. While it is
// written no other commit runs, and commit() seals anew whatever was sealed before; so once it is durable nothing is
// stored under an old key any more. Each step writes the records that it sealed anew together with how far it came. The
// last one removes the old keys in the batch that says "done".
//
// A record sealed anew keeps its version: it is the same record, and the version of a credential is its generation.
// That the version is the one that was read is checked all the same, so that whoever changes the record meanwhile wins.
#include <algorithm>

#include "vault/encoding.hpp"
#include "vault/vault_impl.hpp"

namespace postern::vault {
namespace {

constexpr Path kRotation{"rotation", {}, {}, "current"};
constexpr std::size_t kPage = 1000;

}  // namespace

const char* to_string(Rotation::State state) {
  switch (state) {
    case Rotation::State::none:
      return "NONE";
    case Rotation::State::resealing:
      return "RESEALING";
    case Rotation::State::verifying:
      return "VERIFYING";
    case Rotation::State::done:
      return "DONE";
    case Rotation::State::incomplete:
      return "INCOMPLETE";
  }
  return "";
}

std::shared_ptr<const KeyProvider> SealedVault::provider() const {
  const std::scoped_lock lock(provider_mutex_);
  return provider_;
}

Result<Found<RotationRecord>> SealedVault::rotation() const {
  {
    const std::scoped_lock lock(rotation_mutex_);
    if (rotation_) return *rotation_;
  }
  auto stored = records_->read<RotationRecord>(kRotation);
  if (!stored && stored.error().code == Error::Code::not_found) return Found<RotationRecord>{};
  return stored;
}

// nullopt: a write has failed, and what lies in the store is not known any more.
void SealedVault::remember(std::optional<Found<RotationRecord>> state) {
  const std::scoped_lock lock(rotation_mutex_);
  rotation_ = std::move(state);
}

Result<KeyStatus> SealedVault::keys() const {
  const auto state = rotation();
  if (!state) return std::unexpected(state.error());
  const auto provider_now = provider();
  return KeyStatus{.provider = provider_now->describe(),
                   .master_key_id = provider_now->id(),
                   .data_keys = records_->keyring().describe(),
                   .rotation = state->record.progress};
}

Result<Rotation> SealedVault::rotate(const Beside& beside) {
  const std::scoped_lock lock(upkeep_);
  auto state = rotation();
  if (!state) return std::unexpected(state.error());
  if (state->record.progress.running()) {
    return fail(Error::Code::conflict, "a rotation of the data keys is running already: wait for its end");
  }
  const auto alone = records_->pause();
  auto next = records_->keyring().next(records_->store(), *provider(), now_ms_());
  if (!next) return std::unexpected(next.error());
  RotationRecord begun;
  begun.progress.state = Rotation::State::resealing;
  begun.progress.key_id = hex(next->id);
  begun.progress.started = now_ms_();
  Batch batch = std::move(next->writes);
  batch.push_back(records_->put(kRotation, encode(begun), state->version));
  if (const auto done = records_->write(batch, beside); !done) {
    remember(std::nullopt);
    // After `io` it may have been written all the same: then the key is needed, see agree_with().
    if (done.error().code != Error::Code::io) records_->keyring().remove({next->id});
    return std::unexpected(done.error());
  }
  records_->keyring().activate(next->id);
  remember(Found<RotationRecord>{begun, state->version + 1});
  return begun.progress;
}

// A rotation whose beginning was written although nobody could be told so: the key that it made seals from now on.
Result<void> SealedVault::agree_with(const Rotation& progress) {
  if (records_->keyring().active_key_id() == progress.key_id) return {};
  const auto id = decode_hex(progress.key_id).value_or("");
  if (!records_->keyring().knows(id)) {
    return fail(Error::Code::corrupt, "the data key of the rotation is not there: start postern again");
  }
  const auto alone = records_->pause();
  records_->keyring().activate(id);
  return {};
}

Result<std::uint64_t> SealedVault::count_records() const {
  std::uint64_t count = 0;
  std::string after;
  for (bool more = true; more;) {
    const auto page = records_->store().scan({}, after, kPage);
    if (!page) return std::unexpected(page.error());
    count += page->entries.size();
    more = page->has_more && !page->entries.empty();
    if (more) after = page->entries.back().key;
  }
  return count;
}

Result<Rotation> SealedVault::continue_rotation(std::size_t records) {
  std::uint64_t total = 0;
  if (const auto state = rotation(); !state) {
    return std::unexpected(state.error());
  } else if (!state->record.progress.running()) {
    return state->record.progress;
  } else if (total = state->record.progress.total; total == 0) {
    const auto counted = count_records();  // before the lock: it reads everything
    if (!counted) return std::unexpected(counted.error());
    total = *counted;
  }
  const std::scoped_lock lock(upkeep_);
  auto state = rotation();
  if (!state) return std::unexpected(state.error());
  if (!state->record.progress.running()) return state->record.progress;
  if (auto agreed = agree_with(state->record.progress); !agreed) return std::unexpected(agreed.error());
  state->record.progress.total = total;
  auto done = step(std::move(*state), std::clamp<std::size_t>(records, 1, kPage));
  if (!done && done.error().code == Error::Code::conflict) {  // somebody changed one of them: the next step looks again
    const auto before = rotation();
    if (!before) return std::unexpected(before.error());
    return before->record.progress;
  }
  if (!done) return std::unexpected(done.error());
  return done->record.progress;
}

// One page: seals anew what has to be, and stores how far that came. A page without such a record stores nothing: after
// a kill it is looked at once more.
Result<Found<RotationRecord>> SealedVault::step(Found<RotationRecord> state, std::size_t records) {
  RotationRecord& at = state.record;
  const auto page = records_->store().scan({}, at.cursor, records);
  if (!page) return std::unexpected(page.error());
  Batch batch;
  for (const auto& entry : page->entries) {
    ++at.progress.done;
    if (Keyring::is_wrapped(entry.key) || entry.key == kRotation.key()) continue;  // the latter is written below
    auto sealed = records_->reseal(entry);
    if (!sealed) {
      ++at.progress.unreadable;
    } else if (*sealed) {
      batch.push_back(std::move(**sealed));
    }
  }
  at.progress.resealed += batch.size();
  at.pass_resealed += batch.size();
  if (!page->entries.empty()) at.cursor = page->entries.back().key;
  std::vector<std::string> removed;
  const bool ended = !page->has_more;
  if (ended) removed = end_pass(at, batch);
  if (!batch.empty() || ended) {
    batch.push_back(records_->put(kRotation, encode(at), state.version));
    if (const auto done = records_->commit(batch); !done) {
      if (done.error().code != Error::Code::conflict) remember(std::nullopt);
      return std::unexpected(done.error());
    }
    ++state.version;
    records_->keyring().remove(removed);
  }
  remember(state);
  return state;
}

// What follows a pass that has come to its end. Answers the keys that nothing needs any more, and adds to the batch
// that they go.
std::vector<std::string> SealedVault::end_pass(RotationRecord& at, Batch& batch) const {
  Rotation& progress = at.progress;
  const bool nothing_left = progress.state == Rotation::State::verifying && at.pass_resealed == 0;
  if (!nothing_left) {
    progress.state = Rotation::State::verifying;
    progress.done = 0;
    progress.unreadable = 0;
    at.pass_resealed = 0;
    at.cursor.clear();
    return {};
  }
  progress.finished = now_ms_();
  at.cursor.clear();
  if (progress.unreadable != 0) {
    progress.state = Rotation::State::incomplete;
    return {};
  }
  progress.state = Rotation::State::done;
  auto old = records_->keyring().retired();
  for (const auto& id : old) batch.push_back(Keyring::erase(id));
  return old;
}

Result<KeyStatus> SealedVault::rewrap(const KeySource& to, const Beside& beside) {
  if (auto outside = refuse_key_in_state(options_, to); !outside) return std::unexpected(outside.error());
  if (!to.file.empty() && to.passphrase_file.empty() && to.credential.empty() && to.exec.empty()) {
    if (auto made = write_key_file(to.file); !made && made.error().code != Error::Code::exists) {
      return std::unexpected(made.error());
    }
  }
  auto opened = provider_of(options_, to);
  if (!opened) return std::unexpected(opened.error());
  // May take a passphrase or a remote service a while, so before anybody has to wait for us.
  if (auto begun = (*opened)->begin(id()); !begun) return std::unexpected(begun.error());
  const std::shared_ptr<const KeyProvider> next = std::move(*opened);
  if (next->id() == provider()->id()) {
    return fail(Error::Code::invalid, "this is the master key in use (" + next->describe() + "): name another one");
  }
  {
    const std::scoped_lock lock(upkeep_);
    const auto alone = records_->pause();
    const auto batch = Keyring::rewrap(records_->store(), *provider(), *next);
    if (!batch) return std::unexpected(batch.error());
    if (const auto done = records_->write(*batch, beside); !done) {
      return fail(done.error().code,
                  done.error().message + "; keep both master keys: the next start says which it needs");
    }
    const std::scoped_lock other(provider_mutex_);
    provider_ = next;
  }
  return keys();
}

}  // namespace postern::vault
