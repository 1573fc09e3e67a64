#pragma once
// The head of an upstream's answer as the caller gets it: hop-by-hop and credential fields dropped, targets rewritten
// to the form the caller used, the injected value masked, framing rebuilt. Pure but for `call.answer_head`, which it
// writes.
#include "proxy/serve/call.hpp"

namespace postern::serve {

// How the body goes to the caller.
net::Exchange::Out framing_to_caller(const Call& call);
// Writes call.answer_head for the final answer; `close`: the caller is told that the connection ends.
void write_answer_head(Call& call, net::Exchange::Out out, bool close);
// Writes call.answer_head for a 1xx.
void write_interim_head(Call& call);
// The same for the 101 that grants a WebSocket.
void write_upgrade_head(Call& call);
// Whether this 101 grants the WebSocket that was asked for, and nothing else (RFC 9110 section 7.8, RFC 6455 section
// 4.1).
bool grants_upgrade(const Call& call);

}  // namespace postern::serve
