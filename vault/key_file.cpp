// The master key as a file. Its grammar, frozen by tests/golden/vault/master.key:
//
//   key-file := "postern-key-1:" base64(32 bytes) *( CR | LF | SP | TAB )
//
// From the key in the file two values are derived (HKDF-SHA-256, no salt): the wrapping key, info "postern/wrap/1",
// and the key's public id, info "postern/key-id/1", by which a wrong key is told from a damaged record.
// Deliberately not done: the owner of the file is not judged (orchestrators mount secrets as root).
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/files.hpp"
#include "vault/key_provider.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kPrefix = "postern-key-1:";
constexpr std::size_t kLine = kPrefix.size() + 44;

class LocalKey final : public KeyProvider {
 public:
  LocalKey(const Secret& master, std::string description)
      : key_(std::string(hkdf_sha256(master.expose(), {}, "postern/key-id/1", kKeyIdSize).expose()),
             hkdf_sha256(master.expose(), {}, "postern/wrap/1", kKeySize)),
        description_(std::move(description)) {}

  Result<std::string> wrap(std::string_view plaintext, const Binding& binding) const override {
    return key_.seal(plaintext, binding);
  }

  Result<Secret> unwrap(std::string_view wrapped, const Binding& binding) const override {
    const auto under = sealed_under(wrapped);
    if (under && *under != key_.id()) {
      return fail(Error::Code::wrong_key, "the master key (" + description_ + ") is not the one this vault was made " +
                                              "with: its id is " + hex(key_.id()) + ", the vault needs " + hex(*under));
    }
    return key_.open(wrapped, binding);
  }

  std::string describe() const override { return description_; }

 private:
  SealingKey key_;
  std::string description_;
};

std::unexpected<Error> refuse(const std::filesystem::path& file, const std::string& why) {
  return fail(Error::Code::wrong_key, "master key file " + file.string() + " " + why);
}

constexpr std::string_view kShape = ": it must be one line, postern-key-1: and 32 bytes in base64";
constexpr std::size_t kLongest = kLine + 64;  // with white space

// The text of the file, in locked memory, without the white space at its end.
Result<Secret> read_key_text(const std::filesystem::path& file) {
  // Not blocking: a FIFO in this place must be refused, not waited for.
  const File in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!in) {
    return refuse(file, errno == ENOENT ? "does not exist: restore it from where you keep it, or run postern init for "
                                          "a new vault"
                                        : "cannot be read: " + std::string(std::strerror(errno)));
  }
  struct stat about{};
  if (::fstat(in.get(), &about) != 0 || !S_ISREG(about.st_mode)) return refuse(file, "is not a regular file");
  if ((about.st_mode & 077U) != 0) {
    return refuse(file, "can be accessed by others: run chmod 600 " + file.string());
  }
  ssize_t got = 0;
  const Secret all = Secret::make(kLongest + 1, [&](char* out) {
    std::memset(out, 0, kLongest + 1);
    got = ::read(in.get(), out, kLongest + 1);
  });
  if (got < 0) return refuse(file, "cannot be read: " + std::string(std::strerror(errno)));
  if (static_cast<std::size_t>(got) > kLongest) return refuse(file, "is too long to be one" + std::string(kShape));
  std::string_view text = all.expose().substr(0, static_cast<std::size_t>(got));
  while (!text.empty() && std::string_view("\r\n \t").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  return Secret(text);
}

}  // namespace

Result<std::unique_ptr<KeyProvider>> open_key_file(const std::filesystem::path& file) {
  const auto text = read_key_text(file);
  if (!text) return std::unexpected(text.error());
  const std::string_view line = text->expose();
  if (line.empty()) return refuse(file, "is empty" + std::string(kShape));
  if (!line.starts_with(kPrefix)) return refuse(file, "holds no postern key" + std::string(kShape));
  const auto key = decode_base64(line.substr(kPrefix.size()));
  if (!key || key->size() != kKeySize) return refuse(file, "holds a damaged or cut key" + std::string(kShape));
  return std::make_unique<LocalKey>(*key, "file " + file.string());
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
  return std::make_unique<LocalKey>(random_secret(kKeySize), "ephemeral");
}

}  // namespace postern::vault
