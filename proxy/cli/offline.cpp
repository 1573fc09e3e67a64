#include "proxy/cli/offline.hpp"

#include <fmt/format.h>

#include "config/catalog.hpp"
#include "config/settings.hpp"
#include "config/settings_json.hpp"
#include "proxy/cli/command.hpp"
#include "proxy/cli/offline_settings.hpp"
#include "vault/capability.hpp"

namespace postern::cli::offline {
namespace {

std::unexpected<Failure> invalid(const config::Error& error) {
  return fail(Exit::config_invalid, error.text());
}

std::string host_text(const config::HostPattern& host) {
  std::string text = (host.wildcard ? "*" : "") + host.host;
  if (host.port != 443) text += fmt::format(":{}", host.port);
  return text + host.path_prefix;
}

std::vector<FieldForm> forms(const std::map<std::string, config::FieldSpec>& fields) {
  std::vector<FieldForm> out;
  for (const auto& [name, spec] : fields)
    out.push_back({name, spec.title, spec.example, spec.default_value, spec.secret, spec.required});
  return out;
}

ProviderForm form_of(const config::Provider& provider) {
  ProviderForm form{.id = provider.id,
                    .title = provider.title,
                    .docs = provider.docs,
                    .base_url = provider.base_url,
                    .source = provider.source,
                    .origin = std::string(config::origin_of(provider)),
                    .enabled = true,
                    .hosts = {},
                    .variables = forms(provider.fields),
                    .auth = {},
                    .verify_path = {}};
  for (const config::HostPattern& host : provider.hosts) form.hosts.push_back(host_text(host));
  for (const auto& [name, auth] : provider.auth) form.auth.push_back({name, auth.type, auth.title, forms(auth.fields)});
  if (provider.verify && provider.verify->method == "GET") form.verify_path = provider.verify->path;
  return form;
}

Result<std::shared_ptr<const config::Catalog>> catalog(const ConfigFile& file, const Environment& environment) {
  auto settings = load_of_either(file, environment);
  if (!settings) return std::unexpected(settings.error());
  auto loaded = config::Catalog::load(settings->catalog);
  if (!loaded) return invalid(loaded.error());
  return std::move(*loaded);
}

}  // namespace

Result<config::Settings> load(const ConfigFile& file, const Environment& environment, bool dev) {
  auto settings = config::load_settings({.file = file, .environment = environment, .flags = {}, .dev = dev});
  if (!settings) return invalid(settings.error());
  return std::move(*settings);
}

Result<config::Settings> load_of_either(const ConfigFile& file, const Environment& environment) {
  auto settings = load(file, environment, true);
  return settings ? std::move(settings) : load(file, environment);
}

Result<Place> locate(const ConfigFile& config, const Environment& environment) {
  auto settings = load_of_either(config, environment);
  if (!settings) return std::unexpected(settings.error());
  return Place{settings->state};
}

Result<std::string> validate(const ConfigFile& config, const Environment& environment) {
  auto settings = load(config, environment);
  if (!settings) return std::unexpected(settings.error());
  if (auto loaded = config::Catalog::load(settings->catalog); !loaded) return invalid(loaded.error());
  return settings->file.empty() ? "defaults" : settings->file.string();
}

Result<std::string> show(const ConfigFile& config, const Environment& environment) {
  auto settings = load(config, environment);
  if (!settings) return std::unexpected(settings.error());
  return config::show_settings(*settings);
}

Result<json::object> show_json(const ConfigFile& config, const Environment& environment) {
  auto settings = load(config, environment);
  if (!settings) return std::unexpected(settings.error());
  return config::settings_json(*settings);
}

Result<ProviderForm> provider(const ConfigFile& config, const Environment& environment, const std::string& id) {
  auto known = catalog(config, environment);
  if (!known) return std::unexpected(known.error());
  if (auto found = (*known)->find(id)) return form_of(*found);
  const std::string near = closest(id, (*known)->ids());
  return fail(Exit::not_found, fmt::format("provider: {}: no such provider: {}see 'postern providers list'", id,
                                           near.empty() ? "" : fmt::format("did you mean '{}'? ", near)));
}

Result<std::vector<ProviderForm>> providers(const ConfigFile& config, const Environment& environment) {
  auto known = catalog(config, environment);
  if (!known) return std::unexpected(known.error());
  std::vector<ProviderForm> out;
  for (const std::string& id : (*known)->ids())
    if (auto found = (*known)->find(id)) out.push_back(form_of(*found));
  return out;
}

std::vector<std::string> capabilities() {
  const auto all = vault::capabilities();
  return {all.begin(), all.end()};
}

std::vector<std::string> auth_types() {
  return config::known_types();
}

std::vector<std::string> lint(const std::vector<std::filesystem::path>& files) {
  std::vector<std::string> mistakes;
  for (const config::Error& error : config::lint_providers(files)) mistakes.push_back(error.text());
  return mistakes;
}

}  // namespace postern::cli::offline
