// The audit: what was done is on record with it, in a chain that tells when somebody has been at it.
#include <gmock/gmock.h>

#include <thread>

#include "tests/support/faults.hpp"
#include "tests/unit/vault/raw_store.hpp"
#include "vault/vault_impl.hpp"

namespace postern::vault::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

Beside say(std::string action, std::map<std::string, std::string> detail = {}) {
  Event event;
  event.actor = "tok_1";
  event.request = "req-1";
  event.action = std::move(action);
  event.detail = std::move(detail);
  return {.event = std::move(event), .answer = std::nullopt};
}

Event told(std::string action, std::string organization = std::string(kDefaultOrganization)) {
  Event event = *say(std::move(action)).event;
  event.organization = std::move(organization);
  return event;
}

std::vector<Event> all(Vault& vault, AuditQuery query = {}) {
  if (query.organization.empty()) query.organization = kDefaultOrganization;
  query.limit = 1000;
  query.descending = false;
  const auto page = vault.audit().list(query);
  EXPECT_TRUE(page) << page.error().message;
  return page ? page->events : std::vector<Event>();
}

std::vector<std::string> actions(Vault& vault, AuditQuery query = {}) {
  std::vector<std::string> names;
  for (const auto& event : all(vault, std::move(query))) names.push_back(event.action);
  return names;
}

// In small steps, so that what one leaves for the next is tried too.
AuditCheck checked(Vault& vault, std::optional<AuditAnchor> anchor = {},
                   std::string organization = std::string(kDefaultOrganization)) {
  AuditCheck check{.organization = std::move(organization), .anchor = std::move(anchor)};
  for (int step = 0; !check.done && step < 10'000; ++step) {
    const auto done = vault.audit().check(check, 3);
    EXPECT_TRUE(done) << done.error().message;
    if (!done) break;
  }
  EXPECT_TRUE(check.done);
  return check;
}

std::vector<std::pair<std::uint64_t, std::string>> faults(const AuditCheck& check) {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  for (const auto& fault : check.faults) found.emplace_back(fault.sequence, fault.what);
  return found;
}

std::vector<std::string> bad_records(Vault& vault) {
  std::vector<std::string> keys;
  std::string after;
  do {
    const auto page = vault.upkeep().verify(after, 100);
    EXPECT_TRUE(page);
    if (!page) break;
    for (const auto& bad : page->bad) keys.push_back(bad.key);
    after = page->next;
  } while (!after.empty());
  return keys;
}

TEST(Audit, an_event_is_on_record_with_the_change_that_it_tells_of) {
  World world;
  auto vault = world.create();
  const auto made = vault->create_connection(stripe(), api_key("sk_live_1"), say("connection.created", {{"app", "x"}}));
  ASSERT_TRUE(made);
  world.now += 5;
  ASSERT_TRUE(vault->rotate_credential(*made, api_key("sk_live_2"), say("connection.rotated")));
  vault.reset();
  vault = world.open();
  const auto events = all(*vault);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].sequence, 1U);
  EXPECT_EQ(events[0].organization, made->organization);
  EXPECT_EQ(events[0].project, made->project);
  EXPECT_EQ(events[0].subject, made->id);
  EXPECT_EQ(events[0].actor, "tok_1");
  EXPECT_EQ(events[0].request, "req-1");
  EXPECT_EQ(events[0].action, "connection.created");
  EXPECT_THAT(events[0].detail, ElementsAre(Pair("app", "x")));
  EXPECT_EQ(events[0].time, world.now - 5);
  EXPECT_EQ(events[1].sequence, 2U);
  EXPECT_EQ(events[1].action, "connection.rotated");
  EXPECT_EQ(events[1].time, world.now);
}

TEST(Audit, a_change_that_is_refused_leaves_no_event) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  Connection meta = *vault->create_connection(stripe(), api_key("1"), say("connection.created"));
  ASSERT_TRUE(vault->update_connection(meta, say("connection.changed")));
  EXPECT_REFUSED(vault->update_connection(meta, say("too late")), conflict);
  EXPECT_REFUSED(vault->erase_connection({}, meta.id, meta.version, say("too late")), conflict);
  meta.app = "no app!";
  EXPECT_REFUSED(vault->create_connection(meta, api_key("1"), say("never")), invalid);
  EXPECT_THAT(actions(*vault), ElementsAre("connection.created", "connection.changed"));
}

