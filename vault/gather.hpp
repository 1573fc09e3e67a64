#pragma once
// Group commit: writers that come while a group is being written wait, and are written together as the next one.
//
// There is no thread for it: the first writer that finds nobody writing leads, writes its own batch and whatever waits
// beside it, and hands each of the others its own result. Thread safety: any thread.
// Ownership: a batch stays its writer's, who is blocked meanwhile.
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "vault/store.hpp"

namespace postern::vault {

struct Aside;

class Gather {
 public:
  struct Waiting {
    std::span<const Batch* const> batches;
    const Aside* aside = nullptr;  // of a writer of one batch: what goes into the audit with it; null: nothing
    std::optional<Group> outcome;  // the leader's, until `done`
    bool done = false;             // under the mutex
  };
  // Writes one group and sets the outcome of each; called by one thread at a time.
  using Flush = std::function<void(std::span<Waiting* const> group)>;
  static constexpr std::size_t kMost = 256;  // writers in one group

  explicit Gather(Flush flush) : flush_(std::move(flush)) {}
  Group commit(std::span<const Batch* const> batches, const Aside* aside = nullptr);
  std::size_t waiting() const;  // writers in the next group as it is now

 private:
  const Flush flush_;
  mutable std::mutex mutex_;
  std::condition_variable moved_;
  std::vector<Waiting*> waiting_;
  bool led_ = false;
};

}  // namespace postern::vault
