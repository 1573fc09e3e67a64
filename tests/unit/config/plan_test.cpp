#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "tests/unit/config/support.hpp"

namespace postern::config::test {
namespace {

std::string rule_text(const Plan& plan, std::size_t i = 0) {
  return plan.inject.at(i).name + "=" + plan.inject.at(i).value.text();
}

const std::string kTenant = R"(
id: tenant
base_url: https://${sub}.example.com
hosts: ["${sub}.example.com", "cdn-${sub}.example.net:8443", "shared.example.com/v1/${sub}/"]
fields:
  sub: {title: Subdomain}
  region: {default: eu, pattern: "^[a-z]+$"}
  note: {required: false}
auth:
  key: {type: API_KEY, inject: [{header: X-Key, value: "${apiKey}"}, {header: X-Region, value: "${region}"}]}
)";

TEST(Plan, freezes_hosts_rules_and_base_url) {
  const auto p = plan(*shipped("stripe"), "API_KEY", {{"apiKey", "sk_live_1"}});
  ASSERT_TRUE(p);
  EXPECT_EQ(p->auth, "api_key");
  EXPECT_EQ(p->type, "API_KEY");
  EXPECT_EQ(p->config_json, "{}");
  EXPECT_EQ(hosts(p->destinations), "api.stripe.com:443 files.stripe.com:443");
  EXPECT_EQ(p->base_url, "https://api.stripe.com");
  EXPECT_EQ(rule_text(*p), "Authorization=Bearer ${apiKey}");
}

TEST(Plan, fills_the_defaults_of_config_and_expands_tenant_hosts) {
  const auto p = plan(entry(kTenant), "API_KEY", {{"apiKey", "k"}}, R"({"sub":"Acme-1"})");
  ASSERT_TRUE(p) << p.error()[0].text();
  EXPECT_EQ(hosts(p->destinations),
            "acme-1.example.com:443 cdn-acme-1.example.net:8443 shared.example.com:443/v1/Acme-1/");
  EXPECT_EQ(p->base_url, "https://acme-1.example.com");
  EXPECT_EQ(p->config_json, R"({"region":"eu","sub":"Acme-1"})");
  EXPECT_EQ(p->variables.at("region"), "eu");
  EXPECT_EQ(p->variables.at("note"), "");
}

TEST(Plan, is_the_same_when_its_own_config_is_planned_again) {
  const Provider tenant = entry(kTenant);
  const auto first = plan(tenant, "API_KEY", {{"apiKey", "k"}}, R"({"sub":"acme"})");
  ASSERT_TRUE(first);
  const auto second = plan_stored(tenant, first->auth, first->config_json);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->config_json, first->config_json);
  EXPECT_EQ(hosts(second->destinations), hosts(first->destinations));
  EXPECT_EQ(second->variables, first->variables);
}

TEST(PlanHosts, refuse_variables_that_are_not_one_label) {
  const Provider tenant = entry(kTenant);
  for (const char* bad : {"a.b", "a/b", "a:1", "a@b", "a b", "a%2e", "a_b", "evil.com#", "b\\u0000", "é", "[::1]", "*"})
    EXPECT_EQ(plan_mistakes(tenant, "API_KEY", {{"apiKey", "k"}}, "{\"sub\":\"" + std::string(bad) + "\"}"),
              "/config/sub: 'sub' becomes a part of the host name: letters, digits and '-' only")
        << bad;
  for (const std::string& bad : {std::string("-a"), std::string("a-"), std::string(64, 'a')})
    EXPECT_TRUE(
        plan_mistakes(tenant, "API_KEY", {{"apiKey", "k"}}, "{\"sub\":\"" + bad + "\"}").starts_with("/config/sub: "))
        << bad;
}

