#include "proxy/cli/java_trust_store.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "proxy/cli/ca_bundle.hpp"

namespace postern::cli {
namespace {

template <class Number>
void big_endian(std::string& out, Number value) {
  for (int shift = int(sizeof value) * 8 - 8; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

void java_text(std::string& out, std::string_view text) {
  big_endian(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}

std::vector<std::string> ders(const std::string& pem) {
  std::vector<std::string> out;
  for (const std::string& one : certificates_in(pem)) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_mem_buf(one.data(), static_cast<int>(one.size())),
                                                       BIO_free);
    X509* certificate = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr);
    unsigned char* der = nullptr;
    const int size = certificate == nullptr ? 0 : i2d_X509(certificate, &der);
    X509_free(certificate);
    if (size > 0) out.emplace_back(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  ERR_clear_error();
  return out;
}

}  // namespace

// JKS, version 2: magic, version, count, entries, and SHA-1 over password, salt and all of that. An entry of a trusted
// certificate is tag 2, alias, date, type and DER. Source: sun.security.provider.JavaKeyStore of OpenJDK 17.
std::string java_trust_store(const std::string& pem) {
  const std::vector<std::string> all = ders(pem);
  std::string out;
  big_endian(out, std::uint32_t{0xfeedfeed});
  big_endian(out, std::uint32_t{2});
  big_endian(out, static_cast<std::uint32_t>(all.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    big_endian(out, std::uint32_t{2});
    java_text(out, fmt::format("root-{}", i));
    big_endian(out, std::uint64_t{0});  // the date, which nobody asks for
    java_text(out, "X.509");
    big_endian(out, static_cast<std::uint32_t>(all[i].size()));
    out += all[i];
  }
  std::string sealed;
  for (const char c : std::string_view("changeit")) sealed += std::string{'\0', c};
  sealed += "Mighty Aphrodite" + out;
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(sealed.data()), sealed.size(), digest);
  return out.append(reinterpret_cast<const char*>(digest), sizeof digest);
}

}  // namespace postern::cli
