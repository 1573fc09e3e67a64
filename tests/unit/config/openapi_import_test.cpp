// An OpenAPI document becomes a catalog entry that lints; what it cannot become is said.
#include "config/openapi_import.hpp"

#include <gmock/gmock.h>

#include <fmt/format.h>

#include "support.hpp"

namespace postern::config::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A document of this text behind `openapi` and title; without servers of its own it gets one.
std::string document(const std::string& rest) {
  std::string text = "openapi: 3.1.0\ninfo: {title: Acme API, version: \"1\"}\n";
  if (rest.find("servers:") == std::string::npos) text += "servers: [{url: https://api.acme.example}]\n";
  return text + rest;
}
const std::string kKey = "components: {securitySchemes: {key: {type: apiKey, in: header, name: X-Key}}}\n";

Imported read(const std::string& text, ImportOptions options = {}) {
  if (options.file.empty()) options.file = "acme.yaml";
  auto found = import_openapi(text, options);
  EXPECT_TRUE(found) << found.error().text();
  if (!found) return {};
  if (found->discovery.empty() && found->unconfirmed.empty()) {
    for (const Error& error : lint_provider(found->yaml, found->id + ".yaml", {}))
      ADD_FAILURE() << error.text() << "\n" << found->yaml;
  }
  return std::move(*found);
}
std::string mistake(const std::string& text, ImportOptions options = {}) {
  options.file = "acme.yaml";
  const auto found = import_openapi(text, options);
  return found ? "(imported)" : found.error().text();
}
Provider entry_of(const Imported& found) {
  return entry(found.yaml);
}
// What is not mapped, one a line.
std::string unmapped(const Imported& found) {
  std::string out;
  for (const ImportRemark& one : found.unmapped) out += one.place + " " + one.text + "\n";
  return out;
}
std::string rules(const Auth& auth) {
  std::string out;
  for (const InjectRule& rule : auth.inject) {
    constexpr const char* kPlaces[] = {"header", "query", "cookie", "form", "json", "path"};
    out += std::string(out.empty() ? "" : "; ") + kPlaces[static_cast<int>(rule.place)] + " " + rule.name + "=" +
           rule.value.text();
  }
  return out;
}
std::string schemes(const std::string& list) {
  return document("components:\n  securitySchemes:\n" + list);
}

TEST(OpenApiImport, the_title_becomes_an_id_and_the_server_the_base_url) {
  const Imported found = read(document(kKey));
  EXPECT_EQ(found.id, "acme-api");
  EXPECT_EQ(found.title, "Acme API");
  const Provider provider = entry_of(found);
  EXPECT_EQ(provider.base_url, "https://api.acme.example");
  EXPECT_THAT(found.hosts, ElementsAre("api.acme.example"));
  EXPECT_THAT(found.yaml, HasSubstr("# Imported from acme.yaml: OpenAPI 3.1.0, version 1 of the document."));
  EXPECT_EQ(read(document(kKey), {.id = "other"}).id, "other");
}

// --- servers ---------------------------------------------------------------------------------------------------------

TEST(OpenApiImport, every_server_is_a_host_with_its_path_and_the_first_is_the_base) {
  const Imported found =
      read(document("servers: [{url: 'https://api.acme.example/v1/'}, {url: 'https://files.acme.example:8443'}]\n"
                    "paths: {/up: {servers: [{url: 'https://up.acme.example'}], get: {servers: [{url: "
                    "https://op.acme.example}]}}}\n" +
                    kKey));
  EXPECT_THAT(found.hosts,
              ElementsAre("api.acme.example/v1", "files.acme.example:8443", "up.acme.example", "op.acme.example"));
  EXPECT_EQ(entry_of(found).base_url, "https://api.acme.example/v1");
}

