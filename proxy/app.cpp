// Build, start and stop order of the daemon. Everything that may block or fail happens before "ready"; nothing is
// served before everything is there, and on SIGTERM what is running is finished first.
//
// As long as it is because one class owns every part, and start, reload, drain and stop are orders among these parts.
#include "proxy/app.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <latch>
#include <mutex>
#include <thread>

#include "proxy/admin/admin.hpp"
#include "proxy/app_activation.hpp"
#include "proxy/app_audit.hpp"
#include "proxy/app_authority.hpp"
#include "proxy/app_imports.hpp"
#include "proxy/app_listeners.hpp"
#include "proxy/app_notify.hpp"
#include "proxy/app_process.hpp"
#include "proxy/app_reload.hpp"
#include "proxy/app_rotation.hpp"
#include "proxy/app_sweep.hpp"
#include "proxy/cli/offline_settings.hpp"
#include "proxy/observe/log.hpp"
#include "proxy/serve/explain.hpp"
#include "proxy/serve/load.hpp"
#include "proxy/serve/service.hpp"
#include "proxy/serve/token_service.hpp"

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

void warn_of_open_callers() {
  log_event(Level::warn, "open_callers",
            "callers.mode is open: every process that reaches the proxy port may use every connection");
}

// One thread of the data path: worker and service are made and destroyed in order, the thread runs in between.
struct Lane {
  net::Worker worker;
  std::unique_ptr<serve::Service> service;
  std::thread thread;
  std::atomic<std::size_t> coming{0};  // handed over, not yet among the open ones
  Lane(observe::Metrics& metrics, const std::shared_ptr<const serve::Common>& common,
       const std::shared_ptr<const serve::Rules>& rules)
      : worker(metrics), service(std::make_unique<serve::Service>(worker, common, rules)) {}
};

class Daemon {
 public:
  explicit Daemon(config::Sources sources) : sources_(std::move(sources)) {}
  // Empty: all is ready. Otherwise the message; `code` is the exit code.
  std::string build(const config::Settings& settings, const cli::RunArguments& arguments, int& code);
  void serve();

 private:
  std::string open_vault(const cli::RunArguments& arguments, int& code);
  void guard_state() const;
  std::string bind(serve::Common& common);
  std::string start_admin();
  void accept(int fd);
  void announce(const serve::Forget& what, bool ended);
  std::expected<admin::Reloaded, std::string> reload();
  void hang_up();
  std::expected<void, std::string> adopt_imports();
  std::expected<void, std::string> adopt_authority();
  std::expected<void, std::string> give_authority();
  std::string give_source(Configuration& next, bool starting);
  void publish();
  void take_over(Configuration next);
  void on_every_lane(const std::function<void(serve::Service&)>& f);
  void watch_declared();
  void reread_declared();
  void drain();
  void stop();
  void say_ready();
  void watch();

  const config::Sources sources_;  // of every reload as of the start
  // Written at the start and by reloads, which exclude each other; read as snapshots.
  std::mutex reloading_;
  Configuration configuration_;
  std::atomic<std::shared_ptr<const config::Settings>> settings_;
  observe::Metrics metrics_;
  std::unique_ptr<vault::Vault> vault_;
  std::optional<RotationThread> rotation_;
  std::optional<AuditThread> audit_;
  std::optional<SweepThread> sweep_;
  net::Offload vault_offload_{2}, dns_offload_{4}, body_offload_{2};
  std::optional<net::Spills> spills_;
  const std::shared_ptr<serve::Turns> turns_ = std::make_shared<serve::Turns>();
  const std::shared_ptr<serve::Unsaved> unsaved_ = std::make_shared<serve::Unsaved>();
  std::shared_ptr<serve::Budgets> budgets_;
  std::atomic<std::shared_ptr<serve::Source>> source_;
  std::atomic<std::shared_ptr<const serve::Rules>> rules_;
  std::atomic<std::shared_ptr<const serve::Common>> common_;  // null until it is whole
  std::unique_ptr<serve::TokenService> tokens_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<net::Worker> front_;  // accepts, on the main thread
  Activation activation_;
  Listeners listeners_;
  std::unique_ptr<admin::Server> admin_;
  std::optional<boost::asio::signal_set> signals_;
  std::optional<boost::asio::steady_timer> timer_, drain_timer_, watchdog_;
  std::atomic<bool> draining_{false};
  bool running_ = false;  // lanes run and may be told; guarded by reloading_
  std::atomic<std::size_t> client_max_{0};
  std::size_t lanes_left_ = 0;
};

