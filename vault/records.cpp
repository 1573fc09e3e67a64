#include "vault/records.hpp"

namespace postern::vault {

std::string Path::key() const {
  std::string key;
  key.reserve(type.size() + organization.size() + project.size() + id.size() + 3);
  key.append(type).append("/").append(organization).append("/").append(project).append("/").append(id);
  return key;
}

Records::Records(std::unique_ptr<SupervisedStore> store, Keyring keyring)
    : store_(std::move(store)), keyring_(std::move(keyring)) {}

Result<Found<Secret>> Records::open(const Path& path) const {
  const std::string key = path.key();
  const auto entry = store_->get(key);
  if (!entry) return std::unexpected(entry.error());
  auto plaintext = keyring_.open(
      entry->value, {.organization = path.organization, .type = path.type, .id = path.id, .version = entry->version});
  if (!plaintext) return fail(plaintext.error().code, key + ": " + plaintext.error().message);
  return Found<Secret>{std::move(*plaintext), entry->version};
}

Result<Records::Ids> Records::list(const Path& path, std::size_t limit) const {
  const std::string prefix = Path{path.type, path.organization, path.project, {}}.key();
  const auto page = store_->scan(prefix, path.id.empty() ? std::string() : path.key(), limit);
  if (!page) return std::unexpected(page.error());
  Ids found{{}, page->has_more};
  found.ids.reserve(page->entries.size());
  for (const auto& entry : page->entries) found.ids.push_back(entry.key.substr(prefix.size()));
  return found;
}

Write Records::put(const Path& path, std::string plaintext, std::uint64_t expected) const {
  Write write{
      .key = path.key(),
      .value = keyring_.seal(
          plaintext, {.organization = path.organization, .type = path.type, .id = path.id, .version = expected + 1}),
      .expected = expected};
  wipe(plaintext);
  return write;
}

Write Records::erase(const Path& path, std::uint64_t expected) {
  return {.kind = Write::Kind::erase, .key = path.key(), .value = {}, .expected = expected};
}

Result<void> Records::commit(const Batch& batch) {
  const auto number = store_->commit(batch);
  if (!number) return std::unexpected(number.error());
  return {};
}

}  // namespace postern::vault
