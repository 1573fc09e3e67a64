#pragma once
// The command line (DESIGN section 10). `main` hands over at once; what only the daemon knows comes in as `run`.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace postern::cli {

enum Exit : int {
  ok = 0,
  failed = 1,
  usage = 2,
  not_found = 3,
  denied = 4,
  unreachable = 5,
  store_locked = 75,
  config_invalid = 78
};

struct RunArguments {
  std::optional<std::filesystem::path> config;
  bool dev = false;
  bool accept_rollback = false;
  bool accept_copy = false;
  std::vector<std::pair<std::string, std::string>> settings;  // flags as setting paths: "listen.proxy" -> "127.0.0.1:0"
};

struct Hooks {
  std::function<int(const RunArguments&)> run;  // the daemon, in the foreground; returns its exit code
};

int main(int argc, char** argv, const Hooks& hooks);

}  // namespace postern::cli
