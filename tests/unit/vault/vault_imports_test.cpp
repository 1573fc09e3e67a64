// Imported catalog entries: drafts until they are enabled, never changed, gone only while nothing uses them.
#include <gmock/gmock.h>

#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {
namespace {

ImportedProvider acme(std::string id = "acme") {
  ImportedProvider provider;
  provider.id = std::move(id);
  provider.yaml = "id: acme\n";
  provider.digest = "00ff";
  return provider;
}

class ImportedProviders : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();
  Imports& imports = vault->imports();
};

INSTANTIATE_TEST_SUITE_P(Stores, ImportedProviders, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(ImportedProviders, are_kept_as_they_were_given_and_found_by_id) {
  const auto made = imports.create_import(acme());
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->version, 1U);
  EXPECT_EQ(made->created, world.now);
  const auto found = imports.find_import("acme");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->yaml, "id: acme\n");
  EXPECT_EQ(found->digest, "00ff");
  EXPECT_FALSE(found->enabled);
  EXPECT_REFUSED(imports.find_import("other"), not_found);
  EXPECT_REFUSED(imports.find_import("../x"), not_found);
}

TEST_P(ImportedProviders, are_listed_by_id_and_each_id_is_taken_once) {
  ASSERT_TRUE(imports.create_import(acme("b")));
  ASSERT_TRUE(imports.create_import(acme("a")));
  EXPECT_REFUSED(imports.create_import(acme("a")), exists);
  const auto all = imports.list_imports();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ(all->front().id, "a");
}

TEST_P(ImportedProviders, are_enabled_by_who_has_read_them_last) {
  const auto made = imports.create_import(acme());
  world.now += 5;
  const auto enabled = imports.enable_import("acme", true, made->version);
  ASSERT_TRUE(enabled) << enabled.error().message;
  EXPECT_TRUE(enabled->enabled);
  EXPECT_EQ(enabled->version, 2U);
  EXPECT_EQ(enabled->updated, world.now);
  EXPECT_REFUSED(imports.enable_import("acme", false, made->version), conflict);
  EXPECT_REFUSED(imports.enable_import("other", true, 1), not_found);
}

TEST_P(ImportedProviders, go_only_while_nothing_uses_them) {
  ASSERT_TRUE(imports.create_import(acme("stripe")));
  const auto connection = vault->create_connection(stripe(), api_key("sk_1"));
  ASSERT_TRUE(connection);
  EXPECT_REFUSED(imports.erase_import("stripe", 0), exists);
  const auto uses = imports.uses_of("stripe", 10);
  ASSERT_TRUE(uses);
  ASSERT_EQ(uses->size(), 1U);
  EXPECT_EQ(uses->front().id, connection->id);
  ASSERT_TRUE(vault->erase_connection({}, connection->id, 0));
  EXPECT_REFUSED(imports.erase_import("stripe", 7), conflict);
  EXPECT_TRUE(imports.erase_import("stripe", 1));
  EXPECT_REFUSED(imports.erase_import("stripe", 0), not_found);
}

// An auth config's client secret would go to the token URL of whatever is imported next under the id.
TEST_P(ImportedProviders, stay_while_an_auth_config_uses_them) {
  ASSERT_TRUE(imports.create_import(acme("google")));
  const auto made = vault->tokens().create_auth_config(app());
  ASSERT_TRUE(made);
  EXPECT_REFUSED(imports.erase_import("google", 0), exists);
  EXPECT_EQ(imports.uses_of("google", 10)->front().id, made->id);
  EXPECT_TRUE(imports.uses_of("acme", 10)->empty());
}

TEST_P(ImportedProviders, are_verified_and_sealed_anew_like_every_record) {
  ASSERT_TRUE(imports.create_import(acme()));
  const auto verified = vault->upkeep().verify({}, 1000);
  ASSERT_TRUE(verified);
  EXPECT_TRUE(verified->bad.empty());
  EXPECT_EQ(verified->sound.at("import"), 1U);
  ASSERT_TRUE(vault->upkeep().rotate());
  for (int step = 0; step < 10; ++step) ASSERT_TRUE(vault->upkeep().continue_rotation(100));
  EXPECT_EQ(imports.find_import("acme")->yaml, "id: acme\n");
  EXPECT_EQ(imports.find_import("acme")->version, 1U) << "sealing anew is no change";
}

TEST_P(ImportedProviders, are_refused_when_they_are_too_large_or_badly_named) {
  ImportedProvider large = acme();
  large.yaml = std::string(256 * 1024, 'x');
  EXPECT_REFUSED(imports.create_import(std::move(large)), invalid);
  EXPECT_REFUSED(imports.create_import(acme("a/b")), invalid);
}

}  // namespace
}  // namespace postern::vault::test
