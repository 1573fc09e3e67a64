#include "proxy/grants/token_answer.hpp"

#include <fmt/format.h>

#include "config/encoding.hpp"
#include "tests/unit/grants/support.hpp"

namespace postern::grants::test {
namespace {

config::OAuthAnswer answer(const std::string& keys = "") {
  return keys.empty() ? config::OAuthAnswer{} : oauth("answer: {" + keys + "}").answer;
}
std::string access(const std::expected<Tokens, Failure>& read) {
  return read ? std::string(read->access_token.expose()) : "failure: " + read.error().text;
}
// The lifetime in seconds, "-" if the answer told none.
std::string lifetime(const std::string& members, const std::string& keys = "", const std::string& token = "T",
                     std::vector<std::pair<std::string, std::string>> headers = {}) {
  const auto got = read(answer(keys), reply("{\"access_token\":\"" + token + "\"" + members + "}", 200, headers));
  if (!got) return "failure: " + got.error().text;
  return got->lifetime_ms ? fmt::format("{}", static_cast<double>(*got->lifetime_ms) / 1000) : "-";
}
Failure failure(std::string_view text, int status = 400, const std::string& keys = "", const Values* values = nullptr,
                std::vector<std::pair<std::string, std::string>> headers = {}) {
  const auto got = read(answer(keys), reply(text, status, headers), values);
  EXPECT_FALSE(got) << text;
  return got ? Failure{} : got.error();
}

// --- where the tokens are --------------------------------------------------------------------------------------------
TEST(TokenAnswer, is_read_as_json_form_or_text) {
  // RFC 6749 section 5.1's example.
  const auto json =
      read(answer(), reply(R"({"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example",)"
                           R"("expires_in":3600,"refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","scope":"a b"})"));
  EXPECT_EQ(access(json), "2YotnFZFEjr1zCsicMWpAA");
  EXPECT_EQ(json->refresh_token.expose(), "tGzv3JOkF0XG5Qx2TlKWIA");
  EXPECT_EQ(json->token_type, "example");
  EXPECT_EQ(json->scope, "a b");
  EXPECT_EQ(json->lifetime_ms, 3'600'000);
  const auto form = read(answer(), reply("access_token=a%2Bb&scope=x+y&expires_in=60&token_type=bearer", 200,
                                         {{"Content-Type", "application/x-www-form-urlencoded"}}));
  EXPECT_EQ(access(form), "a+b");
  EXPECT_EQ(form->scope, "x y");
  EXPECT_EQ(form->lifetime_ms, 60'000);
  // What it is decides, not what it is called.
  EXPECT_EQ(access(read(answer(), reply("access_token=abc", 200, {{"content-type", "text/plain"}}))), "abc");
  EXPECT_EQ(
      access(read(answer(), reply("\xef\xbb\xbf {\"access_token\":\"x\"}\n", 200, {{"content-type", "text/html"}}))),
      "x");
  EXPECT_EQ(access(read(answer("format: text"), reply("opaque-token\r\n"))), "opaque-token");
  EXPECT_EQ(access(read(answer("format: text"), reply("\"quoted\""))), "quoted");
  EXPECT_EQ(access(read(answer("format: json"), reply("access_token=x"))),
            "failure: the token endpoint answered 200 without anything that can be read");
}

TEST(TokenAnswer, never_takes_a_page_for_a_token) {
  for (const char* page :
       {"<html><body>Sign in</body></html>", "{\"error\":\"x\"}", "", "   ", "Service unavailable"}) {
    const auto got = read(answer("format: text"), reply(page));
    EXPECT_FALSE(got) << page;
    EXPECT_FALSE(read(answer(), reply(page))) << page;
  }
  EXPECT_EQ(failure("<html>", 200).kind, Failure::Kind::malformed);
  EXPECT_EQ(failure("{\"access_token\":", 200).kind, Failure::Kind::malformed);
  EXPECT_EQ(failure("{\"access_token\":null}", 200).text, "the token endpoint answered 200 without 'access_token'");
  EXPECT_EQ(failure("{\"access_token\":{\"a\":1}}", 200).kind, Failure::Kind::malformed);
  EXPECT_EQ(failure("{\"access_token\":\"\"}", 200).kind, Failure::Kind::malformed);
}

TEST(TokenAnswer, finds_tokens_under_other_names_nested_and_in_the_head) {
  EXPECT_EQ(access(read(answer("access_token: token"), reply(R"({"token":"t1"})"))), "t1");
  EXPECT_EQ(
      access(read(answer("access_token: /data/tokens/0/value"), reply(R"({"data":{"tokens":[{"value":"t2"}]}})"))),
      "t2");
  EXPECT_EQ(access(read(answer("access_token: /a~1b"), reply(R"({"a/b":"t3"})"))), "t3");
  EXPECT_EQ(
      access(read(answer("access_token: \"header:X-Subject-Token\""), reply("{}", 201, {{"x-subject-token", "t4"}}))),
      "t4");
  EXPECT_EQ(access(read(answer("access_token: \"cookie:sid\""),
                        reply("", 204, {{"Set-Cookie", "a=b"}, {"set-cookie", "sid=t5; Path=/; HttpOnly"}}))),
            "t5");
  EXPECT_EQ(access(read(answer("access_token: session"), reply(R"({"session":12345})"))), "12345");
}

TEST(TokenAnswer, may_bring_two_tokens) {
  // Slack, https://api.slack.com/methods/oauth.v2.access
  const auto got = read(answer("more: {userToken: /authed_user/access_token}, account: /team/id"),
                        reply(R"({"ok":true,"access_token":"xoxb-1","token_type":"bot","team":{"id":"T9TK3CUKW"},)"
                              R"("authed_user":{"id":"U1234","access_token":"xoxp-2"}})"));
  EXPECT_EQ(access(got), "xoxb-1");
  EXPECT_EQ(got->more.at("userToken").expose(), "xoxp-2");
  EXPECT_EQ(got->account, "T9TK3CUKW");
  EXPECT_TRUE(
      read(answer("more: {userToken: /authed_user/access_token}"), reply(R"({"access_token":"x"})"))->more.empty());
}

TEST(TokenAnswer, refuses_tokens_that_no_header_can_carry) {
  for (const char* bad : {R"(a\r\nX: y)", R"(a\nb)", R"(a\u0000b)", R"(\u007f)", R"( a)", R"(a )", R"(é)"}) {
    for (const char* member : {"access_token", "refresh_token", "id_token"}) {
      const std::string first = std::string(member) == "access_token" ? "" : "\"access_token\":\"ok\",";
      const auto got = read(answer(), reply("{" + first + "\"" + member + "\":\"" + bad + "\"}"));
      ASSERT_FALSE(got) << member << " " << bad;
      EXPECT_EQ(got.error().kind, Failure::Kind::malformed);
      EXPECT_EQ(got.error().text, "the token endpoint's answer holds a token that no header field can carry");
    }
  }
  EXPECT_FALSE(read(answer(), reply("{\"access_token\":\"" + std::string(kMaxToken + 1, 'a') + "\"}")));
  EXPECT_TRUE(read(answer(), reply("{\"access_token\":\"" + std::string(kMaxToken, 'a') + "\"}")));
}

TEST(TokenAnswer, has_a_largest_size) {
  const std::string fill(kMaxAnswer, ' ');
  EXPECT_EQ(failure("{\"access_token\":\"x\"}" + fill, 200).text, "the token endpoint's answer is too large");
}

// --- lifetimes -------------------------------------------------------------------------------------------------------
TEST(TokenLifetime, is_told_in_many_ways) {
  EXPECT_EQ(lifetime(R"(,"expires_in":3600)"), "3600");
  EXPECT_EQ(lifetime(R"(,"expires_in":"3600")"), "3600");
  EXPECT_EQ(lifetime(R"(,"expires_in":3599.5)"), "3599.5");
  EXPECT_EQ(lifetime(R"(,"expires_in":"3599.5")"), "3599.5");
  EXPECT_EQ(lifetime(R"(,"expires_in":3.6e3)"), "3600");
  EXPECT_EQ(lifetime(R"(,"expires_in":3600000)", "expires: {in: expires_in, unit: ms}"), "3600");
  EXPECT_EQ(lifetime(R"(,"expires_in":"1h30m")"), "5400");
  EXPECT_EQ(lifetime(R"(,"expires_in":"3600s")"), "3600");
  EXPECT_EQ(lifetime(R"(,"expires_in":"2 hours")"), "7200");
  EXPECT_EQ(lifetime(R"(,"expires_in":"PT1H")"), "3600");
  EXPECT_EQ(lifetime(R"(,"ttl":60)", "expires: {in: ttl}"), "60");
}

TEST(TokenLifetime, is_not_known_when_it_is_absent_zero_negative_or_nonsense) {
  for (const char* nothing : {"", R"(,"expires_in":0)", R"(,"expires_in":"0")", R"(,"expires_in":-1)",
                              R"(,"expires_in":null)", R"(,"expires_in":"never")", R"(,"expires_in":[1])",
                              R"(,"expires_in":"")", R"(,"expires_in":1e300)", R"(,"expires_at":0)"}) {
    EXPECT_EQ(lifetime(nothing), "-") << nothing;
    EXPECT_EQ(lifetime(nothing, "default_lifetime: 2h"), "7200") << nothing;
  }
  EXPECT_EQ(lifetime(R"(,"expires_in":9000000000)"), "315360000");  // ten years are for ever
}

TEST(TokenLifetime, may_be_a_point_in_time) {
  EXPECT_EQ(lifetime(fmt::format(R"(,"expires_at":{})", kNow / 1000 + 600)), "599.8");  // received 200 ms later
  EXPECT_EQ(lifetime(fmt::format(R"(,"expires_at":"{}")", kNow / 1000 + 600)), "599.8");
  EXPECT_EQ(lifetime(fmt::format(R"(,"expires_at":{})", kNow + 600'000)), "599.8");
  EXPECT_EQ(lifetime(fmt::format(R"(,"end":{})", kNow + 600'000), "expires: {at: end, unit: ms}"), "599.8");
  EXPECT_EQ(lifetime(R"(,"expires_at":"2027-01-15T09:00:00Z")"), "3599.8");
  EXPECT_EQ(lifetime(R"(,"expires_at":"2027-01-15T10:00:00.5+01:00")"), "3600.3");
  EXPECT_EQ(lifetime(R"(,"expires_at":"2027-01-15 09:00:00")"), "3599.8");
  EXPECT_EQ(lifetime(R"(,"expires_at":"2027-01-15T09:00:00Z")", "expires: {at: expires_at, unit: iso}"), "3599.8");
  EXPECT_EQ(lifetime(R"(,"expires_at":"2020-01-15T09:00:00Z")"), "-");  // long over: says nothing about a new token
}

TEST(TokenLifetime, is_read_from_a_jwt_when_nothing_else_says_it) {
  const std::string jwt =
      "eyJhbGciOiJub25lIn0." + config::encode_base64url(fmt::format(R"({{"exp":{}}})", kNow / 1000 + 900)) + ".c2ln";
  EXPECT_EQ(lifetime("", "", jwt), "899.8");
  EXPECT_EQ(lifetime("", "default_lifetime: 2h", jwt), "899.8");
  EXPECT_EQ(lifetime(R"(,"expires_in":60)", "", jwt), "60");
  EXPECT_EQ(lifetime("", "", "eyJhbGciOiJub25lIn0.e30.c2ln"), "-");
  EXPECT_EQ(lifetime("", "", "a.b.c"), "-");
  EXPECT_EQ(lifetime("", "", "a.b.c.d.e"), "-");
}

TEST(TokenLifetime, is_measured_on_the_endpoints_clock) {
  // Its clock is an hour behind ours: 08:00 here, 07:00 there.
  const std::vector<std::pair<std::string, std::string>> behind{{"Date", "Fri, 15 Jan 2027 07:00:00 GMT"}};
  EXPECT_EQ(lifetime(R"(,"expires_at":"2027-01-15T07:10:00Z")", "", "T", behind), "600");
  EXPECT_EQ(lifetime(R"(,"expires_in":600)", "", "T", behind), "600");
  const auto got = read(answer(), reply(R"({"access_token":"T"})", 200, {{"date", "Fri, 15 Jan 2027 07:00:00 GMT"}}));
  EXPECT_EQ(got->skew_ms, -3'600'000);
  // A clock that is years off is no clock.
  const std::vector<std::pair<std::string, std::string>> broken{{"Date", "Thu, 01 Jan 1970 00:00:00 GMT"}};
  EXPECT_EQ(lifetime(R"(,"expires_at":"2027-01-15T08:10:00Z")", "", "T", broken), "599.8");
  EXPECT_EQ(lifetime(R"(,"expires_in":600)", "", "T", {{"Date", "yesterday"}}), "600");
}

TEST(TokenLifetime, of_a_refresh_token_is_read_where_the_entry_says) {
  const auto got = read(answer("refresh_expires: {in: refresh_token_expires_in}"),
                        reply(R"({"access_token":"a","refresh_token":"r","refresh_token_expires_in":15897600})"));
  EXPECT_EQ(got->refresh_lifetime_ms, 15'897'600'000);
}

// --- the refresh token -----------------------------------------------------------------------------------------------
TEST(RefreshToken, is_rotated_repeated_or_kept_and_never_lost) {
  const vault::Secret sent("old");
  const auto next = [&](const std::string& member) {
    const auto got = read(answer(), reply("{\"access_token\":\"a\"" + member + "}"));
    EXPECT_TRUE(got) << member;
    const NextRefreshToken kept = next_refresh_token(sent, *got);
    return std::string(kept.token.expose()) + (kept.rotated ? " rotated" : "");
  };
  EXPECT_EQ(next(R"(,"refresh_token":"new")"), "new rotated");
  EXPECT_EQ(next(R"(,"refresh_token":"old")"), "old");
  EXPECT_EQ(next(""), "old");
  EXPECT_EQ(next(R"(,"refresh_token":"")"), "old");
  EXPECT_EQ(next(R"(,"refresh_token":null)"), "old");
}

// --- refusals --------------------------------------------------------------------------------------------------------
TEST(TokenFailure, says_whose_fault_it_is) {
  using Kind = Failure::Kind;
  const auto kind = [](const std::string& code, int status = 400) {
    return failure("{\"error\":\"" + code + "\"}", status).kind;
  };
  EXPECT_EQ(kind("invalid_grant"), Kind::rejected);
  EXPECT_EQ(kind("invalid_client", 401), Kind::client);
  EXPECT_EQ(kind("unauthorized_client"), Kind::client);
  EXPECT_EQ(kind("invalid_scope"), Kind::request);
  EXPECT_EQ(kind("unsupported_grant_type"), Kind::request);
  EXPECT_EQ(kind("invalid_request"), Kind::request);
  EXPECT_EQ(kind("authorization_pending"), Kind::pending);
  EXPECT_EQ(kind("slow_down"), Kind::slow_down);
  EXPECT_EQ(kind("expired_token"), Kind::rejected);
  EXPECT_EQ(kind("access_denied"), Kind::denied);
  EXPECT_EQ(kind("temporarily_unavailable"), Kind::transient);
  // A server that is failing says "invalid_grant" for lack of a better word: no connection is lost by that.
  EXPECT_EQ(kind("invalid_grant", 503), Kind::transient);
  EXPECT_EQ(kind("invalid_grant", 429), Kind::transient);
  EXPECT_EQ(failure("", 500).kind, Kind::transient);
  EXPECT_EQ(failure("<html>blocked</html>", 403).kind, Kind::malformed);
  EXPECT_EQ(failure("", 400).kind, Kind::malformed);
  EXPECT_EQ(failure("", 401).kind, Kind::client);
  EXPECT_EQ(failure("error=invalid_grant&error_description=gone", 400).kind, Kind::rejected);
  const Failure redirect = failure("", 302);
  EXPECT_EQ(redirect.kind, Kind::malformed);
  EXPECT_EQ(redirect.text, "the token endpoint answered 302: a redirect, which is never followed");
}

TEST(TokenFailure, may_stand_inside_a_200) {
  // GitHub,
  // https://docs.github.com/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors
  const Failure form = failure("error=bad_verification_code&error_description=The+code+is+incorrect+or+expired.", 200);
  EXPECT_EQ(form.code, "bad_verification_code");
  EXPECT_EQ(form.text, "the token endpoint answered 200 bad_verification_code: The code is incorrect or expired.");
  // Slack, https://api.slack.com/methods/oauth.v2.access#errors
  const Failure slack =
      failure(R"({"ok":false,"error":"invalid_refresh_token"})", 200, "errors: {rejected: [invalid_refresh_token]}");
  EXPECT_EQ(slack.kind, Failure::Kind::rejected);
  const Failure own = failure(R"({"status":"failure","message":"no such user","access_token":"x"})", 200,
                              "errors: {when: [{at: status, is_not: success}]}");
  EXPECT_EQ(own.text, "the token endpoint answered 200: no such user");
  EXPECT_EQ(failure(R"({"ok":false,"access_token":"x"})", 200).status, 200);
  EXPECT_EQ(failure(R"({"errors":[],"access_token":"x"})", 200, "errors: {when: [{at: errors}]}").status, 200);
  EXPECT_TRUE(read(answer(), reply(R"({"access_token":"x","error":"","ok":true})")));
  EXPECT_TRUE(read(answer(), reply(R"({"access_token":"x","error":0})")));
  EXPECT_TRUE(read(answer(), reply(R"({"access_token":"x","error":null})")));
}

TEST(TokenFailure, reads_objects_where_a_code_should_be) {
  // Facebook, https://developers.facebook.com/docs/graph-api/guides/error-handling
  const Failure f = failure(
      R"({"error":{"message":"Error validating access token","type":"OAuthException","code":190,"fbtrace_id":"x"}})",
      400, "errors: {rejected: [OAuthException]}");
  EXPECT_EQ(f.code, "OAuthException");
  EXPECT_EQ(f.kind, Failure::Kind::rejected);
  EXPECT_EQ(f.text, "the token endpoint answered 400 OAuthException: Error validating access token");
  EXPECT_EQ(failure(R"({"errors":[{"code":"bad"}]})", 400, "errors: {code: /errors/0/code, client: [bad]}").kind,
            Failure::Kind::client);
}

TEST(TokenFailure, shows_no_secret_whatever_the_endpoint_writes) {
  Values values;
  values.set("refreshToken", vault::Secret("rt-12345"));
  values.set_plain("clientId", "my-client");
  const auto text = [&](const std::string& description, const std::string& code = "invalid_grant") {
    return failure("{\"error\":\"" + code + "\",\"error_description\":\"" + description + "\"}", 400, "", &values).text;
  };
  EXPECT_EQ(text("Token rt-12345 of my-client is not known"),
            "the token endpoint answered 400 invalid_grant: (a text that repeats a secret)");
  EXPECT_EQ(text("Client my-client unknown"),
            "the token endpoint answered 400 invalid_grant: Client my-client unknown");
  EXPECT_EQ(text("Token abcdefghijklmnopqrstuvwxyz0123456789 is bad"),
            "the token endpoint answered 400 invalid_grant: Token … is bad");
  EXPECT_EQ(text("a\\r\\nb\\u0007c\\u00e9"), "the token endpoint answered 400 invalid_grant: a b c");
  EXPECT_EQ(text("x", "rt-12345"), "the token endpoint answered 400: x");
  EXPECT_LE(text(std::string(5000, 'a') + " " + std::string(5000, ' ')).size(), 300U);
}

TEST(TokenFailure, tells_when_to_ask_again) {
  EXPECT_EQ(failure("", 429, "", nullptr, {{"Retry-After", "120"}}).retry_after_ms, 120'000);
  EXPECT_EQ(failure("", 503, "", nullptr, {{"retry-after", "Fri, 15 Jan 2027 08:01:00 GMT"}}).retry_after_ms, 59'800);
  EXPECT_EQ(failure("", 503, "", nullptr, {{"retry-after", "soon"}}).retry_after_ms, std::nullopt);
  EXPECT_EQ(failure("", 503, "", nullptr, {{"retry-after", "Thu, 01 Jan 2026 00:00:00 GMT"}}).retry_after_ms, 0);
}

}  // namespace
}  // namespace postern::grants::test
