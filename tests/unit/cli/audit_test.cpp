// audit: what is asked of the API, and how events are shown.
#include <gmock/gmock.h>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string event(int sequence, const std::string& action, const std::string& more = "") {
  return R"({"sequence":)" + std::to_string(sequence) + R"(,"time":"2030-01-01T00:00:0)" +
         std::to_string(sequence % 10) + R"(.000Z","actor":"tok_1","actorName":"step-42","action":")" + action +
         R"(","subject":"conn_1","detail":{"host":"api.test"},"count":1,"missed":0)" + more + "}";
}
std::string page(const std::string& events) {
  return R"({"data":[)" + events + R"(],"cursor":null,"hasMore":false,"head":{"anchor":"7:ab"}})";
}

TEST(AuditVerbs, tail_shows_the_last_events_oldest_first_and_the_head) {
  World world;
  world.server.answer(200, page(event(7, "connection.used")));
  world.server.answer(200, page(event(7, "connection.used") + "," + event(6, "connection.created")));
  EXPECT_EQ(world.run({"audit", "tail", "-n", "2", "--organization", "org_1", "--action", "connection.*"}), 0)
      << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /api/v1/audit?limit=1&organization=org_1");
  EXPECT_EQ(world.server.line(1), "GET /api/v1/audit?limit=2&organization=org_1&action=connection.%2A");
  const std::string out = world.out.str();
  EXPECT_LT(out.find("connection.created"), out.find("connection.used"));
  EXPECT_THAT(out, HasSubstr("step-42"));
  EXPECT_THAT(out, HasSubstr("host=api.test"));
  EXPECT_THAT(out, HasSubstr("head  7:ab\n"));
}

TEST(AuditVerbs, tail_as_json_is_one_event_a_line_and_nothing_else) {
  World world;
  world.server.answer(200, page(""));
  world.server.answer(200, page(event(7, "b") + "," + event(6, "a")));
  EXPECT_EQ(world.run({"audit", "tail", "-o", "json"}), 0) << world.err.str();
  std::istringstream lines(world.out.str());
  int sequence = 5;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(boost::json::parse(line).at("sequence").to_number<int>(), ++sequence);
  }
  EXPECT_EQ(sequence, 7);
}

TEST(AuditVerbs, tail_follows_from_the_head_on) {
  World world;
  world.server.answer(200, page(event(7, "old")));
  world.server.answer(200, page(event(7, "old")));
  world.server.answer(200, page(event(8, "new")));
  world.server.answer(200, page(""));
  world.server.answer(200, page(event(9, "newer")));
  world.server.answer(503, "{}");
  EXPECT_EQ(world.run({"audit", "tail", "--follow", "--since", "1h"}), Exit::failed);
  EXPECT_THAT(world.server.line(1), HasSubstr("since="));
  EXPECT_EQ(world.server.line(2), "GET /api/v1/audit?limit=100&sortOrder=ASC&cursor=7");
  EXPECT_EQ(world.server.line(3), "GET /api/v1/audit?limit=100&sortOrder=ASC&cursor=8");
  EXPECT_EQ(world.server.line(5), "GET /api/v1/audit?limit=100&sortOrder=ASC&cursor=9");
  EXPECT_THAT(world.out.str(), HasSubstr("newer"));
}

TEST(AuditVerbs, tail_says_how_many_were_not_kept_before_an_event) {
  World world;
  world.server.answer(200, page(""));
  std::string gap = event(6, "a");
  gap.replace(gap.find(R"("missed":0)"), 10, R"("missed":41)");
  world.server.answer(200, page(gap));
  EXPECT_EQ(world.run({"audit", "tail"}), 0);
  EXPECT_THAT(world.out.str(), HasSubstr("(41 before it were not kept)"));
}

constexpr const char* kGap = R"({"anchor":"7:ab","dropped":41,"droppedSince":"2030-01-01T00:00:00.000Z"})";

