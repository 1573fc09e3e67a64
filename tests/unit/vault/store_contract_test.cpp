// What every store promises. A new store joins by one line in `stores()`.
#include <gmock/gmock.h>

#include <functional>
#include <thread>

#include "tests/support/faults.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/supervised_store.hpp"

namespace postern::vault::test {
namespace {

using testing::ElementsAre;

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Store>(const std::filesystem::path&)> open;
  bool lasting;
  bool feeds = true;  // false: it is opened again all the time, and its feed never reaches back
};

std::unique_ptr<Store> rocksdb(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  auto opened = open_rocksdb_store({.directory = directory, .create = true});
  if (!opened) ADD_FAILURE() << opened.error().message;
  return opened ? std::move(*opened) : nullptr;
}

// RocksDB under the supervisor; with a fault, each commit meets it once.
class Supervised final : public Store {
 public:
  Supervised(const std::filesystem::path& directory, std::optional<Fault> fault) : fault_(fault) {
    std::filesystem::create_directories(directory);
    const RocksdbOptions where{.directory = directory, .create = true, .env = env_.get()};
    store_ = std::make_unique<SupervisedStore>(
        std::move(*open_rocksdb_store(where)), std::nullopt,
        SupervisedStore::Repair{.probe = [where] { return probe_rocksdb_store(where); },
                                .open = [where](bool) { return open_rocksdb_store(where); },
                                .reopened = {}});
  }
  std::string_view name() const override { return store_->name(); }
  Result<Entry> get(std::string_view key) const override { return store_->get(key); }
  Result<Page> scan(std::string_view prefix, std::string_view after, std::size_t limit) const override {
    return store_->scan(prefix, after, limit);
  }
  Result<Page> scan_back(std::string_view prefix, std::string_view before, std::size_t limit) const override {
    return store_->scan_back(prefix, before, limit);
  }
  using Store::commit_group;
  Group commit_group(std::span<const Batch* const> batches, const Epilogue& epilogue) override {
    if (fault_) plan_.arm(*fault_, 1);
    return store_->commit_group(batches, epilogue);
  }
  std::uint64_t last_commit() const override { return store_->last_commit(); }
  Result<std::uint64_t> checkpoint(const std::filesystem::path& directory) const override {
    return store_->checkpoint(directory);
  }
  Feed changes(std::uint64_t after) const override { return store_->changes(after); }

 private:
  const std::optional<Fault> fault_;
  FaultPlan plan_;
  std::unique_ptr<rocksdb::Env> env_ = make_faulty_env(plan_);
  std::unique_ptr<SupervisedStore> store_;
};

Kind supervised(const char* name, std::optional<Fault> fault) {
  return {name,
          [fault](const std::filesystem::path& directory) { return std::make_unique<Supervised>(directory, fault); },
          true, !fault};
}

std::vector<Kind> stores_below() {
  return {{"memory", [](const auto&) { return make_memory_store(); }, false}, {"rocksdb", rocksdb, true}};
}

std::vector<Kind> stores() {
  auto all = stores_below();
  all.push_back(supervised("supervised", std::nullopt));
  for (const auto& [name, fault] :
       {std::pair("no_space", Fault::no_space), std::pair("io_error", Fault::io_error),
        std::pair("torn_write", Fault::torn_write), std::pair("sync_fails", Fault::sync_fails),
        std::pair("sync_loses", Fault::sync_loses), std::pair("read_only", Fault::read_only)}) {
    all.push_back(supervised(name, fault));
  }
  return all;
}

Write put(std::string key, std::string value, std::uint64_t expected = kAnyVersion) {
  return {.key = std::move(key), .value = std::move(value), .expected = expected};
}
Write erase(std::string key, std::uint64_t expected = kAnyVersion) {
  return {.kind = Write::Kind::erase, .key = std::move(key), .value = {}, .expected = expected};
}

class StoreContract : public testing::TestWithParam<Kind> {
 protected:
  Scratch scratch;
  std::unique_ptr<Store> store = GetParam().open(scratch.path() / "db");

