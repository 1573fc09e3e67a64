// The credential that a rotation replaced: kept for a time, brought back, and gone when its time is over.
//
// The record is there exactly while its connection says so (`previous_until`): both are written in one batch, by every
// write of a connection.
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {

Result<void> SealedVault::keep_previous(Batch& batch, const Connection& old, Connection& meta, bool rotates) const {
  const Path path = previous_path(meta);
  if (meta.status == Status::revoked || (rotates && meta.previous_until <= now_ms_())) meta.previous_until = 0;
  if (meta.previous_until == 0) {
    if (old.previous_until != 0) batch.push_back(Records::erase(path, kAnyVersion));
    return {};
  }
  if (!rotates) return {};
  auto replaced = open_credential(old);
  if (!replaced) return std::unexpected(replaced.error());
  std::uint64_t version = 0;
  if (const auto before = records_->read<Previous>(path)) {
    version = before->version;
  } else if (!missing(before.error())) {
    return std::unexpected(before.error());
  }
  const Previous previous{.until = meta.previous_until,
                          .status = old.status,
                          .status_reason = old.status_reason,
                          .status_text = old.status_text,
                          .account = old.account,
                          .last_refresh = old.last_refresh,
                          .expires = old.expires,
                          .refresh_expires = old.refresh_expires,
                          .touch = old.touch,
                          .credential = std::move(*replaced)};
  batch.push_back(records_->put(path, encode(previous), version));
  return {};
}

Result<Connection> SealedVault::restore_credential(const Connection& meta, const Beside& beside) {
  const auto old = read_connection(meta.organization, meta.project, meta.id);
  if (!old) return std::unexpected(old.error());
  if (old->version != meta.version) return changed_connection();
  const std::int64_t now = now_ms_();
  if (old->previous_until <= now) {
    return fail(Error::Code::not_found, "no previous credential of this connection is kept");
  }
  const auto previous = records_->read<Previous>(previous_path(*old));
  if (!previous) return missing(previous.error()) ? changed_connection() : std::unexpected(previous.error());
  const Previous& from = previous->record;

  Connection back = *old;
  back.status = from.status;
  back.status_reason = from.status_reason;
  back.status_text = from.status_text;
  back.status_since = back.updated = now;
  back.account = from.account;
  back.last_refresh = from.last_refresh;
  back.expires = from.expires;
  back.refresh_expires = from.refresh_expires;
  back.touch = from.touch;
  back.previous_until = 0;
  ++back.generation;
  Batch batch{records_->put(connection_path(back), encode(back), old->version),
              put_credential(*records_, back, from.credential), Records::erase(previous_path(back), previous->version),
              Records::erase(intent_path(back), kAnyVersion)};
  index_changed(batch, *records_, *old, back);
  const auto done = records_->commit(batch, about(back, beside));
  if (!done) return outdated(done.error()) ? changed_connection() : std::unexpected(done.error());
  back.version = old->version + 1;
  return back;
}

Result<std::size_t> SealedVault::sweep_previous(std::int64_t now_ms) {
  const auto ended = moments_before(*records_, "previous_end", now_ms + 1, {}, kLargestPage);
  if (!ended) return std::unexpected(ended.error());
  std::size_t erased = 0;
  for (const auto& [entry, to] : *ended) {
    const auto old = read_connection(to.organization, to.project, to.id);
    if (!old && missing(old.error())) continue;  // erased since the entry was read
    if (!old) return std::unexpected(old.error());
    if (old->previous_until == 0 || old->previous_until > now_ms) continue;  // or rotated again
    Connection meta = *old;
    meta.previous_until = 0;
    Batch batch{records_->put(connection_path(meta), encode(meta), old->version),
                Records::erase(previous_path(meta), kAnyVersion)};
    index_changed(batch, *records_, *old, meta);
    const auto done = records_->commit(batch);
    // Whoever was faster left it to the next sweep.
    if (!done && !outdated(done.error())) return std::unexpected(done.error());
    if (done) ++erased;
  }
  return erased;
}

Result<std::size_t> SealedVault::sweep(std::int64_t now_ms) {
  std::size_t erased = 0;
  for (const auto sweep_some : {&SealedVault::sweep_previous, &SealedVault::sweep_answers, &SealedVault::sweep_links}) {
    const auto some = (this->*sweep_some)(now_ms);
    if (!some) return some;
    erased += *some;
  }
  return erased;
}

}  // namespace postern::vault
