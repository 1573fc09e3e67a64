#include "config/oauth.hpp"

#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

constexpr std::string_view kToken = "    token: {url: https://a.example.com/token}\n";

std::string with_oauth(const std::string& lines, const std::string& type = "OAUTH2") {
  return "id: t\nhosts: [a.example.com]\nauth:\n  k:\n    type: " + type + "\n" + lines;
}
// One line after the token section, which stands on line 6.
std::string mistake_in(const std::string& line, const std::string& type = "OAUTH2") {
  return entry_mistake(with_oauth(std::string(kToken) + "    " + line + "\n", type));
}
std::string token_mistake(const std::string& rest) {
  return entry_mistake(with_oauth("    token: {url: https://a.example.com/t" + rest + "}\n"));
}
OAuth read(const std::string& lines, const std::string& type = "OAUTH2") {
  const Provider p = entry(with_oauth(lines, type));
  const auto found = p.auth.find("k");
  return found == p.auth.end() || !found->second.oauth ? OAuth{} : *found->second.oauth;
}

TEST(OAuthEntry, refuses_unknown_names_at_their_place) {
  EXPECT_EQ(mistake_in("authorize: {uri: https://a.b}"), "test.yaml:7:16: authorize needs a url");
  EXPECT_EQ(mistake_in("authorize: {url: https://a.example.com, pkse: none}"),
            "test.yaml:7:45: unknown key 'pkse', did you mean 'pkce'? (in authorize)");
  EXPECT_EQ(mistake_in("authorize: {url: https://a.example.com, pkce: maybe}"),
            "test.yaml:7:51: 'maybe' is not one of required, supported, none");
  EXPECT_EQ(token_mistake(", encoding: xml"), "test.yaml:6:53: 'xml' is not one of form, json, query");
  EXPECT_EQ(token_mistake(", client_auth: digest"),
            "test.yaml:6:56: 'digest' is not one of basic, basic_raw, body, secret_as_user, private_key_jwt, none");
  EXPECT_EQ(entry_mistake(with_oauth("    token: {url: http://a.example.com}\n")),
            "test.yaml:6:18: a URL here starts with https://");
  EXPECT_EQ(entry_mistake(with_oauth("    token: {url: \"https://a.example.com?x=1\"}\n")).substr(0, 16),
            "test.yaml:6:18: ");
  EXPECT_EQ(token_mistake(", headers: {Host: x}"),
            "test.yaml:6:53: the header 'Host' frames or routes the request and cannot be injected");
  EXPECT_EQ(token_mistake(", params: {a: \"x\\ny\"}"), "test.yaml:6:55: holds a control character");
  EXPECT_EQ(token_mistake(", params: {a: \"${nobody}\"}"), "test.yaml:6:55: unknown variable 'nobody'");
  EXPECT_EQ(mistake_in("refresh: {rotate: yes}"),
            "test.yaml:7:15: unknown key 'rotate', did you mean 'rotates'? (in refresh)");
  EXPECT_EQ(mistake_in("refresh: {rotates: often}"), "test.yaml:7:24: rotates is yes, no or maybe");
  EXPECT_EQ(mistake_in("refresh: {idle_lifetime: 90 days}").substr(0, 46),
            "test.yaml:7:30: '90 days' is not a duration li");
  EXPECT_EQ(mistake_in("answer: {expires: {inn: x}}").substr(0, 57),
            "test.yaml:7:23: names where the answer says it: in or at");
  EXPECT_EQ(mistake_in("answer: {expires: {in: x, inn: x}}"),
            "test.yaml:7:31: unknown key 'inn', did you mean 'in'? (in expires)");
  EXPECT_EQ(mistake_in("answer: {access_token: \"\"}").substr(0, 41), "test.yaml:7:28: '' is not a member's name");
  EXPECT_EQ(mistake_in("answer: {errors: {when: [{is: x}]}}"),
            "test.yaml:7:30: a predicate needs 'at': where in the answer it looks");
  EXPECT_EQ(mistake_in("answer: {more: {\"a b\": x}}"), "test.yaml:7:21: 'a b' is not a variable's name");
  EXPECT_EQ(mistake_in("revoke: {url: https://a.example.com, token: id_token}"),
            "test.yaml:7:49: 'id_token' is not one of refresh_token, access_token");
  EXPECT_EQ(mistake_in("refused: {}"),
            "test.yaml:7:14: refused needs a challenge: what WWW-Authenticate holds where the token is no good");
  EXPECT_EQ(mistake_in("scopes: {defaults: []}"),
            "test.yaml:7:14: unknown key 'defaults', did you mean 'default'? (in scopes)");
  EXPECT_EQ(mistake_in("verify: {post: /x}").substr(0, 63),
            "test.yaml:7:13: verify names one harmless call: get or head");
}

TEST(OAuthEntry, needs_a_token_endpoint) {
  for (const std::string& type : oauth_types())
    EXPECT_NE(entry_mistake(with_oauth("    title: x\n", type)).find("needs token: where tokens are asked for"),
              std::string::npos)
        << type;
}

