#pragma once
// Where a master key comes from, as a configuration names it: exactly one of these is set.
//
// Plain data, any thread. Nothing in it is secret: files and commands are named, never what they hold.
#include <filesystem>
#include <string>
#include <vector>

namespace postern::vault {

struct KeySource {
  std::filesystem::path file;             // a key file, as make_key_file writes it
  std::filesystem::path passphrase_file;  // its first line is a passphrase; /dev/fd/N; "-": ask the terminal
  std::string credential;                 // a file name in $CREDENTIALS_DIRECTORY (systemd), which holds a key file
  std::vector<std::string> exec;          // an absolute path and its arguments: a program that wraps and unwraps

  // True if none is set.
  bool empty() const { return file.empty() && passphrase_file.empty() && credential.empty() && exec.empty(); }
  // The file that holds the key or the passphrase; empty: it lies in none that we open by this path.
  const std::filesystem::path& secret_file() const { return file.empty() ? passphrase_file : file; }
};

}  // namespace postern::vault
