#include "proxy/admin/idempotency.hpp"

#include <utility>

namespace postern::admin {

void Idempotency::forget(std::int64_t now_ms) {
  while (!order_.empty() && (order_.size() > kMost || order_.front().first + kLifetime <= now_ms)) {
    kept_.erase(order_.front().second);
    order_.pop_front();
  }
}

const Idempotency::Kept* Idempotency::find(const std::string& key, std::int64_t now_ms) {
  forget(now_ms);
  const auto at = kept_.find(key);
  return at == kept_.end() ? nullptr : &at->second;
}

void Idempotency::keep(std::string key, Kept kept, std::int64_t now_ms) {
  order_.emplace_back(now_ms, key);
  kept_.insert_or_assign(std::move(key), std::move(kept));
  forget(now_ms);
}

}  // namespace postern::admin
