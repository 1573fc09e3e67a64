#include "proxy/app_process.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>

#include "proxy/cli/cli.hpp"
#include "proxy/observe/log.hpp"

namespace postern {

using observe::Level;
using observe::log_event;

void harden() {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is a write error like a full disk
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

int exit_code_of(const vault::Error& error) {
  using Code = vault::Error::Code;
  switch (error.code) {
    case Code::locked:
      return cli::store_locked;
    case Code::io:
    case Code::read_only:
      return cli::failed;
    default:
      return cli::config_invalid;
  }
}

std::size_t affordable_clients(std::size_t wanted) {
  constexpr std::size_t kReserve = 128;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return wanted;
  const std::size_t all = files.rlim_cur;
  const std::size_t most = all > 2 * kReserve ? (all - kReserve) / 2 : std::max<std::size_t>(1, all / 4);
  if (most < wanted) {
    log_event(Level::warn, "client_max_lowered",
              fmt::format("client.max is {} but the limit of {} open files allows {}; raise it (ulimit -n)", wanted,
                          all, most));
  }
  return std::min(wanted, most);
}

}  // namespace postern
