#pragma once
// The bearer token of an authorization: how one is made, and what of one can be checked without the vault.
//
//   token    := "pst_" public secret checksum      ; 65 characters
//   public   := 12 characters of lower-case Crockford base32, random, may be shown
//   secret   := 43 characters of base64url: 32 random bytes
//   checksum := CRC-32 of everything before it, 6 digits of base62 (0-9A-Za-z)
//
// The checksum only tells a typing error or a scanner's false find from a token; it protects nothing.
// Pure but for randomness; any thread.
#include <optional>
#include <string>
#include <string_view>

#include "vault/secret.hpp"

namespace postern::vault {

struct FreshToken {
  std::string public_id;
  Secret text;
};

FreshToken make_token();
// The public id of a well-formed token; nullopt for anything else.
std::optional<std::string_view> public_id_of(std::string_view token);

}  // namespace postern::vault
