// What a worker knows of callers and connections, and that it forgets all of it when it is told to.
#include "proxy/serve/directory.hpp"

#include <map>

#include "proxy/serve/load.hpp"
#include "world.hpp"

namespace postern::serve {
namespace {

using observe::Counter;

class DirectoryRoom : public testing::Test, public World {
 public:
  ~DirectoryRoom() override {
    offload.stop();
    loop.worker.context().poll();
  }
  std::shared_ptr<Known> find(Directory& directory, const std::string& reference) {
    Found<Known> found = loop.run(directory.find(*directory.open_caller(), reference));
    EXPECT_TRUE(found.value) << found.detail;
    return found.value;
  }
  std::shared_ptr<Caller> caller_of(Directory& directory, const vault::NewToken& token) {
    return loop.run(directory.authenticate(token.token.expose())).value;
  }
  // Returns when the offload thread has done all that it was given before.
  void let_offload_finish() {
    test::Signal done;
    spawn([](DirectoryRoom* room, test::Signal& signal) -> net::Task<void> {
      co_await room->offload.run(room->loop.worker.context(), [&] {
        signal.set();
        return true;
      });
    }(this, done));
    done.wait();
  }

  test::Loop loop;
  net::Offload offload{1};
};

TEST_F(DirectoryRoom, reads_a_connection_once_for_every_name_it_has) {
  const vault::Connection made = connect("billing", "sk_live_1");
  Directory directory(loop.worker, offload, source, {});
  const auto by_alias = find(directory, "billing");
  EXPECT_EQ(find(directory, made.id), by_alias);
  EXPECT_EQ(find(directory, "billing"), by_alias);
  EXPECT_EQ(loop.metrics.total(Counter::credential_cache_misses), 2U);
  EXPECT_EQ(loop.metrics.total(Counter::credential_cache_hits), 1U);
}

TEST_F(DirectoryRoom, has_one_answer_for_unknown_and_not_permitted) {
  const vault::Connection mine = connect("billing", "sk_live_1"), other = connect("other", "sk_live_2");
  Directory directory(loop.worker, offload, source, {});
  const auto caller = caller_of(directory, permit({mine.id}));
  ASSERT_TRUE(caller);
  for (const std::string& reference : {other.id, std::string("other"), std::string("nothing")}) {
    const Found<Known> found = loop.run(directory.find(*caller, reference));
    EXPECT_FALSE(found.value);
    EXPECT_EQ(found.trouble, Trouble::unknown);
  }
  for (const std::string& reference : {mine.id, std::string("billing")})
    EXPECT_TRUE(loop.run(directory.find(*caller, reference)).value);
}

TEST_F(DirectoryRoom, keeps_a_personal_connection_for_its_owner) {
  vault::Connection meta = connect("mine", "sk_live_1");
  meta.scope = vault::Scope::personal;
  meta.owner = "user_2";
  ASSERT_TRUE(vault->update_connection(meta));
  Directory directory(loop.worker, offload, source, {});
  EXPECT_FALSE(loop.run(directory.find(*caller_of(directory, permit()), "mine")).value);
}

TEST_F(DirectoryRoom, opens_a_credential_once_and_masks_what_it_injects) {
  connect("billing", "sk_live_1");
  Directory directory(loop.worker, offload, source, {});
  const auto known = find(directory, "billing");
  EXPECT_FALSE(known->injection);
  std::string detail;
  EXPECT_EQ(loop.run(directory.obtain(*known, detail)), Trouble::none);
  const auto injection = known->injection;
  EXPECT_EQ(loop.run(directory.obtain(*known, detail)), Trouble::none);
  EXPECT_EQ(known->injection, injection);
  ASSERT_FALSE(known->masks.empty());
  EXPECT_NE(known->masks.front().find("sk_live_1"), std::string_view::npos);
}

TEST_F(DirectoryRoom, keeps_what_the_first_of_two_has_opened) {
  connect("billing", "sk_live_1");
  Directory directory(loop.worker, offload, source, {});
  const auto known = find(directory, "billing");
  std::vector<std::shared_ptr<const inject::Injection>> seen;
  const auto open = [](Directory& from, std::shared_ptr<Known> what, auto& into) -> net::Task<void> {
    std::string detail;
    EXPECT_EQ(co_await from.obtain(*what, detail), Trouble::none);
    into.push_back(what->injection);
  };
  net::spawn(open(directory, known, seen));
  net::spawn(open(directory, known, seen));
  loop.until([&] { return seen.size() == 2; });
  EXPECT_EQ(seen[0], seen[1]) << "a request that uses the first one has views into it";
}

TEST_F(DirectoryRoom, reads_again_what_it_was_told_to_forget) {
  connect("billing", "sk_live_1");
  Directory directory(loop.worker, offload, source, {});
  const auto before = find(directory, "billing");
  const vault::Connection now = *vault->rotate_credential(found("billing"), credential("sk_live_2"));
  directory.forget({false, now.organization, now.project, now.id});
  EXPECT_FALSE(before->live);
  const auto after = find(directory, "billing");
  EXPECT_EQ(after->meta.generation, now.generation);
  EXPECT_FALSE(after->injection);
}

TEST_F(DirectoryRoom, notices_a_rotation_that_it_was_not_told_of_when_it_opens_the_credential) {
  const vault::Connection made = connect("billing", "sk_live_1");
  Directory directory(loop.worker, offload, source, {});
  const auto old = find(directory, "billing");
  ASSERT_TRUE(vault->rotate_credential(made, credential("sk_live_2")));
  std::string detail;
  EXPECT_EQ(loop.run(directory.obtain(*old, detail)), Trouble::vault);
  EXPECT_FALSE(old->live) << "whoever has it looks again";
  const auto now = find(directory, "billing");
  EXPECT_NE(now, old);
  EXPECT_EQ(loop.run(directory.obtain(*now, detail)), Trouble::none);
}

TEST_F(DirectoryRoom, never_keeps_what_it_began_to_read_before_it_was_told_to_forget) {
  const vault::Connection made = connect("billing", "sk_live_1");
  Directory directory(loop.worker, offload, source, {});
  Found<Known> found_later;
  bool done = false;
  spawn([](Directory& d, Found<Known>& out, bool& flag) -> net::Task<void> {
    out = co_await d.find(*d.open_caller(), "billing");
    flag = true;
  }(directory, found_later, done));
  let_offload_finish();  // the old record has been read, and nobody has seen it yet
  const vault::Connection now = *vault->rotate_credential(found("billing"), credential("sk_live_2"));
  directory.forget({false, made.organization, made.project, made.id});
  loop.until([&] { return done; });
  ASSERT_TRUE(found_later.value);
  EXPECT_EQ(found_later.value->meta.generation, now.generation);
  EXPECT_EQ(find(directory, "billing")->meta.generation, now.generation);
}

TEST_F(DirectoryRoom, never_keeps_a_caller_it_began_to_read_before_it_was_told_to_forget) {
  vault::NewToken token = permit();
  Directory directory(loop.worker, offload, source, {});
  Found<Caller> found_later;
  bool done = false;
  spawn([](Directory& d, std::string_view text, Found<Caller>& out, bool& flag) -> net::Task<void> {
    out = co_await d.authenticate(text);
    flag = true;
  }(directory, token.token.expose(), found_later, done));
  let_offload_finish();
  token.authorization.revoked = 1;
  ASSERT_TRUE(vault->update_authorization(token.authorization));
  directory.forget({true, {}, {}, token.authorization.id});
  loop.until([&] { return done; });
  ASSERT_TRUE(found_later.value);
  EXPECT_EQ(found_later.value->authorization.revoked, 1);
}

// A user with a role in some projects, and a token in their name that may use every connection.
struct Member {
  vault::User user;
  vault::NewToken token;
};
class MemberRoom : public DirectoryRoom {
 public:
  MemberRoom() {
    for (const char* id : {"proj_blue", "proj_red"}) {
      EXPECT_TRUE(vault->scopes().create_project(
          {.id = id, .organization = std::string(vault::kDefaultOrganization), .name = id}));
      vault::Connection meta = connect(id + 5, "sk_live_default");
      meta.id.clear();
      meta.project = id;
      connections[id] = vault->create_connection(meta, credential("sk_live_1"))->id;
    }
  }
  Member member(std::vector<vault::ProjectAccess> projects) {
    Member made;
    made.user.projects = std::move(projects);
    made.user = *vault->scopes().create_user(made.user);
    vault::Authorization authorization;
    authorization.organization = vault::kDefaultOrganization;
    authorization.user = made.user.id;
    authorization.capabilities = {"proxy:call"};
    authorization.connections = {"*"};
    authorization.expires = 4'000'000'000'000;
    made.token = std::move(*vault->create_authorization(authorization));
    return made;
  }
  bool may_call(Directory& directory, const Member& who, const std::string& reference) {
    const auto caller = caller_of(directory, who.token);
    return caller && loop.run(directory.find(*caller, reference)).value;
  }
  void change(Member& who, std::vector<vault::ProjectAccess> projects, bool enabled = true) {
    who.user.projects = std::move(projects);
    who.user.enabled = enabled;
    who.user = *vault->scopes().update_user(who.user);
  }
  static Forget of(const Member& who) {
    return {.authorization = true,
            .organization = std::string(vault::kDefaultOrganization),
            .project = {},
            .id = {},
            .user = who.user.id};
  }
  std::map<std::string, std::string> connections;
};

TEST_F(MemberRoom, calls_where_its_user_is_an_editor_by_id_everywhere_and_by_alias_at_home) {
  Directory directory(loop.worker, offload, source, {});
  const Member both = member({{"proj_blue", vault::Role::editor}, {"proj_red", vault::Role::admin}});
  const Member one = member({{"proj_blue", vault::Role::editor}, {"proj_red", vault::Role::viewer}});
  for (int round = 0; round < 2; ++round) {  // as it is read, and as it is remembered
    EXPECT_TRUE(may_call(directory, both, connections["proj_blue"]));
    EXPECT_TRUE(may_call(directory, both, connections["proj_red"]));
    EXPECT_TRUE(may_call(directory, both, "blue"));  // the first of its projects
    EXPECT_FALSE(may_call(directory, both, "red"));
    EXPECT_TRUE(may_call(directory, one, connections["proj_blue"]));
    EXPECT_FALSE(may_call(directory, one, connections["proj_red"]));
    EXPECT_FALSE(may_call(directory, one, found("red").id));  // of the default project
  }
}

TEST_F(MemberRoom, calls_nothing_more_once_its_user_lost_it_and_all_is_forgotten) {
  Directory directory(loop.worker, offload, source, {});
  Member who = member({{"proj_blue", vault::Role::editor}, {"proj_red", vault::Role::editor}});
  const vault::NewToken other = permit();
  const auto before = caller_of(directory, who.token), bystander = caller_of(directory, other);
  EXPECT_TRUE(may_call(directory, who, connections["proj_blue"]));
  EXPECT_TRUE(may_call(directory, who, connections["proj_red"]));
  change(who, {{"proj_red", vault::Role::editor}});
  directory.forget(of(who));
  EXPECT_FALSE(before->live);
  EXPECT_TRUE(bystander->live);
  EXPECT_FALSE(may_call(directory, who, connections["proj_blue"]));
  EXPECT_TRUE(may_call(directory, who, connections["proj_red"]));
  change(who, {});
  directory.forget(of(who));
  EXPECT_TRUE(caller_of(directory, who.token)->reach.nowhere());
  change(who, {{"proj_red", vault::Role::editor}}, false);
  directory.forget(of(who));
  EXPECT_FALSE(caller_of(directory, who.token));
}

TEST_F(MemberRoom, is_nobody_once_whoever_made_its_token_is_gone_or_its_organization_is_disabled) {
  Directory directory(loop.worker, offload, source, {});
  vault::NewToken maker = permit();
  vault::Authorization wanted = maker.authorization;
  wanted.parent = maker.authorization.id;
  const vault::NewToken child = std::move(*vault->create_authorization(wanted));
  maker.authorization.expires = 3'000'000'000'000;
  maker.authorization = *vault->update_authorization(maker.authorization);
  EXPECT_EQ(caller_of(directory, child)->authorization.expires, 3'000'000'000'000);
  vault::Organization organization = *vault->scopes().find_organization(vault::kDefaultOrganization);
  organization.enabled = false;
  organization = *vault->scopes().update_organization(organization);
  const Forget all{.authorization = true, .organization = organization.id, .project = {}, .id = {}};
  directory.forget(all);
  EXPECT_FALSE(caller_of(directory, child));
  organization.enabled = true;
  ASSERT_TRUE(vault->scopes().update_organization(organization));
  EXPECT_TRUE(caller_of(directory, child));
  maker.authorization.revoked = 1;
  ASSERT_TRUE(vault->update_authorization(maker.authorization));
  directory.forget(all);
  EXPECT_FALSE(caller_of(directory, child));
}

TEST_F(DirectoryRoom, forgets_a_caller_that_two_requests_asked_for_at_once) {
  const vault::NewToken token = permit();
  Directory directory(loop.worker, offload, source, {});
  std::vector<std::shared_ptr<Caller>> callers;
  for (int i = 0; i < 2; ++i) {
    spawn([](Directory& d, std::string_view text, std::vector<std::shared_ptr<Caller>>& out) -> net::Task<void> {
      Found<Caller> found = co_await d.authenticate(text);
      out.push_back(std::move(found.value));
    }(directory, token.token.expose(), callers));
  }
  loop.until([&] { return callers.size() == 2; });
  EXPECT_EQ(caller_of(directory, token), callers[1]);
  directory.forget({true, {}, {}, token.authorization.id});
  EXPECT_FALSE(callers[0]->live);
  EXPECT_FALSE(callers[1]->live);
}

TEST_F(DirectoryRoom, forgets_callers_that_it_had_no_room_for_too) {
  Directory directory(loop.worker, offload, source, {.bytes = 12'000, .idle = net::Millis(600'000)});
  std::vector<std::pair<std::shared_ptr<Caller>, std::string>> callers;
  for (int i = 0; i < 12; ++i) {
    const vault::NewToken token = permit();
    callers.emplace_back(caller_of(directory, token), token.authorization.id);
  }
  for (const auto& [caller, id] : callers) {
    directory.forget({true, {}, {}, id});
    EXPECT_FALSE(caller->live);
  }
}

TEST_F(DirectoryRoom, forgets_connections_that_it_had_no_room_for_too) {
  Directory directory(loop.worker, offload, source, {.bytes = 12'000, .idle = net::Millis(600'000)});
  std::vector<std::shared_ptr<Known>> known;
  for (int i = 0; i < 12; ++i) {
    connect("alias-" + std::to_string(i), "sk_live_1");
    known.push_back(find(directory, "alias-" + std::to_string(i)));
  }
  for (int i = 0; i < 12; ++i) {
    const std::string alias = "alias-" + std::to_string(i);
    const vault::Connection now = *vault->rotate_credential(found(alias), credential("sk_live_2"));
    directory.forget({false, now.organization, now.project, now.id});
    EXPECT_FALSE(known[static_cast<std::size_t>(i)]->live) << alias;
    EXPECT_EQ(find(directory, alias)->meta.generation, now.generation) << alias;
  }
}

