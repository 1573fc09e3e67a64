// Auth configs: the operator's side of a provider. One of an OAuth type keeps the client that many connections share;
// one of a static type has no connect step and is the one connection that it makes.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/auth_config_text.hpp"
#include "proxy/admin/connection_change.hpp"
#include "proxy/admin/connection_write.hpp"
#include "proxy/admin/if_match.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::AuthConfig;

constexpr std::size_t kMostNamed = 100;  // of the connections that are in the way

Answer response_of(const Service& service, const AuthConfig& auth_config, unsigned status) {
  auto object = object_of(service, auth_config);
  if (!object) return std::unexpected(object.error());
  Response response = json_response(*object, status);
  response.fields.emplace_back("ETag", etag(auth_config.version));
  return response;
}

// The entry's auth that is meant: by name, else the only one that people agree to, else the only one that takes a
// client, else the only one.
std::expected<const config::Auth*, Problem> choose_entry(const config::Provider& provider,
                                                         const std::optional<std::string>& name) {
  auto wrong = [](std::string detail) {
    return refuse_fields({{.pointer = "/auth", .parameter = "", .detail = std::move(detail)}});
  };
  std::vector<const config::Auth*> fits, agreed, client;
  std::string names;
  for (const auto& [key, auth] : provider.auth) {
    names += (names.empty() ? "" : ", ") + key;
    if (!config::is_served_type(auth.type) || (name && *name != key)) continue;
    fits.push_back(&auth);
    if (auth.type == "OAUTH2") agreed.push_back(&auth);
    if (auth.oauth && !auth.app_fields.empty()) client.push_back(&auth);
  }
  if (provider.generic) return wrong("The generic provider has no auth configs: make a connection.");
  for (const auto* choice : {&agreed, &client, &fits})
    if (choice->size() == 1) return choice->front();
  return wrong((fits.empty() ? "There is no such way to authenticate here: " : "Name one of several: ") + names + '.');
}

std::expected<void, Problem> check_hosts(const config::Provider& provider, const ConnectionInput& input) {
  if (!input.hosts || !*input.hosts) return {};
  if (!(*input.hosts)->empty() && are_hosts_of(provider, **input.hosts)) return {};
  return refuse_fields({{.pointer = "/hosts", .parameter = "", .detail = "Has to name hosts of the provider."}});
}

// The values of an OAuth type, checked and moved out; also when only the configuration is new.
std::expected<std::string, Problem> plan_values(const config::Provider& provider, const config::Auth& entry,
                                                const ConnectionInput& input, const std::string& config_json) {
  config::ConnectionInput asked{.type = "", .auth = entry.name, .value = {}, .config_json = config_json};
  if (input.value) asked.value = *input.value;
  auto planned = config::plan_app(provider, asked, input.value.has_value());
  for (auto& field : asked.value) vault::wipe(field.second);
  if (!planned) return refuse_fields(to_field_errors(planned.error(), provider, input));
  if (auto unfit = unfit_keys(entry, input); !unfit.empty()) return refuse_fields(std::move(unfit));
  return std::move(planned->config_json);
}

void take_values(ConnectionInput& input, AuthConfig& auth_config) {
  auth_config.values.clear();
  for (auto& field : *input.value) auth_config.values.emplace(field.first, vault::Secret::take(field.second));
}

vault::Beside created_event(const Call& call, const std::string& provider) {
  return told(call, "auth_config.created", {{"provider", provider}});
}

// A shared credential: the auth config, and the connection that carries the value.
Answer create_shared(Service& service, Call& call, const config::Provider& provider, const config::Auth& entry,
                     ConnectionInput& input, AuthConfig made) {
  input.scope = vault::Scope::project;
  auto planned = plan(provider, input, "", entry.name, made.config);
  if (!planned) return std::unexpected(planned.error());
  planned->destinations = narrowed(planned->destinations, made.hosts);
  made.config = planned->config_json;
  vault::Connection meta = new_connection(call.caller, input, provider, {std::move(*planned), std::nullopt});
  meta.enabled = true;  // the auth config's own switch is the one
  if (auto more = beyond_scope(call.caller, meta); !more.empty()) return refuse_permission(std::move(more));
  meta.alias = free_alias(service, meta);
  if (made.project.empty()) made.project = meta.project;
  const auto kept = accept_value(service, provider, entry, meta, input);
  if (!kept) return std::unexpected(kept.error());
  auto created = service.deps.vault->tokens().create_auth_config(std::move(made), created_event(call, provider.id));
  if (!created) return std::unexpected(vault_problem(created.error()));
  meta.auth_config = created->id;
  auto connection = service.deps.vault->create_connection(
      std::move(meta), kept->credential, told(call, "connection.created", {{"authConfig", created->id}}));
  if (!connection) {
    (void)service.deps.vault->tokens().erase_auth_config({created->organization, created->project}, created->id, 0,
                                                         told(call, "auth_config.deleted"));
    return std::unexpected(vault_problem(connection.error()));
  }
  announce(service, *connection, false);
  call.made_id = created->id;
  return response_of(service, *created, 201);
}

