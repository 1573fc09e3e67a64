// What differs between two loads, and what of it a running daemon takes over.
#include "config/settings_rows.hpp"

namespace postern::config {

std::vector<SettingChange> compare_settings(const Settings& running, const Settings& wanted) {
  std::vector<SettingChange> changes;
  for (const SettingRow& row : setting_rows()) {
    const boost::json::value before = row.show(running), after = row.show(wanted);
    if (before != after)
      changes.push_back(
          {std::string(row.path), boost::json::serialize(before), boost::json::serialize(after), row.keep != nullptr});
  }
  return changes;
}

Settings without_restart(const Settings& running, Settings wanted) {
  bool listeners = false;
  for (const SettingRow& row : setting_rows()) {
    if (row.keep == nullptr || row.show(running) == row.show(wanted)) continue;
    listeners = listeners || row.path.starts_with("listen.");
    row.keep(running, wanted);
  }
  if (listeners) {
    wanted.open_callers = running.open_callers;
    wanted.insecure_listen = running.insecure_listen;
  }
  return wanted;
}

}  // namespace postern::config
