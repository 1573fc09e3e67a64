// 20,000 damaged answers: whatever an endpoint sends, what is read of it keeps the room's promises.
#include <algorithm>
#include <random>

#include "tests/unit/grants/support.hpp"

namespace postern::grants::test {
namespace {

const std::vector<std::string>& seeds() {
  static const std::vector<std::string> all{
      R"({"access_token":"AT","expires_in":3600,"refresh_token":"RT","id_token":"a.e30.c","scope":"a b","ok":true})",
      R"({"data":{"token":"x","expires_at":"2027-01-15T10:00:00.5+01:00"},"error":{"code":5,"message":"m"}})",
      R"({"error":"invalid_grant","error_description":"Token sent-secret of client is gone"})",
      "access_token=a%2Bb&scope=x+y&expires_in=1h30m&token_type=bearer&error=",
      "error=slow_down&error_description=The+sent-secret&expires_at=1800000600",
      "opaque-token\r\n"};
  return all;
}

std::string damaged(std::mt19937& random) {
  std::string text = seeds()[random() % seeds().size()];
  for (unsigned change = random() % 6; change > 0 && !text.empty(); --change) {
    const std::size_t at = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, random() % 9);
        break;
      case 2:
        text.insert(at, text.substr(random() % text.size(), random() % 20));
        break;
      default:
        text.insert(at, 1, "\"\\{}[]:,=&%+-.e0\r\n"[random() % 18]);
    }
  }
  return text;
}

bool header_safe(std::string_view token) {
  return std::all_of(token.begin(), token.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

void check(const std::expected<Tokens, Failure>& got, const std::string& text) {
  if (got) {
    EXPECT_FALSE(got->access_token.empty()) << text;
    EXPECT_TRUE(header_safe(got->access_token.expose()) && header_safe(got->refresh_token.expose())) << text;
    EXPECT_TRUE(header_safe(got->scope) && header_safe(got->token_type)) << text;
    if (got->lifetime_ms) {
      EXPECT_TRUE(*got->lifetime_ms > 0 && *got->lifetime_ms <= 315'360'000'000) << text;
    }
    return;
  }
  EXPECT_FALSE(got.error().text.empty()) << text;
  EXPECT_EQ(got.error().text.find("sent-secret"), std::string::npos) << text;
  EXPECT_EQ(got.error().code.find("sent-secret"), std::string::npos) << text;
  EXPECT_LE(got.error().text.size(), 400U) << text;
  EXPECT_EQ(got.error().text.find_first_of("\r\n\t"), std::string::npos) << text;
}

TEST(DamagedAnswers, never_break_a_promise) {
  Values values;
  values.set("refreshToken", vault::Secret("sent-secret"));
  std::vector<config::OAuthAnswer> answers(3);
  answers[1].access_token = "/data/token";
  answers[1].expires.at = "/data/expires_at";
  answers[1].errors.when.push_back({"/error/code", "5", std::nullopt});
  answers[2].format = config::Format::text;
  std::mt19937 random(7);  // the same documents every time
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = damaged(random);
    const TokenReply got = reply(text, i % 3 == 0 ? 400 : 200, {{"Date", "Fri, 15 Jan 2027 08:00:00 GMT"}});
    check(read(answers[static_cast<std::size_t>(i) % answers.size()], got, &values), text);
  }
}

}  // namespace
}  // namespace postern::grants::test
