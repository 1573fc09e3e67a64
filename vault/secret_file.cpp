#include "vault/secret_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "vault/files.hpp"

namespace postern::vault {
namespace {

// As much as is there, at most `size`; -1: errno says why.
ssize_t read_to_the_end(int descriptor, char* out, std::size_t size) {
  std::size_t got = 0;
  while (got < size) {
    const ssize_t now = ::read(descriptor, out + got, size - got);
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return -1;
    if (now == 0) break;
    got += static_cast<std::size_t>(now);
  }
  return static_cast<ssize_t>(got);
}

}  // namespace

Result<Secret> read_secret_file(const std::filesystem::path& file, const SecretFile& about) {
  const auto refuse = [&](const std::string& why) {
    return fail(Error::Code::wrong_key, about.name + " " + file.string() + " " + why);
  };
  // Not blocking: a FIFO in this place must be refused, not waited for.
  const File in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | (about.may_be_a_pipe ? 0 : O_NONBLOCK)));
  if (!in) {
    return refuse(errno == ENOENT ? "does not exist: restore it from where you keep it, or run postern init for a new "
                                    "vault"
                                  : "cannot be read: " + std::string(std::strerror(errno)));
  }
  struct stat status{};
  const bool known = ::fstat(in.get(), &status) == 0;
  if (!about.may_be_a_pipe || (known && S_ISREG(status.st_mode))) {
    if (!known || !S_ISREG(status.st_mode)) return refuse("is not a regular file");
    if ((status.st_mode & about.others) != 0) {
      return refuse("can be accessed by others: run chmod 600 " + file.string());
    }
  }
  ssize_t got = 0;
  const Secret all = Secret::make(about.longest + 1, [&](char* out) {
    std::memset(out, 0, about.longest + 1);
    got = read_to_the_end(in.get(), out, about.longest + 1);
  });
  if (got < 0) return refuse("cannot be read: " + std::string(std::strerror(errno)));
  if (static_cast<std::size_t>(got) > about.longest) return refuse("is too long to be one" + std::string(about.shape));
  std::string_view text = all.expose().substr(0, static_cast<std::size_t>(got));
  while (!text.empty() && about.strip.find(text.back()) != std::string_view::npos) text.remove_suffix(1);
  return Secret(text);
}

}  // namespace postern::vault
