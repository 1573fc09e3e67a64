// Budgets under concurrency: exactly as many calls as there are, along the whole chain of makers, in few durable
// writes.
#include <thread>

#include "world.hpp"

namespace postern::serve {
namespace {

using Outcome = Budgets::Outcome;

class BudgetRoom : public testing::Test, public World {
 public:
  ~BudgetRoom() override { offload.stop(); }
  vault::Authorization make(vault::Budget budget, const std::string& parent = {}) {
    vault::Authorization wanted;
    wanted.organization = vault::kDefaultOrganization;
    wanted.capabilities = {"proxy:call"};
    wanted.budget = budget;
    wanted.parent = parent;
    wanted.expires = 4'000'000'000'000;
    return vault->create_authorization(wanted)->authorization;
  }
  Budgets::Purses purses(Budgets& budgets, const vault::Authorization& of) {
    return budgets.of(of, *vault::makers_of(*vault, of));
  }
  Outcome spend(Budgets& budgets, const Budgets::Purses& from, bool writes = false) {
    return loop.run(budgets.spend(from, writes, loop.worker.context(), offload));
  }
  int spend_all(Budgets& budgets, const Budgets::Purses& from, bool writes = false) {
    int calls = 0;
    while (spend(budgets, from, writes) == Outcome::granted) ++calls;
    return calls;
  }
  vault::Calls stored(const vault::Authorization& of) { return vault->find_spent(of.organization, of.id)->calls; }

  test::Loop loop;
  net::Offload offload{2};
};

TEST_F(BudgetRoom, grants_every_call_of_a_small_budget_and_no_more) {
  for (const std::uint64_t total : {0, 1, 2, 17, 100}) {
    Budgets budgets(*vault);
    const auto of = make({.total = total, .writes = {}});
    EXPECT_EQ(spend_all(budgets, purses(budgets, of)), int(total));
    EXPECT_EQ(stored(of).total, total);
    EXPECT_EQ(spend(budgets, purses(budgets, of), true), Outcome::exhausted);
  }
}

TEST_F(BudgetRoom, counts_writes_apart_and_reads_go_on_without_them) {
  Budgets budgets(*vault);
  const auto of = make({.total = 10, .writes = 3});
  const auto from = purses(budgets, of);
  EXPECT_EQ(spend_all(budgets, from, true), 3);
  EXPECT_EQ(spend_all(budgets, from, false), 7);
  const auto only = make({.total = {}, .writes = 2});
  EXPECT_EQ(spend_all(budgets, purses(budgets, only), true), 2);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(spend(budgets, purses(budgets, only), false), Outcome::granted);
}

TEST_F(BudgetRoom, debits_the_whole_chain_of_makers_or_none_of_it) {
  Budgets budgets(*vault);
  const auto root = make({.total = 10, .writes = {}}), middle = make({}, root.id),
             one = make({.total = 8, .writes = {}}, middle.id), two = make({}, middle.id);
  EXPECT_EQ(purses(budgets, one).size(), 2U);
  EXPECT_EQ(purses(budgets, two).size(), 1U);  // shares what its maker's maker has
  for (int i = 0; i < 4; ++i) EXPECT_EQ(spend(budgets, purses(budgets, two)), Outcome::granted);
  EXPECT_EQ(spend_all(budgets, purses(budgets, one)), 6);
  EXPECT_EQ(budgets.spent(root.id), (vault::Calls{10, 0}));
  EXPECT_EQ(budgets.spent(one.id), (vault::Calls{6, 0}));  // the refused call cost it nothing
  EXPECT_EQ(spend(budgets, purses(budgets, two)), Outcome::exhausted);
}

TEST_F(BudgetRoom, gives_exactly_the_budget_to_a_thousand_callers_on_two_threads) {
  Budgets budgets(*vault);
  const auto root = make({.total = 150, .writes = {}}), of = make({.total = 100, .writes = 40}, root.id);
  const auto from = purses(budgets, of);
  std::atomic<int> granted{0}, exhausted{0}, written{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        boost::asio::io_context home(1);
        for (int i = 0; i < 500; ++i) {
          net::spawn([](BudgetRoom& room, Budgets& all, const Budgets::Purses& held, bool writes,
                        boost::asio::io_context& here, std::atomic<int>& yes, std::atomic<int>& wrote,
                        std::atomic<int>& no) -> net::Task<void> {
            const Outcome outcome = co_await all.spend(held, writes, here, room.offload);
            if (outcome == Outcome::granted) ++yes;
            if (outcome == Outcome::granted && writes) ++wrote;
            if (outcome == Outcome::exhausted) ++no;
          }(*this, budgets, from, (i + t) % 2 == 0, home, granted, written, exhausted));
        }
        home.run();
      });
    }
  }
  EXPECT_EQ(granted + exhausted, 1000);
  EXPECT_EQ(granted, 100);
  EXPECT_LE(written, 40);
  EXPECT_EQ(stored(of).total, 100U);
  EXPECT_EQ(budgets.spent(root.id), (vault::Calls{100, 0}));
}

