#pragma once
// A provider that people connect in a browser, and a browser.
#include <fstream>

#include "client.hpp"

namespace postern::admin {

class AcmeRoom : public AdminRoom {
 protected:
  void SetUp() override {
    AdminRoom::SetUp();
    load_acme("");
  }
  // `more`: further members of the auth entry, each behind a comma.
  void load_acme(const std::string& more, const std::string& hosts = "api.test, more.test") {
    const auto folder = state / "providers";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "acme.yaml")
        << "{id: acme, title: 'Acme & <Sons>', base_url: 'https://api.test', hosts: [" << hosts
        << "], verify: {get: /me, expect: 200, account: id}, auth: {oauth: {type: OAUTH2, authorize: {url: "
           "'https://login.test/authorize'}, token: {url: 'https://token.test/token'}, revoke: {url: "
           "'https://token.test/revoke'}"
        << more << "}, key: {type: API_KEY, inject: [{header: X-Key, value: '${apiKey}'}]}}}";
    auto loaded = config::Catalog::load({folder});
    ASSERT_TRUE(loaded) << loaded.error().text();
    catalog = *loaded;
  }

  std::string auth_config(const std::string& more = "") {
    const auto made = call(
        "POST", "/api/v1/auth_configs",
        R"({"name":"Ours","provider":"acme","value":{"clientId":"us","clientSecret":"client-canary"})" + more + "}");
    EXPECT_EQ(made.status, 201) << made.body;
    return made.text("id");
  }
  WireReply connect_by_hand(
      const std::string& app, const std::string& more = "",
      const std::string& value = R"({"refreshToken":"refresh-canary","accessToken":"access-canary"})") {
    return call("POST", "/api/v1/connections",
                R"({"app":"acme","type":"OAUTH2","authConfig":")" + app + R"(","value":)" + value + more + "}");
  }
  WireReply link(const std::string& body) { return call("POST", "/api/v1/links", body); }
  WireReply link_of(const std::string& app, const std::string& more = "") {
    return link(R"({"authConfig":")" + app + R"(","name":"<b>Ada</b>")" + more + "}");
  }
  std::string status_of(const std::string& id) { return call("GET", "/api/v1/links/" + id).text("status"); }
  std::string reason_of(const std::string& id) { return call("GET", "/api/v1/links/" + id).text("reason"); }

  // A browser: one cookie.
  struct Browser {
    std::string cookie;
  };
  WireReply visit(Browser& browser, const std::string& target, Fields fields = {}) {
    if (!browser.cookie.empty()) fields.emplace_back("Cookie", "theme=dark; " + browser.cookie);
    auto reply = call("GET", target, "", "", fields);
    if (reply.fields.contains("set-cookie"))
      browser.cookie = reply.fields["set-cookie"].substr(0, reply.fields["set-cookie"].find(';'));
    return reply;
  }
  WireReply press(const Browser& browser, const std::string& target, const std::string& form = "", Fields fields = {}) {
    if (!browser.cookie.empty()) fields.emplace_back("Cookie", browser.cookie);
    fields.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    return call("POST", target, form, "", fields);
  }
  static std::string between(const std::string& text, const std::string& before, const std::string& after) {
    const auto at = text.find(before);
    if (at == std::string::npos) return "";
    const auto from = at + before.size();
    return text.substr(from, text.find(after, from) - from);
  }
  // The state that the provider is told.
  std::string leave(Browser& browser, const std::string& id) {
    EXPECT_EQ(visit(browser, "/connect/" + id).status, 200);
    const auto away = press(browser, "/connect/" + id);
    EXPECT_EQ(away.status, 303) << away.body;
    return between(away.fields.at("location") + "&", "state=", "&");
  }
  WireReply come_back(Browser& browser, const std::string& state, const std::string& more = "&code=code-canary") {
    return visit(browser, "/oauth/callback?state=" + state + more, {{"Sec-Fetch-Site", "cross-site"}});
  }
  WireReply confirm(const Browser& browser, const std::string& id, const WireReply& page,
                    const char* verb = "confirm") {
    return press(browser, "/connect/" + id + "/" + verb,
                 "confirm=" + between(page.body, "name=\"confirm\" value=\"", "\""));
  }
};

}  // namespace postern::admin
