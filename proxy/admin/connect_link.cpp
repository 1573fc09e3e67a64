#include "proxy/admin/connect_link.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "proxy/admin/auth_config_text.hpp"
#include "proxy/admin/connection_write.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::Link;
using vault::LinkStatus;

std::unexpected<Problem> wrong(const char* pointer, const char* detail) {
  return refuse_fields({{.pointer = pointer, .parameter = "", .detail = detail}});
}

// The entry if a person agrees to it in a browser.
const config::Auth* connectable(const config::Provider* provider, const std::string& auth) {
  if (provider == nullptr) return nullptr;
  const auto at = provider->auth.find(auth);
  if (at == provider->auth.end() || !at->second.oauth) return nullptr;
  const bool fits = at->second.oauth->authorize || at->second.oauth->device;
  return fits ? &at->second : nullptr;
}

// The only enabled one of the provider, where none was named.
std::expected<std::string, Problem> only_auth_config(const Service& service, const Caller& caller,
                                                     const LinkInput& input) {
  if (!input.app) return wrong("/authConfig", "Name the auth config, or a provider that has one.");
  const auto provider = find_provider(service, input.app, "/provider");
  if (!provider) return std::unexpected(provider.error());
  vault::AuthConfigQuery query{.organization = caller.organization(),
                               .project = caller.project(),
                               .after = "",
                               .provider = (*provider)->id,
                               .with_disabled = false};
  const auto page = service.deps.vault->tokens().list_auth_configs(query);
  if (!page) return std::unexpected(vault_problem(page.error()));
  std::string only;
  for (const auto& one : page->data) {
    if (connectable(provider->get(), one.auth) == nullptr || (input.auth && *input.auth != one.auth)) continue;
    if (!only.empty()) return wrong("/authConfig", "The provider has several auth configs: name the one.");
    only = one.id;
  }
  if (only.empty())
    return wrong("/authConfig",
                 "The provider has no auth config to connect with: make one: postern auth-configs create, or POST "
                 "/api/v1/auth_configs.");
  return only;
}

std::expected<vault::AuthConfig, Problem> usable(const Service& service, vault::AuthConfig app) {
  const auto provider = service.deps.catalog()->find(app.provider);
  if (connectable(provider.get(), app.auth) == nullptr)
    return wrong("/authConfig",
                 "Nobody connects this kind in a browser: make a connection (POST /api/v1/connections).");
  if (!app.enabled) return refuse("auth-config-disabled", "Enable the auth config first.");
  return app;
}

// Everything but the way there: who it is for and what it is to be.
std::expected<Link, Problem> for_new(Service& service, const Caller& caller, const LinkInput& input,
                                     const vault::AuthConfig& app) {
  const auto provider = service.deps.catalog()->find(app.provider);
  const auto planned = plan_new(service, caller, *provider, input);
  if (!planned) return std::unexpected(planned.error());
  const auto meta = new_connection(caller, input, *provider, *planned);
  if (auto more = beyond_scope(caller, meta); !more.empty()) return refuse_permission(std::move(more));
  if (!meta.alias.empty()) {
    if (is_declared_alias(service, meta.alias)) return alias_taken();
    if (service.deps.vault->find_connection({meta.organization, meta.project}, meta.alias)) return alias_taken();
  }
  Link link;
  link.organization = meta.organization;
  link.project = meta.project;
  link.name = meta.name;
  link.alias = meta.alias;
  link.scope = meta.scope;
  link.owner = meta.owner;
  link.end_user = meta.end_user;
  link.tags = meta.tags;
  link.config = meta.config;
  return link;
}

std::expected<Link, Problem> for_old(Service& service, const Caller& caller, const LinkInput& input,
                                     vault::Connection& meta) {
  auto found = find_connection(service, caller, *input.connection);
  if (!found && found.error().code != "not-found") return std::unexpected(found.error());
  if (!found || found->declared) return wrong("/connection", "There is no connection with this id or alias here.");
  meta = std::move(found->connection);
  if (is_foreign_personal(caller, meta))
    return refuse("not-permitted", "Only its owner reconnects a personal connection.");
  if (!caller.may_change(meta)) return refuse("not-permitted", kNotYours);
  const bool more =
      input.name || input.alias || input.owner || input.scope || input.end_user || input.tags || input.config;
  if (more) return wrong("/connection", "A connection that is there keeps what it is: leave the other fields out.");
  if (input.app && *input.app != meta.app) return wrong("/provider", "The connection is of another provider.");
  if (input.auth_config && *input.auth_config != meta.auth_config)
    return wrong("/authConfig", "The connection is of another auth config.");
  Link link;
  link.organization = meta.organization;
  link.project = meta.project;
  link.name = meta.name;
  link.scope = meta.scope;
  link.config = meta.config;
  link.connection = meta.id;
  return link;
}

}  // namespace

