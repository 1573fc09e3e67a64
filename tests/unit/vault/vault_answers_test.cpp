// What calls with an Idempotency-Key made.
#include <gmock/gmock.h>

#include "tests/unit/vault/scratch.hpp"
#include "vault/encoding.hpp"

namespace postern::vault::test {
namespace {

class KeptAnswers : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();

  KeptAnswer answer(std::string_view key, std::string organization = std::string(kDefaultOrganization)) {
    return {.organization = std::move(organization),
            .key = hex(vault->keyed_digest("key", key)),
            .body = hex(vault->keyed_digest("body", "{}")),
            .status = 201,
            .id = "conn_0123456789abcdefghjk",
            .project = std::string(kDefaultProject),
            .created = world.now};
  }
  void expect_sound(std::uint64_t answers) {
    const auto page = vault->upkeep().verify({}, 10'000);
    ASSERT_TRUE(page);
    for (const auto& bad : page->bad) ADD_FAILURE() << bad.key << ": " << bad.what;
    EXPECT_EQ(page->sound.contains("answer") ? page->sound.at("answer") : 0, answers);
    EXPECT_EQ(page->sound.contains("answer_time") ? page->sound.at("answer_time") : 0, answers);
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, KeptAnswers, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(KeptAnswers, are_found_by_their_key_in_their_organization) {
  const KeptAnswer kept = answer("one");
  ASSERT_TRUE(vault->keep_answer(kept));
  const auto found = vault->find_answer(kDefaultOrganization, kept.key);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->body, kept.body);
  EXPECT_EQ(found->status, 201);
  EXPECT_EQ(found->id, kept.id);
  EXPECT_EQ(found->project, kept.project);
  EXPECT_FALSE(found->token);
  EXPECT_REFUSED(vault->find_answer("org_other", kept.key), not_found);
  EXPECT_REFUSED(vault->find_answer(kDefaultOrganization, answer("two").key), not_found);
  EXPECT_REFUSED(vault->find_answer(kDefaultOrganization, "../x"), not_found);
  EXPECT_REFUSED(vault->keep_answer(kept), exists);
  EXPECT_TRUE(vault->keep_answer(answer("one", "")));  // the system's own
  expect_sound(2);
}

TEST_P(KeptAnswers, are_over_after_a_day_whoever_sweeps) {
  ASSERT_TRUE(vault->keep_answer(answer("one")));
  ASSERT_TRUE(vault->keep_answer(answer("one", "")));
  ASSERT_TRUE(vault->keep_answer(answer("one", "org_other")));
  world.now += 1'000;
  ASSERT_TRUE(vault->keep_answer(answer("two")));
  world.now += kAnswerLifetime - 1'000;
  EXPECT_REFUSED(vault->find_answer(kDefaultOrganization, answer("one").key), not_found);
  EXPECT_TRUE(vault->find_answer(kDefaultOrganization, answer("two").key));
  EXPECT_TRUE(vault->keep_answer(answer("one")));  // in place of the one that is over
  expect_sound(4);
  EXPECT_EQ(*vault->sweep(world.now), 2U);
  EXPECT_EQ(*vault->sweep(world.now), 0U);
  EXPECT_TRUE(vault->find_answer(kDefaultOrganization, answer("one").key));
  expect_sound(2);
}

TEST_P(KeptAnswers, whose_digests_are_none_are_refused) {
  KeptAnswer wrong = answer("one");
  wrong.key = "short";
  EXPECT_REFUSED(vault->keep_answer(wrong), invalid);
  wrong = answer("one");
  wrong.body[0] = '/';
  EXPECT_REFUSED(vault->keep_answer(wrong), invalid);
  wrong = answer("one");
  wrong.organization = "a/b";
  EXPECT_REFUSED(vault->keep_answer(wrong), invalid);
}

}  // namespace
}  // namespace postern::vault::test