// Hosts that got fewer: what the connections may reach gets less with them.
std::expected<void, Problem> narrow_connections(Service& service, const Call& call, const AuthConfig& auth_config) {
  auto all = connections_of(service, auth_config);
  if (!all) return std::unexpected(all.error());
  for (auto& connection : *all) {
    for (int tries = 0;; ++tries) {
      const auto left = to_destinations(narrowed(to_patterns(connection.destinations), auth_config.hosts));
      if (left == connection.destinations) break;
      connection.destinations = left;
      const vault::Space space{connection.organization, connection.project};
      const std::string id = connection.id;
      auto written = service.deps.vault->update_connection(
          std::move(connection),
          told(call, "connection.changed", {{"fields", "hosts"}, {"authConfig", auth_config.id}}));
      if (written) break;
      if (written.error().code == vault::Error::Code::not_found) break;
      if (written.error().code != vault::Error::Code::conflict || tries == 3)
        return std::unexpected(vault_problem(written.error()));
      auto again = service.deps.vault->find_connection(space, id);
      if (!again) break;
      connection = std::move(*again);
    }
  }
  return {};
}

// Variables that a URL of the entry holds decide who sees the secret.
bool moves_endpoints(const config::Auth& entry, const std::string& before, const std::string& after) {
  boost::system::error_code error;
  const json::value a = json::parse(before.empty() ? "{}" : before, error), b = json::parse(after, error);
  if (error || !a.is_object() || !b.is_object()) return true;
  for (const config::Template* url : entry.oauth ? entry.oauth->endpoints() : std::vector<const config::Template*>())
    for (const auto& name : url->variables()) {
      const auto *x = a.get_object().if_contains(name), *y = b.get_object().if_contains(name);
      if ((x == nullptr) != (y == nullptr) || (x != nullptr && *x != *y)) return true;
    }
  return false;
}

std::expected<void, Problem> apply_config(Service& service, const config::Provider& provider, const config::Auth& entry,
                                          const ConnectionInput& input, AuthConfig& auth_config) {
  const auto merged = input.config ? merge_config(auth_config.config, *input.config) : auth_config.config;
  if (config::is_static_type(entry.type)) {
    auto planned = plan(provider, input, "", entry.name, merged);
    if (!planned) return std::unexpected(planned.error());
    if (input.config)
      return refuse_fields({{.pointer = "/config", .parameter = "", .detail = "Change it of the connection itself."}});
    return {};
  }
  auto planned = plan_values(provider, entry, input, merged);
  if (!planned) return std::unexpected(planned.error());
  if (moves_endpoints(entry, auth_config.config, *planned)) {
    if (!input.value)
      return refuse("secret-required", "The secret would go to another place: send `value` in the same call.");
    const auto users = service.deps.vault->tokens().connections_of(auth_config, 1);
    if (!users) return std::unexpected(vault_problem(users.error()));
    if (!users->empty())
      return refuse("in-use", "The tokens of its connections would go to another place: make a new auth config.");
  }
  auth_config.config = *planned;
  return {};
}

