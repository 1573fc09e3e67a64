#pragma once
// Whether the state directory is the very one that this vault has written, or one that came from elsewhere or from
// earlier: a copy, a volume snapshot, a restored backup, an accepted roll-back. What it holds is whole either way, but
// what other systems know may be newer (an OAuth refresh token that was rotated since), so that whoever acts on the
// strength of a record asks first. The mark lies in the marker and stays until an operator lifts it.
#include <cstdint>
#include <string>

namespace postern::vault {

struct Provenance {
  enum class Kind : std::uint8_t { original, copied, restored, rolled_back };
  Kind kind = Kind::original;
  std::int64_t since = 0;  // when it was noticed, milliseconds since the Unix epoch; 0 for an original
  std::string reason;      // one word: machine, disk, file (what is another one now), backup, accepted; empty: original
  bool marked() const { return kind != Kind::original; }
  bool operator==(const Provenance&) const = default;
};

const char* to_string(Provenance::Kind kind);  // "original", "copied", "restored", "rolled_back"

}  // namespace postern::vault
