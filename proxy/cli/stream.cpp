#include "proxy/cli/stream.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace postern::cli {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// SO_SNDTIMEO bounds connect() as well.
void bound_waiting(int fd) {
  timeval patience{kPatience.count(), 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

std::string why(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS ? "no answer in time" : std::strerror(error);
}

class PlainStream final : public Stream {
 public:
  PlainStream(Descriptor socket, std::string where) : socket_(std::move(socket)), where_(std::move(where)) {}

  Result<std::size_t> read(char* into, std::size_t size) override {
    for (;;) {
      const ssize_t n = recv(socket_.get(), into, size, 0);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return fail(Exit::unreachable, fmt::format("read: {}: {}", where_, why(errno)));
    }
  }

  Result<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(Exit::unreachable, fmt::format("write: {}: {}", where_, why(errno)));
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }

 private:
  Descriptor socket_;
  std::string where_;
};

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSession {
  void operator()(SSL* session) const { SSL_free(session); }
};

class TlsStream final : public Stream {
 public:
  TlsStream(Descriptor socket, std::unique_ptr<SSL_CTX, FreeContext> context, std::unique_ptr<SSL, FreeSession> session,
            std::string where)
      : socket_(std::move(socket)),
        context_(std::move(context)),
        session_(std::move(session)),
        where_(std::move(where)) {}

  Result<std::size_t> read(char* into, std::size_t size) override {
    ERR_clear_error();
    std::size_t got = 0;
    if (SSL_read_ex(session_.get(), into, size, &got) == 1) return got;
    // Without close_notify this is not an end: a cut answer must not pass for a whole one.
    if (SSL_get_error(session_.get(), 0) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
    return fail(Exit::unreachable, fmt::format("read: {}: the TLS connection broke off", where_));
  }

  Result<void> write(std::string_view bytes) override {
    ERR_clear_error();
    std::size_t sent = 0;
    if (bytes.empty() || SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &sent) == 1) return {};
    return fail(Exit::unreachable, fmt::format("write: {}: the TLS connection broke off", where_));
  }

 private:
  Descriptor socket_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSession> session_;
  std::string where_;
};

bool is_address(const std::string& host) {
  unsigned char parsed[16];
  return inet_pton(AF_INET, host.c_str(), parsed) == 1 || inet_pton(AF_INET6, host.c_str(), parsed) == 1;
}

Result<Descriptor> dial(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string where = fmt::format("{}:{}", host, port);
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
    return fail(Exit::unreachable, fmt::format("connect: {}: {}; check --server", where, gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  std::string reason = "no address";
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    Descriptor socket(::socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol));
    if (socket.get() < 0) continue;
    bound_waiting(socket.get());
    if (::connect(socket.get(), address->ai_addr, address->ai_addrlen) == 0) return socket;
    reason = why(errno);
  }
  return fail(Exit::unreachable,
              fmt::format("connect: {}: {}; is postern running there? check --server", where, reason));
}

Result<std::unique_ptr<SSL, FreeSession>> handshake(SSL_CTX* context, int fd, const std::string& host,
                                                    const std::string& where) {
  std::unique_ptr<SSL, FreeSession> session(SSL_new(context));
  if (!session) return fail(Exit::failed, "connect: out of memory");
  if (is_address(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session.get()), host.c_str());
  } else {
    SSL_set_tlsext_host_name(session.get(), host.c_str());
    SSL_set1_host(session.get(), host.c_str());
  }
  SSL_set_fd(session.get(), fd);
  if (SSL_connect(session.get()) == 1) return session;
  const long verdict = SSL_get_verify_result(session.get());
  if (verdict != X509_V_OK)
    return fail(Exit::unreachable,
                fmt::format("connect: {}: certificate not accepted: {}; check the name, or SSL_CERT_FILE", where,
                            X509_verify_cert_error_string(verdict)));
  return fail(Exit::unreachable, fmt::format("connect: {}: TLS handshake failed; is it an https:// server?", where));
}

}  // namespace

Result<std::unique_ptr<Stream>> connect_unix(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket.string();
  if (path.size() >= sizeof address.sun_path)
    return fail(Exit::unreachable,
                fmt::format("connect: {}: path too long for a socket; choose a shorter state", path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return fail(Exit::unreachable, fmt::format("connect: {}: {}", path, why(errno)));
  bound_waiting(fd.get());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const char* todo = errno == EACCES ? "run as the daemon's user, or see admin.socket_uids"
                                       : "is postern running with this configuration? start it with 'postern run'";
    return fail(Exit::unreachable, fmt::format("connect: {}: {}; {}", path, why(errno), todo));
  }
  return std::make_unique<PlainStream>(std::move(fd), path);
}

Result<std::unique_ptr<Stream>> connect_tcp(const std::string& host, const std::string& port) {
  auto fd = dial(host, port);
  if (!fd) return std::unexpected(fd.error());
  return std::make_unique<PlainStream>(std::move(*fd), fmt::format("{}:{}", host, port));
}

Result<std::unique_ptr<Stream>> connect_tls(const std::string& host, const std::string& port) {
  // OpenSSL writes with write(2), which knows no MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  const std::string where = fmt::format("{}:{}", host, port);
  auto fd = dial(host, port);
  if (!fd) return std::unexpected(fd.error());
  std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_client_method()));
  if (!context || SSL_CTX_set_default_verify_paths(context.get()) != 1)
    return fail(Exit::failed, fmt::format("connect: {}: the system's certificate roots cannot be loaded", where));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  auto session = handshake(context.get(), fd->get(), host, where);
  if (!session) return std::unexpected(session.error());
  return std::make_unique<TlsStream>(std::move(*fd), std::move(context), std::move(*session), where);
}

}  // namespace postern::cli
