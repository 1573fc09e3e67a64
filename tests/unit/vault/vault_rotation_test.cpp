// Rotation of the data keys and of the master key: nothing is lost, nothing is left under an old key, callers see
// nothing.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/unit/vault/scratch.hpp"
#include "vault/envelope.hpp"
#include "vault/keyring.hpp"
#include "vault/store.hpp"

namespace postern::vault::test {
namespace {

using testing::HasSubstr;

// Until it has ended, in steps of a few records; the states it went through.
Rotation carry_through(Vault& vault, std::size_t records = 3) {
  for (int step = 0; step < 10'000; ++step) {
    const auto progress = vault.upkeep().continue_rotation(records);
    EXPECT_TRUE(progress) << progress.error().message;
    if (!progress || !progress->running()) return progress.value_or(Rotation{});
  }
  ADD_FAILURE() << "it never ends";
  return {};
}

struct Filled {
  explicit Filled(Vault& vault, int count = 20) {
    for (int i = 0; i < count; ++i) {
      auto made = vault.create_connection(stripe(), api_key("secret " + std::to_string(i)));
      EXPECT_TRUE(made);
      connections.push_back(*made);
    }
    connections[1] = *vault.rotate_credential(connections[1], api_key("secret 1"));  // generation 2
    auto made = vault.create_authorization(step());
    EXPECT_TRUE(made);
    token = made->token.clone();
    authorization = made->authorization;
  }
  void expect_unchanged(const Vault& vault) const {
    for (std::size_t i = 0; i < connections.size(); ++i) {
      const auto found = vault.find_connection({}, connections[i].alias);
      ASSERT_TRUE(found) << found.error().message;
      EXPECT_EQ(found->version, connections[i].version);
      EXPECT_EQ(found->generation, connections[i].generation);
      const auto credential = vault.open_credential(*found);
      ASSERT_TRUE(credential) << credential.error().message;
      EXPECT_TRUE(credential->values.at("apiKey").equals("secret " + std::to_string(i)));
    }
    const auto known = vault.authenticate(token.expose());
    ASSERT_TRUE(known);
    EXPECT_EQ(known->version, authorization.version);
  }
  std::vector<Connection> connections;
  Secret token;
  Authorization authorization;
};

// The data keys that anything in the closed store is sealed under.
std::set<std::string> keys_in_use(const World& world) {
  const auto store = open_rocksdb_store({.directory = world.options.state / "vault"});
  EXPECT_TRUE(store);
  std::set<std::string> used;
  std::string after;
  for (bool more = true; more;) {
    const auto page = (*store)->scan({}, after, 100);
    for (const auto& entry : page->entries) {
      if (!Keyring::is_wrapped(entry.key)) used.emplace(sealed_under(entry.value).value_or("none"));
      after = entry.key;
    }
    more = page->has_more;
  }
  return used;
}

TEST(Rotation, seals_every_record_anew_and_removes_the_old_key_and_callers_see_no_change) {
  World world;
  {
    const auto vault = world.create();
    const Filled filled(*vault);
    const std::string before = vault->status().active_key_id;
    const auto begun = vault->upkeep().rotate();
    ASSERT_TRUE(begun) << begun.error().message;
    EXPECT_EQ(begun->state, Rotation::State::resealing);
    filled.expect_unchanged(*vault);
    const Rotation ended = carry_through(*vault);
    EXPECT_EQ(ended.state, Rotation::State::done);
    EXPECT_EQ(ended.unreadable, 0U);
    EXPECT_GE(ended.resealed, 20U * 4);
    EXPECT_NE(vault->status().active_key_id, before);
    EXPECT_EQ(vault->status().data_keys, 1U);
    filled.expect_unchanged(*vault);
  }
  EXPECT_EQ(keys_in_use(world).size(), 1U);
  EXPECT_TRUE(world.open());
}

TEST(Rotation, tells_how_far_it_is) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  EXPECT_EQ(vault->upkeep().keys()->rotation.state, Rotation::State::none);
  const Filled filled(*vault);
  ASSERT_TRUE(vault->upkeep().rotate());
  const auto first = vault->upkeep().continue_rotation(10);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->done, 10U);
  EXPECT_GE(first->total, 80U);
  EXPECT_EQ(vault->upkeep().keys()->rotation.done, 10U);
  EXPECT_EQ(vault->upkeep().keys()->data_keys.size(), 3U);  // old, new, digests
  carry_through(*vault);
  const auto keys = vault->upkeep().keys();
  EXPECT_EQ(keys->rotation.finished, world.now);
  EXPECT_EQ(keys->data_keys.size(), 2U);
}

TEST(Rotation, only_one_runs_at_a_time_and_another_may_follow) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  const Filled filled(*vault);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(vault->upkeep().rotate());
    EXPECT_REFUSED(vault->upkeep().rotate(), conflict);
    EXPECT_EQ(carry_through(*vault).state, Rotation::State::done);
    filled.expect_unchanged(*vault);
  }
}

TEST(Rotation, goes_on_where_it_was_after_the_vault_was_closed_at_any_step) {
  for (int closed_after = 0; closed_after < 40; closed_after += 3) {
    World world;
    auto vault = world.create();
    const Filled filled(*vault, 5);
    ASSERT_TRUE(vault->upkeep().rotate());
    for (int i = 0; i < closed_after; ++i) ASSERT_TRUE(vault->upkeep().continue_rotation(1));
    const auto before = vault->upkeep().keys()->rotation;
    vault.reset();
    vault = world.open();
    ASSERT_TRUE(vault);
    filled.expect_unchanged(*vault);
    const auto after = vault->upkeep().keys()->rotation;
    EXPECT_EQ(after.running(), before.running());
    EXPECT_EQ(after.key_id, before.key_id);
    EXPECT_EQ(carry_through(*vault).state, Rotation::State::done);
    filled.expect_unchanged(*vault);
    vault.reset();
    EXPECT_EQ(keys_in_use(world).size(), 1U);
  }
}

