#include "proxy/app_audit.hpp"

#include <chrono>
#include <iterator>
#include <map>
#include <utility>

#include "proxy/observe/log.hpp"

namespace postern {
namespace {

constexpr auto kPause = std::chrono::seconds(1);  // so that many first uses are one write
constexpr auto kSweepPause = std::chrono::hours(1);
constexpr auto kLook = std::chrono::minutes(1);  // whether a chain is full, where nothing else is to do
constexpr std::size_t kMostUnwritten = 16 * 1024;

}  // namespace

void AuditThread::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void AuditThread::stop() {
  thread_ = {};  // asked to stop, and waited for
}

void AuditThread::wake() {
  const std::scoped_lock lock(mutex_);
  wanted_ = true;
  changed_.notify_all();
}

void AuditThread::run(const std::stop_token& stop) {
  auto next_sweep = std::chrono::steady_clock::now();
  while (!stop.stop_requested()) {
    if (std::chrono::steady_clock::now() >= next_sweep) {
      sweep(stop);
      next_sweep = std::chrono::steady_clock::now() + kSweepPause;
    }
    {
      const bool busy = !unwritten_.empty() || !noted_.empty();  // asked first: it calls wake() under its own lock
      std::unique_lock lock(mutex_);
      if (!busy) changed_.wait_for(lock, stop, kLook, [this] { return wanted_; });
      wanted_ = false;
      changed_.wait_for(lock, stop, kPause, [] { return false; });
    }
    write(false);
    warn_of_quota();
  }
  write(true);
}

void AuditThread::write(bool all) {
  auto taken = noted_.take(now_ms_(), all);
  unwritten_.insert(unwritten_.end(), std::make_move_iterator(taken.begin()), std::make_move_iterator(taken.end()));
  // By organization: one whose chain is damaged is in nobody else's way.
  std::map<std::string, std::vector<vault::Event>> chains;
  for (auto& event : std::exchange(unwritten_, {})) chains[event.organization].push_back(std::move(event));
  for (auto& [organization, events] : chains) {
    const auto kept = audit_.append(events);
    if (kept) continue;
    const bool damaged = kept.error().code == vault::Error::Code::corrupt;
    observe::log_event(observe::Level::error, damaged ? "audit_lost" : "audit_waits", kept.error().message,
                       {{"organization", organization}, {"events", std::to_string(events.size())}});
    const bool room = unwritten_.size() + events.size() <= kMostUnwritten;
    if (damaged || !room) continue;
    unwritten_.insert(unwritten_.end(), std::make_move_iterator(events.begin()), std::make_move_iterator(events.end()));
  }
}

// A chain that is full goes on without its events: whoever keeps the machine has to hear of it.
void AuditThread::warn_of_quota() {
  const std::uint64_t unkept = audit_.unkept();
  if (unkept == std::exchange(unkept_, unkept)) return;
  observe::log_event(observe::Level::warn, "audit_full",
                     "events are not kept: raise audit.quota, or shorten audit.retention",
                     {{"unkept", std::to_string(unkept)}});
}

void AuditThread::sweep(const std::stop_token& stop) {
  const std::int64_t retention = retention_ms_;
  if (retention == 0) return;
  for (bool more = true; more && !stop.stop_requested();) {
    const auto erased = audit_.sweep(now_ms_() - retention);
    if (!erased) observe::log_event(observe::Level::error, "audit_sweep_failed", erased.error().message);
    more = erased && *erased != 0;
  }
}

}  // namespace postern
