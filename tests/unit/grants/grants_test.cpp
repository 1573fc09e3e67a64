#include "proxy/grants/grant.hpp"

#include <fstream>
#include <sstream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "proxy/grants/authorization_code.hpp"
#include "proxy/grants/device_code.hpp"
#include "proxy/grants/jwt.hpp"
#include "proxy/grants/revoke.hpp"
#include "tests/source_dir.hpp"
#include "tests/unit/grants/support.hpp"

namespace postern::grants::test {
namespace {

std::string rsa_key() {
  std::ifstream in(std::string(POSTERN_SOURCE_DIR) + "/tests/golden/grants/jws.json");
  std::stringstream text;
  text << in.rdbuf();
  return std::string(boost::json::parse(text.str()).at("rs256").at("key").as_string());
}
const std::string kBody = "token: {url: https://login.example.com/token, client_auth: body}\n    ";

class Grants : public testing::Test {
 public:
  Asking asking(const config::OAuth& entry) { return Asking{entry, values, kNow / 1000, "jti-1"}; }
  Values values = client();
  vault::Secret refresh{"RT/1"}, access{"AT 1"};
};

// --- refresh_token ---------------------------------------------------------------------------------------------------
TEST_F(Grants, refresh_sends_the_refresh_token) {
  const auto entry = oauth(kBody +
                           "refresh: {scope: true, headers: {X-R: r}}\n    authorize: {url: https://a.example.com, "
                           "scope_separator: \",\"}");
  const Asking a = asking(entry);
  const auto made = refresh_token(Renewal{a, {"a", "b"}, &refresh, &access});
  EXPECT_EQ(body(made),
            "grant_type=refresh_token&refresh_token=RT%2F1&scope=a%2Cb&client_id=my+id&client_secret="
            "s3cret%2F%2B%3A%25");
  EXPECT_EQ(header(*made, "X-R"), "r");
  EXPECT_EQ(error(refresh_token(Renewal{a, {}, nullptr, &access})), "the value 'refreshToken' is missing");
}

TEST_F(Grants, refresh_may_go_elsewhere_with_the_access_token) {
  // Facebook, https://developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived
  const auto entry = oauth(
      "token: {url: https://graph.example.com/access_token, method: GET, client_auth: body}\n    "
      "refresh: {url: https://graph.example.com/v2, token: access_token, token_param: fb_exchange_token, "
      "params: {grant_type: fb_exchange_token}}");
  const Asking a = asking(entry);
  const auto made = refresh_token(Renewal{a, {"ignored"}, nullptr, &access});
  EXPECT_EQ(made->describe(), "GET https://graph.example.com/v2");
  EXPECT_EQ(query(made),
            "fb_exchange_token=AT%201&client_id=my%20id&client_secret=s3cret%2F%2B%3A%25&"
            "grant_type=fb_exchange_token");
}

// --- the others ------------------------------------------------------------------------------------------------------
TEST_F(Grants, client_credentials_sends_scopes_if_there_are_any) {
  const auto entry = oauth("title: x", "OAUTH2_CLIENT_CREDENTIALS");
  const Asking a = asking(entry);
  EXPECT_EQ(body(client_credentials(Renewal{a, {"x", "y"}})), "grant_type=client_credentials&scope=x+y");
  EXPECT_EQ(body(client_credentials(Renewal{a, {}})), "grant_type=client_credentials");
}

TEST_F(Grants, private_key_jwt_signs_for_the_client) {
  const auto entry =
      oauth("token: {url: https://login.example.com/token, client_auth: private_key_jwt}", "OAUTH2_CLIENT_CREDENTIALS");
  values.set("privateKey", vault::Secret(rsa_key()));
  const Asking a = asking(entry);
  const std::string text = body(client_credentials(Renewal{a, {}}));
  const std::string before =
      "grant_type=client_credentials&client_id=my+id&client_assertion_type="
      "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=";
  ASSERT_EQ(text.substr(0, before.size()), before);
  const auto claims = read_claims(text.substr(before.size()));
  EXPECT_EQ(claims->at("iss").as_string(), "my id");
  EXPECT_EQ(claims->at("sub").as_string(), "my id");
  EXPECT_EQ(claims->at("aud").as_string(), "https://login.example.com/token");
  EXPECT_EQ(claims->at("jti").as_string(), "jti-1");
}

TEST_F(Grants, jwt_bearer_sends_its_assertion) {
  const std::string fields = "fields: {privateKey: }\n    assertion: {issuer: robot, ";
  values.set("privateKey", vault::Secret(rsa_key()));
  const auto plain = oauth(fields + "audience: https://aud}", "JWT_BEARER");
  const Asking a = asking(plain);
  const std::string text = body(jwt_bearer(Renewal{a, {"s"}}));
  const std::string before = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
  ASSERT_EQ(text.substr(0, before.size()), before);
  EXPECT_EQ(
      read_claims(text.substr(before.size(), text.find('&', before.size()) - before.size()))->at("aud").as_string(),
      "https://aud");
  EXPECT_TRUE(text.ends_with("&scope=s&client_id=my+id"));
  const auto claimed = oauth(fields + "claims: {scope: s}}", "JWT_BEARER");  // Google: the scope is a claim
  const Asking b = asking(claimed);
  EXPECT_EQ(body(jwt_bearer(Renewal{b, {"s"}})).find("&scope="), std::string::npos);
}

TEST_F(Grants, two_step_sends_what_the_entry_says_and_nothing_else) {
  const auto entry = oauth(
      "token: {url: \"https://${tenant}.example.com/login\", encoding: json, params: {/auth/user: \"${user}\", "
      "/auth/pass: "
      "\"${pass}\"}}\n    fields: {user: {secret: false}, pass: }",
      "TWO_STEP");
  Values login;
  login.set_plain("tenant", "acme");
  login.set_plain("user", "u");
  login.set("pass", vault::Secret("p\"1"));
  const Asking a{entry, login, 0, ""};
  const auto made = two_step(Renewal{a});
  EXPECT_EQ(made->describe(), "POST https://acme.example.com/login");
  EXPECT_EQ(body(made), R"({"auth":{"pass":"p\"1","user":"u"}})");
  EXPECT_EQ(header(*made, "Authorization"), "(none)");
}

