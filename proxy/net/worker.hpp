#pragma once
// One thread of the data path and what belongs to it alone: reactor, ticker, buffers, counters. A connection lives on
// one worker from accept to close; nothing here is shared, so nothing is locked.
//
// Thread safety: everything on the worker's own thread, except post() and the constructor. Lifetime: run() returns when
// nothing is left to do after close().
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <utility>

#include "proxy/net/buffer.hpp"
#include "proxy/net/reactor.hpp"
#include "proxy/net/ticker.hpp"
#include "proxy/observe/metrics.hpp"

namespace postern::net {

class Worker {
 public:
  explicit Worker(observe::Metrics& metrics)
      : context_(1),
        guard_(boost::asio::make_work_guard(context_)),
        ticker_(context_),
        reactor_(context_),
        metrics_(metrics.new_shard()) {}

  boost::asio::io_context& context() noexcept { return context_; }
  Ticker& ticker() noexcept { return ticker_; }
  Reactor& reactor() noexcept { return reactor_; }
  BufferPool& buffers() noexcept { return buffers_; }
  observe::Shard& metrics() noexcept { return metrics_; }

  void run() { context_.run(); }
  // Lets run() return once the last handler is done.
  void close() {
    ticker_.stop();
    guard_.reset();
  }
  template <class F>
  void post(F&& f) {
    boost::asio::post(context_, std::forward<F>(f));
  }

 private:
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  Ticker ticker_;
  Reactor reactor_;
  BufferPool buffers_;
  observe::Shard& metrics_;
};

}  // namespace postern::net
