// Loading: file, then environment, then flags, each walked over the one table of settings; then what only holds across
// several of them.
#include "config/settings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/hosts.hpp"
#include "config/settings_rows.hpp"

namespace postern::config {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr std::string_view kEnvironment = "POSTERN__";

const SettingRow* row_of(std::string_view path) {
  for (const SettingRow& row : setting_rows())
    if (row.path == path) return &row;
  return nullptr;
}

bool is_section(std::string_view path) {
  return std::any_of(setting_rows().begin(), setting_rows().end(), [&](const SettingRow& row) {
    return row.path.size() > path.size() && row.path.starts_with(path) && row.path[path.size()] == '.';
  });
}

const LaterKey* later(std::string_view path) {
  for (const LaterKey& key : later_keys())
    if (key.path == path) return &key;
  return nullptr;
}

// Every path and section, for suggestions.
Names all_paths() {
  Names out;
  for (const SettingRow& row : setting_rows())
    for (std::size_t dot = row.path.find('.');; dot = row.path.find('.', dot + 1)) {
      std::string name(row.path.substr(0, dot));
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(std::move(name));
      if (dot == row.path.npos) break;
    }
  return out;
}

// The last words of the keys that stand directly under a section ("": the top).
Names keys_under(std::string_view section) {
  Names out;
  for (const std::string& path : all_paths()) {
    const std::size_t dot = path.rfind('.');
    if ((dot == path.npos ? "" : path.substr(0, dot)) == section)
      out.push_back(path.substr(dot == path.npos ? 0 : dot + 1));
  }
  return out;
}

std::string environment_name(std::string_view path) {
  std::string out(kEnvironment);
  for (char c : path) out += c == '.' ? "__" : std::string(1, c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  return out;
}

class Loader {
 public:
  explicit Loader(const Sources& sources) : sources_(sources) {
    if (const auto found = sources.environment.find("HOME"); found != sources.environment.end()) home_ = found->second;
  }

  Result<Settings> run() {
    read_file();
    if (mistakes_.empty()) read_environment();
    settings_.dev = sources_.dev;
    if (sources_.dev) settings_.open_callers = true;
    if (mistakes_.empty()) read_flags();
    if (mistakes_.empty()) fill_defaults();
    if (mistakes_.empty()) check_together();
    if (!mistakes_.empty()) return std::unexpected(mistakes_.take().front());
    return std::move(settings_);
  }

 private:
  void read_file() {
    base_ = fs::current_path();
    fs::path path;
    std::error_code failed;
    if (sources_.file) {
      path = *sources_.file;
    } else {
      for (const char* candidate : {"./postern.yaml", "/etc/postern/postern.yaml"})
        if (path.empty() && fs::exists(candidate, failed)) path = candidate;
      if (path.empty()) return;
    }
    const auto tree = parse_yaml_file(path.string());
    if (!tree) return mistakes_.add(tree.error());
    settings_.file = path;
    base_ = fs::absolute(path).parent_path();
    Reading in{mistakes_, base_, home_};
    if (!tree->is_map() && !tree->is_null()) return mistakes_.add(*tree, "settings must be a map of keys");
    apply(*tree, "", in);
  }

  // One map of the tree: rows are read, sections entered, everything else is refused.
  void apply(const Node& map, const std::string& section, Reading& in) {
    for (std::size_t i = 0; i < map.keys.size(); ++i) {
      const Node& key = map.keys[i];
      const Node& value = map.items[i];
      const std::string path = section.empty() ? key.text : section + "." + key.text;
      if (const SettingRow* row = row_of(path)) {
        if (value.is_null()) {
          in.mistakes.add(key, fmt::format("'{}' has no value; leave the key out to keep the default", key.text));
          continue;
        }
        places_[path] = value;
        row->read(value, settings_, in);
      } else if (const LaterKey* known = later(path)) {
        in.mistakes.add(key, fmt::format("'{}' is not served by this version: {}", path, known->hint));
      } else if (!is_section(path)) {
        in.mistakes.add(key, unknown("key", key.text, keys_under(section)) +
                                 (section.empty() ? "" : fmt::format(" (in {})", section)));
      } else if (value.is_map()) {
        apply(value, path, in);
      } else if (!value.is_null()) {
        in.mistakes.add(value, fmt::format("'{}' must be a map of keys", path));
      }
    }
  }

  // A value that came as one text. Relative paths start where the process does.
  void apply_text(const std::string& path, const std::string& text, const std::string& source,
                  const std::string& name) {
    Mistakes own;
    Reading in{own, fs::current_path(), home_};
    Node node;
    node.kind = Node::Kind::scalar;
    node.text = text;
    node.file = std::make_shared<const std::string>(source);
    const SettingRow* row = row_of(path);
    const bool structured =
        !row || row->written == Written::yaml ||
        (row->written == Written::addresses && text.starts_with('[') && !parse_host_port(text, false, true));
    if (structured) {
      auto parsed = parse_yaml(text, source);
      if (parsed)
        node = std::move(*parsed);
      else
        own.add(parsed.error());
    }
    if (text.empty()) own.add(node, "is empty; leave it out to keep the default");
    if (own.empty()) {
      if (row) {
        places_[path] = node;
        row->read(node, settings_, in);
      } else if (node.is_map()) {
        apply(node, path, in);
      } else {
        own.add(node, "is a section: give it a map, or set one of its keys");
      }
    }
    for (Error& error : own.take()) {
      error.line = error.column = 0;  // of one line that the reader cannot see
      error.message = name + ": " + error.message;
      mistakes_.add(std::move(error));
    }
  }

  void read_environment() {
    const Names paths = all_paths();
    Names names;
    for (const std::string& path : paths) names.push_back(environment_name(path));
    // A section's name sorts before those of its keys, so the more exact variable wins.
    for (const auto& [name, value] : sources_.environment) {
      if (!name.starts_with(kEnvironment)) continue;
      const auto at = std::find(names.begin(), names.end(), name);
      if (at != names.end()) {
        apply_text(paths[static_cast<std::size_t>(at - names.begin())], value, "environment", name);
        continue;
      }
      const auto key = std::find_if(later_keys().begin(), later_keys().end(),
                                    [&](const LaterKey& k) { return environment_name(k.path) == name; });
      mistakes_.add(Error{"environment", 0, 0, "",
                          key != later_keys().end()
                              ? fmt::format("{} is not served by this version: {}", name, key->hint)
                              : unknown("variable", name, names)});
    }
  }

  void read_flags() {
    for (const auto& [path, value] : sources_.flags) {
      if (row_of(path) || is_section(path)) {
        apply_text(path, value, "flag", path);
      } else if (const LaterKey* key = later(path)) {
        mistakes_.add(Error{"flag", 0, 0, "", fmt::format("'{}' is not served by this version: {}", path, key->hint)});
      } else {
        mistakes_.add(Error{"flag", 0, 0, "", unknown("setting", path, all_paths())});
      }
    }
  }

  void fill_defaults() {
    if (!places_.contains("state")) settings_.state = (base_ / "state").lexically_normal();
    if (named_keys() != 0) return;
    const auto found = sources_.environment.find("XDG_CONFIG_HOME");
    // A relative one is to be ignored (XDG base directory specification).
    if (found != sources_.environment.end() && found->second.starts_with('/'))
      settings_.key_file = fs::path(found->second) / "postern/master.key";
    else if (!home_.empty())
      settings_.key_file = fs::path(home_) / ".config/postern/master.key";
    else
      settings_.key_file = "/etc/postern/master.key";
  }

  // How many places a master key is to come from; one is right.
  int named_keys() const {
    return int{!settings_.key_file.empty()} + int{!settings_.key_passphrase_file.empty()} +
           int{!settings_.key_credential.empty()} + int{!settings_.key_exec.empty()};
  }

  static bool loopback(const std::string& address) {
    const auto parsed = parse_host_port(address, false, true);
    if (!parsed) return false;
    const auto ip = parse_address(parsed->host);
    return ip ? is_loopback(*ip) : parsed->host == "localhost";
  }

  void refuse(const std::string& path, std::string message) {
    if (const auto place = places_.find(path); place != places_.end())
      mistakes_.add(place->second, std::move(message));
    else
      mistakes_.add(Error{settings_.file.string(), 0, 0, "", std::move(message)});
  }

  void check_together() {
    Names proxies = settings_.listen.more_proxy;
    proxies.insert(proxies.begin(), settings_.listen.proxy);
    for (const std::string& address : proxies) {
      if (loopback(address)) continue;
      if (settings_.open_callers)
        refuse("listen.proxy", fmt::format("listen.proxy {} is off loopback, and callers.mode open serves anybody who "
                                           "reaches it; use callers.mode: required",
                                           address));
      else if (!settings_.insecure_listen)
        refuse("listen.proxy", fmt::format("listen.proxy {} is off loopback, where tokens cross the network in clear; "
                                           "say insecure_listen: true if that is meant",
                                           address));
    }
    if (!loopback(settings_.listen.admin) && !settings_.insecure_listen)
      refuse("listen.admin", fmt::format("listen.admin {} is off loopback, where tokens cross the network in clear; "
                                         "say insecure_listen: true if that is meant",
                                         settings_.listen.admin));
    Names taken = proxies;
    taken.push_back(settings_.listen.admin);
    if (!settings_.listen.health.empty()) taken.push_back(settings_.listen.health);
    std::sort(taken.begin(), taken.end());
    for (std::size_t i = 1; i < taken.size(); ++i)
      if (taken[i] == taken[i - 1] && !taken[i].ends_with(":0"))
        refuse("listen.proxy", fmt::format("{} is listened on twice", taken[i]));
    if (named_keys() != 1)
      refuse("vault.key.file",
             "vault.key names more than one place: keep one of file, passphrase_file, credential, exec");
    for (const auto& [path, file] : {std::pair("vault.key.file", settings_.key_file),
                                     std::pair("vault.key.passphrase_file", settings_.key_passphrase_file)}) {
      if (!settings_.dev && !file.empty() && inside(file, settings_.state))
        refuse(path, "the master key may not lie in the state directory: who copies one has both");
    }
  }

  // After links are followed, as far as the paths exist.
  static bool inside(const fs::path& file, const fs::path& folder) {
    std::error_code failed;
    const fs::path real_file = fs::weakly_canonical(file, failed), real_folder = fs::weakly_canonical(folder, failed);
    const auto [at, ignored] =
        std::mismatch(real_folder.begin(), real_folder.end(), real_file.begin(), real_file.end());
    return at == real_folder.end() || (at->empty() && std::next(at) == real_folder.end());
  }

  const Sources& sources_;
  Settings settings_;
  Mistakes mistakes_;
  std::map<std::string, Node> places_;
  fs::path base_;
  std::string home_;
};

}  // namespace

Result<Settings> load_settings(const Sources& sources) {
  return Loader(sources).run();
}

}  // namespace postern::config
