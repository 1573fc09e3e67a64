// The local CA's record: one of its own, changed by who read it last, sealed like every other, and of no use elsewhere.
#include <gmock/gmock.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "tests/unit/vault/raw_store.hpp"
#include "vault/authority.hpp"

namespace postern::vault::test {
namespace {

constexpr std::string_view kKey = "-----BEGIN PRIVATE KEY-----\nthe key\n";

AuthorityRecord ca(std::string certificate = "first certificate", std::string_view key = kKey) {
  AuthorityRecord authority;
  authority.certificate = std::move(certificate);
  authority.key = Secret(key);
  return authority;
}

Beside told(std::string action) {
  Beside beside;
  beside.event.emplace();
  beside.event->actor = "tok_1";
  beside.event->action = std::move(action);
  return beside;
}

class LocalAuthority : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();
};

INSTANTIATE_TEST_SUITE_P(Stores, LocalAuthority, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(LocalAuthority, is_not_there_until_it_is_made_and_then_as_it_was_given) {
  EXPECT_REFUSED(vault->find_authority(), not_found);
  const auto made = vault->put_authority(ca(), 0);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->version, 1U);
  const auto found = vault->find_authority();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->certificate, "first certificate");
  EXPECT_TRUE(found->key.equals(kKey));
  EXPECT_EQ(found->previous, "");
  EXPECT_EQ(found->created, world.now);
  EXPECT_EQ(found->version, 1U);
  EXPECT_EQ(describe(*found).find("key"), std::string::npos);
}

TEST_P(LocalAuthority, is_made_once) {
  ASSERT_TRUE(vault->put_authority(ca(), 0));
  EXPECT_REFUSED(vault->put_authority(ca("another"), 0), exists);
  EXPECT_EQ(vault->find_authority()->certificate, "first certificate");
}

TEST_P(LocalAuthority, is_replaced_by_who_has_read_it_last) {
  EXPECT_REFUSED(vault->put_authority(ca(), 1), not_found);
  const auto made = vault->put_authority(ca(), 0);
  world.now += 7;
  AuthorityRecord next = ca("second certificate", "second key");
  next.previous = made->certificate;
  const auto replaced = vault->put_authority(std::move(next), made->version);
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_EQ(replaced->version, 2U);
  EXPECT_EQ(replaced->created, made->created);
  EXPECT_EQ(replaced->updated, world.now);
  EXPECT_REFUSED(vault->put_authority(ca("third"), made->version), conflict);
  const auto found = vault->find_authority();
  EXPECT_EQ(found->previous, "first certificate");
  EXPECT_TRUE(found->key.equals("second key"));
}

TEST_P(LocalAuthority, is_refused_without_certificate_or_key_and_when_it_is_too_large) {
  EXPECT_REFUSED(vault->put_authority(ca(""), 0), invalid);
  EXPECT_REFUSED(vault->put_authority(ca("certificate", ""), 0), invalid);
  EXPECT_REFUSED(vault->put_authority(ca(std::string(256 * 1024, 'x')), 0), invalid);
  EXPECT_REFUSED(vault->find_authority(), not_found);
}

TEST_P(LocalAuthority, goes_with_its_key_when_who_read_it_last_says_so) {
  EXPECT_REFUSED(vault->erase_authority(0), not_found);
  ASSERT_TRUE(vault->put_authority(ca(), 0));
  EXPECT_REFUSED(vault->erase_authority(2), conflict);
  EXPECT_TRUE(vault->erase_authority(1, told("ca.deleted")));
  EXPECT_REFUSED(vault->find_authority(), not_found);
  EXPECT_EQ(vault->audit().list({})->events.front().action, "ca.deleted");
  EXPECT_TRUE(vault->put_authority(ca("another"), 0));
}

TEST_P(LocalAuthority, can_be_made_for_the_hosts_that_connections_of_every_organization_use) {
  EXPECT_TRUE(hosts_in_use(*vault, 10)->empty());
  ASSERT_TRUE(vault->create_connection(stripe(), api_key("1")));
  ASSERT_TRUE(vault->create_connection(stripe(), api_key("2")));
  Connection other = stripe();
  make_place(*vault, "org_other");
  other.organization = "org_other";
  other.destinations = {{"api.github.com", 443, ""}};
  ASSERT_TRUE(vault->create_connection(other, api_key("3")));
  EXPECT_THAT(*hosts_in_use(*vault, 10), testing::ElementsAre("api.github.com", "api.stripe.com", "files.stripe.com"));
  EXPECT_EQ(hosts_in_use(*vault, 2)->size(), 2U);
}

TEST_P(LocalAuthority, is_told_of_in_the_systems_chain_with_the_change) {
  ASSERT_TRUE(vault->put_authority(ca(), 0, told("ca.created")));
  EXPECT_REFUSED(vault->put_authority(ca(), 0, told("ca.created")), exists);
  const auto events = vault->audit().list({});
  ASSERT_TRUE(events);
  ASSERT_EQ(events->events.size(), 1U) << "what was refused is not told";
  EXPECT_EQ(events->events[0].action, "ca.created");
  EXPECT_EQ(events->events[0].subject, "ca");
}

