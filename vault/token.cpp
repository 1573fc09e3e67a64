#include "vault/token.hpp"

#include "vault/digest.hpp"
#include "vault/encoding.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kPrefix = "pst_";
constexpr std::size_t kPublic = 12;
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kSecret = 43;
constexpr std::size_t kChecksum = 6;
constexpr std::size_t kToken = kPrefix.size() + kPublic + kSecret + kChecksum;
constexpr std::string_view kBase64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

FreshToken make_token() {
  FreshToken made{random_crockford(kPublic), {}};
  std::string secret = base64url(random_secret(kSecretBytes).expose());
  std::string text(kPrefix);
  text.reserve(kToken + 1);  // no growth: a longer copy would leave this one behind
  text.append(made.public_id).append(secret);
  text.append(base62(crc32(text), kChecksum));
  wipe(secret);
  made.text = Secret::take(text);
  return made;
}

std::optional<std::string_view> public_id_of(std::string_view token) {
  if (token.size() != kToken || !token.starts_with(kPrefix)) return std::nullopt;
  const std::string_view public_id = token.substr(kPrefix.size(), kPublic);
  const std::string_view secret = token.substr(kPrefix.size() + kPublic, kSecret);
  if (!is_crockford(public_id) || secret.find_first_not_of(kBase64url) != std::string_view::npos) return std::nullopt;
  if (token.substr(kToken - kChecksum) != base62(crc32(token.substr(0, kToken - kChecksum)), kChecksum)) {
    return std::nullopt;
  }
  return public_id;
}

}  // namespace postern::vault
