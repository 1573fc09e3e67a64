#pragma once
// co_await rest(ticker, Millis(200)): the coroutine sleeps for about that long (the ticker's resolution).
#include <coroutine>

#include "proxy/net/ticker.hpp"

namespace postern::net {

class Rest {
 public:
  Rest(Ticker& ticker, Millis length)
      : length_(length), deadline_(ticker, [](void* self) { static_cast<Rest*>(self)->handle_.resume(); }, this) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    handle_ = h;
    deadline_.arm(length_);
  }
  void await_resume() const noexcept {}

 private:
  Millis length_;
  Deadline deadline_;
  std::coroutine_handle<> handle_;
};

inline Rest rest(Ticker& ticker, Millis length) {
  return {ticker, length};
}

}  // namespace postern::net
