#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {
namespace {

class Connections : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();

  Connection make(std::string_view secret = "sk_live_1") {
    auto made = vault->create_connection(stripe(), api_key(secret));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : Connection{};
  }
  std::string secret_of(const Connection& meta) {
    auto opened = vault->open_credential(meta);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::string(opened->values.at("apiKey").expose()) : "";
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, Connections, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(Connections, creates_one_and_fills_what_the_caller_left_open) {
  const Connection made = make();
  EXPECT_TRUE(looks_like_id(made.id));
  EXPECT_TRUE(made.id.starts_with("conn_"));
  EXPECT_EQ(made.alias, "stripe");
  EXPECT_EQ(made.version, 1U);
  EXPECT_EQ(made.generation, 1U);
  EXPECT_EQ(made.created, world.now);
  EXPECT_EQ(made.updated, world.now);
  EXPECT_EQ(made.status_since, world.now);
}

TEST_P(Connections, finds_one_by_id_and_by_alias_with_every_field) {
  Connection meta = stripe();
  meta.alias = "billing";
  meta.scope = Scope::personal;
  meta.owner = "user_7";
  meta.auth_config = vault->tokens().create_auth_config(app())->id;
  meta.end_user = "customer-9";
  meta.tags = {"a", "b"};
  meta.enabled = false;
  meta.status = Status::error;
  meta.status_reason = "rejected";
  const auto made = vault->create_connection(meta, api_key("k"));
  ASSERT_TRUE(made);
  for (const std::string& name : {made->id, std::string("billing")}) {
    const auto found = vault->find_connection({}, name);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->id, made->id);
    EXPECT_EQ(found->owner, "user_7");
    EXPECT_EQ(found->scope, Scope::personal);
    EXPECT_EQ(found->name, "Billing");
    EXPECT_EQ(found->auth_config, meta.auth_config);
    EXPECT_EQ(found->destinations, meta.destinations);
    EXPECT_EQ(found->end_user, "customer-9");
    EXPECT_EQ(found->tags, meta.tags);
    EXPECT_FALSE(found->enabled);
    EXPECT_EQ(found->status, Status::error);
    EXPECT_EQ(found->status_reason, "rejected");
    EXPECT_EQ(found->version, 1U);
  }
}

TEST_P(Connections, opens_the_credential_it_was_given) {
  Credential credential = api_key("sk_live_1");
  credential.values.emplace("webhook", Secret(std::string_view("a\0b\xff", 4)));
  const auto made = vault->create_connection(stripe(), credential);
  ASSERT_TRUE(made);
  const auto opened = vault->open_credential(*made);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->generation, 1U);
  EXPECT_EQ(opened->values.size(), 2U);
  EXPECT_TRUE(opened->values.at("apiKey").equals("sk_live_1"));
  EXPECT_TRUE(opened->values.at("webhook").equals(std::string_view("a\0b\xff", 4)));
}

TEST_P(Connections, a_connection_may_have_no_secret_at_all) {
  const auto made = vault->create_connection(stripe(), Credential{});
  ASSERT_TRUE(made);
  const auto opened = vault->open_credential(*made);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->values.empty());
}

TEST_P(Connections, numbers_the_default_alias_when_it_is_taken) {
  std::vector<std::string> aliases;
  for (int i = 0; i < 9; ++i) aliases.push_back(make().alias);
  EXPECT_THAT(aliases, testing::ElementsAre("stripe", "stripe-2", "stripe-3", "stripe-4", "stripe-5", "stripe-6",
                                            "stripe-7", "stripe-8", "stripe-9"));
}

TEST_P(Connections, a_default_alias_stays_within_the_length_of_a_reference) {
  Connection meta = stripe();
  meta.app = std::string(64, 'a');
  ASSERT_TRUE(vault->create_connection(meta, {}));
  const auto second = vault->create_connection(meta, {});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->alias, std::string(62, 'a') + "-2");
}

TEST_P(Connections, refuses_an_alias_that_is_taken_in_the_project) {
  Connection meta = stripe();
  meta.alias = "billing";
  ASSERT_TRUE(vault->create_connection(meta, api_key("1")));
  EXPECT_REFUSED(vault->create_connection(meta, api_key("2")), exists);
  make_place(*vault, kDefaultOrganization, "proj_other");
  meta.project = "proj_other";
  EXPECT_TRUE(vault->create_connection(meta, api_key("3")));
}

