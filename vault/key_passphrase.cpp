// A master key made from a passphrase. The recipe, frozen by tests/golden/vault/wrapped_passphrase.hex:
//
//   recipe := %x01 log2-N r p salt(16)      ; scrypt (RFC 7914): the key is scrypt(passphrase, salt, 2^log2-N, r, p,
//   32)
//
// New vaults get N = 2^16, r = 8, p = 2: 64 MiB and 0.37 s of one core where this was written (OpenSSL 3.0), once at
// each start, so that a wrong passphrase is known within a second. What is stored is bounded in both directions before
// it is believed: whoever can write the store can neither make us take all memory nor make the passphrase cheap to
// guess.
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <termios.h>
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

constexpr char kFormat = 1;
constexpr std::size_t kSalt = 16;
constexpr std::size_t kRecipe = 4 + kSalt;
constexpr std::size_t kShortest = 12;  // characters of a passphrase that a vault may begin with
constexpr std::size_t kLongest = 4096;

struct Cost {
  unsigned log2_n = 16, r = 8, p = 2;
  bool sensible() const { return log2_n >= 14 && log2_n <= 20 && r == 8 && p >= 1 && p <= 16; }
};

Result<Secret> scrypt(const Secret& passphrase, std::string_view salt, const Cost& cost) {
  bool done = false;
  Secret key = Secret::make(kKeySize, [&](char* out) {
    done = EVP_PBE_scrypt(passphrase.expose().data(), passphrase.size(),
                          reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
                          std::uint64_t{1} << cost.log2_n, cost.r, cost.p, std::uint64_t{2} << 30,
                          reinterpret_cast<unsigned char*>(out), kKeySize) == 1;
  });
  if (done) return key;
  return fail(Error::Code::wrong_key, "not enough memory to make the master key from the passphrase: " +
                                          std::to_string((std::uint64_t{1} << cost.log2_n) >> 13U) + " MiB are needed");
}

// One line from the terminal, without echo. Interrupt characters are read like any other, so that the terminal gets its
// echo back however the question ends.
Result<Secret> ask(const char* question) {
  const File terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  termios before{};
  if (!terminal || ::tcgetattr(terminal.get(), &before) != 0) {
    return fail(Error::Code::wrong_key,
                "there is no terminal to ask for the passphrase: name a file in vault.key.passphrase_file, or a "
                "descriptor as /dev/fd/3");
  }
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
  ::tcsetattr(terminal.get(), TCSAFLUSH, &silent);
  write_all(terminal.get(), question);
  std::size_t size = 0;
  bool ended = false;
  const Secret line = Secret::make(kLongest, [&](char* out) {
    char c = 0;
    while (size < kLongest && !ended && ::read(terminal.get(), &c, 1) == 1 && c != '\n') {
      ended = c == 3 || c == 28 || c == 4;  // ctrl-C, ctrl-\, ctrl-D
      if (!ended) out[size++] = c;
    }
  });
  ::tcsetattr(terminal.get(), TCSAFLUSH, &before);
  write_all(terminal.get(), "\n");
  if (ended) return fail(Error::Code::wrong_key, "no passphrase was given");
  return Secret(line.expose().substr(0, size));
}

bool is_terminal(const std::filesystem::path& file) {
  return file == "-";
}

Result<Secret> read_passphrase(const std::filesystem::path& file) {
  if (is_terminal(file)) return ask("passphrase of the vault: ");
  const bool descriptor = file.string().starts_with("/dev/fd/") || file.string().starts_with("/proc/self/fd/");
  auto read = read_secret_file(file, {.name = "passphrase file",
                                      .longest = kLongest,
                                      .others = 077,
                                      .strip = "\r\n",
                                      .may_be_a_pipe = descriptor,
                                      .shape = ": it must be one line"});
  if (!read) return read;
  if (read->empty() || read->expose().find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos) {
    return fail(Error::Code::wrong_key, "passphrase file " + file.string() +
                                            (read->empty() ? " is empty" : " has more than one line") +
                                            ": it must be one line, the passphrase");
  }
  return read;
}

class Passphrase final : public RecipeKey {
 public:
  Passphrase(Secret passphrase, std::filesystem::path file)
      : RecipeKey(Wrapped::Kind::passphrase,
                  is_terminal(file) ? "passphrase of the terminal" : "passphrase " + file.string()),
        passphrase_(std::move(passphrase)),
        file_(std::move(file)) {}

 protected:
  Result<Found> make(std::string_view) override {
    if (passphrase_.size() < kShortest) {
      return fail(Error::Code::wrong_key, "the passphrase is shorter than " + std::to_string(kShortest) +
                                              " characters: take a longer one, several words for instance");
    }
    if (is_terminal(file_)) {
      const auto again = ask("the same once more: ");
      if (!again) return std::unexpected(again.error());
      if (!again->equals(passphrase_.expose())) {
        return fail(Error::Code::wrong_key, "the two passphrases are not the same: nothing was made");
      }
    }
    const Cost cost;
    std::string recipe{kFormat, static_cast<char>(cost.log2_n), static_cast<char>(cost.r), static_cast<char>(cost.p)};
    recipe += random_bytes(kSalt);
    auto master = follow(recipe);
    if (!master) return std::unexpected(master.error());
    return Found{std::move(recipe), std::move(*master)};
  }

  Result<Secret> follow(std::string_view recipe) const override {
    const auto number = [recipe](std::size_t at) {
      return static_cast<unsigned>(static_cast<unsigned char>(recipe[at]));
    };
    if (recipe.size() != kRecipe || recipe[0] != kFormat) {
      return fail(Error::Code::corrupt, "the salt of the passphrase is damaged, or of a newer postern");
    }
    const Cost cost{.log2_n = number(1), .r = number(2), .p = number(3)};
    if (!cost.sensible()) return fail(Error::Code::corrupt, "the cost stored for the passphrase was tampered with");
    return scrypt(passphrase_, recipe.substr(4), cost);
  }

 private:
  const Secret passphrase_;
  const std::filesystem::path file_;
};

}  // namespace

Result<std::unique_ptr<KeyProvider>> open_key_passphrase(const std::filesystem::path& file) {
  auto passphrase = read_passphrase(file);
  if (!passphrase) return std::unexpected(passphrase.error());
  return std::make_unique<Passphrase>(std::move(*passphrase), file);
}

}  // namespace postern::vault
