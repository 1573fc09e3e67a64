// Imported entries over a catalog of files.
#include <gmock/gmock.h>

#include <algorithm>

#include "support.hpp"

namespace postern::config::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kAcme = "{id: acme, hosts: [api.acme.example], auth: {key: {type: BEARER}}}";

TEST(CatalogImports, are_found_and_listed_beside_the_files) {
  const auto files = *Catalog::load({});
  const auto whole = with_imports(files, {{"acme", kAcme}});
  EXPECT_TRUE(whole.left_out.empty());
  ASSERT_TRUE(whole.catalog->find("acme"));
  EXPECT_EQ(origin_of(*whole.catalog->find("acme")), "IMPORTED");
  EXPECT_EQ(origin_of(*whole.catalog->find("stripe")), "SHIPPED");
  EXPECT_THAT(whole.catalog->ids(), Contains("acme"));
  EXPECT_TRUE(std::ranges::is_sorted(whole.catalog->ids()));
  EXPECT_FALSE(files->find("acme")) << "the files are as they were";
  EXPECT_EQ(with_imports(files, {}).catalog, files);
}

TEST(CatalogImports, a_file_wins_its_id) {
  const auto whole =
      with_imports(*Catalog::load({}), {{"stripe", "{id: stripe, hosts: [evil.example], auth: {k: {type: BEARER}}}"}});
  EXPECT_TRUE(whole.collides);
  ASSERT_EQ(whole.left_out.size(), 1U);
  EXPECT_THAT(whole.left_out[0].text(), HasSubstr("imported:stripe: the catalog has a provider 'stripe' of its own"));
  EXPECT_EQ(whole.catalog->find("stripe")->hosts.front().host, "api.stripe.com");
}

TEST(CatalogImports, what_does_not_parse_is_left_out_and_said) {
  const auto whole = with_imports(*Catalog::load({}), {{"acme", "id: acme\n"}, {"other", kAcme}});
  EXPECT_FALSE(whole.collides);
  ASSERT_EQ(whole.left_out.size(), 2U);
  EXPECT_THAT(whole.left_out[0].text(), HasSubstr("imported:acme:1:1"));
  EXPECT_THAT(whole.left_out[1].text(), HasSubstr("its entry is of 'acme'"));
  EXPECT_THAT(whole.catalog->ids(), Not(Contains("acme")));
}

TEST(CatalogImports, entries_of_folders_say_that_they_are) {
  const Folder folder;
  folder.write("mine.yaml", "{id: mine, hosts: [api.acme.example], auth: {key: {type: BEARER}}}");
  const auto files = Catalog::load({folder.path()});
  ASSERT_TRUE(files) << files.error().text();
  EXPECT_EQ(origin_of(*(*files)->find("mine")), "FOLDER");
}

}  // namespace
}  // namespace postern::config::test