TEST(Rotation, writers_win_and_readers_never_miss) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  const Filled filled(*vault);
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0, writes = 0;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      auto found = vault->find_connection({}, filled.connections[0].id);
      if (!found) ++wrong;
      if (!found) continue;
      const auto value = "written " + std::to_string(i);
      const auto written = vault->rotate_credential(*found, api_key(value));
      if (!written || !vault->open_credential(*written)->values.at("apiKey").equals(value)) ++wrong;
      ++writes;
    }
  });
  std::thread reader([&] {
    while (!stop) {
      for (const auto& one : filled.connections) {
        if (one.id == filled.connections[0].id) continue;
        if (!vault->open_credential(one)) ++wrong;
        if (!vault->authenticate(filled.token.expose())) ++wrong;
      }
    }
  });
  for (int round = 0; round < 10 || writes < 10; ++round) {
    ASSERT_TRUE(vault->upkeep().rotate());
    EXPECT_EQ(carry_through(*vault).state, Rotation::State::done);
  }
  stop = true;
  writer.join();
  reader.join();
  EXPECT_EQ(wrong, 0);
  const auto checked = vault->upkeep().verify({}, 1000);
  EXPECT_TRUE(checked->bad.empty());
}

TEST(Rotation, a_record_that_does_not_open_keeps_the_old_key) {
  World world;
  {
    const auto vault = world.create();
    const Filled filled(*vault, 3);
  }
  {
    const auto store = open_rocksdb_store({.directory = world.options.state / "vault"});
    auto victim = (*store)->scan("credential/", {}, 1)->entries.front();
    victim.value.back() = static_cast<char>(victim.value.back() ^ 1);
    ASSERT_TRUE((*store)->commit({{.kind = Write::Kind::reseal, .key = victim.key, .value = victim.value}}));
  }
  world.options.accept_rollback = true;
  const auto vault = world.open();
  ASSERT_TRUE(vault->upkeep().rotate());
  const Rotation ended = carry_through(*vault);
  EXPECT_EQ(ended.state, Rotation::State::incomplete);
  EXPECT_EQ(ended.unreadable, 1U);
  EXPECT_EQ(vault->status().data_keys, 2U);
  EXPECT_TRUE(vault->upkeep().rotate());  // and another may be tried
}

TEST(Rewrap, after_it_the_vault_opens_with_the_new_key_and_names_it_to_the_old_one) {
  World world;
  Options other = world.options;
  other.key_file = world.scratch.path() / "keys" / "second.key";
  {
    const auto vault = world.create();
    const Filled filled(*vault, 3);
    const auto done =
        vault->upkeep().rewrap({.file = other.key_file, .passphrase_file = {}, .credential = {}, .exec = {}});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->provider, "file " + other.key_file.string());
    filled.expect_unchanged(*vault);
    ASSERT_TRUE(vault->upkeep().rotate());  // the next data key is wrapped by the new one as well
    EXPECT_EQ(carry_through(*vault).state, Rotation::State::done);
  }
  const auto before = contents(world.options.state);
  const auto refused = Vault::open(world.options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Error::Code::wrong_key);
  EXPECT_EQ(contents(world.options.state), before);
  const auto vault = World::checked(Vault::open(other));
  ASSERT_TRUE(vault);
  EXPECT_THAT(refused.error().message, HasSubstr(vault->upkeep().keys()->master_key_id));
}

TEST(Rewrap, goes_from_any_provider_to_any_other) {
  World world;
  const auto vault = world.create();
  const Filled filled(*vault, 3);
  const auto words = world.scratch.path() / "words";
  write_file(words, "correct horse battery staple");
  KeySource last;
  for (const KeySource& to :
       {KeySource{.file = {}, .passphrase_file = words, .credential = {}, .exec = {}},
        KeySource{.file = world.scratch.path() / "third.key", .passphrase_file = {}, .credential = {}, .exec = {}}}) {
    const auto done = vault->upkeep().rewrap(to);
    ASSERT_TRUE(done) << done.error().message;
    filled.expect_unchanged(*vault);
    EXPECT_TRUE(vault->upkeep().verify({}, 1000)->bad.empty());
  }
}

TEST(Rewrap, a_key_that_cannot_be_is_refused_and_nothing_changes) {
  World world;
  const auto vault = world.create();
  const auto rewrap = [&](const std::filesystem::path& file) {
    return vault->upkeep().rewrap({.file = file, .passphrase_file = {}, .credential = {}, .exec = {}});
  };
  EXPECT_REFUSED(rewrap(world.options.key_file), invalid);  // it is in use
  EXPECT_REFUSED(vault->upkeep().rewrap({}), invalid);
  write_file(world.scratch.path() / "garbage", "garbage");
  EXPECT_REFUSED(rewrap(world.scratch.path() / "garbage"), wrong_key);
  EXPECT_REFUSED(rewrap(world.options.state / "master.key"), wrong_key);  // under the state directory
  EXPECT_FALSE(std::filesystem::exists(world.options.state / "master.key"));
  EXPECT_TRUE(vault->upkeep().verify({}, 1000)->bad.empty());
}

}  // namespace
}  // namespace postern::vault::test