TEST_P(Connections, refuses_what_breaks_the_rules_of_a_record) {
  const auto refused = [&](auto spoil) {
    Connection meta = stripe();
    spoil(meta);
    EXPECT_REFUSED(vault->create_connection(std::move(meta), api_key("k")), invalid);
  };
  refused([](Connection& meta) { meta.alias = "has space"; });
  refused([](Connection& meta) { meta.alias = "a/b"; });
  refused([](Connection& meta) { meta.alias = std::string(65, 'a'); });
  refused([](Connection& meta) { meta.alias = new_id("conn"); });
  refused([](Connection& meta) { meta.alias = new_id("anything"); });
  refused([](Connection& meta) { meta.app = ""; });
  refused([](Connection& meta) { meta.app = "a/b"; });
  refused([](Connection& meta) { meta.organization = ""; });
  refused([](Connection& meta) { meta.organization = "a/b"; });
  refused([](Connection& meta) { meta.project = "../x"; });
  refused([](Connection& meta) { meta.organization = "org_nobody"; });
  refused([](Connection& meta) { meta.project = "proj_nobody"; });
  refused([](Connection& meta) { meta.id = "conn_short"; });
  refused([](Connection& meta) { meta.id = new_id("tok"); });
  refused([](Connection& meta) { meta.destinations = {{"API.stripe.com", 443, ""}}; });
  refused([](Connection& meta) { meta.destinations = {{"api.stripe.com.", 443, ""}}; });
  refused([](Connection& meta) { meta.destinations = {{"*.stripe.com", 443, ""}}; });
  refused([](Connection& meta) { meta.destinations = {{"", 443, ""}}; });
  refused([](Connection& meta) { meta.destinations = {{"api.stripe.com", 0, ""}}; });
  refused([](Connection& meta) { meta.config = std::string(300'000, 'x'); });
  EXPECT_REFUSED(vault->create_connection(stripe(), api_key(std::string(300'000, 'x'))), invalid);
}

TEST_P(Connections, keeps_an_id_it_is_given_and_refuses_it_twice_in_an_organization) {
  Connection meta = stripe();
  meta.id = new_id("conn");
  const auto made = vault->create_connection(meta, api_key("1"));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->id, meta.id);
  EXPECT_REFUSED(vault->create_connection(meta, api_key("2")), exists);
  make_place(*vault, kDefaultOrganization, "proj_other");
  meta.project = "proj_other";
  EXPECT_REFUSED(vault->create_connection(meta, api_key("2")), exists);
  EXPECT_EQ(secret_of(*made), "1");
}

TEST_P(Connections, a_foreign_id_is_a_miss_like_an_unknown_one) {
  const Connection made = make();
  for (const Space space : {Space{"org_other", kDefaultProject}, Space{kDefaultOrganization, "proj_other"},
                            Space{"org_other", "proj_other"}, Space{"", ""}, Space{"a/b", "c"}}) {
    EXPECT_REFUSED(vault->find_connection(space, made.id), not_found);
    EXPECT_REFUSED(vault->find_connection(space, made.alias), not_found);
    EXPECT_REFUSED(vault->erase_connection(space, made.id, 0), not_found);
  }
  EXPECT_REFUSED(vault->find_connection({}, new_id("conn")), not_found);
  EXPECT_REFUSED(vault->find_connection({}, "nobody"), not_found);
  EXPECT_REFUSED(vault->find_connection({}, ""), not_found);
  EXPECT_REFUSED(vault->find_connection({}, "../" + made.id), not_found);
  Connection foreign = made;
  foreign.organization = "org_other";
  EXPECT_REFUSED(vault->open_credential(foreign), not_found);
  EXPECT_REFUSED(vault->update_connection(foreign), not_found);
  EXPECT_REFUSED(vault->rotate_credential(foreign, api_key("x")), not_found);
}

TEST_P(Connections, an_organization_wide_one_is_found_by_id_from_its_other_projects) {
  Connection meta = stripe();
  meta.scope = Scope::organization;
  const auto made = vault->create_connection(meta, api_key("wide"));
  ASSERT_TRUE(made);
  const auto found = vault->find_connection({kDefaultOrganization, "proj_other"}, made->id);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->project, kDefaultProject);
  EXPECT_EQ(secret_of(*found), "wide");
  EXPECT_REFUSED(vault->find_connection({kDefaultOrganization, "proj_other"}, made->alias), not_found);
  EXPECT_REFUSED(vault->find_connection({"org_other", "proj_other"}, made->id), not_found);

  Connection narrowed = *made;
  narrowed.scope = Scope::project;
  ASSERT_TRUE(vault->update_connection(narrowed));
  EXPECT_REFUSED(vault->find_connection({kDefaultOrganization, "proj_other"}, made->id), not_found);
}

TEST_P(Connections, an_update_moves_the_version_and_not_the_generation) {
  Connection meta = make();
  world.now += 5;
  meta.name = "Invoices";
  meta.created = 1;
  meta.generation = 99;
  const auto updated = vault->update_connection(meta);
  ASSERT_TRUE(updated) << updated.error().message;
  EXPECT_EQ(updated->version, 2U);
  EXPECT_EQ(updated->generation, 1U);
  EXPECT_EQ(updated->created, world.now - 5);
  EXPECT_EQ(updated->updated, world.now);
  EXPECT_EQ(updated->status_since, world.now - 5);
  EXPECT_EQ(vault->find_connection({}, meta.id)->name, "Invoices");
  EXPECT_EQ(secret_of(*updated), "sk_live_1");
}

TEST_P(Connections, a_status_change_is_dated) {
  Connection meta = make();
  world.now += 5;
  meta.status = Status::revoked;
  EXPECT_EQ(vault->update_connection(meta)->status_since, world.now);
}

TEST_P(Connections, an_update_of_an_older_version_is_a_conflict) {
  const Connection first = make();
  ASSERT_TRUE(vault->update_connection(first));
  EXPECT_REFUSED(vault->update_connection(first), conflict);
  EXPECT_REFUSED(vault->rotate_credential(first, api_key("x")), conflict);
  EXPECT_REFUSED(vault->erase_connection({}, first.id, first.version), conflict);
  EXPECT_EQ(secret_of(first), "sk_live_1");
}

TEST_P(Connections, a_new_alias_replaces_the_old_one) {
  Connection meta = make();
  meta.alias = "invoices";
  const auto renamed = vault->update_connection(meta);
  ASSERT_TRUE(renamed) << renamed.error().message;
  EXPECT_EQ(vault->find_connection({}, "invoices")->id, meta.id);
  EXPECT_REFUSED(vault->find_connection({}, "stripe"), not_found);
  EXPECT_EQ(make().alias, "stripe");
  Connection back = *renamed;
  back.alias = "stripe";
  EXPECT_REFUSED(vault->update_connection(back), exists);
  EXPECT_EQ(vault->find_connection({}, "invoices")->version, 2U);
}

TEST_P(Connections, rotation_replaces_the_secret_and_moves_both_counters) {
  const Connection first = make("old");
  const auto second = vault->rotate_credential(first, api_key("new"));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->version, 2U);
  EXPECT_EQ(second->generation, 2U);
  EXPECT_EQ(secret_of(*second), "new");
  EXPECT_REFUSED(vault->open_credential(first), conflict);
  const auto third = vault->rotate_credential(*second, api_key("newer"));
  ASSERT_TRUE(third);
  EXPECT_EQ(third->generation, 3U);
  EXPECT_EQ(secret_of(*third), "newer");
}

TEST_P(Connections, erasing_removes_the_record_its_alias_and_its_credential) {
  const Connection made = make();
  ASSERT_TRUE(vault->erase_connection({}, made.id, made.version));
  EXPECT_REFUSED(vault->find_connection({}, made.id), not_found);
  EXPECT_REFUSED(vault->find_connection({}, made.alias), not_found);
  EXPECT_REFUSED(vault->open_credential(made), not_found);
  EXPECT_REFUSED(vault->erase_connection({}, made.id, 0), not_found);
  EXPECT_TRUE(vault->list_connections({})->data.empty());
  EXPECT_EQ(make().alias, "stripe");
}

TEST_P(Connections, lists_by_id_page_by_page_within_a_project_or_over_all_of_them) {
  std::vector<std::string> all;
  std::vector<std::string> mine;
  make_place(*vault, kDefaultOrganization, "proj_other");
  make_place(*vault, "org_other");
  for (int i = 0; i < 7; ++i) {
    Connection meta = stripe();
    if (i % 2 == 0) meta.project = "proj_other";
    const auto made = vault->create_connection(meta, {});
    ASSERT_TRUE(made);
    all.push_back(made->id);
    if (i % 2 != 0) mine.push_back(made->id);
  }
  Connection foreign = stripe();
  foreign.organization = "org_other";
  ASSERT_TRUE(vault->create_connection(foreign, {}));
  std::ranges::sort(all);
  std::ranges::sort(mine);
  const auto walk = [&](std::string project) {
    std::vector<std::string> ids;
    ConnectionQuery query;
    query.project = std::move(project);
    query.limit = 2;
    for (bool more = true; more;) {
      const auto page = vault->list_connections(query);
      EXPECT_TRUE(page);
      EXPECT_LE(page->data.size(), 2U);
      for (const auto& meta : page->data) ids.push_back(meta.id);
      query.after = ids.back();
      more = page->has_more;
    }
    return ids;
  };
  EXPECT_EQ(walk(""), all);
  EXPECT_EQ(walk(std::string(kDefaultProject)), mine);
  ConnectionQuery malformed;
  malformed.organization = "a/b";
  EXPECT_TRUE(vault->list_connections(malformed)->data.empty());
}

TEST_P(Connections, of_many_writers_of_one_version_exactly_one_wins) {
  const Connection made = make();
  std::atomic<int> won = 0;
  std::atomic<int> lost = 0;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&, i] {
        for (int round = 0; round < 8; ++round) {
          auto now = vault->find_connection({}, made.id);
          ASSERT_TRUE(now);
          const auto done = i % 2 == 0 ? vault->update_connection(std::move(*now))
                                       : vault->rotate_credential(std::move(*now), api_key("r"));
          if (done) {
            ++won;
          } else {
            EXPECT_EQ(done.error().code, Error::Code::conflict);
            ++lost;
          }
        }
      });
    }
  }
  EXPECT_EQ(won + lost, 32);
  EXPECT_GE(won, 1);
  EXPECT_EQ(vault->find_connection({}, made.id)->version, 1U + static_cast<unsigned>(won));
}

