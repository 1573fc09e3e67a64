// 3 identify: who calls, and which connection. Nothing of a credential is opened here.
#include <algorithm>

#include "proxy/net/rest.hpp"
#include "proxy/serve/call.hpp"
#include "proxy/serve/credentials.hpp"

namespace postern::serve {
namespace {

std::unexpected<Problem> refuse_unauthenticated(Call& call) {
  call.service().worker().metrics().add(observe::Counter::caller_auth_failures);
  return std::unexpected(unauthenticated(call.base_mode));
}

// A failed token costs its own connection time, never anybody else: no lock-out by address.
net::Task<void> slow_down(Session& session) {
  const unsigned failures = session.failed_tokens++;
  if (failures == 0) co_return;
  co_await net::rest(session.service.worker().ticker(), net::Millis(std::min(2000, 100 << std::min(failures, 5U))));
}

// The same field value as before on a kept connection, whose caller nothing has happened to.
bool is_remembered(const Call& call) {
  const Session& session = *call.session;
  const wire::Field* field = call.head.fields.find(wire::FieldId::proxy_authorization);
  return session.caller && field != nullptr && session.remembered.equals(field->value) &&
         usable_now(*session.caller, call.service().common().now_ms());
}

net::Task<Step> find_caller(Call& call, const Presented& presented) {
  Session& session = *call.session;
  if (presented.token.empty()) {
    if (!call.settings().open_callers) co_return refuse_unauthenticated(call);
    session.remembered = {};  // nobody in particular opens a tunnel, either
    call.caller = call.service().directory().open_caller();
    co_return Step{};
  }
  const Found<Caller> found = co_await call.service().directory().authenticate(presented.token);
  if (found.trouble == Trouble::vault) co_return std::unexpected(from_trouble(found.trouble, found.detail));
  if (!found.value || !usable_now(*found.value, call.service().common().now_ms())) {
    co_await slow_down(session);
    co_return refuse_unauthenticated(call);
  }
  session.failed_tokens = 0;
  if (!call.base_mode) {
    session.remembered = vault::Secret(presented.field_value);
    session.remembered_user = presented.user;
    session.caller = found.value;
  }
  call.caller = found.value;
  co_return Step{};
}

net::Task<Step> nothing_named(Call& call) {
  if (egress_allows(call.settings(), call.target.host, call.target.port)) co_return Step{};
  co_return std::unexpected(unnamed(co_await call.service().directory().choices(*call.caller, call.target.host)));
}

// Without a name: the connection that this authorization made the default for the host.
Step default_connection(Request& request) {
  for (const auto& [host, id] : request.caller->default_for) {
    if (host != request.target.host) continue;
    if (!request.reference.empty() && request.reference != id) {
      request.reference.clear();
      return refuse(Code::connection_id_missing,
                    "Several connections are the default for this host; name one with X-Connection-Id.");
    }
    request.reference = id;
  }
  return {};
}

// limits.caller_requests: one token cannot take every turn.
Step take_turn(Call& call) {
  const std::optional<std::size_t>& most = call.settings().caller_requests_max;
  if (!most || !call.caller->under_way) return {};
  std::atomic<std::size_t>& under_way = *call.caller->under_way;
  if (under_way.fetch_add(1, std::memory_order_relaxed) < *most) {
    call.counted = true;
    return {};
  }
  under_way.fetch_sub(1, std::memory_order_relaxed);
  return refuse(Code::rate_limited,
                "This token has as many requests under way as limits.caller_requests allows; wait for one to end.");
}

// The proxy user name is a run's default: where its connection does not lead and egress does, nothing of it goes out,
// as in a tunnel.
bool stays_out(const Call& call) {
  const wire::Target& target = call.target;
  return target.form != wire::Form::authority && !call.connection->leads_to(target.host, target.port) &&
         egress_allows(call.settings(), target.host, target.port);
}

Step take(Call& call, Found<Known> found, bool by_user) {
  call.rules = &call.service().rules();  // a reload may have come while it was looked up
  if (!found.value) return std::unexpected(from_trouble(found.trouble, std::move(found.detail)));
  call.connection = std::move(found.value);
  if (by_user && stays_out(call)) call.connection.reset();
  return {};
}

net::Task<Step> take_later(Call& call, net::Soon<Found<Known>> finding, bool by_user) {
  co_return take(call, co_await finding, by_user);
}

// The caller is known. `user`: the connection that the proxy user name gives, often none.
net::Soon<Step> with_caller(Call& call, const std::string& user) {
  if (call.caller->reach.nowhere()) return Step(incapable());
  if (Step step = take_turn(call); !step) return step;
  if (Step step = name_connection(call, user); !step) return step;
  if (call.reference.empty()) {
    if (call.target.form == wire::Form::authority) return Step{};  // a request inside may name one
    return nothing_named(call);
  }
  // A tunnel's own is final only where its CONNECT named it by field, and then it leads there.
  const bool by_user =
      !user.empty() && !call.base_mode && call.head.fields.find(wire::FieldId::x_connection_id) == nullptr;
  net::Soon<Found<Known>> finding = call.service().directory().find(*call.caller, call.reference);
  if (!finding.await_ready()) return take_later(call, std::move(finding), by_user);
  return take(call, finding.await_resume(), by_user);
}

net::Task<Step> authenticate_first(Call& call) {
  Presented presented = from_proxy_authorization(call.head);
  if (call.base_mode && presented.token.empty()) {
    presented = from_sdk_field(call.head);
    call.token_field = presented.field_value;
  }
  Step step = co_await find_caller(call, presented);
  vault::wipe(presented.token);
  if (!step) co_return step;
  co_return co_await with_caller(call, presented.user);
}

// Who opened the tunnel, although something has happened to it since: is it still somebody who may call?
net::Task<Step> authenticate_again(Call& call) {
  Presented presented = from_proxy_authorization(call.session->remembered.expose());
  Step step = co_await find_caller(call, presented);
  vault::wipe(presented.token);
  if (!step) co_return step;
  co_return co_await with_caller(call, call.tunnel->reference);
}

// In a tunnel the CONNECT has said who calls; what the request says about that is for nobody.
net::Soon<Step> identify_inside(Call& call) {
  const Session& session = *call.session;
  if (session.remembered.empty() || !usable_now(*session.caller, call.service().common().now_ms()))
    return authenticate_again(call);
  call.caller = session.caller;
  return with_caller(call, call.tunnel->reference);
}

}  // namespace

bool usable_now(const Caller& caller, std::int64_t now_ms) {
  return caller.live && caller.authorization.revoked == 0 &&
         (caller.authorization.expires == 0 || now_ms < caller.authorization.expires);
}

Problem unauthenticated(bool base_mode) {
  Problem problem;
  problem.code = Code::caller_unauthenticated;
  problem.detail =
      base_mode
          ? "Send a valid postern token (pst_…) where the SDK puts its key; make one with `postern tokens create`."
          : "Send a valid postern token: http://<connection or ->:pst_…@proxy, or Proxy-Authorization: Bearer; "
            "make one with `postern tokens create`.";
  return problem;
}

std::unexpected<Problem> incapable() {
  return refuse(
      Code::connection_unavailable,
      "This token may not call through the proxy: it lacks the capability proxy:call, or its user a role in a "
      "project.");
}

Problem unnamed(std::vector<std::string> choices) {
  Problem problem;
  problem.code = Code::connection_id_missing;
  problem.detail = "Name a connection with X-Connection-Id, or as the user name of the proxy URL.";
  problem.choices = std::move(choices);
  return problem;
}

// Header, path, user name: the header overrides the user name, which is a run's default.
Step name_connection(Request& request, std::string_view user) {
  const wire::Field* field = request.head.fields.find(wire::FieldId::x_connection_id);
  if (field != nullptr) {
    if (!vault::is_reference(field->value)) {
      return refuse(Code::malformed_request,
                    "X-Connection-Id must be 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'.");
    }
    if (request.base_mode && field->value != request.target.base_connection) {
      return refuse(Code::connection_ambiguous, "X-Connection-Id and the path name two connections; send one of them.");
    }
    request.reference = field->value;
  } else if (request.base_mode) {
    request.reference = request.target.base_connection;
  } else if (!user.empty()) {
    if (!vault::is_reference(user)) {
      return refuse(Code::malformed_request,
                    "The proxy user name must be a connection's id or alias, or '-' for none.");
    }
    request.reference = user;
  }
  // The default for a host is for requests: of a tunnel each of them gets its own.
  if (!request.reference.empty() || request.target.form == wire::Form::authority) return {};
  return default_connection(request);
}

net::Soon<Step> identify(Call& call) {
  if (call.tunnel != nullptr) return identify_inside(call);
  if (!is_remembered(call)) return authenticate_first(call);
  call.caller = call.session->caller;
  return with_caller(call, call.session->remembered_user);
}

}  // namespace postern::serve
