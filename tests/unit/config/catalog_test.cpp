#include "config/catalog.hpp"

#include <algorithm>
#include <set>
#include <thread>

#include "config/shipped.hpp"
#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

std::string small(const std::string& id) {
  return "id: " + id + "\nhosts: [a.example.com]\nauth: {k: {type: BEARER}}\n";
}

std::string load_mistake(const Folder& folder) {
  const auto catalog = Catalog::load({folder.path()});
  if (catalog) return "(accepted)";
  Error error = catalog.error();
  error.file = std::filesystem::path(error.file).filename().string();
  return error.text();
}

TEST(ShippedCatalog, holds_entries_that_parse_and_lint_and_are_named_after_their_id) {
  EXPECT_GE(shipped_files().size(), 17U);
  for (const ShippedFile& file : shipped_files()) {
    for (const Error& error : lint_provider(file.text, std::string("shipped:") + file.name, {}))
      ADD_FAILURE() << error.text();
    const auto provider = parse_provider(file.text, file.name);
    ASSERT_TRUE(provider) << provider.error().text();
    EXPECT_EQ(provider->id + ".yaml", file.name);
    EXPECT_NE(shipped(provider->id), nullptr);
  }
}

TEST(ShippedCatalog, names_its_sources) {
  for (const ShippedFile& file : shipped_files()) {
    const std::string_view text = file.text;
    if (shipped(std::filesystem::path(file.name).stem().string())->generic) continue;
    EXPECT_TRUE(text.starts_with("# Source: https://")) << file.name;
  }
}

TEST(ShippedCatalog, holds_only_auths_that_can_be_planned) {
  for (const ShippedFile& file : shipped_files()) {
    const auto provider = shipped(std::filesystem::path(file.name).stem().string());
    ASSERT_NE(provider, nullptr) << file.name;
    for (const auto& [name, auth] : provider->auth) {
      std::string config = provider->generic ? R"({"hosts":["a.example"],"inject":[{"header":"X","value":"x"}]})" : "{";
      if (provider->generic && auth.type == "HMAC")
        config = R"({"hosts":["a.example"],"sign":{"message":"${body}","header":"X"}})";
      if (!provider->generic) {
        for (const auto& [field, spec] : provider->fields)
          if (spec.required)
            config += (config.size() > 1 ? ",\"" : "\"") + field + "\":\"" +
                      (spec.example.empty() ? "acme" : spec.example) + "\"";
        config += "}";
      }
      const auto planned = plan_connection(*provider, {auth.type, name, {}, config}, false);
      ASSERT_TRUE(planned) << file.name << ": " << planned.error()[0].text();
      EXPECT_FALSE(planned->destinations.empty()) << file.name;
      EXPECT_FALSE(planned->inject.empty() && planned->scheme.empty()) << file.name;
      EXPECT_TRUE(planned->base_url.starts_with("https://")) << file.name;
      for (const HostPattern& host : planned->destinations)
        EXPECT_EQ(host.host.find_first_of("$*"), std::string::npos) << file.name;
    }
  }
}

TEST(ShippedCatalog, covers_every_way_a_static_credential_travels) {
  std::set<Place> places;
  for (const ShippedFile& file : shipped_files())
    for (const auto& [name, auth] : shipped(std::filesystem::path(file.name).stem().string())->auth)
      for (const InjectRule& rule : auth.inject) places.insert(rule.place);
  EXPECT_TRUE(places.contains(Place::header) && places.contains(Place::query) && places.contains(Place::path));
}

