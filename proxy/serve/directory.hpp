#pragma once
// Who calls and what they may use: callers and connections as the data path needs them, in bounded caches a worker.
//
// A miss goes through the offload pool and never blocks the thread. A change elsewhere is announced with forget(); what
// was loaded before the announcement is never kept after it. Thread safety: its worker's thread; Source is shared by
// all. Absence: nullptr means unknown, foreign or deleted, which are one case.
#include <algorithm>
#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/catalog.hpp"
#include "proxy/grants/records.hpp"
#include "proxy/inject/injection.hpp"
#include "proxy/net/offload.hpp"
#include "proxy/net/pool.hpp"
#include "proxy/net/task.hpp"
#include "proxy/net/worker.hpp"
#include "proxy/serve/budget.hpp"
#include "proxy/serve/cache.hpp"
#include "proxy/serve/problem.hpp"
#include "proxy/serve/unsaved.hpp"
#include "vault/vault.hpp"

namespace postern::serve {

// A connection from a file: read-only, metadata and credential together.
struct Declared {
  vault::Connection meta;
  vault::Credential credential;
};
using DeclaredSet = std::vector<std::shared_ptr<const Declared>>;

// What the catalog makes of a connection's configuration.
struct Shape {
  config::Plan plan;
  // Taken out of every request (lower case names) and let through nevertheless.
  std::vector<std::string> strip_fields, strip_query, strip_cookies, pass;
  // Token, authorize and revoke endpoints of the provider: never for callers, whatever the destinations say.
  std::vector<std::pair<std::string, std::string>> forbidden;  // host, path
  bool path_rule = false;                                      // some destination or injection decides by path
  std::string base_host, base_path;                            // of base-URL mode
  std::string refused_challenge;                               // config::OAuth's
  std::uint16_t base_port = 443;
};

// The shapes of late, because many connections have the same: working one out is most of a miss. Thread safety: any.
class Shapes {
 public:
  vault::Result<std::shared_ptr<const Shape>> of(const std::shared_ptr<const config::Provider>& provider,
                                                 const vault::Connection& meta);

 private:
  struct Row {
    std::shared_ptr<const config::Provider> provider;
    std::shared_ptr<const Shape> shape;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Row> rows_;
};

// Requests under way, by authorization and over all workers. Thread safety: any thread.
class Turns {
 public:
  // One counter an authorization, for as long as anybody holds it.
  std::shared_ptr<std::atomic<std::size_t>> of(const std::string& authorization);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<std::atomic<std::size_t>>> counters_;
};

// What every worker's directory reads: the vault, and the catalog and declared connections of one configuration. A
// reload makes another one with the same turns, budgets and unsaved tokens. Thread safety: any thread; set_declared()
// swaps a snapshot.
class Source {
 public:
  // `now_ms`: the wall clock. `budgets`: null for its own.
  Source(vault::Vault& vault, std::shared_ptr<const config::Catalog> catalog, std::function<std::int64_t()> now_ms,
         std::shared_ptr<const DeclaredSet> declared = std::make_shared<DeclaredSet>(),
         std::shared_ptr<Turns> turns = std::make_shared<Turns>(),
         std::shared_ptr<Unsaved> unsaved = std::make_shared<Unsaved>(), std::shared_ptr<Budgets> budgets = nullptr)
      : vault_(vault),
        catalog_(std::move(catalog)),
        now_ms_(std::move(now_ms)),
        declared_(std::move(declared)),
        turns_(std::move(turns)),
        unsaved_(std::move(unsaved)),
        budgets_(budgets ? std::move(budgets) : std::make_shared<Budgets>(vault)) {}
  const vault::Vault& vault() const noexcept { return vault_; }
  const vault::TokenBook& tokens() const noexcept { return vault_.tokens(); }
  std::int64_t now_ms() const { return now_ms_(); }
  const std::shared_ptr<const config::Catalog>& catalog() const noexcept { return catalog_; }
  std::shared_ptr<const DeclaredSet> declared() const { return declared_.load(); }
  void set_declared(std::shared_ptr<const DeclaredSet> declared) { declared_.store(std::move(declared)); }
  Turns& turns() const noexcept { return *turns_; }
  Shapes& shapes() const noexcept { return shapes_; }
  Unsaved& unsaved() const noexcept { return *unsaved_; }
  Budgets& budgets() const noexcept { return *budgets_; }

