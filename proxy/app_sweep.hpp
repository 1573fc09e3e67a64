#pragma once
// The thread that erases what has outlived its time: values that a rotation replaced, kept answers, links.
//
// It looks every few seconds, and after a write error when the vault takes writes again. Thread safety: start() and
// stop() from one thread. Ownership: borrows the vault.
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "vault/vault.hpp"

namespace postern {

class SweepThread {
 public:
  SweepThread(vault::Vault& vault, std::function<std::int64_t()> now_ms) : vault_(vault), now_ms_(std::move(now_ms)) {}
  ~SweepThread() { stop(); }
  void start();
  void stop();  // after the step that runs

 private:
  void run(const std::stop_token& stop);

  vault::Vault& vault_;
  const std::function<std::int64_t()> now_ms_;
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace postern
