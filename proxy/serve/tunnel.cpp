// CONNECT: what becomes of it once it is known who asks and whether the host may be reached, and what it means for the
// requests inside. Clients do not show what comes later, so most is decided before the 200.
#include <fmt/format.h>

#include "proxy/net/duplex.hpp"
#include "proxy/observe/log.hpp"
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

using observe::Counter;
using wire::FieldId;

constexpr std::uint16_t kSecure = 443;
constexpr net::Millis kFirstBytes{5'000};  // after the 200, for a caller on a port where either may come
constexpr net::Millis kStall{10'000};      // for a caller to take what we write
constexpr char kHandshake = 0x16;          // the type of the record a ClientHello comes in (RFC 8446 section 5.1)
// Fatal alerts in a plain record: access_denied, internal_error (RFC 8446 section 6).
constexpr std::string_view kDenied("\x15\x03\x03\x00\x02\x02\x31", 7), kFailed("\x15\x03\x03\x00\x02\x02\x50", 7);

bool named_by_field(const Request& request) {
  return request.head.fields.find(FieldId::x_connection_id) != nullptr;
}

std::string authority_of(const wire::Target& target) {
  return fmt::format("{}:{}", target.host.find(':') == std::string::npos ? target.host : "[" + target.host + "]",
                     target.written_port);
}

// How the caller may ask for the same without a tunnel.
std::string plain_url(const wire::Target& target) {
  return fmt::format("http://{}/", target.port == kSecure ? target.host : authority_of(target));
}

// The 200 has no body and no framing (RFC 9110 section 9.3.6).
net::Task<bool> say_yes(Call& call) {
  call.status = 200;
  if (co_await call.client().write("HTTP/1.1 200 Connection established\r\n\r\n", kStall) == net::Io::ok)
    co_return true;
  call.aborted = true;
  call.session->open = false;
  co_return false;
}

// The head is done with: its buffer is wanted for what comes now.
void let_go_of_head(Call& call) {
  call.head.reset();
  call.head.method = "CONNECT";
  call.token_field = {};
  call.carried_in = call.client().bytes_in;
  call.carried_out = call.client().bytes_out;
  call.client().next_request();
}

// False: the caller went away, or said nothing.
net::Task<bool> first_bytes(Call& call) {
  net::Client& client = call.client();
  if (!client.in.empty()) co_return true;
  client.socket().expire_after(kFirstBytes);
  const net::Io io = co_await client.fill(client.in);
  client.socket().no_deadline();
  co_return io == net::Io::ok;
}

// Bytes through, unseen. `opened`: the caller has its 200 already.
net::Task<Step> pass(Call& call, bool opened) {
  Service& service = call.service();
  if (!call.caller->budgets.empty()) {
    if (Step step = co_await debit(call); !step) co_return step;
  }
  const net::Destination to =
      destination_of(*call.rules, call.target.host, call.target.written_port, call.target.ip_literal);
  call.connection.reset();  // a run's default, perhaps: nothing of it goes out
  net::Upstream upstream(service.worker());
  call.passing = &upstream;
  net::Fault fault = co_await upstream.connect_plain(to, service.network().resolver, service.network().policy,
                                                     exchange_timeouts(call.settings()).dial);
  if (call.ended) fault = net::Fault::ended;
  if (fault == net::Fault::none && (opened || co_await say_yes(call))) {
    if (!opened) let_go_of_head(call);
    begin_tunnel(call, "passed", Counter::tunnels_passed);
    net::ReadBuffer buffer(service.worker().buffers());
    const net::Relayed relayed =
        co_await net::relay_both(call.client(), upstream, buffer, call.settings().timeouts.stream_idle);
    call.aborted = relayed.end != net::Relayed::End::whole;
    if (call.aborted) call.client().abort();
  }
  call.passing = nullptr;
  if (fault != net::Fault::none) co_return std::unexpected(from_fault(fault, call.target.host, upstream.reason()));
  call.session->open = false;
  co_return Step{};
}

// The caller has its 200 and speaks TLS, so that all we can say is an alert.
net::Task<void> refuse_tls(Call& call, const Problem& why) {
  call.code = row(why.code).name;
  observe::log_event(observe::Level::warn, "tunnel_refused", why.detail,
                     {{"request_id", call.request_id}, {"host", authority_of(call.target)}, {"code", call.code}});
  const bool denied = row(why.code).whose == Whose::caller;
  call.aborted = co_await call.client().write(denied ? kDenied : kFailed, kStall) != net::Io::ok;
  call.session->open = false;
  if (!call.aborted) co_await call.client().linger();
}

// Requests come out of the tunnel, one after the other, until one of the two has had enough.
net::Task<void> requests_inside(Call& call, bool tls) {
  Session& session = *call.session;
  Tunnel tunnel;
  tunnel.host = call.target.host;
  tunnel.written_port = call.target.written_port;
  tunnel.port = call.target.port;
  tunnel.ip_literal = call.target.ip_literal;
  tunnel.internal_suffix = call.target.internal_suffix;
  tunnel.tls = tls;
  tunnel.reference = call.reference;
  if (call.connection) call.connection_id = call.connection->meta.id;
  call.connection.reset();  // a credential must not be kept for as long as somebody keeps a tunnel
  begin_tunnel(call, "requests", Counter::tunnels_with_requests);
  session.tunnel = &tunnel;
  call.service().carry(call);
  co_await call.service().requests(session);
  session.tunnel = nullptr;
  session.open = false;
}

// Port 443: TLS will come. Nothing is promised that cannot be kept.
net::Task<Step> secure_tunnel(Call& call) {
  const std::string why_not = co_await why_not_intercepted(call);
  if (why_not.empty()) {
    if (!co_await say_yes(call)) co_return Step{};
    let_go_of_head(call);
    if (co_await shake_hands(call)) co_await requests_inside(call, true);
    co_return Step{};
  }
  if (Step step = may_pass(call, why_not); !step) co_return step;
  co_return co_await pass(call, false);
}

// Any other port: what comes first says what it is.
net::Task<Step> open_tunnel(Call& call) {
  const std::string why_not = co_await why_not_intercepted(call);
  const Step passes = may_pass(call, why_not);
  if (!co_await say_yes(call)) co_return Step{};
  let_go_of_head(call);
  if (!co_await first_bytes(call)) {
    call.aborted = true;
    call.session->open = false;
    co_return Step{};
  }
  const bool tls = call.client().in.view().front() == kHandshake;
  if (!tls || why_not.empty()) {
    if (!tls || co_await shake_hands(call)) co_await requests_inside(call, tls);
    co_return Step{};
  }
  const Step passed = passes ? co_await pass(call, true) : passes;
  if (!passed) co_await refuse_tls(call, passed.error());
  co_return Step{};
}

}  // namespace

Step admit_tunnel(const Request& request) {
  // What follows the head is the tunnel's (RFC 9110 section 9.3.6). Some clients say that it has no length.
  const wire::RequestHead& head = request.head;
  if (head.body == wire::Body::none || (head.body == wire::Body::length && head.content_length == 0)) return {};
  return refuse(Code::malformed_request, "CONNECT has no body; leave Content-Length and Transfer-Encoding out.");
}

Step aim_inside(Request& request) {
  const Tunnel& tunnel = *request.tunnel;
  wire::Target& target = request.target;
  const auto another = [] {
    return refuse(Code::malformed_request,
                  "A request inside a tunnel must be for the host and port that the tunnel was opened to: Host, and an "
                  "absolute target, have to name them.");
  };
  if (target.form == wire::Form::authority)
    return refuse(Code::tunnel_not_supported, "There are no tunnels within a tunnel; open it at the proxy itself.");
  if (target.form == wire::Form::absolute) {
    const std::uint16_t implied = target.tls_scheme ? kSecure : 80;
    const std::uint16_t port = target.written_port == 0 ? implied : target.written_port;
    if (target.host != tunnel.host || port != tunnel.written_port) return another();
  } else if (target.form == wire::Form::origin) {
    target.path = request.head.target;  // /c/… is a path like any other here
    target.base_connection = {};
    target.slash_missing = false;
  }
  const wire::Field* field = request.head.fields.find(FieldId::host);
  wire::HostPort host;
  if (field == nullptr || wire::parse_host(field->value, host).fault != wire::Fault::none || host.host != tunnel.host ||
      (host.port != 0 && host.port != tunnel.written_port)) {
    return another();
  }
  target.form = wire::Form::absolute;  // as if it had been sent to the proxy whole
  target.host = tunnel.host;
  target.port = tunnel.port;
  target.written_port = tunnel.written_port;
  target.ip_literal = tunnel.ip_literal;
  target.internal_suffix = tunnel.internal_suffix;
  target.tls_scheme = tunnel.tls;
  return {};
}

// What the bytes are nobody sees, so an authorization that looks at methods or paths cannot let them through.
Step may_pass(const Request& request, std::string_view why_not) {
  const wire::Target& target = request.target;
  const Caller& caller = *request.caller;
  const std::string where = authority_of(target);
  if (!egress_allows(request.settings(), target.host, target.written_port)) {
    if (request.connection && !request.connection->leads_to(target.host, target.port))
      return refuse(Code::destination_not_allowed, why_not_there(request, "/"));
    return refuse(
        Code::tunnel_not_supported,
        fmt::format("TLS to {0} is not intercepted here ({2}), and egress does not let it through: send the request "
                    "as {1} through the proxy, it goes out over TLS; or an administrator adds {0} to "
                    "intercept.hosts, or, without a credential, to egress.allow.",
                    where, plain_url(target), why_not));
  }
  if (named_by_field(request))
    return refuse(Code::tunnel_not_supported,
                  fmt::format("TLS to {} is not intercepted here ({}), so nothing can be injected for the connection "
                              "that X-Connection-Id names; leave it out, or send the request as {}.",
                              where, why_not, plain_url(target)));
  if (!caller.may_method(request.head.method) || caller.authorization.paths)
    return refuse(Code::destination_not_allowed,
                  "The caller's token is bound to methods or paths, which cannot be seen in a tunnel.");
  return {};
}

void begin_tunnel(Call& call, const char* kind, Counter counter) {
  call.tunnel_kind = kind;
  call.service().worker().metrics().add(counter);
  call.service().worker().metrics().add(observe::Gauge::open_tunnels, 1);  // record() takes it back
}

net::Task<Step> tunnel(Call& call) {
  return call.target.written_port == kSecure ? secure_tunnel(call) : open_tunnel(call);
}

}  // namespace postern::serve
