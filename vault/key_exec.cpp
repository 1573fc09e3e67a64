// A master key that only a program can unwrap: the way to any KMS, HSM or TPM. It is asked once when a vault begins and
// once at each start, for one key of 32 bytes; everything else is wrapped here, under that key.
//
//   COMMAND… wrap VAULT-ID      standard input: 32 bytes       standard output: what to store instead of them
//   COMMAND… unwrap VAULT-ID    standard input: what was stored  standard output: the 32 bytes
//
// Bytes, not text, in both directions; exit code 0, within 10 seconds, at most 64 KiB. VAULT-ID is the context that a
// KMS binds a ciphertext to (AWS calls it encryption context, Google additional authenticated data), so that the key of
// one vault cannot be passed off as another's. The environment holds PATH and LANG only, the working directory is /.
//
// The recipe, frozen by tests/golden/vault/wrapped_exec.hex:
//
//   recipe := %x01 vault-id(12) wrapped-key
#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/program.hpp"
#include "vault/wrapped.hpp"

namespace postern::vault {
namespace {

constexpr char kFormat = 1;
constexpr std::size_t kVaultId = 12;
constexpr std::size_t kMostWrapped = 32 * 1024;

class Command final : public RecipeKey {
 public:
  explicit Command(std::vector<std::string> command)
      : RecipeKey(Wrapped::Kind::exec, "exec " + command.front()), command_(std::move(command)) {}

 protected:
  Result<Found> make(std::string_view vault_id) override {
    must(vault_id.size() == kVaultId, "a vault's id has 12 characters");
    Secret master = random_secret(kKeySize);
    const auto wrapped = ask("wrap", vault_id, master.expose());
    if (!wrapped) return std::unexpected(wrapped.error());
    if (wrapped->empty() || wrapped->size() > kMostWrapped) {
      return refuse(wrapped->empty() ? "wrapped the key to nothing" : "wrapped the key to more than 32 KiB");
    }
    std::string recipe{kFormat};
    recipe.append(vault_id).append(wrapped->expose());
    // Before anything depends on it: what cannot be unwrapped again would be found at the next start.
    const auto back = follow(recipe);
    if (!back) return std::unexpected(back.error());
    if (!back->equals(master.expose())) return refuse("does not unwrap what it has wrapped");
    if (wrapped->expose().find(master.expose()) != std::string_view::npos) return refuse("did not encrypt the key");
    return Found{std::move(recipe), std::move(master)};
  }

  Result<Secret> follow(std::string_view recipe) const override {
    if (recipe.size() <= 1 + kVaultId || recipe[0] != kFormat || !is_crockford(recipe.substr(1, kVaultId))) {
      return fail(Error::Code::corrupt, "the wrapped master key is damaged, or of a newer postern");
    }
    auto master = ask("unwrap", recipe.substr(1, kVaultId), recipe.substr(1 + kVaultId));
    if (master && master->size() != kKeySize) return refuse("unwrapped something that is not a key of 32 bytes");
    return master;
  }

 private:
  Result<Secret> ask(const char* verb, std::string_view vault_id, std::string_view input) const {
    std::vector<std::string> arguments = command_;
    arguments.emplace_back(verb);
    arguments.emplace_back(vault_id);
    return run_program({.arguments = std::move(arguments), .input = input});
  }
  std::unexpected<Error> refuse(const std::string& why) const {
    return fail(Error::Code::wrong_key, "the key command " + command_.front() + " " + why);
  }

  const std::vector<std::string> command_;
};

}  // namespace

Result<std::unique_ptr<KeyProvider>> open_key_exec(std::vector<std::string> command) {
  if (command.empty() || !command.front().starts_with('/')) {
    return fail(Error::Code::wrong_key, "the key command must begin with an absolute path");
  }
  return std::make_unique<Command>(std::move(command));
}

}  // namespace postern::vault
