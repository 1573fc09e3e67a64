// Fetched tokens on the data path: callers, a lane, the token service, a token endpoint and an API, all on real
// sockets.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <latch>

#include "proxy/serve/token_service.hpp"
#include "tests/support/loop.hpp"
#include "tests/support/token_server.hpp"

namespace postern::serve {
namespace {

using test::Far;
using test::Peer;
using test::Signal;
using test::TlsServer;
using test::TokenServer;
using test::TokenStep;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::int64_t kNow = 1'900'000'000'000, kHour = 3'600'000;
constexpr const char* kEntry = R"(
id: acme
hosts: [api.acme.test]
auth:
  oauth:
    type: OAUTH2
    authorize: {url: https://login.acme.test/authorize}
    token: {url: https://token.acme.test/token, client_auth: none}
    refused: {challenge: Stale}
)";
constexpr const char* kFresh = R"({"access_token":"fresh-token","token_type":"bearer","expires_in":3600})";

class TokensRoom : public testing::Test {
 public:
  TokensRoom() : folder_(std::filesystem::temp_directory_path() / ("postern-room-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "acme.yaml") << kEntry;
    vault::Options options;
    options.store = vault::StoreKind::memory;
    options.now_ms = [this] { return now.load(); };
    vault_ = std::move(*vault::Vault::create(options));
    vault::Authorization authorization;
    authorization.organization = vault::kDefaultOrganization;
    authorization.project = vault::kDefaultProject;
    authorization.capabilities = {"proxy:call"};
    authorization.connections = {"*"};
    authorization.expires = 4'000'000'000'000;
    token_ = std::move(*vault_->create_authorization(authorization));
  }
  ~TokensRoom() override {
    if (worker_) {
      tokens_->stop();
      Signal drained;
      worker_->post([&] {
        service_->drain([&] { drained.set(); });
        service_->abort_all();
      });
      drained.wait();
      worker_->post([this] {
        service_.reset();
        worker_->close();
      });
      thread_.join();
    }
    vault_offload_.stop();
    dns_offload_.stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  // The API takes "fresh-token" alone; everything else is answered with `refusal`.
  void serve(std::vector<TokenStep> script) {
    endpoint.emplace(authority_.issue("token.acme.test"), std::move(script));
    api_.emplace(authority_.issue("api.acme.test"), [this](Peer& peer) { answer(peer); });
    common_->pseudonym = "postern-test";
    common_->vault_offload = &vault_offload_;
    common_->dns_offload = &dns_offload_;
    common_->now_ms = [this] { return now.load(); };
    common_->admin_url = "http://127.0.0.1:8481";
    auto rules = std::make_shared<Rules>();
    rules->settings = std::make_shared<config::Settings>();
    rules->source = std::make_shared<Source>(*vault_, *config::Catalog::load({folder_}), [this] { return now.load(); });
    rules->trust = *net::Trust::file(authority_.pem());
    rules->exceptions = {{"token.acme.test", false, 443, endpoint->endpoint(), nullptr, {}},
                         {"api.acme.test", false, 443, api_->endpoint(), nullptr, {}}};
    TokenService::Deps deps{vault_.get(), common_, [this](const Forget& what) { announce(what); }, {}};
    deps.patience = patience;
    tokens_.emplace(metrics, deps, rules);
    common_->tokens = &*tokens_;
    worker_.emplace(metrics);
    service_ = std::make_unique<Service>(*worker_, common_, rules);
    thread_ = std::thread([this] { worker_->run(); });
    tokens_->start();
  }
  // `left`: of its access token "old-token", which lives for an hour; none without.
  void connect(std::optional<std::int64_t> left) {
    vault::AuthConfig app;
    app.name = "ours";
    app.provider = "acme";
    app.auth = "oauth";
    app.values.emplace("clientId", vault::Secret("our-id"));
    vault::Connection made;
    made.owner = "service";
    made.alias = "acme";
    made.app = "acme";
    made.auth = "oauth";
    made.type = "OAUTH2";
    made.config = "{}";
    made.auth_config = vault_->tokens().create_auth_config(std::move(app))->id;
    made.destinations = {{"api.acme.test", 443, ""}};
    vault::Credential credential;
    credential.values.emplace("refreshToken", vault::Secret("old-refresh-token"));
    if (left) {
      credential.values.emplace("accessToken", vault::Secret("old-token"));
      credential.times = vault::TokenTimes{now - kHour + *left, 0, "", kHour, "", now - kHour + *left};
    }
    connection = *vault_->create_connection(made, credential);
  }
  Far begin(const std::string& method = "GET", const std::string& body = {}) {
    test::Pair pair = test::tcp_pair(0);
    worker_->post([fd = pair.near, this] { service_->accept(fd); });
    pair.far.send(method + " http://api.acme.test/x HTTP/1.1\r\nHost: api.acme.test\r\nX-Connection-Id: acme\r\n" +
                  "Proxy-Authorization: Bearer " + std::string(token_.token.expose()) + "\r\nConnection: close\r\n" +
                  (method == "POST" ? "Content-Length: " + std::to_string(body.size()) + "\r\n" : "") + "\r\n" + body);
    return std::move(pair.far);
  }
  std::string call(const std::string& method = "GET", const std::string& body = {}) {
    return begin(method, body).receive_all();
  }
  void disable_app() const {
    auto app = *vault_->tokens().find_auth_config({}, connection.auth_config);
    app.enabled = false;
    ASSERT_TRUE(vault_->tokens().update_auth_config(std::move(app)));
  }
  vault::Connection found() const { return *vault_->find_connection({}, connection.id); }
  static void until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + test::kPatience;
    bool met = done();
    while (!met && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
      met = done();
    }
    EXPECT_TRUE(met);
  }
  static TokenStep fresh_after(Signal& signal) {
    TokenStep step = TokenStep::json(kFresh);
    step.before = &signal;
    return step;
  }
  static std::string refusal_with(const std::string& challenge) {
    return "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: " + challenge + "\r\nContent-Length: 3\r\n\r\nold";
  }
  // What the API was sent: "GET old-token", "POST fresh-token 3".
  std::vector<std::string> seen() {
    const std::scoped_lock lock(mutex_);
    return seen_;
  }

  std::atomic<std::int64_t> now{kNow};
  std::string refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nold";
  observe::Metrics metrics;
  Signal go_on, never;
  net::Millis patience{10'000};
  std::optional<TokenServer> endpoint;
  vault::Connection connection;

 private:
  void announce(const Forget& what) {
    std::latch done(1);
    worker_->post([&] {
      service_->forget(what, false);
      done.count_down();
    });
    done.wait();
  }
  void answer(Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      std::string line = head.substr(0, head.find(' '));
      for (const char* token : {"old-token", "fresh-token"})
        if (head.find(std::string("Authorization: Bearer ") + token) != std::string::npos)
          line += std::string(" ") + token;
      if (const auto at = head.find("Content-Length: "); at != std::string::npos)
        line += " " + std::to_string(peer.read(std::stoul(head.substr(at + 16))).size());
      const std::scoped_lock lock(mutex_);
      seen_.push_back(line);
      peer.write(line.find("fresh") != std::string::npos ? test::ok("yes") : refusal);
    }
  }

  std::filesystem::path folder_;
  test::Authority authority_;
  std::unique_ptr<vault::Vault> vault_;
  vault::NewToken token_;
  std::mutex mutex_;
  std::vector<std::string> seen_;
  std::optional<TlsServer> api_;
  net::Offload vault_offload_{2}, dns_offload_{1};
  std::shared_ptr<Common> common_ = std::make_shared<Common>();
  std::optional<TokenService> tokens_;
  std::optional<net::Worker> worker_;
  std::unique_ptr<Service> service_;
  std::thread thread_;
};

TEST_F(TokensRoom, a_first_request_obtains_the_token) {
  connect({});
  serve({TokenStep::json(kFresh)});
  EXPECT_THAT(call(), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(call(), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(seen(), ElementsAre("GET fresh-token", "GET fresh-token"));
  ASSERT_EQ(endpoint->calls().size(), 1U);
  EXPECT_THAT(endpoint->calls()[0].body, HasSubstr("refresh_token=old-refresh-token"));
}

TEST_F(TokensRoom, a_due_token_is_used_while_another_is_fetched) {
  connect(kHour - 1'000);
  serve({fresh_after(go_on)});
  refusal = test::ok("old is good");
  EXPECT_THAT(call(), HasSubstr("old is good"));
  now += kHour - 100'000;
  EXPECT_THAT(call(), HasSubstr("old is good")) << "nobody waits";
  go_on.set();
  until([&] { return found().generation != connection.generation; });
  EXPECT_EQ(found().generation, connection.generation + 1);
  EXPECT_EQ(endpoint->calls().size(), 1U);
}

TEST_F(TokensRoom, many_who_wait_share_one_answer) {
  connect(-1);
  serve({fresh_after(go_on)});
  std::vector<Far> callers;
  for (int i = 0; i < 20; ++i) callers.push_back(begin());
  until([&] { return metrics.render().find("postern_token_refreshes_waiting 20\n") != std::string::npos; });
  go_on.set();
  for (const Far& caller : callers) EXPECT_THAT(caller.receive_all(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(endpoint->calls().size(), 1U);
}

// row: token-endpoint-unavailable
TEST_F(TokensRoom, who_hangs_up_does_not_cost_the_token) {
  connect(-1);
  serve({fresh_after(go_on)});
  Far caller = begin();
  until([&] { return !endpoint->calls().empty(); });
  EXPECT_THAT(metrics.render(), HasSubstr("postern_active_requests 1\n"));
  caller.reset();
  until([&] { return metrics.render().find("postern_active_requests 0\n") != std::string::npos; });
  go_on.set();
  until([&] { return found().generation == connection.generation + 1; });
  EXPECT_THAT(call(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(endpoint->calls().size(), 1U);
}

TEST_F(TokensRoom, who_waited_uses_the_token_whatever_is_left_of_it) {
  connect(-1);
  serve({fresh_after(go_on), fresh_after(never)});
  const Far caller = begin();
  until([&] { return !endpoint->calls().empty(); });
  now += 2 * kHour;  // its lifetime counts from when it was asked for
  go_on.set();
  EXPECT_THAT(caller.receive_all(), StartsWith("HTTP/1.1 200"));
  never.set();  // the background may have asked by now
}

TEST_F(TokensRoom, an_outage_is_told_only_when_the_token_has_ended) {
  connect(20'000);
  serve({TokenStep::json("{}", 503)});
  refusal = test::ok("old is good");
  EXPECT_THAT(call(), HasSubstr("old is good"));
  now += 20'001;
  EXPECT_THAT(call(), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("token-endpoint-unavailable"),
                            HasSubstr("\r\nRetry-After: "), HasSubstr("x-should-retry: true")));
  EXPECT_EQ(found().status, vault::Status::active);
}

// row: refresh-in-progress
TEST_F(TokensRoom, who_has_waited_long_enough_is_told_to_come_again) {
  connect(-1);
  patience = net::Millis(20);
  serve({fresh_after(go_on)});
  EXPECT_THAT(call(), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("refresh-in-progress"),
                            HasSubstr("\r\nRetry-After: "), HasSubstr("x-should-retry: true")));
  go_on.set();
  until([&] { return found().generation == connection.generation + 1; });
  EXPECT_THAT(call(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(endpoint->calls().size(), 1U);
}

// row: auth-config-disabled
TEST_F(TokensRoom, a_disabled_auth_config_serves_nobody) {
  connect(kHour - 1'000);
  disable_app();
  serve({TokenStep::json(kFresh)});
  EXPECT_THAT(call(), AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("auth-config-disabled")));
  EXPECT_EQ(endpoint->calls().size(), 0U);
  EXPECT_TRUE(seen().empty());
}

// row: connection-needs-reconnect
TEST_F(TokensRoom, a_dead_grant_says_where_to_connect_again) {
  connect({});
  serve({TokenStep::json(R"({"error":"invalid_grant"})", 400)});
  for (int i = 0; i < 2; ++i)
    EXPECT_THAT(call(), AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("connection-needs-reconnect"),
                              HasSubstr("\"connectUrl\":\"http://127.0.0.1:8481/connect?connection=" + connection.id)));
  EXPECT_EQ(endpoint->calls().size(), 1U);
}

// row: connection-error
TEST_F(TokensRoom, a_rejected_client_is_an_error) {
  connect({});
  serve({TokenStep::json(R"({"error":"invalid_client"})", 401)});
  EXPECT_THAT(call(), AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("connection-error")));
}

TEST_F(TokensRoom, a_refused_token_is_replaced_and_the_request_sent_once_more) {
  connect(kHour - 1'000);
  serve({TokenStep::json(kFresh)});
  EXPECT_THAT(call("POST", "abc"), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("yes")));
  EXPECT_THAT(seen(), ElementsAre("POST old-token 3", "POST fresh-token 3"));
}

TEST_F(TokensRoom, a_second_refusal_is_the_callers_and_costs_no_further_token_request) {
  connect(kHour - 1'000);
  serve({TokenStep::json(R"({"access_token":"old-token","expires_in":3600})")});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(call(), AllOf(StartsWith("HTTP/1.1 401"), HasSubstr("\r\n\r\nold")));
  EXPECT_EQ(endpoint->calls().size(), 1U);
  EXPECT_EQ(seen().size(), 4U);
}

TEST_F(TokensRoom, a_refusal_that_does_not_mean_the_token_is_passed_on) {
  connect(kHour - 1'000);
  serve({TokenStep::json(kFresh)});
  for (const char* challenge : {"Bearer error=\"insufficient_scope\"", "Stale error=\"insufficient_scope\"", "Basic"}) {
    refusal = refusal_with(challenge);
    EXPECT_THAT(call(), StartsWith("HTTP/1.1 401")) << challenge;
  }
  EXPECT_EQ(endpoint->calls().size(), 0U);
  EXPECT_EQ(found().status, vault::Status::active) << "what an API answers is no verdict";
  EXPECT_EQ(found().status_reason, "");
}

TEST_F(TokensRoom, a_refusal_means_the_token_in_the_words_of_the_standard) {
  connect(kHour - 1'000);
  serve({TokenStep::json(kFresh)});
  refusal = refusal_with("Bearer realm=\"x\", error=\"invalid_token\"");
  EXPECT_THAT(call(), StartsWith("HTTP/1.1 200"));
}

TEST_F(TokensRoom, a_refusal_means_the_token_in_the_words_of_the_catalog) {
  connect(kHour - 1'000);
  serve({TokenStep::json(kFresh)});
  refusal = refusal_with("Stale realm=\"x\"");
  EXPECT_THAT(call(), StartsWith("HTTP/1.1 200"));
}

TEST_F(TokensRoom, many_who_are_refused_cost_one_token_request) {
  connect(kHour - 1'000);
  serve({TokenStep::json(kFresh)});
  std::vector<Far> callers;
  for (int i = 0; i < 20; ++i) callers.push_back(begin());
  for (const Far& caller : callers) EXPECT_THAT(caller.receive_all(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(endpoint->calls().size(), 1U);
}

TEST_F(TokensRoom, a_body_too_large_to_hold_is_not_sent_again) {
  connect(kHour - 1'000);
  serve({TokenStep::json(kFresh)});
  EXPECT_THAT(call("POST", std::string(64 * 1024 + 1, 'x')), StartsWith("HTTP/1.1 401"));
  EXPECT_EQ(seen().size(), 1U);
}

}  // namespace
}  // namespace postern::serve
