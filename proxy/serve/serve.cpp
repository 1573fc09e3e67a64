// The life of a request. proxy/README.md tells the same story with the same numbers.
#include "proxy/serve/call.hpp"

namespace postern::serve {

net::Task<void> serve(Call& call) {
  Step step = co_await read_head(call);      //  1 bytes to a RequestHead
  if (step) step = admit(call);              //  2 method, target, limits, loops
  if (step) step = co_await identify(call);  //  3 who calls, which connection
  if (step) step = authorize(call);          //  4 caller x connection x host x method x path
  if (step && call.target.form == wire::Form::authority) {
    step = co_await tunnel(call);  //    CONNECT: bytes pass, or requests come out and go from 1 to 10 themselves
  } else {
    if (step) step = co_await obtain(call);   //  5 a usable credential
    if (step) step = co_await collect(call);  //  6 the body, only if something asks for it
    if (step) step = inject(call);            //  7 the outbound head, with exactly one of each
    if (step && !call.caller->budgets.empty()) step = co_await debit(call);
    if (step) step = co_await forward(call);  //  8 lease, send, relay both ways
  }
  if (!step) co_await reply(call, step.error());  //  9 our own answers only
  record(call);                                   // 10 for every request, whatever happened
}

}  // namespace postern::serve
