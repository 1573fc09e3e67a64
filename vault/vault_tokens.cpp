// Refreshes: the intent before the request, and one batch for its outcome.
//
//   begin ──► intent ──► finish   tokens, metadata, intent gone: one batch
//               │  └───► fail     metadata, intent gone: one batch
//               ├──────► take_over: the same intent under a new id, when whoever held it is no more
//               └──────► gone with what it was for: rotated, revoked, erased
//
// The intent is the fence. Whatever moves the generation, revokes or erases the connection erases it in the same batch,
// so an outcome counts exactly while the intent is there under its own id. Everything else of the connection may
// change meanwhile: the outcome is then laid over what it is by now.
#include <algorithm>

#include "vault/digest.hpp"
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kIntents = "intent/";

std::unexpected<Error> over() {
  return fail(Error::Code::conflict, "this refresh does not count any more: the connection has gone on without it");
}

void apply(Connection& meta, const StatusChange& change, std::int64_t now) {
  if (meta.status != change.status) meta.status_since = meta.updated = now;
  meta.status = change.status;
  meta.status_reason = change.reason;
  meta.status_text = change.text;
  if (change.touch) meta.touch = *change.touch;
}

// Counts attempts that met the same version: what stands in their way is then no one who was faster, but an entry of an
// index that should not be there.
class Attempts {
 public:
  bool hopeless(const Connection& meta) {
    same_ = meta.version == version_ ? same_ + 1 : 0;
    version_ = meta.version;
    return same_ == kLooks;
  }

 private:
  std::uint64_t version_ = 0;
  int same_ = 0;
};

bool same_status(const Connection& a, const Connection& b) {
  return a.status == b.status && a.status_reason == b.status_reason && a.status_text == b.status_text &&
         a.touch == b.touch;
}

}  // namespace

std::string cursor_of(const Intent& intent) {
  return intent.organization + "/" + intent.project + "/" + intent.connection;
}

Result<Intent> SealedVault::read_intent(const Connection& of) const {
  const Path path = intent_path(of);
  auto found = records_->read<Intent>(path);
  if (!found) return std::unexpected(found.error());
  Intent& record = found->record;
  if (record.connection != of.id || record.organization != of.organization || record.project != of.project) {
    return astray(path);
  }
  record.version = found->version;
  return std::move(record);
}

Result<Intent> SealedVault::begin_refresh(const Connection& meta, std::string_view holder, const Secret* spent) {
  Intent intent{.id = new_id("int"),
                .organization = meta.organization,
                .project = meta.project,
                .connection = meta.id,
                .generation = meta.generation,
                .holder = std::string(holder),
                .started = now_ms_(),
                .digest = {}};
  if (spent != nullptr) intent.digest = keyed_digest(kIntents, spent->expose());
  for (;;) {
    const auto now = read_connection(meta.organization, meta.project, meta.id);
    if (!now) return std::unexpected(now.error());
    if (now->generation != meta.generation || now->status == Status::revoked) return changed_connection();
    const auto pending = read_intent(*now);
    if (pending) return fail(Error::Code::conflict, "another refresh of this connection is pending");
    if (!missing(pending.error())) return std::unexpected(pending.error());
    // The connection is kept as it was read: rotated, revoked or erased meanwhile, nothing of this is written.
    const auto done = records_->commit({records_->put(intent_path(*now), encode(intent), 0),
                                        records_->keep(connection_path(*now), encode(*now), now->version)});
    if (done) {
      intent.version = 1;
      return intent;
    }
    if (!outdated(done.error())) return std::unexpected(done.error());
  }
}

Result<Intent> SealedVault::take_over(const Intent& pending, std::string_view holder) {
  Connection of;
  of.organization = pending.organization;
  of.project = pending.project;
  of.id = pending.connection;
  auto intent = read_intent(of);
  if (!intent && missing(intent.error())) return fail(Error::Code::not_found, "this refresh is not pending any more");
  if (!intent) return intent;
  if (intent->id != pending.id) return over();
  intent->id = new_id("int");
  intent->holder = holder;
  intent->started = now_ms_();
  const auto done = records_->commit({records_->put(intent_path(of), encode(*intent), intent->version)});
  if (!done) return outdated(done.error()) ? over() : std::unexpected(done.error());
  ++intent->version;
  return intent;
}

bool SealedVault::spends(const Intent& intent, const Secret& token) const {
  return equal_in_constant_time(intent.digest, keyed_digest(kIntents, token.expose()));
}

// One batch: the intent gone, the tokens (null: as they are), and what `change` makes of the metadata as it is by now.
Result<Connection> SealedVault::end_refresh(const Intent& intent, const Credential* tokens,
                                            const std::function<void(Connection&)>& change, const Beside& beside) {
  for (Attempts attempts;;) {
    const auto old = read_connection(intent.organization, intent.project, intent.connection);
    if (!old) return old;
    const auto pending = read_intent(*old);
    if (!pending && !missing(pending.error())) return std::unexpected(pending.error());
    if (!pending || pending->id != intent.id || old->generation != intent.generation) return over();
    if (attempts.hopeless(*old)) return astray(connection_path(*old));
    Connection meta = *old;
    change(meta);
    if (tokens != nullptr) ++meta.generation;
    if (auto fine = check_size(meta, tokens); !fine) return std::unexpected(fine.error());

    Batch batch{Records::erase(intent_path(meta), pending->version)};
    const bool written = tokens != nullptr || !same_status(meta, *old);
    if (tokens != nullptr) batch.push_back(put_credential(*records_, meta, *tokens));
    if (written) {
      batch.push_back(records_->put(connection_path(meta), encode(meta), old->version));
      index_changed(batch, *records_, *old, meta);
      meta.version = old->version + 1;
    }
    const auto done = records_->commit(batch, about(meta, beside));
    if (done) return meta;
    // Whoever was faster changed the metadata, and this goes on top; or the intent, and this does not count.
    if (!outdated(done.error())) return std::unexpected(done.error());
  }
}