TEST(PlanHosts, let_a_host_that_ends_in_a_variable_match_a_suffix_of_the_entry_only) {
  const Provider& datadog = *shipped("datadog");
  const Values keys{{"apiKey", "a"}, {"applicationKey", "b"}};
  const auto p = plan(datadog, "CUSTOM", keys, R"({"site":"us5.DatadogHQ.com"})");
  ASSERT_TRUE(p) << p.error()[0].text();
  EXPECT_EQ(hosts(p->destinations), "api.us5.datadoghq.com:443");
  EXPECT_EQ(hosts(plan(datadog, "CUSTOM", keys)->destinations), "api.datadoghq.com:443");
  EXPECT_EQ(plan_mistakes(datadog, "CUSTOM", keys, R"({"site":"evil.example"})"),
            "/config/site: 'api.evil.example' is not a host of datadog");
  EXPECT_EQ(plan_mistakes(datadog, "CUSTOM", keys, R"({"site":"xdatadoghq.com"})"),
            "/config/site: 'api.xdatadoghq.com' is not a host of datadog");
  EXPECT_NE(plan_mistakes(datadog, "CUSTOM", keys, R"({"site":"a..datadoghq.com"})"), "(accepted)");
  EXPECT_NE(plan_mistakes(datadog, "CUSTOM", keys, R"({"site":"10.0.0.1"})"), "(accepted)");
  EXPECT_NE(plan_mistakes(datadog, "CUSTOM", keys, R"({"site":"evil.example/.datadoghq.com"})"), "(accepted)");
}

TEST(PlanHosts, let_a_whole_host_variable_match_a_suffix) {
  const Provider p = entry(
      "id: t\nbase_url: \"https://${host}\"\nhosts: [\"${host}\", \"*.shop.example.com\"]\nfields: {host: {}}\nauth: "
      "{k: {type: BEARER}}");
  EXPECT_EQ(hosts(plan(p, "BEARER", {{"token", "t"}}, R"({"host":"A.b.shop.example.com"})")->destinations),
            "a.b.shop.example.com:443");
  EXPECT_EQ(plan_mistakes(p, "BEARER", {{"token", "t"}}, R"({"host":"shop.example.com"})"),
            "/config/host: 'shop.example.com' is not a host of t");
}

TEST(PlanHosts, refuse_path_variables_that_are_not_one_segment) {
  const Provider p = entry("id: t\nhosts: [\"a.example.com/v1/${org}\"]\nfields: {org: {}}\nauth: {k: {type: BEARER}}");
  EXPECT_EQ(hosts(plan(p, "BEARER", {{"token", "t"}}, R"({"org":"o.1"})")->destinations), "a.example.com:443/v1/o.1");
  for (const char* bad : {"a/b", "..", ".", "%2e%2e", "a;b", "a?b", "a b"})
    EXPECT_TRUE(plan_mistakes(p, "BEARER", {{"token", "t"}}, "{\"org\":\"" + std::string(bad) + "\"}")
                    .starts_with("/config/org: "))
        << bad;
}

TEST(PlanHosts, expand_the_path_of_the_base_url_by_the_same_rules) {
  const Provider p = entry(
      "id: t\nhosts: [a.example.com]\nbase_url: \"https://a.example.com/${org}/api\"\nfields: {org: {}}\nauth: {k: "
      "{type: BEARER}}");
  EXPECT_EQ(plan(p, "BEARER", {{"token", "t"}}, R"({"org":"Acme"})")->base_url, "https://a.example.com/Acme/api");
  for (const char* bad : {"..", "a/b", "a?b", "a#b"})
    EXPECT_TRUE(plan_mistakes(p, "BEARER", {{"token", "t"}}, "{\"org\":\"" + std::string(bad) + "\"}")
                    .starts_with("/config/org: "))
        << bad;
}

TEST(PlanAuth, is_chosen_by_type_or_by_name) {
  const Provider& twilio = *shipped("twilio");
  const Values basic{{"accountSid", "AC" + std::string(32, '0')}, {"authToken", "t"}};
  EXPECT_EQ(plan(twilio, "BASIC", basic)->auth, "auth_token");
  EXPECT_EQ(plan(twilio, "", basic, "{}", "auth_token")->type, "BASIC");
  EXPECT_EQ(plan_mistakes(twilio, "API_KEY", basic, "{}", "auth_token"),
            "/type: the auth entry 'auth_token' is of type BASIC");
  EXPECT_EQ(plan_mistakes(twilio, "", basic), "/type: several auth entries fit; name one as auth: api_key, auth_token");
  EXPECT_EQ(plan_mistakes(twilio, "", basic, "{}", "auth_tokn"),
            "/auth: unknown auth entry 'auth_tokn', did you mean 'auth_token'?; twilio has api_key, auth_token");
  EXPECT_EQ(plan_mistakes(twilio, "BEARER", basic),
            "/type: twilio has no auth entry of type BEARER; it has API_KEY, BASIC");
  EXPECT_EQ(plan_mistakes(twilio, "APIKEY", basic), "/type: unknown type 'APIKEY', did you mean 'API_KEY'?");
  EXPECT_EQ(plan_mistakes(*shipped("postmark"), "API_KEY", {{"token", "t"}}),
            "/auth: several auth entries fit; name one as auth: account_token, server_token");
}

