// A vault on a disk that fails, at each of the first 200 steps that opening and writing take: nothing acknowledged is
// lost, nothing is there by half, and the vault is READY again once the disk is well.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <thread>

#include "tests/support/faults.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/vault_impl.hpp"

namespace postern::vault::test {
namespace {

constexpr std::uint64_t kSteps = 200;

// What the writers were told, by alias.
struct Told {
  std::string acknowledged;          // the newest value whose write was acknowledged; empty: none was
  std::vector<std::string> unknown;  // values whose write failed, since then
  std::string id;
};

class Faults : public testing::TestWithParam<std::tuple<Fault, bool>> {
 protected:
  static void SetUpTestSuite() {
    world = std::make_unique<World>();
    auto vault = world->create();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(vault->create_connection(stripe(), api_key("kept")));
  }
  static void TearDownTestSuite() { world.reset(); }

  void copy_the_vault() {
    std::filesystem::remove_all(options.state);
    std::filesystem::copy(world->options.state, options.state, std::filesystem::copy_options::recursive);
  }

  // Opens, writes from two threads until `enough`, and remembers what was told.
  Result<std::unique_ptr<Vault>> open() { return open_vault(options, seams); }
  void write(Vault& vault, int writer) {
    for (int i = 0; i < 12; ++i) {
      const std::string alias = "w" + std::to_string(writer) + "-" + std::to_string(i / 3);
      const std::string value = alias + "-" + std::to_string(i);
      Told& told = writer == 0 ? zero[alias] : one[alias];
      Result<Connection> done = fail(Error::Code::io, "");
      if (told.id.empty()) {
        Connection meta = stripe();
        meta.id = new_id("conn");
        meta.alias = alias;
        done = vault.create_connection(meta, api_key(value));
      } else if (const auto found = vault.find_connection({}, told.id)) {
        done = vault.rotate_credential(*found, api_key(value));
      } else {
        EXPECT_EQ(found.error().code, Error::Code::io) << found.error().message;
        continue;
      }
      if (done) {
        told = {value, {}, done->id};
      } else {
        EXPECT_TRUE(done.error().code == Error::Code::io || done.error().code == Error::Code::read_only ||
                    (told.acknowledged.empty() && done.error().code == Error::Code::exists))
            << done.error().message;
        told.unknown.push_back(value);
      }
    }
  }
  void look(Vault& vault, const char* when) {
    for (const auto* side : {&zero, &one}) {
      for (const auto& [alias, told] : *side) {
        const auto found = vault.find_connection({}, alias);
        if (!found) {
          EXPECT_TRUE(told.acknowledged.empty()) << when << ": lost " << alias << ": " << found.error().message;
          EXPECT_EQ(found.error().code, Error::Code::not_found) << found.error().message;
          continue;
        }
        const auto credential = vault.open_credential(*found);
        ASSERT_TRUE(credential) << when << ": half of " << alias << ": " << credential.error().message;
        const std::string value(credential->values.at("apiKey").expose());
        EXPECT_TRUE(value == told.acknowledged || std::ranges::count(told.unknown, value) != 0)
            << when << ": " << alias << " is " << value << ", acknowledged was " << told.acknowledged;
      }
    }
    const auto all = vault.list_connections({});
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_EQ(std::ranges::count_if(all->data, [](const auto& c) { return c.alias.starts_with("stripe"); }), 5);
  }
  static bool until_ready(const Vault& vault) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (vault.status().state != "READY") {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  static std::unique_ptr<World> world;
  Options options = world->options;
  Scratch scratch{in_memory()};
  FaultPlan plan;
  std::unique_ptr<rocksdb::Env> env = make_faulty_env(plan);
  Seams seams{.env = env.get(), .marker = make_faulty_marker(plan), .first_pause = std::chrono::milliseconds(1)};
  std::map<std::string, Told> zero, one;
};
std::unique_ptr<World> Faults::world;

TEST_P(Faults, at_each_of_the_first_steps_lose_nothing_and_pass) {
  const auto [fault, lasting] = GetParam();
  options.state = scratch.path() / "state";
  std::uint64_t struck = 0;
  for (std::uint64_t at = 1; at <= kSteps; ++at) {
    SCOPED_TRACE("step " + std::to_string(at));
    copy_the_vault();
    zero.clear();
    one.clear();
    plan.arm(fault, at, lasting ? FaultPlan::kUntilCleared : 1);
    auto vault = open();
    if (!vault) {
      EXPECT_EQ(vault.error().code, Error::Code::io) << vault.error().message;
      plan.clear();
      vault = open();
      ASSERT_TRUE(vault) << vault.error().message;
    }
    {
      const std::jthread other([&] { write(**vault, 1); });
      write(**vault, 0);
    }
    struck += plan.struck();
    plan.clear();
    ASSERT_TRUE(until_ready(**vault)) << (*vault)->status().trouble;
    look(**vault, "after the fault");
    ASSERT_TRUE((*vault)->create_connection(stripe(), {}));
    vault->reset();
    vault = Vault::open(options);
    ASSERT_TRUE(vault) << vault.error().message;
    ASSERT_EQ((*vault)->list_connections({})->data.size() > 0, true);
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GE(struck, kSteps / 2) << "the workload is too short to reach the later steps";
}

INSTANTIATE_TEST_SUITE_P(Each, Faults,
                         testing::Combine(testing::Values(Fault::no_space, Fault::io_error, Fault::torn_write,
                                                          Fault::sync_fails, Fault::sync_loses, Fault::read_only),
                                          testing::Bool()),
                         [](const auto& given) {
                           return std::string(to_string(std::get<0>(given.param))) +
                                  (std::get<1>(given.param) ? "_until_cleared" : "_once");
                         });

}  // namespace
}  // namespace postern::vault::test
