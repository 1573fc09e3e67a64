#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/admin/http_server.hpp"
#include "proxy/admin/listen.hpp"
#include "proxy/admin/router.hpp"
#include "proxy/observe/log.hpp"

namespace postern::admin {
namespace {

// Descriptors that are closed unless the server takes them.
struct Pending {
  std::vector<Listening> all;
  ~Pending() {
    for (const auto& one : all) ::close(one.descriptor);
  }
};

class AdminServer final : public Server {
 public:
  explicit AdminServer(Deps deps) { service_.deps = std::move(deps); }
  ~AdminServer() override { AdminServer::stop(); }

  std::expected<void, std::string> start();
  const std::string& address() const override { return service_.addresses.admin; }
  const std::string& health_address() const override { return service_.addresses.health; }

  void stop() override {
    if (!http_) return;
    http_->stop();
    http_.reset();
    remove_socket(socket_path_, socket_file_);
  }

 private:
  std::expected<void, std::string> bind_admin(const config::Settings& settings, Pending& pending);
  std::expected<void, std::string> bind_socket(const config::Settings& settings, Pending& pending);

  Service service_;
  std::filesystem::path socket_path_;
  SocketFile socket_file_;
  std::unique_ptr<HttpServer> http_;
};

std::expected<void, std::string> AdminServer::bind_admin(const config::Settings& settings, Pending& pending) {
  const int inherited = service_.deps.admin_descriptor;
  auto bound = inherited < 0 ? listen_tcp(settings.listen.admin, "listen.admin") : adopt_tcp(inherited, "admin");
  if (!bound) return std::unexpected(bound.error());
  pending.all.push_back({bound->descriptor, Door::tcp});
  if (!bound->loopback && !settings.insecure_listen) {
    return std::unexpected(fmt::format(
        "listen.admin {}: tokens would cross the network in clear text; use a loopback address or set insecure_listen",
        bound->address));
  }
  service_.addresses.admin = std::move(bound->address);
  return {};
}

// Without a disk (memory store on a read-only root) there is nowhere to put the socket, and the TCP listener serves
// alone.
std::expected<void, std::string> AdminServer::bind_socket(const config::Settings& settings, Pending& pending) {
  socket_path_ = settings.state / "admin.sock";
  std::error_code error;
  std::filesystem::create_directories(settings.state.parent_path(), error);
  if (::mkdir(settings.state.c_str(), 0700) != 0 && ::access(settings.state.c_str(), W_OK) != 0 &&
      settings.store == "memory") {
    observe::log_event(observe::Level::warn, "no-admin-socket", "the state directory cannot be written");
    return {};
  }
  auto bound = listen_unix(socket_path_);
  if (!bound) return std::unexpected(bound.error());
  pending.all.push_back({bound->descriptor, Door::socket});
  socket_file_ = identify_file(socket_path_);
  service_.addresses.socket = std::move(bound->address);
  return {};
}

std::expected<void, std::string> AdminServer::start() {
  const auto settings = service_.deps.settings();
  Pending pending;
  if (auto done = bind_admin(*settings, pending); !done) return done;
  const int inherited = service_.deps.health_descriptor;
  if (inherited >= 0 || !settings->listen.health.empty()) {
    auto bound = inherited < 0 ? listen_tcp(settings->listen.health, "listen.health") : adopt_tcp(inherited, "health");
    if (!bound) return std::unexpected(bound.error());
    pending.all.push_back({bound->descriptor, Door::health});
    service_.addresses.health = std::move(bound->address);
  }
  if (auto done = bind_socket(*settings, pending); !done) return done;
  http_ = HttpServer::start(
      std::exchange(pending.all, {}), [this](const Request& request) { return handle(service_, request); },
      [this](const Request& head) { return body_limit(service_, head); });
  return {};
}

}  // namespace

std::expected<std::unique_ptr<Server>, std::string> start(Deps deps) {
  auto server = std::make_unique<AdminServer>(std::move(deps));
  if (auto done = server->start(); !done) return std::unexpected(done.error());
  return server;
}

}  // namespace postern::admin
