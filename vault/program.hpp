#pragma once
// Runs another program on a few bytes: no shell, no environment of ours, bounded in time and in what it may say.
//
// Not part of the room's door. Thread safety: any thread; blocks until the program has ended or was killed.
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "vault/error.hpp"
#include "vault/secret.hpp"

namespace postern::vault {

struct Program {
  std::vector<std::string> arguments;  // the first is an absolute path to a file nobody else may write
  std::string_view input;
  std::chrono::milliseconds deadline{10'000};
  std::size_t most_output = 64 * 1024;
};
// What it wrote to its standard output. Its whole process group is killed at the deadline, and whatever of it is left
// is killed at the end. Errors (wrong_key, because a key is what this is asked for): no such file, not executable,
// others may write it; too late; too much; an exit code other than 0, with the first line of its standard error, in
// which whatever could be a key is left out.
Result<Secret> run_program(const Program& program);

}  // namespace postern::vault
