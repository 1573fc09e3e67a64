// Tables on a terminal: what gives way, what stays, and how wide a text is there.
#include <gmock/gmock.h>

#include <algorithm>

#include "fake.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t widest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t most = 0;
  for (std::string line; std::getline(lines, line);) most = std::max(most, cells(line));
  return most;
}

constexpr Column kColumns[] = {{"ID", "id"}, {"NAME", "name", 1}, {"NOTE", "note", 2, 4}};

std::string shown(const std::string& rows, std::size_t width) {
  return table(kColumns, boost::json::parse(rows).as_array(), width).text;
}

TEST(Cells, count_wide_characters_twice_and_marks_not_at_all) {
  EXPECT_EQ(cells("Müller"), 6u);
  EXPECT_EQ(cells("日本"), 4u);
  EXPECT_EQ(cells("e\u0301"), 1u);
  EXPECT_EQ(cells("🚀"), 2u);
  EXPECT_EQ(cells("a\x9b"), 2u);
  EXPECT_EQ(cells(""), 0u);
}

TEST(Cells, a_text_is_shortened_between_characters) {
  EXPECT_EQ(shortened("Müller", 6), "Müller");
  EXPECT_EQ(shortened("Müller", 3), "Mü…");
  EXPECT_EQ(shortened("日本語", 5), "日本…");
  EXPECT_EQ(shortened("日本語", 4), "日…");
  EXPECT_EQ(shortened("ab", 1), "…");
}

TEST(Cells, nothing_that_a_terminal_obeys_or_hides_is_printed) {
  EXPECT_EQ(printable("a\x1b[2J\n\x7f"), "a\\u001b[2J\\u000a\\u007f");
  EXPECT_EQ(printable("a\u009b"), "a\\u009b");
  for (const char* direction : {"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068",
                                "\u2069", "\u200e", "\u200f", "\u061c"})
    EXPECT_THAT(printable(direction), testing::StartsWith("\\u")) << cells(direction);
  EXPECT_EQ(printable("\u2028\ufeff\u200b"), "\\u2028\\ufeff\\u200b");
  EXPECT_EQ(printable("a\x9b\xc3("), "a\\x9b\\xc3(");
  EXPECT_EQ(printable("\xed\xa0\x80\xc0\x80\xff"), "\\xed\\xa0\\x80\\xc0\\x80\\xff");
  EXPECT_EQ(printable("Müller 日本 👩‍💻 e\u0301"), "Müller 日本 👩‍💻 e\u0301");
}

TEST(Table, is_whole_where_there_is_no_terminal) {
  const std::string name(300, 'x');
  EXPECT_THAT(shown(R"([{"id":"a","name":")" + name + R"("}])", 0), HasSubstr(name));
}

TEST(Table, shortens_the_least_important_columns_first) {
  const std::string rows = R"([{"id":"id_1","name":"a name","note":"a long note"}])";
  EXPECT_EQ(shown(rows, 25), "ID    NAME    NOTE\nid_1  a name  a long note\n");
  EXPECT_EQ(shown(rows, 24), "ID    NAME    NOTE\nid_1  a name  a long no…\n");
  EXPECT_EQ(shown(rows, 18), "ID    NAME    NOTE\nid_1  a name  a l…\n");
}

TEST(Table, takes_from_the_widest_of_those_that_are_equally_important) {
  constexpr Column columns[] = {{"A", "a", 1}, {"B", "b", 1}};
  const auto rows = boost::json::parse(R"([{"a":"0123456789012345678901234567890","b":"0123456789"}])").as_array();
  EXPECT_EQ(table(columns, rows, 26).text, "A               B\n0123456789012…  0123456789\n");
}

TEST(Table, leaves_columns_out_when_shortening_is_not_enough_and_never_an_id) {
  const auto rows = boost::json::parse(R"([{"id":"id_1","name":"a name that is long","note":"a note"}])").as_array();
  const Table narrow = table(kColumns, rows, 15);
  EXPECT_EQ(narrow.text, "ID    NAME\nid_1  a name t…\n");
  EXPECT_THAT(narrow.left_out, testing::ElementsAre("NOTE"));
  const Table least = table(kColumns, rows, 3);
  EXPECT_EQ(least.text, "ID\nid_1\n");
  EXPECT_THAT(least.left_out, testing::ElementsAre("NAME", "NOTE"));
}

