#pragma once
// What can go wrong in the vault, as a value. `message` is one line, safe to log and to show an operator: it names
// what, where and what to do, and never holds key material or a secret.
#include <expected>
#include <string>

namespace postern::vault {

struct Error {
  enum class Code {
    not_found,    // no such record in this scope (foreign ids are a miss, not a refusal)
    conflict,     // compare-and-set lost: the record's version is another by now
    exists,       // an id, alias or directory that must be new is there already
    invalid,      // an argument breaks the record's rules
    locked,       // another process holds the store (exit 75)
    wrong_key,    // missing, unreadable or wrong master key (exit 78)
    corrupt,      // a record or the database does not open as what it should be (exit 78)
    rolled_back,  // marker and store disagree: a deleted WAL or an older directory (exit 78)
    io,           // the disk said no; what was written is unknown until re-read
    read_only,    // writes are refused until the store has been reopened
  };
  Code code;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Error::Code code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

}  // namespace postern::vault
