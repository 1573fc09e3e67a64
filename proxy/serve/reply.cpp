// 9 reply: our own answers only: application/problem+json and Proxy-Status (RFC 9457, RFC 9209).
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proxy/serve/call.hpp"
#include "proxy/wire/writer.hpp"

namespace postern::serve {
namespace {

constexpr std::uint64_t kDrainMost = 64 * 1024;  // a small unread body is read away, so that the connection can go on

bool retry_helps(const Call& call, const Row& r) {
  return r.retry == Retry::yes || (r.retry == Retry::idempotent && call.idempotent());
}

std::string problem_body(const Call& call, const Problem& problem, const Row& r, std::uint16_t status, bool retry) {
  boost::json::object body;
  body["type"] = std::string("urn:postern:problem:") + r.name;
  body["title"] = r.title;
  body["status"] = status;
  body["detail"] = problem.detail;
  body["instance"] = call.request_id;
  body["code"] = r.name;
  body["retryable"] = retry;
  if (!problem.choices.empty()) body["choices"] = boost::json::array(problem.choices.begin(), problem.choices.end());
  if (!problem.connect_url.empty()) body["connectUrl"] = problem.connect_url;
  // The shape that most SDKs look for. Without it stripe's takes a refusal for a result, and openai's error is empty
  // (measured by the client matrix).
  body["error"] = boost::json::object{{"message", problem.detail}, {"type", r.error}, {"code", r.name}};
  if (!problem.pointer.empty()) {
    body["errors"] = boost::json::array{boost::json::object{{"pointer", problem.pointer}, {"detail", problem.detail}}};
  }
  return boost::json::serialize(body);
}

// Reads away what is left of the request body. False: too much, or not in time; the connection must end.
net::Task<bool> drain(Call& call) {
  if (call.body.ended()) co_return true;
  if (call.head.expect_continue || call.head.body == wire::Body::none) co_return false;
  if (call.head.body == wire::Body::length && call.head.content_length > kDrainMost) co_return false;
  const std::uint64_t before = call.body.taken();
  while (!call.body.ended() && call.body.taken() - before <= kDrainMost) {
    const auto piece = co_await call.body.next(net::Millis(1000));
    if (piece.fault != net::Fault::none) break;
  }
  call.client().socket().no_deadline();
  call.client().socket().revive();
  co_return call.body.ended();
}

void write_head(Call& call, const Row& r, std::uint16_t status, bool retry, std::uint32_t retry_after, bool close,
                std::size_t size) {
  wire::HeadWriter writer(call.answer_head);
  const auto set = [&](std::string_view name, std::string_view value) { static_cast<void>(writer.field(name, value)); };
  // Many clients show nothing of a refusal but this line, and of a refused CONNECT most of them do.
  static_cast<void>(writer.status_line(status, fmt::format("{} (postern: {})", wire::reason_phrase(status), r.name)));
  set("Content-Type", "application/problem+json");
  set("Proxy-Status", std::string("postern; error=") + r.error + "; details=\"" + r.name + "\"");
  set("x-should-retry", retry ? "true" : "false");
  set("Cache-Control", "no-store");
  if (retry_after != 0) set("Retry-After", std::to_string(retry_after));
  if (status == 407) set("Proxy-Authenticate", "Basic realm=\"postern\"");
  if (status == 401) set("WWW-Authenticate", "Bearer realm=\"postern\"");
  if (status == 405) set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  if (close)
    set("Connection", "close");
  else if (call.head.minor == 0)
    set("Connection", "keep-alive");
  writer.content_length(size);
  writer.end();
}

// OPTIONS with Max-Forwards: 0 ends here (RFC 9110 section 7.6.2): 200, empty.
void write_empty_ok(Call& call, bool close) {
  wire::HeadWriter writer(call.answer_head);
  static_cast<void>(writer.status_line(200, "OK"));
  if (close) static_cast<void>(writer.field("Connection", "close"));
  writer.content_length(0);
  writer.end();
}

}  // namespace

net::Task<void> reply(Call& call, const Problem& problem) {
  net::Client& client = call.client();
  client.socket().no_deadline();
  if (call.silent) {
    call.session->open = false;
    co_return;
  }
  client.socket().revive();
  const Row& r = row(problem.code);
  if (problem.code == Code::overloaded || problem.code == Code::rate_limited)
    call.service().worker().metrics().add(observe::Counter::requests_shed);
  const bool empty_ok = call.answered;
  std::uint16_t status = empty_ok ? 200 : r.status;
  if (problem.code == Code::caller_unauthenticated && call.base_mode) status = 401;
  const bool retry = retry_helps(call, r);
  // What follows a refused CONNECT is not HTTP.
  bool close = (r.close && !empty_ok) || !call.keep_alive() || call.target.form == wire::Form::authority;
  if (!close) close = !co_await drain(call);
  call.answer_head.clear();
  if (empty_ok) {
    write_empty_ok(call, close);
  } else {
    const std::string body = problem_body(call, problem, r, status, retry);
    const std::uint32_t retry_after = problem.retry_after != 0 ? problem.retry_after : r.retry_after;
    write_head(call, r, status, retry, retry_after, close, body.size());
    if (call.head.method != "HEAD") call.answer_head.append(body);
    call.code = r.name;
  }
  call.status = status;
  if (co_await client.write(call.answer_head, net::Millis(10'000)) != net::Io::ok) call.aborted = true;
  if (!close) co_return;
  call.session->open = false;
  if (!call.aborted) co_await client.linger();
}

}  // namespace postern::serve
