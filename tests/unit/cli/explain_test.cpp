// explain: what is asked, what is shown, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;

constexpr const char* kForwarded =
    R"({"outcome":"forwarded","code":null,"status":null,"detail":null,"authorization":"tok_1","connection":"conn_1",)"
    R"("choices":[],"connectUrl":null,"steps":[{"step":4,"name":"authorize","decision":"allowed",)"
    R"("rule":"destination api.stripe.com:443; hosts of the token: any; methods: GET, POST, PUT, PATCH, DELETE",)"
    R"("detail":"it goes there","reason":null}],"token":null,"request":{"method":"POST","target":"/v1/charges",)"
    R"("to":"https://api.stripe.com","fields":[{"name":"Authorization","value":"Bearer «redacted»","from":"connection"}],)"
    R"("removed":[{"place":"header","name":"Cookie","reason":"cookies stay"}]}})";
constexpr const char* kRefused =
    R"({"outcome":"refused","code":"connection-id-missing","status":400,"detail":"Name one","choices":["billing"],)"
    R"("connectUrl":null,"steps":[{"step":3,"name":"identify","decision":"refused","rule":null,"detail":"Name one",)"
    R"("reason":null}],"token":null,"request":null})";

TEST(Explain, asks_what_it_was_told) {
  World world;
  world.server.answer(200, kForwarded);
  EXPECT_EQ(world.run({"explain", "-c", "billing", "-X", "POST", "-H", "Accept: a/b", "-H", "X: 1", "-H", "X: 2",
                       "--as", "tok_2", "http://api.stripe.com/v1/charges"}),
            0);
  EXPECT_EQ(world.server.line(0), "POST /api/v1/explain");
  EXPECT_EQ(world.server.body(0),
            boost::json::parse(R"({"url":"http://api.stripe.com/v1/charges","connection":"billing","method":"POST",)"
                               R"("authorization":"tok_2","headers":{"Accept":["a/b"],"X":["1","2"]}})"));
}

TEST(Explain, shows_steps_and_head_in_the_width_of_a_terminal) {
  World world;
  world.server.answer(200, kForwarded);
  EXPECT_EQ(world.run({"explain", "http://api.stripe.com/"}), 0);
  EXPECT_EQ(world.out.str(),
            "forwarded\n"
            " 4 authorize  allowed  it goes there\n"
            "                       destination api.stripe.com:443; hosts of the token: any;\n"
            "                       methods: GET, POST, PUT, PATCH, DELETE\n"
            "\n"
            "POST /v1/charges  to https://api.stripe.com\n"
            "  Authorization: Bearer «redacted»\n"
            "taken out\n"
            "  header Cookie: cookies stay\n");
}

TEST(Explain, ends_with_denied_where_it_would_be_refused) {
  World world;
  world.server.answer(200, kRefused);
  EXPECT_EQ(world.run({"explain", "http://api.stripe.com/"}), 4);
  EXPECT_EQ(world.out.str(),
            "refused: 400 connection-id-missing\n"
            " 3 identify   refused  Name one\n"
            "connections for this host: billing\n");
}

TEST(Explain, is_short_or_json_where_that_is_asked_for) {
  World quiet;
  quiet.server.answer(200, kRefused);
  EXPECT_EQ(quiet.run({"explain", "-q", "http://a/"}), 4);
  EXPECT_EQ(quiet.out.str(), "connection-id-missing\n");
  World whole;
  whole.server.answer(200, kForwarded);
  EXPECT_EQ(whole.run({"explain", "-o", "json", "http://a/"}), 0);
  EXPECT_EQ(boost::json::parse(whole.out.str()), boost::json::parse(kForwarded));
}

TEST(Explain, tells_usage_from_not_found) {
  EXPECT_EQ(World().run({"explain"}), 2);
  EXPECT_EQ(World().run({"explain", "-H", "no name", "http://a/"}), 2);
  World world;
  world.server.answer(404, R"({"title":"Not found","detail":"There is no authorization with this id here."})");
  EXPECT_EQ(world.run({"explain", "--as", "tok_9", "http://a/"}), 3);
  EXPECT_THAT(world.err.str(), HasSubstr("no authorization"));
}

}  // namespace
}  // namespace postern::cli::test
