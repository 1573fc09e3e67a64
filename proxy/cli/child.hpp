#pragma once
// One foreground child: started with its own environment, given the signals that were meant for it, waited for.
#include <csignal>
#include <map>
#include <string>
#include <vector>

#include "proxy/cli/failure.hpp"

namespace postern::cli {

// While it lives, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 wait instead of ending this process, so that
// what was begun for a child (an authorization) can be undone. Ones that came before the child started are passed to
// it. A reader of our messages who has gone (SIGPIPE) does not end us either.
class HeldSignals {
 public:
  HeldSignals();
  ~HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

 private:
  sigset_t before_;
  struct sigaction pipe_{};
};

// Runs `command` (looked up in PATH) and forwards signals that processes send to this one. What a terminal sends
// reaches the child by itself, as it is in the same process group, and is not sent twice. Returns its exit code, 128+n
// when signal n ended it. Error: it could not be started (exit 127 not found, 126 otherwise).
Result<int> run_child(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment);

}  // namespace postern::cli
