// The connect flow, page by page; every refusal is produced.
#include <gmock/gmock.h>

#include "acme.hpp"

namespace postern::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(AcmeRoom, a_link_becomes_a_connection_with_the_last_click) {
  const auto made = link_of(auth_config(), R"(,"alias":"ada")");
  ASSERT_EQ(made.status, 201) << made.body;
  const auto id = made.text("id");
  Browser browser;
  const auto page = visit(browser, "/connect/" + id);
  EXPECT_THAT(page.body, HasSubstr("Acme &amp; &lt;Sons&gt;"));
  EXPECT_THAT(page.body, HasSubstr("&lt;b&gt;Ada&lt;/b&gt;"));
  EXPECT_THAT(page.body, Not(HasSubstr("<b>Ada")));
  EXPECT_THAT(page.fields.at("content-security-policy"), HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(page.fields.at("set-cookie"), HasSubstr("; HttpOnly; SameSite=Lax"));
  EXPECT_EQ(status_of(id), "PENDING");
  const auto state = leave(browser, id);
  EXPECT_EQ(status_of(id), "OPENED");
  const auto returned = come_back(browser, state);
  ASSERT_EQ(returned.status, 200) << returned.body;
  EXPECT_THAT(returned.body, HasSubstr("ada@acme"));
  EXPECT_EQ(status_of(id), "RETURNED");
  EXPECT_THAT(desk.asked.back().body, HasSubstr("code_verifier="));
  EXPECT_EQ(call("GET", "/api/v1/connections/ada").status, 404);
  EXPECT_EQ(confirm(browser, id, returned).status, 200);
  const auto connection = call("GET", "/api/v1/connections/ada");
  EXPECT_EQ(connection.text("status"), "ACTIVE") << connection.body;
  EXPECT_EQ(connection.text("account"), "ada@acme");
  EXPECT_EQ(call("GET", "/api/v1/links/" + id).text("connection"), connection.text("id"));
  EXPECT_EQ(desk.woken.back(), connection.text("id"));
  // Again: the same one. And the link leads nowhere any more.
  EXPECT_EQ(confirm(browser, id, returned).status, 200);
  EXPECT_EQ(call("GET", "/api/v1/connections").object().at("data").as_array().size(), 1u);
  EXPECT_EQ(visit(browser, "/connect/" + id).status, 404);
}

TEST_F(AcmeRoom, a_state_works_once_in_the_browser_that_got_it) {
  const auto id = link_of(auth_config()).text("id");
  Browser browser, thief, other;
  const auto state = leave(browser, id);
  EXPECT_EQ(come_back(thief, state).status, 403);
  visit(other, "/connect/" + id);
  EXPECT_EQ(come_back(other, state).status, 403);
  Browser forged{browser.cookie + "x"};
  EXPECT_EQ(come_back(forged, state).status, 403);
  EXPECT_TRUE(desk.asked.empty());
  EXPECT_EQ(come_back(browser, state).status, 200);
  EXPECT_EQ(come_back(browser, state).status, 400);
  EXPECT_EQ(come_back(browser, "made-up").status, 400);
  EXPECT_EQ(come_back(browser, "").status, 400);
  EXPECT_EQ(visit(browser, "/oauth/callback").status, 400);
  EXPECT_EQ(desk.asked.size(), 1u);
}

TEST_F(AcmeRoom, a_second_start_makes_the_first_state_void) {
  const auto id = link_of(auth_config()).text("id");
  Browser browser;
  const auto first = leave(browser, id), second = leave(browser, id);
  EXPECT_EQ(come_back(browser, first).status, 400);
  EXPECT_EQ(come_back(browser, second).status, 200);
}

TEST_F(AcmeRoom, the_buttons_are_pressed_by_our_pages_alone) {
  const auto id = link_of(auth_config()).text("id");
  Browser browser;
  EXPECT_EQ(press(browser, "/connect/" + id).status, 403) << "no cookie";
  const auto returned = come_back(browser, leave(browser, id));
  const auto form = "confirm=" + between(returned.body, "name=\"confirm\" value=\"", "\"");
  const auto target = "/connect/" + id + "/confirm";
  EXPECT_EQ(press(browser, target, form, {{"Origin", "https://evil.test"}}).status, 403);
  EXPECT_EQ(press(browser, target, form, {{"Sec-Fetch-Site", "cross-site"}}).status, 403);
  EXPECT_EQ(press(browser, target, form, {{"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}}).status, 403);
  EXPECT_EQ(press(Browser(), target, form).status, 403);
  EXPECT_EQ(press(browser, target, "confirm=made-up").status, 403);
  EXPECT_EQ(press(browser, target).status, 403);
  EXPECT_EQ(visit(browser, target).status, 405);
  EXPECT_EQ(visit(browser, "/connect/" + id, {{"Host", "evil.test"}}).status, 403);
  EXPECT_EQ(visit(browser, "/connect/" + id, {{"Sec-Fetch-Mode", "no-cors"}}).status, 403);
  EXPECT_EQ(status_of(id), "RETURNED");
  // What a browser says under `no-referrer`.
  EXPECT_EQ(press(browser, target, form, {{"Origin", "null"}, {"Sec-Fetch-Site", "same-origin"}}).status, 200);
}

TEST_F(AcmeRoom, what_the_provider_refuses_ends_the_link_with_its_reason) {
  const auto app = auth_config();
  const auto ends = [&](const std::string& query, int status, const std::string& reason) {
    const auto id = link_of(app).text("id");
    Browser browser;
    const auto page = come_back(browser, leave(browser, id), query);
    EXPECT_EQ(page.status, status) << query << page.body;
    EXPECT_THAT(page.body, Not(HasSubstr("<i>")));
    EXPECT_EQ(status_of(id), "FAILED") << query;
    EXPECT_EQ(reason_of(id), reason) << query;
  };
  ends("&error=access_denied", 400, "denied");
  ends("&error=%3Ci%3E", 400, "provider_error");
  ends("&code=c&iss=https%3A%2F%2Fevil.test", 400, "wrong_issuer");
  ends("&code=c&iss=http%3A%2F%2Flogin.test", 400, "wrong_issuer");
  EXPECT_TRUE(desk.asked.empty());
  desk.tokens = [] {
    return std::unexpected(grants::Failure{grants::Failure::Kind::rejected, 400, "invalid_grant", "<i>no", {}});
  };
  ends("&code=c&iss=https%3A%2F%2Flogin.test%2Ftenant", 502, "exchange_failed");
  EXPECT_EQ(call("GET", "/api/v1/auth_configs/" + app).text("status"), "ACTIVE");
  desk.tokens = [] {
    return std::unexpected(grants::Failure{grants::Failure::Kind::client, 401, "invalid_client", "", {}});
  };
  ends("&code=c", 502, "exchange_failed");
  EXPECT_EQ(call("GET", "/api/v1/auth_configs/" + app).text("statusReason"), "client_rejected");
}

TEST_F(AcmeRoom, cancelling_gives_the_tokens_back) {
  const auto id = link_of(auth_config()).text("id");
  Browser browser;
  const auto returned = come_back(browser, leave(browser, id));
  EXPECT_EQ(confirm(browser, id, returned, "cancel").status, 200);
  EXPECT_EQ(reason_of(id), "cancelled");
  EXPECT_THAT(desk.asked.back().line, HasSubstr("token.test/revoke"));
  EXPECT_THAT(desk.asked.back().body, HasSubstr("token=refresh-canary"));
  EXPECT_EQ(confirm(browser, id, returned).status, 404);
  EXPECT_TRUE(call("GET", "/api/v1/connections").object().at("data").as_array().empty());
}

TEST_F(AcmeRoom, links_end_in_time_and_unknown_ones_look_like_deleted_ones) {
  const auto app = auth_config();
  const auto id = link_of(app, R"(,"expiresIn":5)").text("id"), deleted = link_of(app).text("id");
  Browser browser;
  const auto state = leave(browser, id);
  now += 6'000;
  EXPECT_EQ(status_of(id), "EXPIRED");
  EXPECT_EQ(visit(browser, "/connect/" + id).status, 410);
  EXPECT_EQ(come_back(browser, state).status, 400);
  EXPECT_EQ(call("DELETE", "/api/v1/links/" + deleted).status, 204);
  const auto gone = visit(browser, "/connect/" + deleted), never = visit(browser, "/connect/link_00000000000000000000");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.body, never.body);
  EXPECT_TRUE(desk.asked.empty());
}

TEST_F(AcmeRoom, a_disabled_auth_config_stops_links_at_each_step) {
  const auto app = auth_config();
  const auto id = link_of(app).text("id"), later = link_of(app).text("id");
  Browser browser;
  const auto state = leave(browser, id);
  ASSERT_EQ(call("PATCH", "/api/v1/auth_configs/" + app, R"({"enabled":false})").status, 200);
  EXPECT_EQ(link_of(app).code(), "auth-config-disabled");
  EXPECT_EQ(press(browser, "/connect/" + later).status, 409);
  EXPECT_EQ(come_back(browser, state).status, 409);
  EXPECT_EQ(status_of(id), "FAILED");
  EXPECT_TRUE(desk.asked.empty());
}

TEST_F(AcmeRoom, reconnecting_has_to_bring_the_same_account) {
  const auto app = auth_config();
  Browser browser;
  auto id = link_of(app, R"(,"alias":"ada")").text("id");
  confirm(browser, id, come_back(browser, leave(browser, id)));
  const auto before = call("GET", "/api/v1/connections/ada").object();
  const auto usual = desk.tokens;
  desk.tokens = [&] {
    auto out = usual();
    out->account = "eve@acme";
    return out;
  };
  id = link(R"({"connection":"ada"})").text("id");
  EXPECT_EQ(come_back(browser, leave(browser, id)).status, 409);
  EXPECT_EQ(reason_of(id), "account_mismatch");
  EXPECT_THAT(desk.asked.back().line, HasSubstr("revoke"));
  desk.tokens = usual;
  id = link(R"({"connection":"ada"})").text("id");
  EXPECT_EQ(confirm(browser, id, come_back(browser, leave(browser, id))).status, 200);
  const auto after = call("GET", "/api/v1/connections/ada").object();
  EXPECT_EQ(after.at("id"), before.at("id"));
  EXPECT_GT(after.at("generation").as_int64(), before.at("generation").as_int64());
}

TEST_F(AcmeRoom, the_page_of_a_connect_url_says_the_same_of_every_id) {
  const auto app = auth_config();
  const auto id = connect_by_hand(app, R"(,"alias":"ada")").text("id");
  Browser browser;
  const auto known = visit(browser, "/connect?connection=" + id);
  EXPECT_EQ(known.status, 200);
  EXPECT_THAT(known.body, HasSubstr("postern connect --reconnect " + id));
  EXPECT_EQ(visit(browser, "/connect?connection=conn_00000000000000000000").status, 200);
  EXPECT_EQ(visit(browser, "/connect?connection=%3Cb%3E").status, 404);
  EXPECT_EQ(visit(browser, "/connect").status, 404);
  const auto caller = make_token({.capabilities = {"proxy:call"}, .connections = {"*"}});
  EXPECT_EQ(press(browser, "/connect", "connection=" + id + "&token=" + caller).status, 403);
  EXPECT_EQ(press(browser, "/connect", "connection=" + id + "&token=pst_x").status, 403);
  EXPECT_EQ(press(browser, "/connect", "connection=conn_00000000000000000000&token=" + admin).status, 403);
  const auto leads = press(browser, "/connect", "connection=" + id + "&token=" + admin);
  EXPECT_EQ(leads.status, 303) << leads.body;
  EXPECT_THAT(leads.fields.at("location"), HasSubstr("/connect/link_"));
}

TEST_F(AcmeRoom, a_form_post_without_the_cookie_comes_again_as_a_get) {
  const auto id = link_of(auth_config()).text("id");
  Browser browser;
  const auto state = leave(browser, id);
  const auto again =
      press(Browser(), "/oauth/callback", "state=" + state + "&code=c%26d", {{"Origin", "https://login.test"}});
  EXPECT_EQ(again.status, 303);
  EXPECT_EQ(again.fields.at("location"), "/oauth/callback?state=" + state + "&code=c%26d");
  EXPECT_EQ(press(browser, "/oauth/callback", "state=" + state + "&code=c", {{"Origin", "https://login.test"}}).status,
            200);
}

TEST_F(AcmeRoom, a_person_may_agree_by_a_code_that_is_typed_at_the_service) {
  EXPECT_EQ(link_of(auth_config(), R"(,"device":true)").pointer(), "/device") << "the entry has none";
  load_acme(", device: {url: 'https://login.test/device'}");
  const auto app = auth_config();
  EXPECT_EQ(link_of(app).object().at("device"), false) << "another way is there";
  const auto made = link_of(app, R"(,"device":true,"alias":"ada")");
  ASSERT_EQ(made.status, 201) << made.body;
  const auto id = made.text("id"), usual = desk.body;
  Browser browser;
  visit(browser, "/connect/" + id);
  desk.status = 0;
  EXPECT_EQ(press(browser, "/connect/" + id).status, 502);
  EXPECT_EQ(status_of(id), "PENDING") << "it can be tried again";
  desk.status = 200;
  desk.body = R"({"device_code":"device-canary","user_code":"AB<C","verification_uri":"https://login.test/activate"})";
  const auto code = press(browser, "/connect/" + id);
  ASSERT_EQ(code.status, 200) << code.body;
  EXPECT_THAT(code.body, HasSubstr("AB&lt;C"));
  EXPECT_THAT(code.body, HasSubstr("href=\"https://login.test/activate\""));
  EXPECT_THAT(code.body, Not(HasSubstr("canary")));
  EXPECT_EQ(desk.asked.back().line, "POST https://login.test/device");
  EXPECT_EQ(status_of(id), "OPENED");
  EXPECT_EQ(confirm(Browser(), id, code, "poll").status, 403);
  EXPECT_EQ(press(browser, "/connect/" + id + "/poll", "confirm=x").status, 403);
  EXPECT_EQ(confirm(browser, id, code).status, 404) << "nothing to confirm yet";
  const auto agreed = desk.tokens;
  desk.tokens = [] {
    return std::unexpected(grants::Failure{grants::Failure::Kind::pending, 400, "authorization_pending", "", {}});
  };
  const auto early = confirm(browser, id, code, "poll");
  EXPECT_THAT(early.body, HasSubstr("Not yet"));
  EXPECT_THAT(desk.asked.back().body, HasSubstr("device_code=device-canary"));
  desk.tokens = agreed;
  desk.body = usual;
  const auto returned = confirm(browser, id, early, "poll");
  EXPECT_THAT(returned.body, HasSubstr("ada@acme"));
  EXPECT_EQ(status_of(id), "RETURNED");
  EXPECT_EQ(confirm(browser, id, returned).status, 200);
  EXPECT_EQ(call("GET", "/api/v1/connections/ada").text("status"), "ACTIVE");
}

TEST_F(AcmeRoom, a_code_that_was_refused_ends_the_link) {
  load_acme(", device: {url: 'https://login.test/device'}");
  const auto id = link_of(auth_config(), R"(,"device":true)").text("id");
  Browser browser;
  visit(browser, "/connect/" + id);
  desk.body = R"({"device_code":"d","user_code":"ABC","verification_uri":"https://login.test/activate"})";
  const auto code = press(browser, "/connect/" + id);
  desk.tokens = [] {
    return std::unexpected(grants::Failure{grants::Failure::Kind::rejected, 400, "expired_token", "it is over", {}});
  };
  EXPECT_EQ(confirm(browser, id, code, "poll").status, 502);
  EXPECT_EQ(reason_of(id), "exchange_failed");
}

TEST_F(AcmeRoom, links_are_refused_with_a_pointer) {
  EXPECT_EQ(link(R"({"provider":"acme"})").pointer(), "/authConfig");
  const auto app = auth_config();
  EXPECT_EQ(link(R"({"provider":"acme"})").status, 201);
  auth_config();
  EXPECT_EQ(link(R"({"provider":"acme"})").pointer(), "/authConfig") << "which of two";
  EXPECT_EQ(link("{}").pointer(), "/authConfig");
  EXPECT_EQ(link(R"({"authConfig":"ac_00000000000000000000"})").pointer(), "/authConfig");
  EXPECT_EQ(link(R"({"provider":"nobody"})").pointer(), "/provider");
  EXPECT_EQ(link_of(app, R"(,"expiresIn":601)").pointer(), "/expiresIn");
  EXPECT_EQ(link_of(app, R"(,"connection":"conn_00000000000000000000")").pointer(), "/connection");
  EXPECT_EQ(link_of(app, R"(,"surprise":1)").pointer(), "/surprise");
  EXPECT_EQ(link_of(app, R"(,"config":{"x":"y"})").pointer(), "/config/x");
  create(R"("alias":"taken")");
  EXPECT_EQ(link_of(app, R"(,"alias":"taken")").code(), "alias-taken");
  EXPECT_EQ(link(R"({"connection":"taken"})").pointer(), "/connection") << "it has no auth config";
}

}  // namespace
}  // namespace postern::admin
