#include "vault/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "vault/files.hpp"

namespace postern::vault {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostError = 4096;  // of its standard error
constexpr std::size_t kMostShown = 200;   // of the line that is shown
constexpr std::size_t kCouldBeAKey = 32;  // characters of hex or base64 in a row

std::unexpected<Error> refuse(const Program& program, const std::string& why) {
  return fail(Error::Code::wrong_key, "the key command " + program.arguments.front() + " " + why);
}

Result<void> check_file(const Program& program) {
  const std::string& path = program.arguments.front();
  struct stat about{};
  if (!path.starts_with('/')) return refuse(program, "is not an absolute path");
  if (::stat(path.c_str(), &about) != 0) return refuse(program, std::string("cannot be run: ") + std::strerror(errno));
  if (!S_ISREG(about.st_mode)) return refuse(program, "is not a regular file");
  if ((about.st_mode & 022U) != 0) return refuse(program, "can be changed by others: run chmod go-w " + path);
  if (about.st_uid != 0 && about.st_uid != ::geteuid()) {
    return refuse(program, "belongs to another user: it must be root's or our own");
  }
  if (::access(path.c_str(), X_OK) != 0) return refuse(program, "is not executable: run chmod u+x " + path);
  return {};
}

// The first line, without what could be a key or drive a terminal.
std::string safe_line(std::string_view text) {
  text = text.substr(0, std::min(text.find('\n'), text.size()));
  const auto digit = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '/' ||
           c == '=' || c == '-' || c == '_';
  };
  std::string shown;
  for (std::size_t at = 0; at < text.size() && shown.size() < kMostShown;) {
    std::size_t end = at;
    while (end < text.size() && digit(text[end])) ++end;
    if (end - at >= kCouldBeAKey) {
      shown += "(left out)";
    } else if (end > at) {
      shown += text.substr(at, end - at);
    } else {
      const char c = text[end++];
      shown += c >= ' ' && c < 0x7f ? c : '?';
    }
    at = end;
  }
  return shown;
}

struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) == 0) {
      out = ends[0];
      in = ends[1];
    }
  }
  ~Pipe() {
    close(out);
    close(in);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  static void close(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
  int out = -1, in = -1;
};

// The running program: its three pipes and its process group, which does not outlive this.
class Child {
 public:
  ~Child() {
    if (pid_ <= 0 || ended_) return;
    ::kill(-pid_, SIGKILL);
    wait();
  }
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // 0, or errno.
  int start(const std::vector<std::string>& arguments);
  // Until it has ended and said everything, or it is killed. False: too late or too much.
  bool attend(const Program& program, char* output, std::size_t& got, std::string& error);
  // As waitpid(2) has it; -1 where somebody else took it.
  int status() const { return status_; }

 private:
  void wait() {
    while (::waitpid(pid_, &status_, 0) < 0) {
      if (errno == EINTR) continue;
      status_ = -1;
      break;
    }
    ended_ = true;
  }

  Pipe input_, output_, error_;
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = -1;
};

int Child::start(const std::vector<std::string>& arguments) {
  if (input_.in < 0 || output_.in < 0 || error_.in < 0) return EMFILE;
  std::vector<std::string> words = arguments;
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // Nothing of our environment: tokens and settings of the daemon are not the command's business.
  std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", language = "LANG=C.UTF-8";
  char* environment[] = {path.data(), language.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, input_.out, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output_.in, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, error_.in, STDERR_FILENO);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  ::posix_spawn_file_actions_addchdir_np(&actions, "/");
  sigset_t none, defaults;
  sigemptyset(&none);
  sigfillset(&defaults);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setpgroup(&attributes, 0);  // one of its own, so that all of it can be killed
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int failed = ::posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), environment);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) pid_ = -1;
  Pipe::close(input_.out);
  Pipe::close(output_.in);
  Pipe::close(error_.in);
  return failed;
}

