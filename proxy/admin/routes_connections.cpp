#include <algorithm>
#include <boost/json/object.hpp>

#include "proxy/admin/auth_config_text.hpp"
#include "proxy/admin/connection_write.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::Connection;

bool alike_in(const std::vector<std::string>& variables, const config::Plan& a, const config::Plan& b) {
  return std::all_of(variables.begin(), variables.end(), [&](const std::string& name) {
    const auto before = a.variables.find(name), after = b.variables.find(name);
    return (before == a.variables.end()) == (after == b.variables.end()) &&
           (before == a.variables.end() || before->second == after->second);
  });
}

// The same places, names and templates, the same variables in them, and the same endpoints: the secret would go where
// it goes today.
bool goes_alike(const config::Provider& provider, const config::Plan& a, const config::Plan& b) {
  const auto& oauth = provider.auth.at(b.auth).oauth;
  for (const config::Template* url : oauth ? oauth->endpoints() : std::vector<const config::Template*>())
    if (!alike_in(url->variables(), a, b)) return false;
  const auto alike = [](const config::InjectRule& x, const config::InjectRule& y) {
    return x.place == y.place && x.name == y.name && x.value.text() == y.value.text();
  };
  if (!std::equal(a.inject.begin(), a.inject.end(), b.inject.begin(), b.inject.end(), alike)) return false;
  return std::all_of(a.inject.begin(), a.inject.end(),
                     [&](const config::InjectRule& rule) { return alike_in(rule.value.variables(), a, b); });
}

// New configuration or values: planned anew. Without the secret in the same call, destinations may only narrow.
std::expected<void, Problem> replan(Service& service, const ConnectionInput& input, Connection& meta) {
  const auto app = auth_config_of(service, meta);
  auto provider = service.deps.catalog()->find(meta.app);
  if (!provider)
    return refuse("invalid-request", "The provider of this connection is no longer in the catalog; put it back first.");
  const std::string config = input.config ? merge_config(meta.config, *input.config) : meta.config;
  auto planned = plan(*provider, input, meta.type, meta.auth, config);
  if (!planned) return std::unexpected(planned.error());
  if (app) planned->destinations = narrowed(planned->destinations, app->hosts);
  const auto stored = config::plan_stored(*provider, meta.auth, meta.config);
  const bool moves = !stored || !goes_alike(*provider, *stored, *planned) ||
                     !config::destinations_within(planned->destinations, to_patterns(meta.destinations));
  if (!input.value && moves) {
    auto refusal = refuse("secret-required",
                          "This change would let the secret go to other places: send `value` in the same call.");
    refusal.error().errors.push_back({.pointer = "/value",
                                      .parameter = "",
                                      .detail = "Needed for new or wider destinations, and for another injection."});
    return refusal;
  }
  if (planned->destinations.empty()) {
    return refuse_fields(
        {{.pointer = "/config", .parameter = "", .detail = "The auth config's hosts leave none of these."}});
  }
  meta.config = planned->config_json;
  meta.destinations = to_destinations(planned->destinations);
  return {};
}

std::expected<void, Problem> apply_patch(Service& service, const Call& call, const ConnectionInput& input,
                                         Connection& meta) {
  const auto scope = meta.scope;
  if (input.name) meta.name = *input.name;
  if (input.tags) meta.tags = *input.tags;
  if (input.end_user) meta.end_user = *input.end_user;
  if (input.enabled) meta.enabled = *input.enabled;
  if (input.scope) meta.scope = *input.scope;
  if (meta.scope == vault::Scope::personal && scope != vault::Scope::personal) {
    // What others use may not be taken from them.
    if (meta.owner != call.caller.authorization.user && meta.owner != "service") {
      return refuse_permission(
          {{.pointer = "/scope", .parameter = "", .detail = "Only its owner can make a connection personal."}});
    }
    meta.owner = call.caller.authorization.user;
  }
  if (input.alias && *input.alias != meta.alias) {
    if (is_declared_alias(service, *input.alias)) return alias_taken();
    meta.alias = *input.alias;
  }
  if (input.scope) {
    if (auto errors = beyond_scope(call.caller, meta); !errors.empty() && meta.scope != scope)
      return refuse_permission(std::move(errors));
  }
  if (input.config || input.value) return replan(service, input, meta);
  return {};
}

// Writes the metadata, with the values if there are any, and tells everyone.
Answer commit(Service& service, ConnectionInput& input, Connection meta) {
  const bool ended = !meta.enabled;
  vault::Result<Connection> written;
  if (input.value) {
    // replan() has found the entry.
    auto kept = take_credential(service.deps.catalog()->find(meta.app)->auth.at(meta.auth), input,
                                service.deps.now_ms(), meta.id);
    if (!kept) return std::unexpected(kept.error());
    if (meta.status != vault::Status::active) meta.status_since = service.deps.now_ms();
    meta.status = vault::Status::active;
    meta.status_reason.clear();
    meta.status_text.clear();
    set_token_facts(meta, *kept);
    written = service.deps.vault->rotate_credential(std::move(meta), kept->credential);
  } else {
    written = service.deps.vault->update_connection(std::move(meta));
  }
  if (!written) return std::unexpected(vault_problem(written.error()));
  announce(service, *written, ended);
  return connection_response(*written, 200);
}

}  // namespace

