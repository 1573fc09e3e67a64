#pragma once
// RocksDB's threads do not survive a fork, so a test whose vaults may be killed, or may end their process, never
// touches one itself: a child writes, another one looks.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace postern::vault::test {

inline pid_t in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  return child;
}

// -1: a signal ended it.
inline int exit_code(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace postern::vault::test
