#include "proxy/observe/log.hpp"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "proxy/observe/log_line.hpp"

namespace postern::observe {
namespace {

constexpr std::size_t kQueue = 4096;            // lines; each slot is about 400 bytes
constexpr std::size_t kMaxBatch = 32 * 1024;    // bytes gathered before a write
constexpr std::size_t kMaxPending = 32 * 1024;  // bytes of access lines that a thread keeps back
constexpr int kOff = 127;

// Writes whole lines to standard error, many in one call while more are waiting.
class StandardError final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // The pool that calls this sink; it outlives every call.
  void watch(spdlog::details::thread_pool* pool) { pool_ = pool; }

 private:
  void sink_it_(const spdlog::details::log_msg& line) override {
    batch_.append(line.payload.data(), line.payload.size());
    batch_ += '\n';
    if (batch_.size() >= kMaxBatch || pool_ == nullptr || pool_->queue_size() == 0) flush_();
  }
  void flush_() override {
    for (std::size_t sent = 0; sent < batch_.size();) {
      const ssize_t n = ::write(STDERR_FILENO, batch_.data() + sent, batch_.size() - sent);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;  // nobody reads the log any more: drop, never fail a request for it
      sent += std::size_t(n);
    }
    batch_.clear();
  }
  spdlog::details::thread_pool* pool_ = nullptr;
  std::string batch_;
};

struct Logs {
  std::mutex mutex;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<StandardError> sink;
  std::vector<std::shared_ptr<spdlog::async_logger>> loggers;  // kept: another thread may still hold the last one
};
Logs& logs() {
  static Logs instance;
  return instance;
}

std::atomic<spdlog::async_logger*> logger{nullptr};
std::atomic<int> lowest{kOff};
std::atomic<bool> access_on{false};

int level_of(std::string_view name) {
  constexpr std::string_view names[] = {"trace", "debug", "info", "warn", "error"};
  for (int i = 0; i < 5; ++i)
    if (names[i] == name) return i;
  return int(Level::info);
}

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

// The line under construction, one a thread: a request's line allocates nothing once it has grown.
std::string& scratch() {
  thread_local std::string line;
  line.clear();
  return line;
}

// Access lines of this thread that the queue has not seen: waking its thread for each would cost more than the line.
std::string& pending() {
  thread_local std::string lines;
  return lines;
}

void send(const std::string& line) {
  if (auto* to = logger.load(std::memory_order_acquire)) {
    to->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }
}

}  // namespace

void start_logs(std::string_view level, bool access) {
  flush_logs();
  auto& all = logs();
  std::lock_guard lock(all.mutex);
  all.sink = std::make_shared<StandardError>();
  all.pool = std::make_shared<spdlog::details::thread_pool>(kQueue, 1);
  all.sink->watch(all.pool.get());
  auto made = std::make_shared<spdlog::async_logger>("postern", all.sink, all.pool,
                                                     spdlog::async_overflow_policy::overrun_oldest);
  made->set_error_handler([](const std::string&) {});  // a line after the end is lost, not an error
  all.loggers.push_back(made);
  logger.store(made.get(), std::memory_order_release);
  set_logs(level, access);
}

void set_logs(std::string_view level, bool access) {
  access_on.store(access, std::memory_order_relaxed);
  lowest.store(level_of(level), std::memory_order_relaxed);
}

void flush_logs() {
  lowest.store(kOff, std::memory_order_relaxed);
  access_on.store(false, std::memory_order_relaxed);
  auto& all = logs();
  std::lock_guard lock(all.mutex);
  if (!all.pool) return;
  all.pool.reset();  // drains the queue and joins its thread
  all.sink->watch(nullptr);
  all.sink->flush();
}

bool log_enabled(Level level) noexcept {
  return int(level) >= lowest.load(std::memory_order_relaxed);
}

void log_event(Level level, std::string_view event, std::string_view detail) {
  log_event(level, event, detail, {});
}

void log_event(Level level, std::string_view event, std::string_view detail, std::initializer_list<Pair> pairs) {
  if (!log_enabled(level)) return;
  auto& line = scratch();
  append_event_line(line, now_ms(), level, event, detail, pairs);
  send(line);
}

bool log_access(const Access& access) {
  if (!access_on.load(std::memory_order_relaxed)) return false;
  auto& lines = pending();
  if (!lines.empty()) lines += '\n';
  append_access_line(lines, now_ms(), access);
  if (lines.size() < kMaxPending) return true;
  hand_over_access_lines();
  return false;
}

void hand_over_access_lines() {
  auto& lines = pending();
  if (!lines.empty()) send(lines);
  lines.clear();
}

}  // namespace postern::observe