Answer create_connection(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  ConnectionInput input;
  auto errors =
      read_connection_input(body->get_object(),
                            {"name", "app", "provider", "toolkitSlug", "type", "auth", "value", "config", "scope",
                             "alias", "owner", "endUser", "tags", "enabled", "organization", "project", "authConfig"},
                            input);
  if (!errors.empty()) return refuse_fields(std::move(errors));
  if (auto placed = enter(service, call.caller, input.organization, input.project, true); !placed)
    return std::unexpected(placed.error());
  if (auto placed = settle(call.caller, "connections:write"); !placed) return std::unexpected(placed.error());
  auto provider = find_provider(service, input.app);
  if (!provider) return std::unexpected(provider.error());
  if (!input.value) input.value.emplace();  // what is missing in it is named by its field
  auto planned = plan_new(service, call.caller, **provider, input);
  if (!planned) return std::unexpected(planned.error());
  Connection meta = new_connection(call.caller, input, **provider, *planned);
  if (auto more = beyond_scope(call.caller, meta); !more.empty()) return refuse_permission(std::move(more));
  if (!meta.alias.empty() && is_declared_alias(service, meta.alias)) return alias_taken();
  if (meta.alias.empty()) meta.alias = free_alias(service, meta);
  const auto kept = take_credential((*provider)->auth.at(meta.auth), input, service.deps.now_ms(), meta.id);
  if (!kept) return std::unexpected(kept.error());
  set_token_facts(meta, *kept);
  auto made = service.deps.vault->create_connection(std::move(meta), kept->credential);
  if (!made) return std::unexpected(vault_problem(made.error()));
  announce(service, *made, false);
  Response response = connection_response(*made, 201);
  response.fields.emplace_back("Location", "/api/v1/connections/" + made->id);
  return response;
}

Answer show_connection(Service& service, Call& call) {
  auto found = find_connection(service, call.caller, call.id);
  if (!found) return std::unexpected(found.error());
  return connection_response(found->connection, 200, found->declared);
}

Answer change_connection(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  ConnectionInput input;
  auto errors = read_connection_input(
      body->get_object(), {"name", "alias", "config", "scope", "enabled", "tags", "endUser", "value"}, input);
  if (!errors.empty()) return refuse_fields(std::move(errors));
  const bool only_disables = body->get_object().size() == 1 && input.enabled == false;
  if (is_foreign_personal(call.caller, found->connection) && !only_disables)
    return refuse("not-permitted", "Only its owner changes a personal connection; you may disable or delete it.");
  if (auto applied = apply_patch(service, call, input, found->connection); !applied)
    return std::unexpected(applied.error());
  return commit(service, input, std::move(found->connection));
}

Answer rotate_connection(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  if (is_foreign_personal(call.caller, found->connection))
    return refuse("not-permitted", "Only its owner rotates a personal connection.");
  ConnectionInput input;
  auto errors = read_connection_input(body->get_object(), {"value"}, input);
  if (!errors.empty()) return refuse_fields(std::move(errors));
  if (!input.value) input.value.emplace();
  if (auto planned = replan(service, input, found->connection); !planned) return std::unexpected(planned.error());
  return commit(service, input, std::move(found->connection));
}

// Wider, never back. Whoever may use it afterwards, it is theirs: nobody's in particular, so that it outlives who made
// it.
Answer escalate_connection(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  Connection& meta = found->connection;
  if (is_foreign_personal(call.caller, meta))
    return refuse("not-permitted", "Only its owner escalates a personal connection.");
  ConnectionInput input;
  auto errors = read_connection_input(body->get_object(), {"scope", "project"}, input);
  if (!input.scope && errors.empty())
    errors.push_back({.pointer = "/scope", .parameter = "", .detail = "Has to be PROJECT or ORGANIZATION."});
  if (input.project && *input.project != meta.project) {
    errors.push_back({.pointer = "/project",
                      .parameter = "",
                      .detail = "A connection stays in the project it was made in; ORGANIZATION is for all of them."});
  }
  if (!errors.empty()) return refuse_fields(std::move(errors));
  if (*input.scope <= meta.scope)
    return refuse("already-there", "It is as wide as that already; a connection is never made narrower.");
  meta.scope = *input.scope;
  meta.owner = "service";
  if (auto more = beyond_scope(call.caller, meta); !more.empty()) return refuse_permission(std::move(more));
  return commit(service, input, std::move(meta));
}

Answer delete_connection(Service& service, Call& call) {
  auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  const auto& c = found->connection;
  const auto revoke = read_flag(call.url, "revoke");
  if (!revoke) return std::unexpected(revoke.error());
  if (*revoke) {
    if (auto given = give_back_first(service, c); !given) return std::unexpected(given.error());
  }
  const bool conditional = call.request.field("if-match").has_value();
  auto gone = service.deps.vault->erase_connection({c.organization, c.project}, c.id, conditional ? c.version : 0);
  if (!gone) return std::unexpected(vault_problem(gone.error()));
  announce(service, c, true);
  Response response;
  response.status = 204;
  return response;
}

}  // namespace postern::admin
