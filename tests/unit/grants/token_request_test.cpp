#include "proxy/grants/token_request.hpp"

#include "tests/unit/grants/support.hpp"

namespace postern::grants::test {
namespace {

Built<TokenRequest> ask(const config::OAuth& entry, const Values& values = client()) {
  const Asking asking{entry, values, kNow / 1000, "nonce-1"};
  return client_credentials(Renewal{asking, {}});
}
std::string with_auth(const std::string& client_auth, const std::string& more = "") {
  return "token: {url: https://login.example.com/token, client_auth: " + client_auth + more + "}";
}

TEST(TokenRequest, is_a_form_by_default) {
  const auto entry = oauth();
  const auto made = ask(entry);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->describe(), "POST https://login.example.com/token");
  EXPECT_EQ(made->host, "login.example.com");
  EXPECT_EQ(made->port, 443);
  EXPECT_EQ(body(made), "grant_type=client_credentials");
  EXPECT_EQ(header(*made, "Content-Type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(header(*made, "Accept"), "application/json");
  EXPECT_EQ(header(*made, "User-Agent").substr(0, 8), "postern/");
  EXPECT_TRUE(made->query.empty());
}

TEST(TokenRequest, encodes_its_parameters_as_the_entry_says) {
  const std::string params = ", client_auth: body, params: {scope: \"a b&c\", resource: \"https://r/é\"}}";
  const auto form = oauth("token: {url: https://login.example.com/token" + params);
  EXPECT_EQ(body(ask(form)),
            "grant_type=client_credentials&client_id=my+id&client_secret=s3cret%2F%2B%3A%25&"
            "resource=https%3A%2F%2Fr%2F%C3%A9&scope=a+b%26c");
  const auto json = oauth("token: {url: https://login.example.com/token, encoding: json" + params);
  EXPECT_EQ(body(ask(json)), R"({"client_id":"my id","client_secret":"s3cret/+:%","grant_type":"client_credentials",)"
                             R"("resource":"https://r/é","scope":"a b&c"})");
  EXPECT_EQ(header(*ask(json), "Content-Type"), "application/json");
  const auto in_query = oauth("token: {url: https://login.example.com/token, method: GET" + params);
  EXPECT_EQ(query(ask(in_query)),
            "grant_type=client_credentials&client_id=my%20id&client_secret=s3cret%2F%2B%3A%25&"
            "resource=https%3A%2F%2Fr%2F%C3%A9&scope=a%20b%26c");
  EXPECT_EQ(ask(in_query)->method, "GET");
  EXPECT_TRUE(ask(in_query)->body.empty());
  EXPECT_EQ(header(*ask(in_query), "Content-Type"), "(none)");
  EXPECT_EQ(ask(in_query)->describe(), "GET https://login.example.com/token");
}

TEST(TokenRequest, writes_nested_json_and_escapes_it) {
  const auto entry = oauth(
      "token: {url: https://login.example.com/token, encoding: json, client_auth: none,\n"
      "            params: {/auth/user: \"a\\\"b\\\\\", /auth/tenant~1name: \"${tenant}\", grant_type: \"\"}}");
  Values values;
  values.set_plain("tenant", "acme");
  EXPECT_EQ(body(ask(entry, values)), R"({"auth":{"tenant/name":"acme","user":"a\"b\\"}})");
}

TEST(TokenRequest, percent_encodes_the_client_for_basic_unless_the_entry_wants_it_raw) {
  // RFC 6749 section 2.3.1 and appendix B.
  EXPECT_EQ(header(*ask(oauth(with_auth("basic"))), "Authorization"),
            "Basic bXkraWQ6czNjcmV0JTJGJTJCJTNBJTI1");  // my+id:s3cret%2F%2B%3A%25
  EXPECT_EQ(header(*ask(oauth(with_auth("basic_raw"))), "Authorization"), "Basic bXkgaWQ6czNjcmV0Lys6JQ==");
  Values colon = client();
  colon.set_plain("clientId", "a:b");
  EXPECT_EQ(error(ask(oauth(with_auth("basic_raw")), colon)), "the client id holds a colon, which ends a user name");
  EXPECT_EQ(header(*ask(oauth(with_auth("basic")), colon), "Authorization").substr(0, 14), "Basic YSUzQWI6");
}

TEST(TokenRequest, sends_the_client_as_the_entry_says) {
  EXPECT_EQ(body(ask(oauth(with_auth("body", ", client_id_param: client_key, client_secret_param: key_secret")))),
            "grant_type=client_credentials&client_key=my+id&key_secret=s3cret%2F%2B%3A%25");
  const auto alone = ask(oauth(with_auth("none")));
  EXPECT_EQ(body(alone), "grant_type=client_credentials&client_id=my+id");
  EXPECT_EQ(header(*alone, "Authorization"), "(none)");
  const auto user = ask(oauth(with_auth("secret_as_user")));
  EXPECT_EQ(header(*user, "Authorization"), "Basic czNjcmV0Lys6JTo=");  // s3cret/+:%:
  EXPECT_EQ(body(user), "grant_type=client_credentials");
}

TEST(TokenRequest, lets_the_entry_replace_and_leave_out_parameters_and_headers) {
  const auto entry = oauth(
      "token: {url: https://login.example.com/token, params: {grant_type: \"\", audience: \"${tenant}\"},\n"
      "            headers: {accept: application/vnd.x+json, X-Tenant: \"${tenant}\", X-None: \"\"}}");
  const auto made = ask(entry);
  EXPECT_EQ(body(made), "audience=acme");
  EXPECT_EQ(header(*made, "accept"), "application/vnd.x+json");
  EXPECT_EQ(header(*made, "Accept"), "(none)");
  EXPECT_EQ(header(*made, "X-Tenant"), "acme");
  EXPECT_EQ(header(*made, "X-None"), "(none)");
}

TEST(TokenRequest, says_which_value_is_missing_and_never_shows_one) {
  Values none;
  EXPECT_EQ(error(ask(oauth(), none)), "the value 'clientSecret' is missing");
  none.set("clientSecret", vault::Secret("topsecret"));
  EXPECT_EQ(error(ask(oauth(), none)), "the value 'clientId' is missing");
  none.set_plain("clientId", "");
  EXPECT_EQ(error(ask(oauth(), none)), "the value 'clientId' is missing");
  EXPECT_EQ(error(ask(oauth("token: {url: https://login.example.com/t, client_auth: none, params: {a: \"${tenant}\"}}"),
                      Values{})),
            "the value 'tenant' is missing");
}

TEST(TokenRequest, refuses_a_header_value_that_would_break_the_head) {
  const auto entry = oauth("token: {url: https://login.example.com/t, headers: {X-T: \"${tenant}\"}}");
  for (const std::string_view bad : {std::string_view("a\r\nX: y"), std::string_view("a\nb"),
                                     std::string_view("a\0b", 3), std::string_view(" a"), std::string_view("a ")}) {
    Values values = client();
    values.set_plain("tenant", bad);
    EXPECT_EQ(error(ask(entry, values)), "the value of the header X-T holds a line break or another control character");
  }
}

TEST(TokenRequest, says_what_signs_it_and_with_which_values) {
  const auto entry = oauth(
      "fields: {accessKeyId: {secret: false}, secretAccessKey: , sessionToken: {required: false}}\n"
      "    token: {url: https://login.example.com/t, sign: {service: sts, region: \"${tenant}\"}}",
      "TWO_STEP");
  Values values;
  values.set_plain("tenant", "eu-west-1");
  values.set_plain("accessKeyId", "AKIA");
  values.set("secretAccessKey", vault::Secret("s3cret"));
  values.set_plain("sessionToken", "");
  const auto made = ask(entry, values);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->scheme, "aws-sigv4");
  EXPECT_EQ(made->sign, (std::map<std::string, std::string>{{"region", "eu-west-1"}, {"service", "sts"}}));
  ASSERT_EQ(made->values.size(), 2U);  // a session token that is not there is none
  EXPECT_EQ(made->values.at("accessKeyId").expose(), "AKIA");
  EXPECT_EQ(made->values.at("secretAccessKey").expose(), "s3cret");
}

TEST(TokenUrl, takes_variables_that_fit_their_place) {
  const auto host = oauth("token: {url: \"https://${tenant}.example.com:8443/o/${clientId}/token\"}");
  const auto made = ask(host);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->host, "acme.example.com");
  EXPECT_EQ(made->port, 8443);
  EXPECT_EQ(made->path, "/o/my%20id/token");
  EXPECT_EQ(made->describe(), "POST https://acme.example.com:8443/o/my%20id/token");
  for (const char* bad : {"evil.com/", "a.b", "a@b", "a:1", "", "a b", "ä"}) {
    Values values = client();
    values.set_plain("tenant", bad);
    EXPECT_FALSE(ask(host, values)) << bad;
  }
  Values dots = client();
  dots.set_plain("clientId", "..");
  EXPECT_EQ(error(ask(host, dots)), "the value 'clientId' cannot stand in a path");
  dots.set_plain("clientId", "a/../b?c#d");
  EXPECT_EQ(ask(host, dots)->path, "/o/a%2F..%2Fb%3Fc%23d/token");
}

TEST(TokenUrl, takes_a_whole_host_only_at_the_end) {
  const auto whole = oauth("token: {url: \"https://login.${tenant}/token\"}", "TWO_STEP");
  Values values = client();
  values.set_plain("tenant", "acme.example.com");
  EXPECT_EQ(ask(whole, values)->host, "login.acme.example.com");
  for (const char* bad : {"127.1", "a..b", "a/b", "-"}) {
    values.set_plain("tenant", bad);
    EXPECT_FALSE(ask(whole, values) && bad[0] != '1') << bad;
  }
}

}  // namespace
}  // namespace postern::grants::test
