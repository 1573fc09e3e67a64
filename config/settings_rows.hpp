#pragma once
// The table of settings: one row a key, with how it is read, how it is shown and what it means. The file, the
// environment, the flags, the suggestions and `config validate|show` all walk this one table.
//
// Not part of the room's door. Immutable, thread safe.
#include <boost/json.hpp>
#include <map>
#include <span>
#include <string_view>

#include "config/settings.hpp"
#include "config/tree.hpp"

namespace postern::config {

// What a reader needs besides the value: where relative paths start, whose home `~/` is, where mistakes go.
struct Reading {
  Mistakes& mistakes;
  std::filesystem::path base;
  std::string home;
};

// How a value is written where it comes as one text (environment, flag).
enum class Written : std::uint8_t { text, yaml, addresses };

struct SettingRow {
  std::string_view path;  // "listen.proxy"
  Written written;
  std::string_view meaning;
  void (*read)(const Node&, Settings&, Reading&);
  boost::json::value (*show)(const Settings&);  // null: nothing is set
  // Copies the value; set for keys that a running daemon cannot change: listeners, state, key, threads.
  void (*keep)(const Settings& running, Settings& wanted) = nullptr;
};
std::span<const SettingRow> setting_rows();

// Keys of the design that a later version serves: refused by name instead of as unknown.
struct LaterKey {
  std::string_view path, hint;
};
std::span<const LaterKey> later_keys();

// Readers that have a file of their own.
void read_upstream_hosts(const Node& node, Settings& out, Reading& in);
void read_egress_allow(const Node& node, Settings& out, Reading& in);
void read_intercept_hosts(const Node& node, Settings& out, Reading& in);
void read_connections(const Node& node, Settings& out, Reading& in);
boost::json::value show_upstream_hosts(const Settings& settings);
boost::json::value show_egress_allow(const Settings& settings);
boost::json::value show_intercept_hosts(const Settings& settings);
boost::json::value show_connections(const Settings& settings);

// A path as written: `~/` is the home, a relative one starts at the base. Empty after a mistake.
std::filesystem::path read_path(const Node& node, Reading& in);

}  // namespace postern::config
