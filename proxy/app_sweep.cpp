#include "proxy/app_sweep.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>

#include "proxy/observe/log.hpp"

namespace postern {
namespace {

// What is over is refused at once wherever it is asked for; this only bounds how long it lies there.
constexpr auto kPause = std::chrono::seconds(5);

}  // namespace

void SweepThread::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void SweepThread::stop() {
  thread_ = {};  // asked to stop, and waited for
}

void SweepThread::run(const std::stop_token& stop) {
  // Requests come first; on Linux the niceness of a thread is its own.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10));
  bool told = false;  // of a trouble that lasts, once
  while (!stop.stop_requested()) {
    const auto erased = vault_.sweep(now_ms_());
    if (!erased && !told) observe::log_event(observe::Level::error, "sweep_waits", erased.error().message);
    told = !erased;
    if (erased && *erased != 0) continue;
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, stop, kPause, [] { return false; });
  }
}

}  // namespace postern
