#pragma once
// The token service over a vault and an endpoint that is scripted.
#include <gmock/gmock.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>

#include "proxy/serve/token_service.hpp"

namespace postern::serve::test {

using grants::Delivery;
using Kind = Renewed::Kind;
using vault::Status;

inline constexpr std::int64_t kNow = 1'900'000'000'000, kHour = 3'600'000;
inline constexpr std::chrono::seconds kPatience{30};
inline constexpr const char* kEntry = R"(
id: acme
hosts: [api.acme.test]
base_url: https://api.acme.test
auth:
  oauth:
    type: OAUTH2
    authorize: {url: https://login.acme.test/authorize}
    token: {url: https://token.acme.test/token, client_auth: body}
    refresh: {idle_lifetime: 10d}
  robot:
    type: OAUTH2_CLIENT_CREDENTIALS
    token: {url: https://token.acme.test/token, client_auth: body}
)";

inline Delivery answered(std::string_view body, int status = 200) {
  Delivery delivery;
  delivery.sent = true;
  delivery.reply.status = status;
  delivery.reply.body = vault::Secret(body);
  return delivery;
}
inline Delivery tokens(const std::string& access, const std::string& refresh = {}) {
  return answered(R"({"access_token":")" + access + R"(","token_type":"bearer","expires_in":3600)" +
                  (refresh.empty() ? "}" : R"(,"refresh_token":")" + refresh + "\"}"));
}
inline Delivery refused(const std::string& code) {
  return answered(R"({"error":")" + code + "\"}", 400);
}
inline Delivery lost() {
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
    net::Task<Delivery> call(grants::TokenRequest request, net::Millis deadline) override {
      endpoint_.took(request, deadline);
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
  net::Millis deadline() {  // of the last call
    const std::scoped_lock lock(mutex_);
    return deadline_;
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
  void took(const grants::TokenRequest& request, net::Millis deadline) {
    at_call();
    const std::scoped_lock lock(mutex_);
    deadline_ = deadline;
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
    for (const auto& [name, value] : script_.front().reply.headers)
      copy.reply.headers.emplace_back(name, value.clone());
    return copy;
  }

  std::mutex mutex_;
  std::condition_variable asked_;
  std::deque<Delivery> script_;
  std::vector<std::string> bodies_;
  net::Millis deadline_{0};
  net::Worker* worker_ = nullptr;
  net::Event opened_;
};

class TokenWorld : public testing::Test {
 public:
  using MakeVault = std::function<vault::Result<std::unique_ptr<vault::Vault>>(vault::Options)>;
  static vault::Result<std::unique_ptr<vault::Vault>> in_memory(vault::Options options) {
    options.store = vault::StoreKind::memory;
    return vault::Vault::create(options);
  }

  explicit TokenWorld(const MakeVault& make = in_memory)
      : folder_(std::filesystem::temp_directory_path() / ("postern-tokens-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "acme.yaml") << kEntry;
    vault::Options options;
    options.now_ms = [this] { return now.load(); };
    vault = std::move(*make(options));
    rules->source = std::make_shared<Source>(*vault, *config::Catalog::load({folder_}), [this] { return now.load(); });
    common->dns_offload = &dns_;
    common->now_ms = [this] { return now.load(); };
    deps = {.vault = vault.get(),
            .common = common,
            .publish = [this](const Forget& what) { published.fetch_add(what.renewed ? 1 : 0); },
            .transport = [this](net::Worker& worker) { return endpoint.transport(worker); },
            .random = [] { return UINT32_MAX; }};
  }
  ~TokenWorld() override {
    service.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void start() {
    service.emplace(metrics, deps, rules);
    service->start();
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
    meta.touch = now + 1'000 * kHour;  // the background leaves it to the test
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
    bool met = done();
    while (!met && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
      met = done();
    }
    EXPECT_TRUE(met);
  }

  std::atomic<std::int64_t> now{kNow};
  std::atomic<int> published{0};
  std::unique_ptr<vault::Vault> vault;
  std::shared_ptr<Common> common = std::make_shared<Common>();
  std::shared_ptr<Rules> rules = std::make_shared<Rules>();
  observe::Metrics metrics;
  Endpoint endpoint;
  TokenService::Deps deps;
  std::optional<TokenService> service;

 private:
  std::filesystem::path folder_;
  vault::AuthConfig app_;
  net::Offload dns_{1};
};

}  // namespace postern::serve::test
