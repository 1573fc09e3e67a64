// Imported entries over a catalog of files.
#include <algorithm>

#include <fmt/format.h>

#include "config/catalog.hpp"

namespace postern::config {
namespace {

class Extended : public Catalog {
 public:
  Extended(std::shared_ptr<const Catalog> files,
           std::map<std::string, std::shared_ptr<const Provider>, std::less<>> more)
      : files_(std::move(files)), more_(std::move(more)), ids_(files_->ids()) {
    for (const auto& [id, provider] : more_) ids_.push_back(id);
    std::sort(ids_.begin(), ids_.end());
  }
  std::shared_ptr<const Provider> find(std::string_view id) const override {
    const auto found = more_.find(id);
    return found != more_.end() ? found->second : files_->find(id);
  }
  std::vector<std::string> ids() const override { return ids_; }
  const std::map<std::string, std::string>& own() const override { return files_->own(); }

 private:
  const std::shared_ptr<const Catalog> files_;
  const std::map<std::string, std::shared_ptr<const Provider>, std::less<>> more_;
  std::vector<std::string> ids_;
};

}  // namespace

WithImports with_imports(std::shared_ptr<const Catalog> catalog, const std::vector<ImportedEntry>& entries) {
  WithImports out;
  std::map<std::string, std::shared_ptr<const Provider>, std::less<>> more;
  for (const ImportedEntry& entry : entries) {
    const std::string source = "imported:" + entry.id;
    auto provider = parse_provider(entry.yaml, source);
    if (catalog->find(entry.id)) {
      out.collides = true;
      out.left_out.push_back(
          {source, 0, 0, "",
           fmt::format("the catalog has a provider '{}' of its own: delete the imported one, or take the file away",
                       entry.id)});
    } else if (!provider) {
      out.left_out.push_back(provider.error());
    } else if (provider->id != entry.id) {
      out.left_out.push_back({source, 0, 0, "", fmt::format("its entry is of '{}'", provider->id)});
    } else {
      more.emplace(entry.id, std::make_shared<const Provider>(std::move(*provider)));
    }
  }
  out.catalog = more.empty() ? std::move(catalog) : std::make_shared<Extended>(std::move(catalog), std::move(more));
  return out;
}

std::string_view origin_of(const Provider& provider) {
  if (provider.source.starts_with("shipped:")) return "SHIPPED";
  return provider.source.starts_with("imported:") ? "IMPORTED" : "FOLDER";
}

}  // namespace postern::config