  std::vector<std::string> scan(std::string_view prefix, std::string_view after = {}, std::size_t limit = 100) {
    const auto page = store->scan(prefix, after, limit);
    EXPECT_TRUE(page);
    std::vector<std::string> keys;
    for (const auto& entry : page->entries) keys.push_back(entry.key);
    return keys;
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract, testing::ValuesIn(stores()),
                         [](const auto& kind) { return kind.param.name; });

// What the supervisor stands on: the audit's own epilogue is the only one that it serves (audit_chain.hpp).
class StoreEpilogue : public StoreContract {};

INSTANTIATE_TEST_SUITE_P(Stores, StoreEpilogue, testing::ValuesIn(stores_below()),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(StoreContract, starts_empty) {
  EXPECT_EQ(store->name(), GetParam().lasting ? "rocksdb" : "memory");
  EXPECT_EQ(store->last_commit(), 0U);
  EXPECT_REFUSED(store->get("a"), not_found);
  EXPECT_TRUE(scan("").empty());
  EXPECT_TRUE(store->changes(0).complete);
}

TEST_P(StoreContract, gives_back_the_bytes_it_was_given) {
  const std::string value("a\0b\xff", 4);
  ASSERT_TRUE(store->commit({put("k", value), put("empty", "")}));
  EXPECT_EQ(store->get("k")->value, value);
  EXPECT_EQ(store->get("k")->key, "k");
  EXPECT_EQ(store->get("empty")->value, "");
}

TEST_P(StoreContract, counts_versions_per_key_and_commits_per_store) {
  EXPECT_EQ(*store->commit({put("a", "1"), put("b", "1")}), 1U);
  EXPECT_EQ(*store->commit({put("a", "2")}), 2U);
  EXPECT_EQ(store->get("a")->version, 2U);
  EXPECT_EQ(store->get("b")->version, 1U);
  EXPECT_EQ(store->last_commit(), 2U);
}

TEST_P(StoreContract, an_erased_key_is_gone_and_begins_anew) {
  ASSERT_TRUE(store->commit({put("a", "1")}));
  ASSERT_TRUE(store->commit({put("a", "2")}));
  ASSERT_TRUE(store->commit({erase("a")}));
  EXPECT_REFUSED(store->get("a"), not_found);
  ASSERT_TRUE(store->commit({erase("a")}));
  ASSERT_TRUE(store->commit({put("a", "3", 0)}));
  EXPECT_EQ(store->get("a")->version, 1U);
}

TEST_P(StoreContract, a_version_that_is_not_the_expected_one_is_a_conflict) {
  ASSERT_TRUE(store->commit({put("a", "1")}));
  EXPECT_REFUSED(store->commit({put("a", "x", 0)}), conflict);
  EXPECT_REFUSED(store->commit({put("a", "x", 2)}), conflict);
  EXPECT_REFUSED(store->commit({put("b", "x", 1)}), conflict);
  EXPECT_REFUSED(store->commit({erase("a", 2)}), conflict);
  EXPECT_REFUSED(store->commit({erase("b", 1)}), conflict);
  EXPECT_EQ(store->get("a")->value, "1");
  EXPECT_EQ(store->last_commit(), 1U);
  EXPECT_TRUE(store->commit({put("a", "2", 1)}));
  EXPECT_TRUE(store->commit({erase("a", 2)}));
}

TEST_P(StoreContract, a_batch_is_written_whole_or_not_at_all) {
  ASSERT_TRUE(store->commit({put("a", "1")}));
  EXPECT_REFUSED(store->commit({put("b", "x"), erase("a"), put("c", "x", 7)}), conflict);
  EXPECT_THAT(scan(""), ElementsAre("a"));
  ASSERT_TRUE(store->commit({put("b", "2"), erase("a"), put("c", "3", 0)}));
  EXPECT_THAT(scan(""), ElementsAre("b", "c"));
}

TEST_P(StoreEpilogue, an_epilogue_is_written_with_the_batches_that_fit) {
  ASSERT_TRUE(store->commit({put("a", "1")}));
  const Batch first{put("a", "2", 1)}, late{put("a", "3", 1)}, next{put("b", "1", 0)};
  const std::vector<const Batch*> batches{&first, &late, &next};
  int asked = 0;
  const Group group = store->commit_group(batches, [&](std::span<const std::optional<Error>> refused) {
    ++asked;
    EXPECT_EQ(refused.size(), 3U);
    std::string fitting;
    for (const auto& one : refused) fitting += one ? '-' : '+';
    return Batch{put("end", fitting, 0), put("b", "after", 1)};
  });
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(group.commit, 2U);
  EXPECT_EQ(group.refused[1]->code, Error::Code::conflict);
  EXPECT_EQ(store->get("end")->value, "+-+");
  EXPECT_EQ(store->get("b")->value, "after");
  EXPECT_EQ(store->get("b")->version, 2U);
  EXPECT_THAT(store->changes(1).changes.at(0).keys, ElementsAre("a", "b", "end", "b"));
}

TEST_P(StoreEpilogue, an_epilogue_is_not_asked_for_where_no_batch_fits) {
  const Batch late{put("a", "1", 5)};
  const Batch* const one = &late;
  const Group group = store->commit_group({&one, 1}, [](auto) {
    ADD_FAILURE() << "nothing is written";
    return Batch();
  });
  EXPECT_EQ(group.commit, 0U);
  EXPECT_TRUE(scan("").empty());
}

TEST_P(StoreEpilogue, an_epilogue_that_does_not_fit_leaves_everything_as_it_was) {
  ASSERT_TRUE(store->commit({put("a", "1")}));
  const Batch first{put("a", "2", 1)}, late{put("a", "3", 1)};
  const std::vector<const Batch*> batches{&first, &late};
  const Group group = store->commit_group(batches, [](auto) { return Batch{put("b", "1", 0), put("a", "x", 7)}; });
  EXPECT_EQ(group.commit, 0U);
  EXPECT_FALSE(group.failed);
  EXPECT_EQ(group.refused[0]->code, Error::Code::corrupt);
  EXPECT_EQ(group.refused[1]->code, Error::Code::conflict);
  EXPECT_EQ(store->get("a")->value, "1");
  EXPECT_THAT(scan(""), ElementsAre("a"));
  EXPECT_EQ(store->last_commit(), 1U);
  EXPECT_TRUE(store->commit({put("a", "2", 1)}));
}

TEST_P(StoreContract, judges_the_batches_of_a_group_one_after_another) {
  ASSERT_TRUE(store->commit({put("a", "1")}));
  const Batch first{put("a", "2", 1)}, late{put("a", "3", 1), put("c", "1")}, next{erase("a", 2), put("b", "1", 0)};
  const std::vector<const Batch*> batches{&first, &late, &next};
  const Group group = store->commit_group(batches);
  EXPECT_EQ(group.commit, 2U);
  EXPECT_FALSE(group.failed);
  ASSERT_EQ(group.refused.size(), 3U);
  EXPECT_FALSE(group.refused[0]);
  EXPECT_TRUE(group.refused[1] && group.refused[1]->code == Error::Code::conflict);
  EXPECT_FALSE(group.refused[2]);
  EXPECT_THAT(scan(""), ElementsAre("b"));
}

TEST_P(StoreContract, scans_a_prefix_in_byte_order_from_a_cursor) {
  ASSERT_TRUE(store->commit(
      {put("t/b", ""), put("t/a", ""), put("t/a/x", ""), put("t/\xff", ""), put("s", ""), put("u", ""), put("t", "")}));
  EXPECT_THAT(scan("t/"), ElementsAre("t/a", "t/a/x", "t/b", "t/\xff"));
  EXPECT_THAT(scan("t/", "t/a"), ElementsAre("t/a/x", "t/b", "t/\xff"));
  EXPECT_THAT(scan("t/", "t/aa"), ElementsAre("t/b", "t/\xff"));
  EXPECT_TRUE(scan("t/", "t/\xff").empty());
  EXPECT_TRUE(scan("t/", "z").empty());
  EXPECT_THAT(scan("t/", "a", 1), ElementsAre("t/a"));
  EXPECT_TRUE(scan("x").empty());
  EXPECT_THAT(scan(""), ElementsAre("s", "t", "t/a", "t/a/x", "t/b", "t/\xff", "u"));
}

TEST_P(StoreContract, scans_a_prefix_backwards_from_a_cursor) {
  ASSERT_TRUE(store->commit({put("a/1", ""), put("b/1", ""), put("b/2", ""), put("b/3", ""), put("c/1", "")}));
  const auto back = [&](std::string_view prefix, std::string_view before = {}, std::size_t limit = 100) {
    const auto page = store->scan_back(prefix, before, limit);
    EXPECT_TRUE(page);
    std::vector<std::string> keys;
    for (const auto& entry : page->entries) keys.push_back(entry.key);
    return keys;
  };
  EXPECT_THAT(back("b/"), ElementsAre("b/3", "b/2", "b/1"));
  EXPECT_THAT(back("b/", "b/3"), ElementsAre("b/2", "b/1"));
  EXPECT_THAT(back("b/", "b/25"), ElementsAre("b/2", "b/1"));
  EXPECT_THAT(back("b/", "b/1"), ElementsAre());
  EXPECT_THAT(back("", "", 2), ElementsAre("c/1", "b/3"));
  EXPECT_THAT(back("\xff"), ElementsAre());
  EXPECT_TRUE(store->scan_back("b/", "", 2)->has_more);
  EXPECT_FALSE(store->scan_back("b/", "", 3)->has_more);
}

TEST_P(StoreContract, says_whether_there_is_more) {
  ASSERT_TRUE(store->commit({put("a", ""), put("b", ""), put("c", "")}));
  EXPECT_TRUE(store->scan("", "", 2)->has_more);
  EXPECT_FALSE(store->scan("", "", 3)->has_more);
  EXPECT_FALSE(store->scan("", "a", 2)->has_more);
  EXPECT_FALSE(store->scan("b", "", 1)->has_more);
}

TEST_P(StoreContract, feeds_changes_in_the_order_of_their_commits) {
  ASSERT_TRUE(store->commit({put("a", ""), put("b", "")}));
  ASSERT_TRUE(store->commit({erase("a")}));
  EXPECT_FALSE(store->commit({put("c", "", 9)}));
  if (!GetParam().feeds) {
    EXPECT_FALSE(store->changes(0).complete);
    return;
  }
  const Feed all = store->changes(0);
  ASSERT_TRUE(all.complete);
  ASSERT_EQ(all.changes.size(), 2U);
  EXPECT_EQ(all.changes[0].commit, 1U);
  EXPECT_THAT(all.changes[0].keys, ElementsAre("a", "b"));
  EXPECT_EQ(all.changes[1].commit, 2U);
  EXPECT_THAT(all.changes[1].keys, ElementsAre("a"));
  EXPECT_EQ(store->changes(1).changes.size(), 1U);
  EXPECT_TRUE(store->changes(2).complete);
  EXPECT_TRUE(store->changes(2).changes.empty());
  EXPECT_FALSE(store->changes(3).complete);
}

TEST_P(StoreContract, of_many_writers_of_one_version_exactly_one_wins) {
  ASSERT_TRUE(store->commit({put("a", "0")}));
  std::atomic<int> won = 0;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&] {
        for (int round = 0; round < 10; ++round) {
          const auto now = store->get("a");
          ASSERT_TRUE(now);
          if (store->commit({put("a", "x", now->version)})) ++won;
        }
      });
    }
  }
  EXPECT_EQ(store->get("a")->version, 1U + static_cast<unsigned>(won));
  EXPECT_EQ(store->last_commit(), 1U + static_cast<unsigned>(won));
}

