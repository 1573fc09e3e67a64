#pragma once
// The local certificate authority under which intercepted hosts show themselves to callers: made once, kept as a
// certificate and a sealed key, and confined by name constraints to the hosts it was made for (RFC 5280 section
// 4.2.1.10), so that a stolen key is no use for any other. Pure X.509: nothing here is read from or written to a store.
//
// Thread safety: an Authority is immutable; any number of threads may sign with its key at once. Ownership: an
// Authority owns certificate and key; what x509() and key() show is borrowed, and OpenSSL's up_ref makes it one's own.
#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vault/error.hpp"
#include "vault/secret.hpp"

namespace postern::vault {

inline constexpr std::int64_t kAuthorityLifetime = std::int64_t{2} * 365 * 86'400;  // seconds
inline constexpr std::int64_t kAuthorityBackdated = 3'600;  // a caller's clock may be behind ours by so much

struct NewAuthority {
  std::string label;               // whose it is: "postern local CA <label>"; 1 to 40 letters, digits, '-' and '_'
  std::vector<std::string> names;  // at least one: "api.github.com", "*.slack.com", "192.0.2.7", "2001:db8::7"
  std::int64_t now = 0;            // seconds since 1970; valid from an hour before
  std::int64_t lifetime = kAuthorityLifetime;  // seconds from `now`
};

// What is kept: the certificate may be shown to anybody, the key (PKCS #8, DER) to nobody.
struct AuthorityBytes {
  std::string certificate;  // PEM
  Secret key;
};

class Authority {
 public:
  // ECDSA P-256, SHA-256, path length 0, critical name constraints. A name constraint holds for the name and
  // everything below it; RFC 5280 knows no narrower one, so "*.slack.com" is kept as slack.com. Where no address is
  // permitted every address is excluded, and the other way round.
  // Errors: invalid (label or lifetime; no names, or one that is neither a host name of two labels nor an address).
  static Result<AuthorityBytes> create(const NewAuthority& wanted);
  // Errors: invalid (not a PEM certificate and its key; no authority, or one without critical name constraints).
  static Result<std::shared_ptr<const Authority>> open(std::string_view certificate, std::string_view key);
  // What a certificate says of itself; it cannot sign: key() is null. Errors: as open().
  static Result<std::shared_ptr<const Authority>> look(std::string_view certificate);
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  ~Authority();

  // Whether a certificate for this host would be believed. `host`: lower case, without port, brackets and trailing dot.
  bool permits(std::string_view host) const;
  // What it is confined to, in the certificate's order: names (with all that is below them) and addresses.
  const std::vector<std::string>& names() const noexcept { return names_; }
  const std::string& certificate() const noexcept { return certificate_; }  // PEM, nothing else in it
  const std::string& subject() const noexcept { return subject_; }          // its common name
  const std::string& fingerprint() const noexcept { return fingerprint_; }  // SHA-256, "AB:CD:…" as other tools show it
  std::int64_t not_before() const noexcept { return not_before_; }          // seconds since 1970
  std::int64_t not_after() const noexcept { return not_after_; }
  bool valid_at(std::int64_t seconds) const noexcept { return not_before_ <= seconds && seconds < not_after_; }

  X509* x509() const noexcept { return x509_; }
  EVP_PKEY* key() const noexcept { return key_; }

 private:
  Authority() = default;
  static Result<std::shared_ptr<const Authority>> read(std::string_view certificate, const std::string_view* key);
  std::string read_certificate(std::string_view pem);  // each: what is wrong; empty: nothing
  std::string read_key(std::string_view der);
  std::string read_constraints();

  X509* x509_ = nullptr;
  EVP_PKEY* key_ = nullptr;
  std::vector<std::string> names_;
  std::string certificate_, subject_, fingerprint_;
  std::int64_t not_before_ = 0, not_after_ = 0;
};

}  // namespace postern::vault
