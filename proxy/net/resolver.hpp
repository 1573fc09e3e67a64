#pragma once
// Names to addresses: own cache, one flight a name, a deadline, no search list (DESIGN section 8 and 12: async_resolve
// has one uncancellable thread). getaddrinfo gives no TTL, so an answer is kept for kKeep and a failure for
// kKeepFailure.
//
// Thread safety: one a worker; the look-ups run on the shared offload pool.
#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/net/address_policy.hpp"
#include "proxy/net/fault.hpp"
#include "proxy/net/offload.hpp"
#include "proxy/net/task.hpp"
#include "proxy/net/worker.hpp"

namespace postern::net {

struct Resolved {
  Fault fault = Fault::none;        // dns_failed or dns_timeout
  std::vector<Endpoint> addresses;  // without port; not empty when fault is none
};

// What asks the system: a seam for tests. Blocking; called on an offload thread.
using Lookup = std::vector<Endpoint> (*)(const std::string& host);
std::vector<Endpoint> system_lookup(const std::string& host);

class Resolver {
 public:
  static constexpr Millis kKeep{10'000}, kKeepFailure{1'000};
  Resolver(Worker& worker, Offload& offload, Lookup lookup = system_lookup)
      : worker_(worker), offload_(offload), lookup_(lookup) {}
  Task<Resolved> resolve(const std::string& host, Millis deadline);

 private:
  struct Entry {
    explicit Entry(Ticker& ticker) : deadline(ticker, &Entry::expire, this) {}
    static void expire(void* self);
    Resolved answer;
    std::int64_t fresh_until = 0;
    bool in_flight = false;
    Event done;
    Deadline deadline;
  };
  Task<void> fly(std::string host, std::shared_ptr<Entry> entry);

  static constexpr std::size_t kMax = 4096;
  Worker& worker_;
  Offload& offload_;
  Lookup lookup_;
  std::unordered_map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace postern::net
