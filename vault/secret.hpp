#pragma once
// A value that must not be seen: a credential, a key, a token.
//
// Purpose: make leaking a secret take a deliberate, greppable act. There is no formatter, no operator<<, no implicit
// conversion; `expose()` is the one way to the bytes. The bytes live in locked pages that are left out of core dumps
// (best effort: where RLIMIT_MEMLOCK forbids locking, they are still left out of dumps) and are wiped on destruction.
// Thread safety: like std::string. Ownership: owns its bytes; move only, `clone()` copies on purpose.
#include <cstddef>
#include <string>
#include <string_view>

namespace postern::vault {

class Secret {
 public:
  Secret() noexcept = default;  // absent: empty() is true
  explicit Secret(std::string_view bytes);
  // Takes the bytes and wipes the string they came in.
  static Secret take(std::string& from);
  // `size` bytes in locked memory that `fill(char* data)` writes in place, so that they exist nowhere else.
  template <class Fill>
  static Secret make(std::size_t size, Fill&& fill) {
    Secret made;
    made.allocate(size);
    if (size != 0) fill(made.data_);
    return made;
  }
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  Secret clone() const;
  // The bytes, valid while this object lives and is not assigned to. Never log, format or store what this returns.
  std::string_view expose() const noexcept { return {data_, size_}; }
  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  // Equal bytes, in time that depends on the length only.
  bool equals(std::string_view other) const noexcept;

 private:
  void allocate(std::size_t size);
  void release() noexcept;

  char* data_ = nullptr;
  std::size_t size_ = 0;
};

// Overwrites and clears a string that held secret bytes on their way into a Secret.
void wipe(std::string& bytes) noexcept;

}  // namespace postern::vault
