#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/authorization_input.hpp"
#include "proxy/admin/connection_text.hpp"
#include "proxy/admin/listing.hpp"
#include "proxy/admin/openapi.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostCallable = 100;
constexpr std::size_t kMostCounted = 1000;  // of a status, in one reading of the metrics

json::array to_array(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

// The connections that somebody should look at: an index names them, so a page of few costs little. Empty: the vault
// cannot say just now.
std::string unusable_connections(const Service& service) {
  std::string out = fmt::format(
      "# HELP postern_connections Connections of the default organization that are not ACTIVE, by status; at "
      "most {} are counted.\n# TYPE postern_connections gauge\n",
      kMostCounted);
  for (const auto status : {vault::Status::expired, vault::Status::error, vault::Status::revoked}) {
    vault::ConnectionQuery query;
    query.status = status;
    std::size_t count = 0;
    for (bool more = true; more && count < kMostCounted;) {
      const auto page = service.deps.vault->list_connections(query);
      if (!page) return {};
      count += page->data.size();
      more = page->has_more && !page->data.empty();
      if (more) query.after = page->data.back().id;
    }
    out += fmt::format("postern_connections{{status=\"{}\"}} {}\n", vault::to_string(status),
                       std::min(count, kMostCounted));
  }
  return out;
}

std::string unkept_events(const Service& service) {
  return fmt::format(
      "# HELP postern_audit_unkept_total Audit events that were not kept, because their chain's quota was used up.\n"
      "# TYPE postern_audit_unkept_total counter\npostern_audit_unkept_total {}\n",
      service.deps.vault->audit().unkept());
}

std::unexpected<Problem> not_ready(const std::vector<std::string>& reasons) {
  auto refusal = refuse("not-ready", "Not ready yet: see `notReady`.");
  refusal.error().more["notReady"] = to_array(reasons);
  refusal.error().fields.emplace_back("Retry-After", "1");
  return refusal;
}

json::object status_text(const char* text) {
  json::object out;
  out["status"] = text;
  return out;
}

}  // namespace

// Where CONNECT leads: an opted-in host counts only where there is a CA.
json::object tunnels_text(Service& service) {
  const auto settings = service.deps.settings();
  json::array intercepted;
  const bool wanted = !settings->intercept_hosts.empty();
  const bool missing = wanted && !service.deps.vault->find_authority();
  if (wanted && !missing)
    for (const config::HostRule& rule : settings->intercept_hosts)
      intercepted.emplace_back(fmt::format("{}{}:{}", rule.wildcard ? "*" : "", rule.host, rule.port));
  json::object out;
  out["intercepted"] = std::move(intercepted);
  out["authorityMissing"] = missing;
  out["passed"] = settings->egress_allow_by_default || !settings->egress_allow.empty();
  return out;
}

Answer show_status(Service& service, Call&) {
  const auto vault = service.deps.vault->status();
  json::object keys;
  keys["id"] = vault.vault_id;
  keys["store"] = vault.store;
  keys["state"] = vault.state;
  keys["keyProvider"] = vault.key_provider;
  keys["activeKeyId"] = vault.active_key_id;
  keys["dataKeys"] = vault.data_keys;
  keys["commit"] = vault.commit;
  keys["trouble"] = text_or_null(vault.trouble);
  json::object provenance;
  provenance["kind"] = vault::to_string(vault.provenance.kind);
  provenance["since"] = time_or_null(vault.provenance.since);
  provenance["reason"] = text_or_null(vault.provenance.reason);
  keys["provenance"] = std::move(provenance);
  const auto reasons = service.deps.not_ready();
  json::object out;
  out["version"] = POSTERN_VERSION;
  out["pseudonym"] = "postern-" + service.deps.vault->id();
  out["ready"] = reasons.empty();
  out["notReady"] = to_array(reasons);
  out["vault"] = std::move(keys);
  out["proxy"] = to_array(service.deps.proxy_addresses());
  out["tunnels"] = tunnels_text(service);
  out["admin"] = service.addresses.admin;
  out["health"] = text_or_null(service.addresses.health);
  return json_response(out);
}

