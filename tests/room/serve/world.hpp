#pragma once
// A vault in memory with a Stripe connection whose host is a server of this test, and workers that serve it.
#include <gtest/gtest.h>

#include <latch>
#include <set>
#include <thread>

#include "proxy/serve/service.hpp"
#include "tests/support/loop.hpp"
#include "tests/support/tls_server.hpp"

namespace postern::serve {

inline constexpr const char* kHost = "api.stripe.com";

class World {
 public:
  World() {
    vault::Options options;
    options.store = vault::StoreKind::memory;
    vault = std::move(*vault::Vault::create(options));
    source = std::make_shared<Source>(*vault, *config::Catalog::load({}), [this] { return now_ms; });
  }
  vault::Connection connect(const std::string& alias, std::string_view secret, std::uint16_t port = 443) {
    vault::Connection meta;
    meta.owner = "service";
    meta.alias = alias;
    meta.app = "stripe";
    meta.auth = "api_key";
    meta.type = "API_KEY";
    meta.config = "{}";
    if (port != 443) {  // the shipped entry knows no other
      meta.app = "http";
      meta.config = R"({"hosts":[")" + std::string(kHost) + ":" + std::to_string(port) +
                    R"("],"inject":[{"header":"Authorization","value":"Bearer ${apiKey}"}]})";
    }
    meta.destinations = {{kHost, port, ""}};
    return *vault->create_connection(meta, credential(secret));
  }
  static vault::Credential credential(std::string_view secret) {
    vault::Credential made;
    made.values.emplace("apiKey", vault::Secret(secret));
    return made;
  }
  vault::Connection found(const std::string& reference) const { return *vault->find_connection({}, reference); }
  vault::NewToken permit(std::vector<std::string> connections = {"*"}, std::vector<std::string> default_for = {}) {
    vault::Authorization authorization;
    authorization.organization = vault::kDefaultOrganization;
    authorization.project = vault::kDefaultProject;
    authorization.user = "user_1";
    authorization.name = "step";
    authorization.capabilities = {"proxy:call"};
    authorization.connections = std::move(connections);
    authorization.default_for = std::move(default_for);
    authorization.expires = 4'000'000'000'000;
    return std::move(*vault->create_authorization(authorization));
  }

  std::int64_t now_ms = 1'900'000'000'000;
  std::unique_ptr<vault::Vault> vault;
  std::shared_ptr<Source> source;
};

}  // namespace postern::serve
