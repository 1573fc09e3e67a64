#pragma once
// What authorizations may still call: a budget is debited along the whole chain of makers, durably, in blocks, before
// anything goes out (DESIGN section 8).
//
// A block is taken from the vault before a call of it is made. So no call is made beyond the budget, whatever ends this
// process; kept from being made are at most the rests of the blocks that were open, and after give_back() none. One
// process owns a vault, and all its workers share these purses.
// Thread safety: any thread. Ownership: borrows the vault; a purse lives as long as anybody holds it.
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/net/offload.hpp"
#include "proxy/net/task.hpp"
#include "vault/vault.hpp"

namespace postern::serve {

class Budgets {
 public:
  // The calls of one authorization that this process may make without asking the vault. What is in it is Budgets' own.
  class Purse;
  using Purses = std::vector<std::shared_ptr<Purse>>;  // of an authorization and of its makers; empty: no budget
  // `ended`: one of the authorizations is gone or revoked. `vault`: it could not be asked, and nothing was debited.
  enum class Outcome : std::uint8_t { granted, exhausted, ended, vault };

  explicit Budgets(vault::Vault& vault) : vault_(vault) {}

  // Of those that have a budget. May block on the disk: purses that nobody holds are given back when there are many.
  Purses of(const vault::Authorization& authorization, const std::vector<vault::Authorization>& makers);
  // One call of each, if all have one at hand; false: nothing was taken.
  bool spend_at_hand(const Purses& purses, bool writes);
  // One call of each, or of none. An empty purse is filled by whoever finds it so, on `offload`, for all who wait.
  net::Task<Outcome> spend(const Purses& purses, bool writes, boost::asio::io_context& home, net::Offload& offload);
  // What was spent, to the call; nullopt: nothing here knows more than the vault.
  std::optional<vault::Calls> spent(const std::string& id) const;
  // The rests of all blocks, durably; blocks on the disk. For when no more calls are made.
  vault::Result<void> give_back();

 private:
  struct Waiter;
  class Wait;
  Purse* debit(const Purses& purses, bool writes);
  net::Task<Outcome> fill(Purse& purse, bool writes, boost::asio::io_context& home, net::Offload& offload);
  Outcome take(Purse& purse, bool writes);
  void end_turn(Purse& purse, Outcome outcome);
  vault::Result<void> give_back(const Purses& purses);

  vault::Vault& vault_;
  mutable std::mutex mutex_;  // of all purses and of what is in them
  std::unordered_map<std::string, std::shared_ptr<Purse>> purses_;
  std::size_t sweep_at_ = 1024;  // purses
};

}  // namespace postern::serve