// A shared credential's new value is its connection's.
std::expected<void, Problem> rotate_shared(Service& service, const Call& call, const config::Provider& provider,
                                           const config::Auth& entry, ConnectionInput& input,
                                           const AuthConfig& auth_config) {
  auto connection = shared_connection(service, auth_config, &entry);
  if (!connection) return std::unexpected(connection.error());
  if (!*connection)
    return refuse("invalid-request", "Its connection was deleted: delete this auth config too, and make a new one.");
  const auto kept = accept_value(service, provider, entry, **connection, input);
  if (!kept) return std::unexpected(kept.error());
  (*connection)->status = vault::Status::active;
  (*connection)->status_reason.clear();
  (*connection)->status_text.clear();
  const std::int64_t keep_ms = kept_by_default(service);
  (*connection)->previous_until = keep_ms == 0 ? 0 : service.deps.now_ms() + keep_ms;
  auto written = service.deps.vault->rotate_credential(std::move(**connection), kept->credential,
                                                       told(call, "connection.rotated"));
  if (!written) return std::unexpected(vault_problem(written.error()));
  announce(service, *written, false);
  return {};
}

// One after the other: what was deleted when one of them fails stays so, and a repetition goes on with the rest.
std::expected<void, Problem> erase_connections(Service& service, const Call& call, const AuthConfig& auth_config,
                                               bool revoke) {
  auto all = connections_of(service, auth_config);
  if (!all) return std::unexpected(all.error());
  for (const auto& c : *all) {
    if (revoke) {
      auto given = give_back_first(service, c);
      if (!given && given.error().code == "not-found") continue;
      if (!given) {
        given.error().detail =
            "This connection and what comes behind it were kept: try again, or without ?revoke=true.";
        given.error().more["connection"] = c.id;
        return given;
      }
    }
    auto gone = service.deps.vault->erase_connection(
        {c.organization, c.project}, c.id, 0,
        told(call, "connection.deleted", {{"alias", c.alias}, {"authConfig", auth_config.id}}));
    if (!gone && gone.error().code != vault::Error::Code::not_found)
      return std::unexpected(vault_problem(gone.error()));
    announce(service, c, true);
  }
  return {};
}

// Of the connections the first ones are named, as far as the caller may know them; all of them are counted.
std::unexpected<Problem> in_use(const Service& service, const Caller& caller, const AuthConfig& auth_config) {
  auto refusal = refuse("in-use", "Connections use it: delete them first, or add ?cascade=true.");
  const auto all = connections_of(service, auth_config);
  if (!all) return std::unexpected(all.error());
  json::array named;
  for (const auto& c : *all) {
    if (named.size() == kMostNamed) break;
    if (caller.may("connections:read") && caller.sees(c))
      named.push_back({{"id", c.id}, {"name", c.name}, {"alias", c.alias}});
  }
  refusal.error().more["connections"] = std::move(named);
  refusal.error().more["count"] = all->size();
  return refusal;
}

// One of all projects is changed by those who may do so in every one.
std::expected<AuthConfig, Problem> find_writable(const Service& service, const Call& call) {
  auto found = find_auth_config(service, call.caller, call.id);
  if (!found) return found;
  if (!call.caller.may_in(found->project, "auth_configs:write"))
    return refuse("not-permitted", found->project.empty() ? "It is for all projects: an administrator changes it."
                                                          : "Your role in its project does not allow this.");
  if (auto matches = check_if_match(call.request, found->version); !matches) return std::unexpected(matches.error());
  return found;
}

}  // namespace

Answer create_auth_config(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  ConnectionInput input;
  auto errors = read_connection_input(body->get_object(),
                                      {"name", "app", "provider", "toolkitSlug", "auth", "value", "config", "scopes",
                                       "hosts", "enabled", "organization", "project"},
                                      input);
  if (!errors.empty()) return refuse_fields(std::move(errors));
  if (auto placed = enter(service, call.caller, input.organization, input.project, true); !placed)
    return std::unexpected(placed.error());
  // Without a project it is for all of them, if the caller may do that.
  if (!call.caller.project().empty() || !call.caller.may_in("", "auth_configs:write")) {
    if (auto placed = settle(call.caller, "auth_configs:write"); !placed) return std::unexpected(placed.error());
  }
  const auto provider = find_provider(service, input.app, "/provider");
  if (!provider) return std::unexpected(provider.error());
  const auto entry = choose_entry(**provider, input.auth);
  if (!entry) return std::unexpected(entry.error());
  if (auto right = check_hosts(**provider, input); !right) return std::unexpected(right.error());
  if (!input.value) input.value.emplace();  // what is missing in it is named by its field
  AuthConfig made;
  made.organization = call.caller.organization();
  made.project = call.caller.project();
  made.name = input.name.value_or((*provider)->title.empty() ? (*provider)->id : (*provider)->title);
  made.provider = (*provider)->id;
  made.auth = (*entry)->name;
  made.enabled = input.enabled.value_or(true);
  made.scopes = input.scopes.value_or(std::nullopt);
  made.hosts = input.hosts.value_or(std::nullopt);
  made.config = input.config ? json::serialize(*input.config) : "{}";
  if (config::is_static_type((*entry)->type))
    return create_shared(service, call, **provider, **entry, input, std::move(made));
  auto planned = plan_values(**provider, **entry, input, made.config);
  if (!planned) return std::unexpected(planned.error());
  made.config = std::move(*planned);
  take_values(input, made);
  auto created = service.deps.vault->tokens().create_auth_config(
      std::move(made), made_by(call, 201, created_event(call, (*provider)->id)));
  if (!created) return std::unexpected(vault_problem(created.error()));
  auto response = response_of(service, *created, 201);
  if (response) response->fields.emplace_back("Location", "/api/v1/auth_configs/" + created->id);
  return response;
}

