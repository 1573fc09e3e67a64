#include <gmock/gmock.h>

#include "tests/unit/vault/scratch.hpp"
#include "vault/encoding.hpp"
#include "vault/token.hpp"

namespace postern::vault::test {
namespace {

class Authorizations : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();

  NewToken make(Authorization authorization = step()) {
    auto made = vault->create_authorization(std::move(authorization));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : NewToken{};
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, Authorizations, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(Authorizations, makes_one_with_a_token_that_authenticates_as_it) {
  Authorization wanted = step();
  wanted.hosts = std::vector<std::string>{};
  wanted.methods = std::vector<std::string>{"GET"};
  wanted.default_for = {"api.stripe.com"};
  wanted.parent = "tok_parent";
  const NewToken made = make(wanted);
  EXPECT_TRUE(made.authorization.id.starts_with("tok_"));
  EXPECT_TRUE(looks_like_id(made.authorization.id));
  EXPECT_EQ(made.authorization.digest.size(), 32U);
  EXPECT_EQ(made.authorization.created, world.now);
  EXPECT_EQ(made.authorization.version, 1U);

  const auto known = vault->authenticate(made.token.expose());
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_EQ(known->id, made.authorization.id);
  EXPECT_EQ(known->name, "step-42");
  EXPECT_EQ(known->hosts, wanted.hosts);
  EXPECT_EQ(known->methods, wanted.methods);
  EXPECT_EQ(known->default_for, wanted.default_for);
  EXPECT_EQ(known->parent, "tok_parent");
  EXPECT_EQ(known->connections, wanted.connections);
  EXPECT_EQ(known->expires, wanted.expires);
  EXPECT_EQ(known->version, 1U);
}

TEST_P(Authorizations, absent_hosts_and_empty_hosts_are_kept_apart) {
  const auto absent = vault->authenticate(make().token.expose());
  ASSERT_TRUE(absent);
  EXPECT_FALSE(absent->hosts.has_value());
  EXPECT_FALSE(absent->methods.has_value());
}

TEST_P(Authorizations, a_token_has_the_shape_that_scanners_and_people_know) {
  const NewToken made = make();
  const std::string token(made.token.expose());
  EXPECT_THAT(token, testing::MatchesRegex("pst_[0-9a-hjkmnp-tv-z]{12}[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}"));
  EXPECT_EQ(token.substr(4, 12), made.authorization.public_id);
}

TEST_P(Authorizations, what_is_not_a_token_of_this_vault_is_not_found) {
  const NewToken made = make();
  const std::string token(made.token.expose());
  for (std::size_t at = 0; at < token.size(); ++at) {
    std::string changed = token;
    changed[at] = changed[at] == '7' ? '8' : '7';
    EXPECT_REFUSED(vault->authenticate(changed), not_found);
    EXPECT_REFUSED(vault->authenticate(token.substr(0, at)), not_found);
  }
  EXPECT_REFUSED(vault->authenticate(token + "0"), not_found);
  EXPECT_REFUSED(vault->authenticate(" " + token), not_found);
  EXPECT_REFUSED(vault->authenticate(make_token().text.expose()), not_found);

  // The right public id and a right checksum over another secret.
  std::string forged = token.substr(0, 16) + std::string(43, 'A');
  forged += base62(crc32(forged), 6);
  ASSERT_TRUE(public_id_of(forged));
  EXPECT_REFUSED(vault->authenticate(forged), not_found);
}

TEST_P(Authorizations, a_token_of_another_vault_is_not_found) {
  World other(GetParam());
  const auto elsewhere = other.create();
  const auto foreign = elsewhere->create_authorization(step());
  ASSERT_TRUE(foreign);
  EXPECT_REFUSED(vault->authenticate(foreign->token.expose()), not_found);
}

TEST_P(Authorizations, expiry_and_revocation_are_the_callers_to_judge) {
  NewToken made = make(step(1));
  ASSERT_TRUE(vault->authenticate(made.token.expose()));
  made.authorization.revoked = world.now;
  const auto revoked = vault->update_authorization(made.authorization);
  ASSERT_TRUE(revoked) << revoked.error().message;
  EXPECT_EQ(vault->authenticate(made.token.expose())->revoked, world.now);
}

TEST_P(Authorizations, an_update_is_compare_and_set_and_keeps_the_token) {
  const NewToken made = make();
  Authorization changed = made.authorization;
  changed.name = "renamed";
  changed.digest = std::string(32, 'x');
  changed.public_id = "000000000000";
  changed.created = 5;
  changed.parent = "tok_forged";
  const auto updated = vault->update_authorization(changed);
  ASSERT_TRUE(updated) << updated.error().message;
  EXPECT_EQ(updated->version, 2U);
  EXPECT_EQ(updated->created, made.authorization.created);
  EXPECT_EQ(updated->parent, made.authorization.parent);
  EXPECT_EQ(vault->authenticate(made.token.expose())->name, "renamed");
  EXPECT_REFUSED(vault->update_authorization(changed), conflict);
}

TEST_P(Authorizations, erasing_one_ends_its_token) {
  const NewToken made = make();
  ASSERT_TRUE(vault->erase_authorization(kDefaultOrganization, made.authorization.id));
  EXPECT_REFUSED(vault->authenticate(made.token.expose()), not_found);
  EXPECT_REFUSED(vault->find_authorization(kDefaultOrganization, made.authorization.id), not_found);
  EXPECT_REFUSED(vault->erase_authorization(kDefaultOrganization, made.authorization.id), not_found);
}

TEST_P(Authorizations, a_foreign_one_is_a_miss) {
  const NewToken made = make();
  EXPECT_TRUE(vault->find_authorization(kDefaultOrganization, made.authorization.id));
  for (const char* organization : {"org_other", "", "a/b"}) {
    EXPECT_REFUSED(vault->find_authorization(organization, made.authorization.id), not_found);
    EXPECT_REFUSED(vault->erase_authorization(organization, made.authorization.id), not_found);
  }
  EXPECT_REFUSED(vault->find_authorization(kDefaultOrganization, "tok_unknown"), not_found);
}

TEST_P(Authorizations, a_system_one_has_no_organization_and_may_never_expire) {
  Authorization system;
  system.capabilities = {"*", "system:*"};
  const NewToken made = make(system);
  EXPECT_TRUE(vault->authenticate(made.token.expose()));
  EXPECT_TRUE(vault->find_authorization("", made.authorization.id));
  EXPECT_EQ(vault->list_authorizations("", "", 10)->size(), 1U);
  EXPECT_TRUE(vault->list_authorizations(kDefaultOrganization, "", 10)->empty());
}

TEST_P(Authorizations, refuses_what_breaks_the_rules_of_a_record) {
  const auto refused = [&](auto spoil) {
    Authorization wanted = step();
    spoil(wanted);
    EXPECT_REFUSED(vault->create_authorization(std::move(wanted)), invalid);
  };
  refused([](Authorization& a) { a.expires = 0; });
  refused([](Authorization& a) { a.organization = "a/b"; });
  refused([](Authorization& a) { a.project = "a/b"; });
  refused([](Authorization& a) { a.organization = "org_nobody"; });
  refused([](Authorization& a) { a.project = "proj_nobody"; });
  refused([](Authorization& a) { a.projects.emplace().push_back({"proj_nobody", Role::viewer}); });
  refused([](Authorization& a) { a.projects = {{{"proj_default", Role::viewer}, {"proj_default", Role::admin}}}; });
  refused([](Authorization& a) { a.user = new_id("user"); });
  refused([](Authorization& a) { a.organization = ""; });  // with a project
  refused([](Authorization& a) {
    a.organization.clear();
    a.project.clear();
    a.projects.emplace();
  });
  refused([](Authorization& a) { a.connections = {"*", "conn_x"}; });
  refused([](Authorization& a) { a.name = std::string(300'000, 'x'); });
}

TEST_P(Authorizations, lists_by_id_and_goes_on_behind_a_cursor) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(make().authorization.id);
  std::ranges::sort(ids);
  const auto first = vault->list_authorizations(kDefaultOrganization, "", 3);
  ASSERT_TRUE(first);
  ASSERT_EQ(first->size(), 3U);
  const auto rest = vault->list_authorizations(kDefaultOrganization, first->back().id, 3);
  ASSERT_TRUE(rest);
  ASSERT_EQ(rest->size(), 2U);
  EXPECT_EQ(first->front().id, ids[0]);
  EXPECT_EQ(rest->back().id, ids[4]);
}

TEST_P(Authorizations, a_keyed_digest_depends_on_purpose_bytes_and_vault) {
  const std::string digest = vault->keyed_digest("idempotency", "body");
  EXPECT_EQ(digest.size(), 32U);
  EXPECT_EQ(digest, vault->keyed_digest("idempotency", "body"));
  EXPECT_NE(digest, vault->keyed_digest("idempotency", "bodY"));
  EXPECT_NE(digest, vault->keyed_digest("other", "body"));
  EXPECT_NE(vault->keyed_digest("a", "bc"), vault->keyed_digest("ab", "c"));
  World other(GetParam());
  EXPECT_NE(digest, other.create()->keyed_digest("idempotency", "body"));
}

}  // namespace
}  // namespace postern::vault::test
