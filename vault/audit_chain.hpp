#pragma once
// The chains of events as they grow: what the leader of a group of writers adds for the events of those that fit.
//
//   mac of event n  :=  HMAC-SHA-256(audit subkey, mac of event n-1, bytes of event n up to its mac)
//   mac of event 0  :=  32 bytes of zero
//
// Events get their number and their mac at the last moment, in the order in which their batches are written, so that
// writers of one organization never stand in each other's way: the head of a chain is written by leaders alone. What a
// chain's head says is kept from one group to the next, and read anew after anything that failed.
// Thread safety: one leader at a time (gather.hpp); set_quota() and unkept() any thread. Ownership: borrows the
// keyring.
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/audit.hpp"
#include "vault/keyring.hpp"
#include "vault/store.hpp"

namespace postern::vault {

// A batch erases the events of a chain up to there.
struct Retired {
  std::string organization;
  AuditAnchor to;
  std::int64_t time = 0;    // of that event
  std::uint64_t bytes = 0;  // that they took
};

// What goes into the chains together with a batch.
struct Aside {
  std::vector<Event> events;
  std::optional<Retired> retired;
  bool empty() const { return events.empty() && !retired; }
};

class AuditChain {
 public:
  static constexpr std::uint64_t kQuota = 64ULL << 20;
  // `now_ms` dates the events; absent: they keep the time they came with.
  AuditChain(const Keyring& keyring, std::function<std::int64_t()> now_ms)
      : keyring_(keyring), now_ms_(std::move(now_ms)) {}

  void set_quota(std::uint64_t bytes) { quota_ = bytes; }
  std::uint64_t unkept() const { return unkept_; }

  // Before a group is written: reads the heads that `aside` needs. Errors: corrupt (the chain of that organization does
  // not fit its head: nothing is added to it), io.
  Result<void> prepare(const Store& store, const Aside& aside);
  // What is written with the group of which these fit. All of them were prepared.
  Batch chained(std::span<const Aside* const> fitting);
  void written();  // the group of the last chained() is durable
  void refused();  // nothing of that group is written
  void forget();   // nobody knows what is

 private:
  struct Held {
    AuditHead head;
    std::uint64_t version = 0;  // in the store; 0: not there yet
    bool moved = false;         // among moved_
  };
  Result<Held> load(const Store& store, std::string_view organization) const;
  Held& moving(const std::string& organization);
  void add(Batch& batch, Held& held, Event event);

  const Keyring& keyring_;
  const std::function<std::int64_t()> now_ms_;
  std::atomic<std::uint64_t> quota_ = kQuota;
  std::atomic<std::uint64_t> unkept_ = 0;
  std::map<std::string, Held, std::less<>> heads_;
  std::vector<Held*> moved_;  // by the group that is being written
};

// Shared with those who read the chains.
struct Path;
Path audit_path(std::string_view organization, std::string_view name);
Path audit_head_path(std::string_view organization);
std::string event_name(std::uint64_t sequence);                    // the last part of an event's key
std::optional<std::uint64_t> event_number(std::string_view name);  // nullopt: not what event_name() makes
std::string event_mac(const Keyring& keyring, std::string_view before, const Event& event);
std::string first_mac();                                                 // of event 0
std::uint64_t event_size(std::string_view key, std::string_view value);  // what counts for the quota

}  // namespace postern::vault