TEST_F(BudgetRoom, takes_large_budgets_in_few_durable_writes) {
  Budgets budgets(*vault);
  const auto of = make({.total = 100'000, .writes = {}});
  const auto from = purses(budgets, of);
  const auto before = vault->status().commit;
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(spend(budgets, from), Outcome::granted);
  EXPECT_LE(vault->status().commit - before, 10U);
  EXPECT_EQ(budgets.spent(of.id), (vault::Calls{10'000, 0}));
  EXPECT_GE(stored(of).total, 10'000U);
}

// What a process holds when it is killed counts as spent; what it gives back does not.
TEST_F(BudgetRoom, a_next_process_goes_on_at_the_call_after_a_clean_end_and_behind_the_block_after_a_kill) {
  const auto of = make({.total = 100, .writes = 100});
  {
    Budgets killed(*vault);
    EXPECT_EQ(spend(killed, purses(killed, of)), Outcome::granted);
  }
  EXPECT_EQ(stored(of), (vault::Calls{6, 0}));  // a sixteenth
  {
    Budgets ended(*vault);
    EXPECT_EQ(spend(ended, purses(ended, of), true), Outcome::granted);
    ASSERT_TRUE(ended.give_back());
  }
  EXPECT_EQ(stored(of), (vault::Calls{7, 1}));
  Budgets next(*vault);
  EXPECT_EQ(spend_all(next, purses(next, of)), 93);
}

TEST_F(BudgetRoom, what_was_given_back_can_be_spent_by_the_same_process) {
  Budgets budgets(*vault);
  const auto of = make({.total = 20, .writes = {}});
  const auto from = purses(budgets, of);
  for (int i = 0; i < 19; ++i) EXPECT_EQ(spend(budgets, from), Outcome::granted);
  ASSERT_TRUE(budgets.give_back());
  EXPECT_EQ(stored(of).total, 19U);
  EXPECT_FALSE(budgets.spent(of.id)) << "the vault knows best";
  EXPECT_EQ(spend_all(budgets, from), 1);
}

TEST_F(BudgetRoom, keeps_the_blocks_of_few_and_gives_back_those_of_many_that_nobody_holds) {
  Budgets budgets(*vault);
  const auto of = make({.total = 1000, .writes = {}});
  EXPECT_EQ(spend(budgets, purses(budgets, of)), Outcome::granted);
  EXPECT_EQ(stored(of).total, 62U);
  vault::Authorization many = make({.total = 1, .writes = {}});
  for (int i = 0; i < 2000; ++i) {
    many.id = "tok_" + std::to_string(i);
    static_cast<void>(budgets.of(many, {}));
  }
  EXPECT_EQ(stored(of).total, 1U);
  EXPECT_EQ(spend_all(budgets, purses(budgets, of)), 999);
}

TEST_F(BudgetRoom, a_revoked_or_erased_maker_ends_it) {
  Budgets budgets(*vault);
  auto root = make({.total = 10, .writes = {}});
  const auto child = make({.total = 10, .writes = {}}, root.id);
  const auto from = purses(budgets, child);
  root.revoked = 5;
  ASSERT_TRUE(vault->update_authorization(root));
  EXPECT_EQ(spend(budgets, from), Outcome::ended);
  EXPECT_TRUE(budgets.give_back());
}

}  // namespace
}  // namespace postern::serve
