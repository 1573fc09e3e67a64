// Build, start and stop order of the daemon. Everything that may block or fail happens before "ready"; nothing is
// served before everything is there, and on SIGTERM what is running is finished first.
#include "proxy/app.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <latch>
#include <thread>

#include "proxy/admin/admin.hpp"
#include "proxy/app_declared.hpp"
#include "proxy/app_process.hpp"
#include "proxy/app_rotation.hpp"
#include "proxy/app_upstreams.hpp"
#include "proxy/cli/offline_settings.hpp"
#include "proxy/net/listener.hpp"
#include "proxy/observe/log.hpp"
#include "proxy/serve/service.hpp"

extern char** environ;

namespace postern {
namespace {

using observe::Level;
using observe::log_event;

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

int fail(int code, std::string_view message) {
  std::fprintf(stderr, "postern: %.*s\n", static_cast<int>(message.size()), message.data());
  return code;
}

// One thread of the data path: worker and service are made and destroyed in order, the thread runs in between.
struct Lane {
  net::Worker worker;
  std::unique_ptr<serve::Service> service;
  std::thread thread;
  Lane(observe::Metrics& metrics, const std::shared_ptr<const serve::Common>& common)
      : worker(metrics), service(std::make_unique<serve::Service>(worker, common)) {}
};

class Daemon {
 public:
  explicit Daemon(std::shared_ptr<const config::Settings> settings) : settings_(std::move(settings)) {}
  // Empty: all is ready. Otherwise the message; `code` is the exit code.
  std::string build(const cli::RunArguments& arguments, int& code);
  void serve();

 private:
  std::string open_vault(const cli::RunArguments& arguments, int& code);
  std::string bind_listeners(serve::Common& common);
  std::string start_admin();
  void accept(int fd);
  void announce(const serve::Forget& what, bool ended);
  void watch_declared();
  void drain();
  void stop();
  void say_ready();

