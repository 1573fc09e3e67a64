// The master key as a file, or as a systemd credential, which is a file too. Its grammar, frozen by
// tests/golden/vault/master.key:
//
//   key-file := "postern-key-1:" base64(32 bytes) *( CR | LF | SP | TAB )
//
// Deliberately not done: the owner of the file is not judged (orchestrators mount secrets as root).
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/files.hpp"
#include "vault/secret_file.hpp"
#include "vault/wrapped.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kPrefix = "postern-key-1:";
constexpr std::size_t kLine = kPrefix.size() + 44;
constexpr std::string_view kShape = ": it must be one line, postern-key-1: and 32 bytes in base64";

}  // namespace

Result<std::unique_ptr<KeyProvider>> open_key_line(const std::filesystem::path& file, const std::string& name,
                                                   unsigned others, std::string description) {
  const auto refuse = [&](const char* why) {
    return fail(Error::Code::wrong_key, name + " " + file.string() + " " + why + std::string(kShape));
  };
  const auto text = read_secret_file(file, {.name = name,
                                            .longest = kLine + 64,
                                            .others = others,
                                            .strip = "\r\n \t",
                                            .may_be_a_pipe = false,
                                            .shape = kShape});
  if (!text) return std::unexpected(text.error());
  const std::string_view line = text->expose();
  if (line.empty()) return refuse("is empty");
  if (!line.starts_with(kPrefix)) return refuse("holds no postern key");
  const auto key = decode_base64(line.substr(kPrefix.size()));
  if (!key || key->size() != kKeySize) return refuse("holds a damaged or cut key");
  return std::make_unique<PresentKey>(*key, std::move(description));
}

Result<std::unique_ptr<KeyProvider>> open_key_file(const std::filesystem::path& file) {
  return open_key_line(file, "master key file", 077, "file " + file.string());
}

Result<void> write_key_file(const std::filesystem::path& file) {
  const auto io = [&file](const char* what) {
    return fail(Error::Code::io,
                std::string("cannot ") + what + " the master key file " + file.string() + ": " + std::strerror(errno));
  };
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  if (!make_private_directory(folder)) return io("make the directory of");
  const File out(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) {
    if (errno == EEXIST) {
      return fail(Error::Code::exists, "there is a master key in " + file.string() + " already: it is kept");
    }
    return io("create");
  }
  std::string line(kPrefix);
  line.reserve(kLine + 1);
  std::string digits = base64(random_secret(kKeySize).expose());
  line.append(digits).append(1, '\n');
  const bool written = write_all(out.get(), line) && ::fsync(out.get()) == 0 && sync_directory(folder);
  wipe(digits);
  wipe(line);
  if (!written) return io("write");
  return {};
}

std::unique_ptr<KeyProvider> make_ephemeral_key() {
  return std::make_unique<PresentKey>(random_secret(kKeySize), "ephemeral");
}

}  // namespace postern::vault
