#include "proxy/net/pool.hpp"

#include <algorithm>

namespace postern::net {

using observe::Counter;
using observe::Gauge;

Pool::Pool(Worker& worker, const AddressPolicy& policy, std::size_t max_idle, Millis idle_for)
    : worker_(worker),
      policy_(policy),
      max_idle_(max_idle),
      idle_for_(idle_for),
      reaper_(worker.ticker(), [](void* self) { static_cast<Pool*>(self)->reap(); }, this) {}

Pool::~Pool() {
  clear();
}

void Pool::drop(std::list<Route::Idle>::iterator at) {
  std::erase(at->route->idle_, at);
  *at = {};
  spare_.splice(spare_.begin(), oldest_first_, at);
  worker_.metrics().add(Gauge::idle_upstreams, -1);
}

std::unique_ptr<Upstream> Pool::lease(Route& route, bool young_only) {
  while (route.current_ && !route.idle_.empty()) {
    const auto at = route.idle_.back();
    // Newest first: if this one is too old for a request that cannot be repeated, so are the others.
    if (young_only && monotonic_ms() - at->since >= kYoungMs) break;
    std::unique_ptr<Upstream> upstream = std::move(at->upstream);
    drop(at);
    const bool allowed = route.to().fixed || policy_.allows(upstream->address(), route.to().exceptions);
    if (allowed && upstream->fresh(young_only)) {
      worker_.metrics().add(Counter::pool_hits);
      return upstream;
    }
    worker_.metrics().add(Counter::pool_discarded);
  }
  worker_.metrics().add(Counter::pool_misses);
  return nullptr;
}

void Pool::give_back(const std::shared_ptr<Route>& route, std::unique_ptr<Upstream> upstream) {
  if (max_idle_ == 0 || !route->current()) return;
  if (oldest_first_.size() >= max_idle_) drop(oldest_first_.begin());
  if (spare_.empty()) spare_.emplace_back();
  spare_.front() = {route, std::move(upstream), monotonic_ms(), false};
  oldest_first_.splice(oldest_first_.end(), spare_, spare_.begin());
  route->idle_.push_back(std::prev(oldest_first_.end()));
  worker_.metrics().add(Gauge::idle_upstreams, 1);
  if (!reaper_.armed()) reaper_.arm(Millis(1000));
}

void Pool::reap() {
  const std::int64_t now = monotonic_ms();
  while (!oldest_first_.empty() && oldest_first_.front().since <= now - idle_for_.count()) drop(oldest_first_.begin());
  for (auto at = oldest_first_.rbegin(); at != oldest_first_.rend() && !at->rested; ++at) {
    if (at->since > now - kRestMs) continue;
    at->upstream->rest();
    at->rested = true;
  }
  if (!oldest_first_.empty()) reaper_.arm(Millis(1000));
}

void Pool::clear() {
  while (!oldest_first_.empty()) drop(oldest_first_.begin());
  for (auto& row : routes_) row.second->current_ = false;
  routes_.clear();
}

void Pool::drop_retired() {
  for (auto at = oldest_first_.begin(); at != oldest_first_.end();) {
    const auto idle = at++;
    if (!idle->route->current()) drop(idle);
  }
}

void Pool::drop_unused_routes() {
  std::erase_if(routes_, [](const auto& row) { return row.second.use_count() == 1 && row.second->idle_.empty(); });
}

}  // namespace postern::net