TEST(OAuthEntry, keeps_its_sections_to_their_types) {
  EXPECT_EQ(mistake_in("authorize: {url: https://a.example.com}", "TWO_STEP"),
            "test.yaml:5:5: authorize belongs to OAUTH2, where a person agrees");
  EXPECT_EQ(mistake_in("assertion: {issuer: x}"),
            "test.yaml:7:16: assertion belongs to JWT_BEARER and GITHUB_APP; a client's own is client_assertion");
  EXPECT_EQ(mistake_in("client_assertion: {algorithm: ES256}"),
            "test.yaml:7:23: client_assertion needs client_auth: private_key_jwt");
  EXPECT_EQ(mistake_in("exchange: {subject_token: x}"), "test.yaml:5:5: exchange belongs to OAUTH2_CLIENT_CREDENTIALS");
  EXPECT_EQ(mistake_in("token_url: x", "API_KEY").substr(0, 14), "test.yaml:5:5:");
  EXPECT_EQ(mistake_in("fields: {k: }\n    assertion: {issuer: x}", "JWT_BEARER"),
            "test.yaml:8:16: assertion: the key 'privateKey' is not a secret field");
}

TEST(OAuthEntry, never_puts_a_secret_into_a_url) {
  EXPECT_EQ(entry_mistake(with_oauth("    token: {url: \"https://a.example.com/${clientSecret}\"}\n")),
            "test.yaml:6:18: unknown variable 'clientSecret'");
  EXPECT_EQ(entry_mistake(with_oauth("    token: {url: \"https://a.example.com/${clientId}\"}\n")), "(accepted)");
}

TEST(OAuthEntry, binds_a_tenants_host_like_the_hosts_do) {
  const auto tenant = [](const std::string& hosts) {
    return entry_mistake("id: t\nhosts: " + hosts +
                         "\nfields: {domain: {}}\nauth:\n  k: {type: OAUTH2, token: {url: \"https://${domain}/t\"}}\n");
  };
  EXPECT_EQ(tenant("[a.example.com]"),
            "test.yaml:5:6: the host of 'https://${domain}/t' ends in a variable and is not among the hosts");
  EXPECT_EQ(tenant("[\"${domain}\", \"*.auth.example\"]"), "(accepted)");
}

TEST(OAuthEntry, takes_pointers_only_into_json) {
  EXPECT_EQ(token_mistake(", params: {/auth/user: x}"), "test.yaml:6:12: '/auth/user': a pointer needs encoding: json");
  EXPECT_EQ(token_mistake(", encoding: json, params: {/auth/user: x}"), "(accepted)");
  EXPECT_EQ(token_mistake(", method: GET, encoding: form"), "test.yaml:6:66: a GET has no body: its encoding is query");
}

TEST(OAuthEntry, one_name_is_one_variable) {
  EXPECT_EQ(mistake_in("app_fields: {refreshToken: }"),
            "test.yaml:7:17: 'refreshToken' is in app_fields and in fields");
}

TEST(OAuthEntry, has_the_defaults_of_its_type) {
  const Provider p = entry(with_oauth(std::string(kToken)));
  EXPECT_EQ(p.auth.at("k").inject.at(0).value.text(), "Bearer ${accessToken}");
  EXPECT_EQ(p.auth.at("k").oauth->token.client_auth, ClientAuth::basic);
  EXPECT_EQ(p.auth.at("k").oauth->answer.access_token, "access_token");
  const Provider app = entry(with_oauth(
      "    token: {url: \"https://a.example.com/app/installations/${installationId}/access_tokens\"}\n", "GITHUB_APP"));
  const OAuth& github = *app.auth.at("k").oauth;
  EXPECT_EQ(github.assertion->issuer->text(), "${appId}");
  EXPECT_EQ(github.assertion->send, OAuthAssertion::Send::bearer);
  EXPECT_EQ(github.assertion->lifetime, std::chrono::seconds(540));
  EXPECT_TRUE(app.auth.at("k").app_fields.at("privateKey").secret);
  const Provider keyed = entry(with_oauth("    token: {url: https://a.example.com/t, client_auth: private_key_jwt}\n",
                                          "OAUTH2_CLIENT_CREDENTIALS"));
  EXPECT_TRUE(keyed.auth.at("k").app_fields.contains("privateKey"));
  EXPECT_FALSE(keyed.auth.at("k").app_fields.contains("clientSecret"));
}

