#pragma once
// One request of a client connection, from read_head to record: what was decided about it (Request), and what it takes
// to carry it out. Steps fill it in, in order; a field is valid from the step that is named beside it. Views point into
// the client's buffer.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/net/client.hpp"
#include "proxy/net/exchange.hpp"
#include "proxy/net/request_body.hpp"
#include "proxy/serve/decide.hpp"
#include "proxy/serve/spilled.hpp"

namespace postern::serve {

// One client connection.
struct Session {
  Session(Service& owner, int fd);
  ~Session();
  Service& service;
  net::Client client;
  bool open = true;          // false: close after the current answer
  bool idle = false;         // waiting for a request
  Call* call = nullptr;      // under way: the innermost, of a tunnel that a request came out of
  Tunnel* tunnel = nullptr;  // that its requests come out of; null: none
  // Who called last, and with which field value: the same bytes on a kept connection need no second look. In a tunnel:
  // who opened it.
  vault::Secret remembered;
  std::string remembered_user;
  std::shared_ptr<Caller> caller;
  unsigned failed_tokens = 0;
  std::size_t place = 0;  // in Service::sessions_
};

// Who waits for something that does not end with the call.
class Waiting {
 public:
  virtual ~Waiting() = default;
  virtual void give_up() = 0;  // resumes it from a later turn of the loop
};

struct Call : Request {
  explicit Call(Session& s) : session(&s) {}
  void reset(Session& s);

  Session* session;
  Service& service() const noexcept { return session->service; }
  net::Client& client() const noexcept { return session->client; }

  // 1 read_head
  std::chrono::steady_clock::time_point started;
  std::string request_id;
  bool silent = false;  // nothing to answer and nothing to record: the caller went away
  // 3 identify
  bool counted = false;  // in the caller's requests under way
  // 4 authorize; 5 obtain where it depends on the credential
  std::shared_ptr<net::Route> route;
  // instead of 5 to 8, of a CONNECT
  Call* outer = nullptr;             // the CONNECT whose tunnel this request came out of
  bool carries = false;              // requests come out of its tunnel, which are what is under way then
  net::Upstream* passing = nullptr;  // where its bytes go
  std::string connection_id;         // that it named, once it carries
  std::uint64_t carried_in = 0, carried_out = 0;
  const char* tunnel_kind = "";  // for the access line; of a WebSocket, too
  // 5 obtain
  Waiting* waiting = nullptr;  // for a token
  // 6 collect
  net::RequestBody body;
  std::optional<SpilledBody> resent;  // the spilled body on its way out
  std::size_t held = 0;               // bytes of memory that the service counts for it
  // 8 forward
  std::string path_kept;  // of a WebSocket: the head's bytes are gone by the time it ends
  std::optional<net::Exchange> exchange;
  wire::ResponseHead answer;
  std::string answer_head;
  bool masks_answer = false;             // something in the answer's head may be a value that must not be shown
  std::vector<std::string_view> hidden;  // those values, then
  bool interim_sent = false;             // 1xx answers went to the caller
  bool answer_started = false;           // bytes of an upstream answer went to the caller
  bool ended = false;                    // cut by revocation, deletion, expiry or shutdown
  std::int64_t half_closed_since = 0;
  // 10 record
  std::uint16_t status = 0;
  const char* code = "";  // ours; empty: relayed
  bool aborted = false;
  bool reused = false;
  std::uint64_t upstream_head_us = 0;
  std::size_t place = 0;  // in Service::active_

  bool idempotent() const noexcept;
  bool keep_alive() const noexcept;  // may the client connection go on after this answer
  void end();                        // wake it up to end: see `ended`
};

// The verbs, one file each (DESIGN section 2).
net::Soon<Step> read_head(Call& call);
Step admit(Call& call);
net::Soon<Step> identify(Call& call);
Step authorize(Call& call);
net::Task<Step> tunnel(Call& call);  // only of a CONNECT
net::Soon<Step> obtain(Call& call);
net::Soon<Step> collect(Call& call);
net::Soon<Step> inject(Call& call);
net::Soon<Step> debit(Call& call);  // only of a caller that has a budget
net::Task<Step> forward(Call& call);
net::Task<void> reply(Call& call, const Problem& problem);
void record(Call& call);

// From now on it is a tunnel, or a WebSocket, for access line and metrics.
void begin_tunnel(Call& call, const char* kind, observe::Counter counter);
// Of a CONNECT, with caller and, if one was named, connection. Empty: the caller's TLS ends here. Otherwise what that
// lacks, as a part of a sentence (intercept.cpp).
net::Soon<std::string> why_not_intercepted(Call& call);
// The server's side of the caller's TLS, after the 200. False: it failed, the log knows, and the session ends.
net::Task<bool> shake_hands(Call& call);

// The credential is about to leave: the audit hears of the first time each day. What stands here is all that the others
// pay for it.
inline void note_use(Call& call) {
  const Known* known = call.connection.get();
  if (known == nullptr || (known->noted_caller == call.caller->serial && known->route.get() == call.route.get() &&
                           known->noted_day == call.service().today())) {
    return;
  }
  call.service().tell_use(call);
}

// Asks for a newer token than the connection has; resumes with the desk's answer.
net::Task<grants::Renewed> renew(Call& call, grants::Why why);
// The token was refused with this answer (401), and the request may be sent once more: a newer token is there, and
// `call.out` is written anew. False: the answer is the caller's.
bool may_replay_refused(const Call& call);
net::Task<bool> replace_token(Call& call);

// An answer's challenge is learned (serve/challenged.cpp). True: the request may be sent again with the answer to it;
// `answers`: how often it was.
bool take_challenge(Call& call, int answers);
// A body that is not held goes out once: the challenge is asked for first, with a HEAD of the same target, and
// `call.out` is written anew with the answer to what came.
bool wants_probe(const Call& call);
net::Task<net::Fault> probe(Call& call);

// Where the call goes: a route of the pool, or of its connection.
void find_route(Call& call);

// The story.
net::Task<void> serve(Call& call);

}  // namespace postern::serve
