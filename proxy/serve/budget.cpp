#include "proxy/serve/budget.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace postern::serve {
namespace {

constexpr std::uint64_t kLargestBlock = 1000;

// A sixteenth of what is left, so that a small budget is exact and a large one seldom waits for the disk; more where
// more wait.
std::uint64_t block(const std::optional<std::uint64_t>& limit, std::uint64_t spent, std::uint64_t left,
                    std::uint64_t needed) {
  if (!limit || left >= needed) return 0;
  const std::uint64_t remaining = *limit - std::min(*limit, spent);
  return std::max(std::clamp<std::uint64_t>(remaining / 16, 1, kLargestBlock), needed - left);
}

bool is_dry(const std::optional<std::uint64_t>& limit, std::uint64_t left) {
  return limit && left == 0;
}

}  // namespace

struct Budgets::Waiter {
  std::coroutine_handle<> handle;
  boost::asio::io_context& home;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard;
  bool writes;
  Outcome* outcome;
};

class Budgets::Purse {
 public:
  Purse(std::string org, std::string authorization, vault::Budget limits)
      : organization(std::move(org)), id(std::move(authorization)), budget(limits) {}
  bool dry(bool writes) const {
    return is_dry(budget.total, left.total) || (writes && is_dry(budget.writes, left.writes));
  }
  // Nothing more is to be had for it.
  bool exhausted(bool writes) const {
    return known && ((is_dry(budget.total, left.total) && spent.total >= *budget.total) ||
                     (writes && is_dry(budget.writes, left.writes) && spent.writes >= *budget.writes));
  }

  const std::string organization, id;
  const vault::Budget budget;
  vault::Calls left;   // taken and not yet used
  vault::Calls spent;  // as stored, with `left` in it
  bool known = false;  // `spent` is
  bool busy = false;   // somebody speaks to the vault about it
  std::vector<Waiter> waiting;
};

// Until whoever is busy with the purse is done; what came of it.
class Budgets::Wait {
 public:
  Wait(Budgets& budgets, Purse& purse, bool writes, boost::asio::io_context& home)
      : budgets_(budgets), purse_(purse), writes_(writes), home_(home) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) {
    const std::scoped_lock lock(budgets_.mutex_);
    if (!purse_.busy) return false;
    purse_.waiting.push_back({handle, home_, boost::asio::make_work_guard(home_), writes_, &outcome_});
    return true;
  }
  Outcome await_resume() const noexcept { return outcome_; }

 private:
  Budgets& budgets_;
  Purse& purse_;
  const bool writes_;
  boost::asio::io_context& home_;
  Outcome outcome_ = Outcome::granted;  // that is: look again
};

Budgets::Purses Budgets::of(const vault::Authorization& authorization,
                            const std::vector<vault::Authorization>& makers) {
  Purses found, unheld;
  const auto add = [&](const vault::Authorization& a) {
    if (a.budget == vault::Budget()) return;
    auto& purse = purses_[a.id];
    if (!purse) purse = std::make_shared<Purse>(a.organization, a.id, a.budget);
    found.push_back(purse);
  };
  {
    const std::scoped_lock lock(mutex_);
    add(authorization);
    std::for_each(makers.begin(), makers.end(), add);
    if (purses_.size() < sweep_at_) return found;
    for (const auto& [id, purse] : purses_)
      if (purse.use_count() == 1) unheld.push_back(purse);
  }
  static_cast<void>(give_back(unheld));
  unheld.clear();
  const std::scoped_lock lock(mutex_);
  std::erase_if(purses_, [](const auto& row) { return row.second.use_count() == 1 && !row.second->known; });
  sweep_at_ = std::max<std::size_t>(1024, 2 * purses_.size());
  return found;
}

// The first that has none; null: all had one, and have one less now.
Budgets::Purse* Budgets::debit(const Purses& purses, bool writes) {
  const std::scoped_lock lock(mutex_);
  for (const auto& purse : purses)
    if (purse->dry(writes)) return purse.get();
  for (const auto& purse : purses) {
    if (purse->budget.total) --purse->left.total;
    if (writes && purse->budget.writes) --purse->left.writes;
  }
  return nullptr;
}

bool Budgets::spend_at_hand(const Purses& purses, bool writes) {
  return debit(purses, writes) == nullptr;
}

