// What an OpenAPI document says before the daemon sees it: its mistakes at their places in the file as it was named,
// and the discovery documents that it needs.
#include "config/openapi_import.hpp"
#include "proxy/cli/offline.hpp"

namespace postern::cli::offline {

Result<std::vector<std::string>> discovery_of(const std::string& document, const ProviderImport& flags) {
  config::ImportOptions options;
  options.file = flags.file;
  options.id = flags.id;
  options.base_url = flags.base_url;
  options.auth = flags.auth;
  options.skip.insert(flags.skip.begin(), flags.skip.end());
  auto found = config::import_openapi(document, options);
  if (!found) return fail(Exit::failed, "import: " + found.error().text());
  return std::move(found->discovery);
}

}  // namespace postern::cli::offline
