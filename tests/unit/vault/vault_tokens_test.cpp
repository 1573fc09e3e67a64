// Refreshes: what was begun is known after a crash, and an outcome counts only while nothing newer is there.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Refreshes : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();

  TokenBook& tokens() { return vault->tokens(); }
  Connection make(std::string project = std::string(kDefaultProject)) {
    Connection meta = stripe();
    meta.project = std::move(project);
    make_place(*vault, meta.organization, meta.project);
    auto made = vault->create_connection(meta, token_pair("first"));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : Connection{};
  }
  Intent begin(const Connection& meta) {
    const Secret spent("refresh");
    auto begun = tokens().begin_refresh(meta, "host:1", &spent);
    EXPECT_TRUE(begun) << begun.error().message;
    return begun ? std::move(*begun) : Intent{};
  }
  Connection now(const Connection& meta) { return *vault->find_connection({meta.organization, meta.project}, meta.id); }
  std::vector<std::string> pending() {
    std::vector<std::string> ids;
    std::string after;
    for (;;) {
      const auto page = tokens().pending_intents(after, 1);
      EXPECT_TRUE(page) << page.error().message;
      if (!page || page->empty()) return ids;
      ids.push_back(page->front().id);
      after = cursor_of(page->front());
    }
  }
  void expect_tokens(const Connection& meta, std::string_view access) {
    const auto credential = vault->open_credential(now(meta));
    ASSERT_TRUE(credential) << credential.error().message;
    EXPECT_TRUE(credential->values.at("accessToken").equals(access));
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, Refreshes, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(Refreshes, are_written_down_before_they_are_sent) {
  const Connection meta = make();
  world.now += 1000;
  const Intent intent = begin(meta);
  EXPECT_TRUE(looks_like_id(intent.id));
  EXPECT_EQ(intent.connection, meta.id);
  EXPECT_EQ(intent.generation, 1U);
  EXPECT_EQ(intent.started, world.now);
  EXPECT_EQ(intent.digest.size(), 32U);
  const auto found = tokens().pending_intents({}, 10);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().id, intent.id);
  EXPECT_EQ(found->front().holder, "host:1");
  EXPECT_EQ(found->front().version, intent.version);
  EXPECT_TRUE(tokens().spends(found->front(), Secret("refresh")));
  EXPECT_FALSE(tokens().spends(found->front(), Secret("another")));
  EXPECT_EQ(now(meta).version, meta.version);  // nobody's ETag moves
  EXPECT_EQ(describe(intent).find("refresh"), std::string::npos);
}

TEST_P(Refreshes, that_spend_no_token_say_so) {
  const auto intent = tokens().begin_refresh(make(), "h", nullptr);
  ASSERT_TRUE(intent);
  EXPECT_TRUE(intent->digest.empty());
  EXPECT_FALSE(tokens().spends(*intent, Secret("")));
}

TEST_P(Refreshes, there_is_one_at_a_time_of_each_connection) {
  const Connection meta = make();
  const Intent intent = begin(meta);
  EXPECT_REFUSED(tokens().begin_refresh(meta, "h", nullptr), conflict);
  begin(make());
  ASSERT_TRUE(tokens().finish_refresh(intent, token_pair("second"), {}));
  EXPECT_REFUSED(tokens().begin_refresh(meta, "h", nullptr), conflict);  // of the generation before
  begin(now(meta));
}

TEST_P(Refreshes, many_begin_and_one_is_let) {
  const Connection meta = make();
  std::atomic<int> let = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        const auto begun = tokens().begin_refresh(meta, "h", nullptr);
        if (begun) ++let;
        if (!begun) EXPECT_REFUSED(begun, conflict);
      });
    }
  }
  EXPECT_EQ(let, 1);
}

