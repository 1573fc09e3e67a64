#include "proxy/net/tls.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <atomic>

namespace postern::net {
namespace {

constexpr const char* kSystemFolder = "/etc/ssl/certs";
constexpr const char* kSystemBundles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                          "/etc/ssl/cert.pem"};

int cache_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}
int key_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* cache = static_cast<SessionCache*>(SSL_get_ex_data(ssl, cache_index()));
  const auto* key = static_cast<const SessionCache::Key*>(SSL_get_ex_data(ssl, key_index()));
  if (cache == nullptr || key == nullptr) return 0;
  cache->put(*key, session);
  return 1;  // the reference is ours now
}

bool has_hashed_names(const std::filesystem::path& folder) {
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ec)) {
    if (entry.path().extension() == ".0") return true;
  }
  return false;
}

}  // namespace

std::expected<std::shared_ptr<Trust>, std::string> Trust::make() {
  static std::atomic<std::uint64_t> made{0};
  auto trust = std::make_shared<Trust>();
  trust->serial_ = ++made;
  trust->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* ctx = trust->context_.get();
  if (ctx == nullptr) return std::unexpected("OpenSSL cannot make a client context");
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Not SSL_MODE_RELEASE_BUFFERS: it would free and allocate two buffers with every request; see Upstream::rest().
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx, 1);  // one recv takes all that is there: 1.2 µs a request (measured)
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, on_new_session);
  static const unsigned char alpn[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1);
  return trust;
}

std::expected<std::shared_ptr<const Trust>, std::string> Trust::system() {
  auto trust = make();
  if (!trust) return std::unexpected(trust.error());
  SSL_CTX* ctx = (*trust)->context();
  // The hashed folder is read certificate by certificate when an issuer is first needed: nothing to load at start.
  if (has_hashed_names(kSystemFolder) && SSL_CTX_load_verify_dir(ctx, kSystemFolder) == 1) return *trust;
  for (const char* bundle : kSystemBundles) {
    if (SSL_CTX_load_verify_file(ctx, bundle) == 1) return *trust;
  }
  ERR_clear_error();
  return *trust;  // no roots at all: every handshake fails as upstream-certificate, and `doctor` and readiness can say
                  // so
}

std::expected<std::shared_ptr<const Trust>, std::string> Trust::file(const std::filesystem::path& pem) {
  auto trust = make();
  if (!trust) return std::unexpected(trust.error());
  if (SSL_CTX_load_verify_file((*trust)->context(), pem.c_str()) != 1) {
    ERR_clear_error();
    return std::unexpected(
        pem.string() +
        ": cannot be read as PEM certificates; check the path, its mode and that it holds a BEGIN CERTIFICATE block");
  }
  return *trust;
}

SslPtr Trust::open(const std::string& host, bool ip_literal) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (ssl == nullptr) return nullptr;
  SSL_set_connect_state(ssl.get());
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl.get());
  X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (ip_literal) {
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) != 1) return nullptr;
  } else if (SSL_set_tlsext_host_name(ssl.get(), host.c_str()) != 1 || SSL_set1_host(ssl.get(), host.c_str()) != 1) {
    return nullptr;
  }
  return ssl;
}

void SessionCache::put(const Key& key, SSL_SESSION* session) {
  if (auto found = rows_.find(key); found != rows_.end()) {
    found->second.session.reset(session);
    oldest_first_.splice(oldest_first_.end(), oldest_first_, found->second.age);
    return;
  }
  if (rows_.size() >= kMax) {
    rows_.erase(oldest_first_.front());
    oldest_first_.pop_front();
  }
  oldest_first_.push_back(key);
  rows_.emplace(key, Row{SessionPtr(session), std::prev(oldest_first_.end())});
}

SSL_SESSION* SessionCache::get(const Key& key) {
  const auto found = rows_.find(key);
  return found == rows_.end() ? nullptr : found->second.session.get();
}

void SessionCache::forget(const Key& key) {
  if (const auto found = rows_.find(key); found != rows_.end()) {
    oldest_first_.erase(found->second.age);
    rows_.erase(found);
  }
}

void keep_sessions(SSL* ssl, SessionCache* cache, const SessionCache::Key* key) {
  SSL_set_ex_data(ssl, cache_index(), cache);
  SSL_set_ex_data(ssl, key_index(), const_cast<SessionCache::Key*>(key));
}

}  // namespace postern::net
