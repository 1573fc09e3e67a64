#pragma once
// Blocking work (the vault's store, getaddrinfo) runs on a few threads; the coroutine comes back to its own.
//
//   auto found = co_await offload.run(worker.context(), [&] { return vault.find_connection(space, ref); });
//
// Thread safety: run() from any worker. The function must not touch anything of the worker. stop() waits for what runs.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace postern::net {

class Offload {
 public:
  explicit Offload(std::size_t threads) : pool_(threads) {}

  template <class F>
  class Run {
   public:
    using T = std::invoke_result_t<F&>;
    Run(Offload& offload, boost::asio::io_context& home, F f) : offload_(offload), home_(home), f_(std::move(f)) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
      // The work guard keeps the home context running until the answer is back.
      boost::asio::post(offload_.pool_, [this, h, guard = boost::asio::make_work_guard(home_)]() mutable {
        try {
          value_.emplace(f_());
        } catch (...) {
          failure_ = std::current_exception();
        }
        boost::asio::post(home_, [h] { h.resume(); });
      });
    }
    T await_resume() {
      if (failure_) std::rethrow_exception(failure_);
      return std::move(*value_);
    }

   private:
    Offload& offload_;
    boost::asio::io_context& home_;
    F f_;
    std::optional<T> value_;
    std::exception_ptr failure_;
  };

  template <class F>
  Run<F> run(boost::asio::io_context& home, F f) {
    return Run<F>(*this, home, std::move(f));
  }
  // Work that nobody waits for. It must not throw.
  template <class F>
  void post(F f) {
    boost::asio::post(pool_, std::move(f));
  }
  void stop() { pool_.join(); }

 private:
  boost::asio::thread_pool pool_;
};

}  // namespace postern::net
