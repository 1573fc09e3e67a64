#pragma once
// A bounded cache of shared values that may be known by several names.
//
// Bounded in bytes (as its user weighs them) and in time: what nobody asked for in kRounds to kRounds + 1 rounds goes,
// and where room is needed, what was not asked for since the hand last came by (the clock algorithm: a hit costs two
// stores, and nothing is moved). What goes is told to `drop` first; it is destroyed, and its secrets are wiped, when
// the last request that holds it is done. Thread safety: none. Absence: nullptr.
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace postern::serve {

template <class T>
class Cache {
 public:
  static constexpr std::uint32_t kRounds = 4;
  using Value = std::shared_ptr<T>;
  Cache(std::size_t max_bytes, std::function<void(T&)> drop) : max_bytes_(max_bytes), drop_(std::move(drop)) {}

  // The pointer is good until the next put().
  const Value* find(std::string_view name) {
    const auto at = names_.find(name);
    if (at == names_.end()) return nullptr;
    Slot& slot = *at->second;
    slot.asked = true;
    slot.round = round_;
    return &slot.value;
  }
  // Under its first name, in the place of what had that name.
  void put(std::string name, Value value, std::size_t bytes) {
    erase(name);
    make_room(bytes);
    // Where the hand comes last, and not yet asked for a second time: what is used once does not push out what is used.
    const Place slot = ring_.insert(hand_, {std::move(value), bytes, round_, false, {}});
    bytes_ += bytes;
    add_name(slot, std::move(name));
  }
  // One more name for what is known as `name`, if it still is.
  void also(std::string_view name, std::string other) {
    const auto at = names_.find(name);
    if (at == names_.end()) return;
    const auto slot = at->second;
    if (const auto same = names_.find(other); same != names_.end()) {
      if (same->second == slot) return;
      remove(same->second);
    }
    add_name(slot, std::move(other));
  }
  // It became heavier. What was dropped meanwhile is not counted.
  void grew(std::string_view name, const T* value, std::size_t bytes) {
    const auto at = names_.find(name);
    if (at == names_.end() || at->second->value.get() != value) return;
    at->second->bytes += bytes;
    bytes_ += bytes;
  }
  void erase(std::string_view name) {
    if (const auto at = names_.find(name); at != names_.end()) remove(at->second);
  }
  template <class F>
  void erase_if(F&& wrong) {
    for (auto at = ring_.begin(); at != ring_.end();) {
      const auto slot = at++;
      if (wrong(*slot->value)) remove(slot);
    }
  }
  // A round of time has passed.
  void next_round() {
    ++round_;
    for (auto at = ring_.begin(); at != ring_.end();) {
      const auto slot = at++;
      if (round_ - slot->round > kRounds) remove(slot);
    }
  }
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return ring_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };
  struct Slot;
  using Place = typename std::list<Slot>::iterator;
  struct Slot {
    Value value;
    std::size_t bytes;
    std::uint32_t round;                  // when it was last asked for
    bool asked;                           // since the hand last came by
    std::vector<std::string_view> names;  // views into the keys of names_, which stay where they are
  };

  void add_name(Place slot, std::string name) {
    const auto at = names_.emplace(std::move(name), slot).first;
    slot->names.push_back(at->first);
  }
  void remove(Place slot) {
    drop_(*slot->value);
    bytes_ -= slot->bytes;
    if (hand_ == slot) ++hand_;
    for (const std::string_view name : slot->names) names_.erase(names_.find(name));
    ring_.erase(slot);
  }
  void make_room(std::size_t bytes) {
    while (!ring_.empty() && bytes_ + bytes > max_bytes_) {
      if (hand_ == ring_.end()) hand_ = ring_.begin();
      if (hand_->asked) {
        hand_->asked = false;
        ++hand_;
      } else {
        remove(hand_);
      }
    }
  }

  const std::size_t max_bytes_;
  const std::function<void(T&)> drop_;
  std::size_t bytes_ = 0;
  std::uint32_t round_ = 0;
  std::list<Slot> ring_;
  Place hand_ = ring_.end();
  std::unordered_map<std::string, Place, Hash, std::equal_to<>> names_;
};

}  // namespace postern::serve
