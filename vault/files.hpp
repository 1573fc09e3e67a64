#pragma once
// The few calls of the file system that the vault needs done durably. errno says why where a bool says no.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace postern::vault {

// An open file descriptor, closed at the end of its scope. Absence: converts to false.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  explicit operator bool() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// The first bytes of a file, at most `most` of them; nullopt, and errno, where it cannot be opened or read.
std::optional<std::string> read_small(const std::filesystem::path& file, std::size_t most);
bool write_all(int descriptor, std::string_view bytes);
bool sync_directory(const std::filesystem::path& directory);
// Makes the directory, and those above it that are missing, with 0700. One that is there is left as it is.
bool make_private_directory(const std::filesystem::path& directory);

}  // namespace postern::vault
