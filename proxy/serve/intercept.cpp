// Whether the TLS of a tunnel ends here, so that what is inside goes through the story like any other request, and the
// handshake where it does. Asked of every CONNECT, before its 200.
#include <fmt/format.h>

#include <algorithm>

#include "proxy/observe/log.hpp"
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

using observe::Counter;

// Whom the caller believes to speak to: what it verifies the certificate for.
std::string name_shown(const wire::Target& target) {
  return target.internal_suffix ? target.host + ".postern.internal" : target.host;
}

bool is_led_there(const Call& call) {
  const wire::Target& target = call.target;
  if (call.connection && call.connection->leads_to(target.host, target.port)) return true;
  const auto& defaults = call.caller->default_for;
  return std::any_of(defaults.begin(), defaults.end(), [&](const auto& row) { return row.first == target.host; });
}

// Any connection that a request inside may name will do.
net::Task<std::string> look_for_connection(Call& call) {
  const auto choices = co_await call.service().directory().choices(*call.caller, call.target.host);
  co_return choices.empty() ? std::string(kNoConnectionThere) : std::string();
}

void tell_failure(const Call& call, const net::TlsAccepted& accepted) {
  const std::string detail =
      accepted.untrusted
          ? "The caller does not trust the local CA: give it the certificate that `postern ca export` prints "
            "(`postern ca trust` says how), or run it with `postern exec`."
          : "The caller's TLS handshake in the tunnel failed: " + accepted.reason + ".";
  observe::log_event(observe::Level::warn, "tunnel_handshake_failed", detail,
                     {{"request_id", call.request_id}, {"host", call.target.host}, {"reason", accepted.reason}});
}

}  // namespace

std::string why_no_certificate(const Request& request, const vault::Authority* authority, std::int64_t now) {
  const wire::Target& target = request.target;
  if (!intercepts(request.settings(), target.host, target.written_port)) return std::string(kNotOptedIn);
  if (authority == nullptr) return "there is no local CA; an administrator makes one with `postern ca create`";
  if (!authority->valid_at(now))
    return "the local CA has expired; an administrator makes another with `postern ca rotate`";
  if (!authority->permits(name_shown(target)))
    return "the local CA was made for other hosts; an administrator makes another with `postern ca rotate`";
  return {};
}

net::Soon<std::string> why_not_intercepted(Call& call) {
  Service& service = call.service();
  std::string why = why_no_certificate(call, service.authority(), service.common().now_ms() / 1000);
  if (!why.empty() || is_led_there(call)) return why;
  return look_for_connection(call);
}

net::Task<bool> shake_hands(Call& call) {
  Service& service = call.service();
  net::Client& client = call.client();
  net::TlsAccepted accepted{net::Fault::tls, false, "no certificate could be made"};
  if (net::SslPtr ssl =
          service.leaves().open(name_shown(call.target), call.target.ip_literal, service.common().now_ms() / 1000)) {
    accepted = co_await client.accept_tls(std::move(ssl), call.settings().timeouts.tls);
  }
  const bool fine = accepted.fault == net::Fault::none;
  service.worker().metrics().add(fine                 ? Counter::client_tls_ok
                                 : accepted.untrusted ? Counter::client_tls_untrusted
                                                      : Counter::client_tls_failed);
  if (fine) co_return true;
  if (!call.ended) tell_failure(call, accepted);
  call.aborted = true;
  call.session->open = false;
  if (accepted.fault == net::Fault::tls) co_await client.linger();  // the alert must arrive
  co_return false;
}

}  // namespace postern::serve
