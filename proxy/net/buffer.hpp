#pragma once
// Read buffers that are taken when a socket is readable and given back when it is idle: an idle client costs no buffer.
// Thread safety: one pool a worker, used on its thread.
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::net {

inline constexpr std::size_t kBufferSize = 64 * 1024;  // pages never touched cost nothing

class BufferPool {
 public:
  ~BufferPool() {
    for (char* b : free_) std::free(b);
  }
  char* take() {
    if (!free_.empty()) {
      char* b = free_.back();
      free_.pop_back();
      return b;
    }
    auto* b = static_cast<char*>(std::malloc(kBufferSize));
    if (b == nullptr) throw std::bad_alloc();
    return b;
  }
  void give(char* b) noexcept {
    if (free_.size() < kKeep && free_.size() < free_.capacity()) {
      free_.push_back(b);
    } else {
      std::free(b);
    }
  }
  // Bytes that have been written in buffers that are out: what they keep in memory.
  std::size_t held() const noexcept { return held_; }
  BufferPool() { free_.reserve(kKeep); }
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

 private:
  static constexpr std::size_t kKeep = 128;
  friend class ReadBuffer;
  std::vector<char*> free_;
  std::size_t held_ = 0;
};

// A window [begin, end) of unread bytes in a pooled buffer; holds no buffer until ensure().
class ReadBuffer {
 public:
  explicit ReadBuffer(BufferPool& pool) : pool_(&pool) {}
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;
  ~ReadBuffer() { release(); }

  void ensure() {
    if (data_ == nullptr) data_ = pool_->take();
  }
  void release() noexcept {
    if (data_ != nullptr) pool_->give(std::exchange(data_, nullptr));
    begin_ = end_ = 0;
    pool_->held_ -= std::exchange(touched_, 0);
  }
  bool empty() const noexcept { return begin_ == end_; }
  std::string_view view() const noexcept { return {data_ + begin_, end_ - begin_}; }
  char* space() noexcept { return data_ + end_; }
  std::size_t space_size() const noexcept { return data_ == nullptr ? 0 : kBufferSize - end_; }
  void grow(std::size_t n) noexcept {
    end_ += n;
    count();
  }
  void consume(std::size_t n) noexcept {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Moves what is unread to the front; views into the buffer end here.
  void compact() noexcept;
  // Replaces the content; `bytes` must fit.
  void assign(std::string_view bytes) noexcept;

 private:
  void count() noexcept {
    if (end_ <= touched_) return;
    pool_->held_ += end_ - touched_;
    touched_ = end_;
  }
  BufferPool* pool_;
  char* data_ = nullptr;
  std::size_t begin_ = 0, end_ = 0;
  std::size_t touched_ = 0;  // the most that end_ has been since ensure()
};

}  // namespace postern::net
