#pragma once
// What was done, by whom: events that are only ever added, one chain an organization and one for the system.
//
// Every event holds an HMAC over itself and the HMAC of the event before it, so that one that is removed, changed,
// moved or cut off is found by verify(); only who puts an older head back together with the older end of the chain is
// not, and is with an anchor that somebody has noted ("SEQUENCE:MAC", AuditHead::anchor()). Vault::audit() is the way
// here. Thread safety: any thread; all of it may block on the disk. Ownership: results are copies. Absence: an
// organization that has no events yet has an empty chain. Errors besides those named: as every call of vault.hpp (io,
// read_only, corrupt). Times are milliseconds of the wall clock.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/error.hpp"
#include "vault/record.hpp"

namespace postern::vault {

// Nothing in it may be a secret: events are shown, exported and kept for long.
struct Event {
  std::string organization;                   // whose chain it is in; empty: the system's
  std::uint64_t sequence = 0;                 // the vault's: 1 for the first of a chain, then without a gap
  std::int64_t time = 0;                      // the vault's: when it was put into the chain
  std::string actor;                          // "tok_…", "uid-0", "system" (nobody asked for it), "browser", "unknown"
  std::string actor_name;                     // of an authorization; may be empty
  std::string request;                        // id of the call; empty: there was none
  std::string action;                         // "connection.created": what, and what became of it
  std::string subject;                        // its id
  std::string project;                        // of the subject; empty: of none
  std::map<std::string, std::string> detail;  // small: check_event() has the bounds
  std::uint64_t count = 1;                    // how often, where several are told as one
  std::int64_t first = 0, last = 0;           // of those several; 0: it is one, and happened at `time`
  std::uint64_t missed = 0;       // the vault's: how many were not kept between the event before and this one
  std::int64_t missed_since = 0;  // the vault's
  std::string mac;                // the vault's: 32 bytes
};

// What a write of the vault carries along: stored with it in one batch, or not at all. Of an event of a write,
// organization, project and subject are the record's that is written, whatever they were.
struct Beside {
  std::optional<Event> event;
  std::optional<KeptAnswer> answer;  // `id` and `project` likewise
};

// A place in a chain that somebody notes, to compare the chain with later.
struct AuditAnchor {
  std::uint64_t sequence = 0;
  std::string mac = {};  // 32 bytes
};
std::string to_text(const AuditAnchor& anchor);                  // "12:9f0c…": the sequence, and the HMAC in hex
std::optional<AuditAnchor> parse_anchor(std::string_view text);  // exactly what to_text() makes

// Where a chain ends, and where what is kept of it begins.
struct AuditHead {
  std::string organization = {};
  AuditAnchor end = {};              // the last event; sequence 0: there was none yet
  AuditAnchor checkpoint = {};       // the last event that retention erased; sequence 0: none
  std::int64_t checkpoint_time = 0;  // of that event
  std::uint64_t bytes = 0;           // that the kept events take in the store
  std::uint64_t dropped = 0;         // events since the last one that were not kept, because the quota was used up
  std::int64_t dropped_since = 0;
};

struct AuditQuery {
  std::string organization = {};  // empty: the system's
  std::uint64_t after = 0;        // sequence to go on behind, in the order asked for; 0: from the start of it
  std::size_t limit = 100;        // taken as 1 to 1000
  bool descending = true;         // the newest first
  std::int64_t since = 0;         // not before; 0: any
  std::int64_t until = 0;         // before; 0: any
  std::string actor = {}, subject = {}, project = {};  // exactly; empty: any
  std::string action = {};                             // exactly, or "connection.*"; empty: any
};
// A filter that little fits makes a page short: one call looks at kMostLooked events. `next` says whether to go on.
struct AuditPage {
  static constexpr std::size_t kMostLooked = 10'000;
  std::vector<Event> events = {};
  std::uint64_t next = 0;  // AuditQuery::after of the page behind this one; 0: that was the end
};

// A verification, as far as it has come. Begin with one that holds organization and anchor alone.
struct AuditCheck {
  static constexpr std::size_t kMostFaults = 100;
  struct Fault {
    std::uint64_t sequence = 0;  // of the event, or where one should be; 0: the head
    std::string what = {};       // one line
  };
  std::string organization = {};
  std::optional<AuditAnchor> anchor = {};  // noted earlier; absent: the chain is compared with itself alone
  AuditHead head = {};                     // as it was when this began: note its `end` as the next anchor
  std::uint64_t first = 0;                 // the first event that was looked at; 0: none yet
  std::uint64_t checked = 0;               // events that are what they were
  std::vector<Fault> faults = {};          // the first kMostFaults
  bool done = false;
  // How far: the last event, and its HMAC; empty: not known, a fault stands there.
  bool begun = false, head_known = false;
  AuditAnchor at = {};
};

class Audit {
 public:
  virtual ~Audit() = default;

  // Events that belong to no other write: durable when this answers. Texts that are too long are cut.
  virtual Result<void> append(std::vector<Event> events) = 0;
  virtual Result<AuditPage> list(const AuditQuery& query) const = 0;
  virtual Result<AuditHead> head(std::string_view organization) const = 0;
  // The next step, of at most `limit` events, until `done`. Events that come meanwhile are left for the next time.
  // Errors: invalid (the anchor lies before what retention has kept).
  virtual Result<void> check(AuditCheck& check, std::size_t limit) const = 0;
  // Erases events of all chains from before `before_ms`, the oldest first, at most 1000 of a chain at a time, and notes
  // in the head where what is kept begins; answers how many. A chain whose oldest events do not open stays as it is.
  virtual Result<std::size_t> sweep(std::int64_t before_ms) = 0;
  // Of each chain, in bytes; for events to come. Where it is used up they are counted instead of kept
  // (AuditHead::dropped), and the next one that is kept says how many (Event::missed).
  virtual void set_quota(std::uint64_t bytes) = 0;
  // Events that were not kept for want of quota, of all chains, since the vault was opened.
  virtual std::uint64_t unkept() const = 0;
};

}  // namespace postern::vault