TEST_P(StoreContract, keeps_all_of_it_when_it_is_one_that_lasts) {
  if (!GetParam().lasting) return;
  ASSERT_TRUE(store->commit({put("a", "1"), put("b", "1")}));
  ASSERT_TRUE(store->commit({put("a", "2"), erase("b")}));
  store.reset();
  store = GetParam().open(scratch.path() / "db");
  EXPECT_EQ(store->get("a")->value, "2");
  EXPECT_EQ(store->get("a")->version, 2U);
  EXPECT_REFUSED(store->get("b"), not_found);
  EXPECT_EQ(store->last_commit(), 2U);
  EXPECT_FALSE(store->changes(1).complete) << "the feed does not reach back before the restart";
  EXPECT_THAT(scan(""), ElementsAre("a"));
}

TEST(RocksdbStore, does_not_collect_a_log_file_with_every_start) {
  const Scratch scratch;
  ASSERT_TRUE(rocksdb(scratch.path() / "db")->commit({put("a", "1")}));
  for (int start = 0; start < 5; ++start) {
    ASSERT_EQ(rocksdb(scratch.path() / "db")->get("a")->value, "1");
  }
  int logs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path() / "db")) {
    if (entry.path().extension() == ".log") ++logs;
  }
  EXPECT_LE(logs, 2);
}

TEST(RecentChanges, keep_fewer_commits_where_they_are_large) {
  RecentChanges recent(0);
  recent.add(1, {"a"});
  recent.add(2, std::vector<std::string>(RecentChanges::kKeptKeys, "b"));
  EXPECT_FALSE(recent.after(0).complete);
  EXPECT_EQ(recent.after(1).changes.size(), 1U);
}

TEST(RecentChanges, forget_the_distant_past_and_say_so) {
  RecentChanges recent(0);
  for (std::uint64_t commit = 1; commit <= RecentChanges::kKept + 1; ++commit) recent.add(commit, {"k"});
  EXPECT_FALSE(recent.after(0).complete);
  EXPECT_TRUE(recent.after(1).complete);
  EXPECT_EQ(recent.after(1).changes.size(), RecentChanges::kKept);
}

}  // namespace
}  // namespace postern::vault::test