TEST(ShippedCatalog, makes_what_each_provider_documents) {
  const auto first = [](const char* id, const std::string& type, const std::string& auth, const Values& values,
                        const std::string& config) {
    const auto planned = plan(*shipped(id), type, values, config, auth);
    if (!planned) return planned.error()[0].text();
    const InjectRule& rule = planned->inject[0];
    return rule.name + ": " +
           rule.value
               .expand([&](std::string_view name) -> std::optional<std::string_view> {
                 if (const auto found = values.find(std::string(name)); found != values.end()) return found->second;
                 if (const auto found = planned->variables.find(std::string(name)); found != planned->variables.end())
                   return found->second;
                 return std::nullopt;
               })
               .value_or("(nothing)");
  };
  EXPECT_EQ(first("stripe", "API_KEY", "", {{"apiKey", "sk_1"}}, "{}"), "Authorization: Bearer sk_1");
  EXPECT_EQ(first("anthropic", "API_KEY", "", {{"apiKey", "sk-ant-1"}}, "{}"), "x-api-key: sk-ant-1");
  EXPECT_EQ(first("telegram", "API_KEY", "", {{"token", "123:abc"}}, "{}"), ": /bot123:abc");
  EXPECT_EQ(first("mailgun", "API_KEY", "", {{"apiKey", "k"}}, "{}"), "Authorization: Basic YXBpOms=");
  EXPECT_EQ(first("pagerduty", "API_KEY", "", {{"apiKey", "k"}}, "{}"), "Authorization: Token token=k");
  EXPECT_EQ(first("discord", "API_KEY", "", {{"token", "t"}}, "{}"), "Authorization: Bot t");
  EXPECT_EQ(first("gitlab", "API_KEY", "", {{"token", "t"}}, "{}"), "PRIVATE-TOKEN: t");
  EXPECT_EQ(first("openweathermap", "API_KEY", "", {{"apiKey", "k"}}, "{}"), "appid: k");
  EXPECT_EQ(first("zendesk", "BASIC", "", {{"username", "a@b.c/token"}, {"apiToken", "t"}}, R"({"subdomain":"acme"})"),
            "Authorization: Basic YUBiLmMvdG9rZW46dA==");
  EXPECT_EQ(first("algolia", "API_KEY", "", {{"apiKey", "k"}}, R"({"appId":"ABC"})"), "X-Algolia-Application-Id: ABC");
  EXPECT_EQ(
      hosts(plan(*shipped("algolia"), "API_KEY", {{"apiKey", "k"}}, R"({"appId":"ABC"})")->destinations).substr(0, 44),
      "abc.algolia.net:443 abc-dsn.algolia.net:443 ");
  EXPECT_EQ(
      plan(*shipped("confluence"), "BASIC", {{"email", "a@b.c"}, {"apiToken", "t"}}, R"({"site":"acme"})")->base_url,
      "https://acme.atlassian.net");
}

TEST(Catalog, has_nothing_for_an_unknown_id) {
  EXPECT_EQ(shipped("nobody"), nullptr);
  EXPECT_EQ(shipped(""), nullptr);
  EXPECT_EQ(shipped("stripe.yaml"), nullptr);
}

TEST(Catalog, adds_the_entries_of_folders_and_sorts_all_ids) {
  const Folder folder;
  folder.write("mine.yaml", small("mine"));
  folder.write("a.yaml", "id: a\nextends: mine\ntitle: A\n");
  folder.write("README.md", "not an entry");
  folder.write(".hidden.yaml", "not: an entry");
  const auto catalog = Catalog::load({folder.path()});
  ASSERT_TRUE(catalog) << catalog.error().text();
  EXPECT_EQ((*catalog)->find("a")->auth.at("k").type, "BEARER");
  EXPECT_EQ((*catalog)->find("mine")->source, (folder.path() / "mine.yaml").string());
  const auto ids = (*catalog)->ids();
  EXPECT_EQ(ids.size(), shipped_files().size() + 2);
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
}

TEST(Catalog, gives_the_same_entry_each_time_to_every_thread) {
  const auto catalog = *Catalog::load({});
  std::vector<std::shared_ptr<const Provider>> found(4);
  std::vector<std::thread> threads;
  for (auto& one : found) threads.emplace_back([&] { one = catalog->find("stripe"); });
  for (auto& thread : threads) thread.join();
  for (const auto& one : found) EXPECT_EQ(one, found[0]);
  EXPECT_NE(found[0], nullptr);
}

TEST(Catalog, refuses_a_second_entry_with_an_id) {
  const Folder folder;
  folder.write("stripe.yaml", small("stripe"));
  EXPECT_EQ(load_mistake(folder),
            "stripe.yaml:1:5: the provider 'stripe' is shipped already (stripe.yaml); take another id, with 'extends: "
            "stripe' to build on it");
  const Folder one, two;
  one.write("mine.yaml", small("mine"));
  two.write("mine.yaml", small("mine"));
  const auto catalog = Catalog::load({one.path(), two.path()});
  ASSERT_FALSE(catalog);
  EXPECT_EQ(catalog.error().text(), (two.path() / "mine.yaml").string() +
                                        ":1:5: a second provider 'mine'; the first is " +
                                        (one.path() / "mine.yaml").string());
}

