#pragma once
// A disk that fails on demand: under RocksDB (a FileSystem of its own), and under the marker.
//
// FaultPlan counts everything that changes the disk and says which of it fails. Thread safety: any thread.
#include <rocksdb/env.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>

#include "vault/marker.hpp"

namespace postern::vault::test {

enum class Fault : std::uint8_t {
  no_space,    // ENOSPC for whatever takes room
  io_error,    // EIO for everything
  torn_write,  // half of the bytes are written, then EIO
  sync_fails,  // fsync says EIO; the bytes are there for whoever reads them
  sync_loses,  // fsync says EIO, and what it should have synced is gone
  read_only,   // EROFS for everything
};
const char* to_string(Fault fault);

class FaultPlan {
 public:
  static constexpr std::uint64_t kUntilCleared = std::numeric_limits<std::uint64_t>::max();
  enum class Step : std::uint8_t { write, sync, change };  // change: a file is made, renamed, cut or removed

  // From the `at`-th step from now on (1: the next), the first `times` steps that this fault can hit fail.
  void arm(Fault fault, std::uint64_t at, std::uint64_t times = 1);
  void clear();
  // Counts a step; the fault, if it is to fail.
  std::optional<Fault> strike(Step step);
  std::uint64_t steps() const;  // since it was armed
  bool struck() const;          // since it was armed

 private:
  mutable std::mutex mutex_;
  std::optional<Fault> fault_;
  std::uint64_t at_ = 0, left_ = 0, steps_ = 0;
  bool struck_ = false;
};

// `plan` has to outlive what is returned.
std::unique_ptr<rocksdb::Env> make_faulty_env(FaultPlan& plan);
Marker::System make_faulty_marker(FaultPlan& plan);

}  // namespace postern::vault::test