// Settings that need a restart are named; they are not in force. Everything else is, for every request from now on.
Answer reload(Service& service, Call& call) {
  const auto done = service.deps.reload();
  if (!done) return refuse("configuration-invalid", done.error());
  json::array changed, restart;
  for (const config::SettingChange& change : done->settings) {
    json::object one;
    one["setting"] = change.path;
    one["before"] = json::parse(change.before);
    one["after"] = json::parse(change.after);
    (change.needs_restart ? restart : changed).push_back(std::move(one));
  }
  std::string settings;
  for (const config::SettingChange& change : done->settings) settings += (settings.empty() ? "" : ", ") + change.path;
  tell(service, call, "config.reloaded", {{"settings", settings}});
  json::object providers, connections, out;
  providers["added"] = to_array(done->providers.added);
  providers["removed"] = to_array(done->providers.removed);
  providers["changed"] = to_array(done->providers.changed);
  connections["added"] = to_array(done->connections_added);
  connections["removed"] = to_array(done->connections_removed);
  out["changed"] = std::move(changed);
  out["restart"] = std::move(restart);
  out["providers"] = std::move(providers);
  out["connections"] = std::move(connections);
  return json_response(out);
}

// What this caller may do, and which connections it may call (at most 100 of them; `hasMore` says when there are
// others).
Answer show_self(Service& service, Call& call) {
  const auto& own = call.caller.authorization;
  json::object out = shown(service, own);
  out["capabilities"] = to_array(held_by(call.caller));
  if (call.caller.socket) out["id"] = nullptr;
  out["kind"] = call.caller.socket ? "socket" : "authorization";
  out["system"] = call.caller.system();
  out["remaining"] = own.expires == 0
                         ? json::value()
                         : json::value(std::max<std::int64_t>(own.expires - service.deps.now_ms(), 0) / 1'000);
  json::array callable;
  bool more = false;
  if (!own.connections.empty() && call.caller.may("proxy:call")) {
    auto read = scan_connections(service, call.caller, {}, [&](const vault::Connection& c, bool declared) {
      const bool foreign = c.scope == vault::Scope::personal && c.owner != own.user;
      const bool wide = c.scope == vault::Scope::organization && call.caller.may("proxy:call");
      if (!c.enabled || foreign || (!wide && !call.caller.may_in(c.project, "proxy:call"))) return true;
      if (callable.size() == kMostCallable) return more = true, false;
      json::object one;
      one["id"] = c.id;
      one["alias"] = c.alias;
      one["name"] = c.name;
      one["app"] = c.app;
      one["status"] = vault::to_string(c.status);
      one["hosts"] = to_array(hosts_of(c));
      one["declared"] = declared;
      callable.push_back(std::move(one));
      return true;
    });
    if (!read) return std::unexpected(read.error());
  }
  out["callable"] = std::move(callable);
  out["hasMore"] = more;
  return json_response(out);
}

Answer show_openapi(Service&, Call&) {
  Response response;
  response.content_type = "application/yaml";
  const std::string_view text = openapi_text();
  response.body.assign(text.data(), text.size());
  return response;
}

Answer show_metrics(Service& service, Call&) {
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  const std::string page = service.deps.metrics->render() + unusable_connections(service) + unkept_events(service);
  response.body.assign(page.data(), page.size());
  return response;
}

Response livez(Service&) {
  return json_response(status_text("ok"));
}

Answer readyz(Service& service) {
  const auto reasons = service.deps.not_ready();
  if (!reasons.empty()) return not_ready(reasons);
  service.was_ready = true;
  return json_response(status_text("ready"));
}

// Once ready it stays started: a later fault is readyz's to tell, and no reason to restart the process.
Answer startupz(Service& service) {
  if (!service.was_ready) {
    const auto reasons = service.deps.not_ready();
    if (!reasons.empty()) return not_ready(reasons);
    service.was_ready = true;
  }
  return json_response(status_text("started"));
}

}  // namespace postern::admin
