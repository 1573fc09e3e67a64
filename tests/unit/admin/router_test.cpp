// The router without sockets, over a vault whose disk is gone.
#include "proxy/admin/router.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "tests/support/written_answers.hpp"

namespace postern::admin {
namespace {

using vault::Error;

class BrokenUpkeep final : public vault::Upkeep {
 public:
  explicit BrokenUpkeep(Error::Code code) : code_(code) {}
  vault::Result<vault::KeyStatus> keys() const override { return no(); }
  vault::Result<vault::Rotation> rotate(const vault::Beside&) override { return no(); }
  vault::Result<vault::Rotation> continue_rotation(std::size_t) override { return no(); }
  vault::Result<vault::KeyStatus> rewrap(const vault::KeySource&, const vault::Beside&) override { return no(); }
  vault::Result<std::uint64_t> backup(const std::filesystem::path&) override { return no(); }
  vault::Result<vault::Verified> verify(std::string_view, std::size_t) const override { return no(); }
  vault::Result<vault::Migrated> migrate(std::string_view, std::size_t) override { return no(); }

 private:
  std::unexpected<Error> no() const { return vault::fail(code_, "/secret/path: the disk is gone"); }
  Error::Code code_;
};

class BrokenTokens final : public vault::TokenBook {
 public:
  explicit BrokenTokens(Error::Code code) : code_(code) {}
  vault::Result<vault::AuthConfig> create_auth_config(vault::AuthConfig, const vault::Beside&) override { return no(); }
  vault::Result<vault::AuthConfig> find_auth_config(vault::Space, std::string_view) const override { return no(); }
  vault::Result<vault::AuthConfigPage> list_auth_configs(const vault::AuthConfigQuery&) const override { return no(); }
  vault::Result<vault::AuthConfig> update_auth_config(vault::AuthConfig, const vault::Beside&) override { return no(); }
  vault::Result<void> erase_auth_config(vault::Space, std::string_view, std::uint64_t, const vault::Beside&) override {
    return no();
  }
  vault::Result<std::vector<vault::Connection>> connections_of(const vault::AuthConfig&, std::size_t) const override {
    return no();
  }
  vault::Result<vault::Intent> begin_refresh(const vault::Connection&, std::string_view,
                                             const vault::Secret*) override {
    return no();
  }
  vault::Result<vault::Intent> take_over(const vault::Intent&, std::string_view) override { return no(); }
  bool spends(const vault::Intent&, const vault::Secret&) const override { return false; }
  vault::Result<vault::Connection> finish_refresh(const vault::Intent&, const vault::Credential&, const vault::Outcome&,
                                                  const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::Connection> fail_refresh(const vault::Intent&, const vault::StatusChange&,
                                                const vault::Beside&) override {
    return no();
  }
  vault::Result<std::vector<vault::Intent>> pending_intents(std::string_view, std::size_t) const override {
    return no();
  }
  vault::Result<vault::Connection> set_status(vault::Space, std::string_view, std::uint64_t, const vault::StatusChange&,
                                              const vault::Beside&) override {
    return no();
  }
  vault::Result<std::vector<vault::Due>> due(std::int64_t, std::string_view, std::size_t) const override {
    return no();
  }
  vault::Result<vault::Link> create_link(vault::Link, const vault::Beside&) override { return no(); }
  vault::Result<vault::Link> find_link(vault::Space, std::string_view) const override { return no(); }
  vault::Result<vault::Link> find_link(std::string_view) const override { return no(); }
  vault::Result<vault::Link> find_link_by_state(std::string_view) const override { return no(); }
  vault::Result<vault::Link> update_link(vault::Link, std::string_view, const vault::Beside&) override { return no(); }
  vault::Result<void> erase_link(vault::Space, std::string_view, const vault::Beside&) override { return no(); }
  vault::Result<std::size_t> sweep_links(std::int64_t) override { return no(); }

 private:
  std::unexpected<Error> no() const { return vault::fail(code_, "/secret/path: the disk is gone"); }
  Error::Code code_;
};

class BrokenScopes final : public vault::Scopes {
 public:
  explicit BrokenScopes(Error::Code code) : code_(code) {}
  vault::Result<vault::Organization> create_organization(vault::Organization, const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::Organization> find_organization(std::string_view) const override { return no(); }
  vault::Result<vault::ScopePage<vault::Organization>> list_organizations(std::string_view,
                                                                          std::size_t) const override {
    return no();
  }
  vault::Result<vault::Organization> update_organization(vault::Organization, const vault::Beside&) override {
    return no();
  }
  vault::Result<void> erase_organization(std::string_view, std::uint64_t, const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::Project> create_project(vault::Project, const vault::Beside&) override { return no(); }
  vault::Result<vault::Project> find_project(std::string_view, std::string_view) const override { return no(); }
  vault::Result<vault::ScopePage<vault::Project>> list_projects(std::string_view, std::string_view,
                                                                std::size_t) const override {
    return no();
  }
  vault::Result<vault::Project> update_project(vault::Project, const vault::Beside&) override { return no(); }
  vault::Result<void> erase_project(std::string_view, std::string_view, std::uint64_t, const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::Contents> contents(std::string_view, std::string_view, std::size_t) const override {
    return no();
  }
  vault::Result<vault::User> create_user(vault::User, const vault::Beside&) override { return no(); }
  vault::Result<vault::User> find_user(std::string_view, std::string_view) const override { return no(); }
  vault::Result<vault::ScopePage<vault::User>> list_users(std::string_view, std::string_view,
                                                          std::size_t) const override {
    return no();
  }
  vault::Result<vault::User> update_user(vault::User, const vault::Beside&) override { return no(); }
  vault::Result<void> erase_user(std::string_view, std::string_view, std::uint64_t, const vault::Beside&) override {
    return no();
  }

 private:
  std::unexpected<Error> no() const { return vault::fail(code_, "/secret/path: the disk is gone"); }
  Error::Code code_;
};

class BrokenImports final : public vault::Imports {
 public:
  explicit BrokenImports(Error::Code code) : code_(code) {}
  vault::Result<vault::ImportedProvider> create_import(vault::ImportedProvider, const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::ImportedProvider> find_import(std::string_view) const override { return no(); }
  vault::Result<std::vector<vault::ImportedProvider>> list_imports() const override { return no(); }
  vault::Result<vault::ImportedProvider> enable_import(std::string_view, bool, std::uint64_t,
                                                       const vault::Beside&) override {
    return no();
  }
  vault::Result<void> erase_import(std::string_view, std::uint64_t, const vault::Beside&) override { return no(); }
  vault::Result<std::vector<vault::ProviderUse>> uses_of(std::string_view, std::size_t) const override { return no(); }

 private:
  std::unexpected<Error> no() const { return vault::fail(code_, "/secret/path: the disk is gone"); }
  Error::Code code_;
};

class BrokenAudit final : public vault::Audit {
 public:
  explicit BrokenAudit(Error::Code code) : code_(code) {}
  vault::Result<void> append(std::vector<vault::Event>) override { return no(); }
  vault::Result<vault::AuditPage> list(const vault::AuditQuery&) const override { return no(); }
  vault::Result<vault::AuditHead> head(std::string_view) const override { return no(); }
  vault::Result<void> check(vault::AuditCheck&, std::size_t) const override { return no(); }
  vault::Result<std::size_t> sweep(std::int64_t) override { return no(); }
  void set_quota(std::uint64_t) override {}
  std::uint64_t unkept() const override { return 0; }

 private:
  std::unexpected<Error> no() const { return vault::fail(code_, "/secret/path: the disk is gone"); }
  Error::Code code_;
};

class BrokenVault final : public vault::Vault {
 public:
  explicit BrokenVault(Error::Code code)
      : code_(code), upkeep_(code), tokens_(code), scopes_(code), imports_(code), audit_(code) {}
  vault::Scopes& scopes() override { return scopes_; }
  const vault::Scopes& scopes() const override { return scopes_; }
  vault::Upkeep& upkeep() override { return upkeep_; }
  vault::TokenBook& tokens() override { return tokens_; }
  vault::Imports& imports() override { return imports_; }
  vault::Audit& audit() override { return audit_; }
  const std::string& id() const override { return id_; }
  vault::VaultStatus status() const override { return {}; }
  vault::Result<void> accept_copy() override { return no(); }
  vault::Result<vault::Connection> create_connection(vault::Connection, const vault::Credential&,
                                                     const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::Connection> find_connection(vault::Space, std::string_view) const override { return no(); }
  vault::Result<vault::Credential> open_credential(const vault::Connection&) const override { return no(); }
  vault::Result<vault::Connection> update_connection(vault::Connection, const vault::Beside&) override { return no(); }
  vault::Result<vault::Connection> rotate_credential(vault::Connection, const vault::Credential&,
                                                     const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::Connection> restore_credential(const vault::Connection&, const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::AuthorityRecord> find_authority() const override { return no(); }
  vault::Result<vault::AuthorityRecord> put_authority(vault::AuthorityRecord, std::uint64_t,
                                                      const vault::Beside&) override {
    return no();
  }
  vault::Result<void> erase_authority(std::uint64_t, const vault::Beside&) override { return no(); }
  vault::Result<vault::KeptAnswer> find_answer(std::string_view, std::string_view) const override { return no(); }
  vault::Result<void> keep_answer(const vault::KeptAnswer&) override { return no(); }
  vault::Result<std::size_t> sweep(std::int64_t) override { return no(); }
  vault::Result<void> erase_connection(vault::Space, std::string_view, std::uint64_t, const vault::Beside&) override {
    return no();
  }
  vault::Result<std::vector<vault::Connection>> create_connections(std::vector<vault::NewConnection>,
                                                                   const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::ConnectionPage> list_connections(const vault::ConnectionQuery&) const override { return no(); }
  vault::Result<vault::NewToken> create_authorization(vault::Authorization, const vault::Beside&) override {
    return no();
  }
  vault::Result<vault::Authorization> authenticate(std::string_view) const override { return no(); }
  vault::Result<vault::Authorization> find_authorization(std::string_view, std::string_view) const override {
    return no();
  }
  vault::Result<vault::Authorization> update_authorization(vault::Authorization, const vault::Beside&) override {
    return no();
  }
  vault::Result<void> update_authorizations(const std::vector<vault::Authorization>&, const vault::Beside&) override {
    return no();
  }
  vault::Result<void> erase_authorization(std::string_view, std::string_view, const vault::Beside&) override {
    return no();
  }
  vault::Result<std::vector<vault::Authorization>> list_authorizations(std::string_view, std::string_view,
                                                                       std::size_t) const override {
    return no();
  }
  vault::Result<vault::Spent> find_spent(std::string_view, std::string_view) const override { return no(); }
  vault::Result<vault::Taken> take_calls(std::string_view, std::string_view, vault::Calls) override { return no(); }
  vault::Result<void> give_back(const std::vector<vault::Spent>&) override { return no(); }
  std::string keyed_digest(std::string_view, std::string_view) const override { return "digest"; }

 private:
  std::unexpected<Error> no() const { return vault::fail(code_, "/secret/path: the disk is gone"); }
  Error::Code code_;
  BrokenUpkeep upkeep_;
  BrokenTokens tokens_;
  BrokenScopes scopes_;
  BrokenImports imports_;
  BrokenAudit audit_;
  std::string id_ = "vault";
};

class BrokenStore : public testing::Test {
 protected:
  Response ask(Error::Code code, const char* method, const char* target, const char* body = "", bool token = false) {
    BrokenVault broken(code);
    Service service;
    service.deps.vault = &broken;
    service.deps.settings = [] { return std::make_shared<const config::Settings>(); };
    service.deps.catalog = [] { return *config::Catalog::load({}); };
    service.deps.declared = [] { return std::vector<vault::Connection>(); };
    service.deps.announce = [this](const Change&) { ++announced; };
    service.deps.not_ready = [] { return std::vector<std::string>(); };
    service.deps.now_ms = [] { return std::int64_t(1'800'000'000'000); };
    Request request;
    request.id = "req_test";
    request.door = Door::socket;
    request.peer_uid = 0;
    request.method = method;
    request.target = target;
    request.body = body;
    if (*body) request.fields.emplace_back("content-type", "application/json");
    if (token) request.fields.emplace_back("authorization", "Bearer pst_x");
    auto reply = handle(service, request);
    Response response = reply.work ? reply.finish(reply.work()) : std::move(reply.response);
    tests::Exchange exchange{.door = "socket",
                             .method = method,
                             .target = target,
                             .sent = body,
                             .status = response.status,
                             .fields = {},
                             .body = response.body};
    exchange.fields.push_back(boost::json::array{"content-type", response.content_type});
    for (const auto& [name, value] : response.fields) exchange.fields.push_back(boost::json::array{name, value});
    tests::write_answer(exchange);
    return response;
  }
  static std::string code_of(const Response& response) {
    return std::string(boost::json::parse(std::string(response.body)).at("code").as_string());
  }
  int announced = 0;
};

constexpr const char* kNew = R"({"app":"http","type":"BEARER","value":{"token":"x"},"config":{"hosts":["api.test"]}})";

TEST_F(BrokenStore, is_503_with_a_retry_hint_and_announces_nothing) {
  const std::vector<std::tuple<const char*, const char*, const char*>> calls = {
      {"GET", "/api/v1/connections", ""},
      {"GET", "/api/v1/connections?sortBy=name", ""},
      {"POST", "/api/v1/connections", kNew},
      {"GET", "/api/v1/connections/x", ""},
      {"PATCH", "/api/v1/connections/x", R"({"name":"y"})"},
      {"POST", "/api/v1/connections/x/rotate", R"({"value":{"token":"y"}})"},
      {"DELETE", "/api/v1/connections/x", ""},
      {"GET", "/api/v1/authorizations", ""},
      {"POST", "/api/v1/authorizations", R"({"capabilities":["proxy:call"]})"},
      {"GET", "/api/v1/authorizations/x", ""},
      {"POST", "/api/v1/authorizations/x/revoke", ""},
      {"POST", "/api/v1/authorizations/introspect", R"({"token":"x"})"},
      {"DELETE", "/api/v1/authorizations/x", ""},
      {"GET", "/api/v1/self", ""},
      {"GET", "/api/v1/self?organization=org_x", ""},
      {"GET", "/api/v1/self?project=proj_x", ""},
      {"GET", "/api/v1/organizations", ""},
      {"POST", "/api/v1/organizations", R"({"name":"x"})"},
      {"PATCH", "/api/v1/organizations/x", R"({"name":"x"})"},
      {"DELETE", "/api/v1/organizations/x", ""},
      {"GET", "/api/v1/projects", ""},
      {"POST", "/api/v1/projects", R"({"name":"x"})"},
      {"GET", "/api/v1/projects/x", ""},
      {"GET", "/api/v1/users", ""},
      {"POST", "/api/v1/users", R"({"name":"x"})"},
      {"POST", "/api/v1/users", R"({"name":"x","projects":[{"id":"proj_x","role":"ADMIN"}]})"},
      {"PATCH", "/api/v1/users/x", R"({"name":"x"})"},
      {"POST", "/api/v1/connections/x/escalate", R"({"scope":"PROJECT"})"},
  };
  for (const auto& [method, target, body] : calls) {
    const auto response = ask(Error::Code::read_only, method, target, body);
    EXPECT_EQ(response.status, 503u) << method << target << response.body;
    EXPECT_EQ(code_of(response), "vault-unavailable");
    EXPECT_THAT(response.fields, testing::Contains(testing::Pair("Retry-After", "5")));
    EXPECT_THAT(std::string(response.body), testing::Not(testing::HasSubstr("/secret/path")));
  }
  EXPECT_EQ(announced, 0);
}

TEST_F(BrokenStore, is_not_mistaken_for_a_bad_token) {
  EXPECT_EQ(ask(Error::Code::io, "GET", "/api/v1/self", "", true).status, 503u);
  EXPECT_EQ(ask(Error::Code::not_found, "GET", "/api/v1/self", "", true).status, 401u);
}

TEST_F(BrokenStore, is_our_own_fault_when_records_do_not_open) {
  const auto response = ask(Error::Code::corrupt, "GET", "/api/v1/connections/x");
  EXPECT_EQ(response.status, 500u);
  EXPECT_EQ(code_of(response), "internal-error");
}

TEST_F(BrokenStore, asks_to_read_again_when_a_write_lost_its_race) {
  const auto response = ask(Error::Code::conflict, "POST", "/api/v1/connections", kNew);
  EXPECT_EQ(response.status, 409u);
  EXPECT_EQ(code_of(response), "version-mismatch");
}

}  // namespace
}  // namespace postern::admin