TEST_P(Connections, readers_see_whole_states_while_writers_write) {
  const Connection made = make();
  std::atomic<bool> stop = false;
  {
    std::jthread renamer([&] {
      for (int i = 0; i < 20; ++i) {
        auto now = vault->find_connection({}, made.id);
        ASSERT_TRUE(now);
        now->alias = i % 2 == 0 ? "first" : "stripe";
        EXPECT_TRUE(vault->rotate_credential(std::move(*now), api_key("k" + std::to_string(i))));
      }
      stop = true;
    });
    std::jthread reader([&] {
      while (!stop) {
        for (const char* alias : {"first", "stripe"}) {
          const auto found = vault->find_connection({}, alias);
          if (!found) {
            EXPECT_EQ(found.error().code, Error::Code::not_found) << found.error().message;
            continue;
          }
          EXPECT_EQ(found->alias, alias);
          const auto opened = vault->open_credential(*found);
          if (!opened) EXPECT_EQ(opened.error().code, Error::Code::conflict) << opened.error().message;
        }
      }
    });
  }
}

TEST_P(Connections, of_many_creators_of_one_alias_each_gets_its_own) {
  std::mutex mutex;
  std::set<std::string> aliases;
  {
    std::vector<std::jthread> creators;
    for (int i = 0; i < 4; ++i) {
      creators.emplace_back([&] {
        for (int round = 0; round < 4; ++round) {
          const auto made = vault->create_connection(stripe(), api_key("k"));
          ASSERT_TRUE(made) << made.error().message;
          const std::scoped_lock lock(mutex);
          aliases.insert(made->alias);
        }
      });
    }
  }
  EXPECT_EQ(aliases.size(), 16U);
}

}  // namespace
}  // namespace postern::vault::test
