// 1 read_head: bytes to a RequestHead, by the strict parser. Bad framing ends here.
#include "proxy/serve/call.hpp"

namespace postern::serve {

namespace {

Step begin(Call& call) {
  net::Client& client = call.client();
  client.in.consume(call.head.size);
  call.body.start(client, call.head.body, call.head.content_length, call.settings().body_limit.value_or(UINT64_MAX));
  return {};
}

// nullopt: there is more to come.
std::optional<Step> parse(Call& call) {
  wire::Refusal why;
  const wire::Parse parsed = wire::parse_request_head(call.client().in.view(), call.head, why);
  if (parsed == wire::Parse::more) return std::nullopt;
  if (parsed == wire::Parse::done) return begin(call);
  call.head.reset();  // nothing of it may be used
  return std::unexpected(from_refusal(why));
}

net::Task<Step> read_more(Call& call) {
  net::Client& client = call.client();
  // The first byte is here. The deadline is absolute: a byte now and then does not move it.
  client.socket().expire_after(call.settings().client_head);
  for (;;) {
    if (call.service().overloaded(call.settings())) {  // a head that comes in pieces holds memory too
      call.head.reset();
      co_return refuse_overload();
    }
    if (co_await client.fill(client.in) != net::Io::ok) break;
    if (std::optional<Step> step = parse(call)) {
      client.socket().no_deadline();
      co_return std::move(*step);
    }
  }
  call.head.reset();
  if (client.socket().expired())
    co_return refuse(Code::request_timeout, "The request head did not arrive in time; send it in one piece.");
  call.silent = true;  // hung up in mid-head: there is nobody to answer
  co_return refuse(Code::malformed_request, "The request head is incomplete.");
}

}  // namespace

net::Soon<Step> read_head(Call& call) {
  call.started = std::chrono::steady_clock::now();
  call.client().socket().no_deadline();
  if (std::optional<Step> step = parse(call)) return std::move(*step);
  return read_more(call);
}

}  // namespace postern::serve