Result<Connection> SealedVault::finish_refresh(const Intent& intent, const Credential& tokens, const Outcome& more,
                                               const Beside& beside) {
  const std::int64_t now = now_ms_();
  return end_refresh(
      intent, &tokens,
      [&](Connection& meta) {
        apply(meta, {.status = Status::active, .touch = more.touch}, now);
        if (!more.account.empty()) meta.account = more.account;
        meta.expires = more.expires;
        meta.refresh_expires = more.refresh_expires;
        meta.last_refresh = now;
      },
      beside);
}

Result<Connection> SealedVault::fail_refresh(const Intent& intent, const StatusChange& change, const Beside& beside) {
  const std::int64_t now = now_ms_();
  return end_refresh(intent, nullptr, [&](Connection& meta) { apply(meta, change, now); }, beside);
}

Result<std::vector<Intent>> SealedVault::pending_intents(std::string_view after, std::size_t limit) const {
  const std::string at = after.empty() ? std::string() : std::string(kIntents).append(after);
  const auto page = records_->store().scan(kIntents, at, std::clamp<std::size_t>(limit, 1, kLargestPage));
  if (!page) return std::unexpected(page.error());
  std::vector<Intent> all;
  for (const auto& entry : page->entries) {
    const auto path = Path::parse(entry.key);
    if (!path) return fail(Error::Code::corrupt, entry.key + ": not the key of an intent");
    Connection of;
    of.organization = path->organization;
    of.project = path->project;
    of.id = path->id;
    auto intent = read_intent(of);
    if (!intent && missing(intent.error())) continue;  // ended since it was listed
    if (!intent) return std::unexpected(intent.error());
    all.push_back(std::move(*intent));
  }
  return all;
}

Result<Connection> SealedVault::set_status(Space space, std::string_view id, std::uint64_t generation,
                                           const StatusChange& change, const Beside& beside) {
  if (!looks_like_id(id) || !is_reference(space.organization) || !is_reference(space.project)) {
    return unknown_connection();
  }
  for (Attempts attempts;;) {
    auto old = read_connection(space.organization, space.project, id);
    if (!old) return old;
    if (old->generation != generation) return changed_connection();
    if (attempts.hopeless(*old)) return astray(connection_path(*old));
    Connection meta = *old;
    apply(meta, change, now_ms_());
    if (same_status(meta, *old)) return old;
    if (auto fine = check_size(meta, nullptr); !fine) return std::unexpected(fine.error());
    Batch batch;
    if (auto kept = keep_previous(batch, *old, meta, false); !kept) return std::unexpected(kept.error());
    batch.push_back(records_->put(connection_path(meta), encode(meta), old->version));
    if (meta.status == Status::revoked) batch.push_back(Records::erase(intent_path(meta), kAnyVersion));
    index_changed(batch, *records_, *old, meta);
    const auto done = records_->commit(batch, about(meta, beside));
    if (done) {
      meta.version = old->version + 1;
      return meta;
    }
    if (!outdated(done.error())) return std::unexpected(done.error());
  }
}

// What an entry of `expires` leads to; nullopt: gone or changed since the entry was read.
Result<std::optional<Due>> SealedVault::follow_due(const Records::Referred& entry) const {
  const Path path{"expires", {}, {}, entry.id};
  for (int look = 0; look < kLooks; ++look) {
    auto found = read_connection(entry.to.organization, entry.to.project, entry.to.id);
    if (!found && !missing(found.error())) return std::unexpected(found.error());
    if (found) {
      const auto time = due_time(*found);
      if (time && moment(*records_, *time, found->organization, found->id) == entry.id) {
        return Due{.at = *time, .cursor = entry.id, .connection = std::move(*found)};
      }
    }
    const auto stands = records_->read<Reference>(path);
    if (!stands && missing(stands.error())) return std::nullopt;
    if (!stands) return std::unexpected(stands.error());
  }
  return astray(path);
}

Result<std::vector<Due>> SealedVault::due(std::int64_t before_ms, std::string_view after, std::size_t limit) const {
  limit = std::clamp<std::size_t>(limit, 1, kLargestPage);
  std::vector<Due> all;
  std::string at(after);
  for (bool more = true; more && all.size() < limit;) {
    const auto entries = moments_before(*records_, "expires", before_ms, at, limit - all.size());
    if (!entries) return std::unexpected(entries.error());
    more = !entries->empty();
    if (more) at = entries->back().id;
    for (const auto& entry : *entries) {
      auto one = follow_due(entry);
      if (!one) return std::unexpected(one.error());
      if (*one) all.push_back(std::move(**one));
    }
  }
  return all;
}

}  // namespace postern::vault
