#pragma once
// Tokens that were fetched and could not be written yet: they are served from here until they are (DESIGN section 7
// point 4).
//
// Thread safety: any thread; only who loads a credential looks, never a request that has one. Absence: nullptr.
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "vault/record.hpp"

namespace postern::serve {

class Unsaved {
 public:
  // `generation`: the stored one that these tokens follow.
  void keep(const std::string& id, std::uint64_t generation, std::shared_ptr<const vault::Credential> tokens) {
    const std::scoped_lock lock(mutex_);
    rows_.insert_or_assign(id, Row{generation, std::move(tokens)});
  }
  std::shared_ptr<const vault::Credential> find(const std::string& id, std::uint64_t generation) const {
    const std::scoped_lock lock(mutex_);
    const auto at = rows_.find(id);
    return at != rows_.end() && at->second.generation == generation ? at->second.tokens : nullptr;
  }
  void drop(const std::string& id) {
    const std::scoped_lock lock(mutex_);
    rows_.erase(id);
  }

 private:
  struct Row {
    std::uint64_t generation;
    std::shared_ptr<const vault::Credential> tokens;
  };
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Row> rows_;
};

}  // namespace postern::serve
