// What is taken of budgets: never more than there is, durably, and gone with the authorization.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {
namespace {

class Spending : public testing::TestWithParam<StoreKind> {
 protected:
  Authorization make(Budget budget, std::string parent = {}) {
    Authorization wanted = step();
    wanted.budget = budget;
    wanted.parent = std::move(parent);
    return vault->create_authorization(std::move(wanted))->authorization;
  }
  Result<Taken> take(const Authorization& of, Calls wanted) {
    return vault->take_calls(of.organization, of.id, wanted);
  }
  Calls spent(const Authorization& of) { return vault->find_spent(of.organization, of.id)->calls; }
  Verified verified() { return *vault->upkeep().verify({}, 1000); }

  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();
};

INSTANTIATE_TEST_SUITE_P(Stores, Spending, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(Spending, takes_what_is_wanted_until_nothing_is_left) {
  const auto of = make({.total = 10, .writes = 3});
  EXPECT_EQ(spent(of), Calls{});
  auto taken = take(of, {6, 2});
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(taken->calls, (Calls{6, 2}));
  EXPECT_EQ(taken->spent, (Calls{6, 2}));
  taken = take(of, {6, 2});
  EXPECT_EQ(taken->calls, (Calls{4, 1}));
  EXPECT_EQ(taken->spent, (Calls{10, 3}));
  EXPECT_EQ(take(of, {1, 1})->calls, Calls{});
  EXPECT_EQ(spent(of), (Calls{10, 3}));
}

TEST_P(Spending, what_has_no_limit_is_not_counted) {
  EXPECT_EQ(take(make({.total = 5, .writes = {}}), {2, 2})->spent, (Calls{2, 0}));
  EXPECT_EQ(take(make({.total = {}, .writes = 5}), {2, 2})->spent, (Calls{0, 2}));
  EXPECT_EQ(take(make({}), {2, 2})->spent, Calls{});
  EXPECT_EQ(take(make({.total = 0, .writes = {}}), {1, 0})->calls, Calls{});
}

TEST_P(Spending, what_is_given_back_can_be_taken_again) {
  const auto one = make({.total = 10, .writes = {}}), two = make({.total = 10, .writes = 10}),
             never = make({.total = 1, .writes = {}});
  static_cast<void>(take(one, {10, 0}));
  static_cast<void>(take(two, {8, 8}));
  ASSERT_TRUE(vault->give_back({{one.organization, one.id, {4, 0}, 0},
                                {two.organization, two.id, {8, 100}, 0},
                                {never.organization, never.id, {1, 0}, 0}}));
  EXPECT_EQ(spent(one), (Calls{6, 0}));
  EXPECT_EQ(spent(two), Calls{});
  EXPECT_EQ(vault->find_spent(never.organization, never.id)->version, 0U);
  EXPECT_EQ(take(one, {10, 0})->calls, (Calls{4, 0}));
}

TEST_P(Spending, a_revoked_or_unknown_one_takes_and_gives_nothing) {
  auto of = make({.total = 10, .writes = {}});
  static_cast<void>(take(of, {3, 0}));
  of.revoked = world.now;
  ASSERT_TRUE(vault->update_authorization(of));
  EXPECT_REFUSED(take(of, {1, 0}), not_found);
  EXPECT_TRUE(vault->give_back({{of.organization, of.id, {3, 0}, 0}}));
  EXPECT_EQ(spent(of), (Calls{3, 0}));  // what it did stays to be seen
  EXPECT_REFUSED(vault->take_calls(kDefaultOrganization, "tok_00000000000000000000", {1, 0}), not_found);
  EXPECT_REFUSED(vault->take_calls("org_other", of.id, {1, 0}), not_found);
}

TEST_P(Spending, is_erased_with_its_authorization) {
  const auto of = make({.total = 10, .writes = {}});
  static_cast<void>(take(of, {3, 0}));
  EXPECT_EQ(verified().sound["spent"], 1U);
  ASSERT_TRUE(vault->erase_authorization(of.organization, of.id));
  EXPECT_EQ(vault->find_spent(of.organization, of.id)->version, 0U);
  EXPECT_EQ(verified().sound["spent"], 0U);
  EXPECT_TRUE(verified().bad.empty());
}

TEST_P(Spending, moves_neither_version_nor_etag_of_the_authorization) {
  const auto of = make({.total = 10, .writes = {}});
  static_cast<void>(take(of, {3, 0}));
  EXPECT_EQ(vault->find_authorization(of.organization, of.id)->version, of.version);
}

TEST_P(Spending, many_at_a_time_take_exactly_the_budget) {
  const auto of = make({.total = 100, .writes = 50});
  std::atomic<std::uint64_t> total{0}, writes{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (;;) {
          const auto taken = take(of, {3, 2});
          if (!taken || taken->calls == Calls{}) return;
          total += taken->calls.total;
          writes += taken->calls.writes;
        }
      });
    }
  }
  EXPECT_EQ(total, 100U);
  EXPECT_EQ(writes, 50U);
  EXPECT_EQ(spent(of), (Calls{100, 50}));
}

