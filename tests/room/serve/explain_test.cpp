// explain() says what the data path does: the same requests are explained and made, and both must come to one answer.
#include "proxy/serve/explain.hpp"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <random>

#include "proxy/serve/problem.hpp"
#include "service_room.hpp"

namespace postern::serve {
namespace {

using observe::Decision;
using observe::Explanation;
using observe::Outcome;
using observe::Question;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kSecret = "sk_live_never_shown";

struct Shape {
  std::string caller, connection, method, url;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string code;  // empty: forwarded
};

// What the data path did.
struct Done {
  std::string code;
  int status = 0;
  std::string body;  // of the upstream's answer: the head that it was sent
};

class ExplainRoom : public ServiceRoom {
 public:
  ExplainRoom() { settings.egress_allow = {{kHost, false, 443}, {".wild.test", true, 443}, {"127.0.0.1", false, 443}}; }

  void begin() {
    serve([](Peer& peer) {
      for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
        std::size_t length = 0;
        if (const auto at = head.find("Content-Length: "); at != std::string::npos)
          std::from_chars(head.data() + at + 16, head.data() + head.size(), length);
        peer.read(length);
        peer.write(ok(head));
      }
    });
    host = std::string(kHost) + ":" + std::to_string(server->port());
    make_connections();
    make_callers();
  }

  vault::Connection make(const std::string& alias, const std::string& inject,
                         const std::function<void(vault::Connection&)>& change = {}) {
    vault::Connection meta;
    meta.owner = "service";
    meta.alias = alias;
    meta.app = "http";
    meta.auth = "api_key";
    meta.type = "API_KEY";
    meta.config = R"({"hosts":[")" + host + R"("],"inject":[)" + inject + "]}";
    meta.destinations = {{kHost, server->port(), ""}};
    if (change) change(meta);
    auto made = vault->create_connection(meta, credential(kSecret));
    EXPECT_TRUE(made) << alias << ": " << (made ? "" : made.error().message);
    return made ? *made : meta;
  }

  void make_connections() {
    const std::string header = R"({"header":"Authorization","value":"Bearer ${apiKey}"})";
    make("plain", header);
    make("query", R"({"query":"appid","value":"${apiKey}"})");
    make("cookie", R"({"cookie":"session","value":"${apiKey}"})");
    make("path", R"({"path":"/bot${apiKey}"})");
    make("form", R"({"form":"token","value":"${apiKey}"})");
    make("json", R"({"json":"/auth/key","value":"${apiKey}"})");
    make("base64", R"({"header":"X-Key","value":"Token ${base64(apiKey)}"},{"header":"X-Version","value":"7"})");
    make("below", header, [](auto& c) { c.destinations.front().path_prefix = "/v1"; });
    make("elsewhere", header, [](auto& c) { c.destinations = {{"other.test", 443, ""}}; });
    make("disabled", header, [](auto& c) { c.enabled = false; });
    make("error", header, [](auto& c) { c.status = vault::Status::error; });
    make("expired", header, [](auto& c) { c.status = vault::Status::expired; });
    make("revoked", header, [](auto& c) { c.status = vault::Status::revoked; });
    make("orphan", header, [](auto& c) { c.app = "no-such-provider"; });
    make("mine", header, [](auto& c) { c.scope = vault::Scope::personal, c.owner = "user_1"; });
    make("theirs", header, [](auto& c) { c.scope = vault::Scope::personal, c.owner = "user_2"; });
    const std::string org(vault::kDefaultOrganization);
    ASSERT_TRUE(vault->scopes().create_project({.id = "proj_other", .organization = org, .name = "Other"}));
    foreign = make("foreign", header, [](auto& c) { c.project = "proj_other"; }).id;
    const auto gone = make("deleted", header);
    ASSERT_TRUE(vault->erase_connection({}, gone.id, 0));
  }

  void caller(const std::string& name, const std::function<void(vault::Authorization&)>& change) {
    vault::Authorization a;
    a.organization = vault::kDefaultOrganization;
    a.project = vault::kDefaultProject;
    a.user = "user_1";
    a.capabilities = {"proxy:call"};
    a.connections = {"*"};
    a.expires = 4'000'000'000'000;
    change(a);
    auto made = vault->create_authorization(std::move(a));
    ASSERT_TRUE(made) << made.error().message;
    callers.emplace(name, std::move(*made));
  }