TEST_F(Grants, github_app_logs_in_with_its_own_token) {
  const auto entry = oauth(
      "token: {url: \"https://api.example.com/app/installations/${installationId}/access_tokens\", encoding: json, "
      "headers: "
      "{Accept: application/vnd.github+json}}\n    answer: {access_token: token, expires: {at: expires_at}}",
      "GITHUB_APP");
  Values app;
  app.set_plain("appId", "12");
  app.set_plain("installationId", "34");
  app.set("privateKey", vault::Secret(rsa_key()));
  const Asking a{entry, app, 1'000, "unused"};
  const auto made = github_app(Renewal{a});
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(made->describe(), "POST https://api.example.com/app/installations/34/access_tokens");
  EXPECT_EQ(body(made), "{}");
  const std::string bearer = header(*made, "Authorization");
  ASSERT_EQ(bearer.substr(0, 7), "Bearer ");
  EXPECT_EQ(boost::json::serialize(*read_claims(bearer.substr(7))), R"({"exp":1540,"iat":940,"iss":"12"})");
  // https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
  const auto got = read(entry.answer, reply(R"({"token":"ghs_example",)"
                                            R"("expires_at":"2027-01-15T09:00:00Z","permissions":{"issues":"write"}})",
                                            201));
  EXPECT_EQ(got->access_token.expose(), "ghs_example");
  EXPECT_EQ(got->lifetime_ms, 3'599'800);
}

TEST_F(Grants, token_exchange_names_its_tokens) {
  // RFC 8693 section 2.3
  const auto entry = oauth(
      "token: {url: https://login.example.com/token, client_auth: basic, params: {resource: "
      "https://backend.example.com/api}}\n"
      "    fields: {subject: , actor: {required: false}}\n"
      "    exchange: {subject_token: \"${subject}\", actor_token: \"${actor}\", requested_token_type: "
      "\"urn:ietf:params:oauth:token-type:jwt\"}",
      "OAUTH2_CLIENT_CREDENTIALS");
  values.set("subject", vault::Secret("accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC"));
  values.set("actor", vault::Secret(""));
  const Asking a = asking(entry);
  EXPECT_EQ(body(token_exchange(Renewal{a, {}})),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&"
            "subject_token=accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC&"
            "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&"
            "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&"
            "resource=https%3A%2F%2Fbackend.example.com%2Fapi");
  EXPECT_EQ(grant_of("OAUTH2_CLIENT_CREDENTIALS", entry)->name, "token_exchange");
}

TEST(GrantRegistry, knows_what_renews_each_type) {
  const config::OAuth plain;
  EXPECT_EQ(grant_of("OAUTH2", plain)->name, "refresh_token");
  EXPECT_TRUE(grant_of("OAUTH2", plain)->spends_refresh_token);
  EXPECT_EQ(grant_of("OAUTH2_CLIENT_CREDENTIALS", plain)->name, "client_credentials");
  EXPECT_EQ(grant_of("API_KEY", plain), nullptr);
  EXPECT_EQ(find_grant("no_such_grant"), nullptr);
  for (const std::string& type : config::oauth_types()) EXPECT_NE(grant_of(type, plain), nullptr) << type;
}

TEST(GrantRegistry, serves_every_shipped_entry) {
  const auto catalog = config::Catalog::load({});
  ASSERT_TRUE(catalog);
  for (const std::string& id : (*catalog)->ids())
    for (const auto& [name, auth] : (*catalog)->find(id)->auth)
      EXPECT_EQ(auth.oauth.has_value(), auth.oauth && grant_of(auth.type, *auth.oauth) != nullptr) << id << " " << name;
}

// --- authorization_code ----------------------------------------------------------------------------------------------
TEST(Pkce, makes_the_challenge_of_rfc_7636_appendix_b) {
  const char bytes[] = {116, 24,        char(223), char(180), char(151), char(153), char(224), 37,
                        79,  char(250), 96,        125,       char(216), char(173), char(187), char(186),
                        22,  char(212), 37,        77,        105,       char(214), char(191), char(240),
                        91,  88,        5,         88,        83,        char(132), char(141), 121};
  const vault::Secret verifier = pkce_verifier({bytes, sizeof bytes});
  EXPECT_EQ(verifier.expose(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
  EXPECT_EQ(pkce_challenge(verifier.expose()), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

TEST_F(Grants, code_flow_starts_with_a_link_that_holds_no_secret) {
  const auto entry =
      oauth("authorize: {url: https://login.example.com/authorize, params: {access_type: offline, prompt: \"\"}}");
  const Asking a = asking(entry);
  const auto url = authorize_url({a,
                                  "http://127.0.0.1:8481/oauth/callback",
                                  "st&te",
                                  "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
                                  {"read", "write"}});
  EXPECT_EQ(
      *url,
      "https://login.example.com/authorize?response_type=code&client_id=my%20id&redirect_uri="
      "http%3A%2F%2F127.0.0.1%3A8481%2Foauth%2Fcallback&scope=read%20write&state=st%26te&"
      "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&access_type=offline");
  EXPECT_EQ(authorize_url({a, "u", "s", ""}).error().text, "the value 'verifier' is missing");
  const auto without = oauth(
      "token: {url: https://login.example.com/token, client_id_param: client_key}\n    "
      "authorize: {url: https://login.example.com/a, pkce: none, scope_param: user_scope}");
  const Asking b = asking(without);
  EXPECT_EQ(*authorize_url({b, "u", "s", "", {"x"}}),
            "https://login.example.com/a?response_type=code&client_key=my%20id&redirect_uri=u&user_scope=x&state=s");
  const std::string basic = body(exchange_code(b, vault::Secret("c"), "u", vault::Secret()));
  EXPECT_EQ(basic, "grant_type=authorization_code&code=c&redirect_uri=u");
}

TEST_F(Grants, code_is_exchanged_with_its_verifier) {
  const auto entry = oauth("authorize: {url: https://login.example.com/a}");
  const Asking a = asking(entry);
  EXPECT_EQ(body(exchange_code(a, vault::Secret("Splx/lOBe"), "https://p/cb", vault::Secret("ver"))),
            "grant_type=authorization_code&code=Splx%2FlOBe&redirect_uri=https%3A%2F%2Fp%2Fcb&code_verifier=ver");
  EXPECT_EQ(error(exchange_code(a, vault::Secret("c"), "u", vault::Secret())), "the value 'verifier' is missing");
}

TEST(Callback, must_belong_to_its_link_and_issuer) {
  const auto judge = [](Callback c, std::string_view issuer = "") {
    const auto code = judge_callback(c, {"state1", issuer});
    return code ? "code " + std::string(code->expose())
                : std::string(to_string(code.error().kind)) + " " + code.error().code;
  };
  EXPECT_EQ(judge({"state1", "abc", "", "", ""}), "code abc");
  EXPECT_EQ(judge({"other", "abc", "", "", ""}), "request state");
  EXPECT_EQ(judge({"", "abc", "", "", ""}), "request state");
  EXPECT_EQ(judge({"state1", "", "", "", ""}), "request code");
  EXPECT_EQ(judge({"state1", "", "access_denied", "no", ""}), "denied access_denied");
  EXPECT_EQ(judge({"state1", "abc", "server_error", "", ""}), "request server_error");
  EXPECT_EQ(judge({"state1", "", "<script>", "", ""}), "request ");
  EXPECT_EQ(judge({"state1", "abc", "", "", "https://evil"}, "https://good"), "request iss");
  EXPECT_EQ(judge({"state1", "abc", "", "", "https://good"}, "https://good"), "code abc");
  EXPECT_EQ(judge({"state1", "abc", "", "", ""}, "https://good"), "code abc");
}

// --- device_code -----------------------------------------------------------------------------------------------------
TEST_F(Grants, device_flow_asks_shows_and_polls) {
  const auto entry = oauth(
      "token: {url: https://login.example.com/token, client_auth: none}\n    device: {url: "
      "https://login.example.com/device}");
  const Asking a = asking(entry);
  EXPECT_EQ(body(device_request(Renewal{a, {"x"}})), "scope=x&client_id=my+id");
  // RFC 8628 section 3.2
  const auto login =
      read_device_answer({entry.answer, kNow, kNow},
                         reply(R"({"device_code":"GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS","user_code":"WDJB-MJHT",)"
                               R"("verification_uri":"https://example.com/device","verification_uri_complete":)"
                               R"("https://example.com/device?user_code=WDJB-MJHT","expires_in":1800,"interval":7})"));
  ASSERT_TRUE(login) << login.error().text;
  EXPECT_EQ(login->user_code, "WDJB-MJHT");
  EXPECT_EQ(login->verification_uri, "https://example.com/device");
  EXPECT_EQ(login->expires_in, std::chrono::minutes(30));
  EXPECT_EQ(login->interval, std::chrono::seconds(7));
  EXPECT_EQ(body(device_token_request(a, login->device_code)),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code="
            "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS&client_id=my+id");
  const auto google = read_device_answer(
      {entry.answer, 0, 0}, reply(R"({"device_code":"d","user_code":"u","verification_url":"https://g"})"));
  EXPECT_EQ(google->verification_uri, "https://g");
  EXPECT_EQ(google->interval, std::chrono::seconds(5));
  for (const char* bad : {R"({"device_code":"d","user_code":"u","verification_uri":"javascript:x"})",
                          R"({"device_code":"d","verification_uri":"https://g"})",
                          R"({"device_code":"d","user_code":"a\u0007","verification_uri":"https://g"})", "{}"})
    EXPECT_FALSE(read_device_answer({entry.answer, 0, 0}, reply(bad))) << bad;
}

TEST(DevicePoll, waits_as_it_is_told) {
  using std::chrono::seconds;
  const auto next = [](Failure::Kind kind) { return next_poll(Failure{kind, 400, "", "", std::nullopt}, seconds(5)); };
  EXPECT_EQ(next(Failure::Kind::pending), seconds(5));
  EXPECT_EQ(next(Failure::Kind::slow_down), seconds(10));
  EXPECT_EQ(next(Failure::Kind::transient), seconds(10));
  EXPECT_EQ(next(Failure::Kind::denied), std::nullopt);
  EXPECT_EQ(next(Failure::Kind::rejected), std::nullopt);
}

// --- revoke and introspect -------------------------------------------------------------------------------------------
TEST_F(Grants, revoke_asks_as_the_entry_says) {
  const auto standard = oauth("revoke: {url: https://login.example.com/revoke}");
  const Asking a = asking(standard);
  EXPECT_EQ(body(revoke_request(a, config::WhichToken::refresh, refresh)),
            "token=RT%2F1&token_type_hint=refresh_token");
  // GitHub, https://docs.github.com/rest/apps/oauth-applications#delete-an-app-token
  const auto github = oauth(
      "revoke: {url: \"https://api.example.com/applications/${clientId}/token\", method: DELETE, encoding: json, "
      "token: access_token, token_param: access_token, expect: 204}");
  const Asking b = asking(github);
  const auto made = revoke_request(b, config::WhichToken::access, access);
  EXPECT_EQ(made->describe(), "DELETE https://api.example.com/applications/my%20id/token");
  EXPECT_EQ(body(made), R"({"access_token":"AT 1"})");
  EXPECT_EQ(header(*made, "Authorization").substr(0, 6), "Basic ");
  const auto outcome = [&](const Asking& by, TokenReply got) {
    const auto failed = read_revoke_answer(by, {by.oauth.answer, kNow, kNow}, got);
    return failed ? std::string(to_string(failed->kind)) : "revoked";
  };
  EXPECT_EQ(outcome(b, reply("", 204)), "revoked");
  EXPECT_EQ(outcome(a, reply("", 200)), "revoked");
  EXPECT_EQ(outcome(a, reply("{}", 200)), "revoked");
  EXPECT_EQ(outcome(a, reply(R"({"error":"invalid_token"})", 400)), "revoked");
  EXPECT_EQ(outcome(a, reply(R"({"error":"unsupported_token_type"})", 400)), "request");
  EXPECT_EQ(outcome(a, reply("", 503)), "transient");
  EXPECT_EQ(outcome(a, reply("", 404)), "malformed");
  EXPECT_EQ(error(revoke_request(asking(oauth()), config::WhichToken::access, access)),
            "the value 'revoke' is missing");
}

TEST_F(Grants, introspection_says_whether_a_token_is_alive) {
  const auto entry = oauth("introspect: {url: https://login.example.com/introspect}");
  const Asking a = asking(entry);
  EXPECT_EQ(body(introspect_request(a, access)), "token=AT+1");
  EXPECT_EQ(read_introspection({entry.answer, 0, 0}, reply(R"({"active":true})")), true);
  EXPECT_EQ(read_introspection({entry.answer, 0, 0}, reply(R"({"active":false})")), false);
  EXPECT_FALSE(read_introspection({entry.answer, 0, 0}, reply("{}")));
}

}  // namespace
}  // namespace postern::grants::test