TEST(OpenApiImport, a_variable_in_a_host_is_a_tenant_who_must_be_named) {
  const Imported found =
      read(document("servers:\n"
                    "  - url: https://{account-name}.acme.example\n"
                    "    variables: {account-name: {default: demo, description: Yours}}\n" +
                    kKey));
  EXPECT_THAT(found.hosts, ElementsAre("${account_name}.acme.example"));
  const Provider provider = entry_of(found);
  EXPECT_TRUE(provider.fields.at("account_name").required) << "its default is somebody's name";
  EXPECT_EQ(provider.fields.at("account_name").example, "demo");
  EXPECT_EQ(hosts(plan(provider, "API_KEY", {{"apiKey", "k"}}, R"({"account_name": "us"})")->destinations),
            "us.acme.example:443");
  EXPECT_THAT(plan_mistakes(provider, "API_KEY", {{"apiKey", "k"}}), HasSubstr("/config/account_name"));
  EXPECT_THAT(plan_mistakes(provider, "API_KEY", {{"apiKey", "k"}}, R"({"account_name": "a.evil"})"),
              HasSubstr("/config/account_name"));
}

TEST(OpenApiImport, listed_values_of_a_host_are_a_choice_with_its_default) {
  const Imported found =
      read(document("servers:\n"
                    "  - url: https://{region}.acme.example\n"
                    "    variables: {region: {default: eu, enum: [eu, us-1]}}\n" +
                    kKey));
  const Provider provider = entry_of(found);
  EXPECT_EQ(provider.fields.at("region").pattern, "^(eu|us-1)$");
  EXPECT_EQ(hosts(plan(provider, "API_KEY", {{"apiKey", "k"}})->destinations), "eu.acme.example:443");
  EXPECT_THAT(plan_mistakes(provider, "API_KEY", {{"apiKey", "k"}}, R"({"region": "xx"})"),
              HasSubstr("/config/region"));
}

TEST(OpenApiImport, listed_values_that_would_be_anybodys_name_are_written_out) {
  const Imported found =
      read(document("servers:\n"
                    "  - url: https://{env}.co.uk\n"
                    "    variables: {env: {default: acme, enum: [acme, acme-test]}}\n"
                    "  - url: https://{host}/v1\n"
                    "    variables: {host: {default: a.acme.example, enum: [a.acme.example]}}\n" +
                    kKey));
  EXPECT_THAT(found.hosts, ElementsAre("acme.co.uk", "acme-test.co.uk", "a.acme.example/v1"));
}

TEST(OpenApiImport, a_host_that_anybody_may_choose_is_not_mapped) {
  EXPECT_THAT(mistake(document("servers: [{url: 'https://{host}', variables: {host: {default: x}}}]\n" + kKey)),
              HasSubstr("the variable 'host' may be is nobody's in particular"));
  EXPECT_THAT(mistake(document("servers: [{url: 'https://{a}.com', variables: {a: {default: x}}}]\n" + kKey)),
              HasSubstr("nobody's in particular"));
}

TEST(OpenApiImport, variables_of_a_path_are_written_out_or_chosen) {
  const Imported found =
      read(document("servers:\n"
                    "  - {url: 'https://a.acme.example{base}', variables: {base: {default: /v1/x}}}\n"
                    "  - url: https://b.acme.example/{version}\n"
                    "    variables: {version: {default: v2, enum: [v1, v2]}}\n" +
                    kKey));
  EXPECT_THAT(found.hosts, ElementsAre("a.acme.example/v1/x", "b.acme.example/${version}"));
  EXPECT_EQ(hosts(plan(entry_of(found), "API_KEY", {{"apiKey", "k"}})->destinations),
            "a.acme.example:443/v1/x b.acme.example:443/v2");
}

TEST(OpenApiImport, a_server_variable_never_has_the_name_of_a_credential) {
  const Imported found =
      read(document("servers: [{url: 'https://{username}.acme.example', variables: {username: {default: x}}}]\n"
                    "components: {securitySchemes: {b: {type: http, scheme: basic}}}\n"));
  EXPECT_THAT(found.hosts, ElementsAre("${server_username}.acme.example"));
}