TEST(Audit, every_kind_of_write_takes_an_event_along) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  auto& book = vault->tokens();
  auto config = book.create_auth_config(app(), say("auth_config.created"));
  ASSERT_TRUE(config);
  config = book.update_auth_config(std::move(*config), say("auth_config.changed"));
  ASSERT_TRUE(book.erase_auth_config({}, config->id, 0, say("auth_config.deleted")));
  auto token = vault->create_authorization(step(), say("authorization.created"));
  ASSERT_TRUE(token);
  ASSERT_TRUE(vault->update_authorization(token->authorization, say("authorization.revoked")));
  ASSERT_TRUE(vault->erase_authorization(kDefaultOrganization, token->authorization.id, say("authorization.deleted")));
  Link link;
  link.provider = "google";
  auto made = book.create_link(std::move(link), say("link.created"));
  ASSERT_TRUE(made);
  const std::string id = made->id;
  ASSERT_TRUE(book.update_link(std::move(*made), "state", say("link.opened")));
  ASSERT_TRUE(book.erase_link({}, id, say("link.deleted")));
  const auto meta = vault->create_connection(stripe(), token_pair("a"));
  auto intent = book.begin_refresh(*meta, "h", nullptr);
  ASSERT_TRUE(book.finish_refresh(*intent, token_pair("b"), {}, say("connection.refreshed")));
  intent = book.begin_refresh(*vault->find_connection({}, meta->id), "h", nullptr);
  ASSERT_TRUE(book.fail_refresh(*intent, {.status = Status::expired}, say("connection.expired")));
  ASSERT_TRUE(book.set_status({}, meta->id, 2, {.status = Status::error}, say("connection.status")));
  ASSERT_TRUE(vault->erase_connection({}, meta->id, 0, say("connection.deleted")));
  EXPECT_THAT(actions(*vault), ElementsAre("auth_config.created", "auth_config.changed", "auth_config.deleted",
                                           "authorization.created", "authorization.revoked", "authorization.deleted",
                                           "link.created", "link.opened", "link.deleted", "connection.refreshed",
                                           "connection.expired", "connection.status", "connection.deleted"));
  EXPECT_THAT(faults(checked(*vault)), IsEmpty());
}

TEST(Audit, many_connections_made_at_once_are_told_one_by_one) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  std::vector<NewConnection> many;
  for (const char* alias : {"a", "b", "c"}) {
    many.push_back({stripe(), api_key("1")});
    many.back().meta.alias = alias;
  }
  const auto made = vault->create_connections(std::move(many), say("connection.created"));
  ASSERT_TRUE(made);
  const auto events = all(*vault);
  ASSERT_EQ(events.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(events[i].subject, made->at(i).id);
}

TEST(Audit, each_organization_has_a_chain_of_its_own_and_the_system_another) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  ASSERT_TRUE(vault->audit().append({told("one", "org_a"), told("two", ""), told("three", "org_a")}));
  ASSERT_TRUE(vault->upkeep().rotate(say("keys.rotated")));
  EXPECT_THAT(actions(*vault, {.organization = "org_a"}), ElementsAre("one", "three"));
  const auto page = vault->audit().list({.descending = false});
  ASSERT_TRUE(page);
  ASSERT_EQ(page->events.size(), 2U);
  EXPECT_EQ(page->events[1].action, "keys.rotated");
  EXPECT_EQ(page->events[1].sequence, 2U);
  EXPECT_THAT(actions(*vault), IsEmpty());
  EXPECT_EQ(vault->audit().head("org_b")->end.sequence, 0U);
  EXPECT_REFUSED(vault->audit().append({told("x", "no/organization")}), invalid);
}

