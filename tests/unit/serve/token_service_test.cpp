// Tokens are renewed once, in time and for everybody: the service over a vault in memory and an endpoint that is
// scripted.
#include "proxy/serve/token_service.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>

namespace postern::serve {
namespace {

using grants::Delivery;
using Kind = Renewed::Kind;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using vault::Status;

constexpr std::int64_t kNow = 1'900'000'000'000, kHour = 3'600'000;
constexpr std::chrono::seconds kPatience{30};
constexpr const char* kEntry = R"(
id: acme
hosts: [api.acme.test]
base_url: https://api.acme.test
auth:
  oauth:
    type: OAUTH2
    authorize: {url: https://login.acme.test/authorize}
    token: {url: https://token.acme.test/token, client_auth: body}
  robot:
    type: OAUTH2_CLIENT_CREDENTIALS
    token: {url: https://token.acme.test/token, client_auth: body}
)";

Delivery answered(std::string_view body, int status = 200) {
  Delivery delivery;
  delivery.sent = true;
  delivery.reply.status = status;
  delivery.reply.body = vault::Secret(body);
  return delivery;
}
Delivery tokens(const std::string& access, const std::string& refresh = {}) {
  return answered(R"({"access_token":")" + access + R"(","token_type":"bearer","expires_in":3600)" +
                  (refresh.empty() ? "}" : R"(,"refresh_token":")" + refresh + "\"}"));
}
Delivery refused(const std::string& code) {
  return answered(R"({"error":")" + code + "\"}", 400);
}
Delivery lost() {
  Delivery delivery;
  delivery.sent = true;
  delivery.fault = net::Fault::closed;
  return delivery;
}

// The endpoint: answers in order, the last one again and again; while it is shut, calls wait.
class Endpoint {
 public:
  class Transport final : public grants::TokenTransport {
   public:
    explicit Transport(Endpoint& endpoint) : endpoint_(endpoint) {}
    net::Task<Delivery> call(grants::TokenRequest request, net::Millis) override {
      endpoint_.took(request);
      co_await endpoint_.opened_.wait();
      co_return endpoint_.next();
    }

   private:
    Endpoint& endpoint_;
  };

  std::shared_ptr<grants::TokenTransport> transport(net::Worker& worker) {
    worker_ = &worker;
    opened_.set();
    return std::make_shared<Transport>(*this);
  }
  template <class... More>
  void answers(More... more) {
    const std::scoped_lock lock(mutex_);
    script_.clear();
    (script_.push_back(std::move(more)), ...);
  }
  void shut() {
    on_worker([this] { opened_.reset(); });
  }
  void open() {
    on_worker([this] { opened_.set(); });
  }
  std::vector<std::string> bodies() {
    const std::scoped_lock lock(mutex_);
    return bodies_;
  }
  void until_asked(std::size_t times) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(asked_.wait_for(lock, kPatience, [&] { return bodies_.size() >= times; }));
  }
  std::function<void()> at_call = [] {};

