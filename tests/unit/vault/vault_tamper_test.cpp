// Someone who can write the store, but has no key: what they can do is make a record unreadable, not make it another.
#include "tests/unit/vault/raw_store.hpp"

namespace postern::vault::test {
namespace {

class Tampered : public RawStore {
 protected:
  void SetUp() override {
    auto vault = world.create();
    first = *vault->create_connection(stripe(), api_key("first"));
    second = *vault->create_connection(stripe(), api_key("second"));
    make_place(*vault, kDefaultOrganization, "proj_other");
    make_place(*vault, "org_other", "proj_other");
    Connection meta = stripe();
    meta.project = "proj_other";
    elsewhere = *vault->create_connection(meta, api_key("elsewhere"));
    meta.organization = "org_other";
    foreign = *vault->create_connection(meta, api_key("foreign"));
    auto made = vault->create_authorization(step());
    token = std::move(made->token);
    authorization = made->authorization;
    vault.reset();
    world.open().reset();  // everything is in tables now
  }

  std::vector<std::string> keys(const std::string& prefix) {
    std::vector<std::string> found;
    raw([&](rocksdb::DB& db) {
      const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator({}));
      for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
        found.push_back(at->key().ToString());
      }
    });
    return found;
  }
  static std::string path(const char* type, const Connection& of) {
    return std::string(type) + "/" + of.organization + "/" + of.project + "/" + of.id;
  }

  Connection first, second, elsewhere, foreign;
  Authorization authorization;
  Secret token;
};

TEST_F(Tampered, a_credential_moved_to_another_connection_does_not_open) {
  for (const Connection& from : {second, elsewhere, foreign}) {
    const std::string mine = get(path("credential", first));
    put(path("credential", first), get(path("credential", from)));
    EXPECT_REFUSED(world.open()->open_credential(first), corrupt);
    put(path("credential", first), mine);
    EXPECT_TRUE(world.open()->open_credential(first));
  }
}

TEST_F(Tampered, metadata_moved_to_another_connection_does_not_open) {
  put(path("connection", first), get(path("connection", second)));
  const auto vault = world.open();
  EXPECT_REFUSED(vault->find_connection({}, first.id), corrupt);
  EXPECT_REFUSED(vault->find_connection({}, first.alias), corrupt);
  EXPECT_REFUSED(vault->list_connections({}), corrupt);
}

TEST_F(Tampered, a_record_moved_to_another_project_or_organization_does_not_open) {
  put("connection/org_default/proj_mine/" + first.id, get(path("connection", first)));
  put("connection/org_mine/proj_default/" + first.id, get(path("connection", first)));
  const auto vault = world.open();
  EXPECT_REFUSED(vault->find_connection({kDefaultOrganization, "proj_mine"}, first.id), corrupt);
  EXPECT_REFUSED(vault->find_connection({"org_mine", kDefaultProject}, first.id), corrupt);
}

TEST_F(Tampered, metadata_in_the_place_of_a_credential_does_not_open) {
  put(path("credential", first), get(path("connection", first)));
  EXPECT_REFUSED(world.open()->open_credential(first), corrupt);
}

TEST_F(Tampered, an_earlier_credential_put_back_is_noticed) {
  const std::string old = get(path("credential", first));
  const auto rotated = world.open()->rotate_credential(first, api_key("new"));
  ASSERT_TRUE(rotated);
  put(path("credential", first), old);
  EXPECT_REFUSED(world.open()->open_credential(*rotated), corrupt);
}

TEST_F(Tampered, an_earlier_record_under_a_later_version_number_does_not_open) {
  std::string value = get(path("connection", first));
  value[7] = 9;  // the last byte of the version that the store keeps in clear
  put(path("connection", first), value);
  EXPECT_REFUSED(world.open()->find_connection({}, first.id), corrupt);
}

TEST_F(Tampered, a_credential_that_was_removed_alone_is_damage_and_not_absence) {
  remove(path("credential", first));
  EXPECT_REFUSED(world.open()->open_credential(first), corrupt);
}

TEST_F(Tampered, an_alias_that_leads_to_another_connection_is_noticed) {
  const auto aliases = keys("alias/org_default/proj_default/");
  ASSERT_EQ(aliases.size(), 2U);
  const std::string one = get(aliases[0]);
  put(aliases[0], get(aliases[1]));
  put(aliases[1], one);
  const auto vault = world.open();
  EXPECT_REFUSED(vault->find_connection({}, first.alias), corrupt);
  EXPECT_REFUSED(vault->find_connection({}, second.alias), corrupt);
}

TEST_F(Tampered, an_alias_whose_connection_was_removed_is_damage) {
  remove(path("connection", first));
  EXPECT_REFUSED(world.open()->find_connection({}, first.alias), corrupt);
}

TEST_F(Tampered, an_index_entry_under_another_name_is_noticed) {
  const auto hosts = keys("host/" + first.organization + "/" + first.project + "/");
  ASSERT_EQ(hosts.size(), 4U);
  put(hosts[0].substr(0, hosts[0].find('-') + 1) + elsewhere.id, get(hosts[0]));
  ConnectionQuery query;
  query.project = first.project;
  for (const char* host : {"api.stripe.com", "files.stripe.com"}) {
    query.host = host;
    const auto listed = world.open()->list_connections(query);
    if (!listed) EXPECT_EQ(listed.error().code, Error::Code::corrupt);
    if (listed) EXPECT_EQ(listed->data.size(), 2U);
  }
  query.host = "api.stripe.com";
  const bool api_is_damaged = !world.open()->list_connections(query);
  query.host = "files.stripe.com";
  EXPECT_NE(api_is_damaged, !world.open()->list_connections(query));
}

