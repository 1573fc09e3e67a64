#include "proxy/observe/metrics.hpp"

#include <fmt/format.h>

#include <chrono>
#include <iterator>

namespace postern::observe {
namespace {

using Page = std::back_insert_iterator<std::string>;

// Seconds as text beside the same bound in microseconds: the page must not depend on how a double prints.
struct Bound {
  std::uint64_t microseconds;
  const char* seconds;
};
constexpr std::array<Bound, Shard::kBuckets> kBounds = {{{500, "0.0005"},
                                                         {1'000, "0.001"},
                                                         {2'500, "0.0025"},
                                                         {5'000, "0.005"},
                                                         {10'000, "0.01"},
                                                         {25'000, "0.025"},
                                                         {50'000, "0.05"},
                                                         {100'000, "0.1"},
                                                         {250'000, "0.25"},
                                                         {500'000, "0.5"},
                                                         {1'000'000, "1"},
                                                         {2'500'000, "2.5"},
                                                         {10'000'000, "10"},
                                                         {60'000'000, "60"}}};

// Rows of one family (same name) stand together: the exposition format allows one HELP and TYPE a family.
struct CounterRow {
  Counter counter;
  const char* name;
  const char* labels;
  const char* help;
};
constexpr CounterRow kCounters[] = {
    {Counter::client_connections, "postern_client_connections_total", "", "Client connections accepted."},
    {Counter::requests_1xx, "postern_requests_total", "{class=\"1xx\"}", "Requests answered, by class of status."},
    {Counter::requests_2xx, "postern_requests_total", "{class=\"2xx\"}", ""},
    {Counter::requests_3xx, "postern_requests_total", "{class=\"3xx\"}", ""},
    {Counter::requests_4xx, "postern_requests_total", "{class=\"4xx\"}", ""},
    {Counter::requests_5xx, "postern_requests_total", "{class=\"5xx\"}", ""},
    {Counter::requests_aborted, "postern_requests_total", "{class=\"aborted\"}", ""},
    {Counter::own_errors, "postern_own_errors_total", "", "Answers that were the proxy's own problems."},
    {Counter::requests_shed, "postern_requests_shed_total", "", "Requests and connections refused because of a limit."},
    {Counter::tunnels_passed, "postern_tunnels_total", "{kind=\"passed\"}",
     "Tunnels and WebSockets opened, by what goes through them."},
    {Counter::tunnels_with_requests, "postern_tunnels_total", "{kind=\"requests\"}", ""},
    {Counter::websockets, "postern_tunnels_total", "{kind=\"websocket\"}", ""},
    {Counter::client_tls_ok, "postern_client_tls_handshakes_total", "{result=\"ok\"}",
     "TLS handshakes with callers in intercepted tunnels, by result; untrusted: the caller does not know the local "
     "CA."},
    {Counter::client_tls_untrusted, "postern_client_tls_handshakes_total", "{result=\"untrusted\"}", ""},
    {Counter::client_tls_failed, "postern_client_tls_handshakes_total", "{result=\"failed\"}", ""},
    {Counter::upstream_connects, "postern_upstream_connects_total", "", "New TCP connections to upstreams."},
    {Counter::upstream_tls_full, "postern_upstream_tls_handshakes_total", "{kind=\"full\"}",
     "TLS handshakes with upstreams, by kind."},
    {Counter::upstream_tls_resumed, "postern_upstream_tls_handshakes_total", "{kind=\"resumed\"}", ""},
    {Counter::pool_hits, "postern_upstream_pool_leases_total", "{result=\"hit\"}",
     "Exchanges leased from the upstream pool, by result."},
    {Counter::pool_misses, "postern_upstream_pool_leases_total", "{result=\"miss\"}", ""},
    {Counter::pool_discarded, "postern_upstream_pool_discarded_total", "", "Pooled connections found unusable."},
    {Counter::retries, "postern_upstream_retries_total", "", "Requests sent a second time."},
    {Counter::dns_lookups, "postern_dns_lookups_total", "", "Names looked up."},
    {Counter::dns_failures, "postern_dns_failures_total", "", "Look-ups that failed."},
    {Counter::credential_cache_hits, "postern_credential_cache_lookups_total", "{result=\"hit\"}",
     "Credential cache look-ups, by result."},
    {Counter::credential_cache_misses, "postern_credential_cache_lookups_total", "{result=\"miss\"}", ""},
    {Counter::caller_auth_failures, "postern_caller_auth_failures_total", "", "Requests without a valid caller token."},
    {Counter::bytes_from_clients, "postern_client_received_bytes_total", "", "Bytes read from clients."},
    {Counter::bytes_to_clients, "postern_client_sent_bytes_total", "", "Bytes written to clients."},
    {Counter::token_requests_ok, "postern_token_requests_total", "{result=\"ok\"}", "Token requests, by result."},
    {Counter::token_requests_rejected, "postern_token_requests_total", "{result=\"rejected\"}", ""},
    {Counter::token_requests_client, "postern_token_requests_total", "{result=\"client\"}", ""},
    {Counter::token_requests_failed, "postern_token_requests_total", "{result=\"failed\"}", ""},
};
static_assert(std::size(kCounters) == std::size_t(Counter::count_), "every counter has one row");

struct Row {
  const char* name;
  const char* help;
};
constexpr std::array<Row, std::size_t(Gauge::count_)> kGauges = {{
    {"postern_open_client_connections", "Client connections open now."},
    {"postern_open_upstream_connections", "Upstream connections open now, idle ones included."},
    {"postern_idle_upstream_connections", "Upstream connections idle in the pool."},
    {"postern_active_requests", "Requests under way."},
    {"postern_open_tunnels", "Tunnels and WebSockets open now."},
    {"postern_token_refreshes_waiting", "Requests that wait for a token to be fetched."},
}};
constexpr std::array<Row, std::size_t(Histogram::count_)> kHistograms = {{
    {"postern_request_seconds", "From the first byte of a request to the last byte of its answer."},
    {"postern_upstream_head_seconds", "From the request sent to the head of the upstream's answer."},
    {"postern_upstream_connect_seconds", "From dialling to an upstream connection ready for a request."},
    {"postern_tunnel_seconds", "From the first byte of a CONNECT, or of a WebSocket's request, to the end."},
}};

void write_family(Page out, const char* name, const char* help, const char* type) {
  fmt::format_to(out, "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

double start_time() {
  static const double at = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return at;
}
[[maybe_unused]] const double kStartedWithTheProcess = start_time();

}  // namespace

// One writer a shard, so a load and a store are enough: no locked instruction on the data path.
void Shard::add(Counter c, std::uint64_t n) noexcept {
  auto& cell = counters_[std::size_t(c)];
  cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

void Shard::add(Gauge g, std::int64_t n) noexcept {
  auto& cell = gauges_[std::size_t(g)];
  cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

void Shard::observe(Histogram h, std::uint64_t microseconds) noexcept {
  auto& cells = histograms_[std::size_t(h)];
  std::size_t bucket = 0;
  while (bucket < kBuckets && microseconds > kBounds[bucket].microseconds) ++bucket;
  auto& cell = cells.buckets[bucket];
  cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  cells.sum_us.store(cells.sum_us.load(std::memory_order_relaxed) + microseconds, std::memory_order_relaxed);
}

Shard& Metrics::new_shard() {
  std::lock_guard lock(mutex_);
  return *shards_.emplace_back(std::make_unique<Shard>());
}

std::uint64_t Metrics::total(Counter c) const {
  std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& shard : shards_) sum += shard->counters_[std::size_t(c)].load(std::memory_order_relaxed);
  return sum;
}

std::string Metrics::render() const {
  std::string page;
  page.reserve(8 * 1024);
  Page out(page);
  write_family(out, "postern_build_info", "Always 1; the version is the label.", "gauge");
  fmt::format_to(out, "postern_build_info{{version=\"{}\"}} 1\n", POSTERN_VERSION);
  write_family(out, "process_start_time_seconds", "When the process started, in seconds since the Unix epoch.",
               "gauge");
  fmt::format_to(out, "process_start_time_seconds {:.3f}\n", start_time());
  for (const auto& row : kCounters) {
    if (*row.help) write_family(out, row.name, row.help, "counter");
    fmt::format_to(out, "{}{} {}\n", row.name, row.labels, total(row.counter));
  }
  std::lock_guard lock(mutex_);
  for (std::size_t g = 0; g < kGauges.size(); ++g) {
    std::int64_t sum = 0;
    for (const auto& shard : shards_) sum += shard->gauges_[g].load(std::memory_order_relaxed);
    write_family(out, kGauges[g].name, kGauges[g].help, "gauge");
    fmt::format_to(out, "{} {}\n", kGauges[g].name, sum);
  }
  for (std::size_t h = 0; h < kHistograms.size(); ++h) {
    const char* name = kHistograms[h].name;
    write_family(out, name, kHistograms[h].help, "histogram");
    std::uint64_t below = 0, sum_us = 0;
    for (std::size_t b = 0; b <= Shard::kBuckets; ++b) {
      for (const auto& shard : shards_) below += shard->histograms_[h].buckets[b].load(std::memory_order_relaxed);
      fmt::format_to(out, "{}_bucket{{le=\"{}\"}} {}\n", name, b < kBounds.size() ? kBounds[b].seconds : "+Inf", below);
    }
    for (const auto& shard : shards_) sum_us += shard->histograms_[h].sum_us.load(std::memory_order_relaxed);
    fmt::format_to(out, "{}_sum {}.{:06}\n{}_count {}\n", name, sum_us / 1'000'000, sum_us % 1'000'000, name, below);
  }
  return page;
}

}  // namespace postern::observe
