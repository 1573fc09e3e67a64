// Links: found by id, by state, by nothing else; gone an hour after their end.
#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {
namespace {

constexpr std::int64_t kMinute = 60'000;

Link google(std::string project = std::string(kDefaultProject)) {
  Link link;
  link.project = std::move(project);
  link.provider = "google";
  link.auth = "oauth";
  link.requested_by = "tok_1";
  return link;
}

class Links : public testing::TestWithParam<StoreKind> {
 protected:
  World world{GetParam()};
  std::unique_ptr<Vault> vault = world.create();
  TokenBook& tokens = vault->tokens();

  Link make(Link link = google()) {
    auto made = tokens.create_link(std::move(link));
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : Link{};
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, Links, testing::Values(StoreKind::memory, StoreKind::rocksdb),
                         [](const auto& store) { return store.param == StoreKind::memory ? "memory" : "rocksdb"; });

TEST_P(Links, last_ten_minutes_unless_told_otherwise) {
  const Link made = make();
  EXPECT_EQ(made.status, LinkStatus::pending);
  EXPECT_EQ(made.version, 1U);
  EXPECT_EQ(made.expires, world.now + 10 * kMinute);
  Link shorter = google();
  shorter.expires = world.now + 1;
  EXPECT_EQ(make(std::move(shorter)).expires, world.now + 1);
}

TEST_P(Links, are_found_by_id_in_their_project_and_by_id_alone) {
  make_place(*vault, kDefaultOrganization, "proj_a");
  const Link made = make(google("proj_a"));
  EXPECT_EQ(tokens.find_link({kDefaultOrganization, "proj_a"}, made.id)->provider, "google");
  EXPECT_REFUSED(tokens.find_link({kDefaultOrganization, "proj_b"}, made.id), not_found);
  EXPECT_REFUSED(tokens.find_link({"org_other", "proj_a"}, made.id), not_found);
  EXPECT_EQ(tokens.find_link(made.id)->project, "proj_a");
  EXPECT_REFUSED(tokens.find_link(new_id("link")), not_found);
  EXPECT_REFUSED(tokens.find_link("../x"), not_found);
}

TEST_P(Links, are_found_by_their_newest_state_and_by_no_other) {
  Link link = make();
  EXPECT_REFUSED(tokens.find_link_by_state("one"), not_found);
  link.status = LinkStatus::opened;
  link.verifier = Secret("verifier");
  link = *tokens.update_link(std::move(link), "one");
  EXPECT_EQ(link.version, 2U);
  const auto found = tokens.find_link_by_state("one");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->id, link.id);
  EXPECT_EQ(found->status, LinkStatus::opened);
  EXPECT_TRUE(found->verifier.equals("verifier"));
  link.text = "kept";
  link = *tokens.update_link(std::move(link));
  EXPECT_EQ(tokens.find_link_by_state("one")->text, "kept");
  link = *tokens.update_link(std::move(link), "two");
  EXPECT_REFUSED(tokens.find_link_by_state("one"), not_found);
  EXPECT_EQ(tokens.find_link_by_state("two")->id, link.id);
  link.state_digest.clear();
  link = *tokens.update_link(std::move(link));
  EXPECT_REFUSED(tokens.find_link_by_state("two"), not_found);
}

TEST_P(Links, a_state_belongs_to_one_link) {
  ASSERT_TRUE(tokens.update_link(make(), "state"));
  EXPECT_REFUSED(tokens.update_link(make(), "state"), exists);
}

TEST_P(Links, are_updated_by_compare_and_set) {
  Link link = make();
  const std::string id = link.id;
  auto stale = tokens.find_link(id);
  link.status = LinkStatus::returned;
  link.credential = token_pair("waiting");
  link.expires = 1;
  link.requested_by = "tok_other";
  ASSERT_TRUE(tokens.update_link(std::move(link)));
  EXPECT_REFUSED(tokens.update_link(std::move(*stale)), conflict);
  const auto found = tokens.find_link(id);
  ASSERT_TRUE(found && found->credential);
  EXPECT_TRUE(found->credential->values.at("accessToken").equals("waiting"));
  EXPECT_EQ(found->credential->times->boot_id, "boot");
  EXPECT_EQ(found->expires, world.now + 10 * kMinute);
  EXPECT_EQ(found->requested_by, "tok_1");
  EXPECT_EQ(describe(*found).find("waiting"), std::string::npos);
}

TEST_P(Links, that_break_a_rule_are_refused) {
  const auto refused = [&](const std::function<void(Link&)>& change) {
    Link link = google();
    change(link);
    EXPECT_REFUSED(tokens.create_link(std::move(link)), invalid);
  };
  refused([](Link& link) { link.organization = ""; });
  refused([](Link& link) { link.project = "a/b"; });
  refused([](Link& link) { link.project = "proj_nobody"; });
  refused([](Link& link) { link.provider = ""; });
  refused([](Link& link) { link.alias = "a b"; });
  refused([](Link& link) { link.text = std::string(300'000, 'x'); });
}

TEST_P(Links, that_are_erased_leave_nothing_that_leads_to_them) {
  const Link link = *tokens.update_link(make(), "state");
  ASSERT_TRUE(tokens.erase_link({}, link.id));
  EXPECT_REFUSED(tokens.erase_link({}, link.id), not_found);
  EXPECT_REFUSED(tokens.find_link(link.id), not_found);
  EXPECT_REFUSED(tokens.find_link_by_state("state"), not_found);
  const auto all = vault->upkeep().verify({}, 1000);
  for (const char* type : {"link", "link_locator", "state", "ends"}) EXPECT_FALSE(all->sound.contains(type)) << type;
}

TEST_P(Links, are_swept_an_hour_after_their_end) {
  const std::string first = make().id;
  world.now += 5 * kMinute;
  Link foreign = google();
  foreign.organization = "org_other";
  make_place(*vault, foreign.organization);
  const std::string second = make(std::move(foreign)).id;
  world.now += 65 * kMinute;
  EXPECT_EQ(tokens.sweep_links(world.now), 0U);
  EXPECT_EQ(tokens.sweep_links(world.now + 1), 1U);
  EXPECT_REFUSED(tokens.find_link(first), not_found);
  EXPECT_TRUE(tokens.find_link(second));
  EXPECT_EQ(tokens.sweep_links(world.now + 5 * kMinute + 1), 1U);
  EXPECT_REFUSED(tokens.find_link(second), not_found);
}

}  // namespace
}  // namespace postern::vault::test
