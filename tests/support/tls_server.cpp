#include "tests/support/tls_server.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace postern::test {
namespace {

std::shared_ptr<EVP_PKEY> make_key() {
  return {EVP_EC_gen("P-256"), EVP_PKEY_free};
}

void add_extension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// `signer` null: self-signed.
Identity make(const std::string& name, const Identity* signer, bool authority, bool expired) {
  static std::atomic<long> serial{1};
  Identity made{make_key(), {X509_new(), X509_free}};
  X509* x = made.certificate.get();
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x), -86'400);
  X509_gmtime_adj(X509_getm_notAfter(x), expired ? -3'600 : 86'400);
  X509_NAME* subject = X509_get_subject_name(x);
  const std::string common = authority ? "postern test root" : "postern test";
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common.c_str()), -1,
                             -1, 0);
  X509_set_issuer_name(x, signer != nullptr ? X509_get_subject_name(signer->certificate.get()) : subject);
  X509_set_pubkey(x, made.key.get());
  if (authority) add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
  if (!authority) add_extension(x, NID_subject_alt_name, name.starts_with("IP:") ? name : "DNS:" + name);
  X509_sign(x, signer != nullptr ? signer->key.get() : made.key.get(), EVP_sha256());
  return made;
}

}  // namespace

Authority::Authority() : root_(make("", nullptr, true, false)) {
  std::string file = (std::filesystem::temp_directory_path() / "postern-root-XXXXXX").string();
  const int fd = ::mkstemp(file.data());
  std::FILE* out = ::fdopen(fd, "w");
  PEM_write_X509(out, root_.certificate.get());
  std::fclose(out);
  pem_ = file;
}
Authority::~Authority() {
  std::error_code ignored;
  std::filesystem::remove(pem_, ignored);
}
Identity Authority::issue(const std::string& name, bool expired) const {
  return make(name, &root_, false, expired);
}
Identity Authority::self_signed(const std::string& name) {
  return make(name, nullptr, false, false);
}

std::string Peer::server_name() const {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

bool Peer::shown(const std::string& name) const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  return certificate != nullptr && X509_check_host(certificate, name.data(), name.size(), 0, nullptr) == 1;
}

bool Peer::take_more() {
  if (closed_) return false;
  char part[16 * 1024];
  const int n = SSL_read(ssl_, part, sizeof part);
  if (n > 0) {
    ahead_.append(part, static_cast<std::size_t>(n));
    return true;
  }
  closed_ = true;
  clean_ = SSL_get_error(ssl_, n) == SSL_ERROR_ZERO_RETURN;
  return false;
}
std::string Peer::read_until(std::string_view mark) {
  for (;;) {
    if (const auto at = ahead_.find(mark); at != std::string::npos) {
      std::string got = ahead_.substr(0, at + mark.size());
      ahead_.erase(0, got.size());
      return got;
    }
    if (!take_more()) return std::exchange(ahead_, {});
  }
}
std::string Peer::read_head() {
  return read_until("\r\n\r\n");
}
std::string Peer::read(std::size_t size) {
  while (ahead_.size() < size && take_more()) {
  }
  std::string got = ahead_.substr(0, size);
  ahead_.erase(0, got.size());
  return got;
}
std::string Peer::read_record() {
  if (ahead_.empty()) take_more();
  return std::exchange(ahead_, {});
}
void Peer::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const int n = SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)));
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}
std::string Peer::as_record(std::string_view bytes) {
  BIO* wire = SSL_get_wbio(ssl_);
  BIO_up_ref(wire);
  BIO* memory = BIO_new(BIO_s_mem());
  BIO_up_ref(memory);
  SSL_set0_wbio(ssl_, memory);
  write(bytes);
  std::string record(BIO_ctrl_pending(memory), '\0');
  BIO_read(memory, record.data(), static_cast<int>(record.size()));
  SSL_set0_wbio(ssl_, wire);
  BIO_free(memory);
  return record;
}
void Peer::send_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(SSL_get_fd(ssl_), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}
void Peer::close_notify() {
  SSL_shutdown(ssl_);
}
void Peer::cut() {
  SSL_set_quiet_shutdown(ssl_, 1);
  ::shutdown(SSL_get_fd(ssl_), SHUT_RDWR);
}
void Peer::reset() {
  const linger hard{1, 0};
  ::setsockopt(SSL_get_fd(ssl_), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  SSL_set_quiet_shutdown(ssl_, 1);
}
bool Peer::wait_for_end() {
  while (take_more()) {
  }
  return clean_;
}

TlsServer::TlsServer(Identity identity, Handler handler, int max_version)
    : identity_(std::move(identity)), handler_(std::move(handler)), context_(SSL_CTX_new(TLS_server_method())) {
  std::signal(SIGPIPE, SIG_IGN);
  SSL_CTX_use_certificate(context_, identity_.certificate.get());
  SSL_CTX_use_PrivateKey(context_, identity_.key.get());
  SSL_CTX_set_max_proto_version(context_, max_version);
  if (max_version < TLS1_2_VERSION) SSL_CTX_set_security_level(context_, 0);
  const unsigned char id[] = "postern test";
  SSL_CTX_set_session_id_context(context_, id, sizeof id - 1);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener_, 64) != 0) std::abort();
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
  port_ = ntohs(at.sin_port);
  acceptor_ = std::thread([this] { accept(); });
}

TlsServer::~TlsServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
  SSL_CTX_free(context_);
}

void TlsServer::demand_clients_of(const Authority& authority) {
  SSL_CTX_load_verify_file(context_, authority.pem().c_str());
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

net::Endpoint TlsServer::endpoint() const {
  return *net::Endpoint::parse("127.0.0.1:" + std::to_string(port_));
}

void TlsServer::accept() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard lock(mutex_);
    ++accepted_;
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
    if (stopping_) return;
  }
}

void TlsServer::serve(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  SSL* ssl = SSL_new(context_);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    Peer peer(ssl, handshakes_++);
    handler_(peer);
    SSL_shutdown(ssl);
  }
  SSL_free(ssl);
  const std::lock_guard lock(mutex_);
  std::erase(open_, fd);
  ::close(fd);
}

std::string ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace postern::test