TEST_F(Tampered, an_index_entry_whose_connection_was_removed_is_damage) {
  remove(path("connection", first));
  ConnectionQuery query;
  query.app = first.app;
  EXPECT_REFUSED(world.open()->list_connections(query), corrupt);
  query.order = ConnectionQuery::Order::created;
  EXPECT_REFUSED(world.open()->list_connections(query), corrupt);
}

TEST_F(Tampered, an_index_entry_of_an_earlier_status_put_back_is_noticed) {
  auto vault = world.open();
  Connection changed = first;
  changed.status = Status::error;
  changed = *vault->update_connection(changed);
  vault.reset();
  const auto entries = keys("status/");
  ASSERT_EQ(entries.size(), 1U);
  const std::string entry = get(entries[0]);
  vault = world.open();
  changed.status = Status::active;
  ASSERT_TRUE(vault->update_connection(changed));
  vault.reset();
  ASSERT_TRUE(keys("status/").empty());
  put(entries[0], entry);
  ConnectionQuery query;
  query.status = Status::error;
  EXPECT_REFUSED(world.open()->list_connections(query), corrupt);
}

TEST_F(Tampered, a_token_that_leads_to_another_authorization_is_noticed) {
  auto vault = world.open();
  const auto other = vault->create_authorization(step());
  vault.reset();
  ASSERT_TRUE(other);
  put("token///" + authorization.public_id, get("token///" + other->authorization.public_id));
  EXPECT_REFUSED(world.open()->authenticate(token.expose()), corrupt);
}

TEST_F(Tampered, an_intent_or_an_auth_config_moved_elsewhere_does_not_open) {
  auto vault = world.open();
  ASSERT_TRUE(vault->tokens().begin_refresh(first, "h", nullptr));
  AuthConfig of_project = app();
  of_project.project = "proj_mine";
  make_place(*vault, kDefaultOrganization, of_project.project);
  const std::string moved = vault->tokens().create_auth_config(std::move(of_project))->id;
  const std::string other = vault->tokens().create_auth_config(app())->id;
  vault.reset();
  put(path("intent", elsewhere), get(path("intent", first)));
  put("auth_config/org_default//" + other, get("auth_config/org_default/proj_mine/" + moved));
  put("auth_locator/org_default//" + moved, get("auth_locator/org_default//" + other));
  vault = world.open();
  EXPECT_REFUSED(vault->tokens().pending_intents({}, 10), corrupt);
  EXPECT_REFUSED(vault->tokens().begin_refresh(elsewhere, "h", nullptr), corrupt);
  EXPECT_REFUSED(vault->tokens().find_auth_config({}, moved), corrupt);
  EXPECT_REFUSED(vault->tokens().find_auth_config({}, other), corrupt);
  EXPECT_REFUSED(vault->tokens().list_auth_configs({}), corrupt);
}

TEST_F(Tampered, an_earlier_time_put_back_does_not_make_a_connection_due) {
  auto vault = world.open();
  Connection meta = first;
  meta.expires = 100;
  meta = *vault->update_connection(meta);
  vault.reset();
  const auto entries = keys("expires/");
  ASSERT_EQ(entries.size(), 1U);
  const std::string entry = get(entries[0]);
  vault = world.open();
  meta.expires = 1000;
  ASSERT_TRUE(vault->update_connection(meta));
  vault.reset();
  put(entries[0], entry);
  EXPECT_REFUSED(world.open()->tokens().due(500, {}, 10), corrupt);
  // Where the entry that is to be written is there already, that is said, and nothing waits for ever.
  EXPECT_REFUSED(world.open()->tokens().set_status({}, meta.id, meta.generation, {.touch = 100}), corrupt);
}

TEST_F(Tampered, a_state_that_leads_to_another_link_is_noticed) {
  auto vault = world.open();
  for (const char* state : {"one", "two"}) {
    Link link;
    link.provider = "google";
    ASSERT_TRUE(vault->tokens().update_link(*vault->tokens().create_link(std::move(link)), state));
  }
  vault.reset();
  const auto states = keys("state/");
  ASSERT_EQ(states.size(), 2U);
  const std::string one = get(states[0]);
  put(states[0], get(states[1]));
  put(states[1], one);
  EXPECT_REFUSED(world.open()->tokens().find_link_by_state("one"), corrupt);
}

TEST_F(Tampered, every_flipped_byte_of_a_stored_record_is_refused) {
  const std::string key = path("connection", first);
  const std::string good = get(key);
  for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 64) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    put(key, bad);
    const auto vault = world.open();
    EXPECT_REFUSED(vault->find_connection({}, first.id), corrupt);
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, good.size() - 1}) {
    put(key, good.substr(0, size));
    const auto vault = world.open();
    EXPECT_REFUSED(vault->find_connection({}, first.id), corrupt);
  }
}

TEST_F(Tampered, a_header_or_data_key_that_was_changed_is_refused) {
  const auto data_keys = keys("key/");
  ASSERT_EQ(data_keys.size(), 2U);
  for (const std::string& key : {std::string("header"), data_keys[0], data_keys[1]}) {
    const std::string good = get(key);
    std::string bad = good;
    bad.back() = static_cast<char>(bad.back() ^ 1);
    put(key, bad);
    EXPECT_EQ(world.refusal(), Error::Code::corrupt) << key;
    put(key, good);
  }
  const std::string one = get(data_keys[0]);
  put(data_keys[0], get(data_keys[1]));
  EXPECT_EQ(world.refusal(), Error::Code::corrupt);
  put(data_keys[0], one);
  for (const std::string& key : data_keys) {
    const std::string good = get(key);
    remove(key);
    EXPECT_EQ(world.refusal(), Error::Code::corrupt);
    put(key, good);
  }
  EXPECT_TRUE(world.open());
}

}  // namespace
}  // namespace postern::vault::test
