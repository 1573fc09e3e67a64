#include "proxy/admin/router.hpp"

#include <algorithm>

#include "proxy/admin/connect_flow.hpp"
#include "proxy/admin/routes.hpp"
#include "proxy/observe/log.hpp"

namespace postern::admin {
namespace {

struct Route {
  std::string_view method;
  std::string_view pattern;     // `*` is one segment: the {id}
  std::string_view capability;  // empty: any valid caller
  Answer (*run)(Service&, Call&);
  bool waits = false;  // for the network
};

constexpr Route kRoutes[] = {
    {"GET", "/metrics", "metrics:read", show_metrics},
    {"GET", "/api/v1/openapi.yaml", "", show_openapi},
    {"GET", "/api/v1/status", "", show_status},
    {"POST", "/api/v1/reload", "system:config", reload},
    {"GET", "/api/v1/self", "", show_self},
    {"GET", "/api/v1/connections", "connections:read", list_connections},
    {"POST", "/api/v1/connections", "connections:write", create_connection},
    {"GET", "/api/v1/connections/*", "connections:read", show_connection},
    {"PATCH", "/api/v1/connections/*", "connections:write", change_connection},
    {"DELETE", "/api/v1/connections/*", "connections:write", delete_connection, true},
    {"POST", "/api/v1/connections/*/escalate", "connections:write", escalate_connection},
    {"POST", "/api/v1/connections/*/rotate", "connections:write", rotate_connection},
    {"POST", "/api/v1/connections/*/test", "connections:write", test_connection, true},
    {"POST", "/api/v1/connections/*/revoke", "connections:write", revoke_connection, true},
    {"POST", "/api/v1/links", "connections:write", create_link},
    {"GET", "/api/v1/links/*", "connections:read", show_link},
    {"DELETE", "/api/v1/links/*", "connections:write", delete_link},
    {"GET", "/api/v1/auth_configs", "auth_configs:read", list_auth_configs},
    {"POST", "/api/v1/auth_configs", "auth_configs:write", create_auth_config},
    {"GET", "/api/v1/auth_configs/*", "auth_configs:read", show_auth_config},
    {"PATCH", "/api/v1/auth_configs/*", "auth_configs:write", change_auth_config},
    {"DELETE", "/api/v1/auth_configs/*", "auth_configs:write", delete_auth_config},
    {"GET", "/api/v1/authorizations", "authorizations:read", list_authorizations},
    {"POST", "/api/v1/authorizations", "authorizations:write", create_authorization},
    {"GET", "/api/v1/authorizations/*", "authorizations:read", show_authorization},
    {"DELETE", "/api/v1/authorizations/*", "authorizations:write", delete_authorization},
    {"POST", "/api/v1/authorizations/*/revoke", "authorizations:write", revoke_authorization},
    {"GET", "/api/v1/organizations", "system:organizations", list_organizations},
    {"POST", "/api/v1/organizations", "system:organizations", create_organization},
    {"GET", "/api/v1/organizations/*", "system:organizations", show_organization},
    {"PATCH", "/api/v1/organizations/*", "system:organizations", change_organization},
    {"DELETE", "/api/v1/organizations/*", "system:organizations", delete_organization},
    {"GET", "/api/v1/projects", "projects:read", list_projects},
    {"POST", "/api/v1/projects", "projects:write", create_project},
    {"GET", "/api/v1/projects/*", "projects:read", show_project},
    {"PATCH", "/api/v1/projects/*", "projects:write", change_project},
    {"DELETE", "/api/v1/projects/*", "projects:write", delete_project},
    {"GET", "/api/v1/users", "users:read", list_users},
    {"POST", "/api/v1/users", "users:write", create_user},
    {"GET", "/api/v1/users/*", "users:read", show_user},
    {"PATCH", "/api/v1/users/*", "users:write", change_user},
    {"DELETE", "/api/v1/users/*", "users:write", delete_user},
    {"GET", "/api/v1/providers", "providers:read", list_providers},
    {"GET", "/api/v1/providers/*", "providers:read", show_provider},
    {"GET", "/api/v1/keys", "system:keys", show_keys},
    {"POST", "/api/v1/keys/rotate", "system:keys", rotate_keys},
    {"POST", "/api/v1/keys/rewrap", "system:keys", rewrap_keys},
    {"POST", "/api/v1/vault/backup", "system:backup", backup_vault},
    {"POST", "/api/v1/vault/verify", "system:backup", verify_vault},
};

bool matches(std::string_view pattern, std::string_view path, std::string& id) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == path;
  if (!path.starts_with(pattern.substr(0, star))) return false;
  const auto end = path.find('/', star);
  const auto segment = path.substr(star, end == std::string_view::npos ? end : end - star);
  if (segment.empty() || path.substr(star + segment.size()) != pattern.substr(star + 1)) return false;
  id = std::string(segment);
  return true;
}

std::unexpected<Problem> no_such_path() {
  return refuse("not-found", "There is nothing at this path.");
}

std::unexpected<Problem> other_method(std::string allow) {
  auto refusal = refuse("method-not-allowed", "Use one of the methods that Allow names.");
  refusal.error().fields.emplace_back("Allow", std::move(allow));
  return refusal;
}

// HEAD is GET without the body, which the server leaves out.
std::string_view asked_method(const Request& request) {
  if (request.method == "HEAD") return "GET";
  return request.method;
}

std::expected<const Route*, Problem> find_route(std::string_view method, const std::string& path, std::string& id) {
  std::string allow;
  for (const auto& route : kRoutes) {
    if (!matches(route.pattern, path, id)) continue;
    if (route.method == method) return &route;
    allow += (allow.empty() ? "" : ", ") + std::string(route.method) + (route.method == "GET" ? ", HEAD" : "");
  }
  if (allow.empty()) return no_such_path();
  return other_method(std::move(allow));
}

// Probes, and metrics on the health listener: the same answer for everyone, whoever asks. nullopt: not one of them.
std::optional<Answer> open_route(Service& service, const Request& request, const std::string& path) {
  const bool metrics = path == "/metrics" && request.door == Door::health;
  if (path != "/livez" && path != "/readyz" && path != "/startupz" && !metrics) return std::nullopt;
  if (asked_method(request) != "GET") return other_method("GET, HEAD");
  if (path == "/livez") return livez(service);
  if (path == "/readyz") return readyz(service);
  if (path == "/startupz") return startupz(service);
  const Url url;
  Call call{.request = request, .url = url, .caller = {}, .id = "", .made_token_id = ""};
  return show_metrics(service, call);
}

// The routes whose callers may be served without `authorizations:write`: ending oneself needs no permission.
bool ends_itself(const Route& route, const Call& call) {
  const bool ending = route.run == delete_authorization || route.run == revoke_authorization;
  return ending && !call.id.empty() && call.id == call.caller.authorization.id;
}

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= 255 &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

std::string value_of(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.fields)
    if (key == name) return value;
  return {};
}

