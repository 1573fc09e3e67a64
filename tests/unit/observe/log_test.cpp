#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "proxy/observe/log_line.hpp"

namespace postern::observe {
namespace {

namespace json = boost::json;

std::string as_json(std::string_view text) {
  std::string out;
  append_json_text(out, text);
  return out;
}

TEST(LogText, survives_a_strict_json_parser_whatever_the_bytes) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += char(i);
  const auto value = json::parse(as_json(all));
  EXPECT_TRUE(value.as_string().starts_with(std::string_view("\0\1\2", 3)));
}

TEST(LogText, escapes_every_control_character_and_the_line_separators) {
  EXPECT_EQ(as_json("a\nb\r\t\x1b[31m\x7f"), R"("a\u000ab\u000d\u0009\u001b[31m\u007f")");
  EXPECT_EQ(as_json("\xc2\x9b"
                    "31m \xe2\x80\xa8"),
            R"("\u009b31m \u2028")");
  EXPECT_EQ(as_json(R"(say "hi" \o/)"), R"("say \"hi\" \\o/")");
}

TEST(LogText, replaces_invalid_utf8_and_keeps_valid) {
  EXPECT_EQ(as_json("gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91"), "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91\"");
  EXPECT_EQ(as_json("\xc0\xaf"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                  // overlong
  EXPECT_EQ(as_json("\xed\xa0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // surrogate
  EXPECT_EQ(as_json("x\xe2\x82"), "\"x\xEF\xBF\xBD\xEF\xBF\xBD\"");                // cut short
}

TEST(LogText, is_cut_at_256_bytes_between_characters) {
  EXPECT_EQ(as_json(std::string(300, 'a')).size(), 258u);
  std::string tail(255, 'a');
  tail += "\xe2\x82\xac\xe2\x82\xac";
  EXPECT_EQ(as_json(tail), '"' + std::string(255, 'a') + '"');
}

TEST(LogLine, is_one_json_object_with_time_level_and_event) {
  std::string line;
  append_event_line(line, 1'700'000'000'123, Level::warn, "store-read-only", "disk\nfull", {{"state", "/x"}});
  const auto object = json::parse(line).as_object();
  EXPECT_EQ(object.at("time"), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(object.at("level"), "warn");
  EXPECT_EQ(object.at("event"), "store-read-only");
  EXPECT_EQ(object.at("detail"), "disk\nfull");
  EXPECT_EQ(object.at("state"), "/x");
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(AccessLine, never_holds_the_query) {
  std::string line;
  Access access;
  access.request_id = "req_1";
  access.method = "GET";
  access.host = "api.example.com";
  access.port = 443;
  access.path = "/v1/x?api_key=canary";
  access.status = 200;
  append_access_line(line, 0, access);
  const auto object = json::parse(line).as_object();
  EXPECT_EQ(object.at("path"), "/v1/x");
  EXPECT_EQ(object.at("status"), 200);
  EXPECT_EQ(object.at("time"), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(line.find("canary"), std::string::npos);
}

TEST(AccessLine, names_the_run_where_there_is_one) {
  Access access;
  std::string plain, line;
  append_access_line(plain, 0, access);
  EXPECT_FALSE(json::parse(plain).as_object().contains("run"));
  access.run = "nightly \"7\"";
  append_access_line(line, 0, access);
  EXPECT_EQ(json::parse(line).at("run"), "nightly \"7\"");
}

TEST(AccessLine, says_what_a_tunnel_became) {
  Access access;
  std::string plain, line;
  append_access_line(plain, 0, access);
  EXPECT_FALSE(json::parse(plain).as_object().contains("tunnel"));
  access.tunnel = "passed";
  append_access_line(line, 0, access);
  EXPECT_EQ(json::parse(line).at("tunnel"), "passed");
}

TEST(AccessLine, has_room_for_the_longest_of_everything) {
  const std::string longest(kMaxLogText, '\x01');
  Access access;
  for (auto* text : {&access.request_id, &access.authorization, &access.run, &access.connection, &access.method,
                     &access.host, &access.path, &access.code, &access.tunnel})
    *text = longest;
  std::string line;
  append_access_line(line, 0, access);
  EXPECT_GT(line.size(), 9 * 6 * kMaxLogText);
  EXPECT_TRUE(json::parse(line).is_object());
}

TEST(Logs, are_silent_before_start_and_below_their_level) {
  EXPECT_FALSE(log_enabled(Level::error));
  start_logs("warn", false);
  EXPECT_FALSE(log_enabled(Level::info));
  EXPECT_TRUE(log_enabled(Level::warn));
  flush_logs();
  EXPECT_FALSE(log_enabled(Level::error));
}

// Standard error is swapped for a pipe: what was logged is there, whole, after flush_logs.
TEST(Logs, write_every_line_before_the_flush_returns) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  start_logs("info", true);
  for (int i = 0; i < 100; ++i) log_event(Level::info, "tick", "");
  EXPECT_TRUE(log_access(Access{}));  // kept back on this thread until it is handed over
  hand_over_access_lines();
  flush_logs();
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  std::string text(64 * 1024, '\0');
  const ssize_t n = ::read(ends[0], text.data(), text.size());
  ::close(ends[0]);
  ::close(ends[1]);
  ASSERT_GT(n, 0);
  text.resize(std::size_t(n));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 101);
}

}  // namespace
}  // namespace postern::observe
