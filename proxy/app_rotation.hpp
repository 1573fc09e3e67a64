#pragma once
// The thread that carries a rotation of data keys through, in small steps and behind everything else.
//
// It goes on with one that a kill has interrupted as soon as it is started, and after a write error when the vault
// takes writes again. Thread safety: start() and stop() from one thread, wake() from any. Ownership: borrows the
// vault's upkeep.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "vault/vault.hpp"

namespace postern {

class RotationThread {
 public:
  explicit RotationThread(vault::Upkeep& upkeep) : upkeep_(upkeep) {}
  ~RotationThread() { stop(); }
  void start();
  void wake();  // there is one to carry through
  void stop();  // after the step that runs

 private:
  void run(const std::stop_token& stop);
  bool step(const std::stop_token& stop);

  vault::Upkeep& upkeep_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool wanted_ = true;         // once at the start, whatever was left over
  std::int64_t reported_ = 0;  // when the rotation ended that was last spoken of
  std::jthread thread_;
};

}  // namespace postern