std::expected<Link, Problem> make_link(Service& service, const Caller& caller, LinkInput& given,
                                       const vault::Beside& beside) {
  std::expected<Link, Problem> link;
  std::expected<vault::AuthConfig, Problem> app;
  if (given.connection) {
    vault::Connection meta;
    link = for_old(service, caller, given, meta);
    if (!link) return link;
    auto found = auth_config_of(service, meta);
    if (!found) return wrong("/connection", "It has no auth config to connect with: replace its value instead.");
    app = usable(service, std::move(*found));
    if (!app) return std::unexpected(app.error());
  } else {
    auto id = given.auth_config ? std::expected<std::string, Problem>(*given.auth_config)
                                : only_auth_config(service, caller, given);
    if (!id) return std::unexpected(id.error());
    auto found = find_auth_config(service, caller, *id);
    if (!found) return wrong("/authConfig", "There is no auth config with this id here.");
    if (given.app && *given.app != found->provider)
      return wrong("/provider", "The auth config is of another provider.");
    app = usable(service, std::move(*found));
    if (!app) return std::unexpected(app.error());
    given.auth_config = app->id;
    link = for_new(service, caller, given, *app);
    if (!link) return link;
  }
  const auto provider = service.deps.catalog()->find(app->provider);
  vault::AuthConfig scopes;
  scopes.scopes = given.scopes && *given.scopes ? *given.scopes : app->scopes;
  const auto& oauth = *provider->auth.at(app->auth).oauth;
  link->scopes = grants::scopes_of(oauth, &scopes);
  link->provider = app->provider;
  link->auth = app->auth;
  link->auth_config = app->id;
  link->requested_by = caller.authorization.id;
  if (given.device == true && !oauth.device) return wrong("/device", "The provider's entry has no device flow.");
  if (given.device == false && !oauth.authorize)
    return wrong("/device", "The provider's entry has only a device flow.");
  if (!given.device.value_or(!oauth.authorize)) link->redirect_uri = public_url(service) + "/oauth/callback";
  link->expires = service.deps.now_ms() + given.lifetime_ms;
  auto made = service.deps.vault->tokens().create_link(std::move(*link), beside);
  if (!made) return std::unexpected(vault_problem(made.error()));
  return std::move(*made);
}

std::string public_url(const Service& service) {
  const auto settings = service.deps.settings();
  if (!settings->public_url.empty()) return settings->public_url;
  const std::string& bound = service.addresses.admin;
  // Bound to every address: this machine's own browser comes by loopback.
  if (bound.starts_with("0.0.0.0:")) return "http://127.0.0.1:" + bound.substr(8);
  if (bound.starts_with("[::]:")) return "http://[::1]:" + bound.substr(5);
  return "http://" + bound;
}

std::string link_url(const Service& service, const Link& link) {
  return public_url(service) + "/connect/" + link.id;
}

LinkStatus status_of(const Link& link, std::int64_t now_ms) {
  const bool over = link.status == LinkStatus::active || link.status == LinkStatus::failed;
  return !over && link.expires <= now_ms ? LinkStatus::expired : link.status;
}

json::object shown(const Service& service, const Link& link) {
  const bool there = reconnects(link) || link.status == LinkStatus::active;
  json::object out;
  out["id"] = link.id;
  out["url"] = link_url(service, link);
  out["status"] = vault::to_string(status_of(link, service.deps.now_ms()));
  out["reason"] = text_or_null(link.reason);
  out["text"] = text_or_null(link.text);
  out["provider"] = link.provider;
  out["authConfig"] = link.auth_config;
  out["name"] = link.name;
  out["device"] = by_code(link);
  out["scopes"] = json::array(link.scopes.begin(), link.scopes.end());
  out["connection"] = text_or_null(there ? link.connection : "");
  out["account"] = text_or_null(link.account);
  out["created"] = to_time(link.created);
  out["expires"] = to_time(link.expires);
  return out;
}

}  // namespace postern::admin
