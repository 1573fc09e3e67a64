#include "proxy/grants/client_certificate.hpp"

#include <algorithm>

namespace postern::grants {
namespace {

constexpr std::array<const char*, 3> kFields{"certificate", "key", "passphrase"};  // as net::Identity::Part counts

}  // namespace

bool is_shown_in_handshake(std::string_view field) noexcept {
  return std::find(kFields.begin(), kFields.end(), field) != kFields.end();
}

std::expected<std::shared_ptr<const net::Identity>, CertificateMistake> read_client_certificate(
    const std::map<std::string, vault::Secret>& values) {
  const auto text = [&](net::Identity::Part part) {
    const auto at = values.find(kFields[static_cast<std::size_t>(part)]);
    return at == values.end() ? std::string_view() : at->second.expose();
  };
  using Part = net::Identity::Part;
  auto read = net::Identity::read({text(Part::certificate), text(Part::key), text(Part::passphrase)});
  if (read) return std::move(*read);
  return std::unexpected(
      CertificateMistake{kFields[static_cast<std::size_t>(read.error().part)], std::move(read.error().text)});
}

std::expected<std::shared_ptr<const net::Identity>, CertificateMistake> accept_client_certificate(
    const std::map<std::string, vault::Secret>& values, std::int64_t now_ms) {
  auto read = read_client_certificate(values);
  if (read && (*read)->ends_ms() <= now_ms)
    return std::unexpected(CertificateMistake{kFields[0], "Has expired: no service takes it any more."});
  return read;
}

}  // namespace postern::grants