TEST(OpenApiImport, relative_servers_begin_at_the_base_url_that_is_given) {
  const std::string text = document("servers: [{url: /v2}, {url: v3}]\n" + kKey);
  EXPECT_THAT(mistake(text), HasSubstr("is relative: give the service's address with --base-url"));
  EXPECT_THAT(read(text, {.base_url = "https://acme.example/api"}).hosts,
              ElementsAre("acme.example/api", "acme.example/v2", "acme.example/v3"));
  const std::string none = "openapi: 3.0.0\ninfo: {title: A}\n" + kKey;
  EXPECT_EQ(mistake(none), "acme.yaml:1:1: names no servers: give the service's address with --base-url");
  EXPECT_THAT(read(none, {.base_url = "https://acme.example"}).hosts, ElementsAre("acme.example"));
  for (const char* wrong : {"http://acme.example", "acme.example", "https://acme.example?x", "https://{a}.example"})
    EXPECT_THAT(mistake(none, {.base_url = wrong}), HasSubstr("--base-url")) << wrong;
}

TEST(OpenApiImport, http_servers_are_called_with_tls_and_odd_ones_are_said) {
  const Imported found =
      read(document("servers: [{url: 'http://api.acme.example'}, {url: 'http://x.acme.example:8080'},\n"
                    "  {url: 'https://localhost:3000'}, {url: 'https://127.0.0.1'},\n"
                    "  {url: 'https://u@acme.example'}, {url: 'ftp://acme.example'}, {x: 1},\n"
                    "  {url: '{protocol}://p.acme.example', variables: {protocol: {default: http,\n"
                    "    enum: [http, https]}}}]\n" +
                    kKey));
  EXPECT_THAT(found.hosts, ElementsAre("api.acme.example", "p.acme.example"));
  ASSERT_EQ(found.remarks.size(), 1U);
  EXPECT_THAT(found.remarks[0].text, HasSubstr("it is called with TLS"));
  EXPECT_THAT(unmapped(found), HasSubstr("3:51 'http://x.acme.example:8080' speaks without TLS"));
  EXPECT_THAT(unmapped(found), HasSubstr("'localhost:3000' is an address of somebody's own machine"));
  EXPECT_THAT(unmapped(found), HasSubstr("'127.0.0.1' is an address"));
  EXPECT_THAT(unmapped(found), HasSubstr("a query, a fragment or a user"));
  EXPECT_THAT(unmapped(found), HasSubstr("'ftp' is not https"));
  EXPECT_THAT(unmapped(found), HasSubstr("a server without a URL"));
}

// --- schemes ---------------------------------------------------------------------------------------------------------

TEST(OpenApiImport, api_keys_go_to_their_places) {
  const Imported found =
      read(schemes("    h: {type: apiKey, in: header, name: X-Key, description: 'From your page'}\n"
                   "    q: {type: apiKey, in: query, name: key}\n"
                   "    c: {type: apiKey, in: cookie, name: sid}\n"));
  const Provider provider = entry_of(found);
  EXPECT_EQ(rules(provider.auth.at("h")), "header X-Key=${apiKey}");
  EXPECT_EQ(rules(provider.auth.at("q")), "query key=${apiKey}");
  EXPECT_EQ(rules(provider.auth.at("c")), "cookie sid=${apiKey}");
  EXPECT_EQ(provider.auth.at("h").fields.at("apiKey").description, "From your page");
  EXPECT_TRUE(provider.auth.at("h").fields.at("apiKey").secret);
  EXPECT_THAT(unmapped(found), IsEmpty());
}

TEST(OpenApiImport, basic_and_bearer_are_types_of_their_own) {
  const Provider provider =
      entry_of(read(schemes("    b: {type: http, scheme: Basic}\n"
                            "    t: {type: http, scheme: bearer}\n")));
  EXPECT_EQ(provider.auth.at("b").type, "BASIC");
  EXPECT_EQ(rules(provider.auth.at("t")), "header Authorization=Bearer ${token}");
}

