#pragma once
// The local CA as it lies in the vault, opened for the workers: the authority, and the one issuer that signs for all.
//
// Reads the vault, so it may block. Thread safety: any thread. Absence: both are null, there is no CA. The error is one
// line: the record could not be read, or is none that can be used.
#include <expected>
#include <memory>
#include <string>

#include "proxy/net/leaves.hpp"
#include "vault/authority.hpp"
#include "vault/vault.hpp"

namespace postern {

struct OpenAuthority {
  std::shared_ptr<const vault::Authority> authority;
  std::shared_ptr<const net::Issuer> issuer;
};

std::expected<OpenAuthority, std::string> open_authority(const vault::Vault& vault);

}  // namespace postern
