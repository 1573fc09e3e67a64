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
  const auto entry = store_->get(path.key());
  if (!entry) return std::unexpected(entry.error());
  return open(path, *entry);
}

Result<Found<Secret>> Records::open(const Path& path, const Entry& entry) const {
  auto plaintext = keyring_.open(
      entry.value, {.organization = path.organization, .type = path.type, .id = path.id, .version = entry.version});
  if (!plaintext) return fail(plaintext.error().code, entry.key + ": " + plaintext.error().message);
  return Found<Secret>{std::move(*plaintext), entry.version};
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

Result<Records::References> Records::references(const Path& path, std::string_view from, std::size_t limit,
                                                bool back) const {
  const std::string prefix = path.key();
  const std::size_t before = prefix.size() - path.id.size();
  std::string end;
  if (!from.empty()) end = prefix.substr(0, before).append(from);
  const auto page = back ? store_->scan_back(prefix, end, limit) : store_->scan(prefix, end, limit);
  if (!page) return std::unexpected(page.error());
  References found{{}, page->has_more};
  found.entries.reserve(page->entries.size());
  for (const auto& entry : page->entries) {
    const std::string_view id = std::string_view(entry.key).substr(before);
    const auto opened = open({path.type, path.organization, path.project, id}, entry);
    if (!opened) return std::unexpected(opened.error());
    auto to = decode<Reference>(opened->record.expose());
    if (!to) return std::unexpected(to.error());
    found.entries.push_back({std::string(id), std::move(*to)});
  }
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