TEST_P(LocalAuthority, is_verified_and_sealed_anew_like_every_record) {
  ASSERT_TRUE(vault->put_authority(ca(), 0));
  const auto verified = vault->upkeep().verify({}, 1000);
  ASSERT_TRUE(verified);
  EXPECT_TRUE(verified->bad.empty());
  EXPECT_EQ(verified->sound.at("authority"), 1U);
  ASSERT_TRUE(vault->upkeep().rotate());
  for (int step = 0; step < 10; ++step) ASSERT_TRUE(vault->upkeep().continue_rotation(100));
  EXPECT_TRUE(vault->find_authority()->key.equals(kKey));
  EXPECT_EQ(vault->find_authority()->version, 1U) << "sealing anew is no change";
}

class StoredAuthority : public RawStore {
 protected:
  static constexpr const char* kPlace = "authority///local";
  void SetUp() override { ASSERT_TRUE(world.create()->put_authority(ca(), 0)); }
};

TEST_F(StoredAuthority, outlives_the_process_and_is_not_readable_on_the_disk) {
  EXPECT_TRUE(world.open()->find_authority()->key.equals(kKey));
  for (const auto& [name, bytes] : contents(world.options.state)) {
    EXPECT_EQ(bytes.find("the key"), std::string::npos) << name;
    EXPECT_EQ(bytes.find("PRIVATE KEY"), std::string::npos) << name;
  }
}

TEST_F(StoredAuthority, keeps_no_bit_of_a_real_key_in_clear) {
  auto made = Authority::create({.label = "x", .names = {"api.example"}, .now = 1'900'000'000});
  ASSERT_TRUE(made) << made.error().message;
  const auto opened = Authority::open(made->certificate, made->key.expose());
  ASSERT_TRUE(opened);
  BIGNUM* number = nullptr;
  ASSERT_EQ(EVP_PKEY_get_bn_param((*opened)->key(), OSSL_PKEY_PARAM_PRIV_KEY, &number), 1);
  std::string scalar(32, '\0');
  ASSERT_EQ(BN_bn2binpad(number, reinterpret_cast<unsigned char*>(scalar.data()), 32), 32);
  BN_clear_free(number);
  ASSERT_NE(made->key.expose().find(scalar), std::string_view::npos) << "that is where it would be";
  AuthorityRecord record;
  record.certificate = made->certificate;
  record.key = std::move(made->key);
  ASSERT_TRUE(world.open()->put_authority(std::move(record), 1));
  for (const auto& [name, bytes] : contents(world.options.state))
    EXPECT_EQ(bytes.find(scalar), std::string::npos) << name;
}

TEST_F(StoredAuthority, comes_back_with_a_backup) {
  const auto backup = world.scratch.path() / "backup";
  ASSERT_TRUE(world.open()->upkeep().backup(backup));
  Options other = world.options;
  other.state = world.scratch.path() / "other" / "state";
  ASSERT_TRUE(Vault::restore(other, backup));
  EXPECT_TRUE(World::checked(Vault::open(other))->find_authority()->key.equals(kKey));
}

TEST_F(StoredAuthority, does_not_open_when_a_byte_of_it_was_changed) {
  const std::string good = get(kPlace);
  for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 32) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x04);
    put(kPlace, bad);
    EXPECT_REFUSED(world.open()->find_authority(), corrupt);
  }
}

TEST_F(StoredAuthority, is_no_other_record_and_no_other_record_is_it) {
  const std::string good = get(kPlace);
  put("import///local", good);
  EXPECT_REFUSED(world.open()->imports().find_import("local"), corrupt);
  remove("import///local");
  put(kPlace, get("organization/org_default//org_default"));
  EXPECT_REFUSED(world.open()->find_authority(), corrupt);
}

TEST_F(StoredAuthority, of_another_vault_does_not_open) {
  World other;
  ASSERT_TRUE(other.create()->put_authority(ca("theirs"), 0));
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, (other.options.state / "vault").string(), &opened).ok());
  std::string theirs;
  EXPECT_TRUE(opened->Get({}, kPlace, &theirs).ok());
  delete opened;
  put(kPlace, theirs);
  EXPECT_REFUSED(world.open()->find_authority(), corrupt);
}

TEST_F(StoredAuthority, that_was_damaged_is_named_by_verify) {
  std::string bad = get(kPlace);
  bad.back() = static_cast<char>(bad.back() ^ 1);
  put(kPlace, bad);
  const auto verified = world.open()->upkeep().verify({}, 1000);
  ASSERT_TRUE(verified);
  ASSERT_EQ(verified->bad.size(), 1U);
  EXPECT_EQ(verified->bad[0].key, kPlace);
}

}  // namespace
}  // namespace postern::vault::test
