#pragma once
// The admin API (DESIGN section 10): HTTP on a loopback port and on <state>/admin.sock, one thread of its own.
//
// Purpose: authorize and carry out changes to connections and authorizations, show the catalog, serve probes and
// metrics. What it needs from the rest of the process comes as functions, so that it knows neither the data path nor
// its threads. Thread safety: start and stop from one thread. Ownership: borrows vault and metrics, which must outlive
// it.
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/catalog.hpp"
#include "config/settings.hpp"
#include "proxy/grants/token_desk.hpp"
#include "proxy/observe/explanation.hpp"
#include "proxy/observe/metrics.hpp"
#include "vault/vault.hpp"

namespace postern::admin {

// What other threads must forget before a change is answered: of an authorization, all that it has made too.
struct Change {
  enum class Kind : std::uint8_t { connection, authorization } kind = Kind::connection;
  std::string organization, project, id;
  bool ended = false;  // revoked, disabled or deleted: running streams end too
  // Of authorizations without an id: those of the organization, or of this user of it; with a project what ends are the
  // calls that are about it.
  std::string user = {};
};

// What a reload changed. Settings that need a restart are listed, and keep their running value.
struct Reloaded {
  std::vector<config::SettingChange> settings;
  config::CatalogChanges providers;
  std::vector<std::string> connections_added, connections_removed;  // aliases of `connections:`
};

struct Deps {
  vault::Vault* vault = nullptr;
  observe::Metrics* metrics = nullptr;
  std::function<std::shared_ptr<const config::Settings>()> settings;
  std::function<std::shared_ptr<const config::Catalog>()> catalog;
  // Connections declared in files: read-only, shown beside the stored ones. Every value is metadata only.
  std::function<std::vector<vault::Connection>()> declared;
  // Returns when every worker has acknowledged. Called after the commit is durable and before the answer is sent.
  std::function<void(const Change&)> announce;
  // Reads settings, catalog and declared connections anew and swaps them, all or nothing. The error is one line with
  // file:line:column; everything stays as it was then. Called in the admin thread, which waits.
  std::function<std::expected<Reloaded, std::string>()> reload;
  // The imported providers that are enabled are others now: returns when every worker uses those of the vault. The
  // error is one line; what was in use stays.
  std::function<std::expected<void, std::string>()> imports_changed;
  // The local CA of the vault is another, or gone: returns when every worker uses it. As imports_changed.
  std::function<std::expected<void, std::string>()> authority_changed;
  // What would become of a request; nullopt: not ready to say. Blocks on the vault. May be empty: never ready.
  std::function<std::optional<observe::Explanation>(const observe::Question&)> explain;
  // What is wrong, one line each; empty: ready (readyz 200).
  std::function<std::vector<std::string>()> not_ready;
  // The listeners' bound addresses, for `status` ("127.0.0.1:8480").
  std::function<std::vector<std::string>()> proxy_addresses;
  std::function<std::int64_t()> now_ms;  // wall clock
  // Listening TCP sockets that take the place of listen.admin and listen.health; -1: bind those. Taken by start().
  int admin_descriptor = -1, health_descriptor = -1;
  // Where tokens are asked for; it must outlive the server. nullptr: nowhere, as if no endpoint could be reached.
  grants::TokenDesk* desk = nullptr;
  // Why nothing could be signed with this credential as the plan says, one sentence without a value; nullopt: it could
  // be, or nothing is to be signed. May be empty.
  std::function<std::optional<std::string>(const config::Plan& plan, const vault::Credential& credential)>
      why_unsignable;
  // What was spent of an authorization's budget, to the call; nullopt: this process has not looked at it, and what is
  // stored is exact. May be empty.
  std::function<std::optional<vault::Calls>(const std::string& id)> spent;
  // A call was refused for what its caller may not do; null: nobody knows who it was. For the audit; may be empty.
  std::function<void(const vault::Authorization* caller, std::string_view code)> denied;
  // A rotation of data keys was begun, and waits for continue_rotation() (vault::Upkeep). May be empty.
  std::function<void()> rotation_begun;
};

class Server {
 public:
  virtual ~Server() = default;
  // "127.0.0.1:8481" as bound (port 0 resolved).
  virtual const std::string& address() const = 0;
  virtual const std::string& health_address() const = 0;  // empty without listen.health
  virtual void stop() = 0;                                // closes listeners, ends requests, joins the thread
};

// Binds listen.admin, listen.health and the unix socket; the error is one line: what, where, what to do.
std::expected<std::unique_ptr<Server>, std::string> start(Deps deps);

}  // namespace postern::admin
