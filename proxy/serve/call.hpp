#pragma once
// One request and everything that has been decided about it, from read_head to record. Steps fill it in, in order; a
// field is valid from the step that is named beside it. Views point into the client's buffer.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/net/client.hpp"
#include "proxy/net/exchange.hpp"
#include "proxy/net/request_body.hpp"
#include "proxy/serve/problem.hpp"
#include "proxy/serve/service.hpp"
#include "proxy/wire/head.hpp"
#include "proxy/wire/target.hpp"

namespace postern::serve {

// One client connection.
struct Session {
  Session(Service& owner, int fd);
  ~Session();
  Service& service;
  net::Client client;
  bool open = true;   // false: close after the current answer
  bool idle = false;  // waiting for a request
  Call* call = nullptr;
  // Who called last, and with which field value: the same bytes on a kept connection need no second look.
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

struct Call {
  explicit Call(Session& s) : session(&s) {}
  void reset(Session& s);

  Session* session;
  Service& service() const noexcept { return session->service; }
  net::Client& client() const noexcept { return session->client; }
  // What held when the connection was found, and before that when the call began, whatever a reload says later: rules,
  // catalog and connection are of one configuration.
  const Rules* rules = nullptr;
  const config::Settings& settings() const noexcept { return *rules->settings; }

  // 1 read_head
  wire::RequestHead head;
  std::chrono::steady_clock::time_point started;
  std::string request_id;
  bool silent = false;  // nothing to answer and nothing to record: the caller went away
  // 2 admit
  wire::Target target;
  bool base_mode = false;
  // 3 identify
  std::shared_ptr<Caller> caller;
  std::string reference;              // what named the connection; empty: nothing did
  std::shared_ptr<Known> connection;  // null: a relay without credential
  bool counted = false;               // in the caller's requests under way
  std::string_view token_field;       // base-URL mode: the field that held the caller's token
  // 4 authorize
  std::shared_ptr<net::Route> route;
  // 5 obtain
  Waiting* waiting = nullptr;  // for a token
  // 6 collect
  net::RequestBody body;
  bool collected = false;
  std::string collected_body;
  std::size_t held = 0;  // bytes of memory that the service counts for it
  // 7 inject
  inject::Changes changes;
  std::string out;  // the outbound head, then the body if it was collected
  bool chunked = false;
  std::string_view path_prefix;  // what the injection put before the path, a view into it; taken out of targets again
  // 8 forward
  std::optional<net::Exchange> exchange;
  wire::ResponseHead answer;
  std::string answer_head;
  bool masks_answer = false;    // something in the answer's head may be a value that must not be shown
  bool interim_sent = false;    // 1xx answers went to the caller
  bool answer_started = false;  // bytes of an upstream answer went to the caller
  bool ended = false;           // cut by revocation, deletion, expiry or shutdown
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
net::Soon<Step> obtain(Call& call);
net::Soon<Step> collect(Call& call);
Step inject(Call& call);
net::Soon<Step> debit(Call& call);  // only of a caller that has a budget
net::Task<Step> forward(Call& call);
net::Task<void> reply(Call& call, const Problem& problem);
void record(Call& call);

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
// The connection's grant is dead: a person must connect it again, there.
std::unexpected<Problem> needs_reconnect(const Call& call);
// The token was refused with this answer (401), and the request may be sent once more: a newer token is there, and
// `call.out` is written anew. False: the answer is the caller's.
bool may_replay_refused(const Call& call);
net::Task<bool> replace_token(Call& call);

// The story.
net::Task<void> serve(Call& call);

}  // namespace postern::serve