TEST(PlanAuth, certificates_and_digest_need_no_rules_and_their_secrets_go_into_none) {
  const Provider http = *shipped("http");
  const std::map<std::string, std::string> pair{{"certificate", std::string(20'000, 'c')}, {"key", "k"}};
  const std::map<std::string, std::string> login{{"username", "u"}, {"password", "p"}};
  const std::string hosts = R"({"hosts":["a.example.com"])";
  EXPECT_EQ(plan_mistakes(http, "CERTIFICATE", pair, hosts + "}"), "(accepted)");
  EXPECT_EQ(plan_mistakes(http, "DIGEST", login, hosts + "}"), "(accepted)");
  EXPECT_EQ(plan_mistakes(http, "DIGEST", {{"password", "p"}}, hosts + "}"),
            "/value/username: 'username' (User name) is required");
  const auto with = [&](const char* variable) {
    return hosts + R"(,"inject":[{"header":"X-A","value":"${)" + variable + R"(}"}]})";
  };
  auto more = pair;
  more.emplace("apiKey", "a");
  EXPECT_EQ(plan_mistakes(http, "CERTIFICATE", more, with("apiKey")), "(accepted)");
  EXPECT_THAT(plan_mistakes(http, "CERTIFICATE", pair, with("key")),
              testing::HasSubstr("'key', which is shown in the handshake and never sent"));
  EXPECT_EQ(plan_mistakes(http, "DIGEST", login, with("username")), "(accepted)");
  EXPECT_THAT(plan_mistakes(http, "DIGEST", login, with("password")),
              testing::HasSubstr("unknown variable 'password'"));
}

TEST(PlanAuth, takes_the_only_entry_where_none_is_named) {
  const Provider p =
      entry("id: t\nhosts: [a.example.com]\nauth: {o: {type: OAUTH2, token: {url: https://a.example.com/t}}}");
  EXPECT_EQ(plan_mistakes(p, "", {}), "/value/refreshToken: 'refreshToken' (Refresh token) is required");
  EXPECT_EQ(plan_mistakes(p, "OAUTH2", {{"refreshToken", "r"}}), "(accepted)");
}

TEST(PlanApp, checks_the_fields_of_the_app_and_only_the_variables_that_are_there) {
  const Provider p = entry(
      "id: t\nhosts: [a.example.com]\nfields: {region: {pattern: ^eu$}, site: {}}\n"
      "auth: {o: {type: OAUTH2, token: {url: \"https://a.example.com/${region}/t\"}}}");
  const auto told = [&](std::map<std::string, std::string> value, const char* config) {
    const auto planned = plan_app(p, {"", "o", std::move(value), config});
    if (planned) return planned->config_json;
    std::string out;
    for (const Error& error : planned.error()) out += error.pointer + ' ';
    return out;
  };
  EXPECT_EQ(told({{"clientId", "i"}, {"clientSecret", "s"}}, "{}"), "{}");
  EXPECT_EQ(told({{"clientId", "i"}, {"clientSecret", "s"}}, R"({"region":"eu"})"), R"({"region":"eu"})");
  EXPECT_EQ(told({{"clientId", "i"}}, R"({"region":"us","other":"x"})"),
            "/config/region /config/other /value/clientSecret ");
}

TEST(PlanConfig, tells_all_mistakes_at_once_with_their_pointers) {
  EXPECT_EQ(plan_mistakes(entry(kTenant), "API_KEY", {{"apiKy", "x"}}, R"({"region":"EU","subb":"a","note":5})"),
            "/config/note: 'note' must be a string\n"
            "/config/region: 'region' does not match ^[a-z]+$\n"
            "/config/sub: 'sub' (Subdomain) is required\n"
            "/config/subb: unknown variable 'subb', did you mean 'sub'?\n"
            "/value/apiKey: 'apiKey' (API key) is required\n"
            "/value/apiKy: unknown field 'apiKy', did you mean 'apiKey'?; it takes apiKey");
}

TEST(PlanConfig, must_be_an_object) {
  for (const char* bad : {"[]", "5", "{", "\"x\"", "{\"a\":}"})
    EXPECT_EQ(plan_mistakes(*shipped("stripe"), "API_KEY", {{"apiKey", "sk_1"}}, bad),
              "/config: config must be a JSON object")
        << bad;
  EXPECT_TRUE(plan(*shipped("stripe"), "API_KEY", {{"apiKey", "sk_1"}}, ""));
  EXPECT_TRUE(plan(*shipped("stripe"), "API_KEY", {{"apiKey", "sk_1"}}, "null"));
}

TEST(PlanConfig, refuses_line_breaks_where_a_variable_lands_in_a_header) {
  const Provider p = entry(
      "id: t\nhosts: [a.example.com]\nfields: {v: {}}\nauth: {k: {type: API_KEY, inject: [{header: A, value: \"${v} "
      "${apiKey}\"}]}}");
  EXPECT_EQ(plan_mistakes(p, "API_KEY", {{"apiKey", "k"}}, R"({"v":"a\r\nX: y"})"),
            "/config/v: 'v' holds a line break or another control character");
}

TEST(PlanValue, refuses_missing_unknown_empty_and_mismatching_fields_without_quoting_them) {
  const Provider& stripe = *shipped("stripe");
  EXPECT_EQ(plan_mistakes(stripe, "API_KEY", {}), "/value/apiKey: 'apiKey' (Secret key) is required");
  EXPECT_EQ(plan_mistakes(stripe, "API_KEY", {{"apiKey", ""}}), "/value/apiKey: 'apiKey' is empty");
  EXPECT_EQ(plan_mistakes(stripe, "API_KEY", {{"apiKey", "sk_1"}, {"api/Key", "hunter2"}}),
            "/value/api~1Key: unknown field 'api/Key', did you mean 'apiKey'?; it takes apiKey");
  for (const std::string& secret : {std::string("pk_hunter2"), std::string("sk_hunter2\r\n"),
                                    std::string("sk_hunter2") + std::string(20'000, 'x')}) {
    const std::string text = plan_mistakes(stripe, "API_KEY", {{"apiKey", secret}});
    EXPECT_TRUE(text.starts_with("/value/apiKey: ")) << text;
    EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
  }
}

TEST(PlanValue, refuses_what_breaks_out_of_the_place_it_lands_in) {
  const auto landing = [](const std::string& rule, const std::string& value) {
    const Provider p = entry("id: t\nhosts: [a.example.com]\nauth: {k: {type: API_KEY, inject: [" + rule + "]}}");
    return plan_mistakes(p, "API_KEY", {{"apiKey", value}});
  };
  const std::string control = "/value/apiKey: 'apiKey' holds a line break or another control character";
  for (const char* rule :
       {"{header: A, value: \"${apiKey}\"}", "{query: a, value: \"${apiKey}\"}", "{cookie: a, value: \"${apiKey}\"}",
        "{path: \"/x${apiKey}\"}", "{header: A, value: \"${base64(apiKey)}\"}"})
    for (const std::string& bad :
         {std::string("a\rb"), std::string("a\nb"), std::string("a\0b", 3), std::string("a\x7f"), std::string("\t")})
      EXPECT_EQ(landing(rule, bad), control) << rule;
  for (const char* bad : {"a/b", "a?b", "a#b", "a%b", "a;b", "a b", "..", "a\\b", "\xc3\xa9"})
    EXPECT_EQ(landing("{path: \"/${apiKey}\"}", bad),
              "/value/apiKey: 'apiKey' holds a character that a path segment cannot carry")
        << bad;
  EXPECT_EQ(landing("{path: \"/${apiKey}/x\"}", "123:ab-c_d"), "(accepted)");
  EXPECT_EQ(landing("{cookie: a, value: \"${apiKey}\"}", "a;b").substr(0, 24), "/value/apiKey: 'apiKey' ");
  EXPECT_EQ(landing("{header: A, value: \"${apiKey}\"}", " a"),
            "/value/apiKey: 'apiKey' begins or ends with a space, which a header field would lose");
  EXPECT_EQ(landing("{form: a, value: \"${apiKey}\"}", "a\nb"), "(accepted)");
  EXPECT_EQ(landing("{json: /a, value: \"${apiKey}\"}", "a\nb"), "(accepted)");
}

TEST(PlanValue, takes_an_absent_or_empty_password_and_no_colon_in_a_user_name) {
  const Provider p = entry("id: t\nhosts: [a.example.com]\nauth: {k: {type: BASIC}}");
  const auto absent = plan(p, "BASIC", {{"username", "u"}});
  ASSERT_TRUE(absent);
  EXPECT_EQ(absent->variables.at("password"), "");
  EXPECT_TRUE(plan(p, "BASIC", {{"username", "u"}, {"password", ""}}));
  EXPECT_TRUE(plan(p, "BASIC", {{"username", "u"}, {"password", "a:b c"}}));
  EXPECT_EQ(plan_mistakes(p, "BASIC", {{"username", "a:b"}, {"password", "x"}}),
            "/value/username: 'username' holds a colon, which ends a user name (RFC 7617)");
  EXPECT_EQ(plan_mistakes(p, "BASIC", {{"username", "u"}, {"password", "x\n"}}),
            "/value/password: 'password' holds a line break or another control character");
}

TEST(PlanValue, fills_the_default_of_an_absent_field_and_refuses_an_empty_one) {
  const Provider p = entry(
      "id: t\nhosts: [a.example.com]\nauth: {k: {type: CUSTOM, fields: {user: {secret: false, default: me}, key: }, "
      "inject: [{header: A, value: \"${user} ${key}\"}]}}");
  EXPECT_EQ(plan(p, "CUSTOM", {{"key", "k"}})->variables.at("user"), "me");
  EXPECT_EQ(plan_mistakes(p, "CUSTOM", {{"key", "k"}, {"user", ""}}), "/value/user: 'user' is empty");
}

TEST(PlanValue, is_not_looked_at_for_a_rename) {
  EXPECT_TRUE(plan_connection(*shipped("stripe"), {"API_KEY", "", {}, "{}"}, false));
  EXPECT_FALSE(plan_connection(*shipped("stripe"), {"API_KEY", "", {}, R"({"x":"y"})"}, false));
}

TEST(PlanPatterns, answer_in_time_whatever_they_are) {
  const Provider p = entry(
      "id: t\nhosts: [a.example.com]\nauth: {k: {type: API_KEY, fields: {apiKey: {pattern: \"^(a+)+$\"}}, inject: "
      "[{query: k, value: \"${apiKey}\"}]}}");
  EXPECT_EQ(plan_mistakes(p, "API_KEY", {{"apiKey", std::string(1'000, 'a') + "!"}}),
            "/value/apiKey: 'apiKey' does not match ^(a+)+$");
  EXPECT_TRUE(plan(p, "API_KEY", {{"apiKey", std::string(1'024, 'a')}}));
  EXPECT_EQ(plan_mistakes(p, "API_KEY", {{"apiKey", std::string(1'025, 'a')}}),
            "/value/apiKey: 'apiKey' is longer than 1024 bytes");
}

TEST(PlanStored, checks_only_that_the_config_still_parses) {
  const Provider tenant = entry(kTenant);
  const auto p = plan_stored(tenant, "key", R"({"sub":"acme","region":"NOW-REFUSED","gone":"x"})");
  ASSERT_TRUE(p) << p.error().text();
  EXPECT_EQ(p->variables.at("region"), "NOW-REFUSED");
  EXPECT_FALSE(plan_stored(tenant, "key", "{"));
  EXPECT_EQ(plan_stored(tenant, "removed", "{}").error().pointer, "/auth");
}

const std::string kInject = R"("inject":[{"header":"X-Key","value":"${apiKey}"}])";

TEST(GenericProvider, takes_hosts_and_rules_from_the_config) {
  const auto p =
      plan(*shipped("http"), "API_KEY", {{"apiKey", "k"}},
           R"({"hosts":["API.internal:8443","example.com/v1/","[2001:DB8::1]:9","10.0.0.1"],)" + kInject + "}");
  ASSERT_TRUE(p) << p.error()[0].text();
  EXPECT_EQ(hosts(p->destinations), "api.internal:8443 example.com:443/v1/ 2001:db8::1:9 10.0.0.1:443");
  EXPECT_EQ(p->base_url, "https://api.internal:8443");
  EXPECT_EQ(rule_text(*p), "X-Key=${apiKey}");
  EXPECT_EQ(p->config_json,
            R"({"hosts":["api.internal:8443","example.com/v1/","[2001:db8::1]:9","10.0.0.1"],)" + kInject + "}");
  const auto again = plan_stored(*shipped("http"), p->auth, p->config_json);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->config_json, p->config_json);
  EXPECT_EQ(hosts(again->destinations), hosts(p->destinations));
}

TEST(GenericProvider, injects_bearer_and_basic_by_itself) {
  EXPECT_EQ(rule_text(*plan(*shipped("http"), "BEARER", {{"token", "t"}}, R"({"hosts":["a.example"]})")),
            "Authorization=Bearer ${token}");
  EXPECT_EQ(rule_text(*plan(*shipped("http"), "BASIC", {{"username", "u"}}, R"({"hosts":["a.example"]})")),
            "Authorization=Basic ${basic(username, password)}");
  EXPECT_EQ(rule_text(*plan(*shipped("http"), "BEARER", {{"token", "t"}},
                            R"({"hosts":["a.example"],"inject":[{"query":"t","value":"${token}"}]})")),
            "t=${token}");
}

TEST(GenericProvider, needs_hosts_and_for_some_types_rules) {
  EXPECT_EQ(plan_mistakes(*shipped("http"), "API_KEY", {{"apiKey", "k"}}),
            "/config/hosts: hosts is required: the list of hosts that may see the secret, like [\"api.example.com\"]\n"
            "/config/inject: inject is required for type API_KEY, like [{\"header\": \"X-Api-Key\", \"value\": "
            "\"${apiKey}\"}]");
  EXPECT_TRUE(
      plan_mistakes(*shipped("http"), "CUSTOM", {}, R"({"hosts":["a.example"]})").starts_with("/config/inject: "));
  EXPECT_TRUE(
      plan_mistakes(*shipped("http"), "BEARER", {{"token", "t"}}, R"({"hosts":[]})").starts_with("/config/hosts: "));
  EXPECT_TRUE(plan_mistakes(*shipped("http"), "BEARER", {{"token", "t"}}, R"({"hosts":"a.example"})")
                  .starts_with("/config/hosts: "));
}

TEST(GenericProvider, takes_exact_hosts_only) {
  const std::pair<const char*, const char*> bad[] = {
      {"\"*.example.com\"", "a connection's hosts are exact; name each host"},
      {"\"${x}.example.com\"", "a connection's hosts hold no variables"},
      {"\"https://a.example\"", "write host, host:port or host/prefix, without a scheme"},
      {"5", "a host must be a string"},
      {"\"a.example/../b\"", "'/../b': a path prefix has no empty and no dot segments"},
      {"\"127.1\"", "'127.1' is a number, not a host name; write addresses in full"},
      {"\"b.example:443\"", "the host 'b.example:443' is listed twice"}};
  for (const auto& [host, message] : bad)
    EXPECT_EQ(plan_mistakes(*shipped("http"), "BEARER", {{"token", "t"}},
                            "{\"hosts\":[\"b.example\"," + std::string(host) + "]}"),
              "/config/hosts/1: " + std::string(message));
}

TEST(GenericProvider, asks_for_the_fields_that_custom_templates_name) {
  const std::string config =
      R"({"hosts":["a.example"],"inject":[{"header":"X-A","value":"${one}"},{"query":"b","value":"${base64(two)}"}]})";
  EXPECT_TRUE(plan(*shipped("http"), "CUSTOM", {{"one", "1"}, {"two", "2"}}, config));
  EXPECT_EQ(plan_mistakes(*shipped("http"), "CUSTOM", {{"one", "1"}, {"three", "3"}}, config),
            "/value/two: 'two' is required\n/value/three: unknown field 'three'; it takes one, two");
}

TEST(GenericProvider, refuses_rules_that_move_the_request) {
  const auto refused = [](const std::string& rule) {
    return plan_mistakes(*shipped("http"), "API_KEY", {{"apiKey", "k"}},
                         R"({"hosts":["a.example"],"inject":[)" + rule + "]}");
  };
  EXPECT_EQ(refused(R"({"header":"Host","value":"${apiKey}"})"),
            "/config/inject/0/header: the header 'Host' frames or routes the request and cannot be injected");
  EXPECT_EQ(refused(R"({"header":"A","value":"${token}"})"), "/config/inject/0/value: unknown variable 'token'");
  EXPECT_EQ(refused(R"({"header":"A","value":"${apiKey"})"),
            "/config/inject/0/value: '${' is not closed by '}' (character 9 of the template)");
  EXPECT_EQ(refused(R"({"header":"A","valeu":"x"})"),
            "/config/inject/0/valeu: unknown key 'valeu', did you mean 'value'? (in an inject rule)");
  EXPECT_EQ(refused(R"({"header":"A","value":"a\r\nb"})"),
            "/config/inject/0/value: the value holds a control character");
  EXPECT_EQ(refused(R"("x")"), "/config/inject/0: an inject rule must be a map of keys");
}

TEST(GenericProvider, keeps_a_base_url_that_is_one_of_the_hosts) {
  const auto based = [](const std::string& url) {
    return plan(*shipped("http"), "BEARER", {{"token", "t"}},
                R"({"hosts":["a.example","b.example:8443"],"base_url":")" + url + "\"}");
  };
  EXPECT_EQ(based("https://b.example:8443/v1/")->base_url, "https://b.example:8443/v1");
  EXPECT_EQ(based("https://c.example").error()[0].text(), "/config/base_url: base_url must be one of the hosts");
  EXPECT_EQ(based("https://b.example").error()[0].text(), "/config/base_url: base_url must be one of the hosts");
  EXPECT_EQ(based("http://a.example").error()[0].text(), "/config/base_url: a URL here starts with https://");
}

TEST(GenericProvider, knows_its_own_config_keys) {
  EXPECT_EQ(plan_mistakes(*shipped("http"), "BEARER", {{"token", "t"}}, R"({"hosts":["a.example"],"host":"b"})"),
            "/config/host: unknown key 'host', did you mean 'hosts'? (in config)");
}

HostPattern to(std::string host, std::uint16_t port = 443, std::string prefix = "") {
  return {std::move(host), false, port, std::move(prefix)};
}

TEST(DestinationsWithin, is_true_only_for_the_same_or_narrower) {
  EXPECT_TRUE(destinations_within({to("a")}, {to("b"), to("a")}));
  EXPECT_TRUE(destinations_within({}, {to("a")}));
  EXPECT_FALSE(destinations_within({to("a"), to("b")}, {to("a")}));
  EXPECT_FALSE(destinations_within({to("a", 8443)}, {to("a")}));
  EXPECT_TRUE(destinations_within({to("a", 443, "/v1/x")}, {to("a", 443, "/v1")}));
  EXPECT_TRUE(destinations_within({to("a", 443, "/v1/x")}, {to("a", 443, "/v1/")}));
  EXPECT_TRUE(destinations_within({to("a", 443, "/v1")}, {to("a")}));
  EXPECT_FALSE(destinations_within({to("a", 443, "/v10")}, {to("a", 443, "/v1")}));
  EXPECT_FALSE(destinations_within({to("a", 443, "/v1")}, {to("a", 443, "/v1/")}));
  EXPECT_FALSE(destinations_within({to("a")}, {to("a", 443, "/v1")}));
  EXPECT_FALSE(destinations_within({to("x.a")}, {HostPattern{".a", true, 443, ""}}));
}

}  // namespace
}  // namespace postern::config::test
