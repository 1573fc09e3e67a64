#pragma once
// Counters, gauges and histograms in Prometheus text form (exposition format 0.0.4).
//
// Purpose: one small registry. Counting is wait-free: every thread owns a Shard (relaxed atomics written by one thread)
// and `render` adds the shards up. Names and label sets are fixed at compile time, so no caller-chosen text and no
// secret can become a label. Thread safety: a Shard is written by its thread only; render() may be called from any
// thread.
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace postern::observe {

enum class Counter : std::uint8_t {
  client_connections,  // accepted
  requests_1xx,        // a WebSocket that was granted
  requests_2xx,
  requests_3xx,
  requests_4xx,
  requests_5xx,
  requests_aborted,  // answers to callers, by class
  own_errors,        // answers that were ours (problem+json)
  requests_shed,     // refused because of a limit (overloaded, rate-limited)
  tunnels_passed,    // whose bytes went through unseen
  tunnels_with_requests,
  websockets,
  client_tls_ok,  // handshakes with callers in intercepted tunnels
  client_tls_untrusted,
  client_tls_failed,
  upstream_connects,  // new upstream connections (TCP)
  upstream_tls_full,
  upstream_tls_resumed,
  pool_hits,
  pool_misses,
  pool_discarded,
  retries,
  dns_lookups,
  dns_failures,
  credential_cache_hits,
  credential_cache_misses,
  caller_auth_failures,
  bytes_from_clients,
  bytes_to_clients,
  token_requests_ok,
  token_requests_rejected,
  token_requests_client,
  token_requests_failed,
  count_
};
enum class Gauge : std::uint8_t {
  open_clients,
  open_upstreams,
  idle_upstreams,
  active_requests,
  open_tunnels,
  token_refreshes_waiting,
  count_
};
// Seconds, upper bounds in metrics.cpp.
enum class Histogram : std::uint8_t {
  request_seconds,
  upstream_head_seconds,
  upstream_connect_seconds,
  tunnel_seconds,
  count_
};

class Shard {
 public:
  void add(Counter c, std::uint64_t n = 1) noexcept;
  void add(Gauge g, std::int64_t n) noexcept;
  void observe(Histogram h, std::uint64_t microseconds) noexcept;
  static constexpr std::size_t kBuckets = 14;

 private:
  friend class Metrics;
  std::array<std::atomic<std::uint64_t>, std::size_t(Counter::count_)> counters_{};
  std::array<std::atomic<std::int64_t>, std::size_t(Gauge::count_)> gauges_{};
  struct Cells {
    std::array<std::atomic<std::uint64_t>, kBuckets + 1> buckets{};
    std::atomic<std::uint64_t> sum_us{0};
  };
  std::array<Cells, std::size_t(Histogram::count_)> histograms_{};
};

class Metrics {
 public:
  Shard& new_shard();          // lives as long as the registry
  std::string render() const;  // the whole text page, with HELP and TYPE lines, process_start_time and build info
  std::uint64_t total(Counter c) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace postern::observe
