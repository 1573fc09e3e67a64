// A 401 that asks for Digest (RFC 7616): the challenge is learned, and the request sent again with its answer. The
// first request goes out without anything secret; those that follow answer before they are asked.
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

using net::Fault;

constexpr int kMostAnswers = 2;            // to one request: the challenge, and a nonce that was too old by then
constexpr std::int64_t kSureFor = 10'000;  // ms after a good answer that a nonce is still taken for good

std::string values_of(const wire::ResponseHead& answer, std::string_view name) {
  std::string out;
  for (const wire::Field& field : answer.fields.all())
    if (wire::iequals(field.name, name)) out.append(out.empty() ? "" : ", ").append(field.value);
  return out;
}

void note_accepted(const wire::ResponseHead& answer, Challenges::Learned& learned) {
  learned.accepted_ms = net::monotonic_ms();
  auto next = inject::next_nonce(values_of(answer, "Authentication-Info"));
  if (next && *next != learned.challenge.nonce) Challenges::renew(learned, std::move(*next));
}

// HEAD of the same target, without the body and what speaks of it.
net::Task<Step> write_probe(Call& call) {
  const auto method = std::exchange(call.head.method, "HEAD");
  const auto body = std::exchange(call.head.body, wire::Body::none);
  call.collected = true;
  Step written = co_await inject(call);
  call.collected = false;
  call.head.body = body;
  call.head.method = method;
  co_return written;
}

net::Task<Fault> exchange_probe(Call& call) {
  net::Exchange& exchange = *call.exchange;
  Fault fault = co_await net::Exchange::lease(call.service().network(), call.route, exchange_timeouts(call.settings()),
                                              false, false, exchange);
  if (fault == Fault::none && call.ended) fault = Fault::ended;
  if (fault == Fault::none) fault = co_await exchange.send(call.out, nullptr, false);
  if (fault == Fault::none) fault = co_await exchange.read_head("HEAD", call.answer);
  while (fault == Fault::none && call.answer.status < 200 && call.answer.status != 101) {
    exchange.drop_head(call.answer);
    fault = co_await exchange.read_head("HEAD", call.answer);
  }
  co_return fault;
}

}  // namespace

Challenges::Learned* challenge_for(const Request& request) {
  Challenges& challenges = request.connection->challenges;
  if (challenges.empty()) return nullptr;
  // What was asked of this very request is answered, wherever its `domain` says that it holds.
  if (Challenges::Learned* const asked = challenges.find(request.asked)) return asked;
  return challenges.find(request.target.host, request.target.port, path_upstream(request));
}

bool take_challenge(Call& call, int answers) {
  Challenges& challenges = call.connection->challenges;
  Challenges::Learned* const used = challenges.find(call.answering.serial);
  if (call.answer.status != 401) {
    if (used != nullptr) note_accepted(call.answer, *used);
    return false;
  }
  auto asked = inject::strongest_digest(values_of(call.answer, "WWW-Authenticate"));
  const bool unanswered = call.answering.serial == 0;
  // A nonce from before may be too old although the server does not say so; one that came for this very request is not.
  const bool old =
      asked && (asked->stale || (answers == 0 && (used == nullptr || used->challenge.nonce != asked->nonce)));
  if (!asked || (!unanswered && !old)) {
    challenges.forget(call.answering.serial);  // refused: the next request begins anew
    return false;
  }
  call.asked = challenges.learn(call.target.host, call.target.port, std::move(*asked)).serial;
  return answers < kMostAnswers && !call.interim_sent && !call.ended;
}

bool wants_probe(const Call& call) {
  const Challenges::Learned* const learned = challenge_for(call);
  return learned == nullptr || learned->accepted_ms == 0 || net::monotonic_ms() - learned->accepted_ms > kSureFor;
}

net::Task<Fault> probe(Call& call) {
  std::string request = std::exchange(call.out, {});
  auto answering = call.answering;
  const bool chunked = call.chunked;
  Fault fault = Fault::none;
  bool asked = false;
  if (co_await write_probe(call)) {
    fault = co_await exchange_probe(call);
    asked = fault == Fault::none && take_challenge(call, 0);
    co_await call.exchange->finish(false);
  }
  if (fault != Fault::none) {
    vault::wipe(request);
    co_return fault;
  }
  call.exchange.emplace(call.service().network());
  if (asked && co_await inject(call)) {
    vault::wipe(request);
    co_return Fault::none;
  }
  // Nothing was asked, or nothing that can be answered without the body: as it was, and the upstream says the rest.
  vault::wipe(call.out);
  call.out = std::move(request);
  call.answering = std::move(answering);
  call.chunked = chunked;
  co_return Fault::none;
}

}  // namespace postern::serve