  void make_callers() {
    caller("all", [](auto&) {});
    caller("listed", [&](auto& a) { a.connections = {found("plain").id, found("disabled").id}; });
    caller("none", [](auto& a) { a.connections = {}; });
    caller("reader", [](auto& a) { a.capabilities = {"connections:read"}; });
    caller("host-bound", [](auto& a) { a.hosts = {{"other.test"}}; });
    caller("get-only", [](auto& a) { a.methods = {{"GET"}}; });
    caller("no-host", [](auto& a) { a.hosts = std::vector<std::string>(); });
    caller("default", [&](auto& a) {
      a.connections = {found("plain").id};
      a.default_for = {found("plain").id + " " + kHost};
    });
    caller("two-defaults", [&](auto& a) {
      a.connections = {found("plain").id, found("query").id};
      a.default_for = {found("plain").id + " " + kHost, found("query").id + " " + kHost};
    });
    caller("ended", [&](auto& a) { a.expires = now - 1; });
    caller("revoked", [&](auto& a) { a.revoked = now - 1; });
    using Roles = std::vector<vault::ProjectAccess>;
    const std::string home(vault::kDefaultProject);
    caller("several", [&](auto& a) {
      a.project = "";
      a.projects = Roles{{home, vault::Role::editor}, {"proj_other", vault::Role::editor}};
    });
    caller("viewer", [&](auto& a) { a.projects = Roles{{home, vault::Role::viewer}}; });
    const auto user_of = [&](bool enabled) {
      vault::User user;
      user.organization = vault::kDefaultOrganization;
      user.projects = Roles{{home, vault::Role::viewer}};
      user.enabled = enabled;
      return vault->scopes().create_user(std::move(user))->id;
    };
    caller("of-a-viewer", [&](auto& a) { a.user = user_of(true); });
    caller("of-a-disabled-user", [&](auto& a) { a.user = user_of(false); });
  }

  Question question(const Shape& shape) const {
    const vault::Authorization& a = callers.at(shape.caller).authorization;
    Question question;
    question.organization = a.organization;
    question.authorization = a.id;
    question.connection = shape.connection;
    question.method = shape.method;
    question.url = shape.url;
    question.fields = shape.fields;
    return question;
  }
  Explanation explained(const Shape& shape) const { return explain(*rules(), *common, question(shape)); }

  // The same bytes that explain() judges, with a token.
  Done made(const Shape& shape) {
    std::string bytes = shape.method + ' ' + shape.url + " HTTP/1.1\r\n";
    const auto add = [&](const std::string& name, const std::string& value) { bytes += name + ": " + value + "\r\n"; };
    const bool has_host = std::any_of(shape.fields.begin(), shape.fields.end(),
                                      [](const auto& f) { return f.first == "Host" || f.first == "host"; });
    if (!has_host) add("Host", "127.0.0.1:8480");
    if (!shape.connection.empty()) add("X-Connection-Id", shape.connection);
    std::size_t length = 0;
    for (const auto& [name, value] : shape.fields) {
      add(name, value);
      if (name == "Content-Length") std::from_chars(value.data(), value.data() + value.size(), length);
    }
    add("Proxy-Authorization", "Bearer " + std::string(callers.at(shape.caller).token.expose()));
    const Far far = call_in();
    far.send(bytes + "\r\n" + std::string(std::min<std::size_t>(length, 64), ' '));
    const std::string got = answer(far);
    Done done;
    std::from_chars(got.data() + 9, got.data() + 12, done.status);
    const auto end = got.find("\r\n\r\n");
    done.body = end == std::string::npos ? "" : got.substr(end + 4);
    if (got.find("Proxy-Status: postern; error=") != std::string::npos) {
      const auto at = got.find("details=\"") + 9;
      done.code = got.substr(at, got.find('"', at) - at);
    }
    return done;
  }

