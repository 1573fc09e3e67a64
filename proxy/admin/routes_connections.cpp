#include <algorithm>
#include <boost/json/object.hpp>

#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/connection_change.hpp"
#include "proxy/admin/connection_write.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::Connection;

std::expected<void, Problem> apply_patch(Service& service, const Call& call, const ConnectionInput& input,
                                         Connection& meta) {
  const auto scope = meta.scope;
  if (input.name) meta.name = *input.name;
  if (input.tags) meta.tags = *input.tags;
  if (input.end_user) meta.end_user = *input.end_user;
  if (input.enabled) meta.enabled = *input.enabled;
  if (input.scope) meta.scope = *input.scope;
  if (meta.scope == vault::Scope::personal && scope != vault::Scope::personal) {
    // What others use may not be taken from them; what is the service's is nobody's to take.
    if (meta.owner != call.caller.authorization.user) {
      return refuse_permission(
          {{.pointer = "/scope", .parameter = "", .detail = "Only its owner can make a connection personal."}});
    }
  }
  if (input.alias && *input.alias != meta.alias) {
    if (is_declared_alias(service, *input.alias)) return alias_taken();
    meta.alias = *input.alias;
  }
  if (input.scope) {
    if (auto errors = beyond_scope(call.caller, meta); !errors.empty() && meta.scope != scope)
      return refuse_permission(std::move(errors));
  }
  return {};
}

// An owner with a record is one of the organization's, or it would be nobody's.
std::expected<void, Problem> check_owner(const Service& service, const Connection& meta) {
  if (!vault::names_user(meta.owner)) return {};
  const auto found = service.deps.vault->scopes().find_user(meta.organization, meta.owner);
  if (found) return {};
  if (found.error().code != vault::Error::Code::not_found) return std::unexpected(vault_problem(found.error()));
  return refuse_fields(
      {{.pointer = "/owner", .parameter = "", .detail = "There is no user with this id in the organization."}});
}

// What would be made, as far as it is known before it is.
Answer would_make(Service& service, const Connection& meta) {
  if (!meta.alias.empty()) {
    const auto taken = service.deps.vault->find_connection({meta.organization, meta.project}, meta.alias);
    if (taken) return alias_taken();
    if (taken.error().code != vault::Error::Code::not_found) return std::unexpected(vault_problem(taken.error()));
  }
  const auto all = shown(meta, false);
  json::object out{{"valid", true}};
  for (const char* name : {"app", "auth", "type", "authConfig", "name", "scope", "owner", "config", "hosts"})
    out[name] = all.at(name);
  out["alias"] = text_or_null(meta.alias);
  return json_response(out);
}

}  // namespace

Answer create_connection(Service& service, Call& call) {
  const auto dry = read_flag(call.url, "dryRun");
  if (!dry) return std::unexpected(dry.error());
  call.dry = *dry;
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
  std::shared_lock<std::shared_mutex> held;
  if (input.auth_config) held = service.auth_configs->use();
  auto planned = plan_new(service, call.caller, **provider, input);
  if (!planned) return std::unexpected(planned.error());
  Connection meta = new_connection(call.caller, input, **provider, *planned);
  if (auto more = beyond_scope(call.caller, meta); !more.empty()) return refuse_permission(std::move(more));
  if (auto known = check_owner(service, meta); !known) return std::unexpected(known.error());
  if (!meta.alias.empty() && is_declared_alias(service, meta.alias)) return alias_taken();
  if (meta.alias.empty()) meta.alias = free_alias(service, meta);
  const auto kept = accept_value(service, **provider, (*provider)->auth.at(meta.auth), meta, input);
  if (!kept) return std::unexpected(kept.error());
  set_token_facts(meta, *kept);
  if (call.dry) return would_make(service, meta);
  const auto beside = made_by(call, 201, told(call, "connection.created", {{"app", meta.app}, {"type", meta.type}}));
  auto made = service.deps.vault->create_connection(std::move(meta), kept->credential, beside);
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
  std::shared_lock<std::shared_mutex> held;
  if (!found->connection.auth_config.empty()) held = service.auth_configs->use();
  std::int64_t keep_ms = kept_by_default(service);
  if (input.config || input.value) {
    const auto moves = replan(service, input, found->connection);
    if (!moves) return std::unexpected(moves.error());
    if (*moves) keep_ms = 0;
  }
  const auto beside = told(call, "connection.changed", {{"fields", names_of(body->get_object())}});
  return change(service, input, std::move(found->connection), keep_ms, beside);
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
  const auto beside = made_by(call, 200, told(call, "connection.escalated", {{"scope", vault::to_string(meta.scope)}}));
  return change(service, input, std::move(meta), 0, beside);
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
  auto gone = service.deps.vault->erase_connection({c.organization, c.project}, c.id, conditional ? c.version : 0,
                                                   told(call, "connection.deleted", {{"alias", c.alias}}));
  if (!gone) return std::unexpected(vault_problem(gone.error()));
  announce(service, c, true);
  Response response;
  response.status = 204;
  return response;
}

}  // namespace postern::admin
