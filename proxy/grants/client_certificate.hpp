#pragma once
// A credential of type CERTIFICATE as what TLS shows. The fields of its `value`: certificate, key, passphrase.
//
// Pure but for OpenSSL. Thread safety: any thread. Errors name the field and repeat nothing of its value.
#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/net/identity.hpp"
#include "vault/secret.hpp"

namespace postern::grants {

inline constexpr std::string_view kCertificateType = "CERTIFICATE";

struct CertificateMistake {
  std::string field;
  std::string text;  // one sentence
};

// It is shown whole and sent nowhere, so nothing looks for it in answers.
bool is_shown_in_handshake(std::string_view field) noexcept;

std::expected<std::shared_ptr<const net::Identity>, CertificateMistake> read_client_certificate(
    const std::map<std::string, vault::Secret>& values);
// The same where somebody brings it: one that has ended is a mistake, too.
std::expected<std::shared_ptr<const net::Identity>, CertificateMistake> accept_client_certificate(
    const std::map<std::string, vault::Secret>& values, std::int64_t now_ms);

}  // namespace postern::grants
