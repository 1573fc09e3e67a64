#include "proxy/net/ticker.hpp"

#include <ctime>

namespace postern::net {

std::int64_t monotonic_ms() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void Deadline::arm(Millis after) {
  const std::int64_t now = ticker_.now_tick();
  due_ = now + 1 + (after.count() + Ticker::kTickMs - 1) / Ticker::kTickMs;
  if (slot_at_ != 0) {
    if (slot_at_ <= due_) return;  // the slot comes by in time and files it again
    unlink();
  }
  ticker_.link(*this, due_);
}

void Deadline::unlink() noexcept {
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  slot_at_ = 0;
  next_ = nullptr;
  --ticker_.linked_;
}

Ticker::Ticker(boost::asio::io_context& context) : timer_(context) {}

void Ticker::link(Deadline& d, std::int64_t tick) {
  Deadline*& head = slots_[static_cast<std::size_t>(tick) % kSlots];
  d.next_ = head;
  d.link_ = &head;
  if (head != nullptr) head->link_ = &d.next_;
  head = &d;
  d.slot_at_ = tick;
  ++linked_;
  start();
}

void Ticker::start() {
  if (running_ || stopped_) return;
  last_tick_ = now_tick();
  wait();
}

void Ticker::wait() {
  running_ = true;
  timer_.expires_after(Millis(kTickMs));
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) tick();
  });
}

void Ticker::stop() {
  stopped_ = true;
  timer_.cancel();
}

void Ticker::tick() {
  const std::int64_t now = now_tick();
  std::int64_t from = last_tick_ + 1;
  if (now - from >= static_cast<std::int64_t>(kSlots)) from = now - static_cast<std::int64_t>(kSlots) + 1;
  for (std::int64_t at = from; at <= now; ++at) {
    // Firing may link, unlink or destroy any node, so the slot is emptied into a list of its own that they unlink from.
    Deadline* pending = slots_[static_cast<std::size_t>(at) % kSlots];
    slots_[static_cast<std::size_t>(at) % kSlots] = nullptr;
    if (pending != nullptr) pending->link_ = &pending;
    while (pending != nullptr) {
      Deadline& d = *pending;
      d.unlink();
      if (d.due_ == 0) continue;
      if (d.due_ > now) {
        link(d, d.due_);
        continue;
      }
      d.due_ = 0;
      d.fire_(d.owner_);
    }
  }
  last_tick_ = now;
  running_ = false;
  if (!stopped_ && linked_ != 0) wait();
}

}  // namespace postern::net
