#pragma once
// One blocking byte stream to the admin API: a unix socket, TCP, or TLS over TCP.
//
// Every call waits at most `kPatience` for the other side. Thread safety: one thread at a time. Ownership: owns its
// descriptor, which no child process inherits. Errors: Exit::unreachable, with the address and what to do.
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/cli/failure.hpp"

namespace postern::cli {

inline constexpr std::chrono::seconds kPatience{60};

class Stream {
 public:
  virtual ~Stream() = default;
  virtual Result<std::size_t> read(char* into, std::size_t size) = 0;  // 0: the other side has ended
  virtual Result<void> write(std::string_view bytes) = 0;              // all of them
};

Result<std::unique_ptr<Stream>> connect_unix(const std::filesystem::path& socket);
Result<std::unique_ptr<Stream>> connect_tcp(const std::string& host, const std::string& port);
// Verifies chain and name against the system's roots (SSL_CERT_FILE is honoured); TLS 1.2 at least.
Result<std::unique_ptr<Stream>> connect_tls(const std::string& host, const std::string& port);

}  // namespace postern::cli
