#include "vault/key_provider.hpp"

namespace postern::vault {

Result<void> KeyProvider::begin(std::string_view) {
  return {};
}

Result<std::unique_ptr<KeyProvider>> open_key(const KeySource& source) {
  const int named = int{!source.file.empty()} + int{!source.passphrase_file.empty()} + int{!source.credential.empty()} +
                    int{!source.exec.empty()};
  if (named != 1) {
    return fail(Error::Code::invalid,
                "exactly one master key has to be named: file, passphrase_file, credential or exec");
  }
  if (!source.file.empty()) return open_key_file(source.file);
  if (!source.passphrase_file.empty()) return open_key_passphrase(source.passphrase_file);
  if (!source.credential.empty()) return open_key_credential(source.credential);
  return open_key_exec(source.exec);
}

}  // namespace postern::vault
