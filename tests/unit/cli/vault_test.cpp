#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;

std::string keys(const char* state, int done = 0) {
  return std::string(
             R"({"provider":"file /k","masterKeyId":"00ff","dataKeys":[{"id":"0a","use":"seals","active":true,)") +
         R"("created":"2026-01-02T03:04:05Z"}],"rotation":{"state":")" + state + R"(","done":)" + std::to_string(done) +
         R"(,"total":10,"resealed":7,"unreadable":0}})";
}

TEST(VaultVerbs, rotate_waits_for_the_end_and_shows_progress) {
  World world;
  world.server.answer(202, keys("RESEALING"));
  world.server.answer(200, keys("RESEALING", 4));
  world.server.answer(200, keys("DONE", 10));
  EXPECT_EQ(world.run({"vault", "rotate"}), Exit::ok);
  EXPECT_EQ(world.server.line(0), "POST /api/v1/keys/rotate");
  EXPECT_EQ(world.server.line(1), "GET /api/v1/keys");
  EXPECT_THAT(world.err.str(), HasSubstr("RESEALING 4/10"));
  EXPECT_THAT(world.out.str(), HasSubstr("DONE"));
}

TEST(VaultVerbs, rotate_can_be_left_running) {
  World world;
  world.server.answer(202, keys("RESEALING"));
  EXPECT_EQ(world.run({"vault", "rotate", "--no-wait", "-o", "json"}), Exit::ok);
  EXPECT_EQ(world.server.requests.size(), 1u);
  EXPECT_THAT(world.out.str(), HasSubstr("\"RESEALING\""));
}

TEST(VaultVerbs, rotate_fails_where_records_do_not_open) {
  World world;
  world.server.answer(202, keys("RESEALING"));
  world.server.answer(200, keys("INCOMPLETE", 10));
  EXPECT_EQ(world.run({"vault", "rotate"}), Exit::failed);
  EXPECT_THAT(world.err.str(), HasSubstr("vault verify"));
}

TEST(VaultVerbs, rewrap_takes_exactly_one_key_and_says_what_is_next) {
  World world;
  EXPECT_EQ(world.run({"vault", "rewrap"}), Exit::usage);
  EXPECT_EQ(world.run({"vault", "rewrap", "--key-file", "/k", "--credential", "c"}), Exit::usage);
  EXPECT_TRUE(world.server.requests.empty());
  world.server.answer(200, keys("NONE"));
  EXPECT_EQ(world.run({"vault", "rewrap", "--exec", "/bin/kms", "--exec", "alias/x"}), Exit::ok);
  EXPECT_EQ(boost::json::serialize(world.server.body(0)), R"({"key":{"exec":["/bin/kms","alias/x"]}})");
  EXPECT_THAT(world.out.str(), HasSubstr("vault.key"));
}

TEST(VaultVerbs, backup_names_a_place_from_the_root) {
  World world;
  world.server.answer(201, R"({"directory":"/b","commit":7})");
  EXPECT_EQ(world.run({"vault", "backup", "b", "-q"}), Exit::ok);
  const auto sent = world.server.body(0);
  EXPECT_TRUE(std::string(sent.at("directory").as_string()).starts_with("/"));
  EXPECT_EQ(world.out.str(), std::string(sent.at("directory").as_string()) + "\n");
}

TEST(VaultVerbs, verify_adds_up_the_pages_and_fails_for_a_bad_record) {
  World world;
  world.server.answer(200, R"({"sound":{"connection":2},"bad":[],"next":"connection/x"})");
  world.server.answer(200, R"({"sound":{"connection":3},"bad":[{"key":"alias/y","what":"leads astray"}],"next":null})");
  EXPECT_EQ(world.run({"vault", "verify"}), Exit::failed);
  EXPECT_EQ(world.server.body(1).at("after"), "connection/x");
  EXPECT_THAT(world.out.str(), HasSubstr("5"));
  EXPECT_THAT(world.out.str(), HasSubstr("leads astray"));
}

}  // namespace
}  // namespace postern::cli::test