  void agree(const Shape& shape) {
    const std::string what =
        shape.caller + " -c '" + shape.connection + "' " + shape.method + " " + shape.url +
        (shape.fields.empty() ? "" : " " + shape.fields.front().first + ": " + shape.fields.front().second);
    const Explanation told = explained(shape);
    const Done done = made(shape);
    EXPECT_EQ(told.code, done.code) << what;
    if (told.outcome == Outcome::refused) EXPECT_EQ(told.status, done.status) << what;
    EXPECT_EQ(told.outcome == Outcome::forwarded, done.code.empty() && told.outcome != Outcome::answered) << what;
    EXPECT_THAT(everything(told), Not(HasSubstr("sk_live"))) << what;
    if (told.outcome == Outcome::forwarded && done.code.empty()) same_head(told, done, what);
  }

  // The names of the fields, in order, and the target as the upstream saw them.
  static void same_head(const Explanation& told, const Done& done, const std::string& what) {
    ASSERT_TRUE(told.request) << what;
    const std::string target = told.request->target, redacted = "«redacted»";
    const auto cut = target.find(redacted);
    const std::string line = done.body.substr(0, done.body.find("\r\n"));
    EXPECT_THAT(line, testing::StartsWith(told.request->method + " " + target.substr(0, cut))) << what;
    EXPECT_THAT(line,
                testing::EndsWith((cut == target.npos ? "" : target.substr(cut + redacted.size())) + " HTTP/1.1"));
    EXPECT_EQ(line.find(kSecret) != line.npos, cut != target.npos) << what;
    std::vector<std::string> names, seen;
    for (const auto& field : told.request->fields) names.push_back(field.name);
    for (std::size_t at = done.body.find("\r\n") + 2; at < done.body.size() && done.body[at] != '\r';) {
      seen.push_back(done.body.substr(at, done.body.find(':', at) - at));
      at = done.body.find("\r\n", at) + 2;
    }
    EXPECT_EQ(names, seen) << what;
  }

  static std::string everything(const Explanation& told) {
    std::string out = told.code + told.detail + told.connect_url + told.connection;
    for (const auto& part : told.steps) out += part.rule + part.detail + part.reason + "\n";
    if (told.token) out += told.token->next;
    if (!told.request) return out;
    out += told.request->target + told.request->to;
    for (const auto& field : told.request->fields) out += field.name + ": " + field.value + "\n";
    for (const auto& field : told.request->removed) out += field.name + ": " + field.reason + "\n";
    return out;
  }

  std::string url(const std::string& path = "/v1/x") const { return "http://" + host + path; }

