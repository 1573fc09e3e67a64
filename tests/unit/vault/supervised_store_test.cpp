// Groups of writers, and what becomes of them when the disk fails.
#include "vault/supervised_store.hpp"

#include <gmock/gmock.h>

#include <latch>
#include <thread>

#include "tests/support/faults.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/digest.hpp"

namespace postern::vault::test {
namespace {

using testing::ElementsAre;
using State = SupervisedStore::State;

Write put(std::string key, std::string value, std::uint64_t expected = kAnyVersion) {
  return {.key = std::move(key), .value = std::move(value), .expected = expected};
}

class Supervised : public testing::Test {
 protected:
  Supervised() {
    std::filesystem::create_directory(where.directory);
    Marker marker(
        scratch.path() / "marker", "vaultid00000",
        [](std::string_view bytes) { return hmac_sha256(std::string(32, 'm'), bytes); }, make_faulty_marker(plan));
    EXPECT_TRUE(marker.replace(0, {}));
    SupervisedStore::Repair repair{.probe = [this] { return probe_rocksdb_store(where); },
                                   .open =
                                       [this](bool read_only) {
                                         auto again = where;
                                         again.read_only = read_only;
                                         ++opened;
                                         return open_rocksdb_store(again);
                                       },
                                   .reopened = [this] { ++reopened; },
                                   .first_pause = std::chrono::milliseconds(1),
                                   .longest_pause = std::chrono::milliseconds(4)};
    store =
        std::make_unique<SupervisedStore>(std::move(*open_rocksdb_store(where)), std::move(marker), std::move(repair));
  }
  void until(State state) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (store->state() != state && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    ASSERT_EQ(store->state(), state) << store->trouble();
  }
  std::uint64_t marked() const { return *Marker::claimed(scratch.path() / "marker"); }

  Scratch scratch{in_memory()};
  FaultPlan plan;
  std::unique_ptr<rocksdb::Env> env = make_faulty_env(plan);
  const RocksdbOptions where{.directory = scratch.path() / "db", .create = true, .env = env.get()};
  std::atomic<int> opened = 0, reopened = 0;
  std::unique_ptr<SupervisedStore> store;
};

TEST_F(Supervised, marks_each_commit_before_it_answers) {
  for (std::uint64_t number = 1; number <= 3; ++number) {
    EXPECT_EQ(*store->commit({put("a", "x")}), number);
    EXPECT_EQ(marked(), number);
    EXPECT_EQ(store->last_commit(), number);
  }
}

TEST_F(Supervised, a_refused_batch_leaves_the_others_of_its_group_alone) {
  ASSERT_TRUE(store->commit({put("a", "1")}));
  const Batch first{put("a", "2", 1)}, late{put("a", "3", 1)}, next{put("a", "4", 2), put("b", "1", 0)},
      again{put("b", "2", 0)};
  const std::vector<const Batch*> batches{&first, &late, &next, &again};
  const Group group = store->commit_group(batches);
  EXPECT_EQ(group.commit, 2U);
  EXPECT_FALSE(group.failed);
  ASSERT_EQ(group.refused.size(), 4U);
  EXPECT_FALSE(group.refused[0]);
  EXPECT_EQ(group.refused[1]->code, Error::Code::conflict);
  EXPECT_FALSE(group.refused[2]) << "it was made from what the first one wrote";
  EXPECT_EQ(group.refused[3]->code, Error::Code::conflict);
  EXPECT_EQ(store->get("a")->value, "4");
  EXPECT_EQ(store->get("a")->version, 3U);
  EXPECT_EQ(store->get("b")->value, "1");
  EXPECT_EQ(marked(), 2U);
}

TEST_F(Supervised, a_group_that_is_refused_as_a_whole_is_no_commit) {
  const Batch one{put("a", "1", 4)}, other{put("b", "1", 4)};
  const std::vector<const Batch*> batches{&one, &other};
  EXPECT_EQ(store->commit_group(batches).commit, 0U);
  EXPECT_EQ(store->last_commit(), 0U);
  EXPECT_EQ(marked(), 0U);
}

TEST_F(Supervised, takes_no_epilogue_but_that_of_the_audit) {
  const Batch batch{put("a", "1")};
  const Batch* const one = &batch;
  const Group group = store->commit_group({&one, 1}, [](auto) { return Batch(); });
  EXPECT_EQ(group.commit, 0U);
  EXPECT_EQ(group.refused.at(0)->code, Error::Code::invalid);
  EXPECT_REFUSED(store->get("a"), not_found);
}

TEST_F(Supervised, writers_that_wait_together_share_one_commit) {
  constexpr int kWriters = 8;
  // The first is held inside its commit, until all the others have come.
  std::latch held(1);
  std::atomic<int> groups = 0;
  Gather gather([&](auto waiting) {
    if (++groups == 1) held.wait();
    for (auto* one : waiting) {
      one->outcome = Group{.commit = waiting.size(), .refused = {std::nullopt}, .failed = std::nullopt};
    }
  });
  const Batch batch{put("a", "1")};
  const Batch* const only = &batch;
  std::atomic<std::uint64_t> largest = 0;
  {
    std::vector<std::jthread> writers;
    std::atomic<int> coming = 0;
    const auto write = [&] {
      ++coming;
      const std::uint64_t size = gather.commit({&only, 1}).commit;
      if (size > largest) largest = size;
    };
    writers.emplace_back(write);
    while (groups == 0) std::this_thread::yield();
    for (int i = 1; i < kWriters; ++i) writers.emplace_back(write);
    while (coming != kWriters) std::this_thread::yield();
    while (gather.waiting() != kWriters - 1) std::this_thread::yield();
    held.count_down();
  }
  EXPECT_EQ(groups, 2);
  EXPECT_EQ(largest, static_cast<std::uint64_t>(kWriters - 1));
}

TEST_F(Supervised, many_writers_lose_nothing) {
  constexpr int kWriters = 6, kEach = 40;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([&, writer] {
        for (int i = 0; i < kEach; ++i) {
          EXPECT_TRUE(store->commit({put(std::to_string(writer) + "/" + std::to_string(i), "x", 0)}));
        }
      });
    }
  }
  EXPECT_EQ(store->scan("", "", 1000)->entries.size(), static_cast<std::size_t>(kWriters * kEach));
  EXPECT_LE(store->last_commit(), static_cast<std::uint64_t>(kWriters * kEach));
  EXPECT_EQ(marked(), store->last_commit());
}