// Writes what fits; closes the end when all is written or nobody reads.
void feed(int& end, std::string_view& left) {
  const ssize_t written = ::write(end, left.data(), left.size());
  if (written > 0) left.remove_prefix(static_cast<std::size_t>(written));
  if (left.empty() || (written < 0 && errno != EAGAIN && errno != EINTR)) Pipe::close(end);
}

// Reads what is there; closes the end at its end. False: more than `room`.
bool drain(int& end, char* out, std::size_t& got, std::size_t room) {
  while (end >= 0) {
    const ssize_t read = ::read(end, out + got, room - got);
    if (read < 0 && errno == EINTR) continue;
    if (read < 0 && errno == EAGAIN) return true;
    if (read <= 0) {
      Pipe::close(end);
      return true;
    }
    got += static_cast<std::size_t>(read);
    if (got == room) return false;
  }
  return true;
}

bool Child::attend(const Program& program, char* output, std::size_t& got, std::string& error) {
  const auto until = Clock::now() + program.deadline;
  const File ended(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  std::string_view left = program.input;
  std::size_t said = 0;
  error.resize(kMostError);
  for (const int end : {input_.in, output_.out, error_.out}) ::fcntl(end, F_SETFL, O_NONBLOCK);
  if (left.empty()) Pipe::close(input_.in);
  bool in_time = true;
  for (bool over = false; !over && in_time;) {
    // A closed end is -1, which poll passes over. Whoever inherited the pipes may hold them open: what counts is that
    // the program itself has ended.
    std::array<pollfd, 4> waiting{
        {{input_.in, POLLOUT, 0}, {output_.out, POLLIN, 0}, {error_.out, POLLIN, 0}, {ended.get(), POLLIN, 0}}};
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    // Without a pidfd (kernels before 5.3) the end is looked for every 10 ms.
    const int wait_ms =
        static_cast<int>(std::clamp<std::int64_t>(rest + 1, 0, ended ? program.deadline.count() + 1 : 10));
    ::poll(waiting.data(), waiting.size(), wait_ms);
    siginfo_t info{};
    over = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
    if (input_.in >= 0 && waiting[0].revents != 0) feed(input_.in, left);
    in_time = drain(output_.out, output, got, program.most_output + 1) && (over || rest > 0);
    if (!drain(error_.out, error.data(), said, kMostError)) Pipe::close(error_.out);
  }
  error.resize(said);
  ::kill(-pid_, SIGKILL);  // before it is waited for: until then the number of the group is nobody else's
  wait();
  return in_time;
}

// SIGPIPE is ignored in the daemon and in nobody else: here it is held back for this thread while we write.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~NoPipeSignal() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    const timespec now{};
    while (::sigtimedwait(&set, nullptr, &now) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Result<Secret> run_program(const Program& program) {
  if (program.arguments.empty()) return fail(Error::Code::wrong_key, "the key command is empty");
  if (auto fine = check_file(program); !fine) return std::unexpected(fine.error());
  const NoPipeSignal quiet;
  Child child;
  if (const int failed = child.start(program.arguments); failed != 0) {
    return refuse(program, std::string("cannot be run: ") + std::strerror(failed));
  }
  std::size_t got = 0;
  std::string error;
  bool fine = false;
  const Secret output = Secret::make(program.most_output + 1, [&](char* out) {
    std::memset(out, 0, program.most_output + 1);
    fine = child.attend(program, out, got, error);
  });
  if (got > program.most_output) {
    return refuse(program, "wrote more than " + std::to_string(program.most_output / 1024) + " KiB");
  }
  if (!fine) {
    return refuse(program,
                  "did not end within " + std::to_string(program.deadline.count() / 1000) + " s and was killed");
  }
  if (WIFEXITED(child.status()) && WEXITSTATUS(child.status()) == 0) return Secret(output.expose().substr(0, got));
  const std::string said = safe_line(error);
  return refuse(program,
                (WIFSIGNALED(child.status()) ? "was ended by signal " + std::to_string(WTERMSIG(child.status()))
                                             : "failed with exit code " + std::to_string(WEXITSTATUS(child.status()))) +
                    (said.empty() ? ", and said nothing" : ": " + said));
}

}  // namespace postern::vault
