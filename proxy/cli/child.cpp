#include "proxy/cli/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace postern::cli {
namespace {

constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

sigset_t forwarded() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kForwarded) sigaddset(&set, signal);
  return set;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// In the child, between fork and exec: nothing here may allocate.
[[noreturn]] void become(char** arguments, char** environment, int report, const sigset_t& mask) {
  std::signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execvpe(arguments[0], arguments, environment);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(report, &error, sizeof error);
  _exit(127);
}

// Waits for the end of the child; signals that a process sent to us go to the child. Stopping is left to the kernel: a
// terminal stops and continues the whole process group, and who stops the child alone wants us to wait.
int attend(pid_t child, const sigset_t& awaited) {
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    siginfo_t info{};
    const int signal = sigwaitinfo(&awaited, &info);
    // si_code above 0 is the kernel's: a terminal, which signalled the whole process group already.
    if (signal > 0 && signal != SIGCHLD && info.si_code <= 0) kill(child, signal);
  }
}

}  // namespace

HeldSignals::HeldSignals() {
  const sigset_t set = forwarded();
  pthread_sigmask(SIG_BLOCK, &set, &before_);
  struct sigaction ignored{};
  ignored.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignored, &pipe_);
}

HeldSignals::~HeldSignals() {
  sigaction(SIGPIPE, &pipe_, nullptr);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

Result<int> run_child(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment) {
  sigset_t awaited = forwarded();
  sigset_t childs_mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &childs_mask);
  for (const int signal : kForwarded) sigdelset(&childs_mask, signal);
  sigaddset(&awaited, SIGCHLD);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &awaited, &before);

  std::vector<std::string> words = command, variables;
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  const std::vector<char*> arguments = pointers(words), block = pointers(variables);
  std::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, the end of the child would never be seen
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return fail(Exit::failed, fmt::format("exec: pipe: {}", std::strerror(errno)));
  }
  const pid_t child = fork();
  if (child == 0)
    become(const_cast<char**>(arguments.data()), const_cast<char**>(block.data()), report[1], childs_mask);
  const int fork_error = errno;
  close(report[1]);
  int error = child < 0 ? fork_error : 0;
  if (child > 0) {
    ssize_t got = 0;
    do {
      got = read(report[0], &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof error) error = 0;
  }
  close(report[0]);
  const int code = child > 0 ? attend(child, awaited) : 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) return code;
  return fail(static_cast<Exit>(error == ENOENT ? 127 : 126),
              fmt::format("exec: {}: {}; check the command and PATH", command.front(), std::strerror(error)));
}

}  // namespace postern::cli