TEST(Catalog, refuses_entries_that_are_misnamed_or_broken_at_start) {
  {
    const Folder folder;
    folder.write("other.yaml", small("mine"));
    EXPECT_EQ(load_mistake(folder), "other.yaml:1:5: the id 'mine' is not the file's name, 'other'");
  }
  {
    const Folder folder;
    folder.write("mine.yml", small("mine"));
    EXPECT_EQ(load_mistake(folder), "mine.yml: catalog entries are named <id>.yaml; rename this file");
  }
  {
    const Folder folder;
    folder.write("mine.yaml", "id: mine\nhosts: [a.b.example]\nauht: {}\n");
    EXPECT_EQ(load_mistake(folder), "mine.yaml:1:1: an entry needs auth: a map with at least one way to authenticate");
  }
  {
    const Folder folder;
    folder.write("a.yaml", "id: a\nextends: b\n");
    folder.write("b.yaml", "id: b\nextends: a\n");
    EXPECT_EQ(load_mistake(folder), "a.yaml:2:10: too many 'extends', or a circle of them");
  }
  const auto missing = Catalog::load({"/nonexistent/providers"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().text(),
            "/nonexistent/providers: the catalog folder cannot be read: No such file or directory");
}

TEST(Lint, tells_every_mistake_of_every_file) {
  const Folder folder;
  const auto good =
      folder.write("good.yaml", "id: good\ntitle: Good\ndocs: https://good.example\n" + small("good").substr(9));
  const auto bad =
      folder.write("bad.yaml",
                   "id: wrong\nhosts: [a.example.com]\nfields: {unused: {default: x}}\nauth:\n  k:\n    type: CUSTOM\n"
                   "    fields: {a: , b: }\n    inject: [{header: X, value: \"${a}\"}]\nverify: {get: /}\n");
  const auto broken = folder.write("broken.yaml", "id: [\n");
  std::string all;
  for (Error error : lint_providers({good, bad, broken, "/nonexistent.yaml"})) {
    error.file = std::filesystem::path(error.file).filename().string();
    all += error.text() + "\n";
  }
  EXPECT_EQ(all,
            "bad.yaml:1:5: the id 'wrong' is not the file's name, 'bad'\n"
            "bad.yaml:3:9: nothing uses the variable 'unused'\n"
            "bad.yaml:7:13: no rule uses the field 'b'\n"
            "bad.yaml:9:9: verify is a path on base_url, which is missing\n"
            "broken.yaml:2:1: end of sequence flow not found\n"
            "nonexistent.yaml: cannot be opened for reading\n");
}

TEST(Lint, wants_a_title_and_its_source_of_what_we_ship_and_not_of_others) {
  const std::string entry = "id: x\n" + small("x").substr(small("x").find('\n') + 1);
  EXPECT_TRUE(lint_provider(entry, "x.yaml", {}).empty());
  EXPECT_EQ(lint_provider(entry, "shipped:x.yaml", {}).size(), 2U);
}

TEST(Lint, tells_all_mistakes_of_the_strict_parse_too) {
  const Folder folder;
  const auto bad = folder.write("bad.yaml", "id: bad\nhosts: [\"*.com\"]\nauth: {k: {type: NONE}}\nextra: 1\n");
  EXPECT_EQ(lint_providers({bad}).size(), 3U);
}

TEST(Lint, passes_types_that_a_later_version_serves) {
  const Folder folder;
  const auto file = folder.write(
      "o.yaml",
      "id: o\ntitle: O\ndocs: https://o.example\nhosts: [a.example.com]\nauth:\n  oauth:\n    type: OAUTH2\n"
      "    authorize: {url: https://o.example.com/authorize}\n    token: {url: https://o.example.com/token}\n    "
      "inject: [{header: Authorization, value: \"Bearer "
      "${accessToken}\"}]\n");
  for (const Error& error : lint_providers({file})) ADD_FAILURE() << error.text();
}

TEST(Lint, finds_bases_beside_the_file) {
  const Folder folder;
  folder.write("base.yaml", "id: base\ntitle: Base\ndocs: https://b.example\n" + small("base").substr(9));
  const auto file = folder.write("child.yaml", "id: child\nextends: base\n");
  for (const Error& error : lint_providers({file})) ADD_FAILURE() << error.text();
}

}  // namespace
}  // namespace postern::config::test
