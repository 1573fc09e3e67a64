#pragma once
// A secret on its way through the command line: wiped when it goes, printed by nobody. The rooms behind cli/offline use
// vault::Secret; the rest of the CLI may not include the vault, so this small type stands in for it here.
// Thread safety: like std::string. Ownership: move only. Absence: empty().
#include <string.h>

#include <string>
#include <string_view>
#include <utility>

namespace postern::cli {

inline void wipe(std::string& bytes) noexcept {
  explicit_bzero(bytes.data(), bytes.size());
  bytes.clear();
}

class Hidden {
 public:
  Hidden() noexcept = default;
  explicit Hidden(std::string_view bytes) : bytes_(bytes) {}
  // Takes the bytes and wipes the string they came in.
  static Hidden take(std::string& from) {
    Hidden hidden{from};
    wipe(from);
    return hidden;
  }
  Hidden(Hidden&& other) : bytes_(other.bytes_) { wipe(other.bytes_); }
  Hidden& operator=(Hidden&& other) {
    if (this != &other) {
      wipe(bytes_);
      bytes_ = other.bytes_;
      wipe(other.bytes_);
    }
    return *this;
  }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;
  ~Hidden() { wipe(bytes_); }

  std::string_view expose() const noexcept { return bytes_; }
  bool empty() const noexcept { return bytes_.empty(); }

 private:
  std::string bytes_;
};

}  // namespace postern::cli