TEST_P(Refreshes, end_with_tokens_metadata_and_intent_in_one_step) {
  Connection meta = make();
  meta.status = Status::error;
  meta.status_reason = "r";
  meta.status_text = "t";
  meta = *vault->update_connection(meta);
  const Intent intent = begin(meta);
  world.now += 1000;
  Credential fresh = token_pair("second", "other");
  fresh.generation = 77;
  const auto done = tokens().finish_refresh(
      intent, fresh, {.account = "jane", .expires = world.now + 5, .refresh_expires = world.now + 9, .touch = 3});
  ASSERT_TRUE(done) << done.error().message;
  const Connection found = now(meta);
  for (const Connection& one : {*done, found}) {
    EXPECT_EQ(one.generation, 2U);
    EXPECT_EQ(one.version, meta.version + 1);
    EXPECT_EQ(one.status, Status::active);
    EXPECT_EQ(one.status_reason, "");
    EXPECT_EQ(one.status_text, "");
    EXPECT_EQ(one.status_since, world.now);
    EXPECT_EQ(one.account, "jane");
    EXPECT_EQ(one.last_refresh, world.now);
    EXPECT_EQ(one.expires, world.now + 5);
    EXPECT_EQ(one.refresh_expires, world.now + 9);
    EXPECT_EQ(one.touch, 3);
  }
  EXPECT_THAT(pending(), IsEmpty());
  const auto credential = vault->open_credential(found);
  ASSERT_TRUE(credential) << credential.error().message;
  EXPECT_TRUE(credential->values.at("refreshToken").equals("other"));
  EXPECT_EQ(credential->times->boot_id, "boot");
  EXPECT_EQ(*credential->times->lifetime_ms, 3'600'000);
  ASSERT_TRUE(tokens().finish_refresh(begin(found), token_pair("third"), {}));
  EXPECT_EQ(now(meta).account, "jane");  // not said again: as it was
}

TEST_P(Refreshes, leave_the_time_of_the_last_change_where_the_status_stays) {
  const Connection meta = make();
  world.now += 1000;
  const auto done = tokens().finish_refresh(begin(meta), token_pair("second"), {});
  EXPECT_EQ(done->updated, meta.updated);
  EXPECT_EQ(done->status_since, meta.status_since);
}

TEST_P(Refreshes, keep_what_was_changed_meanwhile) {
  Connection meta = make();
  const Intent intent = begin(meta);
  meta.name = "renamed";
  meta.enabled = false;
  meta.alias = "another";
  ASSERT_TRUE(vault->update_connection(meta));
  ASSERT_TRUE(tokens().finish_refresh(intent, token_pair("second"), {}));
  const auto found = vault->find_connection({}, "another");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->name, "renamed");
  EXPECT_FALSE(found->enabled);
  expect_tokens(meta, "second");
}

TEST_P(Refreshes, finish_while_the_metadata_changes_all_the_time) {
  const Connection meta = make();
  std::atomic<bool> stop = false;
  int renames = 0;
  {
    std::jthread renames_it([&] {
      while (!stop) {
        Connection one = now(meta);
        one.name = "name " + std::to_string(renames + 1);
        if (vault->update_connection(one)) ++renames;
      }
    });
    for (int i = 0; i < 30; ++i) {
      const auto done = tokens().finish_refresh(begin(now(meta)), token_pair("token " + std::to_string(i)), {});
      EXPECT_TRUE(done) << done.error().message;
    }
    stop = true;
  }
  EXPECT_EQ(now(meta).generation, 31U);
  if (renames != 0) EXPECT_EQ(now(meta).name, "name " + std::to_string(renames));
  expect_tokens(meta, "token 29");
}

TEST_P(Refreshes, do_not_count_once_the_connection_is_rotated_revoked_or_gone) {
  const Connection rotated = make(), revoked = make(), updated = make(), erased = make();
  const Intent a = begin(rotated), b = begin(revoked), c = begin(updated), d = begin(erased);
  ASSERT_TRUE(vault->rotate_credential(rotated, token_pair("by hand")));
  ASSERT_TRUE(tokens().set_status({}, revoked.id, 1, {.status = Status::revoked, .reason = "revoked"}));
  Connection by_hand = updated;
  by_hand.status = Status::revoked;
  ASSERT_TRUE(vault->update_connection(by_hand));
  ASSERT_TRUE(vault->erase_connection({}, erased.id, 0));
  EXPECT_THAT(pending(), IsEmpty());
  for (const Intent* over : {&a, &b, &c}) {
    EXPECT_REFUSED(tokens().finish_refresh(*over, token_pair("late"), {}), conflict);
    EXPECT_REFUSED(tokens().fail_refresh(*over, {.status = Status::expired}), conflict);
    EXPECT_REFUSED(tokens().take_over(*over, "h"), not_found);
  }
  EXPECT_REFUSED(tokens().finish_refresh(d, token_pair("late"), {}), not_found);
  EXPECT_REFUSED(tokens().fail_refresh(d, {}), not_found);
  EXPECT_REFUSED(tokens().begin_refresh(erased, "h", nullptr), not_found);
  EXPECT_REFUSED(tokens().begin_refresh(revoked, "h", nullptr), conflict);
  expect_tokens(rotated, "by hand");
  expect_tokens(revoked, "first");
  EXPECT_EQ(now(revoked).status, Status::revoked);
}

