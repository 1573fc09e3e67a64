#include "proxy/admin/connection_write.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "proxy/admin/auth_config_text.hpp"
#include "proxy/admin/if_match.hpp"

namespace postern::admin {
namespace {

using vault::Connection;

std::unexpected<Problem> wrong_auth_config(const char* detail) {
  return refuse_fields({{.pointer = "/authConfig", .parameter = "", .detail = detail}});
}

// The one that was named, if it fits what else was asked; nullopt: none was named.
std::expected<std::optional<vault::AuthConfig>, Problem> named_auth_config(const Service& service, const Caller& caller,
                                                                           const config::Provider& provider,
                                                                           const ConnectionInput& input) {
  if (!input.auth_config) return std::nullopt;
  auto found = find_auth_config(service, caller, *input.auth_config);
  if (!found && found.error().code != "not-found") return std::unexpected(found.error());
  if (!found) return wrong_auth_config("There is no auth config with this id here.");
  const auto auth = provider.auth.find(found->auth);
  const bool fits = found->provider == provider.id && auth != provider.auth.end() && auth->second.oauth &&
                    (!input.auth || *input.auth == found->auth) && (!input.type || *input.type == auth->second.type);
  if (!fits) return wrong_auth_config("This auth config is for another provider, or another way to authenticate.");
  return std::move(*found);
}

std::optional<vault::AuthConfig> stored_auth_config(const Service& service, vault::Space space, const std::string& id) {
  if (id.empty()) return std::nullopt;
  auto found = service.deps.vault->tokens().find_auth_config(space, id);
  if (!found) return std::nullopt;
  return std::move(*found);
}

}  // namespace

Response connection_response(const Connection& connection, unsigned status, bool declared, std::optional<bool> tested) {
  auto object = shown(connection, declared);
  if (tested) object["tested"] = *tested;
  Response response = json_response(object, status);
  if (!declared) response.fields.emplace_back("ETag", etag(connection.version));
  return response;
}

void announce(Service& service, const Connection& connection, bool ended) {
  service.deps.announce({.kind = Change::Kind::connection,
                         .organization = connection.organization,
                         .project = connection.project,
                         .id = connection.id,
                         .ended = ended});
  if (service.deps.desk != nullptr) service.deps.desk->wake(connection.id);
}

void announce(Service& service, const vault::AuthConfig& auth_config) {
  service.deps.announce({.kind = Change::Kind::connection,
                         .organization = auth_config.organization,
                         .project = auth_config.project,
                         .id = ""});
  if (service.deps.desk != nullptr) service.deps.desk->wake("");
}

std::vector<FieldError> beyond_scope(const Caller& caller, const Connection& meta) {
  std::vector<FieldError> errors;
  if (meta.scope == vault::Scope::personal && (meta.owner.empty() || meta.owner == "service"))
    errors.push_back({.pointer = "/scope", .parameter = "", .detail = "A personal one belongs to somebody."});
  if (caller.unbounded()) return errors;
  if (meta.scope == vault::Scope::organization && !caller.may_in("", "connections:write"))
    errors.push_back(
        {.pointer = "/scope", .parameter = "", .detail = "This is for the organization's administrators."});
  if (meta.owner != caller.authorization.user && meta.owner != "service")
    errors.push_back({.pointer = "/owner", .parameter = "", .detail = "Name yourself or `service`."});
  return errors;
}

bool is_foreign_personal(const Caller& caller, const Connection& meta) {
  return meta.scope == vault::Scope::personal && meta.owner != caller.authorization.user;
}

std::expected<FoundConnection, Problem> find_changeable(Service& service, const Call& call) {
  auto found = find_connection(service, call.caller, call.id);
  if (!found) return found;
  if (found->declared)
    return refuse("declared-connection", "Change the file that declares this connection; the API cannot.");
  if (!call.caller.may_change(found->connection)) return refuse("not-permitted", kNotYours);
  if (auto matches = check_if_match(call.request, found->connection.version); !matches)
    return std::unexpected(matches.error());
  return found;
}

bool is_declared_alias(const Service& service, std::string_view alias) {
  const auto declared = service.deps.declared();
  return std::any_of(declared.begin(), declared.end(), [&](const auto& c) { return c.alias == alias; });
}

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
                                                                              const std::optional<std::string>& id,
                                                                              const char* pointer) {
  auto wrong = [&](const char* detail) {
    return refuse_fields({{.pointer = pointer, .parameter = "", .detail = detail}});
  };
  if (!id) return wrong("Name the provider, as GET /api/v1/providers lists it.");
  auto provider = service.deps.catalog()->find(*id);
  if (!provider) return wrong("There is no such provider; GET /api/v1/providers lists them.");
  return provider;
}

