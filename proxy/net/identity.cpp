#include "proxy/net/identity.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <ctime>

namespace postern::net {
namespace {

using Part = Identity::Part;
using Mistake = Identity::Mistake;

constexpr int kMostCertificates = 10;

struct BioFree {
  void operator()(BIO* p) const noexcept { BIO_free(p); }
};
using Bio = std::unique_ptr<BIO, BioFree>;

struct SslContextFree {
  void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
};

std::unexpected<Mistake> wrong(Part part, const char* text) {
  ERR_clear_error();
  return std::unexpected(Mistake{part, text});
}

// Read where it lies: OpenSSL makes no copy of a memory BIO's bytes, and clears what it decodes.
Bio over(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

struct Passphrase {
  std::string_view text;
  bool asked = false;
};

int give_passphrase(char* to, int size, int /*writing*/, void* from) {
  auto& passphrase = *static_cast<Passphrase*>(from);
  passphrase.asked = true;
  if (passphrase.text.empty() || passphrase.text.size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(to, passphrase.text.data(), passphrase.text.size());
  return static_cast<int>(passphrase.text.size());
}

// There is no passphrase to a certificate; without a callback OpenSSL would ask a terminal.
int give_none(char* /*to*/, int /*size*/, int /*writing*/, void* /*from*/) {
  return -1;
}

std::int64_t ends_of(const X509* certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return 0;
  return static_cast<std::int64_t>(::timegm(&end)) * 1'000;
}

std::string subject_of(const X509* certificate) {
  const Bio out(BIO_new(BIO_s_mem()));
  char* bytes = nullptr;
  if (!out || X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0) return {};
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return std::string(bytes, static_cast<std::size_t>(std::max(size, 0L)));
}

}  // namespace

std::expected<void, Mistake> Identity::read_certificates(std::string_view pem) {
  const Bio from = over(pem);
  chain_.reset(sk_X509_new_null());
  for (int count = 0; from && chain_; ++count) {
    std::unique_ptr<X509, Free> next(PEM_read_bio_X509(from.get(), nullptr, give_none, nullptr));
    if (!next) break;
    if (count == kMostCertificates) return wrong(Part::certificate, "The chain has more than 10 certificates.");
    if (certificate_)
      sk_X509_push(chain_.get(), next.release());
    else
      certificate_ = std::move(next);
  }
  // What ends a list of certificates well is that no further block begins.
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!certificate_)
    return wrong(Part::certificate,
                 "Has to be a PEM certificate (BEGIN CERTIFICATE), with its intermediates behind it; `openssl pkcs12 "
                 "-nodes` makes PEM of a .p12 file.");
  if (!ended) return wrong(Part::certificate, "A certificate of the chain cannot be read.");
  ERR_clear_error();
  return {};
}

std::expected<void, Mistake> Identity::read_key(std::string_view pem, std::string_view passphrase) {
  const Bio from = over(pem);
  Passphrase given{passphrase};
  if (from) key_.reset(PEM_read_bio_PrivateKey(from.get(), nullptr, give_passphrase, &given));
  if (key_) {
    const bool known = EVP_PKEY_is_a(key_.get(), "RSA") == 1 || EVP_PKEY_is_a(key_.get(), "EC") == 1 ||
                       EVP_PKEY_is_a(key_.get(), "ED25519") == 1;
    if (!known) return wrong(Part::key, "Has to be an RSA, an EC or an Ed25519 key.");
    ERR_clear_error();
    return {};
  }
  if (given.asked && passphrase.empty())
    return wrong(Part::passphrase, "The key is encrypted: its passphrase is needed.");
  if (given.asked) return wrong(Part::passphrase, "Does not open the key.");
  return wrong(Part::key, "Has to be a PEM private key (BEGIN PRIVATE KEY).");
}

// As a handshake would: OpenSSL refuses there what is too weak for it.
std::expected<void, Mistake> Identity::fit() const {
  if (X509_check_private_key(certificate_.get(), key_.get()) != 1)
    return wrong(Part::key, "Is not the key of the certificate, which has to come first in its chain.");
  const std::unique_ptr<SSL_CTX, SslContextFree> context(SSL_CTX_new(TLS_client_method()));
  if (!context || SSL_CTX_use_cert_and_key(context.get(), certificate_.get(), key_.get(), chain_.get(), 1) != 1)
    return wrong(Part::certificate, "Is too weak for TLS here: its key or the digest of a signature in the chain.");
  return {};
}

std::expected<std::shared_ptr<const Identity>, Mistake> Identity::read(const Text& text) {
  static std::atomic<std::uint64_t> made{0};
  ERR_clear_error();
  auto identity = std::make_shared<Identity>();
  if (auto read = identity->read_certificates(text.certificate); !read) return std::unexpected(read.error());
  if (auto read = identity->read_key(text.key, text.passphrase); !read) return std::unexpected(read.error());
  if (auto fits = identity->fit(); !fits) return std::unexpected(fits.error());
  identity->serial_ = ++made;
  identity->ends_ms_ = ends_of(identity->certificate_.get());
  identity->subject_ = subject_of(identity->certificate_.get());
  return identity;
}

bool Identity::show_in(SSL* ssl) const noexcept {
  const bool taken = SSL_use_cert_and_key(ssl, certificate_.get(), key_.get(), chain_.get(), 1) == 1;
  // A server of TLS 1.3 may ask only when it has seen the request (RFC 8446 section 4.6.2).
  SSL_set_post_handshake_auth(ssl, 1);
  ERR_clear_error();
  return taken;
}

}  // namespace postern::net