TEST(Audit, a_list_is_filtered_and_goes_on_where_it_stopped) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  for (int i = 1; i <= 30; ++i) {
    Event event = told(i % 3 == 0 ? "connection.rotated" : i % 3 == 1 ? "connection.created" : "link.created");
    event.subject = "conn_" + std::to_string(i % 2);
    event.actor = "tok_" + std::to_string(i % 5);
    world.now += 10;
    ASSERT_TRUE(vault->audit().append({event}));
  }
  const auto sequences = [&](AuditQuery query) {
    query.organization = kDefaultOrganization;
    std::vector<std::uint64_t> found;
    for (int page = 0; page < 100; ++page) {
      const auto listed = vault->audit().list(query);
      EXPECT_TRUE(listed);
      for (const auto& event : listed->events) found.push_back(event.sequence);
      EXPECT_LE(listed->events.size(), query.limit);
      if (listed->next == 0) return found;
      query.after = listed->next;
    }
    ADD_FAILURE() << "no end";
    return found;
  };
  std::vector<std::uint64_t> up(30), down(30);
  for (std::uint64_t i = 0; i < 30; ++i) up[i] = i + 1, down[i] = 30 - i;
  for (const std::size_t limit : {std::size_t{1}, std::size_t{7}, std::size_t{30}, std::size_t{1000}}) {
    EXPECT_EQ(sequences({.limit = limit, .descending = false}), up);
    EXPECT_EQ(sequences({.limit = limit}), down);
    EXPECT_THAT(sequences({.limit = limit, .descending = false, .action = "connection.rotated"}),
                ElementsAre(3, 6, 9, 12, 15, 18, 21, 24, 27, 30));
    EXPECT_EQ(sequences({.limit = limit, .action = "connection.*"}).size(), 20U);
    EXPECT_THAT(sequences({.limit = limit, .descending = false, .actor = "tok_0", .subject = "conn_0"}),
                ElementsAre(10, 20, 30));
    EXPECT_THAT(sequences({.limit = limit, .descending = false, .since = world.now - 20, .until = world.now}),
                ElementsAre(28, 29));
    EXPECT_THAT(sequences({.limit = limit, .project = "proj_x"}), IsEmpty());
  }
}

TEST(Audit, many_writers_make_one_chain_without_a_gap_and_never_a_conflict) {
  World world;
  const auto vault = world.create();
  constexpr int kWriters = 8, kEach = 25;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) {
          EXPECT_TRUE(vault->create_connection(stripe(), api_key("1"), say("connection.created")));
        }
      });
    }
  }
  const auto check = checked(*vault);
  EXPECT_THAT(faults(check), IsEmpty());
  EXPECT_EQ(check.checked, static_cast<std::uint64_t>(kWriters * kEach));
  EXPECT_EQ(check.head.end.sequence, static_cast<std::uint64_t>(kWriters * kEach));
  EXPECT_THAT(bad_records(*vault), IsEmpty());
}

TEST(Audit, a_text_that_is_too_long_is_cut_between_two_characters) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  Event event = told("x");
  event.actor_name = std::string(255, 'a') + "\xc3\xa9";
  for (int i = 0; i < 40; ++i) event.detail.emplace(std::to_string(i), std::string(1000, 'b'));
  ASSERT_TRUE(vault->audit().append({event}));
  const auto kept = all(*vault).at(0);
  EXPECT_EQ(kept.actor_name, std::string(255, 'a'));
  EXPECT_EQ(kept.detail.size(), 16U);
  EXPECT_EQ(kept.detail.begin()->second.size(), 256U);
}

TEST(Audit, an_anchor_is_read_as_it_is_written) {
  const AuditAnchor anchor{12, std::string(32, '\xab')};
  const auto read = parse_anchor(to_text(anchor));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->sequence, 12U);
  EXPECT_EQ(read->mac, anchor.mac);
  for (const char* text : {"", ":", "12", "12:", "12:ab", "x:ab", "-1:ab", "99999999999999999999:ab"}) {
    EXPECT_FALSE(parse_anchor(text)) << text;
  }
  EXPECT_FALSE(parse_anchor("0" + to_text(anchor)));
  EXPECT_FALSE(parse_anchor(to_text(anchor) + "ab"));
}

// With the quota used up the change goes on, and what was not kept is counted.
TEST(Audit, a_full_quota_counts_instead_of_keeping_and_never_stops_a_change) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  ASSERT_TRUE(vault->audit().append({told("kept")}));
  const std::uint64_t bytes = vault->audit().head(kDefaultOrganization)->bytes;
  EXPECT_GT(bytes, 100U);
  vault->audit().set_quota(bytes);
  const std::int64_t full = world.now += 100;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(vault->create_connection(stripe(), api_key("1"), say("connection.created")));
    ++world.now;
  }
  EXPECT_THAT(actions(*vault), ElementsAre("kept"));
  auto head = vault->audit().head(kDefaultOrganization);
  EXPECT_EQ(head->dropped, 3U);
  EXPECT_EQ(head->dropped_since, full);
  EXPECT_THAT(faults(checked(*vault)), IsEmpty());
  ASSERT_TRUE(vault->audit().append({told("own", "org_other")})) << "every chain has a quota of its own";
  EXPECT_THAT(actions(*vault, {.organization = "org_other"}), ElementsAre("own"));

  EXPECT_GE(vault->audit().unkept(), 1U);
  vault->audit().set_quota(1 << 20);
  ASSERT_TRUE(vault->audit().append({told("kept again")}));
  const auto events = all(*vault);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].sequence, 2U);
  EXPECT_EQ(events[1].missed, 3U);
  EXPECT_EQ(events[1].missed_since, full);
  head = vault->audit().head(kDefaultOrganization);
  EXPECT_EQ(head->dropped, 0U);
  EXPECT_THAT(faults(checked(*vault)), IsEmpty());
}