 private:
  vault::Vault& vault_;
  const std::shared_ptr<const config::Catalog> catalog_;
  const std::function<std::int64_t()> now_ms_;
  std::atomic<std::shared_ptr<const DeclaredSet>> declared_;
  const std::shared_ptr<Turns> turns_;
  const std::shared_ptr<Unsaved> unsaved_;
  const std::shared_ptr<Budgets> budgets_;
  mutable Shapes shapes_;
};

// How fresh a fetched token is, as ends on both clocks, so that neither can be set to make it younger (DESIGN section 7
// point 1). Milliseconds; INT64_MAX: never.
struct TokenAge {
  struct Ends {
    std::int64_t due = INT64_MAX, forced = INT64_MAX, over = INT64_MAX;
    grants::Freshness at(std::int64_t now) const noexcept {
      if (now < due) return grants::Freshness::fresh;
      if (now < forced) return grants::Freshness::due;
      return now < over ? grants::Freshness::forced : grants::Freshness::ended;
    }
  };
  Ends wall, boot;
  std::uint64_t generation = 0;  // of the credential
  // A token that never was is ended from the start.
  static TokenAge of(const vault::Credential& credential, const grants::Sent& now, std::string_view id);
  grants::Freshness at(std::int64_t wall_ms, std::int64_t boot_ms) const noexcept {
    return std::max(wall.at(wall_ms), boot.at(boot_ms));
  }
};

// A connection, ready for policy; when `opened`, ready for use.
struct Known : Shape {
  vault::Connection meta;
  std::shared_ptr<const Declared> declared;            // null: a stored one
  bool live = true;                                    // false: changed or gone since; look it up again
  bool fetched = false;                                // its token is fetched, and renewed
  bool app_disabled = false;                           // its auth config is
  bool opened = false;                                 // the credential was read
  TokenAge age;                                        // of a fetched one
  std::int64_t asked_ms = 0;                           // when a renewal was last asked for in the background
  std::shared_ptr<const inject::Injection> injection;  // null until opened, and while there is no token
  std::vector<vault::Secret> secrets;                  // the credential's values, only to be masked
  std::vector<std::string_view> masks;                 // what answers must not show; views into the two above
  std::vector<std::string_view> probes;                // the shortest of the masks: without these, none of them
  // Where its last request went, and under which isolation tag: mostly where the next one goes.
  std::shared_ptr<net::Route> route;
  std::string route_tag;
  // Who last used it there, and on which day: the audit has heard of that (noted.hpp).
  std::uint64_t noted_caller = 0;
  std::int64_t noted_day = 0;