TEST_F(DirectoryRoom, keeps_no_more_than_it_has_room_for_and_what_is_used_stays) {
  constexpr std::size_t kRoom = 40'000;
  Directory directory(loop.worker, offload, source, {.bytes = kRoom, .idle = net::Millis(600'000)});
  connect("used", "sk_live_1");
  const auto used = find(directory, "used");
  std::weak_ptr<Known> first;
  for (int i = 0; i < 40; ++i) {
    const std::string alias = "alias-" + std::to_string(i);
    connect(alias, "sk_live_1");
    const auto known = find(directory, alias);
    std::string detail;
    EXPECT_EQ(loop.run(directory.obtain(*known, detail)), Trouble::none);
    if (i == 0) first = known;
    EXPECT_TRUE(find(directory, "used") == used);
    EXPECT_LE(directory.cached_bytes(), kRoom);
  }
  EXPECT_GT(directory.cached(), 2U);
  EXPECT_LT(directory.cached(), 41U);
  EXPECT_TRUE(first.expired());  // and with it the credential that was ready
}

TEST_F(DirectoryRoom, lets_go_of_what_nobody_asks_for) {
  connect("billing", "sk_live_1");
  Directory directory(loop.worker, offload, source, {.bytes = 1 << 20, .idle = net::Millis(400)});
  std::weak_ptr<Known> known = find(directory, "billing");
  std::weak_ptr<Caller> caller = caller_of(directory, permit());
  EXPECT_FALSE(known.expired());
  loop.until([&] { return known.expired() && caller.expired(); });
  EXPECT_EQ(directory.cached_bytes(), 0U);
  EXPECT_TRUE(find(directory, "billing"));
}

TEST_F(DirectoryRoom, forgets_callers_with_a_connection_because_they_know_its_alias) {
  const vault::Connection made = connect("billing", "sk_live_1");
  const vault::NewToken token = permit({made.id});
  Directory directory(loop.worker, offload, source, {});
  const auto before = caller_of(directory, token);
  vault::Connection renamed = found("billing");
  renamed.alias = "invoices";
  ASSERT_TRUE(vault->update_connection(renamed));
  directory.forget({false, made.organization, made.project, made.id});
  EXPECT_FALSE(before->live);
  EXPECT_TRUE(loop.run(directory.find(*caller_of(directory, token), "invoices")).value);
}

TEST_F(DirectoryRoom, knows_no_caller_by_a_wrong_token) {
  const vault::NewToken token = permit();
  Directory directory(loop.worker, offload, source, {});
  EXPECT_TRUE(caller_of(directory, token));
  std::string wrong(token.token.expose());
  wrong.back() = wrong.back() == 'a' ? 'b' : 'a';
  for (const std::string& text : {wrong, std::string("pst_"), std::string("pst_short"), std::string("sk_live_1")}) {
    const Found<Caller> found = loop.run(directory.authenticate(text));
    EXPECT_FALSE(found.value) << text;
    EXPECT_EQ(found.trouble, Trouble::unknown) << text;
  }
}

TEST_F(DirectoryRoom, works_out_what_a_token_is_the_default_for) {
  const vault::Connection one = connect("one", "sk_live_1"), two = connect("two", "sk_live_2");
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  const auto defaults = [&](std::vector<std::string> connections, std::vector<std::string> default_for) {
    const vault::NewToken token = permit(std::move(connections), std::move(default_for));
    const auto caller = load_caller(*source, token.token);
    EXPECT_TRUE(caller);
    return caller ? caller->default_for : Pairs{};
  };
  EXPECT_EQ(defaults({one.id}, {kHost}), (Pairs{{kHost, one.id}}));
  EXPECT_EQ(defaults({one.id, two.id}, {two.id + " " + kHost}), (Pairs{{kHost, two.id}}));
  EXPECT_EQ(defaults({one.id}, {"other.test"}), Pairs{});
  EXPECT_EQ(defaults({one.id}, {}), Pairs{});
  EXPECT_EQ(defaults({one.id, two.id}, {kHost}).size(), 2U);  // ambiguous: identify refuses to choose
}

TEST_F(DirectoryRoom, offers_the_connections_that_a_caller_could_have_named) {
  connect("one", "sk_live_1");
  const vault::Connection two = connect("two", "sk_live_2");
  Directory directory(loop.worker, offload, source, {});
  EXPECT_EQ(loop.run(directory.choices(*directory.open_caller(), kHost)).size(), 2U);
  EXPECT_EQ(loop.run(directory.choices(*caller_of(directory, permit({two.id})), kHost)),
            (std::vector<std::string>{"two"}));
  EXPECT_TRUE(loop.run(directory.choices(*directory.open_caller(), "other.test")).empty());
}

}  // namespace
}  // namespace postern::serve
