#pragma once
// A client that sends exactly the bytes it is given, and a server to send them to.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "desk.hpp"
#include "proxy/admin/admin.hpp"
#include "tests/support/written_answers.hpp"

namespace postern::admin {

namespace json = boost::json;

struct WireReply {
  int status = 0;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
  bool closed = false;

  json::object object() const {
    boost::system::error_code error;
    auto value = json::parse(body, error);
    return value.is_object() ? value.get_object() : json::object();
  }
  std::string text(std::string_view key) const {
    const auto whole = object();
    const auto* value = whole.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
  }
  std::string code() const { return text("code"); }
  // The pointer (or parameter) of the first error.
  std::string pointer() const {
    const auto whole = object();
    const auto* errors = whole.if_contains("errors");
    if (errors == nullptr || errors->get_array().empty()) return "";
    const auto& first = errors->get_array().front().get_object();
    return std::string(first.contains("pointer") ? first.at("pointer").get_string()
                                                 : first.at("parameter").get_string());
  }
};

class Wire {
 public:
  // `door` is what openapi.yaml is held against: on the health listener there are only probes and metrics.
  explicit Wire(const std::string& address, const char* door = "tcp") : door_(door) {
    if (address.starts_with('/')) {
      fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_un to{};
      to.sun_family = AF_UNIX;
      address.copy(to.sun_path, sizeof to.sun_path - 1);
      connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    } else {
      fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in to{};
      to.sin_family = AF_INET;
      ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
      to.sin_port = htons(std::uint16_t(std::stoi(address.substr(address.rfind(':') + 1))));
      connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    }
    timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() { ::close(fd_); }

  bool connected() const { return connected_; }
  void send(std::string_view bytes) {
    sent_ += bytes;
    while (!bytes.empty()) {
      const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(std::size_t(n));
    }
  }
  WireReply receive(bool with_body = true) {
    WireReply reply;
    std::size_t end = std::string::npos;
    while ((end = bytes_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return reply;
    const std::string head = bytes_.substr(0, end + 2);
    bytes_.erase(0, end + 4);
    reply.status = std::stoi(head.substr(9, 3));
    for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
      const auto colon = head.find(": ", at), stop = head.find("\r\n", at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = char(::tolower(c));
      reply.fields[name] = head.substr(colon + 2, stop - colon - 2);
      at = stop + 2;
    }
    const std::size_t length =
        with_body && reply.fields.contains("content-length") ? std::stoul(reply.fields["content-length"]) : 0;
    while (bytes_.size() < length)
      if (!more()) break;
    reply.body = bytes_.substr(0, length);
    bytes_.erase(0, length);
    reply.closed = reply.fields.contains("connection") && reply.fields["connection"] == "close";
    if (reply.status >= 200) write_down(reply);
    return reply;
  }
  // Nothing more comes: the other side has ended.
  bool ended() { return bytes_.empty() && !more(); }

 private:
  void write_down(const WireReply& reply) {
    const tests::FirstRequest asked(sent_);
    tests::Exchange exchange{.door = door_,
                             .method = asked.method,
                             .target = asked.target,
                             .sent = asked.body,
                             .status = unsigned(reply.status),
                             .fields = {},
                             .body = reply.body};
    for (const auto& [name, value] : reply.fields) exchange.fields.push_back(json::array{name, value});
    tests::write_answer(exchange);
    sent_ = std::string(asked.rest);
  }
  bool more() {
    char part[16384];
    ssize_t n = 0;
    do n = ::recv(fd_, part, sizeof part, 0);
    while (n < 0 && errno == EINTR);  // a key command of ours may end meanwhile
    if (n <= 0) return false;
    bytes_.append(part, std::size_t(n));
    return true;
  }
  int fd_ = -1;
  bool connected_ = false;
  const char* door_;
  std::string bytes_, sent_;
};

class AdminRoom : public testing::Test {
 protected:
  void SetUp() override {
    state = std::filesystem::path(testing::TempDir()) / ("postern-admin-" + std::to_string(::getpid()) + '-' +
                                                         testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(state);
    settings.listen.admin = "127.0.0.1:0";
    settings.listen.health = "127.0.0.1:0";
    settings.store = "memory";
    settings.state = state;
    vault::Options options;
    options.store = vault::StoreKind::memory;
    options.state = state;
    options.now_ms = [this] { return now; };
    auto made = vault::Vault::create(options);
    ASSERT_TRUE(made) << made.error().message;
    vault = std::move(*made);
    auto loaded = config::Catalog::load({});
    ASSERT_TRUE(loaded) << loaded.error().text();
    catalog = *loaded;
    start_server();
    admin = make_token({.capabilities = {"*"}, .connections = {"*"}, .organization = ""});
  }
  void TearDown() override {
    server.reset();
    std::filesystem::remove_all(state);
  }

  Deps deps() {
    Deps d;
    d.vault = vault.get();
    d.metrics = &metrics;
    d.settings = [this] { return std::make_shared<const config::Settings>(settings); };
    d.catalog = [this] { return catalog; };
    d.declared = [this] { return declared; };
    d.announce = [this](const Change& change) {
      const std::scoped_lock lock(changes_mutex);
      changes.push_back(change);
    };
    d.not_ready = [this] { return missing; };
    d.proxy_addresses = [] { return std::vector<std::string>{"127.0.0.1:8480"}; };
    d.now_ms = [this] { return now; };
    d.desk = &desk;
    d.imports_changed = [this]() -> std::expected<void, std::string> {
      if (!adopting) return std::unexpected("stopping");
      ++adoptions;
      std::vector<config::ImportedEntry> enabled;
      const auto all = vault->imports().list_imports();
      for (const auto& one : *all)
        if (one.enabled) enabled.push_back({one.id, one.yaml});
      catalog = config::with_imports(files, enabled).catalog;
      return {};
    };
    d.authority_changed = [this]() -> std::expected<void, std::string> {
      if (!adopting) return std::unexpected("stopping");
      ++adoptions;
      return {};
    };
    d.spent = [this](const std::string& id) {
      const auto at = known_spent.find(id);
      return at == known_spent.end() ? std::nullopt : std::optional(at->second);
    };
    d.explain = [this](const observe::Question& question) { return explain ? explain(question) : std::nullopt; };
    return d;
  }
  void start_server() {
    auto started = start(deps());
    ASSERT_TRUE(started) << started.error();
    server = std::move(*started);
  }

  struct Wanted {
    std::vector<std::string> capabilities, connections;
    std::string organization = std::string(vault::kDefaultOrganization);
    std::string project = {}, user = {};
    std::optional<std::vector<std::string>> hosts = std::nullopt, methods = std::nullopt;
    std::int64_t lifetime = 3'600'000;
    std::optional<std::vector<vault::ProjectAccess>> projects = std::nullopt;
  };
  // The organization and the project, where they are not there yet.
  void make_place(const std::string& organization, const std::string& project) {
    auto& scopes = vault->scopes();
    if (!scopes.find_organization(organization)) {
      EXPECT_TRUE(scopes.create_organization({.id = organization, .name = organization}));
    }
    if (!project.empty() && !scopes.find_project(organization, project)) {
      EXPECT_TRUE(scopes.create_project({.id = project, .organization = organization, .name = project}));
    }
  }
  std::string make_token(const Wanted& wanted) {
    if (!wanted.organization.empty()) make_place(wanted.organization, wanted.project);
    vault::Authorization a;
    a.projects = wanted.projects;
    a.organization = wanted.organization;
    a.project = wanted.project;
    a.user = wanted.user;
    a.capabilities = wanted.capabilities;
    a.connections = wanted.connections;
    a.hosts = wanted.hosts;
    a.methods = wanted.methods;
    a.expires = wanted.organization.empty() ? 0 : now + wanted.lifetime;
    auto made = vault->create_authorization(std::move(a));
    EXPECT_TRUE(made) << made.error().message;
    last_id = made->authorization.id;
    return std::string(made->token.expose());
  }

  using Fields = std::vector<std::pair<std::string, std::string>>;
  std::string request(const std::string& method, const std::string& target, const std::string& body = "",
                      const Fields& fields = {}) {
    std::string text = method + ' ' + target + " HTTP/1.1\r\n";
    bool host = false, type = false;
    for (const auto& [name, value] : fields) {
      text += name + ": " + value + "\r\n";
      host |= name == "Host";
      type |= name == "Content-Type";
    }
    if (!host) text += "Host: " + server->address() + "\r\n";
    if (!body.empty()) {
      if (!type) text += "Content-Type: application/json\r\n";
      text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    return text + "\r\n" + body;
  }
  WireReply call(const std::string& method, const std::string& target, const std::string& body = "",
                 const std::string& token = "*", Fields fields = {}) {
    if (!token.empty()) fields.emplace_back("Authorization", "Bearer " + (token == "*" ? admin : token));
    Wire wire(server->address());
    wire.send(request(method, target, body, fields));
    return wire.receive(method != "HEAD");
  }
  WireReply over_socket(const std::string& method, const std::string& target, const std::string& body = "") {
    Wire wire((state / "admin.sock").native());
    wire.send(request(method, target, body));
    return wire.receive();
  }
  WireReply create(const std::string& more = "", const std::string& token = "*") {
    return call("POST", "/api/v1/connections",
                R"({"app":"http","type":"BEARER","value":{"token":"canary-one"},"config":{"hosts":["api.test"]})" +
                    (more.empty() ? "" : "," + more) + "}",
                token);
  }

  std::filesystem::path state;
  config::Settings settings;
  observe::Metrics metrics;
  std::unique_ptr<vault::Vault> vault;
  std::shared_ptr<const config::Catalog> catalog;
  std::shared_ptr<const config::Catalog> files;  // without imported providers; where a test needs it
  int adoptions = 0;
  bool adopting = true;
  std::vector<vault::Connection> declared;
  std::vector<std::string> missing;
  std::mutex changes_mutex;
  std::vector<Change> changes;
  std::map<std::string, vault::Calls> known_spent;  // by authorization, as the data path would tell
  FakeDesk desk;
  std::function<std::optional<observe::Explanation>(const observe::Question&)> explain;  // empty: never ready
  std::int64_t now = 1'800'000'000'000;
  std::unique_ptr<Server> server;
  std::string admin, last_id;
};

}  // namespace postern::admin
