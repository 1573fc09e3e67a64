// Organizations, projects, users: what lies in them, when they go, and what an authorization stands on.
#include <gmock/gmock.h>

#include <thread>

#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ScopeObjects : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();
  Scopes& scopes = vault->scopes();

  std::string organization(std::string name = "Acme") {
    const auto made = scopes.create_organization({.id = "", .name = std::move(name)});
    EXPECT_TRUE(made) << made.error().message;
    return made ? made->id : "";
  }
  std::string project(const std::string& in, std::string name = "Blue") {
    const auto made = scopes.create_project({.id = "", .organization = in, .name = std::move(name)});
    EXPECT_TRUE(made) << made.error().message;
    return made ? made->id : "";
  }
  User user(const std::string& in, std::vector<ProjectAccess> projects = {}) {
    User fresh;
    fresh.organization = in;
    fresh.name = "Ada";
    fresh.projects = std::move(projects);
    auto made = scopes.create_user(std::move(fresh));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : User{};
  }
  Connection connection(const std::string& in, const std::string& project) {
    Connection meta = stripe();
    meta.organization = in;
    meta.project = project;
    auto made = vault->create_connection(meta, api_key("k"));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : Connection{};
  }
  Authorization authorization(const std::string& in, const std::string& project = "", const std::string& user = "",
                              const std::string& parent = "") {
    Authorization wanted = step();
    wanted.organization = in;
    wanted.project = project;
    wanted.user = user;
    wanted.parent = parent;
    wanted.expires = in.empty() ? 0 : world.now + 1000;
    auto made = vault->create_authorization(std::move(wanted));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(made->authorization) : Authorization{};
  }
  std::string ended(const Authorization& authorization) {
    const auto standing = standing_of(*vault, authorization, world.now);
    if (standing) return "";
    EXPECT_EQ(standing.error().code, Error::Code::not_found);
    return standing.error().message;
  }
  void expect_sound() {
    const auto all = vault->upkeep().verify({}, 10'000);
    ASSERT_TRUE(all);
    for (const auto& bad : all->bad) ADD_FAILURE() << bad.key << ": " << bad.what;
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, ScopeObjects, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(ScopeObjects, a_new_organization_has_its_default_project) {
  const auto made = scopes.create_organization({.id = "", .name = "Acme"});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(looks_like_id(made->id) && made->id.starts_with("org_"));
  EXPECT_EQ(made->version, 1U);
  EXPECT_EQ(made->created, world.now);
  EXPECT_EQ(scopes.find_organization(made->id)->name, "Acme");
  EXPECT_EQ(scopes.find_project(made->id, kDefaultProject)->organization, made->id);
  EXPECT_EQ(scopes.find_organization(kDefaultOrganization)->name, "Default");
  EXPECT_REFUSED(scopes.create_organization({.id = made->id, .name = ""}), exists);
  EXPECT_REFUSED(scopes.create_organization({.id = "acme", .name = ""}), invalid);
  EXPECT_REFUSED(scopes.create_organization({.id = "org_a/b", .name = ""}), invalid);
  EXPECT_REFUSED(scopes.create_organization({.id = "", .name = std::string(300'000, 'x')}), invalid);
  expect_sound();
}

TEST_P(ScopeObjects, are_listed_by_id_one_page_after_another) {
  std::vector<std::string> wanted{std::string(kDefaultOrganization)}, found;
  for (int i = 0; i < 4; ++i) wanted.push_back(organization());
  std::string after;
  for (bool more = true; more;) {
    const auto page = scopes.list_organizations(after, 2);
    ASSERT_TRUE(page);
    ASSERT_LE(page->data.size(), 2U);
    for (const auto& one : page->data) found.push_back(after = one.id);
    more = page->has_more;
  }
  EXPECT_THAT(found, testing::UnorderedElementsAreArray(wanted));
  const std::string a = wanted[1], b = wanted[2];
  const std::string blue = project(a), red = project(a, "Red"), other = project(b);
  const auto names = [](const auto& page) {
    std::vector<std::string> ids;
    for (const auto& one : page->data) ids.push_back(one.id);
    return ids;
  };
  EXPECT_THAT(names(scopes.list_projects(a, "", 10)), UnorderedElementsAre(blue, red, "proj_default"));
  EXPECT_THAT(names(scopes.list_projects(b, "", 10)), UnorderedElementsAre(other, "proj_default"));
  EXPECT_THAT(names(scopes.list_projects(a, std::min(blue, red), 10)),
              testing::AllOf(testing::Contains(std::max(blue, red)), testing::Each(testing::Gt(std::min(blue, red)))));
  EXPECT_THAT(names(scopes.list_projects("a/b", "", 10)), IsEmpty());
  const std::string ada = user(a).id;
  EXPECT_THAT(names(scopes.list_users(a, "", 10)), ElementsAre(ada));
  EXPECT_THAT(names(scopes.list_users(b, "", 10)), IsEmpty());
  EXPECT_THAT(names(scopes.list_users(a, ada, 10)), IsEmpty());
}

TEST_P(ScopeObjects, of_another_organization_are_as_unknown_as_those_that_do_not_exist) {
  const std::string a = organization(), b = organization();
  const std::string blue = project(a);
  const User ada = user(a);
  EXPECT_REFUSED(scopes.find_project(b, blue), not_found);
  EXPECT_REFUSED(scopes.find_user(b, ada.id), not_found);
  EXPECT_REFUSED(scopes.erase_project(b, blue, 0), not_found);
  EXPECT_REFUSED(scopes.erase_user(b, ada.id, 0), not_found);
  EXPECT_REFUSED(scopes.find_organization(new_id("org")), not_found);
  EXPECT_REFUSED(scopes.find_organization("../x"), not_found);
  EXPECT_REFUSED(scopes.find_project(a, "../x"), not_found);
  EXPECT_REFUSED(scopes.create_project({.id = "", .organization = new_id("org"), .name = ""}), not_found);
  User nobodys;
  nobodys.organization = new_id("org");
  EXPECT_REFUSED(scopes.create_user(nobodys), not_found);
}

TEST_P(ScopeObjects, are_updated_by_compare_and_set) {
  Organization acme = *scopes.find_organization(organization());
  world.now += 5;
  acme.name = "Acme & Sons";
  acme.enabled = false;
  acme.created = 1;
  const auto changed = scopes.update_organization(acme);
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_EQ(changed->version, 2U);
  EXPECT_EQ(changed->created, world.now - 5);
  EXPECT_EQ(changed->updated, world.now);
  EXPECT_FALSE(scopes.find_organization(acme.id)->enabled);
  EXPECT_REFUSED(scopes.update_organization(acme), conflict);
  Project blue = *scopes.find_project(acme.id, project(acme.id));
  blue.name = "Green";
  EXPECT_EQ(scopes.update_project(blue)->version, 2U);
  EXPECT_REFUSED(scopes.update_project(blue), conflict);
  User ada = user(acme.id);
  ada.projects = {{blue.id, Role::editor}};
  EXPECT_EQ(scopes.update_user(ada)->version, 2U);
  EXPECT_REFUSED(scopes.update_user(ada), conflict);
  EXPECT_THAT(scopes.find_user(acme.id, ada.id)->projects, ElementsAre(ProjectAccess{blue.id, Role::editor}));
}

TEST_P(ScopeObjects, users_have_roles_in_projects_that_are_there_each_once) {
  const std::string a = organization(), b = organization();
  const std::string blue = project(a), foreign = project(b);
  const auto refused = [&](std::vector<ProjectAccess> projects) {
    User fresh;
    fresh.organization = a;
    fresh.projects = projects;
    EXPECT_REFUSED(scopes.create_user(fresh), invalid);
    User there = user(a);
    there.projects = projects;
    EXPECT_REFUSED(scopes.update_user(there), invalid);
  };
  refused({{foreign, Role::viewer}});
  refused({{new_id("proj"), Role::viewer}});
  refused({{blue, Role::viewer}, {blue, Role::admin}});
  refused({{"", Role::viewer}});
  User named;
  named.organization = a;
  named.id = "user_1";
  EXPECT_REFUSED(scopes.create_user(named), invalid);
  named.id = user(a).id;
  EXPECT_REFUSED(scopes.create_user(named), exists);
}

TEST_P(ScopeObjects, a_project_goes_only_when_nothing_is_left_in_it) {
  const std::string a = organization(), blue = project(a), red = project(a, "Red");
  const User ada = user(a, {{blue, Role::editor}, {red, Role::viewer}});
  const Connection one = connection(a, blue);
  AuthConfig config = app();
  config.organization = a;
  config.project = blue;
  config = *vault->tokens().create_auth_config(std::move(config));
  Authorization token = authorization(a, blue);
  Link link;
  link.organization = a;
  link.project = blue;
  link.provider = "google";
  link.auth = "oauth";
  link = *vault->tokens().create_link(std::move(link));

  const auto inside = scopes.contents(a, blue, 10);
  ASSERT_TRUE(inside);
  EXPECT_THAT(inside->connections, ElementsAre(one.id));
  EXPECT_THAT(inside->auth_configs, ElementsAre(config.id));
  EXPECT_THAT(inside->authorizations, ElementsAre(token.id));
  EXPECT_TRUE(scopes.contents(a, red, 10)->empty());
  EXPECT_REFUSED(scopes.erase_project(a, blue, 0), exists);
  ASSERT_TRUE(vault->erase_connection({a, blue}, one.id, 0));
  EXPECT_REFUSED(scopes.erase_project(a, blue, 0), exists);
  ASSERT_TRUE(vault->tokens().erase_auth_config({a, blue}, config.id, 0));
  EXPECT_REFUSED(scopes.erase_project(a, blue, 0), exists);
  token.revoked = world.now;
  ASSERT_TRUE(vault->update_authorization(token));
  EXPECT_REFUSED(scopes.erase_project(a, blue, 7), conflict);
  ASSERT_TRUE(scopes.erase_project(a, blue, 1));
  EXPECT_REFUSED(scopes.find_project(a, blue), not_found);
  EXPECT_REFUSED(vault->tokens().find_link(link.id), not_found);
  EXPECT_THAT(scopes.find_user(a, ada.id)->projects, ElementsAre(ProjectAccess{red, Role::viewer}));
  EXPECT_REFUSED(scopes.erase_project(a, kDefaultProject, 0), invalid);
  expect_sound();
}

TEST_P(ScopeObjects, an_organization_goes_with_its_projects_and_users_when_nothing_is_left_in_it) {
  const std::string a = organization(), blue = project(a), b = organization();
  const User ada = user(a, {{blue, Role::editor}}), other = user(b);
  const Connection one = connection(a, blue);
  const Authorization token = authorization(a, blue);
  EXPECT_REFUSED(scopes.erase_organization(a, 0), exists);
  ASSERT_TRUE(vault->erase_connection({a, blue}, one.id, 0));
  EXPECT_REFUSED(scopes.erase_organization(a, 0), exists);
  world.now += 1000;  // the authorization has expired
  EXPECT_REFUSED(scopes.erase_organization(a, 7), conflict);
  ASSERT_TRUE(scopes.erase_organization(a, 0));
  EXPECT_REFUSED(scopes.find_organization(a), not_found);
  EXPECT_REFUSED(scopes.find_project(a, blue), not_found);
  EXPECT_REFUSED(scopes.find_user(a, ada.id), not_found);
  EXPECT_REFUSED(vault->find_authorization(a, token.id), not_found);
  EXPECT_TRUE(scopes.find_user(b, other.id));
  EXPECT_REFUSED(scopes.erase_organization(kDefaultOrganization, 0), invalid);
  EXPECT_REFUSED(scopes.erase_organization(a, 0), not_found);
  expect_sound();
}

TEST_P(ScopeObjects, a_connection_is_found_by_id_alone_where_no_project_is_named) {
  const std::string a = organization(), blue = project(a);
  const Connection one = connection(a, blue);
  EXPECT_EQ(vault->find_connection({a, ""}, one.id)->project, blue);
  EXPECT_REFUSED(vault->find_connection({a, ""}, one.alias), not_found);
  EXPECT_REFUSED(vault->find_connection({kDefaultOrganization, ""}, one.id), not_found);
}

TEST_P(ScopeObjects, an_authorization_ends_with_its_organization_and_its_user) {
  const std::string a = organization();
  const User ada = user(a);
  const Authorization token = authorization(a, "", ada.id);
  EXPECT_EQ(ended(token), "");
  EXPECT_EQ(standing_of(*vault, token, world.now)->user->id, ada.id);
  EXPECT_EQ(standing_of(*vault, authorization(a, "", "a name"), world.now)->user, std::nullopt);
  User disabled = ada;
  disabled.enabled = false;
  disabled = *scopes.update_user(disabled);
  EXPECT_THAT(ended(token), HasSubstr("user"));
  disabled.enabled = true;
  ASSERT_TRUE(scopes.update_user(disabled));
  EXPECT_EQ(ended(token), "");
  Organization closed = *scopes.find_organization(a);
  closed.enabled = false;
  closed = *scopes.update_organization(closed);
  EXPECT_THAT(ended(token), HasSubstr("organization"));
  closed.enabled = true;
  ASSERT_TRUE(scopes.update_organization(closed));
  ASSERT_TRUE(scopes.erase_user(a, ada.id, 0));
  EXPECT_THAT(ended(token), HasSubstr("user"));
}

TEST_P(ScopeObjects, an_authorization_ends_with_whoever_made_it) {
  const std::string a = organization();
  const Authorization system = authorization("");
  Authorization maker = authorization(a, "", "", system.id);
  const Authorization child = authorization(a, "", "", maker.id);
  auto standing = standing_of(*vault, child, world.now);
  ASSERT_TRUE(standing);
  ASSERT_EQ(standing->makers.size(), 2U);
  EXPECT_EQ(standing->makers[0].id, maker.id);
  EXPECT_EQ(standing->makers[1].id, system.id);
  maker.expires = world.now + 10;
  maker = *vault->update_authorization(maker);
  EXPECT_EQ(standing_of(*vault, child, world.now)->expires, world.now + 10);
  world.now += 10;
  EXPECT_THAT(ended(child), HasSubstr("expired"));
  world.now -= 10;
  maker.revoked = world.now;
  maker = *vault->update_authorization(maker);
  EXPECT_THAT(ended(child), HasSubstr("revoked"));
  EXPECT_EQ(ended(maker), "");  // that it was is in its own record
  ASSERT_TRUE(vault->erase_authorization(a, maker.id));
  EXPECT_THAT(ended(child), HasSubstr("gone"));
}

TEST_P(ScopeObjects, what_is_changed_leaves_its_event_where_it_belongs) {
  const auto event = [](const char* action) {
    Beside beside;
    beside.event.emplace().action = action;
    return beside;
  };
  const auto told = [&](const std::string& chain) {
    std::vector<std::string> all;
    for (const auto& one : vault->audit().list({.organization = chain, .descending = false})->events)
      all.push_back(one.action + " " + one.subject + " " + one.project);
    return all;
  };
  const std::string a = scopes.create_organization({.id = "", .name = "A"}, event("made"))->id;
  const std::string blue = scopes.create_project({.id = "", .organization = a, .name = "B"}, event("made"))->id;
  User fresh;
  fresh.organization = a;
  const User ada = *scopes.create_user(fresh, event("made"));
  ASSERT_TRUE(scopes.update_organization(*scopes.find_organization(a), event("changed")));
  ASSERT_TRUE(scopes.update_project(*scopes.find_project(a, blue), event("changed")));
  ASSERT_TRUE(scopes.update_user(ada, event("changed")));
  ASSERT_TRUE(scopes.erase_user(a, ada.id, 0, event("gone")));
  ASSERT_TRUE(scopes.erase_project(a, blue, 0, event("gone")));
  ASSERT_TRUE(scopes.erase_organization(a, 0, event("gone")));
  const std::string in_blue = " " + blue + " " + blue, of_ada = " " + ada.id + " ";
  EXPECT_THAT(told(""), ElementsAre("made " + a + " ", "changed " + a + " ", "gone " + a + " "));
  EXPECT_THAT(told(a), ElementsAre("made" + in_blue, "made" + of_ada, "changed" + in_blue, "changed" + of_ada,
                                   "gone" + of_ada, "gone" + in_blue));
  expect_sound();
}

TEST_P(ScopeObjects, nothing_is_made_in_a_project_while_it_goes) {
  // Both are tried at once, many times: either the connection is there and the project too, or neither.
  const std::string a = organization();
  for (int round = 0; round < 20; ++round) {
    const std::string blue = project(a);
    std::jthread eraser([&] { (void)scopes.erase_project(a, blue, 0); });
    Connection meta = stripe();
    meta.organization = a;
    meta.project = blue;
    const auto made = vault->create_connection(meta, api_key("k"));
    eraser.join();
    EXPECT_EQ(made.has_value(), scopes.find_project(a, blue).has_value());
  }
  expect_sound();
}

}  // namespace
}  // namespace postern::vault::test
