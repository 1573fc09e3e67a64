// What calls with an Idempotency-Key made: found by key, ordered by time within their organization.
#include <algorithm>

#include "vault/vault_impl.hpp"
#include "vault/vault_parts.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kOrder = "answer_time";
constexpr std::size_t kShortestDigest = 43;   // HMAC-SHA-256 in base64url; hex is longer
constexpr std::size_t kMostAnswers = 50'000;  // of one organization
constexpr std::size_t kCountAfter = 1'000;    // so many more are kept before they are counted
constexpr std::size_t kMostOrganizations = 10'000;

Path answer_path(std::string_view organization, std::string_view key) {
  return {"answer", organization, {}, key};
}

// The last part of the entry by time.
std::string time_name(const Records& records, const KeptAnswer& answer) {
  return moment(records, answer.created, answer.organization, answer.key);
}

Path order_path(std::string_view organization, std::string_view last) {
  return {kOrder, organization, {}, last};
}

bool is_digest(std::string_view text) {
  return text.size() >= kShortestDigest && is_reference(text);
}

// Both records of the answer that an entry by time leads to.
void erase_both(Batch& batch, std::string_view organization, const Records::Referred& entry) {
  batch.push_back(Records::erase(order_path(organization, entry.id), kAnyVersion));
  batch.push_back(Records::erase(answer_path(organization, entry.to.id), kAnyVersion));
}

// The organizations that have entries, without reading what they have.
Result<std::vector<std::string>> organizations(const Records& records) {
  std::vector<std::string> all;
  const std::string prefix = std::string(kOrder) + "/";
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

std::vector<std::string> answer_index_keys(const Records& records, const KeptAnswer& answer) {
  return {order_path(answer.organization, time_name(records, answer)).key()};
}

Result<void> SealedVault::stage_answer(Batch& batch, const KeptAnswer& answer) const {
  if (!answer.organization.empty() && !is_reference(answer.organization)) return invalid("organization: not an id");
  if (!is_digest(answer.key)) return invalid("key: not a digest");
  if (!is_digest(answer.body)) return invalid("body: not a digest");
  // One that is over makes room; whoever asks for it meanwhile is told that there is none.
  std::uint64_t version = 0;
  if (const auto old = records_->read<KeptAnswer>(answer_path(answer.organization, answer.key))) {
    version = old->version;
    const std::string before = time_name(*records_, old->record);
    if (old->record.created + kAnswerLifetime > now_ms_()) return fail(Error::Code::exists, "key: an answer is kept");
    if (before != time_name(*records_, answer)) {
      batch.push_back(Records::erase(order_path(answer.organization, before), kAnyVersion));
    }
  } else if (!missing(old.error())) {
    return std::unexpected(old.error());
  }
  const Reference to{answer.organization, {}, answer.key};
  batch.push_back(records_->put(answer_path(answer.organization, answer.key), encode(answer), version));
  batch.push_back(records_->put(order_path(answer.organization, time_name(*records_, answer)), encode(to), 0));
  return {};
}

Result<KeptAnswer> SealedVault::find_answer(std::string_view organization, std::string_view key) const {
  const auto none = [] { return fail(Error::Code::not_found, "no answer is kept under this key"); };
  if (!is_digest(key)) return none();
  const Path path = answer_path(organization, key);
  auto found = records_->read<KeptAnswer>(path);
  if (!found) return missing(found.error()) ? none() : std::unexpected(found.error());
  if (found->record.organization != organization || found->record.key != key) return astray(path);
  if (found->record.created + kAnswerLifetime <= now_ms_()) return none();
  return std::move(found->record);
}

Result<void> SealedVault::keep_answer(const KeptAnswer& answer) {
  Batch batch;
  if (auto staged = stage_answer(batch, answer); !staged) return staged;
  auto done = records_->commit(batch);
  if (!done && outdated(done.error())) return fail(Error::Code::exists, "key: an answer is kept");
  if (!done) return done;
  const std::scoped_lock lock(answers_mutex_);
  ++answers_[answer.organization];
  return {};
}

Result<std::size_t> SealedVault::sweep_answers(std::int64_t now_ms) {
  const auto all = organizations(*records_);
  if (!all) return std::unexpected(all.error());
  std::size_t erased = 0;
  for (const auto& organization : *all) {
    const auto over = moments_before(*records_, kOrder, now_ms - kAnswerLifetime + 1, {}, kLargestPage, organization);
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
  {
    const std::scoped_lock lock(answers_mutex_);
    const auto added = answers_.find(organization);
    if (added == answers_.end() || added->second < kCountAfter) return {};
    answers_.erase(added);
  }
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
