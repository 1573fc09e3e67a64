#include "config/catalog.hpp"

#include <algorithm>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include <boost/json.hpp>

#include "config/decode.hpp"
#include "config/shipped.hpp"

namespace postern::config {
namespace {

namespace fs = std::filesystem;

std::string shipped_id(const ShippedFile& file) {
  const std::string_view name = file.name;
  return std::string(name.substr(0, name.rfind('.')));
}

const ShippedFile* shipped_file(std::string_view id) {
  for (const ShippedFile& file : shipped_files())
    if (shipped_id(file) == id) return &file;
  return nullptr;
}

Result<Provider> decode_with_bases(Node tree, const std::string& source, const FindBase& find) {
  auto whole = with_bases(std::move(tree), find);
  if (!whole) return std::unexpected(whole.error());
  auto provider = decode_provider(*whole, source);
  if (!provider) return std::unexpected(provider.error().front());
  return std::move(*provider);
}

struct FolderEntry {
  std::string path, stem;
  Node tree;
};

// The entries of one folder, in name order. Hidden files are left alone (a mounted config map has some).
Result<std::vector<FolderEntry>> read_folder(const fs::path& folder) {
  std::error_code failed;
  std::vector<fs::path> paths;
  for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
    const fs::path& path = it->path();
    std::error_code unreadable;
    if (path.filename().string().starts_with('.') || !fs::is_regular_file(path, unreadable)) continue;
    if (path.extension() == ".yml")
      return std::unexpected(Error{path.string(), 0, 0, "", "catalog entries are named <id>.yaml; rename this file"});
    if (path.extension() == ".yaml") paths.push_back(path);
  }
  if (failed)
    return std::unexpected(
        Error{folder.string(), 0, 0, "", fmt::format("the catalog folder cannot be read: {}", failed.message())});
  std::sort(paths.begin(), paths.end());
  std::vector<FolderEntry> out;
  for (const fs::path& path : paths) {
    auto tree = parse_yaml_file(path.string());
    if (!tree) return std::unexpected(tree.error());
    out.push_back({path.string(), path.stem().string(), std::move(*tree)});
  }
  return out;
}

Error misnamed(const Node& tree, const std::string& stem) {
  const Node* id = tree.find("id");
  const Node& at = id ? *id : tree;
  return at.error(fmt::format("the id '{}' is not the file's name, '{}'", at.text, stem));
}

class LazyCatalog : public Catalog {
 public:
  std::shared_ptr<const Provider> find(std::string_view id) const override {
    const std::lock_guard lock(mutex_);
    if (const auto found = parsed_.find(id); found != parsed_.end()) return found->second;
    const ShippedFile* file = shipped_file(id);
    if (!file) return nullptr;
    auto provider = parse_provider(file->text, fmt::format("shipped:{}", file->name));
    auto shared = provider ? std::make_shared<const Provider>(std::move(*provider)) : nullptr;
    parsed_.emplace(id, shared);
    return shared;
  }
  std::vector<std::string> ids() const override { return ids_; }
  const std::map<std::string, std::string>& own() const override { return own_; }

  // Start only, before the catalog is shared.
  Result<void> add(Provider provider, const Node& at, const Node& tree) {
    if (const auto* file = shipped_file(provider.id))
      return std::unexpected(
          at.error(fmt::format("the provider '{}' is shipped already ({}); take another id, with "
                               "'extends: {}' to build on it",
                               provider.id, file->name, provider.id)));
    const std::string id = provider.id;
    const std::string source = provider.source;
    const auto [it, fresh] = parsed_.emplace(id, std::make_shared<const Provider>(std::move(provider)));
    if (!fresh)
      return std::unexpected(at.error(fmt::format("a second provider '{}'; the first is {}", id, it->second->source)));
    own_.emplace(id, boost::json::serialize(to_json(tree)));
    return {};
  }
  void index() {
    for (const ShippedFile& file : shipped_files()) ids_.push_back(shipped_id(file));
    for (const auto& [id, provider] : parsed_) ids_.push_back(id);
    std::sort(ids_.begin(), ids_.end());
  }

 private:
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const Provider>, std::less<>> parsed_;
  std::vector<std::string> ids_;
  std::map<std::string, std::string> own_;
};

}  // namespace

std::optional<Result<Node>> shipped_tree(const std::string& id) {
  const ShippedFile* file = shipped_file(id);
  if (!file) return std::nullopt;
  return parse_yaml(file->text, fmt::format("shipped:{}", file->name));
}

Result<Provider> parse_provider(std::string_view yaml, std::string_view file_name) {
  auto tree = parse_yaml(yaml, file_name);
  if (!tree) return std::unexpected(tree.error());
  return decode_with_bases(std::move(*tree), std::string(file_name), shipped_tree);
}

Result<std::shared_ptr<const Catalog>> Catalog::load(const std::vector<fs::path>& folders) {
  std::vector<FolderEntry> entries;
  for (const fs::path& folder : folders) {
    auto more = read_folder(folder);
    if (!more) return std::unexpected(more.error());
    std::move(more->begin(), more->end(), std::back_inserter(entries));
  }
  const FindBase find_base = [&](const std::string& id) -> std::optional<Result<Node>> {
    for (const FolderEntry& entry : entries)
      if (entry.stem == id) return entry.tree;
    return shipped_tree(id);
  };
  auto catalog = std::make_shared<LazyCatalog>();
  for (const FolderEntry& entry : entries) {
    auto provider = decode_with_bases(entry.tree, entry.path, find_base);
    if (!provider) return std::unexpected(provider.error());
    if (provider->id != entry.stem) return std::unexpected(misnamed(entry.tree, entry.stem));
    const Node* id = entry.tree.find("id");
    if (auto added = catalog->add(std::move(*provider), id ? *id : entry.tree, entry.tree); !added)
      return std::unexpected(added.error());
  }
  catalog->index();
  return catalog;
}

CatalogChanges compare_catalogs(const Catalog& before, const Catalog& after) {
  CatalogChanges changes;
  for (const auto& [id, text] : after.own()) {
    const auto old = before.own().find(id);
    if (old == before.own().end())
      changes.added.push_back(id);
    else if (old->second != text)
      changes.changed.push_back(id);
  }
  for (const auto& [id, text] : before.own())
    if (!after.own().contains(id)) changes.removed.push_back(id);
  return changes;
}

}  // namespace postern::config
