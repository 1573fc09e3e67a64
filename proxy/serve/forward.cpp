// 8 forward: lease an upstream exchange, write the built head, relay both bodies with back-pressure, apply the replay
// rule.
#include <fmt/format.h>

#include "proxy/serve/answer.hpp"
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

using net::Fault;

constexpr int kMostInterim = 8;

std::uint64_t microseconds_since(std::chrono::steady_clock::time_point then) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - then).count());
}

// A body that is still with the caller cannot be sent twice.
bool whole_request_held(const Call& call) {
  return call.collected || call.head.body == wire::Body::none || call.body.ended();
}

// From its beginning, however often it is sent.
void resend_spilled(Call& call) {
  Service& service = call.service();
  call.resent.emplace(*call.spilled, *service.common().body_offload, service.worker().context());
  call.body.start_from(call.client(), *call.resent);
}

net::Soon<Fault> send_leased(Call& call, Fault leased) {
  if (leased != Fault::none) return leased;
  call.reused = call.exchange->reused();
  if (call.ended) return Fault::ended;
  note_use(call);
  if (call.spilled) resend_spilled(call);
  const bool streams = (!call.collected || call.spilled) && !call.body.ended();
  return call.exchange->send(call.out, streams ? &call.body : nullptr, call.chunked, call.changes.transform.get());
}

net::Task<Fault> send_once_leased(Call& call, net::Soon<Fault> leasing) {
  const Fault leased = co_await leasing;
  co_return co_await send_leased(call, leased);
}

net::Soon<Fault> send(Call& call, bool new_only) {
  const bool young_only = !call.idempotent();
  net::Soon<Fault> leasing = net::Exchange::lease(
      call.service().network(), call.route, exchange_timeouts(call.settings()), young_only, new_only, *call.exchange);
  if (!leasing.await_ready()) return send_once_leased(call, std::move(leasing));
  return send_leased(call, leasing.await_resume());
}

// The final head; interim ones are relayed on the way, at most eight.
net::Task<Fault> read_final_head(Call& call) {
  for (int interim = 0;; ++interim) {
    const Fault fault = co_await call.exchange->read_head(call.head.method, call.answer);
    if (fault != Fault::none) co_return fault;
    if (call.answer.status >= 200) co_return Fault::none;
    if (call.answer.status == 101) co_return grants_upgrade(call) ? Fault::none : Fault::malformed;
    if (interim >= kMostInterim) co_return Fault::malformed;
    if (call.head.minor >= 1 && !(call.answer.status == 100 && call.collected)) {
      write_interim_head(call);
      call.interim_sent = true;
      if (co_await call.client().write(call.answer_head, call.settings().timeouts.stream_idle) != net::Io::ok) {
        co_return Fault::client_gone;
      }
    }
    call.exchange->drop_head(call.answer);
  }
}

// A pooled connection that died before it said anything may be replaced once, if sending twice does no harm.
bool may_replay(const Call& call, Fault fault) {
  return fault == Fault::closed && call.exchange->reused() && !call.exchange->saw_bytes() && call.idempotent() &&
         whole_request_held(call) && !call.ended;
}

// Made of the time, a nonce or a count: a service that has seen the first sending would take the second for a replay.
bool made_for_one_sending(const Call& call) {
  constexpr std::uint8_t kOnce = inject::needs_time | inject::needs_challenge;
  return call.connection && (call.connection->injection->needs() & kOnce) != 0;
}

net::Task<Fault> exchange_heads(Call& call) {
  const bool held_before = whole_request_held(call);
  Fault fault = co_await send(call, false);
  // An answer may be waiting although the upstream stopped reading the request.
  if (call.exchange->open() && (fault == Fault::none || fault == Fault::closed)) fault = co_await read_final_head(call);
  if (!held_before || !call.exchange->open() || !may_replay(call, fault)) co_return fault;
  if (made_for_one_sending(call) && !co_await inject(call)) co_return fault;
  co_await call.exchange->finish(false);
  call.service().worker().metrics().add(observe::Counter::retries);
  call.exchange.emplace(call.service().network());
  fault = co_await send(call, true);
  if (fault == Fault::none) fault = co_await read_final_head(call);
  co_return fault;
}

bool unproxied_auth(const Call& call) {
  return call.answer.status == 407;
}

