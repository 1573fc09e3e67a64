#include "proxy/serve/explain_budget.hpp"

namespace postern::serve {
namespace {

std::unexpected<Problem> trouble(const vault::Error& error) {
  return std::unexpected(from_trouble(Trouble::vault, error.message));
}

bool is_used_up(const vault::Budget& budget, const vault::Calls& spent, bool writes) {
  return (budget.total && spent.total >= *budget.total) || (writes && budget.writes && spent.writes >= *budget.writes);
}

}  // namespace

Step within_budget(const Source& source, const vault::Authorization& authorization, bool writes) {
  auto chain = vault::makers_of(source.vault(), authorization);
  if (!chain) return trouble(chain.error());
  chain->push_back(authorization);
  for (const vault::Authorization& one : *chain) {
    if (one.budget == vault::Budget{}) continue;
    auto spent = source.budgets().spent(one.id);
    if (!spent) {
      const auto stored = source.vault().find_spent(one.organization, one.id);
      if (!stored) return trouble(stored.error());
      spent = stored->calls;
    }
    if (is_used_up(one.budget, *spent, writes)) return budget_exhausted(writes);
  }
  return {};
}

}  // namespace postern::serve
