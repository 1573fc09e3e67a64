// What calls with an Idempotency-Key made: found by key, ordered by time within their organization.
#include <algorithm>

#include "vault/kept_answers.hpp"
#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr std::size_t kMostAnswers = 50'000;  // of one organization
constexpr std::size_t kCountAfter = 1'000;    // so many more are kept before they are counted
constexpr std::size_t kMostOrganizations = 10'000;

// Both records of the answer that an entry by time leads to.
void erase_both(Batch& batch, std::string_view organization, const Records::Referred& entry) {
  batch.push_back(Records::erase(order_path(organization, entry.id), kAnyVersion));
  batch.push_back(Records::erase(answer_path(organization, entry.to.id), kAnyVersion));
}

// The organizations that have entries, without reading what they have.
Result<std::vector<std::string>> organizations(const Records& records) {
  std::vector<std::string> all;
  const std::string prefix = std::string(kAnswerOrder) + "/";
  std::string after;
  while (all.size() < kMostOrganizations) {
    const auto next = records.store().scan(prefix, after, 1);
    if (!next) return std::unexpected(next.error());
    if (next->entries.empty()) break;
    const auto path = Path::parse(next->entries.front().key);
    if (!path) return fail(Error::Code::corrupt, next->entries.front().key + ": not the key of a record");
    all.emplace_back(path->organization);
    after = prefix + all.back() + "/\xff";  // behind all of this one's
  }
  return all;
}

}  // namespace

Result<KeptAnswer> SealedVault::find_answer(std::string_view organization, std::string_view key) const {
  const auto none = [] { return fail(Error::Code::not_found, "no answer is kept under this key"); };
  if (!is_reference(key)) return none();
  const Path path = answer_path(organization, key);
  auto found = records_->read<KeptAnswer>(path);
  if (!found) return missing(found.error()) ? none() : std::unexpected(found.error());
  if (found->record.organization != organization || found->record.key != key) return astray(path);
  if (found->record.created + kAnswerLifetime <= now_ms_()) return none();
  return std::move(found->record);
}

Result<void> SealedVault::keep_answer(const KeptAnswer& answer) {
  auto done = records_->commit({}, Beside{.event = std::nullopt, .answer = answer});
  if (!done && outdated(done.error())) return fail(Error::Code::exists, "key: an answer is kept");
  return done;
}

Result<std::size_t> SealedVault::sweep_answers(std::int64_t now_ms) {
  const auto all = organizations(*records_);
  if (!all) return std::unexpected(all.error());
  std::size_t erased = 0;
  for (const auto& organization : *all) {
    const auto over =
        moments_before(*records_, kAnswerOrder, now_ms - kAnswerLifetime + 1, {}, kLargestPage, organization);
    if (!over) return std::unexpected(over.error());
    Batch batch;
    for (const auto& entry : *over) erase_both(batch, organization, entry);
    const auto surplus = surplus_answers(organization, over->size());
    if (!surplus) return std::unexpected(surplus.error());
    for (const auto& entry : *surplus) erase_both(batch, organization, entry);
    if (batch.empty()) continue;
    if (const auto done = records_->commit(batch); !done) return std::unexpected(done.error());
    erased += over->size() + surplus->size();
    if (erased >= kLargestPage) break;
  }
  return erased;
}

// The oldest ones of an organization that has too many, behind the first `skip`; looked at only once many were added.
Result<std::vector<Records::Referred>> SealedVault::surplus_answers(const std::string& organization, std::size_t skip) {
  if (records_->count_answers(organization) < kCountAfter) return {};
  std::size_t count = 0;
  std::string after;
  for (bool more = true; more;) {
    const auto page = records_->store().scan(order_path(organization, {}).key(), after, kLargestPage);
    if (!page) return std::unexpected(page.error());
    count += page->entries.size();
    more = page->has_more && !page->entries.empty();
    if (more) after = page->entries.back().key;
  }
  if (count <= kMostAnswers + skip) return {};
  const std::size_t surplus = std::min(count - kMostAnswers, 2 * kLargestPage);
  auto oldest = records_->references(order_path(organization, {}), {}, surplus, false);
  if (!oldest) return std::unexpected(oldest.error());
  oldest->entries.erase(oldest->entries.begin(), oldest->entries.begin() + static_cast<std::ptrdiff_t>(skip));
  return std::move(oldest->entries);
}

}  // namespace postern::vault