TEST_P(Refreshes, that_fail_tell_why_and_leave_the_tokens) {
  const Connection meta = make();
  world.now += 1000;
  const StatusChange change{.status = Status::expired, .reason = "refresh_rejected", .text = "no", .touch = 8};
  const auto done = tokens().fail_refresh(begin(meta), change);
  ASSERT_TRUE(done) << done.error().message;
  const Connection found = now(meta);
  EXPECT_EQ(found.version, done->version);
  EXPECT_EQ(found.status, Status::expired);
  EXPECT_EQ(found.status_reason, "refresh_rejected");
  EXPECT_EQ(found.status_text, "no");
  EXPECT_EQ(found.status_since, world.now);
  EXPECT_EQ(found.touch, 8);
  EXPECT_EQ(found.generation, 1U);
  EXPECT_THAT(pending(), IsEmpty());
  expect_tokens(meta, "first");
  ConnectionQuery query;
  query.status = Status::expired;
  EXPECT_EQ(vault->list_connections(query)->data.size(), 1U);
}

TEST_P(Refreshes, that_fail_without_a_change_move_nothing_but_the_intent) {
  const Connection meta = make();
  const auto done = tokens().fail_refresh(begin(meta), {});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->version, meta.version);
  EXPECT_EQ(now(meta).version, meta.version);
  EXPECT_THAT(pending(), IsEmpty());
}

