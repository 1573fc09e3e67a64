// One call of the caller's budget and of its makers', durably, before anything goes out. A call that was refused before
// this costs nothing; one that is sent costs one, whatever comes of it: an upstream that cannot be reached, a caller
// that goes away, a token that is refused and replaced.
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

net::Task<Step> debit_later(Call& call, bool writes) {
  Service& service = call.service();
  switch (co_await call.rules->source->budgets().spend(call.caller->budgets, writes, service.worker().context(),
                                                       *service.common().vault_offload)) {
    case Budgets::Outcome::granted:
      co_return Step{};
    case Budgets::Outcome::exhausted:
      break;
    case Budgets::Outcome::ended:
      co_return refuse(Code::caller_unauthenticated, "The token, or one that it was made with, has ended.");
    case Budgets::Outcome::vault:
      co_return refuse(Code::vault_unavailable,
                       "The call could not be counted against the token's budget, so nothing was sent; try again.");
  }
  co_return budget_exhausted(writes);
}

}  // namespace

bool is_write(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

std::unexpected<Problem> budget_exhausted(bool writes) {
  return refuse(Code::budget_exhausted,
                writes ? "The budget of the token, or of one that it was made with, is used up for calls that write."
                       : "The budget of the token, or of one that it was made with, is used up.");
}

net::Soon<Step> debit(Call& call) {
  const bool writes = is_write(call.head.method);
  if (call.rules->source->budgets().spend_at_hand(call.caller->budgets, writes)) return Step{};
  return debit_later(call, writes);
}

}  // namespace postern::serve
