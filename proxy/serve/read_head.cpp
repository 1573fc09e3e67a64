// 1 read_head: bytes to a RequestHead, by the strict parser. Bad framing ends here.
#include "proxy/serve/call.hpp"

namespace postern::serve {

net::Task<Step> read_head(Call& call) {
  net::Client& client = call.client();
  // The first byte is here. The deadline is absolute: a byte now and then does not move it.
  client.socket().expire_after(call.settings().client_head);
  call.started = std::chrono::steady_clock::now();
  for (;;) {
    wire::Refusal why;
    const wire::Parse parse = wire::parse_request_head(client.in.view(), call.head, why);
    if (parse == wire::Parse::done) break;
    if (parse == wire::Parse::refused) {
      call.head.reset();  // nothing of it may be used
      co_return std::unexpected(from_refusal(why));
    }
    if (call.service().overloaded(call.settings())) {  // a head that comes in pieces holds memory too
      call.head.reset();
      co_return refuse_overload();
    }
    const net::Io io = co_await client.fill(client.in);
    if (io == net::Io::ok) continue;
    call.head.reset();
    if (client.socket().expired()) {
      co_return refuse(Code::request_timeout, "The request head did not arrive in time; send it in one piece.");
    }
    call.silent = true;  // hung up in mid-head: there is nobody to answer
    co_return refuse(Code::malformed_request, "The request head is incomplete.");
  }
  client.socket().no_deadline();
  client.in.consume(call.head.size);
  call.body.start(client, call.head.body, call.head.content_length, call.settings().body_limit.value_or(UINT64_MAX));
  co_return Step{};
}

}  // namespace postern::serve