 private:
  template <class F>
  void on_worker(F f) {
    std::promise<void> done;
    worker_->post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
  void took(const grants::TokenRequest& request) {
    at_call();
    const std::scoped_lock lock(mutex_);
    bodies_.emplace_back(request.body.expose());
    asked_.notify_all();
  }
  Delivery next() {
    const std::scoped_lock lock(mutex_);
    if (script_.size() > 1) {
      Delivery first = std::move(script_.front());
      script_.pop_front();
      return first;
    }
    Delivery copy;
    copy.sent = script_.front().sent;
    copy.fault = script_.front().fault;
    copy.reply.status = script_.front().reply.status;
    copy.reply.body = script_.front().reply.body.clone();
    return copy;
  }

  std::mutex mutex_;
  std::condition_variable asked_;
  std::deque<Delivery> script_;
  std::vector<std::string> bodies_;
  net::Worker* worker_ = nullptr;
  net::Event opened_;
};

class TokenService : public testing::Test {
 public:
  TokenService() : folder_(std::filesystem::temp_directory_path() / ("postern-tokens-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "acme.yaml") << kEntry;
    vault::Options options;
    options.store = vault::StoreKind::memory;
    options.now_ms = [this] { return now.load(); };
    vault = std::move(*vault::Vault::create(options));
    auto rules = std::make_shared<Rules>();
    rules->source = std::make_shared<Source>(*vault, *config::Catalog::load({folder_}), [this] { return now.load(); });
    common->dns_offload = &dns_;
    common->now_ms = [this] { return now.load(); };
    const serve::TokenService::Deps deps{vault.get(), common,
                                         [this](const Forget& what) { published.fetch_add(what.renewed ? 1 : 0); },
                                         [this](net::Worker& worker) { return endpoint.transport(worker); }};
    service.emplace(metrics, deps, rules);
  }
  ~TokenService() override {
    service.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  vault::AuthConfig app() {
    vault::AuthConfig made;
    made.name = "ours";
    made.provider = "acme";
    made.auth = "oauth";
    made.values.emplace("clientId", vault::Secret("our-id"));
    made.values.emplace("clientSecret", vault::Secret("our-secret"));
    return *vault->tokens().create_auth_config(std::move(made));
  }
  // `left`: of its access token, which lives for an hour; none without.
  vault::Connection connect(std::optional<std::int64_t> left, const std::string& auth = "oauth",
                            const std::string& alias = "acme") {
    if (app_.id.empty()) app_ = app();
    vault::Connection meta;
    meta.owner = "service";
    meta.alias = alias;
    meta.app = "acme";
    meta.auth = auth;
    meta.type = auth == "oauth" ? "OAUTH2" : "OAUTH2_CLIENT_CREDENTIALS";
    meta.config = "{}";
    meta.auth_config = app_.id;
    meta.destinations = {{"api.acme.test", 443, ""}};
    vault::Credential credential;
    if (auth == "oauth") credential.values.emplace("refreshToken", vault::Secret("rt-1"));
    if (left) {
      credential.values.emplace("accessToken", vault::Secret("at-1"));
      credential.times = vault::TokenTimes{now - kHour + *left, 0, "", kHour, "", now - kHour + *left};
      meta.expires = now + *left;
    }
    return *vault->create_connection(meta, credential);
  }
  // The background is to look at it now.
  vault::Connection is_due(vault::Connection meta) {
    meta.touch = now;
    return *vault->update_connection(meta);
  }
  Renewed refresh(const vault::Connection& meta, Why why = Why::ended) {
    auto answer = std::make_shared<std::promise<Renewed>>();
    service->refresh({meta.organization, meta.project, meta.id}, meta.generation, why,
                     [answer](Renewed renewed) { answer->set_value(std::move(renewed)); });
    auto future = answer->get_future();
    EXPECT_EQ(future.wait_for(kPatience), std::future_status::ready);
    return future.get();
  }
  vault::Connection found(const vault::Connection& meta) { return *vault->find_connection({}, meta.id); }
  std::string stored(const vault::Connection& meta, const std::string& name) {
    const auto credential = *vault->open_credential(found(meta));
    const auto at = credential.values.find(name);
    return at == credential.values.end() ? "" : std::string(at->second.expose());
  }
  std::size_t pending() { return vault->tokens().pending_intents({}, 100)->size(); }
  std::size_t requests() { return endpoint.bodies().size(); }
  void until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!done() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    EXPECT_TRUE(done());
  }

  std::atomic<std::int64_t> now{kNow};
  std::atomic<int> published{0};
  std::unique_ptr<vault::Vault> vault;
  std::shared_ptr<Common> common = std::make_shared<Common>();
  observe::Metrics metrics;
  Endpoint endpoint;
  std::optional<serve::TokenService> service;

 private:
  std::filesystem::path folder_;
  vault::AuthConfig app_;
  net::Offload dns_{1};
};

TEST_F(TokenService, asks_once_for_a_thousand_who_wait) {
  const auto meta = connect({});
  endpoint.answers(tokens("at-2", "rt-2"));
  service->start();
  endpoint.shut();
  std::atomic<int> renewed{0}, others{0};
  for (int i = 0; i < 1'000; ++i)
    service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended,
                     [&](const Renewed& r) { ++(r.kind == Kind::renewed ? renewed : others); });
  endpoint.until_asked(1);
  until([&] { return metrics.render().find("postern_token_refreshes_waiting 1000\n") != std::string::npos; });
  endpoint.open();
  until([&] { return renewed + others == 1'000; });
  EXPECT_EQ(renewed, 1'000);
  EXPECT_THAT(endpoint.bodies(), ElementsAre(HasSubstr("refresh_token=rt-1")));
  EXPECT_EQ(stored(meta, "accessToken"), "at-2");
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-2");
  EXPECT_EQ(found(meta).generation, meta.generation + 1);
  EXPECT_EQ(found(meta).expires, now + kHour);
  EXPECT_EQ(pending(), 0U);
  EXPECT_GE(published, 1);
  EXPECT_THAT(metrics.render(), HasSubstr("postern_token_requests_total{result=\"ok\"} 1\n"));
}

TEST_F(TokenService, writes_the_intent_before_it_asks) {
  const auto meta = connect({});
  std::atomic<std::size_t> written{0};
  endpoint.at_call = [&] { written = pending(); };
  endpoint.answers(tokens("at-2"));
  service->start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(written, 1U);
  EXPECT_EQ(pending(), 0U);
}

TEST_F(TokenService, keeps_the_refresh_token_where_the_answer_brings_none) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2"));
  service->start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-1");
}

TEST_F(TokenService, does_not_ask_for_one_who_has_an_older_token_than_is_stored) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2"));
  service->start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(refresh(meta).kind, Kind::current);
  EXPECT_EQ(requests(), 1U);
}

TEST_F(TokenService, serves_a_rejected_grant_until_its_access_token_ends) {
  const auto meta = connect(60'000);
  endpoint.answers(refused("invalid_grant"));
  service->start();
  EXPECT_EQ(refresh(meta, Why::due).kind, Kind::rejected);
  EXPECT_EQ(found(meta).status, Status::active);
  EXPECT_EQ(found(meta).status_reason, "refresh_rejected");
  now += 60'001;
  EXPECT_EQ(refresh(meta).kind, Kind::rejected);
  EXPECT_EQ(found(meta).status, Status::expired);
  EXPECT_EQ(found(meta).status_reason, "refresh_rejected");
  EXPECT_EQ(requests(), 1U) << "what is dead is not asked for again";
}

TEST_F(TokenService, puts_a_rejected_client_down_to_the_auth_config) {
  const auto meta = connect(-1);
  endpoint.answers(refused("invalid_client"));
  service->start();
  EXPECT_EQ(refresh(meta).kind, Kind::client);
  EXPECT_EQ(refresh(meta).kind, Kind::client);
  EXPECT_EQ(requests(), 1U);
  EXPECT_EQ(found(meta).status, Status::active);
  const auto app = *vault->tokens().find_auth_config({}, meta.auth_config);
  EXPECT_EQ(app.status, Status::error);
  EXPECT_EQ(app.status_reason, "client_rejected");
}

TEST_F(TokenService, pauses_after_a_failure_and_goes_on_when_it_is_woken) {
  const auto meta = connect(-1);
  endpoint.answers(answered("down", 503), tokens("at-2"));
  service->start();
  const Renewed failed = refresh(meta);
  EXPECT_EQ(failed.kind, Kind::unavailable);
  EXPECT_EQ(found(meta).status, Status::active);
  EXPECT_EQ(found(meta).status_reason, "token_endpoint_unavailable");
  EXPECT_EQ(pending(), 0U);
  service->wake(meta.id);
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(found(meta).status_reason, "");
}

TEST_F(TokenService, takes_over_what_an_earlier_process_left_pending) {
  const auto meta = connect(-1);
  const vault::Secret spent("rt-1");
  ASSERT_TRUE(vault->tokens().begin_refresh(meta, "an earlier process", &spent));
  endpoint.answers(tokens("at-2", "rt-2"));
  service->start();
  until([&] { return found(meta).generation == meta.generation + 1; });
  EXPECT_THAT(endpoint.bodies(), ElementsAre(HasSubstr("refresh_token=rt-1")));
  EXPECT_EQ(pending(), 0U);
}

TEST_F(TokenService, says_that_an_outcome_was_lost) {
  const auto meta = connect(-1);
  const vault::Secret spent("rt-1");
  ASSERT_TRUE(vault->tokens().begin_refresh(meta, "an earlier process", &spent));
  endpoint.answers(refused("invalid_grant"));
  service->start();
  until([&] { return found(meta).status == Status::expired; });
  EXPECT_EQ(found(meta).status_reason, "refresh_outcome_lost");
}

TEST_F(TokenService, says_the_same_where_the_answer_was_lost_on_the_way) {
  const auto meta = connect(-1);
  endpoint.answers(lost(), refused("invalid_grant"));
  service->start();
  EXPECT_EQ(refresh(meta).kind, Kind::unavailable);
  until([&] { return refresh(meta).kind == Kind::rejected; });
  EXPECT_EQ(found(meta).status_reason, "refresh_outcome_lost");
}

TEST_F(TokenService, discards_the_tokens_of_a_connection_that_was_deleted_meanwhile) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2"));
  service->start();
  endpoint.shut();
  service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended, {});
  endpoint.until_asked(1);
  ASSERT_TRUE(vault->erase_connection({}, meta.id, 0));
  endpoint.open();
  service->stop();
  EXPECT_FALSE(vault->find_connection({}, meta.id));
  EXPECT_EQ(pending(), 0U);
}

TEST_F(TokenService, discards_the_tokens_of_a_connection_that_was_rotated_meanwhile) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2"));
  service->start();
  endpoint.shut();
  service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended, {});
  endpoint.until_asked(1);
  vault::Credential brought;
  brought.values.emplace("refreshToken", vault::Secret("rt-9"));
  ASSERT_TRUE(vault->rotate_credential(found(meta), brought));
  endpoint.open();
  service->stop();
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-9");
  EXPECT_EQ(stored(meta, "accessToken"), "");
}

TEST_F(TokenService, finishes_what_is_under_way_before_it_ends) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2", "rt-2"));
  service->start();
  endpoint.shut();
  service->refresh({meta.organization, meta.project, meta.id}, meta.generation, Why::ended, {});
  endpoint.until_asked(1);
  std::thread ending([&] { service->stop(); });
  endpoint.open();
  ending.join();
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-2");
}

