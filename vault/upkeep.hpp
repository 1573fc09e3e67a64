#pragma once
// What keeps a vault alive over the years: its keys are rotated, its records verified, copied and brought up to date.
// Vault::upkeep() is the way here.
//
// Thread safety: any thread. Everything works while others read and write. Long work is done in steps that a caller
// repeats, each bounded and durable when it answers, so that it may be stopped, or killed, between any two of them.
// Errors: as in vault.hpp; besides, io and read_only for whatever writes.
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vault/audit.hpp"
#include "vault/error.hpp"
#include "vault/key_source.hpp"

namespace postern::vault {

// A data key, without the key. Safe to print.
struct DataKeyStatus {
  std::string id;  // hex
  std::int64_t created = 0;
  bool active = false;   // seals what is written from now on; the others only open
  bool digests = false;  // never seals: tokens and index keys are digests under it, so it is not rotated
};

// How far the last rotation of data keys came. `done` counts records looked at in this pass, of about `total`.
struct Rotation {
  enum class State : std::uint8_t {
    none,        // there never was one
    resealing,   // records are sealed anew
    verifying,   // a whole scan looks for one that still needs an old key
    done,        // there was none, and the old keys are gone
    incomplete,  // `unreadable` records do not open: the old keys are kept, verify() names the records
  };
  State state = State::none;
  std::string key_id;  // of the key that it made, hex
  std::uint64_t total = 0, done = 0;
  std::uint64_t resealed = 0, unreadable = 0;
  std::int64_t started = 0, finished = 0;
  bool running() const { return state == State::resealing || state == State::verifying; }
};
const char* to_string(Rotation::State state);

struct KeyStatus {
  std::string provider;       // "file /etc/postern/master.key"
  std::string master_key_id;  // hex
  std::vector<DataKeyStatus> data_keys;
  Rotation rotation;
};

// One page of a walk over all records. `next` is where to go on; empty: that was the end.
struct Verified {
  std::map<std::string, std::uint64_t> sound;  // records by type: "connection", "credential", "alias" …
  struct Bad {
    std::string key;   // of the store
    std::string what;  // one line, safe to print
  };
  std::vector<Bad> bad;
  std::string next;
};
struct Migrated {
  std::map<unsigned, std::uint64_t> formats;  // records by the format they were in
  std::uint64_t rewritten = 0;
  std::string next;
};

class Upkeep {
 public:
  virtual ~Upkeep() = default;

  virtual Result<KeyStatus> keys() const = 0;

  // Makes a new data key, which seals whatever is written from now on, and begins to seal everything else anew. What
  // callers see of a record does not change: neither its version (ETag) nor its generation. Errors: conflict (one is
  // running).
  virtual Result<Rotation> rotate(const Beside& beside = {}) = 0;
  // The next step, of at most `records`; nothing if none is running. A rotation that was interrupted, by a kill too,
  // goes on where it was.
  virtual Result<Rotation> continue_rotation(std::size_t records) = 0;

  // Wraps header and data keys with another master key, in one atomic write: whenever it is interrupted, the vault
  // opens with the old key or with the new one, and says which. A key file that is not there is made. Errors:
  // wrong_key, invalid (not exactly one source, or the key in use), io.
  virtual Result<KeyStatus> rewrap(const KeySource& to, const Beside& beside = {}) = 0;

  // A copy of the store as it is now, and its marker, in a new directory (0700). No key is in it. Errors: exists,
  // invalid (a relative path, or one under `state`), io.
  virtual Result<std::uint64_t> backup(const std::filesystem::path& directory) = 0;

  // Opens records behind `after` (empty: from the start, header and keys too), at most `limit`, and follows every index
  // in both directions.
  virtual Result<Verified> verify(std::string_view after, std::size_t limit) const = 0;
  // Rewrites records of an older format in the current one.
  virtual Result<Migrated> migrate(std::string_view after, std::size_t limit) = 0;
};

}  // namespace postern::vault
