#pragma once
// Reads a small file that holds a secret, in locked memory, and refuses one that others could have read.
//
// Not part of the room's door. Pure but for the file; any thread.
#include <filesystem>
#include <string>

#include "vault/error.hpp"
#include "vault/secret.hpp"

namespace postern::vault {

struct SecretFile {
  std::string name;            // "master key file", for the message
  std::size_t longest = 0;     // bytes, white space at the end included
  unsigned others = 077;       // mode bits that must not be set
  std::string_view strip;      // characters that do not count at the end
  bool may_be_a_pipe = false;  // a descriptor that was handed over: read to its end
  std::string_view shape;      // ": it must be …", behind "is too long to be one"
};
// Errors: wrong_key: missing, unreadable, no regular file, too open, too long. The message names the file.
Result<Secret> read_secret_file(const std::filesystem::path& file, const SecretFile& about);

}  // namespace postern::vault