TEST(OpenApiImport, digest_and_client_certificates_are_entries_of_their_own_and_stand_in_no_other) {
  const std::string both = schemes("    d: {type: http, scheme: digest}\n    m: {type: mutualTLS}\n");
  const Provider provider = entry_of(read(both));
  EXPECT_EQ(provider.auth.at("d").type, "DIGEST");
  EXPECT_EQ(provider.auth.at("m").type, "CERTIFICATE");
  const std::string together =
      schemes("    d: {type: http, scheme: digest}\n    k: {type: apiKey, in: query, name: k}\n") +
      "security: [{d: [], k: []}, {k: []}]\n";
  EXPECT_THAT(unmapped(read(together)), HasSubstr("d: DIGEST beside other schemes"));
}

TEST(OpenApiImport, what_is_not_injected_is_listed_with_the_reason) {
  const Imported found =
      read(schemes("    key: {type: apiKey, in: header, name: X-Key}\n"
                   "    n: {type: http, scheme: negotiate}\n"
                   "    s: {type: apiKey, in: header, name: Authorization,\n"
                   "        x-amazon-apigateway-authtype: awsSigv4}\n"
                   "    w: {type: apiKey, in: header, name: Cookie}\n"
                   "    host: {type: apiKey, in: header, name: Host}\n"
                   "    body: {type: apiKey, in: body, name: key}\n"
                   "    o: {type: other}\n"));
  EXPECT_EQ(found.mapped.size(), 1U);
  const std::string said = unmapped(found);
  EXPECT_THAT(said, HasSubstr("7:8 n: the http scheme 'negotiate' is not known here"));
  EXPECT_THAT(said, HasSubstr("s: AWS signatures"));
  EXPECT_THAT(said, HasSubstr("w: a whole Cookie field is not a key"));
  EXPECT_THAT(said, HasSubstr("host: the header 'Host' frames or routes"));
  EXPECT_THAT(said, HasSubstr("body: an apiKey is in header, query or cookie, not in 'body'"));
  EXPECT_THAT(said, HasSubstr("o: 'other' is no type of security scheme"));
}

TEST(OpenApiImport, a_key_in_authorization_is_sent_as_it_is_and_that_is_said) {
  const Imported found = read(schemes("    k: {type: apiKey, in: header, name: Authorization}\n"));
  EXPECT_EQ(rules(entry_of(found).auth.at("k")), "header Authorization=${apiKey}");
  ASSERT_EQ(found.remarks.size(), 1U);
  EXPECT_THAT(found.remarks[0].text, HasSubstr("that is part of the key"));
}

TEST(OpenApiImport, schemes_that_are_asked_for_together_are_one_way_to_authenticate) {
  const Imported found = read(schemes("    app-key: {type: apiKey, in: header, name: X-App}\n"
                                      "    userKey: {type: apiKey, in: query, name: user}\n"
                                      "    pw: {type: http, scheme: basic}\n") +
                              "security: [{app-key: [], userKey: []}]\n"
                              "paths: {/a: {get: {}, post: {security: [{pw: []}]}, put: {security: [{}]}}}\n");
  const Provider provider = entry_of(found);
  EXPECT_EQ(provider.auth.size(), 2U) << "the parts alone are never asked for";
  const Auth& both = provider.auth.at("app-key-and-userkey");
  EXPECT_EQ(both.type, "CUSTOM");
  EXPECT_EQ(rules(both), "header X-App=${app_key}; query user=${userKey}");
  ASSERT_EQ(found.mapped.size(), 2U);
  EXPECT_THAT(found.mapped[0].schemes, ElementsAre("app-key", "userKey"));
  EXPECT_EQ(found.mapped[0].operations, 1U);
  EXPECT_EQ(found.mapped[1].operations, 1U);
  ASSERT_EQ(found.remarks.size(), 1U);
  EXPECT_EQ(found.remarks[0].text, "1 operation may be called without any of these");
}

TEST(OpenApiImport, basic_beside_a_key_is_one_custom_entry) {
  const Imported found = read(schemes("    k: {type: apiKey, in: header, name: X-Key}\n"
                                      "    pw: {type: http, scheme: basic}\n") +
                              "security: [{k: [], pw: []}]\n");
  EXPECT_EQ(rules(entry_of(found).auth.at("k-and-pw")),
            "header X-Key=${k}; header Authorization=Basic ${basic(pw_username, pw_password)}");
}

