#include "vault/keyring.hpp"

// Store keys: "header", and "key/" followed by the id of a data key in hex. Both kinds of record are bound to no
// organization, to their type and name, and to the store's version.
//
// The digest key is a data key that never seals: a token's digest cannot be made anew without the token, so it must
// outlive the rotation of the keys that seal.
#include <algorithm>
#include <mutex>

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

std::string_view name_of(const Entry& entry) {
  return std::string_view(entry.key).substr(kKeyPrefix.size());
}

// Of the header or a data key as it lies in the store.
Binding binding_of(const Entry& entry, std::uint64_t version) {
  return entry.key == kHeaderKey ? header_binding(version) : key_binding(name_of(entry), version);
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
    case Keyring::Use::audit:
      return "postern/audit/1";
  }
  return "";
}

// A put of the version that `binding` names. Wipes the plaintext.
Result<Write> wrapped(const KeyProvider& provider, std::string key, std::string plaintext, const Binding& binding) {
  auto value = provider.wrap(plaintext, binding);
  wipe(plaintext);
  if (!value) return std::unexpected(value.error());
  return Write{.key = std::move(key), .value = std::move(*value), .expected = binding.version - 1};
}

Result<Write> wrapped(const KeyProvider& provider, const DataKey& key) {
  const std::string name = hex(key.id);
  return wrapped(provider, std::string(kKeyPrefix) + name, encode(key), key_binding(name, 1));
}

// Every data key as it lies in the store.
Result<std::vector<Entry>> stored_keys(const Store& store) {
  std::vector<Entry> keys;
  for (bool more = true; more;) {
    auto page = store.scan(kKeyPrefix, keys.empty() ? std::string_view() : keys.back().key, 100);
    if (!page) return std::unexpected(page.error());
    more = page->has_more;
    std::ranges::move(page->entries, std::back_inserter(keys));
  }
  return keys;
}

std::unexpected<Error> damaged(const std::string& what) {
  return fail(Error::Code::corrupt, "the vault's keys do not fit together: " + what + "; restore a backup");
}

}  // namespace

Keyring::Keyring(const Header& header, std::vector<DataKey> keys)
    : vault_id_(header.vault_id), keys_(std::make_unique<Keys>()) {
  keys_->active = header.active_key;
  for (auto& key : keys) {
    if (key.id == header.digest_key) {
      digest_key_ = {.id = hex(key.id), .created = key.created, .active = false, .digests = true};
      for (const Use use : {Use::token, Use::index, Use::marker, Use::caller, Use::audit}) {
        subkeys_.emplace(use, hkdf_sha256(key.key.expose(), {}, info_of(use), kKeySize));
      }
    } else {
      std::string id = key.id;
      keys_->sealing.emplace(id, Held{key.created, std::make_shared<const SealingKey>(id, std::move(key.key))});
    }
  }
}

Result<Keyring::Fresh> Keyring::make(KeyProvider& provider, std::int64_t now_ms) {
  std::vector<DataKey> keys;
  for (int i = 0; i < 2; ++i) keys.push_back({random_bytes(kKeyIdSize), now_ms, random_secret(kKeySize)});
  Header header{
      .vault_id = random_crockford(12), .created = now_ms, .active_key = keys[0].id, .digest_key = keys[1].id};
  if (auto begun = provider.begin(header.vault_id); !begun) return std::unexpected(begun.error());
  Batch writes;
  auto first = wrapped(provider, std::string(kHeaderKey), encode(header), header_binding(1));
  if (!first) return std::unexpected(first.error());
  writes.push_back(std::move(*first));
  for (const auto& key : keys) {
    auto write = wrapped(provider, key);
    if (!write) return std::unexpected(write.error());
    writes.push_back(std::move(*write));
  }
  return Fresh{Keyring(header, std::move(keys)), std::move(writes)};
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

  const auto stored = stored_keys(store);
  if (!stored) return std::unexpected(stored.error());
  std::vector<DataKey> keys;
  for (const auto& one : *stored) {
    const auto plaintext = provider.unwrap(one.value, key_binding(name_of(one), one.version));
    if (!plaintext) return std::unexpected(plaintext.error());
    auto key = decode<DataKey>(plaintext->expose());
    if (!key) return std::unexpected(key.error());
    if (hex(key->id) != name_of(one) || key->key.size() != kKeySize || key->id.size() != kKeyIdSize) {
      return damaged("a data key is not the one its record names");
    }
    keys.push_back(std::move(*key));
  }
  Keyring keyring(*header, std::move(keys));
  if (!keyring.knows(header->active_key)) return damaged("the active data key is missing");
  if (keyring.subkeys_.empty()) return damaged("the digest key is missing");
  return keyring;
}

std::string Keyring::active_key_id() const {
  const std::shared_lock lock(keys_->mutex);
  return hex(keys_->active);
}

std::size_t Keyring::data_keys() const {
  const std::shared_lock lock(keys_->mutex);
  return keys_->sealing.size();
}

std::vector<DataKeyStatus> Keyring::describe() const {
  const std::shared_lock lock(keys_->mutex);
  std::vector<DataKeyStatus> all;
  for (const auto& [id, held] : keys_->sealing) {
    all.push_back({.id = hex(id), .created = held.created, .active = id == keys_->active, .digests = false});
  }
  all.push_back(digest_key_);
  return all;
}

