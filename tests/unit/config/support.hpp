#pragma once
// A folder that lives as long as a test, and the shortest ways to ask for settings and plans.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "config/catalog.hpp"
#include "config/settings.hpp"

namespace postern::config::test {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "postern-config-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

// The settings of a file with this text. Errors name it "postern.yaml" whatever the folder is.
inline Result<Settings> load(const std::string& yaml, std::map<std::string, std::string> environment = {},
                             std::vector<std::pair<std::string, std::string>> flags = {}, bool dev = false) {
  const Folder folder;
  Sources sources;
  sources.file = folder.write("postern.yaml", yaml);
  sources.environment = std::move(environment);
  sources.environment.emplace("HOME", "/home/someone");
  sources.flags = std::move(flags);
  sources.dev = dev;
  auto loaded = load_settings(sources);
  if (!loaded && loaded.error().file == *sources.file) loaded.error().file = "postern.yaml";
  return loaded;
}
inline std::string mistake(const std::string& yaml, std::map<std::string, std::string> environment = {},
                           std::vector<std::pair<std::string, std::string>> flags = {}) {
  const auto loaded = load(yaml, std::move(environment), std::move(flags));
  return loaded ? "(accepted)" : loaded.error().text();
}

inline Provider entry(const std::string& yaml) {
  auto parsed = parse_provider(yaml, "test.yaml");
  EXPECT_TRUE(parsed) << parsed.error().text();
  return parsed ? *parsed : Provider{};
}
inline std::string entry_mistake(const std::string& yaml) {
  const auto parsed = parse_provider(yaml, "test.yaml");
  return parsed ? "(accepted)" : parsed.error().text();
}

using Values = std::map<std::string, std::string>;
inline std::expected<Plan, std::vector<Error>> plan(const Provider& provider, const std::string& type, Values value,
                                                    const std::string& config = "{}", const std::string& auth = "") {
  return plan_connection(provider, {type, auth, std::move(value), config});
}
// Every mistake, one a line.
inline std::string plan_mistakes(const Provider& provider, const std::string& type, Values value,
                                 const std::string& config = "{}", const std::string& auth = "") {
  const auto planned = plan(provider, type, std::move(value), config, auth);
  if (planned) return "(accepted)";
  std::string out;
  for (const Error& error : planned.error()) out += (out.empty() ? "" : "\n") + error.text();
  return out;
}
inline std::string hosts(const std::vector<HostPattern>& list) {
  std::string out;
  for (const HostPattern& host : list)
    out += (out.empty() ? "" : " ") + host.host + ":" + std::to_string(host.port) + host.path_prefix;
  return out;
}
inline std::shared_ptr<const Provider> shipped(const std::string& id) {
  static const auto catalog = Catalog::load({});
  return catalog ? (*catalog)->find(id) : nullptr;
}

}  // namespace postern::config::test
