#pragma once
// TLS towards upstreams: trust, and sessions to resume (DESIGN section 8). How bytes move is in tls_stream.
//
// Thread safety: a Trust is immutable after load and shared by all workers; a SessionCache belongs to one worker.
#include <openssl/ssl.h>

#include <cstdint>
#include <expected>
#include <filesystem>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace postern::net {

struct SslFree {
  void operator()(SSL* p) const noexcept { SSL_free(p); }
  void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
  void operator()(SSL_SESSION* p) const noexcept { SSL_SESSION_free(p); }
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
};
using SslPtr = std::unique_ptr<SSL, SslFree>;
using SessionPtr = std::unique_ptr<SSL_SESSION, SslFree>;
using X509Ptr = std::unique_ptr<X509, SslFree>;
using KeyPtr = std::unique_ptr<EVP_PKEY, SslFree>;

// One set of roots and the client settings that go with it: TLS 1.2 or newer, ALPN http/1.1, the host name verified.
class Trust {
 public:
  // The system's roots (Debian's hashed folder, or its bundle). SSL_CERT_FILE and SSL_CERT_DIR are not looked at.
  static std::expected<std::shared_ptr<const Trust>, std::string> system();
  // A PEM file of roots instead; the error names the file.
  static std::expected<std::shared_ptr<const Trust>, std::string> file(const std::filesystem::path& pem);

  SSL_CTX* context() const noexcept { return context_.get(); }
  // Never given twice: sessions of other roots are not resumed under these, as an address in memory might allow.
  std::uint64_t serial() const noexcept { return serial_; }
  // An SSL in client mode for `host`, without a socket yet (TlsStream); SNI set unless it is an address. nullptr: out
  // of memory.
  SslPtr open(const std::string& host, bool ip_literal) const;

 private:
  static std::expected<std::shared_ptr<Trust>, std::string> make();
  std::unique_ptr<SSL_CTX, SslFree> context_;
  std::uint64_t serial_ = 0;
};

// The newest session of each {host, port, trust}, never across hosts, least recently used out at 1024.
class SessionCache {
 public:
  using Key = std::string;
  void put(const Key& key, SSL_SESSION* session);  // takes the reference
  SSL_SESSION* get(const Key& key);                // borrowed; nullptr: none
  void forget(const Key& key);

 private:
  static constexpr std::size_t kMax = 1024;
  struct Row {
    SessionPtr session;
    std::list<Key>::iterator age;
  };
  std::unordered_map<Key, Row> rows_;
  std::list<Key> oldest_first_;
};

// Lets the SSL's new sessions go to `cache` under `key` (both must outlive the SSL).
void keep_sessions(SSL* ssl, SessionCache* cache, const SessionCache::Key* key);

}  // namespace postern::net