TEST(AuditVerbs, tail_says_once_how_many_events_are_not_kept) {
  World world;
  std::string full = page(event(7, "a"));
  full.replace(full.find(R"({"anchor":"7:ab"})"), 17, kGap);
  world.server.answer(200, full);
  world.server.answer(200, full);
  world.server.answer(200, page(event(8, "b")));
  world.server.answer(503, "{}");
  EXPECT_EQ(world.run({"audit", "tail", "-f"}), Exit::failed);
  const std::string told = world.err.str();
  const auto at = told.find("41 events since 2030-01-01T00:00:00.000Z were not kept: the quota");
  ASSERT_NE(at, std::string::npos) << told;
  EXPECT_EQ(told.find("not kept", at + 60), std::string::npos) << told;
}

TEST(AuditVerbs, verify_of_a_sound_chain_says_how_many_events_are_not_kept) {
  const std::string answer = R"({"ok":true,"checked":7,"first":1,"faults":[],"head":)" + std::string(kGap) + "}";
  World world;
  world.server.answer(200, answer);
  EXPECT_EQ(world.run({"audit", "verify"}), 0);
  EXPECT_THAT(world.out.str(),
              testing::StartsWith("checked  7 events\n"
                                  "missing  41 events since 2030-01-01T00:00:00.000Z were not kept: "));
  EXPECT_THAT(world.out.str(), testing::EndsWith("\nhead     7:ab\n"));
  World quiet;
  quiet.server.answer(200, answer);
  EXPECT_EQ(quiet.run({"audit", "verify", "-q"}), 0);
  EXPECT_EQ(quiet.out.str(), "7:ab\n");
  EXPECT_THAT(quiet.err.str(), HasSubstr("41 events"));
}

TEST(AuditVerbs, verify_fails_for_a_fault_and_says_which) {
  World world;
  world.server.answer(200, R"({"ok":true,"checked":7,"first":1,"head":{"anchor":"7:ab"},"faults":[]})");
  EXPECT_EQ(world.run({"audit", "verify", "--anchor", "5:cd"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "POST /api/v1/audit/verify");
  EXPECT_EQ(world.server.body(0), boost::json::parse(R"({"anchor":"5:cd"})"));
  EXPECT_THAT(world.out.str(), HasSubstr("checked  7 events\nhead     7:ab\n"));

  World quiet;
  quiet.server.answer(200, R"({"ok":true,"checked":7,"first":1,"head":{"anchor":"7:ab"},"faults":[]})");
  EXPECT_EQ(quiet.run({"audit", "verify", "-q"}), 0) << quiet.err.str();
  EXPECT_EQ(quiet.out.str(), "7:ab\n");

  World bad;
  bad.server.answer(
      200,
      R"({"ok":false,"checked":6,"first":1,"head":{"anchor":"7:ab"},"faults":[{"sequence":3,"what":"was removed"}]})");
  EXPECT_EQ(bad.run({"audit", "verify", "--organization", "org_1"}), Exit::failed);
  EXPECT_EQ(bad.server.line(0), "POST /api/v1/audit/verify?organization=org_1");
  EXPECT_THAT(bad.out.str(), HasSubstr("was removed"));
  EXPECT_THAT(bad.err.str(), HasSubstr("not what was written"));
}

TEST(AuditVerbs, export_prints_every_page_as_it_comes) {
  World world;
  world.server.answers.push_back({200, {{"postern-cursor", "2"}}, "{\"sequence\":1}\n{\"sequence\":2}\n"});
  world.server.answers.push_back({200, {}, "{\"sequence\":3}\n"});
  EXPECT_EQ(world.run({"audit", "export", "--since", "2030-01-01T00:00:00Z"}), 0) << world.err.str();
  EXPECT_EQ(world.out.str(), "{\"sequence\":1}\n{\"sequence\":2}\n{\"sequence\":3}\n");
  EXPECT_EQ(world.server.line(1), "GET /api/v1/audit/export?since=2030-01-01T00%3A00%3A00Z&cursor=2");
}

TEST(AuditVerbs, a_span_that_is_none_is_refused) {
  World world;
  EXPECT_EQ(world.run({"audit", "tail", "--since", "yesterday"}), Exit::usage);
  EXPECT_THAT(world.err.str(), HasSubstr("--since"));
}

}  // namespace
}  // namespace postern::cli::test
