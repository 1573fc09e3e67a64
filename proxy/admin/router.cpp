#include "proxy/admin/router.hpp"

#include <algorithm>

#include "proxy/admin/connect_flow.hpp"
#include "proxy/admin/idempotency.hpp"
#include "proxy/admin/routes.hpp"
#include "proxy/observe/log.hpp"

namespace postern::admin {
namespace {

constexpr std::size_t kMostTarget = 8 * 1024;

struct Route {
  std::string_view method;
  std::string_view pattern;     // `*` is one segment: the {id}
  std::string_view capability;  // empty: any valid caller
  Answer (*run)(Service&, Call&);
  Waits waits = Waits::no;
  // What a repetition under the same Idempotency-Key is answered with; absent: the key is not looked at.
  Answer (*again)(Service&, Call&) = nullptr;
  bool asks = false;  // changes nothing, although it is a POST: a secret in the body is not for a URL
};

constexpr std::string_view kImport = "/api/v1/providers/import";
constexpr auto kDisk = Waits::disk, kNetwork = Waits::network;

constexpr Route kRoutes[] = {
    {"GET", "/metrics", "metrics:read", show_metrics},
    {"GET", "/api/v1/openapi.yaml", "", show_openapi},
    {"GET", "/api/v1/status", "", show_status},
    {"POST", "/api/v1/reload", "system:config", reload},
    {"GET", "/api/v1/self", "", show_self},
    {"POST", "/api/v1/explain", "", explain, kDisk, nullptr, true},
    {"GET", "/api/v1/connections", "connections:read", list_connections, kDisk},
    {"POST", "/api/v1/connections", "connections:write", create_connection, kDisk, show_connection},
    {"GET", "/api/v1/connections/*", "connections:read", show_connection},
    {"PATCH", "/api/v1/connections/*", "connections:write", change_connection, kDisk},
    {"DELETE", "/api/v1/connections/*", "connections:write", delete_connection, kNetwork},
    {"POST", "/api/v1/connections/*/escalate", "connections:write", escalate_connection, kDisk, show_connection},
    {"POST", "/api/v1/connections/*/rotate", "connections:write", rotate_connection, kNetwork, show_connection},
    {"POST", "/api/v1/connections/*/test", "connections:write", test_connection, kNetwork},
    {"POST", "/api/v1/connections/*/revoke", "connections:write", revoke_connection, kNetwork},
    {"POST", "/api/v1/links", "connections:write", create_link, kDisk, show_link},
    {"GET", "/api/v1/links/*", "connections:read", show_link},
    {"DELETE", "/api/v1/links/*", "connections:write", delete_link, kDisk},
    {"GET", "/api/v1/auth_configs", "auth_configs:read", list_auth_configs, kDisk},
    {"POST", "/api/v1/auth_configs", "auth_configs:write", create_auth_config, kDisk, show_auth_config},
    {"GET", "/api/v1/auth_configs/*", "auth_configs:read", show_auth_config},
    {"PATCH", "/api/v1/auth_configs/*", "auth_configs:write", change_auth_config, kDisk},
    {"DELETE", "/api/v1/auth_configs/*", "auth_configs:write", delete_auth_config, kNetwork},
    {"GET", "/api/v1/authorizations", "authorizations:read", list_authorizations},
    {"POST", "/api/v1/authorizations", "authorizations:write", create_authorization, Waits::no, show_authorization},
    {"POST", "/api/v1/authorizations/introspect", "", introspect_authorization, Waits::no, nullptr, true},
    {"GET", "/api/v1/authorizations/*", "authorizations:read", show_authorization},
    {"DELETE", "/api/v1/authorizations/*", "authorizations:write", delete_authorization},
    {"POST", "/api/v1/authorizations/*/revoke", "authorizations:write", revoke_authorization, Waits::no,
     show_authorization},
    {"GET", "/api/v1/organizations", "system:organizations", list_organizations, kDisk},
    {"POST", "/api/v1/organizations", "system:organizations", create_organization, kDisk, show_organization},
    {"GET", "/api/v1/organizations/*", "system:organizations", show_organization},
    {"PATCH", "/api/v1/organizations/*", "system:organizations", change_organization, kDisk},
    {"DELETE", "/api/v1/organizations/*", "system:organizations", delete_organization, kDisk},
    {"GET", "/api/v1/projects", "projects:read", list_projects, kDisk},
    {"POST", "/api/v1/projects", "projects:write", create_project, kDisk, show_project},
    {"GET", "/api/v1/projects/*", "projects:read", show_project},
    {"PATCH", "/api/v1/projects/*", "projects:write", change_project, kDisk},
    {"DELETE", "/api/v1/projects/*", "projects:write", delete_project, kDisk},
    {"GET", "/api/v1/users", "users:read", list_users, kDisk},
    {"POST", "/api/v1/users", "users:write", create_user, kDisk, show_user},
    {"GET", "/api/v1/users/*", "users:read", show_user},
    {"PATCH", "/api/v1/users/*", "users:write", change_user, kDisk},
    {"DELETE", "/api/v1/users/*", "users:write", delete_user, kDisk},
    {"GET", "/api/v1/providers", "providers:read", list_providers},
    {"GET", "/api/v1/providers/*", "providers:read", show_provider},
    {"PATCH", "/api/v1/providers/*", "system:providers", change_provider},
    {"DELETE", "/api/v1/providers/*", "system:providers", delete_provider},
    {"POST", kImport, "system:providers", import_provider, kNetwork},
    // system:audit or audit:read, by whose chain it is about.
    {"GET", "/api/v1/audit", "", list_audit, kDisk},
    {"GET", "/api/v1/audit/export", "", export_audit, kDisk},
    {"POST", "/api/v1/audit/verify", "", verify_audit, kNetwork},
    // A certificate is there to be trusted: whoever may call at all may read it.
    {"GET", "/api/v1/ca", "", show_ca, kDisk},
    {"POST", "/api/v1/ca", "system:ca", create_ca, kNetwork, show_ca},
    {"DELETE", "/api/v1/ca", "system:ca", delete_ca, kDisk},
    {"POST", "/api/v1/ca/rotate", "system:ca", rotate_ca, kNetwork, show_ca},
    {"GET", "/api/v1/keys", "system:keys", show_keys},
    {"POST", "/api/v1/keys/rotate", "system:keys", rotate_keys, Waits::no, show_keys},
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
  // A word where an id would be is no id.
  const bool is_word = std::ranges::any_of(kRoutes, [&](const Route& route) { return route.pattern == path; });
  for (const auto& route : kRoutes) {
    if (is_word ? route.pattern != path : !matches(route.pattern, path, id)) continue;
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
  Call call{.request = request, .url = url, .caller = {}, .id = ""};
  return show_metrics(service, call);
}

// The routes whose callers may be served without `authorizations:write`: ending oneself needs no permission.
bool ends_itself(const Route& route, const Call& call) {
  const bool ending = route.run == delete_authorization || route.run == revoke_authorization;
  return ending && !call.id.empty() && call.id == call.caller.authorization.id;
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

// They look at the parameters of the query themselves; the others have none.
constexpr Answer (*kReadParameters[])(Service&, Call&) = {
    list_connections,    create_connection,  delete_connection, list_auth_configs, delete_auth_config,
    list_authorizations, list_organizations, list_projects,     list_users,        list_providers,
    import_provider,     list_audit,         export_audit,      verify_audit,      show_metrics,
};

std::expected<void, Problem> refuse_parameters(const Route& route, const Url& url) {
  if (url.parameters.empty() || std::ranges::find(kReadParameters, route.run) != std::end(kReadParameters)) return {};
  const std::string& name = url.parameters.front().first;
  return refuse_parameter(is_plain_name(name) ? name : "", "There is no such parameter here.");
}

void log_change(const Call& call, const Route& route, const Answer& answer) {
  if (route.method == "GET" || route.asks) return;
  const auto& id = call.caller.authorization.id;
  observe::log_event(observe::Level::info, "admin-change", answer ? "done" : answer.error().code,
                     {{"request_id", call.request.id},
                      {"caller", id.empty() ? std::string_view(call.caller.authorization.name) : id},
                      {"method", route.method},
                      {"path", call.url.path}});
}

std::unexpected<Problem> lacks(std::string_view capability) {
  return refuse("not-permitted", "Your authorization does not have the capability " + std::string(capability) + ".");
}

// The audit hears of what somebody tried and may not.
void tell_denial(const Service& service, const vault::Authorization* caller, const Answer& answer) {
  static constexpr std::string_view kDenials[] = {"not-permitted", "unauthenticated", "browser-request-refused"};
  if (answer || !service.deps.denied || std::ranges::find(kDenials, answer.error().code) == std::end(kDenials)) return;
  service.deps.denied(caller, answer.error().code);
}

Answer run(Service& service, Call& call, const Route& route) {
  const auto once = [&] { return route.run(service, call); };
  auto answer = route.again == nullptr
                    ? once()
                    : run_once(service, call, once, [&](Call& made) { return route.again(service, made); });
  log_change(call, route, answer);
  tell_denial(service, &call.caller.authorization, answer);
  return answer;
}

Answer dispatch(Service& service, const Request& request, Handled& later) {
  if (request.target.size() > kMostTarget) return refuse("target-too-long", "Keep the target within 8 KiB.");
  auto url = parse_target(request.target);
  if (!url) return refuse("malformed-request", "The target has to be a path with a well-formed query.");
  if (is_page(url->path) && request.door == Door::tcp) return serve_page(service, request, std::move(*url), later);
  const auto denied = [&](const vault::Authorization* who, Problem problem) {
    Answer answer = std::unexpected(std::move(problem));
    tell_denial(service, who, answer);
    return answer;
  };
  if (auto allowed = refuse_browsers(service, request); !allowed) return denied(nullptr, allowed.error());
  if (auto open = open_route(service, request, url->path)) return std::move(*open);
  if (request.door == Door::health) return no_such_path();
  if (url->path != "/metrics" && !url->path.starts_with("/api/v1/")) return no_such_path();
  auto caller = identify(service, request);
  if (!caller) return denied(nullptr, caller.error());
  // The audit log is asked for what is in it, also of what is gone.
  if (!url->path.starts_with("/api/v1/audit")) {
    if (auto entered = enter_by_query(service, *url, *caller); !entered) return std::unexpected(entered.error());
  }
  Call call{.request = request, .url = *url, .caller = std::move(*caller), .id = ""};
  const auto found = find_route(asked_method(request), url->path, call.id);
  if (!found) return std::unexpected(found.error());
  const Route& route = **found;
  if (!route.capability.empty() && !call.caller.may(route.capability) && !ends_itself(route, call))
    return denied(&call.caller.authorization, lacks(route.capability).error());
  if (auto none = refuse_parameters(route, *url); !none) return std::unexpected(none.error());
  if (route.waits == Waits::no) return run(service, call, route);
  later.waits = route.waits;
  later.work = [&service, &request, &route, url = *url, caller = std::move(call.caller), id = std::move(call.id)] {
    Call mine{.request = request, .url = url, .caller = caller, .id = id};
    return run(service, mine, route);
  };
  return Response();
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

std::expected<std::uint64_t, Problem> body_limit(Service& service, const Request& head) {
  const auto url = parse_target(head.target);
  if (!url || url->path != kImport || head.method != "POST" || head.door == Door::health) return kMostBody;
  if (auto allowed = refuse_browsers(service, head); !allowed) return std::unexpected(allowed.error());
  const auto caller = identify(service, head);
  if (!caller) return std::unexpected(caller.error());
  if (!caller->may("system:providers")) return lacks("system:providers");
  return kMostImport;
}

Handled handle(Service& service, const Request& request) {
  Handled reply;
  auto answer = dispatch(service, request, reply);
  if (!reply.work) reply.response = finished(request, std::move(answer));
  reply.finish = [&request](Answer worked) { return finished(request, std::move(worked)); };
  return reply;
}

}  // namespace postern::admin