Answer show_auth_config(Service& service, Call& call) {
  auto found = find_auth_config(service, call.caller, call.id);
  if (!found) return std::unexpected(found.error());
  return response_of(service, *found, 200);
}

Answer change_auth_config(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto found = find_writable(service, call);
  if (!found) return std::unexpected(found.error());
  ConnectionInput input;
  auto errors =
      read_connection_input(body->get_object(), {"name", "enabled", "value", "config", "scopes", "hosts"}, input);
  if (!errors.empty()) return refuse_fields(std::move(errors));
  const auto provider = service.deps.catalog()->find(found->provider);
  const auto* entry = entry_of(provider.get(), *found);
  if (entry == nullptr && (input.value || input.config || input.hosts))
    return refuse("invalid-request", "Its provider is no longer in the catalog; put it back first.");
  const auto alone = service.auth_configs->change();
  if (input.hosts) {
    if (auto right = check_hosts(*provider, input); !right) return std::unexpected(right.error());
    found->hosts = *input.hosts;
  }
  if (input.config || input.value) {
    if (auto right = apply_config(service, *provider, *entry, input, *found); !right)
      return std::unexpected(right.error());
  }
  if (input.name) found->name = *input.name;
  if (input.enabled) found->enabled = *input.enabled;
  if (input.scopes) found->scopes = *input.scopes;
  if (input.value) {
    found->status = vault::Status::active;
    found->status_reason.clear();
    found->status_text.clear();
    if (config::is_static_type(entry->type)) {
      if (auto done = rotate_shared(service, call, *provider, *entry, input, *found); !done)
        return std::unexpected(done.error());
    } else {
      take_values(input, *found);
    }
  }
  auto written = service.deps.vault->tokens().update_auth_config(
      std::move(*found), told(call, "auth_config.changed", {{"fields", names_of(body->get_object())}}));
  if (!written) return std::unexpected(vault_problem(written.error()));
  if (input.hosts) {
    if (auto done = narrow_connections(service, call, *written); !done) return std::unexpected(done.error());
  }
  announce(service, *written);
  return response_of(service, *written, 200);
}

Answer delete_auth_config(Service& service, Call& call) {
  auto found = find_writable(service, call);
  if (!found) return std::unexpected(found.error());
  const auto cascade = read_flag(call.url, "cascade", {"revoke"});
  if (!cascade) return std::unexpected(cascade.error());
  const auto revoke = read_flag(call.url, "revoke", {"cascade"});
  if (!revoke) return std::unexpected(revoke.error());
  if (*revoke && !*cascade) return refuse_parameter("revoke", "Goes with cascade=true: an auth config has no tokens.");
  if (*cascade) {
    if (!call.caller.may_in(found->project, "connections:write"))
      return refuse("not-permitted", "Deleting its connections needs the capability connections:write.");
    if (auto done = erase_connections(service, call, *found, *revoke); !done) return std::unexpected(done.error());
  }
  auto gone =
      service.deps.vault->tokens().erase_auth_config({found->organization, found->project}, found->id,
                                                     *cascade ? 0 : found->version, told(call, "auth_config.deleted"));
  if (!gone && gone.error().code == vault::Error::Code::exists) return in_use(service, call.caller, *found);
  if (!gone) return std::unexpected(vault_problem(gone.error()));
  announce(service, *found);
  Response response;
  response.status = 204;
  return response;
}

}  // namespace postern::admin
