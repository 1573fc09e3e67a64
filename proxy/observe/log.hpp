#pragma once
// The two logs: events (start, stop, faults) and access, both one JSON object a line on standard error through one
// asynchronous spdlog queue (bounded, overruns the oldest: a slow terminal never stalls a request).
//
// No function here takes a header list, a body or a Secret: what must not be logged cannot be passed. Strings are
// escaped and cut at 256 bytes. The target's query is never logged; the path is. Thread safety: any thread.
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace postern::observe {

enum class Level : std::uint8_t { trace, debug, info, warn, error };

// `level` as in settings log.level. Call once before anything else; flush_logs() at the end.
void start_logs(std::string_view level, bool access);
void flush_logs();
// Other levels while it runs; the lines already waiting are written. Any thread.
void set_logs(std::string_view level, bool access);
bool log_enabled(Level level) noexcept;
void log_event(Level level, std::string_view event, std::string_view detail);
// Adds up to four more pairs: log_event(info, "ready", "", {{"proxy","127.0.0.1:8480"},…}).
struct Pair {
  std::string_view key, value;
};
void log_event(Level level, std::string_view event, std::string_view detail, std::initializer_list<Pair> pairs);

struct Access {
  std::string_view request_id, authorization, connection, method, host, path, code;  // code: ours, empty if relayed
  std::string_view run;     // of the authorization; empty: not said
  std::string_view tunnel;  // what it became: passed, requests, websocket; empty: no tunnel
  std::uint16_t port = 0, status = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0, microseconds = 0, upstream_head_us = 0;
  bool upstream_reused = false, aborted = false;
};
// The line is kept back on this thread, up to 32 KiB of them: true if so, and then hand_over_access_lines() must follow
// on this thread, soon (the data path does so every 100 ms) and before the thread ends.
bool log_access(const Access& access);
void hand_over_access_lines();

}  // namespace postern::observe