TEST_F(TokenService, forces_one_refresh_a_minute) {
  const auto meta = connect(kHour - 1);
  endpoint.answers(tokens("at-2"), tokens("at-3"));
  service->start();
  EXPECT_EQ(refresh(meta, Why::refused).kind, Kind::renewed);
  EXPECT_EQ(refresh(found(meta), Why::refused).kind, Kind::limited);
  EXPECT_EQ(refresh(meta, Why::refused).kind, Kind::current) << "an older token is only replaced";
  EXPECT_EQ(requests(), 1U);
}

TEST_F(TokenService, renews_ahead_of_time_without_being_asked) {
  const auto meta = is_due(connect(60'000));
  endpoint.answers(tokens("at-2"));
  service->start();
  until([&] { return found(meta).generation == meta.generation + 1; });
  EXPECT_EQ(requests(), 1U);
}

TEST_F(TokenService, leaves_disabled_connections_alone) {
  auto meta = connect(60'000);
  meta.enabled = false;
  meta = is_due(meta);
  const auto other = is_due(connect(60'000, "oauth", "other"));
  endpoint.answers(tokens("at-2"));
  service->start();
  until([&] { return found(other).generation == other.generation + 1; });
  EXPECT_EQ(refresh(meta).kind, Kind::disabled);
  EXPECT_EQ(found(meta).generation, meta.generation);
}

TEST_F(TokenService, obtains_a_token_without_a_refresh_token_where_the_grant_needs_none) {
  const auto meta = connect({}, "robot");
  endpoint.answers(tokens("at-2"));
  service->start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_THAT(endpoint.bodies(), Each(HasSubstr("grant_type=client_credentials")));
}

TEST_F(TokenService, calls_rejected_credentials_an_error) {
  const auto meta = connect({}, "robot");
  endpoint.answers(refused("invalid_grant"));
  service->start();
  EXPECT_EQ(refresh(meta).kind, Kind::rejected);
  EXPECT_EQ(found(meta).status, Status::error);
  EXPECT_EQ(found(meta).status_reason, "credentials_rejected");
}

TEST_F(TokenService, tries_again_for_a_person_what_was_rejected_before) {
  const auto meta = connect({});
  endpoint.answers(refused("invalid_grant"), tokens("at-2"));
  service->start();
  EXPECT_EQ(refresh(meta).kind, Kind::rejected);
  EXPECT_EQ(found(meta).status, Status::expired);
  EXPECT_EQ(refresh(meta, Why::test).kind, Kind::renewed);
  EXPECT_EQ(found(meta).status, Status::active);
}

}  // namespace
}  // namespace postern::serve