TEST(OpenApiImport, two_schemes_for_one_field_cannot_go_together) {
  const Imported found = read(schemes("    b: {type: http, scheme: bearer}\n"
                                      "    pw: {type: http, scheme: basic}\n") +
                              "security: [{b: [], pw: []}, {b: []}]\n");
  EXPECT_THAT(unmapped(found), HasSubstr("'Authorization' is injected twice"));
  EXPECT_EQ(found.mapped.size(), 1U);
}

TEST(OpenApiImport, a_key_beside_oauth_is_the_operators_like_the_client) {
  const Imported found =
      read(schemes("    k: {type: apiKey, in: header, name: X-Key}\n"
                   "    o: {type: oauth2, flows: {clientCredentials: {tokenUrl: 'https://acme.example/t',\n"
                   "        scopes: {}}}}\n") +
           "security: [{k: [], o: []}]\n");
  const Auth auth = entry_of(found).auth.at("k-and-o");
  EXPECT_EQ(auth.type, "OAUTH2_CLIENT_CREDENTIALS");
  EXPECT_TRUE(auth.app_fields.at("k").secret);
  EXPECT_TRUE(auth.app_fields.contains("clientSecret"));
  EXPECT_EQ(rules(auth), "header Authorization=Bearer ${accessToken}; header X-Key=${k}");
}

TEST(OpenApiImport, operations_are_counted_by_what_they_ask_for) {
  const Imported found = read(schemes("    a: {type: apiKey, in: header, name: X-A}\n"
                                      "    b: {type: apiKey, in: header, name: X-B}\n") +
                              "security: [{a: []}]\n"
                              "paths:\n  /x: {get: {}, put: {security: [{a: []}, {b: []}]}}\n"
                              "  /y: {get: {security: [{b: []}, {unknown: []}]}, parameters: []}\n");
  ASSERT_EQ(found.mapped.size(), 2U);
  EXPECT_EQ(found.mapped[0].operations, 2U);
  EXPECT_EQ(found.mapped[1].operations, 2U);
  ASSERT_EQ(found.remarks.size(), 1U);
  EXPECT_THAT(found.remarks[0].text, HasSubstr("'unknown' is asked for and is not among the schemes"));
}

TEST(OpenApiImport, references_are_followed_inside_and_never_out_or_around) {
  const Imported found =
      read(schemes("    a: {$ref: '#/components/securitySchemes/b'}\n"
                   "    b: {type: http, scheme: bearer}\n"));
  EXPECT_EQ(entry_of(found).auth.at("a").type, "BEARER");
  EXPECT_THAT(mistake(schemes("    a: {$ref: 'other.yaml#/x'}\n")),
              HasSubstr("acme.yaml:6:15: a $ref out of the document is not followed"));
  EXPECT_THAT(mistake(schemes("    a: {$ref: 'https://evil.example/x'}\n")), HasSubstr("out of the document"));
  EXPECT_THAT(mistake(schemes("    a: {$ref: '#/x-other'}\n")), HasSubstr("'#/x-other' leads to no security scheme"));
  EXPECT_THAT(mistake(schemes("    a: {$ref: '#/components/securitySchemes/b'}\n"
                              "    b: {$ref: '#/components/securitySchemes/a'}\n")),
              HasSubstr("acme.yaml:6:8: a circle of $ref"));
}

