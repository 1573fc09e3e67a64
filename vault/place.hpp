#pragma once
// Where a file lies, in words that change when it is copied or carried away and do not when a machine is restarted.
// Each is 16 hex digits, or "-" where it cannot be known, which is like every other. Any thread; never fails.
#include <string>

namespace postern::vault {

struct Place {
  std::string machine = "-";  // /etc/machine-id
  std::string disk = "-";     // the block device's own name (wwid, serial, dm uuid): a restored snapshot has another
  std::string file = "-";     // file system type, inode, time of birth: a copy has others, a renamed directory has not
};

Place place_of(int descriptor);
// The word in which the two differ ("machine", "disk", "file"); empty: they are one place, as far as can be known.
std::string difference(const Place& then, const Place& now);

}  // namespace postern::vault
