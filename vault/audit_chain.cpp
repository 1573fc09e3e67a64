#include "vault/audit_chain.hpp"

#include <algorithm>
#include <utility>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/records.hpp"

namespace postern::vault {
namespace {

constexpr std::size_t kMostHeads = 4096;  // kept between groups
constexpr std::size_t kLongestText = 256;
constexpr std::size_t kMostDetails = 16;
constexpr std::size_t kNameSize = 16;

// Whole characters of UTF-8.
void cut(std::string& text) {
  if (text.size() <= kLongestText) return;
  std::size_t end = kLongestText;
  while (end != 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  text.resize(end);
}

// An event is small, whatever it was made of.
void bound(Event& event) {
  for (auto* text : {&event.actor, &event.actor_name, &event.request, &event.action, &event.subject, &event.project}) {
    cut(*text);
  }
  std::map<std::string, std::string> detail;
  for (auto& [name, value] : event.detail) {
    if (detail.size() == kMostDetails) break;
    std::string key = name;
    cut(key);
    cut(value);
    detail.insert_or_assign(std::move(key), std::move(value));
  }
  event.detail = std::move(detail);
}

Write sealed_put(const Keyring& keyring, const Path& path, const std::string& plaintext, std::uint64_t expected) {
  const Binding binding{.organization = path.organization, .type = path.type, .id = path.id, .version = expected + 1};
  return {.key = path.key(), .value = keyring.seal(plaintext, binding), .expected = expected};
}

std::unexpected<Error> unfit(const std::string& key, const char* why) {
  return fail(Error::Code::corrupt, key + ": " + why + "; postern audit verify says more, restore a backup");
}

}  // namespace

Path audit_path(std::string_view organization, std::string_view name) {
  return {"audit", organization, {}, name};
}

Path audit_head_path(std::string_view organization) {
  return {"audit_head", organization, {}, "head"};
}

std::string first_mac() {
  return std::string(kDigestSize, '\0');
}

std::string event_name(std::uint64_t sequence) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(sequence >> shift & 0xffU);
  return hex(bytes);
}

std::optional<std::uint64_t> event_number(std::string_view name) {
  const auto bytes = decode_hex(name);
  if (name.size() != kNameSize || !bytes) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : *bytes) number = number << 8 | static_cast<unsigned char>(c);
  return number;
}

std::string event_mac(const Keyring& keyring, std::string_view before, const Event& event) {
  return keyring.digest(Keyring::Use::audit, std::string(before) + encode_without_mac(event));
}

std::uint64_t event_size(std::string_view key, std::string_view value) {
  return key.size() + value.size();
}

Result<void> AuditChain::prepare(const Store& store, const Aside& aside) {
  const auto have = [&](const std::string& organization) -> Result<void> {
    if (heads_.contains(organization)) return {};
    auto held = load(store, organization);
    if (!held) return std::unexpected(held.error());
    heads_.emplace(organization, std::move(*held));
    return {};
  };
  for (const auto& event : aside.events) {
    if (auto had = have(event.organization); !had) return had;
  }
  return aside.retired ? have(aside.retired->organization) : Result<void>();
}

Result<AuditChain::Held> AuditChain::load(const Store& store, std::string_view organization) const {
  const Path path = audit_head_path(organization);
  const std::string key = path.key();
  Held held;
  held.head.organization = organization;
  held.head.end.mac = held.head.checkpoint.mac = first_mac();
  if (auto entry = store.get(key); entry) {
    auto plaintext = keyring_.open(
        entry->value, {.organization = path.organization, .type = path.type, .id = path.id, .version = entry->version});
    auto head = plaintext ? decode<AuditHead>(plaintext->expose()) : std::unexpected(plaintext.error());
    if (!head || head->organization != organization) return unfit(key, "the head of the audit chain was changed");
    held.head = std::move(*head);
    held.version = entry->version;
  } else if (entry.error().code != Error::Code::not_found) {
    return std::unexpected(entry.error());
  }
  // Where the head was removed, or an older one put back, events lie behind it.
  const std::string after = audit_path(organization, event_name(held.head.end.sequence)).key();
  const auto beyond = store.scan(audit_path(organization, {}).key(), after, 1);
  if (!beyond) return std::unexpected(beyond.error());
  if (!beyond->entries.empty()) return unfit(key, "there are events beyond the head of the audit chain");
  return held;
}

AuditChain::Held& AuditChain::moving(const std::string& organization) {
  Held& held = heads_.find(organization)->second;
  if (!std::exchange(held.moved, true)) moved_.push_back(&held);
  return held;
}

Batch AuditChain::chained(std::span<const Aside* const> fitting) {
  Batch batch;
  for (const Aside* aside : fitting) {
    if (aside->retired) {
      const auto& [organization, to, time, bytes] = *aside->retired;
      AuditHead& head = moving(organization).head;
      head.checkpoint = to;
      head.checkpoint_time = time;
      head.bytes -= std::min(bytes, head.bytes);
    }
    for (const Event& event : aside->events) add(batch, moving(event.organization), event);
  }
  for (Held* held : moved_) {
    batch.push_back(sealed_put(keyring_, audit_head_path(held->head.organization), encode(held->head), held->version));
    ++held->version;
  }
  return batch;
}

void AuditChain::add(Batch& batch, Held& held, Event event) {
  AuditHead& head = held.head;
  bound(event);
  if (now_ms_) event.time = now_ms_();
  event.sequence = head.end.sequence + 1;
  event.missed = head.dropped;
  event.missed_since = head.dropped_since;
  event.mac = event_mac(keyring_, head.end.mac, event);
  const std::string name = event_name(event.sequence);
  Write write = sealed_put(keyring_, audit_path(event.organization, name), encode(event), 0);
  const std::uint64_t size = event_size(write.key, write.value);
  if (head.bytes + size > quota_) {
    if (head.dropped++ == 0) head.dropped_since = event.time;
    ++unkept_;
    return;
  }
  head.end = {event.sequence, std::move(event.mac)};
  head.bytes += size;
  head.dropped = 0;
  head.dropped_since = 0;
  batch.push_back(std::move(write));
}

void AuditChain::written() {
  for (Held* held : moved_) held->moved = false;
  moved_.clear();
  if (heads_.size() > kMostHeads) heads_.clear();
}

void AuditChain::refused() {
  if (!moved_.empty()) forget();  // they are ahead of what is stored
}

void AuditChain::forget() {
  moved_.clear();
  heads_.clear();
}

}  // namespace postern::vault
