#pragma once
// Idempotency-Key: what a POST answered, kept 24 h per caller, route and key, at most 10,000 of them.
//
// Of the body only a keyed digest is kept, of a call that made a token only the id. In memory: a restart forgets.
// Thread safety: none; owned by the admin thread.
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

namespace postern::admin {

class Idempotency {
 public:
  struct Kept {
    std::string digest;
    unsigned status = 0;
    std::string body, etag, location;  // body is empty when the answer held a token
    std::string token_id;
  };
  // nullptr: not seen, or longer ago than 24 h.
  const Kept* find(const std::string& key, std::int64_t now_ms);
  void keep(std::string key, Kept kept, std::int64_t now_ms);

 private:
  static constexpr std::int64_t kLifetime = 24LL * 3600 * 1000;
  static constexpr std::size_t kMost = 10'000;
  void forget(std::int64_t now_ms);
  std::unordered_map<std::string, Kept> kept_;
  std::deque<std::pair<std::int64_t, std::string>> order_;
};

}  // namespace postern::admin
