#include "vault/kept_answers.hpp"

#include "vault/index.hpp"
#include "vault/vault.hpp"

namespace postern::vault {
namespace {

constexpr std::size_t kShortestDigest = 43;  // HMAC-SHA-256 in base64url; hex is longer

// The last part of the entry by time.
std::string time_name(const Records& records, const KeptAnswer& answer) {
  return moment(records, answer.created, answer.organization, answer.key);
}

bool is_digest(std::string_view text) {
  return text.size() >= kShortestDigest && is_reference(text);
}

}  // namespace

std::vector<std::string> answer_index_keys(const Records& records, const KeptAnswer& answer) {
  return {order_path(answer.organization, time_name(records, answer)).key()};
}

Result<void> stage_answer(Batch& batch, const Records& records, const KeptAnswer& answer) {
  if (!answer.organization.empty() && !is_reference(answer.organization))
    return fail(Error::Code::invalid, "organization: not an id");
  if (!is_digest(answer.key)) return fail(Error::Code::invalid, "key: not a digest");
  if (!is_digest(answer.body)) return fail(Error::Code::invalid, "body: not a digest");
  // One that is over makes room; whoever asks for it meanwhile is told that there is none.
  std::uint64_t version = 0;
  if (const auto old = records.read<KeptAnswer>(answer_path(answer.organization, answer.key))) {
    version = old->version;
    const std::string before = time_name(records, old->record);
    if (old->record.created + kAnswerLifetime > answer.created)
      return fail(Error::Code::exists, "key: an answer is kept");
    if (before != time_name(records, answer)) {
      batch.push_back(Records::erase(order_path(answer.organization, before), kAnyVersion));
    }
  } else if (old.error().code != Error::Code::not_found) {
    return std::unexpected(old.error());
  }
  const Reference to{answer.organization, {}, answer.key};
  batch.push_back(records.put(answer_path(answer.organization, answer.key), encode(answer), version));
  batch.push_back(records.put(order_path(answer.organization, time_name(records, answer)), encode(to), 0));
  return {};
}

}  // namespace postern::vault
