#pragma once
// A request body that is too large for memory and must be read before it is sent: kept in a file of its own.
//
// The file has no name, is encrypted (AES-256-GCM) with a key that is made for it and lies in memory alone, and is gone
// with the object or the process, whatever ends it.
//
//   file   = *record                       every record but the last holds kRecord bytes
//   record = ciphertext tag                tag: 16 bytes; nonce: the number of the record, 96 bits, big-endian
//
// Everything here blocks: call it on an offload pool. Thread safety: a Spill is used by one thread at a time; Spills by
// any. Errors: a file that cannot be made, written or read back is told as such, with errno in error().
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/wire/function_ref.hpp"

namespace postern::net {

class Spills;

class Spill {
 public:
  static constexpr std::size_t kPiece = 64 * 1024;  // bytes of a record
  enum class Wrote : std::uint8_t {
    ok,
    too_large,  // more than all bodies together may have
    no_room,    // at the moment the others have it
    failed      // the disk
  };
  ~Spill();
  Spill(const Spill&) = delete;
  Spill& operator=(const Spill&) = delete;

  Wrote write(std::string_view bytes);
  Wrote finish();  // after the last write, before anything is read
  // The pieces in order. False: a record could not be read or is not what was written.
  bool each(wire::FunctionRef<void(std::string_view)> take) const;
  // Appends piece `number`, from 0. False as above, or there is no such piece.
  bool read(std::uint64_t number, std::string& out) const;
  std::uint64_t size() const noexcept { return size_; }  // bytes of the body
  std::uint64_t pieces() const noexcept { return records_; }
  const std::string& error() const noexcept { return error_; }

 private:
  friend class Spills;
  Spill(Spills& owner, int fd, std::uint64_t most);
  Wrote write_record(std::string_view bytes);
  Wrote fail(const char* what);

  Spills& owner_;
  const int fd_;
  const std::uint64_t most_;
  unsigned char key_[32];
  std::string rest_;  // less than a record
  std::uint64_t size_ = 0, records_ = 0, taken_ = 0;
  std::string error_;
};

// The folder for such files, and how much they have of it together.
class Spills {
 public:
  explicit Spills(std::filesystem::path folder) : folder_(std::move(folder)) {}
  // `most`: bytes of all of them together. Null: no file can be made, and `error` says why.
  std::unique_ptr<Spill> begin(std::uint64_t most, std::string& error);
  std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

 private:
  friend class Spill;
  const std::filesystem::path folder_;
  std::atomic<std::uint64_t> used_{0};
};

}  // namespace postern::net
