#pragma once
// A worker with everything an upstream connection needs, and a resolver that answers what the test says.
#include <map>
#include <mutex>

#include "proxy/net/exchange.hpp"
#include "tests/support/loop.hpp"
#include "tests/support/tls_server.hpp"

namespace postern::net {

// What the names of a test resolve to. One test at a time; asked on offload threads.
struct Names {
  static inline std::mutex mutex;
  static inline std::map<std::string, std::vector<Endpoint>> known;
  static inline int asked = 0;
  static inline test::Signal* gate = nullptr;  // look-ups wait for it
  static std::vector<Endpoint> look_up(const std::string& host) {
    test::Signal* wait_for = nullptr;
    {
      const std::lock_guard lock(mutex);
      ++asked;
      wait_for = gate;
    }
    if (wait_for != nullptr) wait_for->wait();
    const std::lock_guard lock(mutex);
    return known[host];
  }
};

inline Endpoint at(std::string_view text) {
  return *Endpoint::parse(text);
}

class NetworkRoom : public testing::Test {
 public:
  NetworkRoom() {
    Names::known.clear();
    Names::asked = 0;
    Names::gate = nullptr;
  }
  ~NetworkRoom() override {
    offload.stop();
    loop.worker.context().poll();
  }
  Destination to(const test::TlsServer& server, const std::string& host) {
    Destination destination;
    destination.host = host;
    destination.port = server.port();
    destination.trust = trust;
    destination.exceptions = {*Range::parse("127.0.0.0/8")};
    destination.session_key = host + ":" + std::to_string(server.port());
    {
      const std::lock_guard lock(Names::mutex);
      Names::known.try_emplace(host, std::vector{at("127.0.0.1:0")});
    }
    return destination;
  }
  std::uint64_t count(observe::Counter counter) const { return loop.metrics.total(counter); }

  test::Loop loop;
  test::Authority authority;
  std::shared_ptr<const Trust> trust = *Trust::file(authority.pem());
  Offload offload{2};
  Resolver resolver{loop.worker, offload, &Names::look_up};
  AddressPolicy policy;
  DialTimeouts timeouts{Millis(10'000), Millis(10'000), Millis(10'000)};
};

}  // namespace postern::net
