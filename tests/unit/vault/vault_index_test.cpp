// Lists that are filtered or in an order: what they give, and that they give it from indexes that every change keeps.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/unit/vault/scratch.hpp"
#include "vault/index.hpp"

namespace postern::vault::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Order = ConnectionQuery::Order;

std::vector<std::string> names(const Result<ConnectionPage>& page) {
  EXPECT_TRUE(page) << page.error().message;
  std::vector<std::string> found;
  if (page) {
    for (const auto& connection : page->data) found.push_back(connection.name);
  }
  return found;
}

class Indexes : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();

  Connection make(std::string name, std::string app = "stripe", std::string host = "api.stripe.com") {
    Connection meta = stripe();
    meta.name = std::move(name);
    meta.app = std::move(app);
    meta.destinations = {{std::move(host), 443, ""}};
    world.now += 1000;
    auto made = vault->create_connection(meta, api_key("k"));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : Connection{};
  }
  // Every page of it, one connection a page.
  std::vector<std::string> walk(ConnectionQuery query) {
    std::vector<std::string> found;
    query.limit = 1;
    for (bool more = true; more;) {
      const auto page = vault->list_connections(query);
      for (const auto& name : names(page)) found.push_back(name);
      more = page && page->has_more && !page->data.empty();
      if (!more) break;
      query.after = page->data.back().id;
      query.after_time = query.order == Order::created ? page->data.back().created : page->data.back().updated;
    }
    return found;
  }
  std::vector<std::string> sorted(const ConnectionQuery& query) {
    auto found = walk(query);
    std::ranges::sort(found);
    return found;
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, Indexes, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(Indexes, list_by_the_time_of_creation_in_both_directions) {
  for (const char* name : {"one", "two", "three"}) make(name);
  ConnectionQuery query;
  query.order = Order::created;
  EXPECT_THAT(walk(query), ElementsAre("one", "two", "three"));
  query.descending = true;
  EXPECT_THAT(walk(query), ElementsAre("three", "two", "one"));
}

TEST_P(Indexes, list_by_the_time_of_the_last_change) {
  const Connection one = make("one");
  make("two");
  world.now += 1000;
  ASSERT_TRUE(vault->update_connection(one));
  ConnectionQuery query;
  query.order = Order::updated;
  EXPECT_THAT(walk(query), ElementsAre("two", "one"));
}

TEST_P(Indexes, tell_those_of_the_same_moment_apart_by_their_ids) {
  for (int i = 0; i < 5; ++i) {
    make(std::to_string(i));
    world.now -= 1000;
  }
  ConnectionQuery query;
  query.order = Order::created;
  query.descending = true;
  EXPECT_EQ(sorted(query).size(), 5U);
  EXPECT_EQ(walk(query).size(), 5U);
}

TEST_P(Indexes, list_those_of_one_provider) {
  make("a");
  make("b", "github", "api.github.com");
  make("c");
  ConnectionQuery query;
  query.app = "stripe";
  EXPECT_THAT(sorted(query), ElementsAre("a", "c"));
  query.app = "unknown";
  EXPECT_THAT(walk(query), IsEmpty());
}

TEST_P(Indexes, follow_a_status) {
  Connection a = make("a");
  make("b");
  ConnectionQuery failed;
  failed.status = Status::error;
  EXPECT_THAT(walk(failed), IsEmpty());
  a.status = Status::error;
  a = *vault->update_connection(a);
  EXPECT_THAT(walk(failed), ElementsAre("a"));
  ConnectionQuery active;
  active.status = Status::active;
  EXPECT_THAT(walk(active), ElementsAre("b"));
  a.status = Status::active;
  ASSERT_TRUE(vault->update_connection(a));
  EXPECT_THAT(walk(failed), IsEmpty());
  EXPECT_THAT(sorted(active), ElementsAre("a", "b"));
}

TEST_P(Indexes, lead_from_a_host_to_the_connections_of_the_project_that_reach_it) {
  Connection a = make("a");
  make("b", "github", "api.github.com");
  ConnectionQuery query;
  query.project = kDefaultProject;
  query.host = "api.stripe.com";
  EXPECT_THAT(walk(query), ElementsAre("a"));
  a.destinations = {{"api.github.com", 443, "/x"}, {"api.github.com", 8443, ""}};
  ASSERT_TRUE(vault->update_connection(a));
  EXPECT_THAT(walk(query), IsEmpty());
  query.host = "api.github.com";
  EXPECT_THAT(sorted(query), ElementsAre("a", "b"));
  query.project = "proj_other";
  EXPECT_THAT(walk(query), IsEmpty());
}

TEST_P(Indexes, lead_from_an_auth_config_to_the_connections_that_use_it) {
  const auto first = vault->tokens().create_auth_config(app());
  ASSERT_TRUE(first) << first.error().message;
  Connection a = make("a");
  make("b");
  ConnectionQuery query;
  query.auth_config = first->id;
  EXPECT_THAT(walk(query), IsEmpty());
  a.auth_config = first->id;
  a = *vault->update_connection(a);
  EXPECT_THAT(walk(query), ElementsAre("a"));
  query.order = Order::created;
  EXPECT_THAT(walk(query), ElementsAre("a"));
  a.auth_config.clear();
  ASSERT_TRUE(vault->update_connection(a));
  EXPECT_THAT(walk(query), IsEmpty());
}

TEST_P(Indexes, answer_filters_together_and_within_a_project) {
  make("a");
  make("b", "github", "api.github.com");
  Connection other = stripe();
  other.project = "proj_other";
  make_place(*vault, kDefaultOrganization, other.project);
  other.name = "c";
  ASSERT_TRUE(vault->create_connection(other, {}));
  ConnectionQuery query;
  query.app = "stripe";
  query.status = Status::active;
  query.order = Order::created;
  EXPECT_THAT(sorted(query), ElementsAre("a", "c"));
  query.project = "proj_other";
  EXPECT_THAT(walk(query), ElementsAre("c"));
  query.organization = "org_other";
  EXPECT_THAT(walk(query), IsEmpty());
}

TEST_P(Indexes, forget_what_is_erased) {
  const Connection a = make("a");
  ASSERT_TRUE(vault->erase_connection({}, a.id, 0));
  for (const auto order : {Order::id, Order::created, Order::updated}) {
    ConnectionQuery query;
    query.order = order;
    EXPECT_THAT(walk(query), IsEmpty());
  }
  ConnectionQuery query;
  query.app = "stripe";
  EXPECT_THAT(walk(query), IsEmpty());
}

TEST_P(Indexes, many_created_together_are_all_there_or_none) {
  const auto fresh = [](const char* alias) {
    NewConnection one{stripe(), api_key("k")};
    one.meta.alias = alias;
    return one;
  };
  std::vector<NewConnection> all;
  all.push_back(fresh("x"));
  all.push_back(fresh("y"));
  const auto made = vault->create_connections(std::move(all));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(vault->find_connection({}, "y")->id, made->at(1).id);
  EXPECT_TRUE(vault->open_credential(made->at(0)));

  for (const char* second : {"x", "z", ""}) {
    std::vector<NewConnection> refused;
    refused.push_back(fresh("z"));
    refused.push_back(fresh(second));
    EXPECT_FALSE(vault->create_connections(std::move(refused)));
    EXPECT_REFUSED(vault->find_connection({}, "z"), not_found);
  }
}

// A store whose disk fails after so many commits; it outlives the vault over it.
class Failing final : public Store {
 public:
  Failing(Store& inner, int good) : inner_(inner), good_(good) {}
  std::string_view name() const override { return inner_.name(); }
  Result<Entry> get(std::string_view key) const override { return inner_.get(key); }
  Result<Page> scan(std::string_view prefix, std::string_view after, std::size_t limit) const override {
    return inner_.scan(prefix, after, limit);
  }
  Result<Page> scan_back(std::string_view prefix, std::string_view before, std::size_t limit) const override {
    return inner_.scan_back(prefix, before, limit);
  }
  using Store::commit_group;
  Group commit_group(std::span<const Batch* const> batches, const Epilogue& epilogue) override {
    if (good_-- > 0) return inner_.commit_group(batches, epilogue);
    return {.commit = last_commit() + 1,
            .refused = std::vector<std::optional<Error>>(batches.size()),
            .failed = Error{Error::Code::io, "no more"}};
  }
  std::uint64_t last_commit() const override { return inner_.last_commit(); }
  Feed changes(std::uint64_t after) const override { return inner_.changes(after); }
  Result<std::uint64_t> checkpoint(const std::filesystem::path& directory) const override {
    return inner_.checkpoint(directory);
  }

 private:
  Store& inner_;
  int good_;
};

class IndexBuild : public testing::Test {
 protected:
  static constexpr std::size_t kConnections = 1201;  // three batches

  void SetUp() override {
    auto keys = Keyring::make(*provider, 1);
    ASSERT_TRUE(keys);
    ASSERT_TRUE(disk->commit(keys->writes));
    Records records = records_over(10'000);
    Batch batch;
    for (std::size_t i = 0; i < kConnections; ++i) {
      Connection meta = stripe();
      meta.id = new_id("conn");
      meta.created = meta.updated = static_cast<std::int64_t>(1000 + i);
      const Reference to{meta.organization, meta.project, meta.id};
      batch.push_back(records.put({"connection", meta.organization, meta.project, meta.id}, encode(meta), 0));
      batch.push_back(records.put({"locator", meta.organization, {}, meta.id}, encode(to), 0));
    }
    ASSERT_TRUE(records.commit(batch));
  }
  Records records_over(int good_commits) {
    auto store = std::make_unique<SupervisedStore>(std::make_unique<Failing>(*disk, good_commits), std::nullopt,
                                                   SupervisedStore::Repair{});
    return {std::move(store), *Keyring::load(*disk, *provider)};
  }
  Result<void> build(int good_commits) {
    Records records = records_over(good_commits);
    return build_indexes(records);
  }
  std::size_t entries(const char* type) const { return disk->scan(type, {}, 10 * kConnections)->entries.size(); }

  std::unique_ptr<KeyProvider> provider = make_ephemeral_key();
  std::unique_ptr<Store> disk = make_memory_store();
};

TEST_F(IndexBuild, gives_an_older_store_its_indexes_and_looks_no_more) {
  ASSERT_TRUE(build(10'000));
  EXPECT_EQ(entries("host/"), 2 * kConnections);
  for (const char* type : {"provider/", "created/", "updated/"}) EXPECT_EQ(entries(type), kConnections);
  EXPECT_EQ(entries("status/"), 0U);
  EXPECT_TRUE(build(0));  // not one write
}

TEST_F(IndexBuild, goes_on_where_it_was_stopped) {
  EXPECT_REFUSED(build(1), io);
  const std::size_t first = entries("created/");
  EXPECT_GT(first, 0U);
  EXPECT_LT(first, kConnections);
  EXPECT_REFUSED(build(1), io);
  EXPECT_EQ(entries("created/"), 2 * first);
  EXPECT_REFUSED(build(1), io);
  EXPECT_EQ(entries("created/"), kConnections);
  EXPECT_REFUSED(build(2), io);  // of the second version's
  EXPECT_TRUE(build(1));
  EXPECT_TRUE(build(0));
  EXPECT_EQ(entries("created/"), kConnections);
}

TEST_F(IndexBuild, gives_a_store_that_has_the_first_indexes_those_that_came_later) {
  {
    Records records = records_over(2);
    Connection meta = stripe();
    meta.id = new_id("conn");
    meta.auth_config = "ac_1";
    meta.expires = 5;
    const Path path{"connection", meta.organization, meta.project, meta.id};
    ASSERT_TRUE(records.commit(
        {records.put(path, encode(meta), 0), records.put(index_state_path(), encode(IndexState{1, true, {}}), 0)}));
  }
  ASSERT_TRUE(build(10'000));
  EXPECT_EQ(entries("config/"), 1U);
  EXPECT_EQ(entries("expires/"), 1U);
  EXPECT_EQ(entries("created/"), 0U);  // what it says that it has is not made once more
  EXPECT_TRUE(build(0));
}

TEST_F(IndexBuild, refuses_the_indexes_of_a_later_release) {
  {
    Records records = records_over(1);
    ASSERT_TRUE(records.commit({records.put(index_state_path(), encode(IndexState{99, true, {}}), 0)}));
  }
  EXPECT_REFUSED(build(1), corrupt);
}

TEST_F(IndexBuild, shows_no_host_provider_name_or_time_in_a_key) {
  ASSERT_TRUE(build(10'000));
  for (const char* type : {"host/", "provider/", "created/", "updated/"}) {
    for (const auto& entry : disk->scan(type, {}, 10 * kConnections)->entries) {
      EXPECT_EQ(entry.key.find("stripe"), std::string::npos);
      EXPECT_EQ(entry.value.find("stripe"), std::string::npos);
      EXPECT_EQ(entry.key.find("/00000000"), std::string::npos);  // of a bare time of a second after the epoch
    }
  }
}

}  // namespace
}  // namespace postern::vault::test