TEST(Audit, retention_leaves_a_checkpoint_from_which_the_chain_goes_on) {
  World world;
  auto vault = world.create();
  std::vector<AuditAnchor> anchors;
  for (int i = 0; i < 10; ++i) {
    world.now += 100;
    ASSERT_TRUE(vault->audit().append({told("event")}));
    anchors.push_back(vault->audit().head(kDefaultOrganization)->end);
  }
  EXPECT_EQ(*vault->audit().sweep(world.now - 350), 6U);
  EXPECT_EQ(*vault->audit().sweep(world.now - 350), 0U);
  vault.reset();
  vault = world.open();
  const auto head = vault->audit().head(kDefaultOrganization);
  EXPECT_EQ(head->checkpoint.sequence, 6U);
  EXPECT_EQ(head->checkpoint.mac, anchors[5].mac);
  EXPECT_EQ(head->checkpoint_time, world.now - 400);
  EXPECT_EQ(head->end.sequence, 10U);
  const auto check = checked(*vault, anchors[5]);
  EXPECT_THAT(faults(check), IsEmpty());
  EXPECT_EQ(check.first, 7U);
  EXPECT_EQ(check.checked, 4U);
  EXPECT_THAT(bad_records(*vault), IsEmpty());
  AuditCheck old{.organization = std::string(kDefaultOrganization), .anchor = anchors[4]};
  EXPECT_REFUSED(vault->audit().check(old, 100), invalid);

  EXPECT_EQ(*vault->audit().sweep(world.now + 1), 4U) << "all of it";
  EXPECT_EQ(vault->audit().head(kDefaultOrganization)->bytes, 0U);
  ASSERT_TRUE(vault->audit().append({told("later")}));
  EXPECT_EQ(all(*vault).at(0).sequence, 11U);
  EXPECT_THAT(faults(checked(*vault, anchors[9])), IsEmpty());
  EXPECT_THAT(bad_records(*vault), IsEmpty());
}

TEST(Audit, retention_makes_room_in_a_full_quota) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  ASSERT_TRUE(vault->audit().append({told("old")}));
  vault->audit().set_quota(vault->audit().head(kDefaultOrganization)->bytes);
  world.now += 1000;
  ASSERT_TRUE(vault->audit().append({told("lost")}));
  EXPECT_EQ(*vault->audit().sweep(world.now), 1U);
  ASSERT_TRUE(vault->audit().append({told("new")}));
  EXPECT_THAT(actions(*vault), ElementsAre("new"));
  EXPECT_EQ(all(*vault).at(0).missed, 1U);
}

TEST(Audit, a_verification_goes_on_while_events_come_and_go) {
  World world(StoreKind::memory);
  const auto vault = world.create();
  for (int i = 0; i < 20; ++i) {
    ++world.now;
    ASSERT_TRUE(vault->audit().append({told("event")}));
  }
  AuditCheck check{.organization = std::string(kDefaultOrganization)};
  ASSERT_TRUE(vault->audit().check(check, 3));
  ASSERT_TRUE(vault->audit().append({told("meanwhile")}));
  EXPECT_EQ(*vault->audit().sweep(world.now - 9), 10U);
  while (!check.done) ASSERT_TRUE(vault->audit().check(check, 3));
  EXPECT_THAT(faults(check), IsEmpty());
  EXPECT_EQ(check.checked, 3U + 10U);
  EXPECT_EQ(check.head.end.sequence, 20U);
}

TEST(Audit, the_keys_are_rotated_under_the_events_and_nothing_of_them_changes) {
  World world;
  auto vault = world.create();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(vault->audit().append({told("event")}));
  const auto before = *vault->audit().head(kDefaultOrganization);
  ASSERT_TRUE(vault->upkeep().rotate());
  for (auto progress = vault->upkeep().continue_rotation(2); progress->running();
       progress = vault->upkeep().continue_rotation(2)) {
    ASSERT_TRUE(vault->audit().append({told("meanwhile")}));
  }
  EXPECT_EQ(vault->upkeep().keys()->data_keys.size(), 2U) << "nothing needs the old one";
  EXPECT_THAT(faults(checked(*vault, before.end)), IsEmpty());
  EXPECT_THAT(bad_records(*vault), IsEmpty());
  vault.reset();
  vault = world.open();
  EXPECT_THAT(faults(checked(*vault, before.end)), IsEmpty());
}

