#include "proxy/app_rotation.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>

#include "proxy/observe/log.hpp"

namespace postern {
namespace {

constexpr std::size_t kRecords = 64;  // in one step: about a millisecond of sealing and one sync
constexpr auto kPause = std::chrono::seconds(1);

}  // namespace

void RotationThread::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void RotationThread::wake() {
  const std::scoped_lock lock(mutex_);
  wanted_ = true;
  changed_.notify_all();
}

void RotationThread::stop() {
  thread_ = {};  // asked to stop, and waited for
}

void RotationThread::run(const std::stop_token& stop) {
  // Requests come first; on Linux the niceness of a thread is its own.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10));
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return wanted_; })) return;
      wanted_ = false;
    }
    while (!stop.stop_requested() && step(stop)) {
    }
  }
}

// False: there is nothing (more) to do, or it has to wait for somebody.
bool RotationThread::step(const std::stop_token& stop) {
  const auto progress = upkeep_.continue_rotation(kRecords);
  if (!progress) {
    observe::log_event(observe::Level::error, "rotation_waits", progress.error().message);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, kPause, [] { return false; });
    return true;
  }
  if (progress->running()) return true;
  if (progress->state == vault::Rotation::State::none || progress->finished == reported_) return false;
  reported_ = progress->finished;
  const bool done = progress->state == vault::Rotation::State::done;
  observe::log_event(
      done ? observe::Level::info : observe::Level::warn, done ? "rotation_done" : "rotation_incomplete",
      done ? "" : "some records do not open: postern vault verify names them; the old data keys are kept",
      {{"key", progress->key_id},
       {"resealed", fmt::format("{}", progress->resealed)},
       {"unreadable", fmt::format("{}", progress->unreadable)}});
  return false;
}

}  // namespace postern
