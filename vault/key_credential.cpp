// The master key as a systemd credential (LoadCredential=, LoadCredentialEncrypted=; systemd.exec(5)): the service
// manager decrypts it into a directory that only this service sees, and names the directory in CREDENTIALS_DIRECTORY.
//
// The variable names a place, not a secret. What lies there has the grammar of a key file, so that one made by `postern
// init` can be given to systemd-creds(1) as it is. systemd lets the service's user read it through an access control
// list, which shows as group permission: that bit is allowed here.
#include <cstdlib>

#include "vault/wrapped.hpp"

namespace postern::vault {

Result<std::unique_ptr<KeyProvider>> open_key_credential(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    return fail(Error::Code::wrong_key, "the credential '" + name +
                                            "' is not a file name: write it as in "
                                            "LoadCredential=, without a folder");
  }
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (directory == nullptr || directory[0] != '/') {
    return fail(Error::Code::wrong_key, "the master key is the credential '" + name +
                                            "', and CREDENTIALS_DIRECTORY is "
                                            "not set: start postern by systemd with LoadCredential=" +
                                            name + ":…, or with systemd-run");
  }
  return open_key_line(std::filesystem::path(directory) / name, "credential", 037, "credential " + name);
}

}  // namespace postern::vault