TEST(OpenApiImport, schemes_may_be_left_out_or_told) {
  const std::string two = schemes("    a: {type: http, scheme: bearer}\n    b: {type: http, scheme: basic}\n");
  const Imported found = read(two, {.skip = {"b"}});
  EXPECT_EQ(found.mapped.size(), 1U);
  EXPECT_THAT(unmapped(found), HasSubstr("b: left out, as you asked"));
  const std::string none = document("");
  EXPECT_EQ(mistake(none),
            "acme.yaml:1:1: names no components/securitySchemes: say how to authenticate with --auth "
            "bearer, basic or header:NAME");
  EXPECT_EQ(entry_of(read(none, {.auth = "bearer"})).auth.at("bearer").type, "BEARER");
  EXPECT_EQ(entry_of(read(none, {.auth = "basic"})).auth.at("basic").type, "BASIC");
  EXPECT_EQ(rules(entry_of(read(none, {.auth = "header:X-Key"})).auth.at("api_key")), "header X-Key=${apiKey}");
  for (const char* wrong : {"digest", "header:", "header:Host", "body:x", "bearer:x"})
    EXPECT_THAT(mistake(none, {.auth = wrong}), HasSubstr("--auth: ")) << wrong;
}

TEST(OpenApiImport, a_document_without_anything_to_map_says_why) {
  EXPECT_THAT(mistake(schemes("    n: {type: http, scheme: negotiate}\n")),
              HasSubstr("acme.yaml:6:5: none of its ways to authenticate can be mapped: n: the http scheme"));
}

// --- oauth2 ----------------------------------------------------------------------------------------------------------