TEST_P(Refreshes, are_refused_tokens_that_are_too_large_and_stay_pending) {
  const Connection meta = make();
  const Intent intent = begin(meta);
  EXPECT_REFUSED(tokens().finish_refresh(intent, token_pair(std::string(300'000, 'x')), {}), invalid);
  EXPECT_THAT(pending(), ElementsAre(intent.id));
}

TEST_P(Refreshes, are_taken_over_from_who_is_no_more) {
  const Connection meta = make();
  const Intent first = begin(meta);
  world.now += 5;
  const auto second = tokens().take_over(first, "host:2");
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_NE(second->id, first.id);
  EXPECT_EQ(second->started, world.now);
  EXPECT_EQ(second->digest, first.digest);
  EXPECT_THAT(pending(), ElementsAre(second->id));
  EXPECT_REFUSED(tokens().take_over(first, "host:3"), conflict);
  EXPECT_REFUSED(tokens().finish_refresh(first, token_pair("of the first"), {}), conflict);
  ASSERT_TRUE(tokens().finish_refresh(*second, token_pair("of the second"), {}));
  EXPECT_REFUSED(tokens().finish_refresh(*second, token_pair("again"), {}), conflict);
  EXPECT_REFUSED(tokens().take_over(*second, "h"), not_found);
  expect_tokens(meta, "of the second");
}

TEST_P(Refreshes, of_all_organizations_are_pending_one_page_after_another) {
  const Connection a = make(), b = make("proj_b");
  Connection other = stripe();
  other.organization = "org_other";
  make_place(*vault, other.organization);
  const Connection c = *vault->create_connection(other, token_pair("x"));
  for (const auto& one : {a, b, c}) begin(one);
  EXPECT_EQ(pending().size(), 3U);
}

TEST_P(Refreshes, a_status_is_set_for_the_generation_it_was_found_with) {
  const Connection meta = make();
  const auto set = tokens().set_status({}, meta.id, 1, {.status = Status::error, .reason = "r", .text = "t"});
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->version, 2U);
  EXPECT_EQ(now(meta).status_reason, "r");
  EXPECT_EQ(tokens().set_status({}, meta.id, 1, {.status = Status::error, .reason = "r", .text = "t"})->version, 2U);
  ASSERT_TRUE(vault->rotate_credential(now(meta), token_pair("new")));
  EXPECT_REFUSED(tokens().set_status({}, meta.id, 1, {}), conflict);
  EXPECT_REFUSED(tokens().set_status({kDefaultOrganization, "proj_b"}, meta.id, 2, {}), not_found);
  EXPECT_REFUSED(tokens().set_status({}, "../x", 2, {}), not_found);
}

class DueOnes : public Refreshes {
 protected:
  Connection at(std::int64_t expires, std::int64_t touch = 0) {
    Connection meta = make();
    meta.expires = expires;
    meta.touch = touch;
    meta.name = std::to_string(touch != 0 ? touch : expires);
    return *vault->update_connection(meta);
  }
  std::vector<std::string> due(std::int64_t before) {
    std::vector<std::string> names;
    std::string after;
    for (;;) {
      const auto page = tokens().due(before, after, 2);
      EXPECT_TRUE(page) << page.error().message;
      if (!page || page->empty()) return names;
      for (const auto& one : *page) names.push_back(one.connection.name);
      after = page->back().cursor;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, DueOnes, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(DueOnes, come_earliest_first_and_only_those_before_the_time) {
  make();
  at(300);
  at(100);
  at(400, 200);
  at(500);
  EXPECT_THAT(due(100), IsEmpty());
  EXPECT_THAT(due(101), ElementsAre("100"));
  EXPECT_THAT(due(1000), ElementsAre("100", "200", "300", "500"));
  EXPECT_EQ(tokens().due(1000, {}, 10)->at(1).at, 200);
}

TEST_P(DueOnes, are_of_all_organizations) {
  at(100);
  Connection other = stripe();
  other.organization = "org_other";
  make_place(*vault, other.organization);
  other.name = "other";
  other.expires = 50;
  ASSERT_TRUE(vault->create_connection(other, token_pair("x")));
  EXPECT_THAT(due(1000), ElementsAre("other", "100"));
}

TEST_P(DueOnes, are_many_of_one_moment) {
  for (int i = 0; i < 40; ++i) at(7);
  EXPECT_EQ(due(8).size(), 40U);
  EXPECT_EQ(tokens().due(8, {}, 100)->size(), 40U);
}

TEST_P(DueOnes, move_with_a_refresh_and_go_with_a_bad_status) {
  Connection one = at(100);
  at(150);
  one = *tokens().finish_refresh(begin(one), token_pair("second"), {.expires = 200});
  EXPECT_THAT(due(1000), ElementsAre("150", "100"));
  ASSERT_TRUE(tokens().set_status({}, one.id, one.generation, {.touch = 50}));
  EXPECT_THAT(due(1000), ElementsAre("100", "150"));
  ASSERT_TRUE(tokens().set_status({}, one.id, one.generation, {.status = Status::expired}));
  EXPECT_THAT(due(1000), ElementsAre("150"));
  ASSERT_TRUE(tokens().set_status({}, one.id, one.generation, {}));
  EXPECT_THAT(due(1000), ElementsAre("100", "150"));
  ASSERT_TRUE(vault->erase_connection({}, one.id, 0));
  EXPECT_THAT(due(1000), ElementsAre("150"));
}

TEST(RefreshOnDisk, is_pending_after_a_restart_and_under_a_new_data_key) {
  World world;
  auto vault = world.create();
  const Connection meta = *vault->create_connection(stripe(), token_pair("first"));
  const Secret spent("refresh");
  const Intent intent = *vault->tokens().begin_refresh(meta, "host:1", &spent);
  ASSERT_TRUE(vault->upkeep().rotate());
  while (vault->upkeep().continue_rotation(3)->running()) continue;
  vault.reset();
  vault = world.open();
  const auto pending = vault->tokens().pending_intents({}, 10);
  ASSERT_TRUE(pending) << pending.error().message;
  ASSERT_EQ(pending->size(), 1U);
  EXPECT_TRUE(vault->tokens().spends(pending->front(), spent));
  EXPECT_TRUE(vault->tokens().finish_refresh(pending->front(), token_pair("second"), {}));
  EXPECT_TRUE(vault->upkeep().verify({}, 1000)->bad.empty());
}

// begin() writes the connection as it is: never under a key that is about to go.
TEST(RefreshOnDisk, and_a_rotation_of_data_keys_do_not_harm_each_other) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  std::vector<Connection> all;
  for (int i = 0; i < 10; ++i) all.push_back(*vault->create_connection(stripe(), token_pair("first")));
  std::atomic<bool> stop = false;
  {
    const std::jthread refreshes([&] {
      for (std::size_t i = 0; !stop; i = (i + 1) % all.size()) {
        const auto begun = vault->tokens().begin_refresh(all[i], "h", nullptr);
        EXPECT_TRUE(begun) << begun.error().message;
        if (begun) EXPECT_TRUE(vault->tokens().fail_refresh(*begun, {}));
      }
    });
    for (int round = 0; round < 20; ++round) {
      EXPECT_TRUE(vault->upkeep().rotate());
      while (vault->upkeep().continue_rotation(7)->running()) continue;
    }
    stop = true;
  }
  EXPECT_TRUE(vault->upkeep().verify({}, 1000)->bad.empty());
  for (const auto& one : all) EXPECT_TRUE(vault->find_connection({}, one.id));
}

}  // namespace
}  // namespace postern::vault::test
