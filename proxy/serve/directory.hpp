#pragma once
// Who calls and what they may use: callers and connections as the data path needs them, one bounded cache a worker.
//
// A miss goes through the offload pool and never blocks the thread. A change elsewhere is announced with forget(); what
// was loaded before the announcement is never kept after it. Thread safety: its worker's thread; Source is shared by
// all. Absence: nullptr means unknown, foreign or deleted, which are one case.
#include <atomic>
#include <expected>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/catalog.hpp"
#include "proxy/inject/injection.hpp"
#include "proxy/net/offload.hpp"
#include "proxy/net/pool.hpp"
#include "proxy/net/task.hpp"
#include "proxy/net/worker.hpp"
#include "vault/vault.hpp"

namespace postern::serve {

// A connection from a file: read-only, metadata and credential together.
struct Declared {
  vault::Connection meta;
  vault::Credential credential;
};
using DeclaredSet = std::vector<std::shared_ptr<const Declared>>;

// What every worker's directory reads. Thread safety: any thread; catalog and declared set are snapshots that are
// swapped.
class Source {
 public:
  Source(const vault::Vault& vault, std::shared_ptr<const config::Catalog> catalog)
      : vault_(vault), catalog_(std::move(catalog)), declared_(std::make_shared<DeclaredSet>()) {}
  const vault::Vault& vault() const noexcept { return vault_; }
  std::shared_ptr<const config::Catalog> catalog() const { return catalog_.load(); }
  void set_catalog(std::shared_ptr<const config::Catalog> catalog) { catalog_.store(std::move(catalog)); }
  std::shared_ptr<const DeclaredSet> declared() const { return declared_.load(); }
  void set_declared(std::shared_ptr<const DeclaredSet> declared) { declared_.store(std::move(declared)); }
  // One counter an authorization, for as long as anybody holds it.
  std::shared_ptr<std::atomic<std::size_t>> requests_of(const std::string& authorization);

 private:
  const vault::Vault& vault_;
  std::atomic<std::shared_ptr<const config::Catalog>> catalog_;
  std::atomic<std::shared_ptr<const DeclaredSet>> declared_;
  std::mutex counting_;
  std::unordered_map<std::string, std::weak_ptr<std::atomic<std::size_t>>> requests_;
};

// A connection, ready for policy; with `injection` set, ready for use.
struct Known {
  vault::Connection meta;
  config::Plan plan;
  std::shared_ptr<const Declared> declared;  // null: a stored one
  bool live = true;                          // false: changed or gone since; look it up again
  // Taken out of every request (lower case names) and let through nevertheless.
  std::vector<std::string> strip_fields, strip_query, strip_cookies, pass;
  // Token, authorize and revoke endpoints of the provider: never for callers, whatever the destinations say.
  std::vector<std::pair<std::string, std::string>> forbidden;  // host, path
  bool path_rule = false;                                      // some destination or injection decides by path
  std::string base_host, base_path;                            // of base-URL mode
  std::uint16_t base_port = 443;
  std::shared_ptr<const inject::Injection> injection;  // null until obtained
  std::vector<vault::Secret> secrets;                  // the credential's values, only to be masked
  std::vector<std::string_view> masks;                 // what answers must not show; views into the two above

  bool reaches(std::string_view host, std::uint16_t port, std::string_view path) const;
  bool forbids(std::string_view host, std::string_view path) const;
  bool passes(std::string_view lower_name) const;
};

struct Caller {
  vault::Authorization authorization;
  vault::Secret token;
  bool live = true;
  bool any_connection = false;
  std::shared_ptr<std::atomic<std::size_t>> under_way;  // its requests, on all workers; null: not counted (open mode)
  // Of an explicit list: what it may name, by alias too.
  std::vector<std::pair<std::string, std::string>> permitted;    // alias, id
  std::vector<std::pair<std::string, std::string>> default_for;  // host, connection id
  std::string_view organization() const;
  std::string_view project() const;
  bool may(std::string_view capability) const;
  bool may_method(std::string_view method) const;
  bool may_host(std::string_view host) const;
};

// What must be forgotten; empty id: everything of that kind.
struct Forget {
  bool authorization = false;  // otherwise a connection
  std::string organization, project, id;
};

// broken: the record is there but its configuration is not usable (its provider left the catalog).
enum class Trouble : std::uint8_t { none, unknown, broken, vault };
template <class T>
struct Found {
  std::shared_ptr<T> value;
  Trouble trouble = Trouble::unknown;
  std::string detail;  // for the log
};

class Directory {
 public:
  Directory(net::Worker& worker, net::Offload& offload, std::shared_ptr<Source> source, std::size_t max = 10'000);

  // A token's caller. Does not judge expiry or revocation.
  net::Task<Found<Caller>> authenticate(std::string_view token);
  // A connection by id or alias inside the caller's permissions; personal ones only for their owner.
  net::Task<Found<Known>> find(const Caller& caller, std::string_view reference);
  // Decrypts the credential and prepares the injection, once a generation.
  net::Task<Trouble> obtain(Known& known, std::string& detail);
  // Aliases of connections the caller could name for a host, at most 20. For the error path.
  net::Task<std::vector<std::string>> choices(const Caller& caller, std::string host);
  void forget(const Forget& what);
  std::shared_ptr<Caller> open_caller() const { return open_caller_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };
  template <class T>
  using Map = std::unordered_map<std::string, std::shared_ptr<T>, Hash, std::equal_to<>>;
  net::Task<Found<Known>> look_up(std::string_view organization, std::string_view project, std::string_view reference);
  template <class T>
  void bound(Map<T>& map);

  net::Worker& worker_;
  net::Offload& offload_;
  std::shared_ptr<Source> source_;
  std::size_t max_;
  std::uint64_t epoch_ = 0;  // moves with every forget()
  std::string key_;          // scratch
  Map<Known> by_reference_;  // organization \n project \n reference
  Map<Known> by_id_;
  Map<Caller> callers_;  // by public id
  std::shared_ptr<Caller> open_caller_;
};

}  // namespace postern::serve