bool Keyring::is_active(std::string_view key_id) const {
  const std::shared_lock lock(keys_->mutex);
  return keys_->active == key_id;
}

bool Keyring::knows(std::string_view key_id) const {
  return find(key_id) != nullptr;
}

std::shared_ptr<const SealingKey> Keyring::find(std::string_view key_id) const {
  const std::shared_lock lock(keys_->mutex);
  const auto found = keys_->sealing.find(key_id);
  return found == keys_->sealing.end() ? nullptr : found->second.key;
}

std::string Keyring::seal(std::string_view plaintext, const Binding& binding) const {
  std::shared_ptr<const SealingKey> key;
  {
    const std::shared_lock lock(keys_->mutex);
    key = keys_->sealing.find(keys_->active)->second.key;
  }
  return key->seal(plaintext, binding);
}

Result<Secret> Keyring::open(std::string_view sealed, const Binding& binding) const {
  const auto under = sealed_under(sealed);
  if (!under) return fail(Error::Code::corrupt, "is not a sealed record of a format this version reads");
  const auto key = find(*under);
  if (!key) return fail(Error::Code::corrupt, "is sealed under a data key this vault does not have");
  return key->open(sealed, binding);
}

Result<Keyring::Next> Keyring::next(const Store& store, const KeyProvider& provider, std::int64_t now_ms) {
  const auto entry = store.get(kHeaderKey);
  if (!entry) return std::unexpected(entry.error());
  auto header = open_header(*entry, provider);
  if (!header) return std::unexpected(header.error());
  DataKey key{random_bytes(kKeyIdSize), now_ms, random_secret(kKeySize)};
  header->active_key = key.id;
  auto first = wrapped(provider, std::string(kHeaderKey), encode(*header), header_binding(entry->version + 1));
  if (!first) return std::unexpected(first.error());
  auto second = wrapped(provider, key);
  if (!second) return std::unexpected(second.error());
  std::string id = key.id;
  const std::unique_lock lock(keys_->mutex);
  keys_->sealing.emplace(id, Held{now_ms, std::make_shared<const SealingKey>(id, std::move(key.key))});
  return Next{std::move(id), {std::move(*first), std::move(*second)}};
}

void Keyring::activate(std::string_view key_id) {
  const std::unique_lock lock(keys_->mutex);
  keys_->active = key_id;
}

std::vector<std::string> Keyring::retired() const {
  const std::shared_lock lock(keys_->mutex);
  std::vector<std::string> ids;
  for (const auto& [id, held] : keys_->sealing) {
    if (id != keys_->active) ids.push_back(id);
  }
  return ids;
}

void Keyring::remove(const std::vector<std::string>& key_ids) {
  const std::unique_lock lock(keys_->mutex);
  for (const auto& id : key_ids) keys_->sealing.erase(id);
}

Write Keyring::erase(std::string_view key_id) {
  return {
      .kind = Write::Kind::erase, .key = std::string(kKeyPrefix) + hex(key_id), .value = {}, .expected = kAnyVersion};
}

Result<std::vector<Keyring::Opened>> Keyring::open_all(const Store& store, const KeyProvider& provider) {
  const auto header = store.get(kHeaderKey);
  if (!header) return std::unexpected(header.error());
  auto all = stored_keys(store);
  if (!all) return std::unexpected(all.error());
  all->push_back(*header);
  std::vector<Opened> opened;
  for (auto& entry : *all) {
    auto plaintext = provider.unwrap(entry.value, binding_of(entry, entry.version));
    if (!plaintext) return std::unexpected(plaintext.error());
    opened.push_back({std::move(entry), std::move(*plaintext)});
  }
  return opened;
}

Result<std::vector<RecordFormat>> Keyring::formats(const Store& store, const KeyProvider& provider) {
  const auto all = open_all(store, provider);
  if (!all) return std::unexpected(all.error());
  std::vector<RecordFormat> formats;
  for (const auto& one : *all) formats.push_back(format_of(one.plaintext.expose()).value_or(RecordFormat{}));
  return formats;
}

Result<Batch> Keyring::rewrap(const Store& store, const KeyProvider& from, const KeyProvider& to) {
  const auto all = open_all(store, from);
  if (!all) return std::unexpected(all.error());
  Batch batch;
  for (const auto& [entry, plaintext] : *all) {
    const Binding binding = binding_of(entry, entry.version + 1);
    const auto current = recode(plaintext.expose());
    if (!current) return std::unexpected(current.error());
    auto write = wrapped(to, entry.key, std::string(current->expose()), binding);
    if (!write) return std::unexpected(write.error());
    // What the new key cannot open again must never replace what the old one can.
    const auto back = to.unwrap(write->value, binding);
    if (!back) return std::unexpected(back.error());
    if (!back->equals(current->expose())) return damaged("the new master key does not open what it wrapped");
    batch.push_back(std::move(*write));
  }
  return batch;
}

bool Keyring::is_wrapped(std::string_view store_key) {
  return store_key == kHeaderKey || store_key.starts_with(kKeyPrefix);
}

std::string Keyring::digest(Use use, std::string_view bytes) const {
  return hmac_sha256(subkeys_.find(use)->second.expose(), bytes);
}

Secret Keyring::subkey(Use use) const {
  return subkeys_.find(use)->second.clone();
}

}  // namespace postern::vault
