// What was taken of budgets. A record of its own beside the authorization, so that an authorization's version and ETag
// do not move with its calls; each write of it keeps the authorization as it was read, so that nothing is taken of one
// that was revoked or erased meanwhile.
#include <algorithm>

#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr std::size_t kAtOnce = 500;  // authorizations of one batch

// How much of `wanted` is left; nothing of what has no limit.
std::uint64_t available(const std::optional<std::uint64_t>& limit, std::uint64_t spent, std::uint64_t wanted) {
  return limit ? std::min(wanted, *limit - std::min(*limit, spent)) : 0;
}

}  // namespace

Path spent_path(std::string_view organization, std::string_view id) {
  return {"spent", organization, {}, id};
}

Result<Spent> SealedVault::find_spent(std::string_view organization, std::string_view id) const {
  auto found = records_->read<Spent>(spent_path(organization, id));
  if (!found && missing(found.error())) return Spent{std::string(organization), std::string(id), {}, 0};
  if (!found) return std::unexpected(found.error());
  if (found->record.organization != organization || found->record.id != id) {
    return fail(Error::Code::corrupt, spent_path(organization, id).key() + ": the record is another authorization's");
  }
  found->record.version = found->version;
  return std::move(found->record);
}

Result<Taken> SealedVault::take_calls(std::string_view organization, std::string_view id, Calls wanted) {
  for (;;) {
    const auto of = find_authorization(organization, id);
    if (!of) return std::unexpected(of.error());
    if (of->revoked != 0) return fail(Error::Code::not_found, "the authorization was revoked");
    auto spent = find_spent(organization, id);
    if (!spent) return std::unexpected(spent.error());
    Taken taken;
    taken.calls = {available(of->budget.total, spent->calls.total, wanted.total),
                   available(of->budget.writes, spent->calls.writes, wanted.writes)};
    spent->calls.total += taken.calls.total;
    spent->calls.writes += taken.calls.writes;
    taken.spent = spent->calls;
    if (taken.calls == Calls{}) return taken;
    const auto done = records_->commit(
        {records_->put(spent_path(organization, id), encode(*spent), spent->version), keep_authorization(*of)});
    if (done) return taken;
    if (!outdated(done.error())) return std::unexpected(done.error());
  }
}

Result<void> SealedVault::give_back(const std::vector<Spent>& unused) {
  for (std::size_t at = 0; at < unused.size();) {
    Batch batch;
    const std::size_t end = std::min(unused.size(), at + kAtOnce);
    for (std::size_t i = at; i < end; ++i) {
      const auto of = find_authorization(unused[i].organization, unused[i].id);
      auto spent = find_spent(unused[i].organization, unused[i].id);
      if (!spent) return std::unexpected(spent.error());
      if (!of || of->revoked != 0 || spent->version == 0) continue;  // nobody is left who could use it
      spent->calls.total -= std::min(spent->calls.total, unused[i].calls.total);
      spent->calls.writes -= std::min(spent->calls.writes, unused[i].calls.writes);
      batch.push_back(records_->put(spent_path(spent->organization, spent->id), encode(*spent), spent->version));
      batch.push_back(keep_authorization(*of));
    }
    const auto done = batch.empty() ? Result<void>() : records_->commit(batch);
    if (!done && !outdated(done.error())) return done;
    if (done) at = end;  // otherwise one of them was changed meanwhile: all of it anew
  }
  return {};
}

Write SealedVault::keep_authorization(const Authorization& as_read) const {
  const Path path{"authorization", as_read.organization, {}, as_read.id};
  return records_->keep(path, encode(as_read), as_read.version);
}

}  // namespace postern::vault
