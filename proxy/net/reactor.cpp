#include "proxy/net/reactor.hpp"

#include <sys/epoll.h>

#include <boost/asio/post.hpp>
#include <cerrno>
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
  source = {.ready = kIn | kOut, .streak = 0, .readers = nullptr, .writers = nullptr};
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &source;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Reactor::remove(int fd, Source& source) noexcept {
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
  for (std::size_t i = 0; i < count_; ++i) {
    if (reported_[i] != nullptr && (reported_[i]->ready & kIn) != 0)
      resume(std::exchange(reported_[i]->readers, nullptr), true);
    if (reported_[i] != nullptr && (reported_[i]->ready & kOut) != 0)
      resume(std::exchange(reported_[i]->writers, nullptr), true);
  }
  count_ = 0;
  if (waiting_ != 0) arm();
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
