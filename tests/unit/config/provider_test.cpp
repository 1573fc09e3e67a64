#include "config/provider.hpp"

#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

// An entry with one thing changed: `hosts`, the rest of the file after `auth:`, or more keys.
std::string with_auth(const std::string& auth) {
  return "id: t\nhosts: [a.example.com]\nauth:\n  k:\n" + auth;
}
std::string with_hosts(const std::string& hosts, const std::string& more = "") {
  return "id: t\nhosts: " + hosts + "\n" + more + "auth: {k: {type: BEARER}}\n";
}
std::string rule(const std::string& text) {
  return with_auth("    type: API_KEY\n    inject:\n      - " + text + "\n");
}

TEST(Provider, reads_the_static_example_of_the_design) {
  const Provider p = entry(R"(
id: stripe2
title: Stripe
docs: https://docs.stripe.com/api/authentication
base_url: https://api.stripe.com
hosts: [api.stripe.com, files.stripe.com]
fields: {}
auth:
  api_key:
    type: API_KEY
    fields: {apiKey: {secret: true, pattern: "^(sk|rk)_", title: Secret key}}
    inject: [{header: Authorization, value: "Bearer ${apiKey}"}]
verify: {get: /v1/balance, expect: 200}
)");
  EXPECT_EQ(p.id, "stripe2");
  EXPECT_EQ(p.source, "test.yaml");
  EXPECT_EQ(p.base_url, "https://api.stripe.com");
  EXPECT_EQ(hosts(p.hosts), "api.stripe.com:443 files.stripe.com:443");
  const Auth& auth = p.auth.at("api_key");
  EXPECT_EQ(auth.type, "API_KEY");
  EXPECT_TRUE(auth.fields.at("apiKey").secret);
  EXPECT_EQ(auth.inject.at(0).name, "Authorization");
  EXPECT_EQ(p.verify->path, "/v1/balance");
  EXPECT_EQ(p.verify->expect, std::vector<int>{200});
}

