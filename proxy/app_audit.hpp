#pragma once
// The thread that writes what the data path has noted for the audit, and shortens the chains by retention.
//
// What it cannot write it tries again each second. A thread of its own, as both are nobody's request and may wait for
// the disk. Thread safety: start() and stop() from one thread, the rest from any. Ownership: borrows the vault's audit
// and what is noted.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "proxy/serve/noted.hpp"
#include "vault/audit.hpp"

namespace postern {

class AuditThread {
 public:
  AuditThread(vault::Audit& audit, std::function<std::int64_t()> now_ms)
      : audit_(audit), now_ms_(std::move(now_ms)), noted_([this] { wake(); }) {}
  ~AuditThread() { stop(); }
  serve::Noted& noted() { return noted_; }
  void set_retention(std::int64_t milliseconds) { retention_ms_ = milliseconds; }  // from the next sweep on
  void start();
  void stop();  // writes what is left

 private:
  void wake();
  void run(const std::stop_token& stop);
  void write(bool all);
  void sweep(const std::stop_token& stop);
  void warn_of_quota();

  vault::Audit& audit_;
  const std::function<std::int64_t()> now_ms_;
  serve::Noted noted_;
  std::atomic<std::int64_t> retention_ms_{0};  // 0: for ever
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool wanted_ = false;
  std::uint64_t unkept_ = 0;             // that the log has told of; the thread's own
  std::vector<vault::Event> unwritten_;  // the thread's own
  std::jthread thread_;
};

}  // namespace postern
