#pragma once
// When a token is renewed, and how often an endpoint may be asked (DESIGN section 7 points 1, 6 and 7). Arithmetic
// only: no clock, no random numbers, no I/O; all times are milliseconds and arguments.
//
// Thread safety: the functions are pure; the small states belong to whoever holds them.
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace postern::grants {

// --- how fresh a token is
// --------------------------------------------------------------------------------------------- One moment on two
// clocks: wall for what survives a restart, boot (CLOCK_BOOTTIME) for what nobody can set.
struct Moment {
  std::int64_t wall_ms = 0;
  std::int64_t boot_ms = 0;
  std::string_view boot_id = {};  // of the kernel's start; boot times of two starts do not compare
};
// What is left of a token that was asked for at `sent`: the smaller of the two clocks' answers, at most the whole
// lifetime (a wall clock that was set back makes no token younger), below zero when it has ended.
std::int64_t remaining_ms(std::int64_t lifetime_ms, const Moment& sent, const Moment& now);

struct Thresholds {
  std::int64_t forced_ms = 0, due_ms = 0;  // of what is left
};
// forced = min(30 s, lifetime/10); due = max(forced, min(5 min, lifetime/3)), moved by up to a fifth either way by
// `jitter`, a number of the connection's own (0 to 2^32-1: the same every time, so that it does not wander).
Thresholds thresholds(std::int64_t lifetime_ms, std::uint32_t jitter);
std::uint32_t jitter_of(std::string_view connection_id);

enum class Freshness : std::uint8_t {
  fresh,
  due,     // use it; renew it in the background
  forced,  // renew it first
  ended
};
// Without a lifetime a token is fresh until it is refused.
Freshness freshness(std::optional<std::int64_t> lifetime_ms, const Moment& sent, const Moment& now,
                    std::uint32_t jitter);

// A refresh token that ends when it is idle is touched when half of that time is over, but not more than daily.
std::int64_t touch_after_ms(std::int64_t idle_lifetime_ms);
bool touch_due(std::int64_t idle_lifetime_ms, std::int64_t last_used_ms, std::int64_t now_ms);

// --- after a failure
// -------------------------------------------------------------------------------------------------- Full jitter:
// between zero and 1 s doubled `failures - 1` times, at most 60 s; `random` is 0 to 2^32-1. Never before Retry-After,
// of which at most an hour is believed.
std::int64_t backoff_ms(int failures, std::uint32_t random, std::optional<std::int64_t> retry_after_ms = std::nullopt);

// One token host. Five failures in a row open it; then one call at a time tries whether it is back.
class Breaker {
 public:
  bool allows(std::int64_t now_ms) const;  // false: do not ask; next_ms() says when
  void began(std::int64_t now_ms);         // an allowed call was made
  void succeeded();                        // any answer that came from a working endpoint, refusals included
  // `counts` false: a forced refresh, which callers can provoke, never opens the breaker.
  void failed(std::int64_t now_ms, std::uint32_t random, std::optional<std::int64_t> retry_after_ms,
              bool counts = true);
  bool open() const { return failures_ >= kFailures; }
  std::int64_t next_ms() const { return next_ms_; }

 private:
  static constexpr int kFailures = 5;
  static constexpr std::int64_t kProbeMs = 30'000;  // a probe that never reports back is forgotten after so long
  int failures_ = 0;
  std::int64_t next_ms_ = 0;
};

// --- forced refreshes
// ------------------------------------------------------------------------------------------------- One a minute per
// connection, doubling to an hour while they are fruitless.
class ForcedLimit {
 public:
  bool take(std::int64_t now_ms);  // false: not yet
  void ended(bool fruitful);       // whether the new token was accepted
  std::int64_t next_ms() const { return next_ms_; }

 private:
  std::int64_t next_ms_ = INT64_MIN, gap_ms_ = 60'000;
};

// 30 in any minute per auth config.
class ForcedRate {
 public:
  bool take(std::int64_t now_ms);

 private:
  static constexpr std::size_t kMost = 30;
  static constexpr std::int64_t kWindowMs = 60'000;
  std::array<std::int64_t, kMost> at_{};
  std::size_t next_ = 0, count_ = 0;
};

}  // namespace postern::grants
