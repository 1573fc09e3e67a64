// Input: a document, 0x1e, a discovery document. Whatever is imported lints, and its endpoints are where they may be.
#include "config/openapi_import.hpp"

#include <algorithm>

#include "config/catalog.hpp"
#include "tests/fuzz/require.hpp"

namespace postern::config {
namespace {

void check(std::string_view input) {
  const std::size_t end = std::min(input.find('\x1e'), input.size());
  ImportOptions options;
  options.id = "fuzzed";
  options.base_url = "https://base.example/x";
  const std::string discovery(input.substr(std::min(input.size(), end + 1)));
  if (!discovery.empty()) options.discovery["https://id.c.example/.well-known/openid-configuration"] = discovery;
  const auto found = import_openapi(input.substr(0, end), options);
  if (!found) {
    wire::require(!found.error().message.empty() && found.error().message.find('\n') == std::string::npos);
    return;
  }
  const bool whole = found->discovery.empty() && found->unconfirmed.empty();
  wire::require(whole == !found->yaml.empty());
  if (!whole) return;
  wire::require(lint_provider(found->yaml, "fuzzed.yaml", {}).empty());
  const auto provider = parse_provider(found->yaml, "imported:fuzzed");
  wire::require(provider && provider->auth.size() == found->mapped.size() &&
                provider->hosts.size() == found->hosts.size());
}

}  // namespace
}  // namespace postern::config

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postern::config::check(postern::wire::text_of(data, size));
  return 0;
}
