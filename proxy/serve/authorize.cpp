// 4 authorize: caller x organization x connection x host x method x path. Nothing has been decrypted, refreshed or
// dialled.
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

Step usable(const Request& request, const Common& common) {
  const Known& known = *request.connection;
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
    return needs_reconnect(request, common);
  }
  return {};
}

// In base-URL mode the provider's base URL is the destination.
Step aim_at_base_url(Request& request) {
  const Known& known = *request.connection;
  if (known.base_host.empty()) {
    return refuse(Code::destination_not_allowed,
                  "This connection's provider has no base URL; use the proxy form http://host/path.");
  }
  request.target.host = known.base_host;
  request.target.port = known.base_port;
  request.target.ip_literal = is_ip_literal(known.base_host);
  return {};
}

Step unambiguous(std::string_view path) {
  if (!wire::path_is_ambiguous(path)) return {};
  return refuse(Code::malformed_request,
                "Paths with dot segments, %2e, %2f, %5c, '//' or ';' are refused where a rule looks at the path.");
}

// The path as the upstream sees it, but for what an injection puts before it.
std::string path_upstream(const Request& request) {
  std::string path(request.target.path_only());
  return request.base_mode ? request.connection->base_path + path : path;
}

Step reachable(const Request& request, std::string_view path) {
  const Known& known = *request.connection;
  if (known.path_rule) {
    if (Step step = unambiguous(path); !step) return step;
  }
  if (!known.reaches(request.target.host, request.target.port, path) || known.forbids(request.target.host, path)) {
    return refuse(Code::destination_not_allowed, why_not_there(request, path));
  }
  return {};
}

// What leads there is judged when a request comes out of the tunnel; what cannot lead there is refused now. A proxy
// user name is a run's default, which a request inside may override: only what the CONNECT's own field says is final.
Step judge_tunnel(const Request& request, const Common& common) {
  const wire::Target& target = request.target;
  if (request.connection) {
    if (Step step = usable(request, common); !step) return step;
    const bool final = request.head.fields.find(wire::FieldId::x_connection_id) != nullptr;
    if (final && !request.connection->leads_to(target.host, target.port))
      return refuse(Code::destination_not_allowed, why_not_there(request, "/"));
  }
  if (!request.caller->may_host(target.host)) return refuse(Code::destination_not_allowed, why_not_by_token(request));
  // A name is looked up when something goes there; an address is known now.
  const net::Destination to = destination_of(*request.rules, target.host, target.written_port, target.ip_literal);
  const auto address = net::known_address(to);
  const std::string why = address ? net::why_prohibited(to, *address, common.addresses) : std::string();
  if (!why.empty()) return std::unexpected(from_fault(net::Fault::address_prohibited, target.host, why));
  return {};
}

Step allowed_path(const Request& request) {
  const std::string path = path_upstream(request);
  if (Step step = unambiguous(path); !step) return step;
  if (request.caller->may_path(path)) return {};
  return refuse(Code::destination_not_allowed, why_not_by_token(request));
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

Step judge(Request& request, const Common& common) {
  if (request.target.form == wire::Form::authority) return judge_tunnel(request, common);
  if (request.connection) {
    if (Step step = usable(request, common); !step) return step;
    if (request.base_mode) {
      if (Step step = aim_at_base_url(request); !step) return step;
      if (Step step = reachable(request, path_upstream(request)); !step) return step;
    } else if (Step step = reachable(request, request.target.path_only()); !step) {
      return step;
    }
  }
  const Caller& caller = *request.caller;
  if (!caller.may_host(request.target.host) || !caller.may_method(request.head.method))
    return refuse(Code::destination_not_allowed, why_not_by_token(request));
  if (caller.authorization.paths) return allowed_path(request);
  return {};
}

Step authorize(Call& call) {
  if (Step step = judge(call, call.service().common()); !step) return step;
  if (call.target.form == wire::Form::authority) return {};
  const bool isolated = call.settings().isolate_connections && call.connection;
  find_route(call, isolated ? std::string_view(call.connection->meta.id) : call.caller->organization());
  return {};
}

}  // namespace postern::serve