std::string Daemon::open_vault(const cli::RunArguments& arguments, int& code) {
  const config::Settings& settings = *configuration_.settings;
  vault::Options options = cli::offline::vault_options(settings);
  options.accept_rollback = arguments.accept_rollback;
  options.accept_copy = arguments.accept_copy;
  options.reopened = [this] {
    log_event(Level::warn, "vault_reopened", "after a write error; what was kept of it is forgotten");
    front_->post([this] {
      announce({.authorization = true, .organization = {}, .project = {}, .id = {}}, false);
      announce({}, false);
      tokens_->wake({});
    });
    vault_offload_.post([this] { static_cast<void>(adopt_authority()); });  // what is wrong with it is logged
  };
  // A vault in memory needs no key of anybody's: nothing outlives the process.
  if (options.store == vault::StoreKind::memory && !std::filesystem::exists(settings.key_file)) options.key = {};
  auto opened = vault::Vault::open(options);
  if (!opened) {
    code = exit_code_of(opened.error());
    return opened.error().message;
  }
  vault_ = std::move(*opened);
  guard_state();
  return {};
}

// The state is the daemon's alone, whoever made the folder. Other users of admin.socket_uids may pass through it to the
// socket, and open nothing else: what lies beside it is for its owner alone, or public.
void Daemon::guard_state() const {
  using std::filesystem::perms;
  const config::Settings& settings = *configuration_.settings;
  if (settings.store == "memory") return;
  const bool others = std::any_of(settings.socket_uids.begin(), settings.socket_uids.end(),
                                  [](unsigned uid) { return uid != 0 && uid != ::geteuid(); });
  const perms wanted = others ? perms::owner_all | perms::group_exec | perms::others_exec : perms::owner_all;
  std::error_code ignored;
  std::filesystem::permissions(settings.state, wanted, ignored);
}

std::string Daemon::bind(serve::Common& common) {
  front_ = std::make_unique<net::Worker>(metrics_);
  auto bound = bind_listeners(*front_, *configuration_.settings, activation_);
  if (!bound) return bound.error();
  listeners_ = std::move(*bound);
  for (const auto& listener : listeners_) {
    if (listener->address().family() == AF_UNSPEC) continue;
    common.listeners.push_back(listener->address());
    common.addresses.add_own(listener->address());
  }
  return {};
}

std::string Daemon::start_admin() {
  admin::Deps deps;
  deps.vault = vault_.get();
  deps.metrics = &metrics_;
  deps.settings = [this] { return settings_.load(); };
  deps.catalog = [this] { return source_.load()->catalog(); };
  deps.reload = [this] { return reload(); };
  deps.imports_changed = [this] { return adopt_imports(); };
  deps.authority_changed = [this] { return adopt_authority(); };
  deps.declared = [this] {
    std::vector<vault::Connection> metas;
    const auto declared = source_.load()->declared();
    for (const auto& d : *declared) metas.push_back(d->meta);
    return metas;
  };
  deps.announce = [this](const admin::Change& change) {
    announce({.authorization = change.kind == admin::Change::Kind::authorization,
              .organization = change.organization,
              .project = change.project,
              .id = change.id,
              .user = change.user},
             change.ended);
  };
  deps.explain = [this](const observe::Question& question) -> std::optional<observe::Explanation> {
    const auto common = common_.load();
    if (!common) return std::nullopt;
    return serve::explain(*rules_.load(), *common, question);
  };
  deps.why_unsignable = serve::why_unsignable;
  deps.not_ready = [this] {
    std::vector<std::string> why;
    if (draining_) why.emplace_back("draining");
    if (const auto status = vault_->status(); status.state != "READY") why.push_back("vault: " + status.state);
    return why;
  };
  deps.proxy_addresses = [this] {
    std::vector<std::string> addresses;
    for (const auto& listener : listeners_) addresses.push_back(listener->text());
    return addresses;
  };
  deps.now_ms = wall_ms;
  deps.admin_descriptor = activation_.admin;
  deps.health_descriptor = activation_.health;
  deps.desk = tokens_.get();
  deps.denied = [this](const vault::Authorization* caller, std::string_view code) {
    audit_->noted().denial(caller, code, wall_ms());
  };
  deps.spent = [this](const std::string& id) { return budgets_->spent(id); };
  deps.rotation_begun = [this] { rotation_->wake(); };
  auto server = admin::start(std::move(deps));
  if (!server) return server.error();
  admin_ = std::move(*server);
  return {};
}