TEST(Table, is_as_wide_as_the_terminal_says_or_columns_or_80) {
  EXPECT_EQ(terminal_width(132, "40"), 132u);
  EXPECT_EQ(terminal_width(0, "40"), 40u);
  for (const char* wrong : {"", "x", "0", "-1", "40x", "99999999999999999999"})
    EXPECT_EQ(terminal_width(0, wrong), 80u) << wrong;
}

const std::string kId(20, '0');

TEST(Table, connections_fit_80_columns_with_ids_aliases_and_statuses_whole) {
  World world;
  world.around.width = 80;
  world.server.answer(200, R"({"data":[{"id":"conn_)" + kId +
                               R"(","alias":"customer-billing","app":"a-provider-with-a-name","status":"REVOKED",)"
                               R"("type":"OAUTH2_CLIENT_CREDENTIALS","name":"The billing account of a customer",)"
                               R"("created":"2030-01-01T00:00:00.000Z"}],"cursor":null,"hasMore":false})");
  EXPECT_EQ(world.run({"connections", "list"}), 0);
  EXPECT_LE(widest_line(world.out.str()), 80u);
  for (const std::string& whole : {"conn_" + kId, std::string("customer-billing"), std::string("REVOKED")})
    EXPECT_THAT(world.out.str(), HasSubstr(whole));
  EXPECT_THAT(world.err.str(), HasSubstr("CREATED: see -o json"));
}

TEST(Table, tokens_fit_80_columns) {
  World world;
  world.around.width = 80;
  world.server.answer(200, R"({"data":[{"id":"tok_)" + kId +
                               R"(","name":"a nightly run of something","capabilities":["proxy:call","audit:read"],)"
                               R"("connections":["conn_1","conn_2","conn_3"],"expires":"2030-01-01T00:00:00.000Z",)"
                               R"("status":"EXPIRED"}],"cursor":null,"hasMore":false})");
  EXPECT_EQ(world.run({"tokens", "list"}), 0);
  EXPECT_LE(widest_line(world.out.str()), 80u);
  EXPECT_THAT(world.out.str(), HasSubstr("tok_" + kId));
  EXPECT_THAT(world.out.str(), HasSubstr("EXPIRED"));
}

TEST(Table, audit_events_fit_80_columns_with_time_and_subject_readable) {
  const std::string events =
      R"({"data":[{"sequence":1,"time":"2030-01-01T00:00:00.000Z","actor":"tok_)" + kId +
      R"(","action":"authorization.created","subject":"conn_)" + kId +
      R"(","detail":{"name":"something that is long"},"count":1,"missed":0}],"cursor":null,"hasMore":false,)"
      R"("head":{"anchor":"1:ab"}})";
  World world;
  world.around.width = 80;
  world.server.answer(200, events);
  world.server.answer(200, events);
  EXPECT_EQ(world.run({"audit", "tail"}), 0);
  EXPECT_LE(widest_line(world.out.str()), 80u);
  EXPECT_THAT(world.out.str(), HasSubstr("2030-01-01T00:00:00"));
  EXPECT_THAT(world.out.str(), HasSubstr("conn_" + kId));
}

TEST(Table, providers_fit_80_columns_and_are_whole_without_a_terminal) {
  World world;
  world.around.width = 80;
  EXPECT_EQ(world.run({"providers", "list"}), 0);
  EXPECT_LE(widest_line(world.out.str()), 80u);
  World whole;
  EXPECT_EQ(whole.run({"providers", "list"}), 0);
  EXPECT_GT(widest_line(whole.out.str()), 80u);
  EXPECT_THAT(whole.out.str(), Not(HasSubstr("…")));
}

}  // namespace
}  // namespace postern::cli::test
