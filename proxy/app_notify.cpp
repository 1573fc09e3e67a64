#include "proxy/app_notify.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace postern {

void notify(std::string_view state) {
  const char* name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || (name[0] != '/' && name[0] != '@')) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const std::size_t size = std::strlen(name);
  if (size >= sizeof to.sun_path) return;
  std::memcpy(to.sun_path, name, size);
  if (name[0] == '@') to.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), length);
  ::close(fd);
}

void notify_reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000LL + now.tv_nsec / 1000));
}

std::chrono::milliseconds watchdog_interval() {
  const auto number = [](const char* name) -> long long {
    const char* text = std::getenv(name);
    long long value = 0;
    if (text == nullptr) return 0;
    const char* end = text + std::strlen(text);
    const auto parsed = std::from_chars(text, end, value);
    return parsed.ec == std::errc{} && parsed.ptr == end ? value : 0;
  };
  const long long interval = number("WATCHDOG_USEC"), pid = number("WATCHDOG_PID");
  if (interval <= 0 || (pid != 0 && pid != ::getpid())) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(std::max(1LL, interval / 2000));
}

}  // namespace postern
