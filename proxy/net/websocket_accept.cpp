#include "proxy/net/websocket_accept.hpp"

#include <openssl/evp.h>

#include <array>

namespace postern::net {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kSha1Size = 20, kBase64Size = 28;

}  // namespace

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += kGuid;
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  if (EVP_Digest(text.data(), text.size(), hash.data(), nullptr, EVP_sha1(), nullptr) != 1) return {};
  std::array<unsigned char, kBase64Size + 1> out{};
  const int size = EVP_EncodeBlock(out.data(), hash.data(), kSha1Size);
  return {reinterpret_cast<const char*>(out.data()), static_cast<std::size_t>(size)};
}

}  // namespace postern::net
