// Where the command line meets the real world: streams, environment, terminal.
#include "proxy/cli/cli.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <iostream>
#include <iterator>
#include <thread>

#include "proxy/cli/child.hpp"
#include "proxy/cli/command.hpp"
#include "proxy/cli/offline.hpp"

extern char** environ;

namespace postern::cli {
namespace {

Environment current_environment() {
  Environment out;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

volatile std::sig_atomic_t interrupted = 0;

// A question to the terminal: echo is off for secrets, and on again however the question ends. A signal that would end
// the process ends the question first, or the shell would be left without echo.
class Question {
 public:
  explicit Question(bool echo) {
    interrupted = 0;
    struct sigaction action{};
    action.sa_handler = [](int signal) { interrupted = signal; };  // without SA_RESTART: read() returns
    for (std::size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &actions_[i]);
    if (echo || tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~Question() {
    if (silent_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    for (std::size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &actions_[i], nullptr);
    if (interrupted != 0) std::raise(interrupted);
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  bool silent() const { return silent_; }

  // One line; nothing when the input ended or a signal came.
  static bool read_line(std::string& line) {
    char c = 0;
    while (interrupted == 0 && read(STDIN_FILENO, &c, 1) == 1) {
      if (c == '\n') return true;
      line += c;
    }
    return false;
  }

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  struct sigaction actions_[std::size(kSignals)]{};
  termios before_{};
  bool silent_ = false;
};

Result<Hidden> ask(const std::string& label, bool echo) {
  std::cerr << printable(label) << std::flush;
  const Question question(echo);
  if (!echo && !question.silent())
    return fail(Exit::usage, "terminal: cannot turn echo off; use --from-stdin or --from-file");
  std::string line;
  line.reserve(4096);  // a longer canonical line does not exist; growing would leave copies behind
  const bool whole = Question::read_line(line);
  if (!echo || !whole) std::cerr << "\n";
  Hidden answer = Hidden::take(line);
  if (!whole) return fail(Exit::failed, "terminal: the input ended; nothing was changed");
  return answer;
}

// Cells in a line of the terminal that stdout is; 0: it is none.
std::size_t width_of_stdout(const Environment& environment) {
  if (isatty(STDOUT_FILENO) != 1) return 0;
  winsize window{};
  const bool told = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0;
  const auto columns = environment.find("COLUMNS");
  return terminal_width(told ? window.ws_col : 0, columns == environment.end() ? "" : columns->second);
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

int main(int argc, char** argv, const Hooks& hooks) {
  Surroundings surroundings{.in = std::cin,
                            .out = std::cout,
                            .err = std::cerr,
                            .in_is_terminal = isatty(STDIN_FILENO) == 1,
                            .err_is_terminal = isatty(STDERR_FILENO) == 1,
                            .environment = current_environment(),
                            .hooks = hooks,
                            .ask = ask,
                            .dial = [](const Endpoint& endpoint) { return make_client(endpoint); },
                            .run_child = run_child,
                            .locate = offline::locate,
                            .provider = offline::provider,
                            .now_ms = now_ms,
                            .pause = [] { std::this_thread::sleep_for(std::chrono::seconds(1)); }};
  surroundings.width = width_of_stdout(surroundings.environment);
  if (argc > 1 && argv[1] == kCompletionVerb) {
    // A daemon that does not answer must not hold a shell up: no candidates then.
    std::signal(SIGALRM, [](int) { _exit(Exit::ok); });
    alarm(2);
  }
  return run_command({argv + 1, argv + argc}, surroundings);
}

}  // namespace postern::cli
