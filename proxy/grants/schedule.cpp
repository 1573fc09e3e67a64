#include "proxy/grants/schedule.hpp"

#include <algorithm>

namespace postern::grants {
namespace {

constexpr std::int64_t kSecond = 1'000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

}  // namespace

std::int64_t remaining_ms(std::int64_t lifetime_ms, const Moment& sent, const Moment& now) {
  std::int64_t left = std::min(lifetime_ms, lifetime_ms - (now.wall_ms - sent.wall_ms));
  if (!now.boot_id.empty() && now.boot_id == sent.boot_id)
    left = std::min(left, lifetime_ms - (now.boot_ms - sent.boot_ms));
  return left;
}

Thresholds thresholds(std::int64_t lifetime_ms, std::uint32_t jitter) {
  Thresholds out;
  out.forced_ms = std::min(30 * kSecond, lifetime_ms / 10);
  const std::int64_t due = std::max(out.forced_ms, std::min(5 * kMinute, lifetime_ms / 3));
  // 80 % to 120 %, in steps that a lifetime of ten years does not overflow.
  const std::int64_t percent_of_percent = 8'000 + static_cast<std::int64_t>(jitter % 4'001U);
  out.due_ms = std::max(out.forced_ms, due / 10'000 * percent_of_percent + due % 10'000 * percent_of_percent / 10'000);
  return out;
}

std::uint32_t jitter_of(std::string_view connection_id) {
  std::uint32_t hash = 2'166'136'261U;  // FNV-1a: the same on every machine and in every version
  for (const char c : connection_id) hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619U;
  return hash;
}

Freshness freshness(std::optional<std::int64_t> lifetime_ms, const Moment& sent, const Moment& now,
                    std::uint32_t jitter) {
  if (!lifetime_ms) return Freshness::fresh;
  const std::int64_t left = remaining_ms(*lifetime_ms, sent, now);
  const Thresholds at = thresholds(*lifetime_ms, jitter);
  if (left <= 0) return Freshness::ended;
  if (left <= at.forced_ms) return Freshness::forced;
  return left <= at.due_ms ? Freshness::due : Freshness::fresh;
}

std::int64_t touch_after_ms(std::int64_t idle_lifetime_ms) {
  return std::max(std::min(kDay, idle_lifetime_ms), idle_lifetime_ms / 2);
}

bool touch_due(std::int64_t idle_lifetime_ms, std::int64_t last_used_ms, std::int64_t now_ms) {
  return now_ms - last_used_ms >= touch_after_ms(idle_lifetime_ms);
}

std::int64_t backoff_ms(int failures, std::uint32_t random, std::optional<std::int64_t> retry_after_ms) {
  const int doublings = std::clamp(failures - 1, 0, 6);
  const std::int64_t most = std::min(kMinute, kSecond << doublings);
  const std::int64_t pause = most * static_cast<std::int64_t>(random) / 0xffff'ffff;
  return std::max(pause, std::clamp<std::int64_t>(retry_after_ms.value_or(0), 0, kHour));
}

bool Breaker::allows(std::int64_t now_ms) const {
  return now_ms >= next_ms_;
}
void Breaker::began(std::int64_t now_ms) {
  if (open()) next_ms_ = now_ms + kProbeMs;
}
void Breaker::succeeded() {
  failures_ = 0;
  next_ms_ = 0;
}
void Breaker::failed(std::int64_t now_ms, std::uint32_t random, std::optional<std::int64_t> retry_after_ms,
                     bool counts) {
  if (!counts && !open()) return;
  if (counts) failures_ = std::min(failures_ + 1, 1'000);
  // Before it opens, the connections' own backoff is enough; Retry-After is for everybody at once.
  if (open())
    next_ms_ = now_ms + std::max(kSecond, backoff_ms(failures_, random, retry_after_ms));
  else if (retry_after_ms)
    next_ms_ = now_ms + backoff_ms(1, 0, retry_after_ms);
}

bool ForcedLimit::take(std::int64_t now_ms) {
  if (now_ms < next_ms_) return false;
  next_ms_ = now_ms + gap_ms_;
  gap_ms_ = std::min(kHour, gap_ms_ * 2);
  return true;
}
void ForcedLimit::ended(bool fruitful) {
  if (fruitful) gap_ms_ = kMinute;
}

bool ForcedRate::take(std::int64_t now_ms) {
  // The slot to be written holds the oldest of the last thirty.
  if (count_ == kMost && now_ms - at_[next_] < kWindowMs) return false;
  at_[next_] = now_ms;
  next_ = (next_ + 1) % kMost;
  count_ = std::min(count_ + 1, kMost);
  return true;
}

}  // namespace postern::grants