TEST_F(Supervised, a_passing_fault_is_not_noticed_by_the_writer) {
  ASSERT_TRUE(store->commit({put("a", "1")}));
  std::uint64_t number = 1;
  for (const Fault fault :
       {Fault::no_space, Fault::io_error, Fault::torn_write, Fault::sync_fails, Fault::sync_loses}) {
    // It may hit what RocksDB does in the background after it was opened, whose error only a later commit is told: so
    // it is armed at every tenth commit, until one had to be outlived.
    const int before = reopened;
    for (int round = 0; reopened == before && round < 200; ++round) {
      if (round % 10 == 0) {
        plan.arm(fault, 1);
      } else {
        plan.clear();
      }
      const auto done = store->commit({put("a", to_string(fault), number)});
      ASSERT_TRUE(done) << to_string(fault) << ": " << done.error().message;
      EXPECT_EQ(*done, ++number);
      EXPECT_EQ(store->get("a")->value, to_string(fault));
      EXPECT_EQ(marked(), number);
      EXPECT_EQ(store->state(), State::ready);
      EXPECT_TRUE(store->trouble().empty());
    }
    EXPECT_FALSE(store->changes(number - 2).complete) << "who follows has to forget";
  }
  EXPECT_EQ(reopened, 5);
}

TEST_F(Supervised, reads_on_and_refuses_writes_until_the_disk_is_well) {
  ASSERT_TRUE(store->commit({put("a", "1")}));
  plan.arm(Fault::no_space, 1, FaultPlan::kUntilCleared);
  EXPECT_REFUSED(store->commit({put("a", "2")}), io);
  EXPECT_EQ(store->state(), State::read_only);
  EXPECT_THAT(store->trouble(), testing::HasSubstr("no room"));
  EXPECT_REFUSED(store->commit({put("a", "3")}), read_only);
  EXPECT_EQ(store->get("a")->value, "1");
  EXPECT_EQ(store->scan("", "", 10)->entries.size(), 1U);
  EXPECT_EQ(opened, 0) << "nothing is closed before the disk takes a write again";
  plan.clear();
  until(State::ready);
  EXPECT_EQ(store->get("a")->value, "1");
  EXPECT_TRUE(store->commit({put("a", "4", 1)}));
}