TEST(OAuthEntry, reads_every_key) {
  const OAuth o = read(R"(
    authorize: {url: https://a.example.com/a, scope_param: user_scope, scope_separator: ",", pkce: none}
    token: {url: https://a.example.com/t, method: GET, client_auth: body, client_id_param: client_key,
            client_secret_param: key_secret, params: {a: b}, headers: {X-A: "${clientId}"}}
    refresh: {rotates: yes, url: https://a.example.com/r, params: {grant_type: exchange}, token: access_token,
              token_param: old, scope: true, idle_lifetime: 30d}
    answer: {format: json, access_token: /data/token, more: {userToken: /authed_user/access_token}, account: /team/id,
             expires: {at: expires_at, unit: ms}, refresh_expires: {in: refresh_token_expires_in}, default_lifetime: 12h,
             errors: {when: [{at: ok, is: "false"}, {at: /status, is_not: success}], code: /err/code, text: /err/text,
                      rejected: [token_revoked], client: [bad_client], transient: [ratelimited]}}
    revoke: {url: https://a.example.com/v, method: DELETE, encoding: json, token: both, token_param: access_token, expect: 204}
    introspect: {url: https://a.example.com/i}
    device: {url: https://a.example.com/d}
    scopes: {default: [a], required: b, available: [a, b]}
    verify: {get: /me, account: /login}
)");
  EXPECT_EQ(o.authorize->scope_param, "user_scope");
  EXPECT_EQ(o.authorize->pkce, Pkce::none);
  EXPECT_EQ(o.token.encoding, Encoding::query);
  EXPECT_EQ(o.token.client_id_param, "client_key");
  EXPECT_EQ(o.token.client_secret_param, "key_secret");
  EXPECT_EQ(o.refresh.token, WhichToken::access);
  EXPECT_EQ(o.refresh.token_param, "old");
  EXPECT_TRUE(o.refresh.scope);
  EXPECT_EQ(o.refresh.idle_lifetime, std::chrono::hours(30 * 24));
  EXPECT_EQ(o.answer.format, Format::json);
  EXPECT_EQ(o.answer.more.at("userToken"), "/authed_user/access_token");
  EXPECT_EQ(o.answer.expires.at, "expires_at");
  EXPECT_TRUE(o.answer.expires.in.empty());
  EXPECT_EQ(o.answer.refresh_expires.in, "refresh_token_expires_in");
  EXPECT_EQ(o.answer.errors.when.at(0).is, "false");
  EXPECT_EQ(o.answer.errors.when.at(1).is_not, "success");
  EXPECT_EQ(o.answer.errors.rejected.at(0), "token_revoked");
  EXPECT_EQ(o.revoke->tokens.size(), 2U);
  EXPECT_EQ(o.revoke->expect, std::vector<int>{204});
  EXPECT_EQ(o.revoke->client_auth, ClientAuth::body);
  EXPECT_EQ(o.scopes.required.at(0), "b");
  EXPECT_EQ(o.endpoints().size(), 6U);
}

TEST(OAuthEntry, may_inject_what_an_answer_brings_beside_its_token) {
  EXPECT_EQ(
      mistake_in("answer: {more: {userToken: /u}}\n    inject: [{header: A, value: \"${userToken} ${clientId}\"}]"),
      "(accepted)");
  EXPECT_EQ(mistake_in("inject: [{header: A, value: \"${userToken}\"}]"),
            "test.yaml:7:33: unknown variable 'userToken'");
}

TEST(OAuthLint, asks_for_what_a_reviewer_would) {
  const auto lint = [](const std::string& lines, const std::string& type = "OAUTH2") {
    std::string out;
    for (const Error& error : lint_provider(with_oauth(lines, type), "t.yaml", {})) out += error.text() + "\n";
    return out;
  };
  EXPECT_EQ(lint(std::string(kToken)),
            "t.yaml:5:5: an OAUTH2 entry needs authorize or device: where a person agrees\n");
  EXPECT_EQ(lint(std::string(kToken) + "    app_fields: {clientId: , tenant: {secret: false}}\n", "TWO_STEP"),
            "t.yaml:7:17: nothing uses the field 'tenant'\n");
  EXPECT_EQ(lint(std::string(kToken) + "    scopes: {default: [a], available: [b]}\n", "TWO_STEP"),
            "t.yaml:7:13: the default scope 'a' is not among the available ones\n");
}

TEST(OAuthPlan, a_connection_of_each_type_takes_what_its_entry_names) {
  const std::map<std::string, std::string> wanted{
      {"OAUTH2", "/value/refreshToken: 'refreshToken' (Refresh token) is required"},
      {"OAUTH2_CLIENT_CREDENTIALS", "(accepted)"},
      {"JWT_BEARER", "/value/privateKey: 'privateKey' is required"},
      {"TWO_STEP", "(accepted)"},
      {"GITHUB_APP", "/value/installationId: 'installationId' (Installation id) is required"}};
  for (const std::string& type : oauth_types()) {
    const std::string more = type == "JWT_BEARER" ? "    fields: {privateKey: }\n    assertion: {issuer: x}\n" : "";
    const Provider p = entry(with_oauth(std::string(kToken) + more, type));
    EXPECT_EQ(plan_mistakes(p, type, {}), wanted.at(type));
  }
}

}  // namespace
}  // namespace postern::config::test