TEST(Provider, keeps_the_oauth_keys_of_the_design) {
  const Provider p = entry(R"(
id: example-oauth
docs: https://example.com/oauth
base_url: https://api.example.com
hosts: [api.example.com]
auth:
  oauth:
    type: OAUTH2
    authorize: {url: https://example.com/authorize, params: {access_type: offline}, scope_separator: " ", pkce: required}
    token:     {url: https://example.com/token, encoding: form, client_auth: basic, params: {}, headers: {}}
    refresh:   {rotates: maybe}
    answer:    {access_token: access_token, expires: {in: expires_in, unit: s}, default_lifetime: 1h}
    revoke:    {url: https://example.com/revoke}
    scopes:    {default: [read]}
    app_fields: {clientId: {secret: false}, clientSecret: {}}
    inject: [{header: Authorization, value: "Bearer ${accessToken}"}]
)");
  const Auth& auth = p.auth.at("oauth");
  const OAuth& oauth = *auth.oauth;
  EXPECT_EQ(oauth.authorize->url.text(), "https://example.com/authorize");
  EXPECT_EQ(oauth.authorize->params.at("access_type").text(), "offline");
  EXPECT_EQ(oauth.authorize->pkce, Pkce::required);
  EXPECT_EQ(oauth.token.client_auth, ClientAuth::basic);
  EXPECT_EQ(oauth.token.encoding, Encoding::form);
  EXPECT_EQ(oauth.refresh.rotates, Rotates::maybe);
  EXPECT_EQ(oauth.answer.expires.in, "expires_in");
  EXPECT_EQ(oauth.answer.expires.unit, TimeUnit::seconds);
  EXPECT_EQ(oauth.answer.default_lifetime, std::chrono::hours(1));
  EXPECT_EQ(oauth.scopes.defaults, std::vector<std::string>{"read"});
  EXPECT_EQ(oauth.revoke->url.text(), "https://example.com/revoke");
  EXPECT_EQ(oauth.revoke->client_auth, ClientAuth::basic);
  EXPECT_FALSE(auth.app_fields.at("clientId").secret);
  EXPECT_TRUE(auth.app_fields.at("clientSecret").secret);
  EXPECT_TRUE(auth.fields.at("refreshToken").secret);
}

TEST(Provider, knows_every_type_of_the_design) {
  for (const std::string& type : known_types()) {
    const bool plain = type == "BEARER" || type == "BASIC";
    const auto& oauth = oauth_types();
    const bool asks = std::find(oauth.begin(), oauth.end(), type) != oauth.end();
    const std::string token = asks ? "    token: {url: https://a.example.com/token}\n" : "";
    const std::string signer = type == "JWT_BEARER"   ? "    assertion: {issuer: \"${k}\", key: token}\n"
                               : type == "GITHUB_APP" ? "    app_fields: {appId: {secret: false}, privateKey: }\n"
                               : type == "HMAC"       ? "    sign: {message: a, header: X-Signature}\n"
                                                      : "";
    const std::string inject = plain ? "" : "    inject: [{header: X-Key, value: \"${k}\"}]\n";
    EXPECT_EQ(entry_mistake(with_auth("    type: " + type + "\n    fields: {k: , token: , username: , password: }\n" +
                                      token + signer + inject)),
              "(accepted)");
  }
  EXPECT_EQ(entry_mistake(with_auth("    type: API-KEY\n")),
            "test.yaml:5:11: unknown type 'API-KEY', did you mean 'API_KEY'?");
  EXPECT_EQ(known_types().size(), 14U);
}

TEST(Provider, fills_the_defaults_of_bearer_basic_and_api_key) {
  const Provider p = entry(
      "id: t\nhosts: [a.example.com]\nauth:\n  a: {type: BEARER}\n  b: {type: BASIC}\n"
      "  c: {type: API_KEY, inject: [{query: k, value: \"${apiKey}\"}]}\n");
  EXPECT_EQ(p.auth.at("a").inject.at(0).value.text(), "Bearer ${token}");
  EXPECT_TRUE(p.auth.at("a").fields.at("token").secret);
  EXPECT_EQ(p.auth.at("b").inject.at(0).value.text(), "Basic ${basic(username, password)}");
  EXPECT_FALSE(p.auth.at("b").fields.at("username").secret);
  EXPECT_TRUE(p.auth.at("b").fields.at("password").secret);
  EXPECT_FALSE(p.auth.at("b").fields.at("password").required);
  EXPECT_TRUE(p.auth.at("c").fields.at("apiKey").secret);
  EXPECT_EQ(p.title, "t");
}

TEST(Provider, takes_a_field_of_value_for_a_secret_unless_the_entry_says_no) {
  const Provider p =
      entry(with_auth("    type: BASIC\n    fields: {username: {secret: false}, password: {title: Pass}}\n"));
  EXPECT_FALSE(p.auth.at("k").fields.at("username").secret);
  EXPECT_TRUE(p.auth.at("k").fields.at("password").secret);
}

TEST(Provider, needs_an_id_hosts_and_auth) {
  EXPECT_EQ(entry_mistake("hosts: [a.b]\nauth: {k: {type: BEARER}}"), "test.yaml:1:1: an entry needs an id");
  EXPECT_EQ(entry_mistake("id: t\nauth: {k: {type: BEARER}}"),
            "test.yaml:1:1: an entry needs hosts: the ones that may see its secrets");
  EXPECT_EQ(entry_mistake("id: t\nhosts: []\nauth: {k: {type: BEARER}}"),
            "test.yaml:2:8: an entry needs hosts: the ones that may see its secrets");
  EXPECT_EQ(entry_mistake("id: t\nhosts: [a.b]"),
            "test.yaml:1:1: an entry needs auth: a map with at least one way to authenticate");
  EXPECT_EQ(entry_mistake("id: T/x\nhosts: [a.b]\nauth: {k: {type: BEARER}}"),
            "test.yaml:1:5: 'T/x' is not an id (a-z, 0-9, '-', '_', at most 63)");
  EXPECT_EQ(entry_mistake("[]"), "test.yaml:1:1: a catalog entry must be a map of keys");
  EXPECT_EQ(entry_mistake("id: t\nhosts: [a.b]\nauth: {k: {}}"), "test.yaml:3:11: an auth entry needs a type");
}

TEST(Provider, refuses_unknown_keys_at_their_place) {
  EXPECT_EQ(entry_mistake("id: t\nhost: [a.b]\nhosts: [a.b]\nauth: {k: {type: BEARER}}"),
            "test.yaml:2:1: unknown key 'host', did you mean 'hosts'? (in a catalog entry)");
  EXPECT_EQ(entry_mistake(with_auth("    type: BEARER\n    feilds: {}\n")),
            "test.yaml:6:5: unknown key 'feilds', did you mean 'fields'? (in auth 'k')");
  EXPECT_EQ(entry_mistake(with_auth("    type: BEARER\n    fields: {token: {secrt: true}}\n")),
            "test.yaml:6:22: unknown key 'secrt', did you mean 'secret'? (in the field 'token')");
  EXPECT_EQ(entry_mistake(with_auth("    type: BEARER\n    token: {url: https://a.b.example}\n")),
            "test.yaml:6:5: unknown key 'token' (in auth 'k')");
}

TEST(Provider, refuses_inject_rules_that_are_not_one_place_and_a_value) {
  EXPECT_EQ(entry_mistake(rule("{value: x}")),
            "test.yaml:7:9: an inject rule names its place: header, query, cookie, form, json or path");
  EXPECT_EQ(entry_mistake(rule("{header: A}")), "test.yaml:7:9: an inject rule needs a value");
  EXPECT_EQ(entry_mistake(rule("{header: A, query: b, value: x}")),
            "test.yaml:7:28: an inject rule has one place; write a second rule");
  EXPECT_EQ(entry_mistake(rule("{header: A, value: \"\"}")), "test.yaml:7:28: the value is empty");
  EXPECT_EQ(entry_mistake(rule("{hedder: A, value: x}")).substr(0, 40), "test.yaml:7:10: unknown key 'hedder', di");
  EXPECT_EQ(entry_mistake(rule("{path: /x, value: y}")),
            "test.yaml:7:27: a path rule has no value: the path itself is the template");
  EXPECT_EQ(entry_mistake(with_auth("    type: API_KEY\n")), "test.yaml:5:5: type API_KEY needs inject rules");
  EXPECT_EQ(entry_mistake(with_auth("    type: CUSTOM\n    inject: []\n")).substr(0, 43),
            "test.yaml:6:13: inject must be a list of ru");
}

TEST(Provider, refuses_templates_with_their_position) {
  EXPECT_EQ(entry_mistake(rule("{header: A, value: \"x ${apiKey\"}")),
            "test.yaml:7:28: '${' is not closed by '}' (character 11 of the template)");
  EXPECT_EQ(entry_mistake(rule("{header: A, value: \"${apiKy}\"}")),
            "test.yaml:7:28: unknown variable 'apiKy', did you mean 'apiKey'?");
  EXPECT_EQ(entry_mistake(rule("{header: A, value: \"${bsic(apiKey, apiKey)}\"}")),
            "test.yaml:7:28: unknown function 'bsic', did you mean 'basic'? (character 3 of the template)");
}

TEST(Provider, never_injects_a_header_that_frames_or_routes) {
  for (const char* name : {"Host", "connection", "Content-Length", "Transfer-Encoding", "TE", "Upgrade", "Via",
                           "Proxy-Authorization", "Proxy-X", "X-Connection-Id", "Expect", "Trailer", "Keep-Alive",
                           "X-Postern-Debug", "Content_Length", "x_connection_id", "HTTP2-Settings"})
    EXPECT_EQ(
        entry_mistake(rule("{header: " + std::string(name) + ", value: x}")),
        "test.yaml:7:18: the header '" + std::string(name) + "' frames or routes the request and cannot be injected");
}

TEST(Provider, refuses_names_that_do_not_fit_their_place) {
  for (const char* bad :
       {"{header: \"A B\", value: x}", "{header: \"A:\", value: x}", "{header: \"\", value: x}",
        "{cookie: \"a=b\", value: x}", "{cookie: a, value: \"x;y\"}", "{cookie: a, value: \"x y\"}",
        "{query: \"\", value: x}", "{json: a, value: x}", "{json: /a~2, value: x}", "{json: /, value: x}", "{path: x}",
        "{path: /}", "{path: \"/a/../b\"}", "{path: \"/a?b\"}", "{path: \"/${base64(apiKey)}\"}",
        "{header: A, value: \"x\\ny\"}", "{query: \"a\\u0000\", value: x}"})
    EXPECT_EQ(entry_mistake(rule(bad)).substr(0, 12), "test.yaml:7:") << bad;
  for (const char* good : {"{json: /auth/api~1key, value: \"${apiKey}\"}", "{form: \"api key\", value: \"${apiKey}\"}",
                           "{path: \"/bot${apiKey}/x\"}", "{cookie: session, value: \"${apiKey}\"}"})
    EXPECT_EQ(entry_mistake(rule(good)), "(accepted)") << good;
}

TEST(Provider, refuses_two_rules_for_one_place) {
  EXPECT_EQ(entry_mistake(with_auth("    type: API_KEY\n    inject:\n      - {header: X-Key, value: \"${apiKey}\"}\n"
                                    "      - {header: x-key, value: b}\n")),
            "test.yaml:8:9: 'x-key' is injected twice");
  EXPECT_EQ(entry_mistake(with_auth("    type: API_KEY\n    inject:\n      - {path: /a}\n      - {path: /b}\n")),
            "test.yaml:8:9: a second path rule");
}

TEST(Provider, refuses_fields_that_contradict_themselves) {
  const auto fields = [](const std::string& text) {
    return entry_mistake(
        with_auth("    type: API_KEY\n    fields: " + text + "\n    inject: [{header: A, value: x}]\n"));
  };
  EXPECT_EQ(fields("{a b: {}}"), "test.yaml:6:14: 'a b' is not a field name");
  EXPECT_EQ(fields("{a: {default: x}}"), "test.yaml:6:27: a secret has no default");
  EXPECT_EQ(fields("{a: {secret: false, pattern: \"^b\", default: x}}"),
            "test.yaml:6:57: the default does not match the pattern");
  EXPECT_EQ(fields("{a: {pattern: \"(\"}}").substr(0, 42), "test.yaml:6:27: not a regular expression: ");
  EXPECT_EQ(fields("{a: {pattern: \"a{1,99999}\"}}"), "test.yaml:6:27: a pattern repeats at most 999 times");
  EXPECT_EQ(entry_mistake(with_hosts("[a.b.example]", "fields: {x: {secret: true}}\n")),
            "test.yaml:3:10: a variable of config is never secret; make it a field of the auth");
  EXPECT_EQ(entry_mistake(with_auth("    type: API_KEY\n    fields: {a: {required: false}}\n    inject:\n      - "
                                    "{header: A, value: \"${a}\"}\n")),
            "test.yaml:8:7: a rule uses 'a', which is optional and has no default");
  EXPECT_EQ(
      entry_mistake(
          "id: t\nhosts: [\"${x}.a.example\"]\nfields: {x: {}}\nauth:\n  k: {type: BEARER, fields: {token: , x: }}"),
      "test.yaml:5:29: 'x' is a variable of config already");
}

TEST(ProviderHosts, may_hold_variables_where_the_rest_is_one_owners) {
  const Provider p = entry(with_hosts(
      "[\"${T}.Example.com:8443\", \"a-${T}-dsn.example.net\", \"x.example.com/v1/${T}/\"]", "fields: {T: {}}\n"));
  EXPECT_EQ(hosts(p.hosts), "${T}.example.com:8443 a-${T}-dsn.example.net:443 x.example.com:443/v1/${T}/");
}

TEST(ProviderHosts, refuse_patterns_that_strangers_could_own) {
  const std::string fields = "fields: {t: {}}\n";
  for (const char* bad : {"*.com", "*.co.uk", "*.github.io", "*.s3.amazonaws.com", "*.10.0.0.1", "*"})
    EXPECT_EQ(entry_mistake(with_hosts("[a.b.example, \"" + std::string(bad) + "\"]")).substr(0, 16),
              "test.yaml:2:22: ")
        << bad;
  EXPECT_EQ(entry_mistake(with_hosts("[\"${t}.com\"]", fields)),
            "test.yaml:2:9: '${t}.com' is over a public suffix, where anybody can register a name");
  EXPECT_EQ(entry_mistake(with_hosts("[\"${t}.co.uk\"]", fields)),
            "test.yaml:2:9: '${t}.co.uk' is over a public suffix, where anybody can register a name");
  EXPECT_EQ(entry_mistake(with_hosts("[\"a.${t}om\"]", fields)),
            "test.yaml:2:9: a variable cannot be a part of the last label of a host");
  EXPECT_EQ(entry_mistake(with_hosts("[\"${t}\"]", fields)),
            "test.yaml:2:9: a host that ends in a variable needs a '*.suffix' among the hosts, which it must match");
  EXPECT_EQ(entry_mistake(with_hosts("[\"*.zendesk.com\"]")),
            "test.yaml:2:8: '*.suffix' is only a pattern for a tenant host; name the host too, with a variable");
  EXPECT_EQ(entry_mistake(with_hosts("[\"${lower(t)}.a.example\"]", fields)),
            "test.yaml:2:9: only plain variables may stand in a host, a path prefix or a URL");
  EXPECT_EQ(entry_mistake(with_hosts("[\"${u}.a.example\"]", fields)),
            "test.yaml:2:9: unknown variable 'u', did you mean 't'?");
  EXPECT_EQ(entry_mistake(with_hosts("[\"*.${t}.a.example\"]", fields)).substr(0, 15), "test.yaml:2:9: ");
  EXPECT_EQ(entry_mistake(with_hosts("[https://a.example]")),
            "test.yaml:2:9: write host, host:port or host/prefix, without a scheme");
  EXPECT_EQ(entry_mistake(with_hosts("[a.example, A.example]")),
            "test.yaml:2:20: the host 'A.example' is listed twice");
}

TEST(ProviderHosts, hold_the_base_url) {
  EXPECT_EQ(entry_mistake(with_hosts("[a.example.com]", "base_url: https://b.example.com\n")),
            "test.yaml:3:11: the host of base_url, 'b.example.com', is not among the hosts");
  EXPECT_EQ(entry_mistake(with_hosts("[a.example.com]", "base_url: https://a.example.com:8443\n")).substr(0, 16),
            "test.yaml:3:11: ");
  EXPECT_EQ(entry_mistake(with_hosts("[a.example.com]", "base_url: http://a.example.com\n")),
            "test.yaml:3:11: a URL here starts with https://");
  EXPECT_EQ(entry_mistake(with_hosts("[a.example.com]", "base_url: https://u@a.example.com\n")).substr(0, 16),
            "test.yaml:3:11: ");
  EXPECT_EQ(entry(with_hosts("[a.example.com]", "base_url: https://a.example.com/v1/\n")).base_url,
            "https://a.example.com/v1");
}

TEST(ProviderVerify, is_one_harmless_call) {
  const auto verify = [](const std::string& text) {
    return entry_mistake(with_hosts("[a.example.com]", "verify: " + text + "\n"));
  };
  EXPECT_EQ(verify("{expect: 200}"), "test.yaml:3:9: verify names one harmless call: get or head");
  EXPECT_EQ(verify("{get: /a, head: /b}"), "test.yaml:3:9: verify names one harmless call: get or head");
  EXPECT_EQ(verify("{post: /a}").substr(0, 16), "test.yaml:3:9: v");
  EXPECT_EQ(verify("{get: a}"),
            "test.yaml:3:15: the path of verify starts with one '/' and holds no spaces or fragment");
  EXPECT_EQ(verify("{get: //evil.example/}").substr(0, 16), "test.yaml:3:15: ");
  EXPECT_EQ(verify("{get: /a, expect: 20}"),
            "test.yaml:3:27: expect is an HTTP status of 200 to 599, or a list of them");
  EXPECT_EQ(verify("{get: /a, headers: {Host: b}}").substr(0, 16), "test.yaml:3:29: ");
  const Provider p =
      entry(with_hosts("[a.example.com]", "verify: {head: /a, expect: [200, 204], headers: {X-V: \"1\"}}\n"));
  EXPECT_EQ(p.verify->method, "HEAD");
  EXPECT_EQ(p.verify->expect, (std::vector<int>{200, 204}));
  EXPECT_EQ(p.verify->headers.at("X-V"), "1");
}

TEST(ProviderPass, names_fields_and_query_parameters) {
  EXPECT_EQ(entry(with_hosts("[a.example.com]", "pass: [Set-Cookie, \"query:key\"]\n")).pass,
            (std::vector<std::string>{"set-cookie", "query:key"}));
  EXPECT_EQ(entry_mistake(with_hosts("[a.example.com]", "pass: [Host]\n")),
            "test.yaml:3:8: the header 'Host' frames or routes the request and cannot be injected");
}

TEST(ProviderExtends, inherits_from_a_shipped_entry_and_changes_what_it_names) {
  const Provider p = entry(
      "id: mine\nextends: stripe\nhosts: [api.stripe.com, stripe.internal.example]\nauth:\n  api_key: {title: Ours}\n");
  EXPECT_EQ(p.id, "mine");
  EXPECT_EQ(p.title, "Stripe");
  EXPECT_EQ(hosts(p.hosts), "api.stripe.com:443 stripe.internal.example:443");
  EXPECT_EQ(p.auth.at("api_key").title, "Ours");
  EXPECT_EQ(p.auth.at("api_key").fields.at("apiKey").pattern, "^(sk|rk)_");
}

TEST(ProviderExtends, refuses_a_base_that_is_not_there) {
  EXPECT_EQ(entry_mistake("id: mine\nextends: nobody\n"), "test.yaml:2:10: extends: no entry 'nobody' in the catalog");
}

}  // namespace
}  // namespace postern::config::test
