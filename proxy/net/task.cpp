#include "proxy/net/task.hpp"

#include <array>
#include <cstdlib>

namespace postern::net::detail {
namespace {

constexpr std::size_t kStep = 128;
constexpr std::size_t kClasses = 32;  // up to 4 KiB
constexpr std::size_t kKeep = 1024;   // frames kept a class and thread

struct FreeFrame {
  FreeFrame* next;
};

struct FreeList {
  std::array<FreeFrame*, kClasses> first{};
  std::array<std::size_t, kClasses> count{};
  ~FreeList() {
    for (FreeFrame* frame : first) {
      while (frame != nullptr) {
        FreeFrame* next = frame->next;
        std::free(frame);
        frame = next;
      }
    }
  }
};

thread_local FreeList free_frames;

}  // namespace

void* take_frame(std::size_t size) {
  const std::size_t klass = (size - 1) / kStep;
  if (klass < kClasses && free_frames.first[klass] != nullptr) {
    FreeFrame* frame = free_frames.first[klass];
    free_frames.first[klass] = frame->next;
    --free_frames.count[klass];
    return frame;
  }
  void* frame = std::malloc(klass < kClasses ? (klass + 1) * kStep : size);
  if (frame == nullptr) throw std::bad_alloc();
  return frame;
}

void give_frame(void* frame, std::size_t size) noexcept {
  const std::size_t klass = (size - 1) / kStep;
  if (klass >= kClasses || free_frames.count[klass] >= kKeep) {
    std::free(frame);
    return;
  }
  auto* node = static_cast<FreeFrame*>(frame);
  node->next = free_frames.first[klass];
  free_frames.first[klass] = node;
  ++free_frames.count[klass];
}

}  // namespace postern::net::detail
