#pragma once
// What the audit is to hear of the data path: the first use of a connection by a caller at a host each day, and
// denials, told as one a caller and minute. Collected here, in memory and bounded; written by whoever calls take().
//
// Purpose: DESIGN section 10's audit without a cost for requests: a worker asks only when something is new to it.
// Thread safety: any thread. Ownership: borrows nothing. A crash loses what was not taken: denials of the running
// minute, uses of the last second. After a restart a use of the same day is told once more.
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "vault/audit.hpp"
#include "vault/record.hpp"

namespace postern::serve {

class Noted {
 public:
  static constexpr std::size_t kMostUses = 64 * 1024;    // remembered of a day; beyond it they are told again
  static constexpr std::size_t kMostCallers = 1024;      // denied in one minute; beyond it they are told as "others"
  static constexpr std::size_t kMostWaiting = 8 * 1024;  // events to be taken; beyond it they are counted
  static std::int64_t day_of(std::int64_t now_ms) noexcept { return now_ms / 86'400'000; }

  // `waiting`: called when there is something to take, from any thread and under a lock: it must not call back.
  explicit Noted(std::function<void()> waiting = {}) : waiting_(std::move(waiting)) {}

  // The caller's authorization is empty in open mode.
  void use(const vault::Authorization& caller, const vault::Connection& connection, std::string_view host,
           std::string_view request, std::int64_t now_ms);
  // `caller`: null where nobody knows who it was.
  void denial(const vault::Authorization* caller, std::string_view code, std::int64_t now_ms);

  // What is due; `all`: denials of the running minute too.
  std::vector<vault::Event> take(std::int64_t now_ms, bool all);
  bool empty() const;

 private:
  struct Denied {
    std::string organization, actor, name;
    std::map<std::string, std::uint64_t, std::less<>> codes;
    std::uint64_t count = 0;
    std::int64_t first = 0, last = 0;
  };
  void wait(vault::Event event);
  void end_minute();

  const std::function<void()> waiting_;
  mutable std::mutex mutex_;
  std::int64_t day_ = 0, minute_ = 0;
  std::unordered_set<std::string> uses_;  // of that day
  std::map<std::string, Denied> denied_;  // of that minute
  std::vector<vault::Event> events_;
  std::uint64_t lost_ = 0;
};

}  // namespace postern::serve
