// 4 authorize: caller x organization x connection x host x method x path. Nothing has been decrypted, refreshed or
// dialled.
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

Step usable(const Call& call) {
  const Known& known = *call.connection;
  const vault::Connection& meta = known.meta;
  if (known.app_disabled) {
    return refuse(Code::auth_config_disabled,
                  "The connection's auth config is disabled; an administrator can enable it.");
  }
  if (!meta.enabled || meta.status == vault::Status::revoked) {
    return refuse(Code::connection_revoked, "The connection is disabled or revoked; enable it or connect again.");
  }
  if (meta.status == vault::Status::error) {
    return refuse(Code::connection_error, "The connection is in error: its credential was rejected; rotate it.");
  }
  if (meta.status == vault::Status::expired) {
    return needs_reconnect(call);
  }
  return {};
}

// In base-URL mode the provider's base URL is the destination.
Step aim_at_base_url(Call& call) {
  const Known& known = *call.connection;
  if (known.base_host.empty()) {
    return refuse(Code::destination_not_allowed,
                  "This connection's provider has no base URL; use the proxy form http://host/path.");
  }
  call.target.host = known.base_host;
  call.target.port = known.base_port;
  call.target.ip_literal = is_ip_literal(known.base_host);
  return {};
}

Step unambiguous(std::string_view path) {
  if (!wire::path_is_ambiguous(path)) return {};
  return refuse(Code::malformed_request,
                "Paths with dot segments, %2e, %2f, %5c, '//' or ';' are refused where a rule looks at the path.");
}

// The path as the upstream sees it, but for what an injection puts before it.
std::string path_upstream(const Call& call) {
  std::string path(call.target.path_only());
  return call.base_mode ? call.connection->base_path + path : path;
}

Step reachable(const Call& call, std::string_view path) {
  const Known& known = *call.connection;
  if (known.path_rule) {
    if (Step step = unambiguous(path); !step) return step;
  }
  if (!known.reaches(call.target.host, call.target.port, path) || known.forbids(call.target.host, path)) {
    return refuse(Code::destination_not_allowed,
                  "The connection's credential may not go to this host, port or path; see `postern connections show` "
                  "for where it may.");
  }
  return {};
}

Step allowed_path(const Call& call) {
  const std::string path = path_upstream(call);
  if (Step step = unambiguous(path); !step) return step;
  if (call.caller->may_path(path)) return {};
  return refuse(Code::destination_not_allowed, "The caller's token does not allow this path.");
}

void find_route(Call& call, std::string_view tag) {
  const wire::Target& target = call.target;
  // A call that began before a reload goes its own way, which nobody remembers.
  Known* const known = call.rules == &call.service().rules() ? call.connection.get() : nullptr;
  if (known != nullptr && known->route && known->route->current() && known->route_tag == tag &&
      known->route->to().host == target.host && known->route->to().port == target.port) {
    call.route = known->route;
    return;
  }
  call.route = call.service().route(*call.rules, tag, target.host, target.port, target.ip_literal);
  if (known == nullptr) return;
  known->route = call.route;
  known->noted_caller = 0;
  known->route_tag = tag;
}

}  // namespace

Step authorize(Call& call) {
  const Caller& caller = *call.caller;
  std::string_view tag = caller.organization();
  if (call.connection) {
    if (Step step = usable(call); !step) return step;
    if (call.base_mode) {
      if (Step step = aim_at_base_url(call); !step) return step;
      if (Step step = reachable(call, path_upstream(call)); !step) return step;
    } else if (Step step = reachable(call, call.target.path_only()); !step) {
      return step;
    }
    if (call.settings().isolate_connections) tag = call.connection->meta.id;
  }
  if (!caller.may_host(call.target.host) || !caller.may_method(call.head.method)) {
    return refuse(Code::destination_not_allowed, "The caller's token does not allow this host or method.");
  }
  if (caller.authorization.paths) {
    if (Step step = allowed_path(call); !step) return step;
  }
  find_route(call, tag);
  return {};
}

}  // namespace postern::serve
