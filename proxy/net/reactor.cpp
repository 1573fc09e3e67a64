#include "proxy/net/reactor.hpp"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace postern::net {
namespace {

std::uint8_t meaning(std::uint32_t events) noexcept {
  std::uint8_t ready = 0;
  if ((events & EPOLLIN) != 0) ready |= Reactor::kIn;
  if ((events & EPOLLOUT) != 0) ready |= Reactor::kOut;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) ready |= Reactor::kIn | Reactor::kEnd;
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) ready |= Reactor::kOut;  // a write shows what happened
  return ready;
}

void push(Reactor::Waiter*& list, Reactor::Waiter& waiter) noexcept {
  waiter.next = std::exchange(list, &waiter);
}

}  // namespace

Reactor::Reactor(boost::asio::io_context& context) : context_(context), epoll_(context) {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
  epoll_.assign(fd);
}

Reactor::~Reactor() = default;

bool Reactor::add(int fd, Source& source) noexcept {
  // A new connection often has its first bytes with it: the first call finds out, without a turn of the loop.
  source = {.ready = kIn | kOut, .streak = 0, .held = false, .readers = nullptr, .writers = nullptr};
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &source;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Reactor::remove(int fd, Source& source) noexcept {
  if (source.held) send_held();
  // Not left to close(): a child between fork and exec may hold the descriptor for a moment longer.
  ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, fd, nullptr);
  for (std::size_t i = 0; i < count_; ++i)
    if (reported_[i] == &source) reported_[i] = nullptr;
  abort(source);
}

void Reactor::wait(Waiter*& list, Waiter& waiter) {
  push(list, waiter);
  ++waiting_;
  arm();
}

void Reactor::yield(Waiter& waiter) {
  push(yielded_, waiter);
  ++waiting_;
  resume_later();
}

void Reactor::abort(Source& source) {
  for (Waiter** list : {&source.readers, &source.writers}) {
    while (Waiter* waiter = *list) {
      *list = waiter->next;
      push(aborted_, *waiter);
    }
  }
  if (aborted_ != nullptr) resume_later();
}

void Reactor::arm() {
  if (armed_ || count_ != 0) return;  // a harvest arms when it is through
  armed_ = true;
  epoll_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& ec) {
    armed_ = false;
    if (!ec)
      harvest();
    else if (waiting_ != 0)
      arm();  // let go because nobody waited, and then somebody did
  });
}

void Reactor::harvest() {
  std::array<epoll_event, kBatch> events;
  const int found = ::epoll_wait(epoll_.native_handle(), events.data(), static_cast<int>(kBatch), 0);
  count_ = found > 0 ? static_cast<std::size_t>(found) : 0;
  // What is known is written down before anybody acts on it.
  for (std::size_t i = 0; i < count_; ++i) {
    reported_[i] = static_cast<Source*>(events[i].data.ptr);
    reported_[i]->ready |= meaning(events[i].events);
  }
  // Whoever is resumed may remove any source: its place is then null.
  for (next_ = 1; next_ <= count_; ++next_) {
    Source*& source = reported_[next_ - 1];
    if (source != nullptr && (source->ready & kIn) != 0) resume(std::exchange(source->readers, nullptr), true);
    if (source != nullptr && (source->ready & kOut) != 0) resume(std::exchange(source->writers, nullptr), true);
  }
  if (held_count_ != 0) send_held();
  count_ = 0;
  if (waiting_ != 0) arm();
}

std::size_t Reactor::hold(int fd, Source& source, std::span<const iovec> parts) noexcept {
  if (source.held) send_held();
  if (count_ == 0 || (next_ >= count_ && held_count_ == 0)) return 0;  // nobody comes after this one
  std::size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  if (size == 0 || size > kLargestHeld || size > kHeldBytes - held_size_) return 0;
  int queued = 0;
  if (::ioctl(fd, SIOCOUTQ, &queued) != 0 || queued != 0) return 0;
  held_[held_count_++] = {.source = &source, .fd = fd, .begin = held_size_, .size = size};
  source.held = true;
  for (const iovec& part : parts) {
    std::memcpy(held_bytes_.get() + held_size_, part.iov_base, part.iov_len);
    held_size_ += part.iov_len;
  }
  if (held_count_ == kHeldWrites) send_held();
  return size;
}

void Reactor::send_held() noexcept {
  for (std::size_t i = 0; i < held_count_; ++i) {
    const Held& one = held_[i];
    one.source->held = false;
    const ssize_t sent = ::send(one.fd, held_bytes_.get() + one.begin, one.size, MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(one.size)) ::shutdown(one.fd, SHUT_RDWR);
  }
  held_count_ = held_size_ = 0;
}

void Reactor::resume(Waiter* list, bool ok) {
  while (list != nullptr) {
    Waiter& waiter = *list;
    list = waiter.next;  // resuming may end the waiter
    waiter.ok = ok;
    --waiting_;
    waiter.handle.resume();
  }
}

void Reactor::resume_later() {
  if (later_) return;
  later_ = true;
  boost::asio::post(context_, [this] {
    later_ = false;
    resume(std::exchange(yielded_, nullptr), true);
    resume(std::exchange(aborted_, nullptr), false);
    // Nobody is left to wait: the loop may end.
    if (waiting_ == 0 && armed_) epoll_.cancel();
  });
}

}  // namespace postern::net
