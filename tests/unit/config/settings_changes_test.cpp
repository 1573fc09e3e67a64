// What a reload may take over, and what waits for a restart.
#include <gmock/gmock.h>

#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

TEST(SettingsReload, lists_the_keys_that_differ_with_both_values) {
  Settings running, wanted;
  wanted.client_idle = Millis(30'000);
  wanted.workers = 2;
  const auto changes = compare_settings(running, wanted);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].path, "client.idle");
  EXPECT_EQ(changes[0].before, "\"75s\"");
  EXPECT_EQ(changes[0].after, "\"30s\"");
  EXPECT_FALSE(changes[0].needs_restart);
  EXPECT_EQ(changes[1].path, "workers");
  EXPECT_TRUE(changes[1].needs_restart);
}

TEST(SettingsReload, finds_nothing_where_nothing_differs) {
  EXPECT_TRUE(compare_settings({}, {}).empty());
}

TEST(SettingsReload, keeps_what_a_running_daemon_cannot_change) {
  Settings running, wanted;
  wanted.state = "/elsewhere";
  wanted.key_file = "/elsewhere.key";
  wanted.store = "memory";
  wanted.workers = 9;
  wanted.client_max = 7;
  const Settings next = without_restart(running, wanted);
  EXPECT_EQ(next.state, running.state);
  EXPECT_EQ(next.key_file, running.key_file);
  EXPECT_EQ(next.store, running.store);
  EXPECT_EQ(next.workers, running.workers);
  EXPECT_EQ(next.client_max, 7U);
}

TEST(SettingsReload, takes_the_mode_of_callers_over_only_where_the_listeners_stay) {
  Settings running, wanted;
  wanted.open_callers = true;
  EXPECT_TRUE(without_restart(running, wanted).open_callers);
  wanted.listen.proxy = "127.0.0.1:1";
  EXPECT_FALSE(without_restart(running, wanted).open_callers);
}

TEST(CatalogReload, tells_new_gone_and_changed_entries_apart) {
  const Folder folder;
  const auto write = [&](const std::string& id, const std::string& name) {
    folder.write(id + ".yaml", "id: " + id + "\nhosts: [" + name + "]\nauth: {key: {type: BEARER}}\n");
  };
  write("acme", "api.acme.test");
  write("gone", "api.gone.test");
  write("same", "api.same.test");
  const auto before = *Catalog::load({folder.path()});
  write("acme", "other.acme.test");
  write("new", "api.new.test");
  std::filesystem::remove(folder.path() / "gone.yaml");
  const auto after = *Catalog::load({folder.path()});
  const auto changes = compare_catalogs(*before, *after);
  EXPECT_THAT(changes.added, testing::ElementsAre("new"));
  EXPECT_THAT(changes.removed, testing::ElementsAre("gone"));
  EXPECT_THAT(changes.changed, testing::ElementsAre("acme"));
}

HostPattern host(std::string name, std::string prefix = "", std::uint16_t port = 443) {
  return {std::move(name), false, port, std::move(prefix)};
}

TEST(DestinationsInBoth, are_never_more_than_either) {
  const auto both = [](std::vector<HostPattern> one, std::vector<HostPattern> other) {
    std::vector<std::string> out;
    for (const HostPattern& h : destinations_in_both(one, other)) out.push_back(h.host + h.path_prefix);
    return out;
  };
  using testing::ElementsAre;
  EXPECT_THAT(both({host("a"), host("b")}, {host("b"), host("c")}), ElementsAre("b"));
  EXPECT_THAT(both({host("a", "/v1/x")}, {host("a", "/v1")}), ElementsAre("a/v1/x"));
  EXPECT_THAT(both({host("a")}, {host("a", "/v1"), host("a", "/v2")}), ElementsAre("a/v1", "a/v2"));
  EXPECT_THAT(both({host("a", "/v1")}, {host("a", "/v10")}), ElementsAre());
  EXPECT_THAT(both({host("a", "", 443)}, {host("a", "", 8443)}), ElementsAre());
}

}  // namespace
}  // namespace postern::config::test
