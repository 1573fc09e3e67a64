#pragma once
// A certificate and its private key: what this side shows where an upstream asks for one (RFC 8446 section 4.4.2).
//
// Thread safety: immutable, any thread. Ownership: shared with every SSL that shows it; OpenSSL clears the key when the
// last of them is gone. Errors say which of the three texts is wrong and how, and repeat none of it.
#include <openssl/ssl.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace postern::net {

class Identity {
 public:
  // All PEM. The certificate comes first, its intermediates behind it; the key is RSA, EC or Ed25519, and a passphrase
  // is looked at only if the key is encrypted.
  struct Text {
    std::string_view certificate, key, passphrase = {};
  };
  enum class Part : std::uint8_t { certificate, key, passphrase };
  struct Mistake {
    Part part = Part::certificate;
    std::string text;  // one sentence
  };
  // Whether it has ended is not judged: see ends_ms().
  static std::expected<std::shared_ptr<const Identity>, Mistake> read(const Text& text);

  // From now on `ssl` shows it where it is asked to. False: OpenSSL does not take it; the SSL must not be used.
  bool show_in(SSL* ssl) const noexcept;
  // Never given twice: sessions of another identity are not resumed under this one.
  std::uint64_t serial() const noexcept { return serial_; }
  std::int64_t ends_ms() const noexcept { return ends_ms_; }        // of the certificate, by the wall clock
  const std::string& subject() const noexcept { return subject_; }  // "CN=step 42,O=Acme", printable (RFC 2253)

 private:
  struct Free {
    void operator()(X509* p) const noexcept { X509_free(p); }
    void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
    void operator()(STACK_OF(X509) * p) const noexcept { sk_X509_pop_free(p, X509_free); }
  };
  std::expected<void, Mistake> read_certificates(std::string_view pem);
  std::expected<void, Mistake> read_key(std::string_view pem, std::string_view passphrase);
  std::expected<void, Mistake> fit() const;

  std::unique_ptr<X509, Free> certificate_;
  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<STACK_OF(X509), Free> chain_;
  std::uint64_t serial_ = 0;
  std::int64_t ends_ms_ = 0;
  std::string subject_;
};

}  // namespace postern::net
