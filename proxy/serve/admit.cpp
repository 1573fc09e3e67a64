// 2 admit: method, target form, limits, loops. Builds the one Target that policy, DNS, SNI, Host, pool key and log use.
#include <sys/socket.h>

#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

// No web page drives this port (DESIGN section 5).
Step refuse_browsers(const Request& request) {
  using wire::FieldId;
  const wire::Field* site = request.head.fields.find(FieldId::sec_fetch_site);
  if (request.head.fields.find(FieldId::origin) != nullptr ||
      (site != nullptr && !wire::iequals(site->value, "none"))) {
    return refuse(Code::browser_request_refused,
                  "Requests from web pages are refused on this port; call it from a program, not from a browser.");
  }
  return {};
}

// No web page reaches a unix socket, whatever Host its clients make up.
bool through_unix_socket(net::Client& client) {
  int family = 0;
  socklen_t size = sizeof family;
  return ::getsockopt(client.socket().fd(), SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX;
}

Step check_own_host(const Request& request, const Common& common, net::Client* client) {
  const wire::Field* field = request.head.fields.find(wire::FieldId::host);
  wire::HostPort host;
  if (field == nullptr || wire::parse_host(field->value, host).fault != wire::Fault::none ||
      (!is_own_host(common, host.host, host.port) && (client == nullptr || !through_unix_socket(*client)))) {
    return refuse(
        Code::browser_request_refused,
        "The Host of a request to this proxy itself must be one of its listeners; use the address it listens on.");
  }
  return {};
}

bool came_around(const Request& request, const Common& common) {
  for (const wire::Field& field : request.head.fields.all()) {
    if (field.id == wire::FieldId::via && field.value.find(common.pseudonym) != std::string_view::npos) return true;
  }
  return false;
}

bool hops_used_up(const Request& request) {
  const wire::Field* field = request.head.fields.find(wire::FieldId::max_forwards);
  return request.head.method == "OPTIONS" && field != nullptr && field->value == "0";
}

}  // namespace

Step admit(Request& request, const Common& common, net::Client* client) {
  const wire::RequestHead& head = request.head;
  if (wire::iequals(head.method, "TRACE") || wire::iequals(head.method, "TRACK")) {
    return refuse(Code::method_not_allowed, "TRACE and TRACK would show what was injected; use another method.");
  }
  const wire::Refusal why = wire::parse_target(head.method, head.target, request.target);
  if (why.fault != wire::Fault::none) {
    request.target.reset();  // nothing of it may be used
    return std::unexpected(from_refusal(why));
  }
  if (Step step = refuse_browsers(request); !step) return step;
  if (came_around(request, common)) {
    return refuse(Code::loop_detected,
                  "This request has passed through this proxy before; remove the proxy from its own upstream's way.");
  }
  if (request.tunnel != nullptr) {
    if (Step step = aim_inside(request); !step) return step;
  } else if (request.target.form == wire::Form::authority) {
    return admit_tunnel(request);
  } else if (request.target.form == wire::Form::origin || request.target.form == wire::Form::asterisk) {
    if (Step step = check_own_host(request, common, client); !step) return step;
  }
  if (hops_used_up(request)) {
    request.answered = true;
    return refuse(Code::internal_error, {});
  }
  request.base_mode = request.target.form == wire::Form::origin && !request.target.base_connection.empty();
  if (request.target.form != wire::Form::absolute && !request.base_mode) {
    return refuse(
        Code::malformed_request,
        "This is a proxy: send an absolute target (http://host/path), or /c/<connection>/<path> in base-URL mode.");
  }
  if (request.base_mode && request.settings().open_callers) {
    return refuse(Code::malformed_request,
                  "Base-URL mode needs authenticated callers and is off while callers.mode is open.");
  }
  if (head.body == wire::Body::length && head.content_length > request.settings().body_limit.value_or(UINT64_MAX)) {
    return refuse(Code::body_too_large, "The request body is larger than limits.body allows.");
  }
  return {};
}

Step admit(Call& call) {
  if (call.service().overloaded(call.settings())) return refuse_overload();
  return admit(call, call.service().common(), &call.client());
}

}  // namespace postern::serve
