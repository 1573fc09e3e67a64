#pragma once
// Lanes that serve the World's connections, callers on one side, a TLS server on the other.
#include <charconv>

#include "world.hpp"

namespace postern::serve {

using test::Far;
using test::ok;
using test::Peer;
using test::Signal;
using test::TlsServer;

// As in the daemon: worker and service on a thread of their own.
struct Lane {
  Lane(observe::Metrics& metrics, const std::shared_ptr<const Common>& common, std::shared_ptr<const Rules> rules)
      : worker(metrics),
        service(std::make_unique<Service>(worker, common, std::move(rules))),
        thread([this] { worker.run(); }) {}
  // Runs on the lane's thread; returns when it is done.
  template <class F>
  void on(F f) {
    std::latch done(1);
    worker.post([&] {
      f(*service);
      done.count_down();
    });
    done.wait();
  }
  void stop() {
    Signal drained;
    on([&](Service& s) {
      s.drain([&] { drained.set(); });
      s.abort_all();
    });
    drained.wait();
    worker.post([this] {
      service.reset();
      worker.close();
    });
    thread.join();
  }
  net::Worker worker;
  std::unique_ptr<Service> service;
  std::thread thread;
};

class ServiceRoom : public testing::Test, public World {
 public:
  // Begins to serve: the host of every connection is `handler`.
  void serve(TlsServer::Handler handler, int lane_count = 1) {
    server.emplace(authority.issue(kHost), std::move(handler));
    auto made = std::make_shared<Common>();
    made->pseudonym = "postern-test";
    made->vault_offload = &vault_offload;
    made->dns_offload = &dns_offload;
    made->now_ms = [this] { return now.load(); };
    made->admin_url = "http://127.0.0.1:8481";
    made->listeners = {*net::Endpoint::parse("127.0.0.1:8480")};
    made->addresses.add_own(made->listeners.front());
    made->via_11 = "1.1 postern-test";
    common = made;
    for (int i = 0; i < lane_count; ++i) lanes.push_back(std::make_unique<Lane>(metrics, common, rules()));
    connection = connect("billing", "sk_live_1", server->port());
    token = permit();
  }
  std::shared_ptr<Rules> rules() const {
    auto made = std::make_shared<Rules>();
    made->settings = std::make_shared<config::Settings>(settings);
    made->source = source;
    made->trust = *net::Trust::file(authority.pem());
    made->exceptions = {{kHost, false, server->port(), server->endpoint(), nullptr, {}},
                        {kHost, false, 443, server->endpoint(), nullptr, {}}};
    return made;
  }
  ~ServiceRoom() override {
    for (auto& lane : lanes) lane->stop();
    vault_offload.stop();
    dns_offload.stop();
    server.reset();
  }
  Far call_in(std::size_t lane = 0, int buffers = 0) {
    test::Pair pair = test::tcp_pair(buffers);
    lanes[lane]->worker.post([fd = pair.near, s = lanes[lane]->service.get()] { s->accept(fd); });
    return std::move(pair.far);
  }
  std::string request(const std::string& method, const std::string& path, const std::string& more = "",
                      const char* version = "1.1") const {
    const std::string host = std::string(kHost) + ":" + std::to_string(server->port());
    return method + " http://" + host + path + " HTTP/" + version + "\r\nHost: " + host +
           "\r\nX-Connection-Id: billing\r\nProxy-Authorization: Bearer " + std::string(token.token.expose()) + "\r\n" +
           more + "\r\n";
  }
  // One answer: its head, and its body by Content-Length.
  static std::string answer(const Far& far) {
    std::string got = far.receive_until("\r\n\r\n");
    const auto at = got.find("Content-Length: ");
    std::size_t length = 0;
    if (at != std::string::npos) std::from_chars(got.data() + at + 16, got.data() + got.size(), length);
    for (const std::size_t whole = got.size() + length; got.size() < whole;) {
      if (!far.receive_some(got, nullptr, whole - got.size())) break;
    }
    return got;
  }
  void announce(const Forget& what, bool ended) {
    for (auto& lane : lanes) lane->on([&](Service& s) { s.forget(what, ended); });
  }
  void rotate(std::string_view secret) {
    ASSERT_TRUE(vault->rotate_credential(found("billing"), credential(secret)));
    announce({false, connection.organization, connection.project, connection.id}, false);
  }
  void revoke_connection() {
    vault::Connection meta = found("billing");
    meta.status = vault::Status::revoked;
    ASSERT_TRUE(vault->update_connection(meta));
    announce({false, connection.organization, connection.project, connection.id}, true);
  }
  void revoke_token() {
    vault::Authorization authorization = token.authorization;
    authorization.revoked = now;
    ASSERT_TRUE(vault->update_authorization(authorization));
    announce({true, {}, {}, authorization.id}, true);
  }
  void until_nobody_is_connected() {
    const auto end = std::chrono::steady_clock::now() + test::kPatience;
    for (std::size_t open = 1; open != 0 && std::chrono::steady_clock::now() < end;) {
      lanes[0]->on([&](Service& s) { open = s.open_connections(); });
    }
    EXPECT_EQ(lanes[0]->service->open_connections(), 0U);
  }
  // Answers every request with what its Authorization was.
  static void echo_credential(Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      const auto from = head.find("Authorization: ");
      peer.write(ok(from == std::string::npos ? "none" : head.substr(from + 15, head.find("\r\n", from) - from - 15)));
    }
  }
  static void stream(Peer& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    peer.wait_for_end();
  }

  config::Settings settings;
  std::atomic<std::int64_t> now{1'700'000'000'000};
  test::Authority authority;
  observe::Metrics metrics;
  net::Offload vault_offload{2}, dns_offload{1};
  std::optional<TlsServer> server;
  std::shared_ptr<const Common> common;
  std::vector<std::unique_ptr<Lane>> lanes;
  vault::Connection connection;
  vault::NewToken token;
};

}  // namespace postern::serve
