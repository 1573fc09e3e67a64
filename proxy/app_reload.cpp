#include "proxy/app_reload.hpp"

#include <set>

#include "proxy/app_upstreams.hpp"

namespace postern {
namespace {

std::set<std::string> aliases(const config::Settings& settings) {
  std::set<std::string> out;
  for (const config::DeclaredConnection& row : settings.connections) out.insert(row.alias);
  return out;
}

std::vector<std::string> missing(const std::set<std::string>& from, const std::set<std::string>& in) {
  std::vector<std::string> out;
  for (const std::string& one : from)
    if (!in.contains(one)) out.push_back(one);
  return out;
}

void append(std::string& line, std::string_view start, const std::vector<std::string>& names) {
  if (names.empty()) return;
  line += line.empty() ? "" : "; ";
  line += start;
  for (const std::string& name : names) line += (&name == &names.front() ? "" : ", ") + name;
}

}  // namespace

std::expected<Configuration, std::string> read_configuration(config::Settings loaded, std::int64_t now_ms) {
  Configuration out;
  const auto settings = std::make_shared<const config::Settings>(std::move(loaded));
  auto catalog = config::Catalog::load(settings->catalog);
  if (!catalog) return std::unexpected(catalog.error().text());
  auto rules = std::make_shared<serve::Rules>();
  rules->settings = settings;
  if (std::string wrong = read_upstreams(*settings, *rules); !wrong.empty()) return std::unexpected(std::move(wrong));
  // Before the files are read: one that changes meanwhile is read once more by the watch.
  out.fingerprint = declared_fingerprint(*settings);
  auto declared = read_declared(*settings, **catalog, now_ms);
  if (!declared) return std::unexpected(declared.error());
  out.settings = settings;
  out.catalog = std::move(*catalog);
  out.rules = std::move(rules);
  out.declared = std::move(*declared);
  return out;
}

admin::Reloaded what_changed(const Configuration& running, const Configuration& next, const config::Settings& wanted) {
  admin::Reloaded out;
  out.settings = config::compare_settings(*running.settings, wanted);
  // Checked together with an address that changes only at a restart, these wait for it too.
  for (config::SettingChange& change : out.settings) {
    if (change.path == "callers.mode") change.needs_restart = next.settings->open_callers != wanted.open_callers;
    if (change.path == "insecure_listen")
      change.needs_restart = next.settings->insecure_listen != wanted.insecure_listen;
  }
  out.providers = config::compare_catalogs(*running.catalog, *next.catalog);
  const auto before = aliases(*running.settings), after = aliases(*next.settings);
  out.connections_added = missing(after, before);
  out.connections_removed = missing(before, after);
  return out;
}

std::string in_short(const admin::Reloaded& reloaded) {
  std::vector<std::string> changed, restart;
  for (const config::SettingChange& change : reloaded.settings)
    (change.needs_restart ? restart : changed).push_back(change.path);
  std::string line;
  append(line, "", changed);
  append(line, "providers added: ", reloaded.providers.added);
  append(line, "providers removed: ", reloaded.providers.removed);
  append(line, "providers changed: ", reloaded.providers.changed);
  append(line, "connections added: ", reloaded.connections_added);
  append(line, "connections removed: ", reloaded.connections_removed);
  append(line, "needs a restart: ", restart);
  return line;
}

}  // namespace postern
