#pragma once
// A listening TCP or unix socket that accepts on one worker and hands descriptors on. Never SO_REUSEPORT: any process
// of the same uid in the network namespace could then bind beside us and collect callers' tokens (measured).
//
// Thread safety: bind() before the workers run; accepting and close() on the worker's thread.
#include <expected>
#include <filesystem>
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
  // A socket file that this user and its group may connect to. One that nobody accepts behind is replaced.
  static std::expected<std::unique_ptr<Listener>, std::string> bind(Worker& worker, const std::filesystem::path& path);
  // A socket that somebody else has bound and that listens already; takes it. Non-blocking, close-on-exec.
  static std::unique_ptr<Listener> adopt(Worker& worker, int fd);
  ~Listener() { close(); }
  const Endpoint& address() const noexcept { return address_; }  // as bound: port 0 resolved; empty for a unix socket
  const std::string& text() const noexcept { return text_; }     // "127.0.0.1:8480", or the unix socket's path
  void start(Accept accept);
  void close() noexcept;

 private:
  explicit Listener(Worker& worker) : worker_(worker), socket_(worker) {}
  Task<void> run();
  Worker& worker_;
  Socket socket_;
  void remember_address();
  Endpoint address_;
  std::string text_;
  bool has_file_ = false;  // text_ is a socket file of ours, to be removed
  Accept accept_;
};

}  // namespace postern::net