  std::string host, foreign;  // the id of the connection in another project
  std::map<std::string, vault::NewToken> callers;
};

TEST_F(ExplainRoom, agrees_with_the_data_path_on_every_kind_of_request) {
  settings.body_limit = 1'000'000;
  settings.body_buffer = 1'000;
  begin();
  const std::string reserved = "http://" + std::string(kHost) + "/";
  const std::vector<Shape> shapes = {
      // forwarded, by every kind of place
      {"all", "plain", "GET", url(), {}, ""},
      {"all", "plain", "BREW", url("/v1/x?api_key=mine&z=1"), {{"Accept", "a/b"}, {"Cookie", "a=b"}}, ""},
      {"all", "plain", "GET", url(), {{"Authorization", "Bearer mine"}, {"X-Api-Key", "mine"}}, ""},
      {"all", "plain", "GET", url(), {{"Connection", "X-Mine"}, {"X-Mine", "1"}, {"TE", "trailers"}}, ""},
      {"all", "query", "GET", url("/w?q=1&appid=mine"), {}, ""},
      {"all", "cookie", "GET", url(), {{"Cookie", "session=mine; other=1"}}, ""},
      {"all", "path", "GET", url("/getMe"), {}, ""},
      {"all", "form", "POST", url(), {}, ""},
      {"all", "json", "POST", url(), {}, ""},
      {"all", "base64", "GET", url(), {{"X-Key", "mine"}}, ""},
      {"all", "below", "GET", url("/v1"), {}, ""},
      {"all", "mine", "GET", url(), {}, ""},
      {"listed", "plain", "DELETE", url(), {}, ""},
      {"get-only", "plain", "GET", url(), {}, ""},
      {"default", "", "GET", url(), {}, ""},
      {"all", "", "GET", "/c/plain/v1/x?y=1", {}, ""},
      {"all", "plain", "GET", "/c/plain", {}, ""},
      {"all", "plain", "OPTIONS", url(""), {{"Max-Forwards", "3"}}, ""},
      {"all", "", "GET", "https://" + std::string(kHost) + "/relayed?api_key=mine", {{"Authorization", "mine"}}, ""},
      // who and which
      {"ended", "plain", "GET", url(), {}, "caller-unauthenticated"},
      {"ended", "", "GET", "/c/plain/v1", {}, "caller-unauthenticated"},
      {"revoked", "plain", "GET", url(), {}, "caller-unauthenticated"},
      {"reader", "plain", "GET", url(), {}, "connection-unavailable"},
      {"listed", "query", "GET", url(), {}, "connection-unavailable"},
      {"none", "plain", "GET", url(), {}, "connection-unavailable"},
      {"viewer", "plain", "GET", url(), {}, "connection-unavailable"},
      {"of-a-viewer", "plain", "GET", url(), {}, "connection-unavailable"},
      {"of-a-disabled-user", "plain", "GET", url(), {}, "caller-unauthenticated"},
      {"several", foreign, "GET", url(), {}, ""},
      {"several", "plain", "GET", url(), {}, ""},
      {"several", "foreign", "GET", url(), {}, "connection-unavailable"},
      {"all", foreign, "GET", url(), {}, "connection-unavailable"},
      {"all", "deleted", "GET", url(), {}, "connection-unavailable"},
      {"all", "foreign", "GET", url(), {}, "connection-unavailable"},
      {"all", "theirs", "GET", url(), {}, "connection-unavailable"},
      {"all", "no-such-thing", "GET", url(), {}, "connection-unavailable"},
      {"all", "not a name", "GET", url(), {}, "malformed-request"},
      {"all", "", "GET", url(), {}, "connection-id-missing"},
      {"none", "", "GET", url(), {}, "connection-id-missing"},
      {"two-defaults", "", "GET", url(), {}, "connection-id-missing"},
      {"all", "plain", "GET", "/c/query/v1", {}, "connection-ambiguous"},
      // what state it is in
      {"all", "disabled", "GET", url(), {}, "connection-revoked"},
      {"listed", "disabled", "GET", url(), {}, "connection-revoked"},
      {"all", "revoked", "GET", url(), {}, "connection-revoked"},
      {"all", "error", "GET", url(), {}, "connection-error"},
      {"all", "orphan", "GET", url(), {}, "connection-error"},
      {"all", "expired", "GET", url(), {}, "connection-needs-reconnect"},
      // where it may go
      {"all", "plain", "GET", "http://other.test/", {}, "destination-not-allowed"},
      {"all", "plain", "GET", reserved, {}, "destination-not-allowed"},
      {"all", "elsewhere", "GET", url(), {}, "destination-not-allowed"},
      {"all", "below", "GET", url("/v2/x"), {}, "destination-not-allowed"},
      {"all", "below", "GET", url("/v1x"), {}, "destination-not-allowed"},
      {"host-bound", "plain", "GET", url(), {}, "destination-not-allowed"},
      {"no-host", "plain", "GET", url(), {}, "destination-not-allowed"},
      {"get-only", "plain", "POST", url(), {}, "destination-not-allowed"},
      {"all", "below", "GET", url("/v1/../v2"), {}, "malformed-request"},
      {"all", "below", "GET", url("/v1/%2e%2e/v2"), {}, "malformed-request"},
      {"all", "", "GET", "http://127.0.0.1/", {}, "destination-address-prohibited"},
      // what the request is
      {"all", "plain", "TRACE", url(), {}, "method-not-allowed"},
      {"all", "plain", "track", url(), {}, "method-not-allowed"},
      {"all", "", "CONNECT", "third.test:443", {}, "tunnel-not-supported"},
      {"all", "plain", "CONNECT", "api.stripe.com:443", {}, "destination-not-allowed"},
      {"all", "plain", "CONNECT", "api.stripe.com:8080", {}, "destination-not-allowed"},
      {"all", "nobody", "CONNECT", host, {}, "connection-unavailable"},
      {"all", "disabled", "CONNECT", host, {}, "connection-revoked"},
      {"no-host", "", "CONNECT", host, {}, "destination-not-allowed"},
      {"all", "", "CONNECT", "10.0.0.1:8080", {}, "destination-address-prohibited"},
      {"all", "", "CONNECT", "127.0.0.1:8480", {}, "destination-address-prohibited"},
      {"all", "", "CONNECT", "api.stripe.com", {}, "malformed-request"},
      {"all", "", "CONNECT", host, {{"Content-Length", "5"}}, "malformed-request"},
      {"all", "", "CONNECT", host, {{"Origin", "http://page.test"}}, "browser-request-refused"},
      {"ended", "", "CONNECT", host, {}, "caller-unauthenticated"},
      {"all", "plain", "GET", "http://user@api.stripe.com/", {}, "malformed-request"},
      {"all", "plain", "GET", "ftp://api.stripe.com/", {}, "malformed-request"},
      {"all", "plain", "GET", url("/a#b"), {}, "malformed-request"},
      {"all", "plain", "GET", "/v1/x", {}, "malformed-request"},
      {"all", "plain", "GE T", url(), {}, "malformed-request"},
      {"all", "plain", "GET", url("/" + std::string(9'000, 'x')), {}, "target-too-long"},
      {"all", "plain", "GET", url(), {{"X-Long", std::string(33'000, 'x')}}, "head-too-large"},
      {"all", "plain", "GET", url(), {{"X-Connection-Id", "plain"}}, "malformed-request"},
      {"all", "plain", "GET", url(), {{"Bad Name", "x"}}, "malformed-request"},
      {"all", "plain", "GET", url(), {{"Content_Length", "1"}}, "malformed-request"},
      {"all", "base64", "GET", url(), {{"X_Key", "mine"}}, "malformed-request"},
      {"all", "plain", "GET", url(), {{"Origin", "http://page.test"}}, "browser-request-refused"},
      {"all", "plain", "GET", url(), {{"Sec-Fetch-Site", "cross-site"}}, "browser-request-refused"},
      {"all", "", "GET", "/c/plain/v1", {{"Host", "page.test"}}, "browser-request-refused"},
      {"all", "plain", "GET", url(), {{"Via", "1.1 postern-test"}}, "loop-detected"},
      {"all", "plain", "GET", url(), {{"Expect", "the-worst"}}, "expectation-failed"},
      {"all", "plain", "POST", url(), {{"Content-Length", "1000001"}}, "body-too-large"},
      {"all", "json", "POST", url(), {{"Content-Length", "1001"}}, "body-too-large"},
      {"all", "form", "POST", url(), {{"Content-Type", "text/plain"}, {"Content-Length", "1"}}, "malformed-request"},
      {"all", "json", "POST", url(), {{"Content-Encoding", "gzip"}, {"Content-Length", "1"}}, "malformed-request"},
      {"all", "json", "POST", url(), {{"Content-Type", "a/b"}, {"Content-Type", "c/d"}}, "malformed-request"},
  };
  ASSERT_GE(shapes.size(), 40U);
  for (const Shape& shape : shapes) {
    agree(shape);
    EXPECT_EQ(explained(shape).code, shape.code) << shape.caller << " " << shape.connection << " " << shape.url;
  }
  const Shape hops{"all", "plain", "OPTIONS", url(), {{"Max-Forwards", "0"}}, ""};
  EXPECT_EQ(explained(hops).outcome, Outcome::answered);
  EXPECT_EQ(made(hops).status, 200);
}

TEST_F(ExplainRoom, leaves_the_steps_of_what_is_in_a_tunnel_to_that) {
  begin();
  for (const char* connection : {"plain", "elsewhere", ""}) {
    const Explanation told = explained({"all", connection, "CONNECT", host, {}, ""});
    const bool leads_there = std::string_view(connection) != "elsewhere";
    EXPECT_EQ(told.outcome, leads_there ? Outcome::forwarded : Outcome::refused) << connection;
    if (leads_there) EXPECT_EQ(told.steps[4].decision, observe::Decision::skipped);
  }
  Explanation told = explained({"all", "", "CONNECT", "api.stripe.com:443", {}, ""});
  EXPECT_EQ(told.outcome, Outcome::forwarded);
  EXPECT_THAT(told.steps[3].rule, HasSubstr("egress.allow: api.stripe.com:443"));
  settings.egress_allow_by_default = true;
  told = explained({"all", "", "CONNECT", "third.test:443", {}, ""});
  EXPECT_THAT(told.steps[3].rule, HasSubstr("egress.default: allow"));
}

TEST_F(ExplainRoom, agrees_with_the_data_path_on_requests_made_at_random) {
  begin();
  std::vector<std::string> who, which = {"", "deleted", "nobody"};
  for (const auto& [name, token] : callers) who.push_back(name);
  for (const char* alias : {"plain", "query", "cookie", "path", "form", "json", "base64", "below", "elsewhere",
                            "disabled", "error", "expired", "revoked", "orphan", "mine", "theirs", "foreign"})
    which.emplace_back(alias);
  const std::vector<std::string> where = {url(),
                                          url("/v1"),
                                          url("/"),
                                          url("/v1/..;/x"),
                                          url("?api_key=1"),
                                          "http://other.test/",
                                          "http://api.stripe.com/v1",
                                          "http://127.0.0.1:8480/",
                                          "/c/plain/v1",
                                          "/c/below/v1/x",
                                          "/c/theirs/x",
                                          "http://a@b/",
                                          "nonsense",
                                          "http://[::1]/",
                                          "http://169.254.169.254/latest"};
  const std::vector<std::string> how = {"GET", "POST", "OPTIONS", "DELETE", "TRACE", "X"};
  const std::vector<std::vector<std::pair<std::string, std::string>>> with = {
      {}, {}, {}, {{"Authorization", "mine"}}, {{"Origin", "x"}}, {{"Cookie", "a=b"}, {"X_Key", "1"}}};
  std::mt19937 random(20'261'121);  // the same every time
  const auto one = [&](const auto& list) { return list[random() % list.size()]; };
  for (int i = 0; i < 1'000 && !HasFailure(); ++i) agree({one(who), one(which), one(how), one(where), one(with), ""});
}

TEST_F(ExplainRoom, shows_where_everything_goes_and_no_value) {
  begin();
  const Explanation told = explained(
      {"all", "plain", "POST", url("/v1/x?api_key=mine&z=1"), {{"X-Api-Key", "mine"}, {"Accept", "text/own"}}, ""});
  ASSERT_TRUE(told.request);
  EXPECT_EQ(told.request->to, "https://" + host);
  EXPECT_EQ(told.request->target, "/v1/x?z=1");
  const std::string all = everything(told);
  EXPECT_THAT(all, HasSubstr("Authorization: Bearer «redacted»\n"));
  EXPECT_THAT(all, HasSubstr("Accept: «as sent»\n"));
  EXPECT_THAT(all, HasSubstr("Via: 1.1 postern-test\n"));
  EXPECT_THAT(all, Not(HasSubstr("text/own")));
  ASSERT_EQ(told.request->removed.size(), 2U);
  EXPECT_EQ(told.request->removed[0].name, "X-Api-Key");
  EXPECT_STREQ(told.request->removed[1].place, "query");
  EXPECT_EQ(told.request->removed[1].name, "api_key");
  EXPECT_THAT(told.steps[3].rule, HasSubstr("destination " + host));
}

TEST_F(ExplainRoom, shows_the_place_and_not_the_value_of_every_kind_of_injection) {
  begin();
  const auto shown = [&](const std::string& alias) {
    return everything(explained({"all", alias, "POST", url("/x"), {{"Cookie", "mine=1"}}, ""}));
  };
  EXPECT_THAT(shown("query"), HasSubstr("/x?appid=«redacted»"));
  EXPECT_THAT(shown("cookie"), HasSubstr("Cookie: session=«redacted»\n"));
  EXPECT_THAT(shown("path"), HasSubstr("/«redacted»/x"));
  EXPECT_THAT(shown("form"), HasSubstr("Content-Length: «by the body»"));
  EXPECT_THAT(shown("json"), HasSubstr("json /auth/key"));
  EXPECT_THAT(shown("base64"), HasSubstr("X-Key: Token «redacted»\nX-Version: «redacted»\n"));
}

TEST_F(ExplainRoom, says_why_only_where_it_was_asked_for_reasons) {
  begin();
  Question asked = question({"listed", "query", "GET", url(), {}, ""});
  EXPECT_EQ(explain(*rules(), *common, asked).connection, "");
  asked.reasons = true;
  const Explanation told = explain(*rules(), *common, asked);
  EXPECT_EQ(told.connection, found("query").id);
  EXPECT_FALSE(told.found);
  EXPECT_THAT(told.steps[2].reason, HasSubstr("does not name it"));
  EXPECT_EQ(told.steps[2].detail, from_trouble(Trouble::unknown, {}).detail);
  asked = question({"all", "theirs", "GET", url(), {}, ""});
  asked.reasons = true;
  EXPECT_THAT(explain(*rules(), *common, asked).steps[2].reason, HasSubstr("PERSONAL"));
}

TEST_F(ExplainRoom, knows_an_administrator_and_open_callers_without_a_token) {
  begin();
  Question asked{
      .organization = {}, .authorization = {}, .user = "user_2", .connection = "theirs", .url = url(), .fields = {}};
  EXPECT_EQ(explain(*rules(), *common, asked).outcome, Outcome::forwarded);
  settings.open_callers = true;
  EXPECT_EQ(explain(*rules(), *common, asked).code, "connection-unavailable");
  asked.connection = "plain";
  EXPECT_EQ(explain(*rules(), *common, asked).outcome, Outcome::forwarded);
}

TEST_F(ExplainRoom, tells_the_life_of_a_token_by_its_record) {
  begin();
  constexpr std::int64_t kHour = 3'600'000;
  vault::Connection meta;
  meta.owner = "service";
  meta.alias = "hub";
  meta.app = "github";
  meta.auth = "oauth";
  meta.type = "OAUTH2";
  meta.config = "{}";
  meta.destinations = {{"api.github.com", 443, ""}};
  meta.expires = now + kHour;
  meta.last_refresh = now;
  vault::Credential tokens;
  tokens.values.emplace("accessToken", vault::Secret(kSecret));
  ASSERT_TRUE(vault->create_connection(meta, tokens));
  const Shape shape{"all", "hub", "GET", "http://api.github.com/user", {}, ""};
  const auto after = [&](std::int64_t passed) {
    now = meta.last_refresh + passed;
    return explained(shape);
  };
  const std::pair<std::int64_t, const char*> states[] = {
      {0, "FRESH"}, {kHour - 200'000, "DUE"}, {kHour - 20'000, "FORCED"}, {kHour + 1, "ENDED"}};
  for (const auto& [passed, state] : states) {
    const Explanation told = after(passed);
    ASSERT_TRUE(told.token) << told.code << told.detail;
    EXPECT_EQ(told.token->state, state) << passed;
    EXPECT_EQ(told.token->remaining_ms, std::max<std::int64_t>(kHour - passed, 0));
    EXPECT_EQ(told.outcome, Outcome::forwarded);
    EXPECT_THAT(told.steps[7].detail, HasSubstr("not resolved here"));
  }
  vault::Connection dead = found("hub");
  dead.status_reason = "refresh_rejected";
  ASSERT_TRUE(vault->update_connection(dead));
  EXPECT_EQ(after(0).outcome, Outcome::forwarded);
  EXPECT_EQ(after(kHour + 1).code, "connection-needs-reconnect");
  EXPECT_THAT(after(kHour + 1).connect_url, testing::StartsWith("http://127.0.0.1:8481/connect?connection=conn_"));
}

TEST_F(ExplainRoom, skips_what_comes_behind_a_refusal_and_changes_nothing) {
  begin();
  const Explanation told = explained({"all", "below", "GET", url("/v2"), {}, ""});
  ASSERT_EQ(told.steps.size(), 8U);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(told.steps[i].step, int(i) + 1);
    EXPECT_EQ(told.steps[i].decision, i < 3 ? Decision::allowed : i == 3 ? Decision::refused : Decision::skipped);
  }
  EXPECT_FALSE(told.request);
  EXPECT_THAT(told.detail, HasSubstr("below /v1 only"));
  EXPECT_EQ(server->accepted(), 0);
  EXPECT_EQ(metrics.total(observe::Counter::credential_cache_misses), 0U);
}

}  // namespace
}  // namespace postern::serve
