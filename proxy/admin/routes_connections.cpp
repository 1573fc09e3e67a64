#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "proxy/admin/connection_input.hpp"
#include "proxy/admin/connection_text.hpp"
#include "proxy/admin/if_match.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::Connection;

Response connection_response(const Connection& connection, unsigned status, bool declared = false) {
  Response response = json_response(shown(connection, declared), status);
  if (!declared) response.fields.emplace_back("ETag", etag(connection.version));
  return response;
}

void announce(Service& service, const Connection& connection, bool ended) {
  service.deps.announce({.kind = Change::Kind::connection,
                         .organization = connection.organization,
                         .project = connection.project,
                         .id = connection.id,
                         .ended = ended});
}

// Only what the caller's permission covers may be made: a caller of one project makes nothing for the others, and a
// connection belongs to the caller or to nobody.
std::vector<FieldError> beyond_scope(const Caller& caller, const Connection& meta) {
  std::vector<FieldError> errors;
  if (caller.unbounded()) return errors;
  if (meta.scope == vault::Scope::organization && !caller.project().empty())
    errors.push_back({.pointer = "/scope", .parameter = "", .detail = "Your own authorization is for one project."});
  if (meta.owner != caller.authorization.user && meta.owner != "service")
    errors.push_back({.pointer = "/owner", .parameter = "", .detail = "Name yourself or `service`."});
  return errors;
}

// A personal connection is changed by its owner alone; others may disable or delete it.
bool is_foreign_personal(const Caller& caller, const Connection& meta) {
  return meta.scope == vault::Scope::personal && meta.owner != caller.authorization.user;
}

std::expected<FoundConnection, Problem> find_changeable(Service& service, const Call& call) {
  auto found = find_connection(service, call.caller, call.id);
  if (!found) return found;
  if (found->declared)
    return refuse("declared-connection", "Change the file that declares this connection; the API cannot.");
  const auto& project = call.caller.project();
  if (!project.empty() && found->connection.project != project)
    return refuse("not-permitted", "This connection belongs to another project of the organization.");
  if (auto matches = check_if_match(call.request, found->connection.version); !matches)
    return std::unexpected(matches.error());
  return found;
}

bool is_declared_alias(const Service& service, std::string_view alias) {
  const auto declared = service.deps.declared();
  return std::any_of(declared.begin(), declared.end(), [&](const auto& c) { return c.alias == alias; });
}

// The vault chooses an alias by what it stores; where a file has declared the provider's own, we choose.
std::string free_alias(const Service& service, const Connection& meta) {
  if (!is_declared_alias(service, meta.app)) return {};
  for (int n = 2;; ++n) {
    std::string alias = meta.app + '-' + std::to_string(n);
    if (is_declared_alias(service, alias)) continue;
    if (!service.deps.vault->find_connection({meta.organization, meta.project}, alias)) return alias;
  }
}

std::unexpected<Problem> alias_taken() {
  return std::unexpected(vault_problem({vault::Error::Code::exists, ""}));
}

std::expected<std::shared_ptr<const config::Provider>, Problem> find_provider(const Service& service,
                                                                              const std::optional<std::string>& id) {
  auto wrong = [](const char* detail) {
    return refuse_fields({{.pointer = "/app", .parameter = "", .detail = detail}});
  };
  if (!id) return wrong("Name the provider, as GET /api/v1/providers lists it.");
  auto provider = service.deps.catalog()->find(*id);
  if (!provider) return wrong("There is no such provider; GET /api/v1/providers lists them.");
  return provider;
}

Connection new_connection(const Caller& caller, const ConnectionInput& input, const config::Provider& provider,
                          const config::Plan& planned) {
  Connection meta;
  meta.organization = caller.organization();
  meta.project = caller.project().empty() ? std::string(vault::kDefaultProject) : caller.project();
  meta.scope = input.scope.value_or(vault::Scope::project);
  meta.owner = input.owner.value_or(caller.authorization.user);
  if (meta.owner.empty()) meta.owner = "service";
  meta.alias = input.alias.value_or("");
  meta.name = input.name.value_or(provider.title.empty() ? provider.id : provider.title);
  meta.app = provider.id;
  meta.auth = planned.auth;
  meta.type = planned.type;
  meta.config = planned.config_json;
  meta.destinations = to_destinations(planned.destinations);
  meta.end_user = input.end_user.value_or("");
  meta.tags = input.tags.value_or(std::vector<std::string>());
  meta.enabled = input.enabled.value_or(true);
  return meta;
}