constexpr const char* kOAuth = R"(    o:
      type: oauth2
      flows:
        authorizationCode:
          authorizationUrl: https://acme.example/authorize?audience=api
          tokenUrl: https://acme.example/token
          refreshUrl: https://acme.example/refresh
          scopes: {read: Read, write: Write}
        clientCredentials: {tokenUrl: https://m2m.acme.example/token, scopes: {read: Read}}
        implicit: {authorizationUrl: https://acme.example/authorize, scopes: {}}
        password: {tokenUrl: https://acme.example/token, scopes: {}}
        deviceAuthorization: {tokenUrl: https://acme.example/token, scopes: {}}
)";

TEST(OpenApiImport, oauth_flows_become_entries_and_the_others_are_said) {
  const Imported found = read(schemes(kOAuth) + "security: [{o: [read]}]\n");
  const Provider provider = entry_of(found);
  const OAuth& code = *provider.auth.at("o").oauth;
  EXPECT_EQ(provider.auth.at("o").type, "OAUTH2");
  EXPECT_EQ(code.authorize->url.text(), "https://acme.example/authorize");
  EXPECT_EQ(code.authorize->params.at("audience").text(), "api");
  EXPECT_EQ(code.token.url.text(), "https://acme.example/token");
  EXPECT_EQ(code.refresh.url->text(), "https://acme.example/refresh");
  EXPECT_THAT(code.scopes.defaults, ElementsAre("read"));
  EXPECT_THAT(code.scopes.available, ElementsAre("read", "write"));
  EXPECT_EQ(provider.auth.at("o-client").type, "OAUTH2_CLIENT_CREDENTIALS");
  EXPECT_THAT(found.endpoints, ElementsAre("acme.example", "m2m.acme.example"));
  EXPECT_THAT(unmapped(found), HasSubstr("15:9 o: the implicit flow gives tokens to a browser"));
  EXPECT_THAT(unmapped(found), HasSubstr("o: the password flow wants a person's password"));
  EXPECT_THAT(unmapped(found), HasSubstr("o: the deviceAuthorization flow is not imported"));
}

TEST(OpenApiImport, urls_of_flows_are_https_and_may_hold_the_tenant) {
  const Imported found = read(document(
      "servers: [{url: 'https://{shop}.acme.example', variables: {shop: {default: x}}}]\n"
      "components:\n  securitySchemes:\n"
      "    o: {type: oauth2, flows: {clientCredentials: {tokenUrl: 'https://{shop}.acme.example/t', scopes: {}}}}\n"
      "    r: {type: oauth2, flows: {clientCredentials: {tokenUrl: /oauth/token, scopes: {}}}}\n"
      "    h: {type: oauth2, flows: {clientCredentials: {tokenUrl: 'http://acme.example/t', scopes: {}}}}\n"
      "    v: {type: oauth2, flows: {clientCredentials: {tokenUrl: 'https://{other}/t', scopes: {}}}}\n"
      "    n: {type: oauth2, flows: {authorizationCode: {tokenUrl: 'https://acme.example/t', scopes: {}}}}\n"
      "    e: {type: oauth2}\n"));
  const Provider provider = entry_of(found);
  EXPECT_EQ(provider.auth.at("o").oauth->token.url.text(), "https://${shop}.acme.example/t");
  EXPECT_EQ(provider.auth.at("r").oauth->token.url.text(), "https://${shop}.acme.example/oauth/token");
  EXPECT_THAT(unmapped(found), HasSubstr("h: its tokenUrl is not https"));
  EXPECT_THAT(unmapped(found), HasSubstr("n: names no authorizationUrl"));
  EXPECT_THAT(unmapped(found), HasSubstr("e: names no flows"));
  EXPECT_FALSE(provider.auth.contains("v"));
}

// --- openIdConnect ---------------------------------------------------------------------------------------------------

constexpr const char* kWellKnown = "https://id.acme.example/.well-known/openid-configuration";
const std::string kOpenId = std::string("    id: {type: openIdConnect, openIdConnectUrl: '") + kWellKnown + "'}\n";
const std::string kDiscovery = R"({"issuer": "https://id.acme.example",
  "authorization_endpoint": "https://id.acme.example/authorize", "token_endpoint": "https://id.acme.example/token",
  "revocation_endpoint": "https://id.acme.example/revoke", "introspection_endpoint": "https://id.acme.example/look",
  "grant_types_supported": ["authorization_code", "client_credentials"],
  "token_endpoint_auth_methods_supported": ["client_secret_post"], "scopes_supported": ["openid", "offline_access"],
  "authorization_response_iss_parameter_supported": true})";

TEST(OpenApiImport, openid_needs_its_discovery_document) {
  const Imported found = read(schemes(kOpenId));
  EXPECT_THAT(found.discovery, ElementsAre(kWellKnown));
  EXPECT_EQ(found.yaml, "");
  EXPECT_THAT(mistake(schemes("    id: {type: openIdConnect, openIdConnectUrl: 'http://id.acme.example/'}\n")),
              HasSubstr("id: its openIdConnectUrl is not https"));
}

TEST(OpenApiImport, discovered_endpoints_at_the_issuer_are_taken) {
  const Imported found = read(schemes(kOpenId), {.discovery = {{kWellKnown, kDiscovery}}});
  const Provider provider = entry_of(found);
  const OAuth& oauth = *provider.auth.at("id").oauth;
  EXPECT_EQ(oauth.authorize->url.text(), "https://id.acme.example/authorize");
  EXPECT_EQ(oauth.authorize->issuer->text(), "https://id.acme.example");
  EXPECT_EQ(oauth.token.client_auth, ClientAuth::body);
  EXPECT_EQ(oauth.revoke->url.text(), "https://id.acme.example/revoke");
  EXPECT_THAT(oauth.scopes.defaults, ElementsAre("openid", "offline_access"));
  EXPECT_EQ(provider.auth.at("id-client").type, "OAUTH2_CLIENT_CREDENTIALS");
  EXPECT_THAT(found.endpoints, ElementsAre("id.acme.example"));
}

TEST(OpenApiImport, discovered_endpoints_elsewhere_are_refused_until_they_are_confirmed) {
  std::string elsewhere = kDiscovery;
  elsewhere.replace(elsewhere.find("https://id.acme.example/token"), 29, "https://tokens.evil.example/t");
  const ImportOptions options{.discovery = {{kWellKnown, elsewhere}}};
  const Imported found = read(schemes(kOpenId), options);
  EXPECT_THAT(found.unconfirmed, ElementsAre("tokens.evil.example"));
  EXPECT_EQ(found.yaml, "");
  ImportOptions confirmed = options;
  confirmed.confirmed = {"tokens.evil.example"};
  EXPECT_EQ(entry_of(read(schemes(kOpenId), confirmed)).auth.at("id").oauth->token.url.text(),
            "https://tokens.evil.example/t");
}

TEST(OpenApiImport, a_discovery_document_of_another_issuer_is_not_believed) {
  std::string other = kDiscovery;
  other.replace(other.find("https://id.acme.example"), 23, "https://id.evil.example");
  EXPECT_THAT(mistake(schemes(kOpenId), {.discovery = {{kWellKnown, other}}}),
              HasSubstr("'https://id.evil.example', is not where the document is"));
  EXPECT_THAT(mistake(schemes(kOpenId), {.discovery = {{kWellKnown, "<html>"}}}), HasSubstr("is not a JSON object"));
  EXPECT_THAT(mistake(schemes(kOpenId), {.discovery = {{kWellKnown, std::string(kMaxDiscovery + 1, ' ')}}}),
              HasSubstr("larger than 256 KiB"));
  EXPECT_THAT(mistake(schemes(kOpenId), {.discovery = {{kWellKnown, R"({"issuer": "https://id.acme.example"})"}}}),
              HasSubstr("names no token_endpoint"));
}

// --- documents -------------------------------------------------------------------------------------------------------

TEST(OpenApiImport, only_openapi_three_is_read) {
  EXPECT_EQ(mistake("swagger: '2.0'\n"), "acme.yaml:1:10: this is Swagger 2; convert it to OpenAPI 3 first");
  EXPECT_EQ(mistake("openapi: 4.0.0\n"), "acme.yaml:1:10: OpenAPI '4.0.0' is not read; 3.0, 3.1 and 3.2 are");
  EXPECT_EQ(mistake("info: {}\n"), "acme.yaml:1:1: no 'openapi: 3…': this is not an OpenAPI document");
}

TEST(OpenApiImport, ids_are_names_of_the_catalog) {
  EXPECT_THAT(mistake("openapi: 3.0.0\ninfo: {title: '!!'}\n"), HasSubstr("its title gives no id: name one with --id"));
  EXPECT_THAT(mistake(document(kKey), {.id = "Not An Id"}), HasSubstr("--id: 'Not An Id' is not an id"));
  EXPECT_THAT(mistake(document(kKey), {.id = "import"}), HasSubstr("--id: 'import' is taken"));
}

TEST(OpenApiImport, texts_of_the_document_stay_texts_of_the_entry) {
  const Imported found = read(
      "openapi: 3.0.0\ninfo: {title: \"A: \\\"b\\\"\\n${apiKey} # c\"}\nservers: [{url: 'https://a.acme.example'}]\n"
      "components: {securitySchemes: {\"k\\\": {x\": {type: apiKey, in: query, name: '\"k\" $x'}}}\n",
      {.file = "x\ny"});
  const Provider provider = entry_of(found);
  EXPECT_EQ(provider.title, "A: \"b\" ${apiKey} # c");
  EXPECT_EQ(rules(provider.auth.at("k-x")), "query \"k\" $x=${apiKey}");
  EXPECT_THAT(found.yaml, HasSubstr("# Imported from x y:"));
}

TEST(OpenApiImport, json_documents_name_pointers) {
  EXPECT_EQ(mistake(R"({"openapi": "3.0.0", "info": {"title": "A"}, "servers": [{"url": "/v1"}]})"),
            "acme.yaml: /servers: none of its servers can be a host: the server URL '/v1' is relative: give the "
            "service's address with --base-url");
}

TEST(OpenApiImport, an_entry_over_its_limit_is_refused) {
  std::string scopes;
  for (int i = 0; i < 499; ++i) scopes += fmt::format("{}{}: x, ", std::string(250, 's'), i);
  EXPECT_THAT(
      mistake(schemes("    o: {type: oauth2, flows: {clientCredentials: {tokenUrl: 'https://a.example/t', scopes: {" +
                      scopes +
                      "z: x}}}}\n    p: {type: oauth2, flows: {clientCredentials: {tokenUrl: "
                      "'https://a.example/t', scopes: {" +
                      scopes + "z: x}}}}\n")),
      HasSubstr("larger than 128 KiB"));
}

}  // namespace
}  // namespace postern::config::test
