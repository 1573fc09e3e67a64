#include "proxy/app_imports.hpp"

#include "proxy/observe/log.hpp"

namespace postern {

std::expected<config::WithImports, std::string> with_imports(vault::Vault& vault,
                                                             std::shared_ptr<const config::Catalog> files) {
  const auto all = vault.imports().list_imports();
  if (!all) return std::unexpected("the imported providers cannot be read: " + all.error().message);
  std::vector<config::ImportedEntry> enabled;
  for (const vault::ImportedProvider& one : *all)
    if (one.enabled) enabled.push_back({one.id, one.yaml});
  auto whole = config::with_imports(std::move(files), enabled);
  for (const config::Error& error : whole.left_out)
    observe::log_event(observe::Level::error, "imported_provider_left_out", error.text());
  return whole;
}

}  // namespace postern
