#pragma once
// A directory for one test, removed at its end, and the few records and calls that most vault tests begin with.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "vault/vault.hpp"

namespace postern::vault::test {

class Scratch {
 public:
  Scratch() : Scratch(std::filesystem::temp_directory_path()) {}
  explicit Scratch(const std::filesystem::path& parent) {
    std::string pattern = (parent / "postern-vault-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Where syncing costs nothing, if there is such a place: for tests whose disk fails by itself.
inline std::filesystem::path in_memory() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path();
}

inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::filesystem::path& file, std::string_view bytes, mode_t mode = 0600) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  ::chmod(file.c_str(), mode);
}

// Every file below a directory, with its bytes.
inline std::map<std::string, std::string> contents(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files[entry.path().string()] = read_file(entry.path());
  }
  return files;
}

// A vault on disk, or in memory, with a clock that stands still until it is set.
struct World {
  explicit World(StoreKind store = StoreKind::rocksdb) {
    options.store = store;
    options.state = scratch.path() / "state";
    options.key_file = scratch.path() / "keys" / "master.key";
    options.now_ms = [this] { return now; };
    EXPECT_TRUE(Vault::make_key_file(options.key_file));
  }
  std::unique_ptr<Vault> create() const { return checked(Vault::create(options)); }
  std::unique_ptr<Vault> open() const { return checked(Vault::open(options)); }
  Error::Code refusal() const {
    const auto opened = Vault::open(options);
    EXPECT_FALSE(opened);
    return opened ? Error::Code{} : opened.error().code;
  }

  static std::unique_ptr<Vault> checked(Result<std::unique_ptr<Vault>> result) {
    if (!result) ADD_FAILURE() << result.error().message;
    return result ? std::move(*result) : nullptr;
  }

  Scratch scratch;
  Options options;
  std::int64_t now = 1'700'000'000'000;
};

// A place for what a test makes: the organization and the project, where they are not there yet.
inline void make_place(Vault& vault, std::string_view organization, std::string_view project = kDefaultProject) {
  Scopes& scopes = vault.scopes();
  if (!scopes.find_organization(organization)) {
    EXPECT_TRUE(scopes.create_organization({.id = std::string(organization), .name = "made for a test"}));
  }
  if (!scopes.find_project(organization, project)) {
    EXPECT_TRUE(scopes.create_project(
        {.id = std::string(project), .organization = std::string(organization), .name = "made for a test"}));
  }
}

inline Connection stripe() {
  Connection meta;
  meta.owner = "service";
  meta.name = "Billing";
  meta.app = "stripe";
  meta.auth = "api_key";
  meta.type = "API_KEY";
  meta.config = "{}";
  meta.destinations = {{"api.stripe.com", 443, ""}, {"files.stripe.com", 443, "/v1"}};
  return meta;
}

inline Credential api_key(std::string_view value) {
  Credential credential;
  credential.values.emplace("apiKey", Secret(value));
  return credential;
}

inline AuthConfig app() {
  AuthConfig auth_config;
  auth_config.name = "Our app";
  auth_config.provider = "google";
  auth_config.auth = "oauth";
  auth_config.config = "{}";
  auth_config.values.emplace("clientId", Secret("id"));
  auth_config.values.emplace("clientSecret", Secret("app secret"));
  return auth_config;
}

inline Credential token_pair(std::string_view access, std::string_view refresh = "refresh") {
  Credential credential;
  credential.values.emplace("accessToken", Secret(access));
  credential.values.emplace("refreshToken", Secret(refresh));
  credential.times.emplace();
  credential.times->sent_ms = 1'700'000'000'000;
  credential.times->boot_id = "boot";
  credential.times->lifetime_ms = 3'600'000;
  return credential;
}

inline Authorization step(std::int64_t expires = 1'800'000'000'000) {
  Authorization authorization;
  authorization.organization = kDefaultOrganization;
  authorization.project = kDefaultProject;
  authorization.user = "user_1";
  authorization.name = "step-42";
  authorization.capabilities = {"proxy:call"};
  authorization.connections = {"*"};
  authorization.expires = expires;
  return authorization;
}

#define EXPECT_REFUSED(result, expected)                                                               \
  do {                                                                                                 \
    const auto& refused_result = (result);                                                             \
    EXPECT_FALSE(refused_result);                                                                      \
    if (!refused_result) {                                                                             \
      EXPECT_EQ(refused_result.error().code, Error::Code::expected) << refused_result.error().message; \
      EXPECT_FALSE(refused_result.error().message.empty());                                            \
    }                                                                                                  \
  } while (false)

}  // namespace postern::vault::test
