#include "vault/gather.hpp"

#include <algorithm>

namespace postern::vault {

Group Gather::commit(std::span<const Batch* const> batches, const Aside* aside) {
  Waiting mine{.batches = batches, .aside = aside, .outcome = std::nullopt};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&mine);
  moved_.wait(lock, [&] { return mine.done || !led_; });
  while (!mine.done) {
    led_ = true;
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMost));
    const std::vector<Waiting*> group(waiting_.begin(), end);
    waiting_.erase(waiting_.begin(), end);
    lock.unlock();
    flush_(group);
    lock.lock();
    for (Waiting* one : group) one->done = true;
    led_ = false;
    moved_.notify_all();
  }
  return std::move(*mine.outcome);
}

std::size_t Gather::waiting() const {
  const std::scoped_lock lock(mutex_);
  return waiting_.size();
}

}  // namespace postern::vault