// RFC 7396: members given replace, null removes.
std::string merge_config(const std::string& stored, const json::object& patch) {
  boost::system::error_code error;
  json::value merged = json::parse(stored.empty() ? "{}" : stored, error);
  if (error || !merged.is_object()) merged = json::object();
  for (const auto& member : patch) {
    if (member.value().is_null())
      merged.get_object().erase(member.key());
    else
      merged.get_object()[member.key()] = member.value();
  }
  return json::serialize(merged);
}

// The same places, names and templates, and the same variables in them: the secret would go where it goes today.
bool injects_alike(const config::Plan& a, const config::Plan& b) {
  const auto alike = [](const config::InjectRule& x, const config::InjectRule& y) {
    return x.place == y.place && x.name == y.name && x.value.text() == y.value.text();
  };
  if (!std::equal(a.inject.begin(), a.inject.end(), b.inject.begin(), b.inject.end(), alike)) return false;
  return std::all_of(a.inject.begin(), a.inject.end(), [&](const config::InjectRule& rule) {
    return std::all_of(rule.value.variables().begin(), rule.value.variables().end(), [&](const std::string& name) {
      const auto before = a.variables.find(name), after = b.variables.find(name);
      return (before == a.variables.end()) == (after == b.variables.end()) &&
             (before == a.variables.end() || before->second == after->second);
    });
  });
}

// New configuration or values: planned anew. Without the secret in the same call, destinations may only narrow.
std::expected<void, Problem> replan(Service& service, const ConnectionInput& input, Connection& meta) {
  auto provider = service.deps.catalog()->find(meta.app);
  if (!provider)
    return refuse("invalid-request", "The provider of this connection is no longer in the catalog; put it back first.");
  const std::string config = input.config ? merge_config(meta.config, *input.config) : meta.config;
  auto planned = plan(*provider, input, meta.type, meta.auth, config);
  if (!planned) return std::unexpected(planned.error());
  const auto stored = config::plan_stored(*provider, meta.auth, meta.config);
  const bool moves = !stored || !injects_alike(*stored, *planned) ||
                     !config::destinations_within(planned->destinations, to_patterns(meta.destinations));
  if (!input.value && moves) {
    auto refusal = refuse("secret-required",
                          "This change would let the secret go to other places: send `value` in the same call.");
    refusal.error().errors.push_back({.pointer = "/value",
                                      .parameter = "",
                                      .detail = "Needed for new or wider destinations, and for another injection."});
    return refusal;
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
  const bool was_broken = meta.status != vault::Status::active;
  if (input.value && was_broken) {
    meta.status = vault::Status::active;
    meta.status_reason.clear();
    meta.status_since = service.deps.now_ms();
  }
  const bool ended = !meta.enabled;
  auto written = input.value ? service.deps.vault->rotate_credential(std::move(meta), take_credential(input))
                             : service.deps.vault->update_connection(std::move(meta));
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
  if (input.organization && *input.organization != call.caller.organization()) {
    errors.push_back({.pointer = "/organization", .parameter = "", .detail = "There is no such organization here."});
  }
  const std::string& own_project = call.caller.project();
  if (input.project &&
      *input.project != (own_project.empty() ? vault::kDefaultProject : std::string_view(own_project))) {
    errors.push_back({.pointer = "/project", .parameter = "", .detail = "There is no such project here."});
  }
  if (!errors.empty()) return refuse_fields(std::move(errors));
  auto provider = find_provider(service, input.app);
  if (!provider) return std::unexpected(provider.error());
  if (!input.value) input.value.emplace();  // what is missing in it is named by its field
  auto planned = plan(**provider, input, input.type.value_or(""), input.auth.value_or(""),
                      input.config ? json::serialize(*input.config) : "{}");
  if (!planned) return std::unexpected(planned.error());
  Connection meta = new_connection(call.caller, input, **provider, *planned);
  if (auto more = beyond_scope(call.caller, meta); !more.empty()) return refuse_permission(std::move(more));
  if (!meta.alias.empty() && is_declared_alias(service, meta.alias)) return alias_taken();
  if (meta.alias.empty()) meta.alias = free_alias(service, meta);
  const auto credential = take_credential(input);
  auto made = service.deps.vault->create_connection(std::move(meta), credential);
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

Answer delete_connection(Service& service, Call& call) {
  auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  const auto& c = found->connection;
  const bool conditional = call.request.field("if-match").has_value();
  auto gone = service.deps.vault->erase_connection({c.organization, c.project}, c.id, conditional ? c.version : 0);
  if (!gone) return std::unexpected(vault_problem(gone.error()));
  announce(service, c, true);
  Response response;
  response.status = 204;
  return response;
}

}  // namespace postern::admin
