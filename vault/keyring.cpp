#include "vault/keyring.hpp"

// Store keys: "header", and "key/" followed by the id of a data key in hex. Both kinds of record are bound to no
// organization, to their type and name, and to the store's version.
//
// The digest key is a data key that never seals: a token's digest cannot be made anew without the token, so it must
// outlive the rotation of the keys that seal.
#include <algorithm>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"

namespace postern::vault {
namespace {

constexpr std::string_view kKeyPrefix = "key/";

Binding header_binding(std::uint64_t version) {
  return {.organization = {}, .type = "header", .id = {}, .version = version};
}

Binding key_binding(std::string_view name, std::uint64_t version) {
  return {.organization = {}, .type = "key", .id = name, .version = version};
}

const char* info_of(Keyring::Use use) {
  switch (use) {
    case Keyring::Use::token:
      return "postern/token/1";
    case Keyring::Use::index:
      return "postern/index/1";
    case Keyring::Use::marker:
      return "postern/marker/1";
    case Keyring::Use::caller:
      return "postern/caller/1";
  }
  return "";
}

Result<Write> wrapped(const KeyProvider& provider, std::string key, std::string plaintext, const Binding& binding) {
  auto value = provider.wrap(plaintext, binding);
  wipe(plaintext);
  if (!value) return std::unexpected(value.error());
  return Write{.key = std::move(key), .value = std::move(*value), .expected = 0};
}

std::unexpected<Error> damaged(const std::string& what) {
  return fail(Error::Code::corrupt, "the vault's keys do not fit together: " + what + "; restore a backup");
}

}  // namespace

Keyring::Keyring(Header header, std::vector<DataKey> keys) : header_(std::move(header)) {
  for (auto& key : keys) {
    if (key.id == header_.digest_key) {
      for (const Use use : {Use::token, Use::index, Use::marker, Use::caller}) {
        subkeys_.emplace(use, hkdf_sha256(key.key.expose(), {}, info_of(use), kKeySize));
      }
    } else {
      std::string id = key.id;
      sealing_.emplace(id, SealingKey(id, std::move(key.key)));
    }
  }
}

Result<Keyring::Fresh> Keyring::make(const KeyProvider& provider, std::int64_t now_ms) {
  std::vector<DataKey> keys;
  for (int i = 0; i < 2; ++i) keys.push_back({random_bytes(kKeyIdSize), now_ms, random_secret(kKeySize)});
  Header header{
      .vault_id = random_crockford(12), .created = now_ms, .active_key = keys[0].id, .digest_key = keys[1].id};
  Batch writes;
  auto first = wrapped(provider, std::string(kHeaderKey), encode(header), header_binding(1));
  if (!first) return std::unexpected(first.error());
  writes.push_back(std::move(*first));
  for (const auto& key : keys) {
    const std::string name = hex(key.id);
    auto write = wrapped(provider, std::string(kKeyPrefix) + name, encode(key), key_binding(name, 1));
    if (!write) return std::unexpected(write.error());
    writes.push_back(std::move(*write));
  }
  return Fresh{Keyring(std::move(header), std::move(keys)), std::move(writes)};
}

Result<Header> Keyring::open_header(const Entry& entry, const KeyProvider& provider) {
  const auto plaintext = provider.unwrap(entry.value, header_binding(entry.version));
  if (!plaintext) return std::unexpected(plaintext.error());
  return decode<Header>(plaintext->expose());
}

Result<Keyring> Keyring::load(const Store& store, const KeyProvider& provider) {
  const auto entry = store.get(kHeaderKey);
  if (!entry) return std::unexpected(entry.error());
  auto header = open_header(*entry, provider);
  if (!header) return std::unexpected(header.error());

  std::vector<DataKey> keys;
  std::string after;
  for (bool more = true; more;) {
    const auto page = store.scan(kKeyPrefix, after, 100);
    if (!page) return std::unexpected(page.error());
    for (const auto& stored : page->entries) {
      const std::string_view name = std::string_view(stored.key).substr(kKeyPrefix.size());
      const auto plaintext = provider.unwrap(stored.value, key_binding(name, stored.version));
      if (!plaintext) return std::unexpected(plaintext.error());
      auto key = decode<DataKey>(plaintext->expose());
      if (!key) return std::unexpected(key.error());
      if (hex(key->id) != name || key->key.size() != kKeySize || key->id.size() != kKeyIdSize) {
        return damaged("a data key is not the one its record names");
      }
      keys.push_back(std::move(*key));
      after = stored.key;
    }
    more = page->has_more;
  }
  Keyring keyring(std::move(*header), std::move(keys));
  if (!keyring.sealing_.contains(keyring.header_.active_key)) return damaged("the active data key is missing");
  if (keyring.subkeys_.empty()) return damaged("the digest key is missing");
  return keyring;
}

std::string Keyring::active_key_id() const {
  return hex(header_.active_key);
}

std::string Keyring::seal(std::string_view plaintext, const Binding& binding) const {
  return sealing_.find(header_.active_key)->second.seal(plaintext, binding);
}

Result<Secret> Keyring::open(std::string_view sealed, const Binding& binding) const {
  const auto under = sealed_under(sealed);
  if (!under) return fail(Error::Code::corrupt, "is not a sealed record of a format this version reads");
  const auto key = sealing_.find(*under);
  if (key == sealing_.end()) return fail(Error::Code::corrupt, "is sealed under a data key this vault does not have");
  return key->second.open(sealed, binding);
}

std::string Keyring::digest(Use use, std::string_view bytes) const {
  return hmac_sha256(subkeys_.find(use)->second.expose(), bytes);
}

Secret Keyring::subkey(Use use) const {
  return subkeys_.find(use)->second.clone();
}

}  // namespace postern::vault
