#pragma once
// Where tokens are asked for: the one place of the process that talks to token endpoints and renews connections
// (DESIGN section 7). An interface, because the REST API asks too and knows nothing of the data path; serve's
// TokenService is the implementation.
//
// Thread safety: any thread. `done` is called once, always, on the desk's own thread: it hands over and returns at
// once, and it must not wait for the desk. Ownership: arguments are moved in. Nobody asks a desk that has been stopped.
#include <cstdint>
#include <expected>
#include <functional>
#include <string>

#include "proxy/grants/token_answer.hpp"
#include "proxy/grants/transport.hpp"

namespace postern::grants {

struct ConnectionKey {
  std::string organization, project, id;
};

// When a request was sent, on both clocks: what vault::TokenTimes keeps.
struct Sent {
  std::int64_t wall_ms = 0, boot_ms = 0;
  std::string boot_id;
};
Sent moment(std::int64_t wall_ms);  // with the boot clock as it is now

enum class Why : std::uint8_t {
  due,      // in the background: nobody waits for it
  forced,   // it is about to end
  ended,    // it has ended, or there never was one
  refused,  // the service answered 401 to it: limited, because callers can provoke that
  test      // a person asks: if it is due, or was refused for good, whatever is known of its chances
};

struct Renewed {
  enum class Kind : std::uint8_t {
    renewed,        // there is a new token; the workers have been told
    current,        // the stored token is newer than the asker's, or not due (any more): read it again
    in_progress,    // ten seconds were not enough, or too many wait: the flight goes on
    limited,        // Why::refused, too soon after the last one
    rejected,       // the grant is dead: `reason` refresh_rejected, refresh_outcome_lost or credentials_rejected
    client,         // the auth config is in error (client_rejected)
    configuration,  // what is asked for is wrong (configuration); the connection's configuration is unusable
    unavailable,    // the endpoint could not be asked, or gave nothing of use; again after `retry_after_ms`
    held,           // a copied, restored or rolled-back vault: its refresh token may be another's by now
    disabled,       // the connection or its auth config is
    gone,           // no such connection, or it was revoked
    vault           // it cannot be written down, so it was not asked for (or cannot be read)
  };
  Kind kind = Kind::vault;
  std::uint64_t generation = 0;  // of the credential that is stored now; 0: not known
  std::string reason, text;      // as the connection's (or auth config's) status has them; never a secret
  std::int64_t retry_after_ms = 0;
};

// A call whose answer is tokens: the code of a link, a device's, a first client-credentials call.
struct Question {
  TokenRequest request;
  config::OAuthAnswer answer;  // of the entry
  Values values;               // what was sent: must not come back in an error's text
};
struct Answer {
  std::expected<Tokens, Failure> tokens;
  Sent sent;
};
// Any other call to an endpoint (revocation, introspection, verify): what came back, as it is.
struct Called {
  Delivery delivery;
  std::int64_t sent_ms = 0, received_ms = 0;  // wall clock, for Reading
};

class TokenDesk {
 public:
  virtual ~TokenDesk() = default;
  // One call, no retry, nothing written: what comes of it is the caller's to keep.
  virtual void exchange(Question question, std::function<void(Answer)> done) = 0;
  virtual void call(TokenRequest request, std::function<void(Called)> done) = 0;
  // Renews a connection's token: durable intent, one request, durable outcome. `generation`: of the credential that the
  // asker has (0: whatever there is). Joins a flight that is under way. `done` may be empty.
  virtual void refresh(ConnectionKey key, std::uint64_t generation, Why why, std::function<void(Renewed)> done) = 0;
  // The token of a refresh for Why::refused was taken by the service: the next one need not wait longer.
  virtual void accepted(const std::string& connection_id) = 0;
  // A connection was made, rotated or enabled, or an auth config changed: look at what is due, and forget earlier
  // failures (of all connections with an empty id).
  virtual void wake(const std::string& connection_id) = 0;
};

}  // namespace postern::grants