net::Task<Budgets::Outcome> Budgets::spend(const Purses& purses, bool writes, boost::asio::io_context& home,
                                           net::Offload& offload) {
  while (Purse* const dry = debit(purses, writes)) {
    const Outcome outcome = co_await fill(*dry, writes, home, offload);
    if (outcome != Outcome::granted) co_return outcome;
  }
  co_return Outcome::granted;
}

net::Task<Budgets::Outcome> Budgets::fill(Purse& purse, bool writes, boost::asio::io_context& home,
                                          net::Offload& offload) {
  bool mine = false;
  {
    const std::scoped_lock lock(mutex_);
    if (purse.exhausted(writes)) co_return Outcome::exhausted;
    mine = !std::exchange(purse.busy, true);
  }
  if (!mine) co_return co_await Wait(*this, purse, writes, home);
  co_return co_await offload.run(home, [&] { return take(purse, writes); });
}

// On a thread that may block. Whoever waits goes on as soon as the block is durable.
Budgets::Outcome Budgets::take(Purse& purse, bool writes) {
  vault::Calls needed{1, writes ? 1U : 0U}, wanted;
  if (!purse.known) {  // only who is busy with it changes `known` and `spent`
    const auto stored = vault_.find_spent(purse.organization, purse.id);
    if (!stored) {
      end_turn(purse, Outcome::vault);
      return Outcome::vault;
    }
    const std::scoped_lock lock(mutex_);
    purse.spent = stored->calls;
    purse.known = true;
  }
  {
    const std::scoped_lock lock(mutex_);
    for (const Waiter& waiter : purse.waiting) {
      ++needed.total;
      needed.writes += waiter.writes ? 1 : 0;
    }
    wanted = {block(purse.budget.total, purse.spent.total, purse.left.total, needed.total),
              block(purse.budget.writes, purse.spent.writes, purse.left.writes, needed.writes)};
  }
  const auto taken = vault_.take_calls(purse.organization, purse.id, wanted);
  const bool gone = !taken && taken.error().code == vault::Error::Code::not_found;
  const Outcome outcome = taken ? Outcome::granted : gone ? Outcome::ended : Outcome::vault;
  {
    const std::scoped_lock lock(mutex_);
    purse.known = taken.has_value();  // what a failed write has done is the vault's to say
    if (taken) {
      purse.spent = taken->spent;
      purse.left.total += taken->calls.total;
      purse.left.writes += taken->calls.writes;
    }
  }
  end_turn(purse, outcome);
  return outcome;
}

void Budgets::end_turn(Purse& purse, Outcome outcome) {
  std::vector<Waiter> woken;
  {
    const std::scoped_lock lock(mutex_);
    purse.busy = false;
    woken.swap(purse.waiting);
  }
  for (Waiter& waiter : woken) {
    *waiter.outcome = outcome;
    boost::asio::post(waiter.home, [handle = waiter.handle, guard = std::move(waiter.guard)] { handle.resume(); });
  }
}

std::optional<vault::Calls> Budgets::spent(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const auto at = purses_.find(id);
  if (at == purses_.end() || !at->second->known) return std::nullopt;
  const Purse& purse = *at->second;
  return vault::Calls{purse.spent.total - purse.left.total, purse.spent.writes - purse.left.writes};
}

vault::Result<void> Budgets::give_back() {
  Purses all;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, purse] : purses_) all.push_back(purse);
  }
  return give_back(all);
}

// What is on its way back is in no purse any more, so that nobody uses it as well. Nor does it come back when the write
// fails, whose outcome may be unknown: it counts as spent then.
vault::Result<void> Budgets::give_back(const Purses& purses) {
  std::vector<vault::Spent> unused;
  Purses mine;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& purse : purses) {
      if (purse->busy) continue;
      purse->busy = true;
      purse->known = false;  // whoever wants it next asks the vault anew
      mine.push_back(purse);
      unused.push_back({purse->organization, purse->id, std::exchange(purse->left, {}), 0});
    }
  }
  std::erase_if(unused, [](const vault::Spent& one) { return one.calls == vault::Calls(); });
  auto done = unused.empty() ? vault::Result<void>() : vault_.give_back(unused);
  for (const auto& purse : mine) end_turn(*purse, Outcome::granted);
  return done;
}

}  // namespace postern::serve
