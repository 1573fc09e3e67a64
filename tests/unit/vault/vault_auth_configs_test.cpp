// Auth configs: one OAuth app, many connections.
#include <gmock/gmock.h>

#include <thread>

#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class AuthConfigs : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();
  TokenBook& tokens = vault->tokens();

  AuthConfig make(std::string name = "a", std::string project = "") {
    AuthConfig fresh = app();
    fresh.name = std::move(name);
    fresh.project = std::move(project);
    if (!fresh.project.empty()) make_place(*vault, kDefaultOrganization, fresh.project);
    auto made = tokens.create_auth_config(std::move(fresh));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : AuthConfig{};
  }
  Connection use(const AuthConfig& config) {
    Connection meta = stripe();
    meta.auth_config = config.id;
    auto made = vault->create_connection(meta, api_key("k"));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : Connection{};
  }
  std::vector<std::string> names(const AuthConfigQuery& query) {
    std::vector<std::string> found;
    AuthConfigQuery next = query;
    for (bool more = true; more;) {
      const auto page = tokens.list_auth_configs(next);
      EXPECT_TRUE(page) << page.error().message;
      if (!page || page->data.empty()) break;
      for (const auto& one : page->data) found.push_back(one.name);
      next.after = page->data.back().id;
      more = page->has_more;
    }
    return found;
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, AuthConfigs, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(AuthConfigs, are_found_by_id_with_every_field) {
  AuthConfig fresh = app();
  fresh.enabled = false;
  fresh.scopes = std::vector<std::string>{"mail"};
  fresh.hosts = std::vector<std::string>{};
  const auto made = tokens.create_auth_config(std::move(fresh));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(looks_like_id(made->id));
  EXPECT_EQ(made->version, 1U);
  EXPECT_EQ(made->created, world.now);
  EXPECT_EQ(made->status_since, world.now);
  const auto found = tokens.find_auth_config({}, made->id);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->name, "Our app");
  EXPECT_FALSE(found->enabled);
  EXPECT_THAT(*found->scopes, ElementsAre("mail"));
  EXPECT_THAT(*found->hosts, IsEmpty());
  EXPECT_TRUE(found->values.at("clientSecret").equals("app secret"));
  EXPECT_EQ(describe(*found).find("app secret"), std::string::npos);
  EXPECT_EQ(describe(*found).find("Our app"), std::string::npos);
}

TEST_P(AuthConfigs, of_one_project_are_not_there_for_another) {
  const AuthConfig own = make("own", "proj_a");
  const AuthConfig all = make("all");
  EXPECT_TRUE(tokens.find_auth_config({kDefaultOrganization, "proj_a"}, own.id));
  EXPECT_TRUE(tokens.find_auth_config({kDefaultOrganization, ""}, own.id));
  EXPECT_REFUSED(tokens.find_auth_config({kDefaultOrganization, "proj_b"}, own.id), not_found);
  EXPECT_REFUSED(tokens.find_auth_config({"org_other", ""}, own.id), not_found);
  EXPECT_TRUE(tokens.find_auth_config({kDefaultOrganization, "proj_b"}, all.id));
  EXPECT_REFUSED(tokens.find_auth_config({}, new_id("ac")), not_found);
  EXPECT_REFUSED(tokens.find_auth_config({}, "../x"), not_found);
  EXPECT_REFUSED(tokens.erase_auth_config({kDefaultOrganization, "proj_b"}, own.id, 0), not_found);
}