std::string Daemon::build(const config::Settings& settings, const cli::RunArguments& arguments, int& code) {
  code = cli::config_invalid;
  auto read = read_configuration(settings, wall_ms());
  if (!read) return read.error();
  configuration_ = std::move(*read);
  settings_ = configuration_.settings;
  auto activation = take_activation();
  if (!activation) return activation.error();
  activation_ = std::move(*activation);
  if (std::string wrong = open_vault(arguments, code); !wrong.empty()) return wrong;

  code = cli::failed;
  budgets_ = std::make_shared<serve::Budgets>(*vault_);
  if (std::string wrong = give_source(configuration_, true); !wrong.empty()) return wrong;
  publish();
  auto common = std::make_shared<serve::Common>();
  common->pseudonym = "postern-" + vault_->id();
  common->via_10 = "1.0 " + common->pseudonym;
  common->via_11 = "1.1 " + common->pseudonym;
  common->vault_offload = &vault_offload_;
  common->dns_offload = &dns_offload_;
  common->body_offload = &body_offload_;
  common->spills = &spills_.emplace(settings.state);
  common->now_ms = wall_ms;
  rotation_.emplace(vault_->upkeep());
  audit_.emplace(vault_->audit(), wall_ms);
  audit_->set_retention(settings.audit_retention.count());
  common->noted = &audit_->noted();
  sweep_.emplace(*vault_, wall_ms);
  if (std::string wrong = bind(*common); !wrong.empty()) return wrong;
  const serve::TokenService::Deps renewing{
      vault_.get(), common, [this](const serve::Forget& what) { announce(what, false); }, {}};
  tokens_ = std::make_unique<serve::TokenService>(metrics_, renewing, configuration_.rules);
  common->tokens = tokens_.get();
  if (std::string wrong = start_admin(); !wrong.empty()) return wrong;
  common->admin_url = "http://" + admin_->address();
  for (const std::string& own : {admin_->address(), admin_->health_address()}) {
    if (const auto at = net::Endpoint::parse(own); at) common->addresses.add_own(*at);
  }
  common_ = common;
  client_max_ = affordable_clients(settings.client_max);
  for (unsigned i = 0; i < settings.workers; ++i)
    lanes_.push_back(std::make_unique<Lane>(metrics_, common, configuration_.rules));
  return {};
}

// The least loaded lane takes the connection; over client.max it is turned away by a lane all the same, and far over it
// here and at once, so that a flood costs neither memory nor descriptors.
void Daemon::accept(int fd) {
  constexpr std::size_t kTurningAway = 128;
  Lane* least = nullptr;
  std::size_t total = 0, fewest = SIZE_MAX;
  for (const auto& lane : lanes_) {
    const std::size_t open = lane->service->open_connections() + lane->coming.load(std::memory_order_relaxed);
    total += open;
    if (open < fewest) {
      fewest = open;
      least = lane.get();
    }
  }
  if (total >= client_max_ + kTurningAway) {
    front_->metrics().add(observe::Counter::requests_shed);
    return serve::Service::turn_away_at_once(fd);
  }
  const bool over = total >= client_max_;
  least->coming.fetch_add(1, std::memory_order_relaxed);
  least->worker.post([least, fd, over] {
    over ? least->service->turn_away(fd) : least->service->accept(fd);
    least->coming.fetch_sub(1, std::memory_order_relaxed);
  });
}

// Returns when it has run on every lane. Not from a lane.
void Daemon::on_every_lane(const std::function<void(serve::Service&)>& f) {
  std::latch done(static_cast<std::ptrdiff_t>(lanes_.size()));
  for (const auto& lane : lanes_) {
    lane->worker.post([&, service = lane->service.get()] {
      f(*service);
      done.count_down();
    });
  }
  done.wait();
}

// Returns when every lane has forgotten.
void Daemon::announce(const serve::Forget& what, bool ended) {
  on_every_lane([&](serve::Service& service) { service.forget(what, ended); });
}

// Empty: `next` is whole. An imported provider that a file has taken the id of stays out of a start, which must not
// fail for it; a reload that would do that is refused.
std::string Daemon::give_source(Configuration& next, bool starting) {
  auto catalog = with_imports(*vault_, next.catalog);
  if (!catalog) return catalog.error();
  if (catalog->collides && !starting) return catalog->left_out.front().text();
  next.rules->source = std::make_shared<serve::Source>(*vault_, std::move(catalog->catalog), wall_ms, next.declared,
                                                       turns_, unsaved_, budgets_);
  return {};
}

