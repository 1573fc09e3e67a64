#include "proxy/admin/idempotency.hpp"

#include <algorithm>

#include "proxy/admin/body.hpp"
#include "proxy/admin/scope_input.hpp"

namespace postern::admin {
namespace {

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= 255 &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

std::unexpected<Problem> made_before(const vault::KeptAnswer& kept, std::string detail) {
  auto refusal = refuse("idempotency-replayed", std::move(detail));
  if (!kept.id.empty()) refusal.error().more["id"] = kept.id;
  return refusal;
}

Answer replay(const Service& service, const vault::KeptAnswer& kept, const std::string& body, Call& call,
              const std::function<Answer(Call&)>& again) {
  if (kept.body != body) return refuse("idempotency-mismatch", "Use another Idempotency-Key for another body.");
  if (kept.token)
    return made_before(kept, "This call made a token before, which is shown once: revoke `id` and make a new one.");
  call.id = kept.id;
  // It may have been made in another organization than the caller's own, if its body says so.
  auto sent = parse_body(call.request, true);
  if (!sent) return std::unexpected(sent.error());
  if (auto entered = enter_by_body(service, call.caller, sent->get_object()); !entered)
    return std::unexpected(entered.error());
  auto answer = again(call);
  if (!answer && answer.error().code == "not-found")
    return made_before(kept, "What this call made before is gone: use another Idempotency-Key to make it again.");
  if (!answer) return answer;
  answer->status = kept.status;
  if (kept.status == 201 && !kept.id.empty()) answer->fields.emplace_back("Location", call.url.path + "/" + kept.id);
  answer->fields.emplace_back("Idempotency-Replayed", "true");
  return answer;
}

struct Turn {
  RunningKeys& running;
  const std::string& key;
  ~Turn() { running.end(key); }
};

}  // namespace

bool RunningKeys::begin(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  return keys_.insert(key).second;
}

void RunningKeys::end(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  keys_.erase(key);
}

Answer run_once(Service& service, Call& call, const Run& run, const std::function<Answer(Call&)>& again) {
  const auto sent = call.request.field("idempotency-key");
  if (!sent) return run();
  if (!is_key(*sent) || call.request.count("idempotency-key") != 1)
    return refuse("invalid-request", "An Idempotency-Key is one text of 1 to 255 visible ASCII characters.");
  auto& vault = *service.deps.vault;
  const auto digest = [&](std::string_view what, std::string_view bytes) {
    return base64url(vault.keyed_digest(what, bytes));
  };
  // A target holds no line end, a caller's name none either.
  const std::string key =
      digest("idempotency/key", call.caller.key() + '\n' + call.request.target + '\n' + std::string(*sent));
  const std::string body = digest("idempotency/body", call.request.body);
  if (!service.running_keys->begin(key)) {
    auto refusal = refuse("idempotency-in-progress", "Repeat the call in a second: the first one has not ended yet.");
    refusal.error().fields.emplace_back("Retry-After", "1");
    return refusal;
  }
  const Turn turn{*service.running_keys, key};
  const std::string& organization = call.caller.authorization.organization;
  const auto kept = vault.find_answer(organization, key);
  if (kept) return replay(service, *kept, body, call, again);
  if (kept.error().code != vault::Error::Code::not_found) return std::unexpected(vault_problem(kept.error()));
  call.answer = vault::KeptAnswer{.organization = organization,
                                  .key = key,
                                  .body = body,
                                  .id = {},
                                  .project = {},
                                  .created = service.deps.now_ms()};
  auto answer = run();
  // What failed, or changed nothing, may be repeated. Most writes have taken along what is kept.
  if (!answer || answer->status >= 300 || call.dry || !call.answer) return answer;
  call.answer->status = static_cast<std::uint16_t>(answer->status);
  call.answer->id = call.made_id.empty() ? call.id : call.made_id;
  if (const auto written = vault.keep_answer(*call.answer); !written)
    return std::unexpected(vault_problem(written.error()));
  return answer;
}

}  // namespace postern::admin
