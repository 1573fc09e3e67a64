#pragma once
// Everything that a start and a reload read: settings, catalog, upstream rules, declared connections; and what differs
// between two readings.
//
// Pure but for the files it reads. Thread safety: any thread. Errors are one line with file:line:column.
#include <expected>
#include <memory>
#include <string>

#include "proxy/admin/admin.hpp"
#include "proxy/app_declared.hpp"
#include "proxy/serve/service.hpp"

namespace postern {

// One whole reading. `fingerprint` is that of the files of `connections:`.
struct Configuration {
  std::shared_ptr<const config::Settings> settings;
  std::shared_ptr<const config::Catalog> catalog;
  std::shared_ptr<serve::Rules> rules;  // without its source, which needs the vault; immutable once it is taken over
  std::shared_ptr<const serve::DeclaredSet> declared;
  std::string fingerprint;
};

std::expected<Configuration, std::string> read_configuration(config::Settings settings, std::int64_t now_ms);
// `wanted` are the settings as loaded: `next` holds them without what needs a restart.
admin::Reloaded what_changed(const Configuration& running, const Configuration& next, const config::Settings& wanted);
// One line for the log: "client.idle, egress.allow; providers +acme; restart needed: workers". Empty: nothing changed.
std::string in_short(const admin::Reloaded& reloaded);

}  // namespace postern