  std::shared_ptr<const config::Settings> settings_;
  std::shared_ptr<const config::Catalog> catalog_;
  observe::Metrics metrics_;
  std::unique_ptr<vault::Vault> vault_;
  std::optional<RotationThread> rotation_;
  net::Offload vault_offload_{2}, dns_offload_{4};
  std::shared_ptr<serve::Source> source_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<net::Worker> front_;  // accepts, on the main thread
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::unique_ptr<admin::Server> admin_;
  std::optional<boost::asio::signal_set> signals_;
  std::optional<boost::asio::steady_timer> timer_, drain_timer_;
  std::string fingerprint_;
  std::atomic<bool> draining_{false};
  std::size_t client_max_ = 0;
  std::size_t lanes_left_ = 0;
};

std::string Daemon::open_vault(const cli::RunArguments& arguments, int& code) {
  vault::Options options = cli::offline::vault_options(*settings_);
  options.accept_rollback = arguments.accept_rollback;
  options.accept_copy = arguments.accept_copy;
  options.reopened = [this] {
    log_event(Level::warn, "vault_reopened", "after a write error; what was kept of it is forgotten");
    front_->post([this] {
      announce({.authorization = true, .organization = {}, .project = {}, .id = {}}, false);
      announce({}, false);
    });
  };
  // A vault in memory needs no key of anybody's: nothing outlives the process.
  if (options.store == vault::StoreKind::memory && !std::filesystem::exists(settings_->key_file)) options.key = {};
  auto opened = vault::Vault::open(options);
  if (!opened) {
    code = exit_code_of(opened.error());
    return opened.error().message;
  }
  vault_ = std::move(*opened);
  std::error_code ignored;  // the state is the daemon's alone, whoever made the folder
  if (options.store != vault::StoreKind::memory) {
    std::filesystem::permissions(settings_->state, std::filesystem::perms::owner_all, ignored);
  }
  return {};
}

std::string Daemon::bind_listeners(serve::Common& common) {
  front_ = std::make_unique<net::Worker>(metrics_);
  std::vector<std::string> addresses{settings_->listen.proxy};
  addresses.insert(addresses.end(), settings_->listen.more_proxy.begin(), settings_->listen.more_proxy.end());
  for (const std::string& text : addresses) {
    const auto at = net::Endpoint::parse(text.starts_with("localhost:") ? "127.0.0.1" + text.substr(9) : text);
    if (!at) return "listen.proxy: " + at.error();
    auto listener = net::Listener::bind(*front_, *at);
    if (!listener) return "listen.proxy: " + listener.error();
    common.listeners.push_back((*listener)->address());
    common.addresses.add_own((*listener)->address());
    listeners_.push_back(std::move(*listener));
  }
  return {};
}

std::string Daemon::start_admin() {
  admin::Deps deps;
  deps.vault = vault_.get();
  deps.metrics = &metrics_;
  deps.settings = [this] { return settings_; };
  deps.catalog = [this] { return catalog_; };
  deps.declared = [this] {
    std::vector<vault::Connection> metas;
    for (const auto& d : *source_->declared()) metas.push_back(d->meta);
    return metas;
  };
  deps.announce = [this](const admin::Change& change) {
    announce({change.kind == admin::Change::Kind::authorization, change.organization, change.project, change.id},
             change.ended);
  };
  deps.not_ready = [this] {
    std::vector<std::string> why;
    if (draining_) why.emplace_back("draining");
    if (const auto status = vault_->status(); status.state != "READY") why.push_back("vault: " + status.state);
    return why;
  };
  deps.proxy_addresses = [this] {
    std::vector<std::string> addresses;
    for (const auto& listener : listeners_) addresses.push_back(listener->address().text());
    return addresses;
  };
  deps.now_ms = wall_ms;
  deps.rotation_begun = [this] { rotation_->wake(); };
  auto server = admin::start(std::move(deps));
  if (!server) return server.error();
  admin_ = std::move(*server);
  return {};
}

std::string Daemon::build(const cli::RunArguments& arguments, int& code) {
  code = cli::config_invalid;
  auto catalog = config::Catalog::load(settings_->catalog);
  if (!catalog) return catalog.error().text();
  catalog_ = std::move(*catalog);
  auto common = std::make_shared<serve::Common>();
  if (std::string wrong = read_upstreams(*settings_, *common); !wrong.empty()) return wrong;
  auto declared = read_declared(*settings_, *catalog_, wall_ms());
  if (!declared) return declared.error();
  fingerprint_ = declared_fingerprint(*settings_);
  if (std::string wrong = open_vault(arguments, code); !wrong.empty()) return wrong;

  code = cli::failed;
  source_ = std::make_shared<serve::Source>(*vault_, catalog_);
  source_->set_declared(*declared);
  common->settings = settings_;
  common->source = source_;
  common->pseudonym = "postern-" + vault_->id();
  common->via_10 = "1.0 " + common->pseudonym;
  common->via_11 = "1.1 " + common->pseudonym;
  common->vault_offload = &vault_offload_;
  common->dns_offload = &dns_offload_;
  common->now_ms = wall_ms;
  rotation_.emplace(vault_->upkeep());
  if (std::string wrong = bind_listeners(*common); !wrong.empty()) return wrong;
  if (std::string wrong = start_admin(); !wrong.empty()) return wrong;
  for (const std::string& own : {admin_->address(), admin_->health_address()}) {
    if (const auto at = net::Endpoint::parse(own); at) common->addresses.add_own(*at);
  }
  client_max_ = affordable_clients(settings_->client_max);
  for (unsigned i = 0; i < settings_->workers; ++i) lanes_.push_back(std::make_unique<Lane>(metrics_, common));
  return {};
}

// The least loaded lane takes the connection; over client.max it is turned away by a lane all the same.
void Daemon::accept(int fd) {
  Lane* least = nullptr;
  std::size_t total = 0, fewest = SIZE_MAX;
  for (const auto& lane : lanes_) {
    const std::size_t open = lane->service->open_connections();
    total += open;
    if (open < fewest) {
      fewest = open;
      least = lane.get();
    }
  }
  const bool over = total >= client_max_;
  least->worker.post(
      [service = least->service.get(), fd, over] { over ? service->turn_away(fd) : service->accept(fd); });
}

// Returns when every lane has forgotten.
void Daemon::announce(const serve::Forget& what, bool ended) {
  std::latch forgotten(static_cast<std::ptrdiff_t>(lanes_.size()));
  for (const auto& lane : lanes_) {
    lane->worker.post([&, service = lane->service.get()] {
      service->forget(what, ended);
      forgotten.count_down();
    });
  }
  forgotten.wait();
}

// Once a second the files of `connections:` are looked at; a set that does not read as a whole changes nothing.
void Daemon::watch_declared() {
  if (settings_->connections.empty()) return;
  timer_->expires_after(std::chrono::seconds(1));
  timer_->async_wait([this](const boost::system::error_code& ec) {
    if (ec) return;
    if (std::string now = declared_fingerprint(*settings_); now != fingerprint_) {
      fingerprint_ = std::move(now);
      if (auto declared = read_declared(*settings_, *catalog_, wall_ms()); declared) {
        source_->set_declared(*declared);
        announce({}, false);
        log_event(Level::info, "declared_connections_read", {});
      } else {
        log_event(Level::error, "declared_connections_kept", declared.error());
      }
    }
    watch_declared();
  });
}

void Daemon::say_ready() {
  if (settings_->open_callers) {
    log_event(Level::warn, "open_callers",
              "callers.mode is open: every process that reaches the proxy port may use every connection");
  }
  std::string proxies;
  for (const auto& listener : listeners_) proxies += (proxies.empty() ? "" : ",") + listener->address().text();
  if (const auto provenance = vault_->status().provenance; provenance.marked()) {
    log_event(Level::warn, "vault_not_original",
              fmt::format("the vault is marked as {} ({}): other systems may know newer secrets than it holds; start "
                          "with --accept-copy once that is settled",
                          vault::to_string(provenance.kind), provenance.reason));
  }
  log_event(Level::info, "ready", {},
            {{"proxy", proxies}, {"admin", admin_->address()}, {"vault", vault_->id()}, {"version", POSTERN_VERSION}});
}

void Daemon::drain() {
  if (draining_.exchange(true)) {
    for (const auto& lane : lanes_) lane->worker.post([service = lane->service.get()] { service->abort_all(); });
    return;  // asked twice: cut what is still running
  }
  log_event(Level::info, "draining", {});
  for (const auto& listener : listeners_) listener->close();
  lanes_left_ = lanes_.size();
  for (const auto& lane : lanes_) {
    lane->worker.post([this, service = lane->service.get()] {
      service->drain([this] {
        front_->post([this] {
          if (--lanes_left_ == 0) stop();
        });
      });
    });
  }
  drain_timer_->expires_after(settings_->drain);
  drain_timer_->async_wait([this](const boost::system::error_code& ec) {
    if (ec) return;
    log_event(Level::warn, "drain_timeout", "requests still running are cut");
    for (const auto& lane : lanes_) lane->worker.post([service = lane->service.get()] { service->abort_all(); });
  });
}

void Daemon::stop() {
  boost::system::error_code ec;
  signals_->cancel(ec);
  timer_->cancel();
  drain_timer_->cancel();
  front_->close();
}

void Daemon::serve() {
  signals_.emplace(front_->context(), SIGTERM, SIGINT, SIGHUP);
  timer_.emplace(front_->context());
  drain_timer_.emplace(front_->context());
  std::function<void()> wait_for_signal = [&] {
    signals_->async_wait([&](const boost::system::error_code& ec, int signal) {
      if (ec) return;
      if (signal == SIGHUP) {
        fingerprint_.clear();  // the files of `connections:` are read anew
        log_event(Level::warn, "hangup", "settings are read at the start only in this version: restart to change them");
      } else {
        drain();
      }
      wait_for_signal();
    });
  };
  wait_for_signal();
  for (const auto& lane : lanes_) lane->thread = std::thread([&worker = lane->worker] { worker.run(); });
  for (const auto& listener : listeners_) listener->start([this](int fd) { accept(fd); });
  watch_declared();
  rotation_->start();  // goes on with what a kill has interrupted
  say_ready();
  front_->run();

  admin_->stop();
  rotation_->stop();
  for (const auto& lane : lanes_) {
    lane->worker.post([&lane] {
      lane->service.reset();
      lane->worker.close();
    });
    lane->thread.join();
  }
  vault_offload_.stop();
  dns_offload_.stop();
  vault_.reset();  // its own thread may be at work on it, and would post to the front
  log_event(Level::info, "stopped", {});
}

}  // namespace

int run(const cli::RunArguments& arguments) {
  harden();
  config::Sources sources{arguments.config, {}, arguments.settings, arguments.dev};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view pair(*variable);
    if (const auto split = pair.find('='); split != std::string_view::npos)
      sources.environment.emplace(pair.substr(0, split), pair.substr(split + 1));
  }
  auto loaded = config::load_settings(sources);
  if (!loaded) return postern::fail(cli::config_invalid, loaded.error().text());
  auto settings = std::make_shared<const config::Settings>(std::move(*loaded));
  observe::start_logs(settings->log_level, settings->access_log);
  int code = 0;
  {
    Daemon daemon(settings);
    if (const std::string wrong = daemon.build(arguments, code); !wrong.empty()) {
      observe::flush_logs();
      return postern::fail(code, wrong);
    }
    daemon.serve();
  }
  observe::flush_logs();
  return cli::ok;
}

}  // namespace postern
