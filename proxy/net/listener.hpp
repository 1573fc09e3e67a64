#pragma once
// A listening TCP socket that accepts on one worker and hands descriptors on. Never SO_REUSEPORT: any process of the
// same uid in the network namespace could then bind beside us and collect callers' tokens (measured).
//
// Thread safety: bind() before the workers run; accepting and close() on the worker's thread.
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "proxy/net/address_policy.hpp"
#include "proxy/net/socket.hpp"
#include "proxy/net/task.hpp"

namespace postern::net {

class Listener {
 public:
  // Takes a non-blocking, close-on-exec descriptor.
  using Accept = std::function<void(int fd)>;

  // The error is one line: what, where, what to do.
  static std::expected<std::unique_ptr<Listener>, std::string> bind(Worker& worker, const Endpoint& at);
  const Endpoint& address() const noexcept { return address_; }  // as bound: port 0 resolved
  void start(Accept accept);
  void close() noexcept { socket_.close(); }

 private:
  explicit Listener(Worker& worker) : worker_(worker), socket_(worker) {}
  Task<void> run();
  Worker& worker_;
  Socket socket_;
  Endpoint address_;
  Accept accept_;
};

}  // namespace postern::net