std::expected<Planned, Problem> plan_new(const Service& service, const Caller& caller, const config::Provider& provider,
                                         const ConnectionInput& input) {
  auto app = named_auth_config(service, caller, provider, input);
  if (!app) return std::unexpected(app.error());
  std::string config = *app ? (*app)->config : "{}";
  if (input.config) config = merge_config(config, *input.config);
  const std::string auth = *app ? (*app)->auth : input.auth.value_or("");
  auto planned = plan(provider, input, input.type.value_or(""), auth, config);
  if (!planned) return std::unexpected(planned.error());
  if (!*app && !provider.auth.at(planned->auth).app_fields.empty())
    return wrong_auth_config("This kind needs an auth config: the id of one that POST /api/v1/auth_configs made.");
  if (*app) planned->destinations = narrowed(planned->destinations, (*app)->hosts);
  if (planned->destinations.empty()) return wrong_auth_config("Its hosts leave none of the hosts of this connection.");
  return Planned{std::move(*planned), std::move(*app)};
}

std::optional<vault::AuthConfig> auth_config_of(const Service& service, const Connection& meta) {
  return stored_auth_config(service, {meta.organization, meta.project}, meta.auth_config);
}

std::optional<vault::AuthConfig> auth_config_of(const Service& service, const vault::Link& link) {
  return stored_auth_config(service, {link.organization, link.project}, link.auth_config);
}

Connection new_connection(const Caller& caller, const ConnectionInput& input, const config::Provider& provider,
                          const Planned& planned) {
  Connection meta;
  meta.id = vault::new_id("conn");
  meta.organization = caller.organization();
  meta.project = caller.project().empty() ? std::string(vault::kDefaultProject) : caller.project();
  meta.scope = input.scope.value_or(vault::Scope::project);
  meta.owner = input.owner.value_or(caller.authorization.user);
  if (meta.owner.empty()) meta.owner = "service";
  meta.alias = input.alias.value_or("");
  meta.name = input.name.value_or(provider.title.empty() ? provider.id : provider.title);
  meta.app = provider.id;
  meta.auth = planned.plan.auth;
  meta.type = planned.plan.type;
  if (planned.app) meta.auth_config = planned.app->id;
  meta.config = planned.plan.config_json;
  meta.destinations = to_destinations(planned.plan.destinations);
  meta.end_user = input.end_user.value_or("");
  meta.tags = input.tags.value_or(std::vector<std::string>());
  meta.enabled = input.enabled.value_or(true);
  return meta;
}

std::expected<grants::Kept, Problem> accept_value(const Service& service, const config::Provider& provider,
                                                  const config::Auth& auth, const Connection& meta,
                                                  ConnectionInput& input) {
  auto kept = take_credential(auth, input, service.deps.now_ms(), meta.id);
  if (!kept || !service.deps.why_unsignable || !config::is_signed_type(meta.type)) return kept;
  const auto plan = config::plan_stored(provider, meta.auth, meta.config);
  if (!plan) return kept;  // said where it is loaded
  const auto why = service.deps.why_unsignable(*plan, kept->credential);
  if (!why) return kept;
  return refuse_fields(
      {{.pointer = "/value", .parameter = "", .detail = "Nothing can be signed with this: " + *why + '.'}});
}

void set_token_facts(Connection& meta, const grants::Kept& kept) {
  meta.account = kept.account;
  meta.expires = kept.expires;
  meta.refresh_expires = kept.refresh_expires;
  meta.touch = kept.touch;
}

}  // namespace postern::admin
