#include "proxy/net/leaves.hpp"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace postern::net {

namespace {

constexpr std::int64_t kHour = 3'600, kDay = 24 * kHour;
constexpr std::int64_t kLife = 7 * kDay;        // from `now`; what clients refuse begins at a year
constexpr std::int64_t kRenewAfter = 6 * kDay;  // a handshake never shows one that is about to end
constexpr std::size_t kLongestCommonName = 64;  // X.520 ub-common-name

bool is_served(const SSL* ssl, std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.front() == '.') return false;
  X509* leaf = SSL_get_certificate(ssl);
  constexpr unsigned kExact = X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
  if (X509_check_host(leaf, name.data(), name.size(), kExact, nullptr) == 1) return true;
  return X509_check_ip_asc(leaf, std::string(name).c_str(), 0) == 1;
}

bool is_for_address(const SSL* ssl) {
  GENERAL_NAMES* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(SSL_get_certificate(ssl), NID_subject_alt_name, nullptr, nullptr));
  const bool address = sk_GENERAL_NAME_num(names) == 1 && sk_GENERAL_NAME_value(names, 0)->type == GEN_IPADD;
  GENERAL_NAMES_free(names);
  return address;
}

// OpenSSL asks whether there was a server name or not.
int on_server_name(SSL* ssl, int* alert, void* /*unused*/) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const bool fine = name == nullptr ? is_for_address(ssl) : is_served(ssl, name);
  ERR_clear_error();
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return fine ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int on_protocols(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                 unsigned offered_size, void* /*unused*/) {
  static const unsigned char ours[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, ours, sizeof ours - 1, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol (RFC 7301 section 3.2)
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

std::unique_ptr<SSL_CTX, SslFree> make_context(EVP_PKEY* leaf_key) {
  std::unique_ptr<SSL_CTX, SslFree> context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* ctx = context.get();
  if (ctx == nullptr || SSL_CTX_use_PrivateKey(ctx, leaf_key) != 1) return nullptr;
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  // For TLS 1.2; the certificate is an ECDSA one.
  if (SSL_CTX_set_cipher_list(ctx, "kECDHE+aECDSA+AESGCM:kECDHE+aECDSA+CHACHA20") != 1) return nullptr;
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  // See Trust for these.
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
  SSL_CTX_set_alpn_select_cb(ctx, on_protocols, nullptr);
  return context;
}

bool set_serial(X509* leaf) {
  BIGNUM* number = BN_new();
  const bool fine = number != nullptr && BN_rand(number, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(leaf)) != nullptr;
  BN_free(number);
  return fine;
}

// Valid from an hour ago, for a week, within what the authority itself is valid for.
bool set_life(X509* leaf, X509* authority, std::int64_t now) {
  std::time_t begin = now - kHour, end = now + kLife;
  const bool late = X509_cmp_time(X509_get0_notBefore(authority), &begin) > 0;
  const bool soon = X509_cmp_time(X509_get0_notAfter(authority), &end) < 0;
  return (late ? X509_set1_notBefore(leaf, X509_get0_notBefore(authority)) == 1
               : ASN1_TIME_set(X509_getm_notBefore(leaf), begin) != nullptr) &&
         (soon ? X509_set1_notAfter(leaf, X509_get0_notAfter(authority)) == 1
               : ASN1_TIME_set(X509_getm_notAfter(leaf), end) != nullptr);
}

// No common name of an address: clients hold it against the constraints as if it were a host name (OpenSSL, measured).
bool set_subject(X509* leaf, const std::string& host, bool ip_literal) {
  X509_NAME* name = X509_get_subject_name(leaf);
  const auto add = [&](const char* field, const std::string& text) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()), -1, 0) == 1;
  };
  return add("O", "postern") && (ip_literal || host.size() > kLongestCommonName || add("CN", host));
}