// For who looks from outside of the lanes.
void Daemon::publish() {
  source_ = configuration_.rules->source;
  rules_ = configuration_.rules;
}

void Daemon::take_over(Configuration next) {
  configuration_ = std::move(next);
  settings_ = configuration_.settings;
  guard_state();
  publish();
  on_every_lane([&](serve::Service& service) { service.adopt(configuration_.rules); });
  tokens_->adopt(configuration_.rules);
  client_max_ = affordable_clients(configuration_.settings->client_max);
  vault_->audit().set_quota(configuration_.settings->audit_quota);
  audit_->set_retention(configuration_.settings->audit_retention.count());
  observe::set_logs(configuration_.settings->log_level, configuration_.settings->access_log);
}

// Reads everything first and changes nothing before all of it is sound. Any thread but a lane's.
std::expected<admin::Reloaded, std::string> Daemon::reload() {
  const std::scoped_lock lock(reloading_);
  if (!running_ || draining_) return std::unexpected("postern is starting or stopping; nothing was read");
  notify_reloading();
  const auto failed = [](std::string why) {
    log_event(Level::error, "reload_failed", why);
    notify("READY=1");
    return std::unexpected(std::move(why));
  };
  auto wanted = config::load_settings(sources_);
  if (!wanted) return failed(wanted.error().text());
  auto next = read_configuration(config::without_restart(*configuration_.settings, *wanted), wall_ms());
  if (!next) return failed(next.error());
  if (std::string wrong = refuse_listeners(*next->settings, listeners_); !wrong.empty())
    return failed(std::move(wrong));
  if (std::string wrong = give_source(*next, false); !wrong.empty()) return failed(std::move(wrong));
  admin::Reloaded reloaded = what_changed(configuration_, *next, *wanted);
  take_over(std::move(*next));
  front_->post([this] { watch_declared(); });
  log_event(Level::info, "reloaded", in_short(reloaded));
  notify("READY=1");
  if (configuration_.settings->open_callers) warn_of_open_callers();
  return reloaded;
}

// The same settings and files, and the imported providers as they are in the vault now. Any thread but a lane's.
std::expected<void, std::string> Daemon::adopt_imports() {
  const std::scoped_lock lock(reloading_);
  if (!running_ || draining_) return std::unexpected("postern is starting or stopping");
  Configuration next = configuration_;
  next.rules = std::make_shared<serve::Rules>(*configuration_.rules);
  if (std::string wrong = give_source(next, true); !wrong.empty()) return std::unexpected(std::move(wrong));
  take_over(std::move(next));
  return {};
}

// Every lane signs with what is in the vault now, or none does any more. While lanes run and `reloading_` is held.
std::expected<void, std::string> Daemon::give_authority() {
  auto opened = open_authority(*vault_);
  if (!opened) {
    log_event(Level::error, "authority_not_opened", opened.error());
    return std::unexpected(std::move(opened.error()));
  }
  on_every_lane([&](serve::Service& service) { service.use_authority(opened->authority, opened->issuer); });
  return {};
}

std::expected<void, std::string> Daemon::adopt_authority() {
  const std::scoped_lock lock(reloading_);
  if (!running_ || draining_) return std::unexpected("postern is starting or stopping");
  return give_authority();
}

// SIGHUP: a reload, off the thread that accepts.
void Daemon::hang_up() {
  vault_offload_.post([this] {
    if (!reload()) return;
    vault::Event event;
    event.actor = "system";
    event.action = "config.reloaded";
    event.detail = {{"signal", "SIGHUP"}};
    if (const auto kept = vault_->audit().append({std::move(event)}); !kept) {
      log_event(Level::error, "audit-not-written", kept.error().message);
    }
  });
}

// Once a second the files of `connections:` are looked at.
void Daemon::watch_declared() {
  if (settings_.load()->connections.empty()) return;
  timer_->expires_after(std::chrono::seconds(1));
  timer_->async_wait([this](const boost::system::error_code& ec) {
    if (ec) return;
    reread_declared();
    watch_declared();
  });
}