// A disk that fails under writers: what is acknowledged is on record, once, and the chain is whole.
TEST(Audit, the_chain_is_whole_after_writes_that_failed) {
  World world;
  FaultPlan plan;
  const auto env = make_faulty_env(plan);
  Seams seams;
  seams.env = env.get();
  seams.marker = make_faulty_marker(plan);
  seams.first_pause = std::chrono::milliseconds(1);
  auto vault = World::checked(create_vault(world.options, seams));
  const auto is_ready = [&] {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (vault->status().state != "READY" && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    return vault->status().state == "READY";
  };
  std::vector<std::string> acknowledged;
  for (const Fault fault : {Fault::no_space, Fault::io_error, Fault::torn_write, Fault::sync_fails}) {
    for (int i = 0; i < 10; ++i) {
      plan.arm(fault, 1 + i % 3);
      const auto made = vault->create_connection(stripe(), api_key("1"), say("connection.created"));
      if (made) acknowledged.push_back(made->id);
      plan.clear();
      ASSERT_TRUE(is_ready());
    }
  }
  ASSERT_TRUE(vault->audit().append({told("end")}));
  vault.reset();
  vault = world.open();
  EXPECT_THAT(faults(checked(*vault)), IsEmpty());
  std::map<std::string, int> told_of;
  for (const auto& event : all(*vault)) ++told_of[event.subject];
  for (const auto& id : acknowledged) EXPECT_EQ(told_of[id], 1) << id;
  EXPECT_GE(acknowledged.size(), 20U);
}

// Somebody who can write the store.
class AuditTampered : public RawStore {
 protected:
  static constexpr int kEvents = 10;
  void SetUp() override {
    auto vault = world.create();
    for (int i = 1; i <= kEvents; ++i) ASSERT_TRUE(vault->audit().append({told("event " + std::to_string(i))}));
    ASSERT_TRUE(vault->audit().append({told("foreign", "org_other")}));
    end = vault->audit().head(kDefaultOrganization)->end;
    vault.reset();
    world.open().reset();  // everything is in tables now
  }
  static std::string key(std::uint64_t sequence, std::string_view organization = kDefaultOrganization) {
    return "audit/" + std::string(organization) + "//" + event_name(sequence);
  }
  static std::string head_key() { return "audit_head/org_default//head"; }
  std::vector<std::pair<std::uint64_t, std::string>> found(std::optional<AuditAnchor> anchor = {}) {
    return faults(checked(*world.open(), std::move(anchor)));
  }

  AuditAnchor end;
};

TEST_F(AuditTampered, a_chain_that_nobody_touched_has_no_fault) {
  EXPECT_THAT(found(end), IsEmpty());
}

TEST_F(AuditTampered, a_removed_event_is_found) {
  remove(key(4));
  EXPECT_THAT(found(), ElementsAre(Pair(4U, HasSubstr("was removed"))));
  EXPECT_THAT(bad_records(*world.open()), ElementsAre(key(5)));
}

TEST_F(AuditTampered, events_removed_at_the_beginning_are_found) {
  remove(key(1));
  remove(key(2));
  EXPECT_THAT(found(), ElementsAre(Pair(1U, HasSubstr("up to 2"))));
}

TEST_F(AuditTampered, a_changed_event_is_found) {
  std::string value = get(key(7));
  value[value.size() / 2] = static_cast<char>(value[value.size() / 2] ^ 1);
  put(key(7), value);
  EXPECT_THAT(found(), ElementsAre(Pair(7U, HasSubstr("does not open"))));
  EXPECT_REFUSED(world.open()->audit().list({.organization = std::string(kDefaultOrganization)}), corrupt);
}

TEST_F(AuditTampered, events_in_each_others_place_are_found) {
  const std::string third = get(key(3));
  put(key(3), get(key(8)));
  put(key(8), third);
  EXPECT_THAT(found(), ElementsAre(Pair(3U, HasSubstr("moved here")), Pair(8U, HasSubstr("moved here"))));
}

TEST_F(AuditTampered, an_event_of_another_organization_is_found) {
  put(key(1), get(key(1, "org_other")));
  EXPECT_THAT(found(), ElementsAre(Pair(1U, HasSubstr("does not open"))));
}

TEST_F(AuditTampered, a_tail_that_was_cut_off_is_found) {
  for (const std::uint64_t sequence : {8, 9, 10}) remove(key(sequence));
  EXPECT_THAT(found(), ElementsAre(Pair(8U, HasSubstr("up to 10"))));
}

TEST_F(AuditTampered, a_head_that_was_changed_or_removed_is_found_and_nothing_is_added_any_more) {
  const std::string head = get(head_key());
  std::string bad = head;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  put(head_key(), bad);
  EXPECT_THAT(found(), ElementsAre(Pair(0U, HasSubstr("does not open"))));
  {
    const auto vault = world.open();
    EXPECT_REFUSED(vault->create_connection(stripe(), api_key("1"), say("x")), corrupt);
    EXPECT_EQ(*vault->audit().sweep(world.now + 1), 1U) << "the other chain alone";
    EXPECT_TRUE(vault->audit().append({told("y", "org_other")})) << "nobody else is in the way";
  }
  remove(head_key());
  EXPECT_THAT(found(), ElementsAre(Pair(1U, HasSubstr("beyond the head"))));
  EXPECT_REFUSED(world.open()->create_connection(stripe(), api_key("1"), say("x")), corrupt);
  put(head_key(), head);
  EXPECT_THAT(found(end), IsEmpty());
}

TEST_F(AuditTampered, an_older_head_is_found_by_the_events_beyond_it) {
  const std::string old = get(head_key());
  ASSERT_TRUE(world.open()->audit().append({told("new")}));
  put(head_key(), old);
  EXPECT_THAT(found(), ElementsAre(Pair(11U, HasSubstr("beyond the head"))));
  EXPECT_REFUSED(world.open()->audit().append({told("newer")}), corrupt);
}

TEST_F(AuditTampered, an_older_head_and_tail_together_are_found_with_an_anchor) {
  const std::string old = get(head_key());
  auto vault = world.open();
  ASSERT_TRUE(vault->audit().append({told("told"), told("untold")}));
  const auto anchor = vault->audit().head(kDefaultOrganization)->end;
  vault.reset();
  put(head_key(), old);
  remove(key(11));
  remove(key(12));
  EXPECT_THAT(found(), IsEmpty()) << "the chain itself cannot know";
  EXPECT_THAT(found(anchor), ElementsAre(Pair(12U, HasSubstr("the chain ends at 10"))));
  // And when it went on from there.
  ASSERT_TRUE(world.open()->audit().append({told("a"), told("b"), told("c")}));
  EXPECT_THAT(found(), IsEmpty());
  EXPECT_THAT(found(anchor), ElementsAre(Pair(12U, HasSubstr("older state"))));
  EXPECT_THAT(found(end), IsEmpty());
}

TEST_F(AuditTampered, what_does_not_follow_is_not_made_a_checkpoint) {
  remove(key(2));
  const auto vault = world.open();
  world.now += 1000;
  EXPECT_EQ(*vault->audit().sweep(world.now), 1U) << "of the other chain";
  EXPECT_EQ(vault->audit().head(kDefaultOrganization)->checkpoint.sequence, 0U);
  EXPECT_THAT(faults(checked(*vault)), ElementsAre(Pair(2U, HasSubstr("was removed"))));
}

TEST_F(AuditTampered, a_key_that_is_no_event_is_found) {
  put("audit/org_default//zz", get(key(1)));
  EXPECT_THAT(found(), ElementsAre(Pair(0U, HasSubstr("not the key of an event"))));
}

TEST(Audit, a_backup_holds_the_chain) {
  World world;
  auto vault = world.create();
  ASSERT_TRUE(vault->audit().append({told("one"), told("two")}));
  const auto anchor = vault->audit().head(kDefaultOrganization)->end;
  ASSERT_TRUE(vault->upkeep().backup(world.scratch.path() / "backup"));
  Options options = world.options;
  options.state = world.scratch.path() / "restored";
  ASSERT_TRUE(Vault::restore(options, world.scratch.path() / "backup"));
  const auto restored = World::checked(Vault::open(options));
  EXPECT_THAT(faults(checked(*restored, anchor)), IsEmpty());
  ASSERT_TRUE(restored->audit().append({told("three")}));
  EXPECT_THAT(faults(checked(*restored, anchor)), IsEmpty());
}

}  // namespace
}  // namespace postern::vault::test