TEST_P(Spending, a_rotation_of_keys_takes_it_along) {
  const auto of = make({.total = 10, .writes = {}});
  static_cast<void>(take(of, {3, 0}));
  ASSERT_TRUE(vault->upkeep().rotate());
  for (auto step = vault->upkeep().continue_rotation(100); step && step->state != Rotation::State::done;)
    step = vault->upkeep().continue_rotation(100);
  EXPECT_EQ(vault->status().data_keys, 1U);
  EXPECT_EQ(spent(of), (Calls{3, 0}));
  EXPECT_EQ(take(of, {10, 0})->calls, (Calls{7, 0}));
}

TEST_P(Spending, many_authorizations_change_in_one_write_or_none) {
  auto one = make({}), two = make({});
  one.revoked = two.revoked = 5;
  ASSERT_TRUE(vault->update_authorizations({one, two}));
  EXPECT_EQ(vault->find_authorization(one.organization, one.id)->revoked, 5);
  EXPECT_EQ(vault->find_authorization(two.organization, two.id)->version, 2U);
  auto three = make({});
  three.revoked = 5;
  EXPECT_REFUSED(vault->update_authorizations({three, two}), conflict);  // `two` is as it was before
  EXPECT_EQ(vault->find_authorization(three.organization, three.id)->revoked, 0);
  EXPECT_TRUE(vault->update_authorizations({}));
}

TEST_P(Spending, makers_are_told_up_to_the_first_and_a_dead_one_is_no_maker) {
  const auto root = make({}), child = make({}, root.id), grandchild = make({}, child.id);
  auto makers = makers_of(*vault, grandchild);
  ASSERT_TRUE(makers) << makers.error().message;
  ASSERT_EQ(makers->size(), 2U);
  EXPECT_EQ((*makers)[0].id, child.id);
  EXPECT_EQ((*makers)[1].id, root.id);
  EXPECT_TRUE(makers_of(*vault, root)->empty());

  auto revoked = root;
  revoked.revoked = world.now;
  ASSERT_TRUE(vault->update_authorization(revoked));
  EXPECT_REFUSED(makers_of(*vault, grandchild), not_found);
  ASSERT_TRUE(vault->erase_authorization(root.organization, root.id));
  EXPECT_REFUSED(makers_of(*vault, child), not_found);
}

TEST_P(Spending, makers_may_be_above_the_organizations_but_not_in_another) {
  Authorization system = step(0);
  system.organization = system.project = "";
  const auto above = vault->create_authorization(system)->authorization;
  EXPECT_EQ(makers_of(*vault, make({}, above.id))->front().id, above.id);
  make_place(*vault, "org_other");
  Authorization foreign = step();
  foreign.organization = "org_other";
  const auto other = vault->create_authorization(foreign)->authorization;
  EXPECT_REFUSED(makers_of(*vault, make({}, other.id)), not_found);
}

TEST(Spent, outlives_the_process_to_the_call) {
  World world;
  auto vault = world.create();
  Authorization wanted = step();
  wanted.budget = {.total = 10, .writes = {}};
  const auto of = vault->create_authorization(wanted)->authorization;
  ASSERT_TRUE(vault->take_calls(of.organization, of.id, {7, 0}));
  vault.reset();
  vault = world.open();
  EXPECT_EQ(vault->take_calls(of.organization, of.id, {7, 0})->calls, (Calls{3, 0}));
}

}  // namespace
}  // namespace postern::vault::test