  // The destination that a request goes to; null: none of this connection's.
  const vault::Destination* destination(std::string_view host, std::uint16_t port, std::string_view path) const;
  bool reaches(std::string_view host, std::uint16_t port, std::string_view path) const {
    return destination(host, port, path) != nullptr;
  }
  bool leads_to(std::string_view host, std::uint16_t port) const;  // with some path
  bool forbids(std::string_view host, std::string_view path) const;
  bool passes(std::string_view lower_name) const;
};

struct Caller {
  vault::Authorization authorization;
  std::vector<std::string> makers;  // ids: what it was made by, and so on; it ends with any of them
  vault::Secret token;
  std::uint64_t serial = next_serial();  // of no other caller of this process
  bool live = true;
  bool any_connection = false;
  Budgets::Purses budgets;  // what its calls are debited to; empty: nothing
  vault::Reach reach;       // where it may call, as its user's roles were when it was loaded
  std::string home;  // the project whose aliases it may name; empty: as the authorization says, or the default one
  std::shared_ptr<std::atomic<std::size_t>> under_way;  // its requests, on all workers; null: not counted (open mode)
  // Of an explicit list: what it may name, by alias too.
  std::vector<std::pair<std::string, std::string>> permitted;    // alias, id
  std::vector<std::pair<std::string, std::string>> default_for;  // host, connection id
  std::string_view organization() const;
  std::string_view project() const;
  bool ends_with(std::string_view authorization_id) const;  // its own id, or that of one of its makers
  // It may call in other projects than that: their connections are known to it by id.
  bool roams() const { return reach.every || reach.projects.size() > 1; }
  bool may_method(std::string_view method) const;
  bool may_host(std::string_view host) const;
  bool may_path(std::string_view path) const;   // asked only where wire::path_is_ambiguous() says no
  static std::uint64_t next_serial() noexcept;  // from 1 on
  // Of an explicit list: the id behind what it names; nullopt: it does not.
  std::optional<std::string_view> named(std::string_view reference) const;
  // Its project is one where it may call, or it is the whole organization's.
  bool reaches(const vault::Connection& meta) const;
  // A personal connection of somebody else is as unknown as one that does not exist.
  bool may_use(const Known& known) const;
};

inline constexpr std::string_view kProxyCall = "proxy:call";
// Who calls without a token where callers.mode is open.
Caller anybody();

// What must be forgotten; empty id: everything of that kind. An authorization with all that it has made.
struct Forget {
  bool authorization = false;  // otherwise a connection
  std::string organization, project, id;
  bool renewed = false;  // only its token or status: what callers may name is the same
  // Of authorizations without an id: those of the organization (empty: all), or of this user of it.
  std::string user = {};
  bool concerns(const Caller& caller) const;
};

Trouble trouble_of(const vault::Error& error);

// Trouble::broken: the record is there but its configuration is not usable (its provider left the catalog).
template <class T>
struct Found {
  std::shared_ptr<T> value;
  Trouble trouble = Trouble::unknown;
  std::string detail;  // for the log
};

class Directory {
 public:
  // What this worker may remember: bytes (a quarter of them for callers), and how long without being asked for it.
  struct Bounds {
    std::size_t bytes = std::size_t{64} << 20;
    net::Millis idle{600'000};
  };
  Directory(net::Worker& worker, net::Offload& offload, std::shared_ptr<Source> source, Bounds bounds);

  // A token's caller. Does not judge expiry or revocation.
  net::Task<Found<Caller>> authenticate(std::string_view token);
  // A connection by id or alias inside the caller's permissions; personal ones only for their owner.
  net::Soon<Found<Known>> find(const Caller& caller, std::string_view reference);
  // Decrypts the credential and prepares the injection, once a generation.
  net::Task<Trouble> obtain(Known& known, std::string& detail);
  // Aliases of connections the caller could name for a host, at most 20. For the error path.
  net::Task<std::vector<std::string>> choices(const Caller& caller, std::string host);
  void forget(const Forget& what);
  // From now on everything comes from there; what is known is forgotten.
  void adopt(std::shared_ptr<Source> source);
  std::shared_ptr<Caller> open_caller() const { return open_caller_; }
  std::size_t cached_bytes() const noexcept { return known_.bytes() + callers_.bytes(); }
  std::size_t cached() const noexcept { return known_.size() + callers_.size(); }

 private:
  net::Task<Found<Known>> look_up(const Caller& caller, std::string reference);
  void next_round();

  net::Worker& worker_;
  net::Offload& offload_;
  std::shared_ptr<Source> source_;
  const net::Millis round_length_;
  std::uint64_t epoch_ = 0;  // moves with every forget()
  std::string key_;          // scratch
  Cache<Known> known_;       // by id, and by organization \n project \n reference
  Cache<Caller> callers_;    // by public id
  net::Deadline round_;
  std::shared_ptr<Caller> open_caller_;
};

}  // namespace postern::serve