TEST_P(AuthConfigs, that_break_a_rule_are_refused) {
  const auto refused = [&](const std::function<void(AuthConfig&)>& change) {
    AuthConfig one = app();
    change(one);
    EXPECT_REFUSED(tokens.create_auth_config(std::move(one)), invalid);
  };
  refused([](AuthConfig& one) { one.organization = "a/b"; });
  refused([](AuthConfig& one) { one.project = "a/b"; });
  refused([](AuthConfig& one) { one.organization = "org_nobody"; });
  refused([](AuthConfig& one) { one.project = "proj_nobody"; });
  refused([](AuthConfig& one) { one.provider = ""; });
  refused([](AuthConfig& one) { one.auth = "a b"; });
  refused([](AuthConfig& one) { one.id = "mine"; });
  refused([](AuthConfig& one) { one.id = new_id("conn"); });
  refused([](AuthConfig& one) { one.status = Status::revoked; });
  refused([](AuthConfig& one) { one.values.emplace("x", Secret(std::string(300'000, 'x'))); });
  AuthConfig again = app();
  again.id = make().id;
  again.project = "proj_other";
  make_place(*vault, kDefaultOrganization, again.project);
  EXPECT_REFUSED(tokens.create_auth_config(std::move(again)), exists);
}

TEST_P(AuthConfigs, are_listed_by_project_provider_and_whether_they_are_enabled) {
  make("all");
  make("a", "proj_a");
  make("b", "proj_b");
  AuthConfig other = app();
  other.name = "disabled";
  other.provider = "slack";
  other.enabled = false;
  ASSERT_TRUE(tokens.create_auth_config(std::move(other)));
  AuthConfigQuery query;
  for (const std::size_t limit : {1, 2, 100}) {
    query.limit = limit;
    EXPECT_THAT(names(query), UnorderedElementsAre("all", "a", "b", "disabled"));
  }
  query.limit = 1;
  query.with_disabled = false;
  EXPECT_THAT(names(query), UnorderedElementsAre("all", "a", "b"));
  query.project = "proj_a";
  EXPECT_THAT(names(query), UnorderedElementsAre("all", "a"));
  query = {};
  query.provider = "slack";
  EXPECT_THAT(names(query), ElementsAre("disabled"));
  query.organization = "org_other";
  EXPECT_THAT(names(query), IsEmpty());
}

TEST_P(AuthConfigs, are_updated_by_compare_and_set) {
  AuthConfig one = make("a", "proj_a");
  auto same = tokens.find_auth_config({kDefaultOrganization, "proj_a"}, one.id);
  world.now += 1000;
  one.name = "b";
  one.provider = one.auth = "other";
  one.created = 5;
  one.status = Status::error;
  one.status_reason = "client_rejected";
  one.values.insert_or_assign("clientSecret", Secret("new"));
  const auto updated = tokens.update_auth_config(std::move(one));
  ASSERT_TRUE(updated) << updated.error().message;
  EXPECT_EQ(updated->version, 2U);
  const auto found = tokens.find_auth_config({kDefaultOrganization, "proj_a"}, updated->id);
  EXPECT_EQ(found->name, "b");
  EXPECT_EQ(found->provider, "google");
  EXPECT_EQ(found->auth, "oauth");
  EXPECT_EQ(found->created, world.now - 1000);
  EXPECT_EQ(found->updated, world.now);
  EXPECT_EQ(found->status_since, world.now);
  EXPECT_TRUE(found->values.at("clientSecret").equals("new"));
  EXPECT_REFUSED(tokens.update_auth_config(std::move(*same)), conflict);
  AuthConfig unknown = app();
  unknown.id = new_id("ac");
  EXPECT_REFUSED(tokens.update_auth_config(std::move(unknown)), not_found);
}

TEST_P(AuthConfigs, are_not_erased_while_a_connection_uses_them) {
  const AuthConfig one = make();
  Connection first = use(one);
  const Connection second = use(one);
  const auto users = tokens.connections_of(one, 10);
  ASSERT_TRUE(users);
  EXPECT_EQ(users->size(), 2U);
  EXPECT_EQ(tokens.connections_of(one, 1)->size(), 1U);
  EXPECT_REFUSED(tokens.erase_auth_config({}, one.id, 0), exists);
  first.auth_config.clear();
  ASSERT_TRUE(vault->update_connection(first));
  EXPECT_REFUSED(tokens.erase_auth_config({}, one.id, 0), exists);
  ASSERT_TRUE(vault->erase_connection({}, second.id, 0));
  EXPECT_REFUSED(tokens.erase_auth_config({}, one.id, 7), conflict);
  EXPECT_TRUE(tokens.erase_auth_config({}, one.id, 1));
  EXPECT_REFUSED(tokens.find_auth_config({}, one.id), not_found);
  AuthConfigQuery query;
  EXPECT_THAT(names(query), IsEmpty());
}

TEST_P(AuthConfigs, a_connection_is_refused_one_that_is_not_there_for_its_project) {
  const AuthConfig foreign = make("foreign", "proj_other");
  for (const std::string& id : {foreign.id, new_id("ac"), std::string("ac_x")}) {
    Connection meta = stripe();
    meta.auth_config = id;
    EXPECT_REFUSED(vault->create_connection(meta, api_key("k")), invalid);
    meta.auth_config.clear();
    auto made = *vault->create_connection(meta, api_key("k"));
    made.auth_config = id;
    EXPECT_REFUSED(vault->update_connection(made), invalid);
    std::vector<NewConnection> many;
    many.push_back({stripe(), api_key("k")});
    many.back().meta.alias = "many";
    many.back().meta.auth_config = id;
    EXPECT_REFUSED(vault->create_connections(std::move(many)), invalid);
  }
}

TEST_P(AuthConfigs, none_is_erased_under_a_connection_that_begins_to_use_it) {
  for (int round = 0; round < 20; ++round) {
    const AuthConfig one = make();
    Result<Connection> made = fail(Error::Code::io, "not asked");
    Result<void> erased;
    {
      const std::jthread creates([&] {
        Connection meta = stripe();
        meta.auth_config = one.id;
        made = vault->create_connection(meta, api_key("k"));
      });
      const std::jthread erases([&] { erased = tokens.erase_auth_config({}, one.id, 0); });
    }
    EXPECT_NE(made.has_value(), erased.has_value());
    if (made) EXPECT_REFUSED(erased, exists);
    if (erased) EXPECT_REFUSED(made, invalid);
  }
}

}  // namespace
}  // namespace postern::vault::test