// A set that does not read as a whole changes nothing.
void Daemon::reread_declared() {
  const std::unique_lock lock(reloading_, std::try_to_lock);
  if (!lock) return;  // a reload reads them
  std::string now = declared_fingerprint(*configuration_.settings);
  if (now == configuration_.fingerprint) return;
  configuration_.fingerprint = std::move(now);
  if (auto declared = read_declared(*configuration_.settings, *configuration_.catalog, wall_ms()); declared) {
    configuration_.declared = *declared;
    source_.load()->set_declared(*declared);
    announce({}, false);
    log_event(Level::info, "declared_connections_read", {});
  } else {
    log_event(Level::error, "declared_connections_kept", declared.error());
  }
}

void Daemon::say_ready() {
  if (settings_.load()->open_callers) warn_of_open_callers();
  std::string proxies;
  for (const auto& listener : listeners_) proxies += (proxies.empty() ? "" : ",") + listener->text();
  if (const auto provenance = vault_->status().provenance; provenance.marked()) {
    log_event(Level::warn, "vault_not_original",
              fmt::format("the vault is marked as {} ({}): other systems may know newer secrets than it holds; start "
                          "with --accept-copy once that is settled",
                          vault::to_string(provenance.kind), provenance.reason));
  }
  log_event(Level::info, "ready", {},
            {{"proxy", proxies}, {"admin", admin_->address()}, {"vault", vault_->id()}, {"version", POSTERN_VERSION}});
  notify("READY=1\nSTATUS=serving on " + proxies);
}

// The manager hears from us only while every lane answers: a stuck one ends the process, as it should.
void Daemon::watch() {
  watchdog_->expires_after(watchdog_interval());
  watchdog_->async_wait([this](const boost::system::error_code& ec) {
    if (ec) return;
    const auto left = std::make_shared<std::atomic<std::size_t>>(lanes_.size());
    for (const auto& lane : lanes_) {
      lane->worker.post([left] {
        if (--*left == 0) notify("WATCHDOG=1");
      });
    }
    watch();
  });
}

void Daemon::drain() {
  if (draining_.exchange(true)) {
    for (const auto& lane : lanes_) lane->worker.post([service = lane->service.get()] { service->abort_all(); });
    return;  // asked twice: cut what is still running
  }
  log_event(Level::info, "draining", {});
  notify("STOPPING=1");
  tokens_->quiet();
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
  drain_timer_->expires_after(settings_.load()->drain);
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
  watchdog_->cancel();
  front_->close();
}

void Daemon::serve() {
  signals_.emplace(front_->context(), SIGTERM, SIGINT, SIGHUP);
  timer_.emplace(front_->context());
  drain_timer_.emplace(front_->context());
  watchdog_.emplace(front_->context());
  std::function<void()> wait_for_signal = [&] {
    signals_->async_wait([&](const boost::system::error_code& ec, int signal) {
      if (ec) return;
      if (signal == SIGHUP) {
        hang_up();
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
  {
    const std::scoped_lock lock(reloading_);
    running_ = true;
    // A CA that cannot be opened stops interception alone; the log and doctor say so.
    static_cast<void>(give_authority());
  }
  rotation_->start();  // goes on with what a kill has interrupted
  audit_->start();
  sweep_->start();
  tokens_->start();
  say_ready();
  if (watchdog_interval().count() != 0) watch();
  front_->run();

  {
    const std::scoped_lock lock(reloading_);  // one that has begun is finished; its lanes still run
    running_ = false;
  }
  admin_->stop();
  rotation_->stop();
  sweep_->stop();
  tokens_->stop();  // a refresh under way is finished; the lanes still hear of it
  for (const auto& lane : lanes_) {
    lane->worker.post([&lane] {
      lane->service.reset();
      lane->worker.close();
    });
    lane->thread.join();
  }
  if (const auto given = budgets_->give_back(); !given)
    log_event(Level::warn, "budgets_kept",
              "what was taken of budgets and not used counts as spent: " + given.error().message);
  audit_->stop();  // what the lanes have noted to the end
  vault_offload_.stop();
  dns_offload_.stop();
  body_offload_.stop();
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
  const auto settings = config::load_settings(sources);
  if (!settings) return postern::fail(cli::config_invalid, settings.error().text());
  observe::start_logs(settings->log_level, settings->access_log);
  int code = 0;
  {
    Daemon daemon(std::move(sources));
    if (const std::string wrong = daemon.build(*settings, arguments, code); !wrong.empty()) {
      observe::flush_logs();
      return postern::fail(code, wrong);
    }
    daemon.serve();
  }
  observe::flush_logs();
  return cli::ok;
}

}  // namespace postern