TEST_F(Supervised, a_marker_that_fails_is_written_again_without_closing_the_store) {
  ASSERT_TRUE(store->commit({put("a", "1")}));  // the first one also syncs the directory
  plan.arm(Fault::io_error, 3);                 // append, sync, then the marker
  const auto done = store->commit({put("a", "2")});
  ASSERT_TRUE(plan.struck());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(opened, 0);
  EXPECT_EQ(marked(), 2U);
}

TEST_F(Supervised, an_outcome_that_nobody_could_be_told_is_kept_when_it_was_written) {
  ASSERT_TRUE(store->commit({put("a", "0")}));
  plan.arm(Fault::sync_fails, 2, FaultPlan::kUntilCleared);  // of append, sync and marker: the marker, and all after it
  EXPECT_REFUSED(store->commit({put("a", "1")}), io);
  plan.clear();
  until(State::ready);
  EXPECT_EQ(store->get("a")->value, "1");
  EXPECT_EQ(store->last_commit(), 2U);
  EXPECT_EQ(marked(), 2U);
  EXPECT_EQ(reopened, 1) << "whoever kept the old record forgets it";
}

TEST_F(Supervised, ends_while_the_disk_is_still_failing) {
  plan.arm(Fault::read_only, 1, FaultPlan::kUntilCleared);
  EXPECT_REFUSED(store->commit({put("a", "1")}), io);
  store.reset();
}

// What came back from the disk is older than what was acknowledged.
class Forgetful final : public Store {
 public:
  explicit Forgetful(std::uint64_t last) : last_(last) {}
  std::string_view name() const override { return "forgetful"; }
  Result<Entry> get(std::string_view) const override { return fail(Error::Code::not_found, "no such key"); }
  Result<Page> scan(std::string_view, std::string_view, std::size_t) const override { return Page{}; }
  Result<Page> scan_back(std::string_view, std::string_view, std::size_t) const override { return Page{}; }
  Result<std::uint64_t> checkpoint(const std::filesystem::path&) const override { return last_; }
  using Store::commit_group;
  Group commit_group(std::span<const Batch* const> batches, const Epilogue&) override {
    return {.commit = last_ + 1,
            .refused = std::vector<std::optional<Error>>(batches.size()),
            .failed = Error{Error::Code::io, "the disk said no"}};
  }
  std::uint64_t last_commit() const override { return last_; }
  Feed changes(std::uint64_t) const override { return {}; }

 private:
  std::uint64_t last_;
};

TEST(SupervisedStore, never_takes_writes_again_when_what_was_acknowledged_is_gone) {
  SupervisedStore store(std::make_unique<Forgetful>(7), std::nullopt,
                        {.probe = [] { return Result<void>(); },
                         .open = [](bool) -> Result<std::unique_ptr<Store>> { return std::make_unique<Forgetful>(6); },
                         .reopened = {}});
  EXPECT_REFUSED(store.commit({put("a", "1")}), io);
  EXPECT_EQ(store.state(), State::read_only);
  EXPECT_THAT(store.trouble(), testing::HasSubstr("rolled back"));
  EXPECT_REFUSED(store.commit({put("a", "1")}), read_only);
}

TEST(SupervisedStore, reads_what_can_be_read_when_it_cannot_be_opened_to_write) {
  std::atomic<bool> openable = false;
  SupervisedStore store(std::make_unique<Forgetful>(7), std::nullopt,
                        {.probe = [] { return Result<void>(); },
                         .open = [&](bool read_only) -> Result<std::unique_ptr<Store>> {
                           if (read_only || openable) return std::make_unique<Forgetful>(7);
                           return fail(Error::Code::io, "not yet");
                         },
                         .reopened = {},
                         .first_pause = std::chrono::milliseconds(1)});
  EXPECT_REFUSED(store.commit({put("a", "1")}), io);
  EXPECT_REFUSED(store.get("a"), not_found);
  openable = true;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (store.state() != State::ready && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(store.state(), State::ready);
}

}  // namespace
}  // namespace postern::vault::test