Answer replay(const Idempotency::Kept& kept, const std::string& digest) {
  if (kept.digest != digest) return refuse("idempotency-mismatch", "Use another Idempotency-Key for another body.");
  if (!kept.token_id.empty()) {
    auto refusal = refuse("idempotency-replayed",
                          "This call made a token before, which is shown once: revoke `id` and make a new one.");
    refusal.error().more["id"] = kept.token_id;
    return refusal;
  }
  Response response;
  response.status = kept.status;
  response.body.assign(kept.body.data(), kept.body.size());
  if (!kept.etag.empty()) response.fields.emplace_back("ETag", kept.etag);
  if (!kept.location.empty()) response.fields.emplace_back("Location", kept.location);
  response.fields.emplace_back("Idempotency-Replayed", "true");
  return response;
}

// A POST with an Idempotency-Key answers once; only what succeeded is remembered, so a failed call can be repeated.
Answer run_once(Service& service, Call& call, const Route& route) {
  const auto sent = call.request.field("idempotency-key");
  if (!sent || route.method != "POST") return route.run(service, call);
  if (!is_key(*sent) || call.request.count("idempotency-key") != 1)
    return refuse("invalid-request", "An Idempotency-Key is one text of 1 to 255 visible ASCII characters.");
  const std::string key = call.caller.key() + '\n' + call.url.path + '\n' + std::string(*sent);
  const auto digest = service.deps.vault->keyed_digest("idempotency", call.request.body);
  if (const auto* kept = service.idempotency.find(key, service.deps.now_ms())) return replay(*kept, digest);
  auto answer = route.run(service, call);
  if (!answer || answer->status >= 300) return answer;
  Idempotency::Kept kept{.digest = digest,
                         .status = answer->status,
                         .body = "",
                         .etag = value_of(*answer, "ETag"),
                         .location = value_of(*answer, "Location"),
                         .token_id = call.made_token_id};
  if (call.made_token_id.empty()) kept.body.assign(answer->body.data(), answer->body.size());
  service.idempotency.keep(key, std::move(kept), service.deps.now_ms());
  return answer;
}

