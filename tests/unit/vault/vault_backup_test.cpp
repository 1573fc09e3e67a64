// Backup, restore, verify, migrate.
#include <gmock/gmock.h>

#include "tests/source_dir.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/encoding.hpp"
#include "vault/record_codec.hpp"
#include "vault/store.hpp"
#include "vault/vault_impl.hpp"

namespace postern::vault::test {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

struct Backed : World {
  Backed() {
    vault = create();
    kept = *vault->create_connection(stripe(), api_key("kept"));
    EXPECT_TRUE(vault->upkeep().backup(backup));
    later = *vault->create_connection(stripe(), api_key("later"));
  }
  Options elsewhere() const {
    Options other = options;
    other.state = scratch.path() / "other" / "state";
    return other;
  }
  std::unique_ptr<Vault> vault;
  Connection kept, later;
  fs::path backup = scratch.path() / "backup";
};

TEST(Backup, of_a_running_vault_holds_what_was_there_and_no_key) {
  Backed world;
  struct stat about{};
  ASSERT_EQ(::stat(world.backup.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
  const std::string line = read_file(world.options.key_file).substr(0, 40);
  for (const auto& [name, bytes] : contents(world.backup)) EXPECT_EQ(bytes.find(line), std::string::npos) << name;
  ASSERT_TRUE(Vault::restore(world.elsewhere(), world.backup));
  const auto restored = World::checked(Vault::open(world.elsewhere()));
  ASSERT_TRUE(restored);
  EXPECT_TRUE(restored->open_credential(world.kept)->values.at("apiKey").equals("kept"));
  EXPECT_REFUSED(restored->find_connection({}, world.later.id), not_found);
  EXPECT_EQ(restored->status().provenance.kind, Provenance::Kind::restored);
  EXPECT_EQ(world.vault->status().provenance.kind, Provenance::Kind::original);
  EXPECT_TRUE(world.vault->find_connection({}, world.later.id));
}

TEST(Backup, is_refused_where_it_would_do_harm) {
  Backed world;
  EXPECT_REFUSED(world.vault->upkeep().backup(world.backup), exists);
  EXPECT_REFUSED(world.vault->upkeep().backup("relative"), invalid);
  EXPECT_REFUSED(world.vault->upkeep().backup(world.options.state / "backup"), invalid);
  EXPECT_REFUSED(world.vault->upkeep().backup(world.scratch.path() / "missing" / "backup"), io);
  World memory(StoreKind::memory);
  EXPECT_REFUSED(memory.create()->upkeep().backup(world.scratch.path() / "x"), invalid);
}

TEST(Restore, never_overwrites_a_vault) {
  Backed world;
  const auto before = contents(world.options.state);
  EXPECT_REFUSED(Vault::restore(world.options, world.backup), exists);
  EXPECT_EQ(contents(world.options.state), before);
}

TEST(Restore, wants_a_whole_backup_and_its_key) {
  Backed world;
  EXPECT_REFUSED(Vault::restore(world.elsewhere(), world.scratch.path() / "missing"), not_found);
  fs::rename(world.backup / "marker", world.backup / "m");
  EXPECT_REFUSED(Vault::restore(world.elsewhere(), world.backup), not_found);
  fs::rename(world.backup / "m", world.backup / "marker");
  Options wrong = world.elsewhere();
  wrong.key_file = world.scratch.path() / "wrong.key";
  ASSERT_TRUE(Vault::make_key_file(wrong.key_file));
  EXPECT_REFUSED(Vault::restore(wrong, world.backup), wrong_key);
  Options inside = world.elsewhere();
  inside.key_file = inside.state / "master.key";
  EXPECT_REFUSED(Vault::restore(inside, world.backup), wrong_key);
  EXPECT_FALSE(fs::exists(world.elsewhere().state / "vault"));
  EXPECT_TRUE(Vault::restore(world.elsewhere(), world.backup));
}

TEST(Restore, a_cut_or_edited_backup_is_refused_and_leaves_no_vault) {
  Backed world;
  std::string marker = read_file(world.backup / "marker");
  marker[marker.size() / 2] = static_cast<char>(marker[marker.size() / 2] ^ 1);
  write_file(world.backup / "marker", marker);
  EXPECT_FALSE(Vault::restore(world.elsewhere(), world.backup));
  EXPECT_FALSE(fs::exists(world.elsewhere().state / "vault"));
  EXPECT_FALSE(fs::exists(world.elsewhere().state / "restoring"));
}

TEST(Restore, puts_a_vault_back_whose_store_is_gone) {
  Backed world;
  world.vault.reset();
  fs::remove_all(world.options.state / "vault");
  ASSERT_TRUE(Vault::restore(world.options, world.backup));
  EXPECT_TRUE(world.open()->find_connection({}, world.kept.id));
}

TEST(Backup, can_be_made_of_a_restored_vault_and_in_the_middle_of_a_rotation) {
  World world;
  const auto vault = world.create();
  const auto made = *vault->create_connection(stripe(), api_key("kept"));
  ASSERT_TRUE(vault->upkeep().rotate());
  ASSERT_TRUE(vault->upkeep().continue_rotation(2));
  ASSERT_TRUE(vault->upkeep().backup(world.scratch.path() / "backup"));
  Options other = world.options;
  other.state = world.scratch.path() / "other";
  ASSERT_TRUE(Vault::restore(other, world.scratch.path() / "backup"));
  const auto restored = World::checked(Vault::open(other));
  EXPECT_TRUE(restored->upkeep().keys()->rotation.running());
  EXPECT_TRUE(restored->open_credential(made));
  EXPECT_TRUE(restored->upkeep().backup(world.scratch.path() / "again"));
}

// A store that somebody edits while the vault is closed.
struct Edited : World {
  Edited() {
    const auto vault = create();
    made = *vault->create_connection(stripe(), api_key("one"));
    static_cast<void>(vault->create_connection(stripe(), api_key("two")));
    static_cast<void>(vault->create_authorization(step()));
  }
  void edit(const std::function<void(Store&)>& change) {
    const auto store = open_rocksdb_store({.directory = options.state / "vault"});
    ASSERT_TRUE(store);
    change(**store);
  }
  std::map<std::string, std::string> bad() {
    options.accept_rollback = true;
    const auto vault = open();
    std::map<std::string, std::string> found;
    std::string after;
    do {
      const auto page = vault->upkeep().verify(after, 3);
      EXPECT_TRUE(page);
      for (const auto& one : page->bad) found[one.key.substr(0, one.key.find('/'))] = one.what;
      for (const auto& [type, count] : page->sound) sound[type] += count;
      after = page->next;
    } while (!after.empty());
    return found;
  }
  Connection made;
  std::map<std::string, std::uint64_t> sound;
};

Write erase(std::string key) {
  return {.kind = Write::Kind::erase, .key = std::move(key), .value = {}};
}

TEST(Verify, counts_every_record_of_a_sound_vault) {
  Edited world;
  EXPECT_TRUE(world.bad().empty());
  EXPECT_EQ(world.sound, (std::map<std::string, std::uint64_t>{{"alias", 2},
                                                               {"authorization", 1},
                                                               {"connection", 2},
                                                               {"created", 2},
                                                               {"credential", 2},
                                                               {"header", 1},
                                                               {"host", 4},
                                                               {"index", 1},
                                                               {"key", 2},
                                                               {"locator", 2},
                                                               {"organization", 1},
                                                               {"project", 1},
                                                               {"provider", 2},
                                                               {"token", 1},
                                                               {"updated", 2}}));
}

TEST(Verify, names_each_record_that_does_not_open) {
  Edited world;
  world.edit([](Store& store) {
    auto entry = store.scan("organization/", {}, 1)->entries.front();
    entry.value[entry.value.size() / 2] = static_cast<char>(entry.value[entry.value.size() / 2] ^ 1);
    ASSERT_TRUE(store.commit({{.kind = Write::Kind::reseal, .key = entry.key, .value = entry.value}}));
  });
  const auto bad = world.bad();
  EXPECT_EQ(bad.size(), 1U);
  EXPECT_TRUE(bad.contains("organization"));
}

TEST(Verify, follows_the_indexes_in_both_directions) {
  const std::pair<const char*, std::vector<const char*>> cases[] = {
      {"alias/", {"connection"}},       // the connection has lost its alias
      {"locator/", {"connection"}},     //
      {"credential/", {"connection"}},  //
      {"token/", {"authorization"}},    //
      {"authorization/", {"token"}},    // the token leads nowhere
      {"created/", {"connection"}},     //
      {"host/", {"connection"}},        //
      {"provider/", {"connection"}},    //
      {"updated/", {"connection"}},     //
      {"connection/", {"alias", "created", "credential", "host", "locator", "provider", "updated"}},
  };
  for (const auto& [prefix, expected] : cases) {
    Edited world;
    world.edit(
        [prefix](Store& store) { ASSERT_TRUE(store.commit({erase(store.scan(prefix, {}, 1)->entries.front().key)})); });
    const auto bad = world.bad();
    EXPECT_EQ(bad.size(), expected.size()) << prefix;
    for (const char* type : expected) EXPECT_TRUE(bad.contains(type)) << prefix << " " << type;
  }
}

// One of each: an auth config that a connection uses, a refresh under way, a link on its way to the provider.
struct EditedTokens : Edited {
  EditedTokens() {
    const auto vault = open();
    TokenBook& tokens = vault->tokens();
    Connection meta = made;
    meta.auth_config = tokens.create_auth_config(app())->id;
    meta.expires = now + 1;
    made = *vault->update_connection(meta);
    EXPECT_TRUE(tokens.begin_refresh(made, "holder", nullptr));
    Link link;
    link.provider = "google";
    EXPECT_TRUE(tokens.update_link(*tokens.create_link(std::move(link)), "state"));
  }
};

TEST(Verify, knows_the_records_of_tokens_and_what_leads_to_them) {
  EditedTokens sound;
  EXPECT_TRUE(sound.bad().empty());
  for (const char* type :
       {"auth_config", "auth_locator", "intent", "link", "link_locator", "state", "ends", "config", "expires"}) {
    EXPECT_EQ(sound.sound[type], 1U) << type;
  }
  const std::pair<const char*, std::vector<const char*>> cases[] = {
      {"auth_config/", {"auth_locator"}},
      {"auth_locator/", {"auth_config", "connection"}},
      {"config/", {"connection"}},
      {"expires/", {"connection"}},
      {"link/", {"link_locator", "state", "ends"}},
      {"link_locator/", {"link"}},
      {"state/", {"link"}},
      {"ends/", {"link"}},
  };
  for (const auto& [prefix, expected] : cases) {
    EditedTokens world;
    world.edit(
        [prefix](Store& store) { ASSERT_TRUE(store.commit({erase(store.scan(prefix, {}, 1)->entries.front().key)})); });
    const auto bad = world.bad();
    EXPECT_EQ(bad.size(), expected.size()) << prefix;
    for (const char* type : expected) EXPECT_TRUE(bad.contains(type)) << prefix << " " << type;
  }
}

TEST(Verify, sees_an_intent_of_a_generation_that_is_over) {
  EditedTokens world;
  Entry intent;
  world.edit([&](Store& store) { intent = store.scan("intent/", {}, 1)->entries.front(); });
  {
    const auto vault = world.open();
    ASSERT_TRUE(vault->rotate_credential(world.made, api_key("new")));
  }
  world.edit([&](Store& store) { ASSERT_TRUE(store.commit({{.key = intent.key, .value = intent.value}})); });
  EXPECT_TRUE(world.bad().contains("intent"));
}

TEST(Verify, sees_an_older_credential_under_newer_metadata) {
  Edited world;
  Entry older;
  world.edit([&](Store& store) { older = *store.get("credential/org_default/proj_default/" + world.made.id); });
  {
    const auto vault = world.open();
    ASSERT_TRUE(vault->rotate_credential(world.made, api_key("new")));
  }
  world.edit([&](Store& store) {
    ASSERT_TRUE(store.commit({erase(older.key)}));
    ASSERT_TRUE(store.commit({{.key = older.key, .value = older.value}}));
  });
  const auto bad = world.bad();
  EXPECT_TRUE(bad.contains("connection"));
  EXPECT_TRUE(bad.contains("credential"));
}

TEST(Migrate, has_nothing_to_do_where_every_record_is_of_the_current_format) {
  Edited world;
  const auto vault = world.open();
  std::uint64_t records = 0;
  std::string after;
  do {
    const auto page = vault->upkeep().migrate(after, 4);
    ASSERT_TRUE(page) << page.error().message;
    EXPECT_EQ(page->rewritten, 0U);
    for (const auto& [format, count] : page->formats) {
      EXPECT_TRUE(format >= 1 && format <= 3);
      records += count;
    }
    after = page->next;
  } while (!after.empty());
  EXPECT_EQ(records, 26U);
}

TEST(Migrate, brings_the_records_of_an_earlier_release_up_at_their_own_versions) {
  World world;
  auto provider = make_ephemeral_key();
  auto disk = make_memory_store();
  auto fresh = Keyring::make(*provider, 1);
  ASSERT_TRUE(fresh && disk->commit(fresh->writes));
  const auto golden = [](const char* name) {
    std::string text = read_file(fs::path(POSTERN_SOURCE_DIR) / "tests" / "golden" / "vault" / name);
    text.pop_back();
    return *decode_hex(text);
  };
  auto store = std::make_unique<SupervisedStore>(std::move(disk), std::nullopt, SupervisedStore::Repair{});
  auto records = std::make_unique<Records>(std::move(store), std::move(fresh->keyring));
  Records& raw = *records;
  SealedVault vault(std::move(records), std::move(provider), world.options);

  constexpr std::string_view kId = "conn_0123456789abcdefghjk";
  Connection meta = *decode<Connection>(golden("connection.hex"));
  const Path at{"connection", meta.organization, meta.project, kId};
  const Path secret{"credential", meta.organization, meta.project, kId};
  ASSERT_TRUE(raw.commit({raw.put(at, golden("connection.hex"), 0), raw.put(secret, golden("credential.hex"), 0)}));
  const auto before = vault.find_connection({}, kId);
  ASSERT_TRUE(before) << before.error().message;
  EXPECT_EQ(before->owner, "user_1");
  EXPECT_EQ(before->expires, 0);

  const auto first = vault.upkeep().migrate({}, 100);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->rewritten, 2U);
  for (const Path& path : {at, secret}) {
    const auto entry = raw.store().get(path.key());
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->version, 1U);
    EXPECT_FALSE(format_of(raw.open(*entry)->expose())->older());
  }
  const auto after = vault.find_connection({}, kId);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(encode(*after), encode(*before));
  EXPECT_TRUE(raw.read<Credential>(secret)->record.values.at("apiKey").equals("sk_live_1"));
  EXPECT_EQ(vault.upkeep().migrate({}, 100)->rewritten, 0U);
}

TEST(Migrate, every_golden_record_opens_and_is_written_in_the_current_format) {
  int seen = 0;
  const fs::path folder = fs::path(POSTERN_SOURCE_DIR) / "tests" / "golden" / "vault";
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() != ".hex" || name.starts_with("sealed") || name.starts_with("wrapped")) continue;
    std::string text = read_file(entry.path());
    std::erase_if(text, [](char c) { return c == '\n' || c == ' '; });
    const auto bytes = decode_hex(text);
    ASSERT_TRUE(bytes) << entry.path();
    ASSERT_TRUE(format_of(*bytes)) << entry.path();
    const auto current = recode(*bytes);
    ASSERT_TRUE(current) << entry.path() << ": " << current.error().message;
    EXPECT_FALSE(format_of(current->expose())->older());
    if (!format_of(*bytes)->older()) EXPECT_TRUE(current->equals(*bytes)) << entry.path();
    ++seen;
  }
  EXPECT_GE(seen, 14);
}

TEST(Migrate, a_record_of_a_later_release_is_refused_by_name) {
  EXPECT_FALSE(format_of(std::string_view("\x04\x01", 2)));  // a connection
  EXPECT_FALSE(format_of(std::string_view("\x03\x03", 2)));
  EXPECT_FALSE(format_of(std::string_view("\x02\x04", 2)));
  EXPECT_FALSE(format_of(std::string_view("\x01\x63", 2)));
  EXPECT_FALSE(format_of(""));
  EXPECT_REFUSED(recode("\x03\x01"), corrupt);
}

}  // namespace
}  // namespace postern::vault::test