net::Task<void> relay_answer(Call& call) {
  using Out = net::Exchange::Out;
  net::Exchange& exchange = *call.exchange;
  const Out out = framing_to_caller(call);
  const bool close = !call.keep_alive() || !exchange.upload_done() || out == Out::until_close;
  write_answer_head(call, out, close);
  call.status = call.answer.status;
  call.answer_started = true;
  const bool upstream_keeps = call.answer.keep_alive;
  Fault fault = co_await exchange.relay(call.client(), call.answer_head, call.answer, out);
  if (call.ended) fault = Fault::ended;
  co_await exchange.finish(fault == Fault::none && upstream_keeps && exchange.upload_done());
  if (fault != Fault::none) {
    // Cut short: the caller must see that, so its connection is reset, never ended cleanly.
    call.aborted = true;
    call.session->open = false;
    call.client().abort();
  } else if (close) {
    call.session->open = false;
    // Closing over bytes that nobody read would reset the connection and could take the answer with it.
    if (!call.body.ended() || call.client().socket().peek() == net::Io::ok) co_await call.client().linger();
  }
}

// The WebSocket is there: its frames go both ways, untouched, until both sides have ended or something ends.
net::Task<void> relay_websocket(Call& call) {
  write_upgrade_head(call);
  call.status = call.answer.status;
  call.answer_started = true;
  call.path_kept = call.target.path_only();
  call.target.path = call.path_kept;
  call.head.reset();
  call.head.method = "GET";
  begin_tunnel(call, "websocket", observe::Counter::websockets);
  const net::Relayed relayed = co_await call.exchange->relay_both(call.client(), call.answer_head, call.answer);
  call.aborted = relayed.end != net::Relayed::End::whole;
  co_await call.exchange->finish(false);
  call.session->open = false;
  if (call.aborted) call.client().abort();
}

}  // namespace

// What an upstream asks for is answered, and once more if only the nonce was too old by then.
net::Task<Fault> exchange_with_an_answer(Call& call) {
  const bool held = whole_request_held(call);
  if (!held && wants_probe(call)) {
    const Fault fault = co_await probe(call);
    if (fault != Fault::none) co_return fault;
  }
  for (int answers = 0;; ++answers) {
    const Fault fault = co_await exchange_heads(call);
    if (fault != Fault::none || !take_challenge(call, answers) || !held || !co_await inject(call)) co_return fault;
    co_await call.exchange->finish(false);
    call.service().worker().metrics().add(observe::Counter::retries);
    call.exchange.emplace(call.service().network());
  }
}

// The answer to the request; a token that is refused is replaced once, and a second refusal passed on.
net::Task<Fault> exchange_with_a_good_token(Call& call) {
  if (call.connection && call.connection->answers_challenges) co_return co_await exchange_with_an_answer(call);
  const bool held = whole_request_held(call);
  Fault fault = co_await exchange_heads(call);
  if (fault != Fault::none || !held || !may_replay_refused(call) || !co_await replace_token(call)) co_return fault;
  co_await call.exchange->finish(false);
  call.service().worker().metrics().add(observe::Counter::retries);
  call.exchange.emplace(call.service().network());
  fault = co_await exchange_heads(call);
  if (fault == Fault::none && call.answer.status != 401)
    call.service().common().tokens->accepted(call.connection->meta.id);
  co_return fault;
}

net::Task<Step> forward(Call& call) {
  const auto sent = std::chrono::steady_clock::now();
  call.exchange.emplace(call.service().network());
  Fault fault = co_await exchange_with_a_good_token(call);
  vault::wipe(call.out);
  call.changes.clear();
  if (call.ended) fault = Fault::ended;
  if (fault == Fault::none && unproxied_auth(call)) {
    call.session->open = false;
    co_await call.exchange->finish(false);
    co_return refuse(
        Code::upstream_malformed,
        "The upstream asked for proxy authentication, which only a proxy may do; its answer was not passed on.");
  }
  if (fault == Fault::none) {
    call.upstream_head_us = microseconds_since(sent);
    call.service().worker().metrics().observe(observe::Histogram::upstream_head_seconds, call.upstream_head_us);
    if (call.answer.status == 101)
      co_await relay_websocket(call);
    else
      co_await relay_answer(call);
    co_return Step{};
  }
  Problem problem = from_fault(fault, call.target.host, call.exchange->reason());
  if (fault == Fault::malformed && call.answer.status == 101)
    problem.detail = fmt::format(
        "{} answered 101 without granting the WebSocket that was asked for, as RFC 6455 says; nothing of it was passed "
        "on.",
        call.target.host);
  if (fault == Fault::client_gone) call.silent = true;
  if (fault == Fault::client_malformed)
    problem.detail = call.exchange->reason().empty()
                         ? std::string("The chunked request body is malformed: ") + call.body.why().detail
                         : call.exchange->reason();
  co_await call.exchange->finish(false);
  co_return std::unexpected(std::move(problem));
}

}  // namespace postern::serve
