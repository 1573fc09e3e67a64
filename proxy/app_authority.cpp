#include "proxy/app_authority.hpp"

namespace postern {

std::expected<OpenAuthority, std::string> open_authority(const vault::Vault& vault) {
  const auto record = vault.find_authority();
  if (!record && record.error().code == vault::Error::Code::not_found) return OpenAuthority{};
  if (!record) return std::unexpected("the local CA cannot be read: " + record.error().message);
  auto authority = vault::Authority::open(record->certificate, record->key.expose());
  if (!authority) return std::unexpected(authority.error().message);
  auto issuer = net::Issuer::make((*authority)->x509(), (*authority)->key());
  if (!issuer) return std::unexpected("the local CA cannot be used: OpenSSL does not take its key");
  return OpenAuthority{std::move(*authority), std::move(issuer)};
}

}  // namespace postern