bool add_names(X509* leaf, const std::string& host, bool ip_literal) {
  GENERAL_NAMES* names = GENERAL_NAMES_new();
  GENERAL_NAME* name = GENERAL_NAME_new();
  bool fine = names != nullptr && name != nullptr;
  if (fine && ip_literal) {
    ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
    fine = address != nullptr;
    if (fine) GENERAL_NAME_set0_value(name, GEN_IPADD, address);
  } else if (fine) {
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    fine = text != nullptr && ASN1_STRING_set(text, host.data(), static_cast<int>(host.size())) == 1;
    if (fine)
      GENERAL_NAME_set0_value(name, GEN_DNS, text);
    else
      ASN1_IA5STRING_free(text);
  }
  if (fine && sk_GENERAL_NAME_push(names, name) > 0)
    name = nullptr;
  else
    fine = false;
  fine = fine && X509_add1_ext_i2d(leaf, NID_subject_alt_name, names, 0, 0) == 1;
  GENERAL_NAME_free(name);
  GENERAL_NAMES_free(names);
  return fine;
}

bool add_extensions(X509* leaf, X509* authority) {
  constexpr struct {
    int what;
    const char* text;
  } kRows[] = {{NID_basic_constraints, "critical,CA:FALSE"},
               {NID_key_usage, "critical,digitalSignature"},
               {NID_ext_key_usage, "serverAuth"},
               {NID_subject_key_identifier, "hash"},
               {NID_authority_key_identifier, "keyid:always"}};
  X509V3_CTX context;
  X509V3_set_ctx(&context, authority, leaf, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  for (const auto& row : kRows) {
    X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, row.what, row.text);
    const bool fine = made != nullptr && X509_add_ext(leaf, made, -1) == 1;
    X509_EXTENSION_free(made);
    if (!fine) return false;
  }
  return true;
}

}  // namespace

std::shared_ptr<const Issuer> Issuer::make(X509* authority, EVP_PKEY* key) {
  auto issuer = std::make_shared<Issuer>();
  X509_up_ref(authority);
  issuer->authority_.reset(authority);
  EVP_PKEY_up_ref(key);
  issuer->key_.reset(key);
  issuer->leaf_key_.reset(EVP_EC_gen("P-256"));
  if (issuer->leaf_key_) issuer->context_ = make_context(issuer->leaf_key_.get());
  if (issuer->context_) return issuer;
  ERR_clear_error();
  return nullptr;
}

X509Ptr Issuer::sign(const std::string& host, bool ip_literal, std::int64_t now) const {
  X509Ptr leaf(X509_new());
  X509* x = leaf.get();
  if (x != nullptr && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_life(x, authority_.get(), now) &&
      set_subject(x, host, ip_literal) && X509_set_issuer_name(x, X509_get_subject_name(authority_.get())) == 1 &&
      X509_set_pubkey(x, leaf_key_.get()) == 1 && add_names(x, host, ip_literal) &&
      add_extensions(x, authority_.get()) && X509_sign(x, key_.get(), EVP_sha256()) != 0) {
    return leaf;
  }
  ERR_clear_error();
  return nullptr;
}

void Leaves::use(std::shared_ptr<const Issuer> issuer) {
  issuer_ = std::move(issuer);
  rows_.clear();
  oldest_first_.clear();
}

X509* Leaves::leaf(const std::string& host, bool ip_literal, std::int64_t now) {
  const auto found = rows_.find(host);
  if (found != rows_.end()) {
    Row& row = found->second;
    oldest_first_.splice(oldest_first_.end(), oldest_first_, row.age);
    // Not the one of a clock that has been set back since, either.
    if (row.signed_at - kHour < now && now < row.signed_at + kRenewAfter) return row.leaf.get();
    row.leaf = issuer_->sign(host, ip_literal, now);
    row.signed_at = now;
    return row.leaf.get();
  }
  X509Ptr made = issuer_->sign(host, ip_literal, now);
  if (made == nullptr) return nullptr;
  if (rows_.size() >= kMost) {
    rows_.erase(oldest_first_.front());
    oldest_first_.pop_front();
  }
  oldest_first_.push_back(host);
  return rows_.emplace(host, Row{std::move(made), now, std::prev(oldest_first_.end())}).first->second.leaf.get();
}

SslPtr Leaves::open(const std::string& host, bool ip_literal, std::int64_t now) {
  if (!issuer_) return nullptr;
  X509* shown = leaf(host, ip_literal, now);
  SslPtr ssl(shown == nullptr ? nullptr : SSL_new(issuer_->context()));
  if (ssl == nullptr || SSL_use_certificate(ssl.get(), shown) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  SSL_set_accept_state(ssl.get());
  return ssl;
}

}  // namespace postern::net
