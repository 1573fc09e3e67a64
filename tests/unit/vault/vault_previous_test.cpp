// A rotation that was a mistake: the credential before it is kept for a time, comes back, and is gone when it is over.
#include <gmock/gmock.h>

#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {
namespace {

constexpr std::int64_t kHour = 3'600'000;

class PreviousCredentials : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();

  Connection make() { return *vault->create_connection(stripe(), api_key("first")); }
  Connection rotate(Connection meta, std::string_view value, std::int64_t keep) {
    meta.previous_until = keep == 0 ? 0 : world.now + keep;
    auto rotated = vault->rotate_credential(std::move(meta), api_key(value));
    EXPECT_TRUE(rotated) << rotated.error().message;
    return rotated ? std::move(*rotated) : Connection{};
  }
  Connection now(const Connection& meta) { return *vault->find_connection({meta.organization, meta.project}, meta.id); }
  void expect_value(const Connection& meta, std::string_view value) {
    const auto credential = vault->open_credential(now(meta));
    ASSERT_TRUE(credential) << credential.error().message;
    EXPECT_TRUE(credential->values.at("apiKey").equals(value));
  }
  // Every record is sound, and so many of them are previous credentials.
  void expect_sound(std::uint64_t previous) {
    const auto page = vault->upkeep().verify({}, 10'000);
    ASSERT_TRUE(page) << page.error().message;
    for (const auto& bad : page->bad) ADD_FAILURE() << bad.key << ": " << bad.what;
    const auto count = [&](const char* type) { return page->sound.contains(type) ? page->sound.at(type) : 0; };
    EXPECT_EQ(count("previous"), previous);
    EXPECT_EQ(count("previous_end"), previous);
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, PreviousCredentials, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(PreviousCredentials, come_back_as_a_generation_of_their_own_and_only_once) {
  Connection meta = make();
  meta.status = Status::error;
  meta.status_reason = "credentials_rejected";
  meta = *vault->update_connection(meta);
  meta.status = Status::active;
  meta.status_reason.clear();
  const Connection rotated = rotate(meta, "mistake", kHour);
  EXPECT_EQ(rotated.previous_until, world.now + kHour);
  expect_value(rotated, "mistake");
  expect_sound(1);
  EXPECT_REFUSED(vault->restore_credential(meta), conflict);  // of the version before

  world.now += 1'000;
  const auto back = vault->restore_credential(rotated);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->generation, 3U);
  EXPECT_EQ(back->previous_until, 0);
  EXPECT_EQ(back->status, Status::error);  // it comes back as it was
  EXPECT_EQ(back->status_reason, "credentials_rejected");
  EXPECT_EQ(back->updated, world.now);
  expect_value(*back, "first");
  expect_sound(0);
  EXPECT_REFUSED(vault->restore_credential(*back), not_found);
}

TEST_P(PreviousCredentials, are_those_of_the_last_rotation) {
  const Connection second = rotate(make(), "second", kHour);
  const Connection third = rotate(second, "third", 2 * kHour);
  expect_sound(1);
  ASSERT_TRUE(vault->restore_credential(third));
  expect_value(third, "second");
}

TEST_P(PreviousCredentials, are_not_kept_unless_it_is_asked_for) {
  const Connection second = rotate(make(), "second", kHour);
  const Connection third = rotate(second, "third", 0);
  EXPECT_EQ(third.previous_until, 0);
  expect_sound(0);
  EXPECT_REFUSED(vault->restore_credential(third), not_found);
  EXPECT_EQ(rotate(third, "fourth", -1).previous_until, 0);  // a time that has come
  expect_sound(0);
}

TEST_P(PreviousCredentials, are_gone_when_their_time_is_over) {
  const Connection rotated = rotate(make(), "second", kHour);
  EXPECT_EQ(*vault->sweep(world.now + kHour - 1), 0U);
  EXPECT_EQ(now(rotated).version, rotated.version);
  world.now += kHour;
  EXPECT_REFUSED(vault->restore_credential(rotated), not_found);  // also before anybody has swept
  EXPECT_EQ(*vault->sweep(world.now), 1U);
  EXPECT_EQ(*vault->sweep(world.now), 0U);
  EXPECT_EQ(now(rotated).previous_until, 0);
  EXPECT_EQ(now(rotated).generation, rotated.generation);
  expect_value(rotated, "second");
  expect_sound(0);
}

TEST_P(PreviousCredentials, stay_with_a_change_of_the_metadata_and_go_with_the_connection) {
  Connection rotated = rotate(make(), "second", kHour);
  rotated.name = "Another";
  rotated.previous_until = 0;  // not what says so
  const auto renamed = vault->update_connection(rotated);
  ASSERT_TRUE(renamed);
  EXPECT_EQ(renamed->previous_until, world.now + kHour);
  expect_sound(1);
  ASSERT_TRUE(vault->erase_connection({}, renamed->id, 0));
  expect_sound(0);
}

TEST_P(PreviousCredentials, go_when_the_connection_is_revoked) {
  const Connection one = rotate(make(), "second", kHour);
  ASSERT_TRUE(vault->tokens().set_status({}, one.id, one.generation, {.status = Status::revoked}));
  expect_sound(0);
  Connection two = rotate(make(), "second", kHour);
  two.status = Status::revoked;
  ASSERT_TRUE(vault->rotate_credential(two, {}));
  expect_sound(0);
  EXPECT_REFUSED(vault->restore_credential(now(two)), not_found);
}

TEST_P(PreviousCredentials, end_a_refresh_that_was_under_way_when_they_come_back) {
  Connection meta = *vault->create_connection(stripe(), token_pair("first"));
  meta.expires = 7;
  meta.touch = 6;
  meta = *vault->update_connection(meta);
  meta.previous_until = world.now + kHour;
  meta.expires = meta.touch = 0;
  const auto rotated = vault->rotate_credential(meta, token_pair("second"));
  ASSERT_TRUE(rotated);
  const auto intent = vault->tokens().begin_refresh(*rotated, "h", nullptr);
  ASSERT_TRUE(intent);
  const auto back = vault->restore_credential(*rotated);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->expires, 7);
  EXPECT_EQ(back->touch, 6);
  EXPECT_REFUSED(vault->tokens().finish_refresh(*intent, token_pair("late"), {}), conflict);
  const auto credential = vault->open_credential(*back);
  ASSERT_TRUE(credential);
  EXPECT_TRUE(credential->values.at("accessToken").equals("first"));
  EXPECT_EQ(credential->times->lifetime_ms, 3'600'000);
}

TEST_P(PreviousCredentials, stay_through_a_refresh_and_a_rotation_of_the_data_keys) {
  const Connection rotated = rotate(make(), "second", kHour);
  const auto intent = vault->tokens().begin_refresh(rotated, "h", nullptr);
  ASSERT_TRUE(intent);
  ASSERT_TRUE(vault->tokens().finish_refresh(*intent, api_key("renewed"), {}));
  ASSERT_TRUE(vault->upkeep().rotate());
  while (vault->upkeep().continue_rotation(3)->running()) {
  }
  expect_sound(1);
  ASSERT_TRUE(vault->restore_credential(now(rotated)));
  expect_value(rotated, "first");
}

}  // namespace
}  // namespace postern::vault::test