// `organization` and `project` of the query say what the call is about, whatever it does; no route sees them again.
std::expected<void, Problem> enter_by_query(const Service& service, Url& url, Caller& caller) {
  std::optional<std::string> organization, project;
  for (const auto& [key, value] : url.parameters) {
    auto* const into = key == "organization" ? &organization : key == "project" ? &project : nullptr;
    if (into == nullptr) continue;
    if (*into) return refuse_parameter(key, "Give it once.");
    *into = value;
  }
  std::erase_if(url.parameters, [](const auto& one) { return one.first == "organization" || one.first == "project"; });
  return enter(service, caller, organization, project, false);
}

void log_change(const Call& call, const Route& route, const Answer& answer) {
  if (route.method == "GET") return;
  const auto& id = call.caller.authorization.id;
  observe::log_event(observe::Level::info, "admin-change", answer ? "done" : answer.error().code,
                     {{"request_id", call.request.id},
                      {"caller", id.empty() ? std::string_view(call.caller.authorization.name) : id},
                      {"method", route.method},
                      {"path", call.url.path}});
}

Answer dispatch(Service& service, const Request& request, Reply& later) {
  auto url = parse_target(request.target);
  if (!url) return refuse("malformed-request", "The target has to be a path with a well-formed query.");
  if (is_page(url->path) && request.door == Door::tcp) return serve_page(service, request, std::move(*url), later);
  if (auto allowed = refuse_browsers(service, request); !allowed) return std::unexpected(allowed.error());
  if (auto open = open_route(service, request, url->path)) return std::move(*open);
  if (request.door == Door::health) return no_such_path();
  if (url->path != "/metrics" && !url->path.starts_with("/api/v1/")) return no_such_path();
  auto caller = identify(service, request);
  if (!caller) return std::unexpected(caller.error());
  if (auto entered = enter_by_query(service, *url, *caller); !entered) return std::unexpected(entered.error());
  Call call{.request = request, .url = *url, .caller = std::move(*caller), .id = "", .made_token_id = ""};
  const auto found = find_route(asked_method(request), url->path, call.id);
  if (!found) return std::unexpected(found.error());
  const Route& route = **found;
  if (!route.capability.empty() && !call.caller.may(route.capability) && !ends_itself(route, call))
    return refuse("not-permitted",
                  "Your authorization does not have the capability " + std::string(route.capability) + ".");
  if (route.waits) {
    later.work = [&service, &request, &route, url = *url, caller = std::move(call.caller), id = std::move(call.id)] {
      Call mine{.request = request, .url = url, .caller = caller, .id = id, .made_token_id = ""};
      auto answer = route.run(service, mine);
      log_change(mine, route, answer);
      return answer;
    };
    return Response();
  }
  auto answer = run_once(service, call, route);
  log_change(call, route, answer);
  return answer;
}

Response finished(const Request& request, Answer answer) {
  if (answer) return std::move(*answer);
  Response response = to_response(answer.error(), request.id);
  if (answer.error().code == "unauthenticated") {
    response.slow = request.field("authorization").has_value();
    if (response.slow) {
      observe::log_event(observe::Level::warn, "admin-token-refused", "", {{"request_id", request.id}});
    }
  }
  return response;
}

}  // namespace

Reply handle(Service& service, const Request& request) {
  Reply reply;
  auto answer = dispatch(service, request, reply);
  if (!reply.work) reply.response = finished(request, std::move(answer));
  reply.finish = [&request](Answer worked) { return finished(request, std::move(worked)); };
  return reply;
}

}  // namespace postern::admin
