// Every shipped OAuth entry reads what its provider's documentation shows, and makes a request out of its own fields.
#include <fstream>
#include <sstream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "proxy/grants/authorization_code.hpp"
#include "proxy/grants/device_code.hpp"
#include "proxy/grants/revoke.hpp"
#include "tests/source_dir.hpp"
#include "tests/unit/grants/support.hpp"

namespace postern::grants::test {
namespace {

boost::json::value golden(const std::string& name) {
  std::ifstream in(std::string(POSTERN_SOURCE_DIR) + "/tests/golden/grants/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return boost::json::parse(text.str());
}

const config::Catalog& catalog() {
  static const auto loaded = config::Catalog::load({});
  return **loaded;
}

std::string text_of(const boost::json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : boost::json::serialize(value);
}

void compare(const Tokens& got, const boost::json::object& expect) {
  EXPECT_EQ(got.access_token.expose(), expect.at("access").as_string());
  EXPECT_EQ(got.refresh_token.expose(), expect.at("refresh").as_string());
  EXPECT_EQ(got.account, expect.at("account").as_string());
  const auto lifetime = [](const boost::json::value& v) {
    return v.is_null() ? std::nullopt : std::optional(v.to_number<std::int64_t>());
  };
  EXPECT_EQ(got.lifetime_ms, lifetime(expect.at("lifetime_ms")));
  EXPECT_EQ(got.refresh_lifetime_ms, lifetime(expect.at("refresh_lifetime_ms")));
  EXPECT_EQ(got.more.size(), expect.at("more").as_object().size());
  for (const auto& [name, value] : expect.at("more").as_object())
    EXPECT_EQ(got.more.at(std::string(name)).expose(), value.as_string());
}

TEST(DocumentedAnswers, are_read_as_their_providers_mean_them) {
  for (const auto& record : golden("answers.json").as_array()) {
    SCOPED_TRACE(boost::json::serialize(record.at("source")) + " " + text_of(record.at("body")));
    const auto provider = catalog().find(std::string(record.at("provider").as_string()));
    ASSERT_TRUE(provider);
    const auto auth = provider->auth.find(std::string(record.at("auth").as_string()));
    ASSERT_TRUE(auth != provider->auth.end() && auth->second.oauth);
    const auto got =
        read(auth->second.oauth->answer, reply(text_of(record.at("body")), record.at("status").to_number<int>()));
    const auto& expect = record.at("expect").as_object();
    if (const auto* kind = expect.if_contains("failure")) {
      ASSERT_FALSE(got);
      EXPECT_EQ(to_string(got.error().kind), kind->as_string());
    } else {
      ASSERT_TRUE(got) << got.error().text;
      compare(*got, expect);
    }
  }
}

// A value for every field and variable of an entry.
Values fill(const config::Provider& provider, const config::Auth& auth) {
  const std::string key(golden("jws.json").at("rs256").at("key").as_string());
  Values values;
  for (const auto* fields : {&provider.fields, &auth.fields, &auth.app_fields})
    for (const auto& [name, spec] : *fields)
      spec.secret ? values.set(name, vault::Secret(name == "privateKey" ? key : "a-secret"))
                  : values.set_plain(name, "acme");
  return values;
}

TEST(ShippedOAuth, makes_a_request_of_its_own_fields_and_has_a_documented_answer) {
  const auto answers = golden("answers.json");
  int entries = 0;
  for (const std::string& id : catalog().ids()) {
    const auto provider = catalog().find(id);
    for (const auto& [name, auth] : provider->auth) {
      if (!auth.oauth) continue;
      SCOPED_TRACE(id + "/" + name);
      ++entries;
      const Values values = fill(*provider, auth);
      const Asking asking{*auth.oauth, values, kNow / 1000, "nonce"};
      const vault::Secret refresh("a-refresh-token"), access("an-access-token");
      const auto made =
          grant_of(auth.type, *auth.oauth)->build(Renewal{asking, auth.oauth->scopes.defaults, &refresh, &access});
      EXPECT_TRUE(made) << made.error().text;
      if (auth.oauth->authorize) {
        EXPECT_TRUE(authorize_url({asking, "https://p.example/cb", "state", "verifier", auth.oauth->scopes.defaults}));
      }
      if (auth.oauth->revoke) {
        EXPECT_TRUE(revoke_request(asking, auth.oauth->revoke->tokens.front(), access));
      }
      if (auth.oauth->device) {
        EXPECT_TRUE(device_request(Renewal{asking, {}}));
      }
      bool documented = id == "xero" || id == "bitbucket";  // their client credentials answer as the other entry does
      for (const auto& record : answers.as_array())
        documented = documented || (record.at("provider").as_string() == id && record.at("auth").as_string() == name);
      EXPECT_TRUE(documented || auth.type == "JWT_BEARER") << "no recorded answer";
    }
  }
  EXPECT_GE(entries, 30);
}

TEST(ShippedOAuth, sends_what_is_particular_about_its_provider) {
  const auto request = [](const std::string& id, const std::string& name) {
    const auto provider = catalog().find(id);
    const config::Auth& auth = provider->auth.at(name);
    const Values values = fill(*provider, auth);
    const Asking asking{*auth.oauth, values, kNow / 1000, "nonce"};
    const vault::Secret refresh("RT"), access("AT");
    return grant_of(auth.type, *auth.oauth)->build(Renewal{asking, {}, &refresh, &access});
  };
  EXPECT_EQ(body(request("tiktok", "oauth")),
            "grant_type=refresh_token&refresh_token=RT&client_key=acme&client_secret=a-secret");
  EXPECT_EQ(request("tiktok", "oauth")->path, "/v2/oauth/token/");
  EXPECT_EQ(body(request("zoom", "server")), "account_id=acme&grant_type=account_credentials");
  EXPECT_EQ(query(request("facebook", "oauth")),
            "fb_exchange_token=AT&client_id=acme&client_secret=a-secret&grant_type=fb_exchange_token");
  EXPECT_EQ(request("figma", "oauth")->describe(), "POST https://api.figma.com/v1/oauth/refresh");
  EXPECT_EQ(body(request("figma", "oauth")), "refresh_token=RT");
  EXPECT_EQ(body(request("notion", "oauth")), R"({"grant_type":"refresh_token","refresh_token":"RT"})");
  EXPECT_EQ(header(*request("stripe", "connect"), "Authorization"), "Basic YS1zZWNyZXQ6");
  EXPECT_EQ(request("zendesk", "oauth")->host, "acme.zendesk.com");
}

}  // namespace
}  // namespace postern::grants::test
