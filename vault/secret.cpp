#include "vault/secret.hpp"

// The arena behind Secret: slabs of 16 KiB, mapped apart from the heap, locked and left out of core dumps, cut into
// blocks of one size class each. Slabs are kept for the life of the process; a block is wiped when it is given back.
// Values above the largest class get a mapping of their own. Under AddressSanitizer a free block is poisoned, so that
// reading a destroyed Secret is caught as it would be on the heap.
#include <openssl/crypto.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define POSTERN_POISON(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#define POSTERN_UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#endif
#endif
#ifndef POSTERN_POISON
#define POSTERN_POISON(at, size) static_cast<void>(at)
#define POSTERN_UNPOISON(at, size) static_cast<void>(at)
#endif

namespace postern::vault {
namespace {

constexpr std::size_t kSlab = 16 * 1024;
constexpr std::size_t kSmallest = 32;
constexpr std::size_t kLargest = 4096;
constexpr std::size_t kClasses = 8;  // 32, 64 … 4096

struct Free {
  Free* next;
};

char* map(std::size_t size) {
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  // Both are best effort: RLIMIT_MEMLOCK is 64 KiB in many containers, and a secret must still be usable there.
  static_cast<void>(::madvise(at, size, MADV_DONTDUMP));
  static_cast<void>(::mlock(at, size));
  return static_cast<char*>(at);
}

class Arena {
 public:
  char* allocate(std::size_t size) {
    if (size > kLargest) return map(size);
    const std::size_t block = block_size(size);
    const std::scoped_lock lock(mutex_);
    Free*& list = free_[class_of(block)];
    if (list == nullptr) list = cut(map(kSlab), block);
    Free* taken = list;
    POSTERN_UNPOISON(taken, block);
    list = taken->next;
    return reinterpret_cast<char*>(taken);
  }

  void release(char* at, std::size_t size) noexcept {
    OPENSSL_cleanse(at, size);
    if (size > kLargest) {
      ::munmap(at, size);
      return;
    }
    const std::size_t block = block_size(size);
    const std::scoped_lock lock(mutex_);
    Free*& list = free_[class_of(block)];
    auto* given = reinterpret_cast<Free*>(at);
    given->next = list;
    list = given;
    POSTERN_POISON(given, block);
  }

 private:
  static std::size_t block_size(std::size_t size) { return std::bit_ceil(size < kSmallest ? kSmallest : size); }
  static std::size_t class_of(std::size_t block) {
    return static_cast<std::size_t>(std::countr_zero(block) - std::countr_zero(kSmallest));
  }

  static Free* cut(char* slab, std::size_t block) {
    Free* first = nullptr;
    for (std::size_t at = kSlab; at != 0; at -= block) {
      auto* piece = reinterpret_cast<Free*>(slab + at - block);
      piece->next = first;
      first = piece;
      POSTERN_POISON(piece, block);
    }
    return first;
  }

  std::mutex mutex_;
  std::array<Free*, kClasses> free_{};
};

// In a time that does not depend on where they differ; a word at a time, for a caller's token is compared with every
// request. The barrier keeps the compiler from turning the sum into an early exit.
bool same_bytes(const char* a, const char* b, std::size_t size) noexcept {
  std::uint64_t differing = 0;
  for (; size >= sizeof differing; size -= sizeof differing, a += sizeof differing, b += sizeof differing) {
    std::uint64_t left, right;
    std::memcpy(&left, a, sizeof left);
    std::memcpy(&right, b, sizeof right);
    differing |= left ^ right;
    asm volatile("" : "+r"(differing));
  }
  for (; size != 0; --size, ++a, ++b) {
    differing |= static_cast<std::uint64_t>(static_cast<unsigned char>(*a) ^ static_cast<unsigned char>(*b));
    asm volatile("" : "+r"(differing));
  }
  return differing == 0;
}

// Never destroyed: secrets with static storage may outlive any order of destruction.
Arena& arena() {
  static auto* made = new Arena;
  return *made;
}

}  // namespace

Secret::Secret(std::string_view bytes) {
  allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
}

Secret Secret::take(std::string& from) {
  Secret taken{std::string_view(from)};
  wipe(from);
  return taken;
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() {
  release();
}

Secret Secret::clone() const {
  return Secret{expose()};
}

bool Secret::equals(std::string_view other) const noexcept {
  return size_ == other.size() && same_bytes(data_, other.data(), size_);
}

void Secret::allocate(std::size_t size) {
  if (size == 0) return;
  data_ = arena().allocate(size);
  size_ = size;
}

void Secret::release() noexcept {
  if (data_ != nullptr) arena().release(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

void wipe(std::string& bytes) noexcept {
  // The spare capacity may hold what an earlier, longer value left there. Growing into it cannot reallocate.
  bytes.resize_and_overwrite(bytes.capacity(), [](char* at, std::size_t size) {
    ::explicit_bzero(at, size);
    return std::size_t{0};
  });
}

}  // namespace postern::vault
